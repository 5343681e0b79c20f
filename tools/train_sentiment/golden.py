# SPDX-License-Identifier: Apache-2.0
"""Writes golden.json: texts, their token ids, and logits in float64 on the fp16 weights of a model folder."""

import argparse
import json
from pathlib import Path
from typing import Final

import tokenizers
import torch
import transformers

from evaluate import Classifier
from teacher import HERE

TEXTS: Final = HERE / "golden_texts.json"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--model", type=Path, required=True)
    given = arguments.parse_args()
    torch.set_num_threads(1)
    classifier = Classifier.load(given.model, torch.float64)
    rows = []
    for text in json.loads(TEXTS.read_text(encoding="utf-8")):
        ids = classifier.tokenizer(text, truncation=True)["input_ids"]
        rows.append({"text": text, "input_ids": ids, "logits": classifier.logits([text])[0].tolist()})
    content = {
        "made_by": f"transformers {transformers.__version__}, tokenizers {tokenizers.__version__}, torch {torch.__version__.split('+')[0]}",
        "dtype": "float64 on the fp16 weights, one text a batch, erf GELU",
        "cases": rows,
    }
    lines = json.dumps(content, ensure_ascii=True, indent=None).replace('{"text"', '\n{"text"')
    (given.model / "golden.json").write_text(lines + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
