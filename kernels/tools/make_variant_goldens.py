#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/goldens/variants.json: what transformers and sentence-transformers make of each variant of folder_variants.py.

Run: python3 make_variant_goldens.py [--new] [TASK…] (of other tasks what is there stays, with --new of all variants that are), with torch 2.15.0, transformers 5.24.0 and sentence-transformers 6.2.0 installed.
"""

import json
import pathlib
import sys
import tempfile

import safetensors.torch
import torch

import folder_variants
import peer


def dense_weights():
    """Of the Dense modules: from 24 to 5 numbers, from 24 to 24 without bias, and with a residual."""
    folder = folder_variants.GOLDENS / "dense"
    folder.mkdir(exist_ok=True)
    generator = torch.Generator().manual_seed(6)
    draw = lambda *shape: 0.5 * torch.randn(*shape, generator=generator)
    narrow = {"linear.weight": draw(5, 24), "linear.bias": draw(5)}
    for name, weights in (("narrow", narrow), ("square", {"linear.weight": draw(24, 24)}),
                          ("residual", {**narrow, "residual.weight": draw(5, 24)})):
        safetensors.torch.save_file(weights, folder / f"{name}.safetensors", {"format": "pt"})


def rounded(result):
    return {key: value if key == "labels" else [[float(f"{x:.7g}") for x in row] for row in value]
            for key, value in result.items()}


def differ(one, other):
    if one.get("labels") != other.get("labels"):
        return True
    for key in ("values", "scores"):
        for x, y in zip(one.get(key, []), other.get(key, [])):
            if len(x) != len(y) or any(abs(a - b) > 1e-5 for a, b in zip(x, y)):
                return True
    return False


def main():
    faults, variants, seen = 0, [], {}
    only_new = "--new" in sys.argv[1:]
    tasks = [name for name in sys.argv[1:] if name != "--new"] or list(peer.TASKS)
    identity = lambda variant: json.dumps([variant["base"], variant["keys"], variant["edits"], variant.get("task", "classify")])
    output = folder_variants.GOLDENS / "variants.json"
    old = {identity(variant): variant for variant in json.loads(output.read_text())["variants"]}
    if "embed" in tasks and not only_new:
        dense_weights()
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary) / "model"

        def run(base, edits, variant):
            key = json.dumps([base, edits, variant["texts"], variant["copies"], variant["task"]])
            if key not in seen:
                folder_variants.write(folder, base, edits, variant["copies"])
                seen[key] = peer.run(variant["task"], folder, variant["texts"])
            return seen[key]

        for variant in folder_variants.VARIANTS:
            name = f"{variant['base']} {variant['keys']} {json.dumps(variant['edits'])[:160]}"
            if variant["task"] not in tasks or only_new and identity(variant) in old:
                variants.append(old[identity(variant)])
                continue
            result = run(variant["base"], variant["edits"], variant)
            kept = {key: value for key, value in variant.items() if key != "same" and (key != "against" or variant["same"])}
            for key, usual in (("texts", folder_variants.TEXTS), ("copies", []), ("task", "classify")):
                if kept[key] == usual:
                    del kept[key]
            if variant["expect"] != "refused":
                del kept["named"]
            if variant["expect"] == "values":
                if "error" in result:
                    faults += 1
                    print(f"refused by the peers: {name}: {result['error']}")
                    continue
                reference = run(variant["base"], variant["against"], variant)
                if differ(result, reference) == variant["same"]:
                    faults += 1
                    print(f"{'changes' if variant['same'] else 'changes nothing'}: {name}")
                if not variant["same"]:
                    kept.update(rounded(result))
            elif variant["expect"] == "error" and "error" not in result:
                faults += 1
                print(f"taken by the peers: {name}")
            variants.append(kept)
    texts = json.dumps(folder_variants.TEXTS, ensure_ascii=False)
    text = ",\n".join(json.dumps(each, ensure_ascii=False, separators=(",", ":")) for each in variants)
    output.write_text(f'{{"texts": {texts}, "variants": [\n{text}\n]}}\n')
    print(f"{len(variants)} variants, {faults} faults, {output.stat().st_size} bytes")
    return faults != 0


if __name__ == "__main__":
    sys.exit(main())
