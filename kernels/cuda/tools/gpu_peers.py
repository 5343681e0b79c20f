#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Ours against PyTorch and what else is installed, in a process of its own that ./dev gpu can end.

Reads lines of JSON as yonder_gpu reads commands, answers with rows and then "done": {"what": "accuracy", "model": …},
{"what": "compile", …}, {"what": "texts", …}, {"what": "onnxruntime", …}, each with model, folder, scratch, program and batches.
"""
import gc
import json
import os
import pathlib
import statistics
import sys
import time

import gpu_models
import gpu_program

TARGETS = {  # (batch, peer): at least so many times faster
    ("b1 s128", "torch.compile"): 2.0,
    ("b32 s128", "torch.compile"): 1.25,
    ("ragged 64 k tokens", "torch.compile"): 2.2,
    ("text to label, one text", "pipeline"): 10.0,
    ("text to label, 512 texts", "pipeline"): 8.0,
}
PATIENCE = 120  # seconds; whoever started this has less


def load_model(folder):
    """transformers' model in float32 on the CPU."""
    import transformers
    return transformers.AutoModelForSequenceClassification.from_pretrained(folder).float().eval()


def padded(sequences, device):
    import torch
    longest = max(map(len, sequences))
    ids = torch.zeros(len(sequences), longest, dtype=torch.long)
    mask = torch.zeros(len(sequences), longest, dtype=torch.long)
    for i, sequence in enumerate(sequences):
        ids[i, :len(sequence)] = torch.tensor(sequence)
        mask[i, :len(sequence)] = 1
    return ids.to(device), mask.to(device)


def relative(out, reference):
    return float((out - reference).norm() / reference.norm())


def accuracy(order, program):
    """Logits of fresh random texts, each format, and PyTorch's own bf16, against a float64 run.

    Random models have logits that nearly cancel: rounding the weights alone to bf16 can cost more than 1e-2 of them. No
    bf16 kernel can then be better than PyTorch's, and ours may be a quarter worse.
    """
    import array
    import torch
    scratch = pathlib.Path(order["scratch"])
    path, sequences = gpu_models.write_batch(scratch, "b32 s128", seed=int(time.time()))
    sequences = sequences[:3] + [s[:length] for s, length in zip(sequences[3:], (1, 2, 15, 16, 17, 63, 64, 65, 100, 127))]
    path.write_text("".join(" ".join(map(str, ids)) + "\n" for ids in sequences))
    ids, mask = padded(sequences, "cuda")
    exact = load_model(order["folder"]).double().to("cuda")
    with torch.no_grad():
        reference = exact(input_ids=ids, attention_mask=mask).logits.cpu()
        half = exact.to(torch.bfloat16)(input_ids=ids, attention_mask=mask).logits.double().cpu()
    of_pytorch = relative(half, reference)
    common = {"kind": "accuracy", "model": order["model"]}
    yield {**common, "format": "PyTorch bf16", "error": of_pytorch, "allowed": None}
    out = scratch / "results.bin"
    for number_format, allowed in (("bf16", max(1e-2, 1.25 * of_pytorch)), ("fp16", 1e-2)):
        list(program.ask("load", order["folder"], number_format, "graph+dependent", seconds=PATIENCE))
        list(program.ask("results", path, out, seconds=PATIENCE))
        values = array.array("f", out.read_bytes())
        found = torch.tensor(values, dtype=torch.float64).view_as(reference)
        margin = (reference[:, 0] - reference[:, 1]).abs()
        clear = margin > allowed * reference.norm(dim=1)
        same = bool((found.argmax(1) == reference.argmax(1))[clear].all())
        error = relative(found, reference)
        yield {**common, "format": number_format, "error": error, "allowed": allowed, "same_labels": same,
               "good": error <= allowed}


def make_compile(order, sequences):
    """A call that runs torch.compile's model, its CUDA graph on, over the padded batch."""
    import torch
    model = load_model(order["folder"]).to("cuda", torch.bfloat16)
    compiled = torch.compile(model, mode="reduce-overhead")
    ids, mask = padded(sequences, "cuda")
    full = bool(mask.all())

    def run():
        with torch.no_grad():
            compiled(input_ids=ids, attention_mask=None if full else mask)
    return run


def make_onnxruntime(order, sequences):
    """ONNX Runtime on the GPU."""
    import onnxruntime
    import torch
    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        raise ImportError("onnxruntime has no CUDAExecutionProvider")
    path = pathlib.Path(order["scratch"]) / f"{order['model']}.onnx"
    ids, mask = padded(sequences, "cpu")
    if not path.exists():
        torch.onnx.export(load_model(order["folder"]), (ids, mask), str(path), input_names=["ids", "mask"],
                          dynamic_axes={"ids": {0: "b", 1: "s"}, "mask": {0: "b", 1: "s"}}, dynamo=False)
    session = onnxruntime.InferenceSession(str(path), providers=["CUDAExecutionProvider"])
    feed = {"ids": ids.numpy(), "mask": mask.numpy()}
    return lambda: session.run(None, feed)


def warm_up(run):
    """An idle GPU's clocks are low."""
    import torch
    end = time.monotonic() + 0.3
    while time.monotonic() < end:
        run()
        torch.cuda.synchronize()


def device_time(run, repeats):
    """Microseconds of one run, by events round `repeats` of them, enqueued while the device is held."""
    import torch
    torch.cuda._sleep(20_000_000)  # cycles: some 10 ms
    begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    begin.record()
    for _ in range(repeats):
        run()
    end.record()
    end.synchronize()
    return 1e3 * begin.elapsed_time(end) / repeats


def call_time(run):
    import torch
    torch.cuda.synchronize()
    start = time.perf_counter()
    run()
    torch.cuda.synchronize()
    return 1e6 * (time.perf_counter() - start)


def compared(model, batch, peer, ours, theirs):
    """Medians of the rounds, and of their ratios."""
    ratios = [b / a for a, b in zip(ours, theirs)]
    middle = statistics.median(ratios)
    return {"kind": "compared", "model": model, "batch": batch, "peer_name": peer, "ours": statistics.median(ours),
            "peer": statistics.median(theirs), "ratio": middle, "spread": (max(ratios) - min(ratios)) / middle,
            "target": TARGETS.get((batch, peer))}


def against(order, program, peer, make, on_device):
    """Each batch: ours and the peer in turn, three rounds."""
    list(program.ask("load", order["folder"], "bf16", "graph+dependent", seconds=PATIENCE))
    for batch in order["batches"]:
        path, sequences = gpu_models.write_batch(pathlib.Path(order["scratch"]), batch)
        run = make(order, sequences)
        for _ in range(5):
            run()
        repeats = 3 if sum(map(len, sequences)) > 16384 else 20
        ours, theirs = [], []
        for _ in range(3):
            found = next(iter(list(program.ask("time", path, 7, seconds=PATIENCE))))
            ours.append(found["device" if on_device else "call"])
            warm_up(run)
            theirs.append(device_time(run, repeats) if on_device else statistics.median(call_time(run) for _ in range(5)))
        yield compared(order["model"], batch, peer, ours, theirs)
        del run
        gc.collect()


def compile_rows(order, program):
    import torch
    before = torch._dynamo.utils.counters["inductor"]["cudagraph_skips"]
    for row in against(order, program, "torch.compile", make_compile, True):
        yield {**row, "peer_skipped_graphs": torch._dynamo.utils.counters["inductor"]["cudagraph_skips"] - before}
        torch._dynamo.reset()
        torch.cuda.empty_cache()


def onnxruntime_rows(order, program):
    yield from against(order, program, "ONNX Runtime", make_onnxruntime, False)


def texts(order, program):
    """Text to label, by text_classifier and by transformers' pipeline: one text of 128 tokens, and 512 of 3 to 128."""
    import torch
    import transformers
    pipeline = transformers.pipeline("text-classification", model=load_model(order["folder"]).to(torch.bfloat16), device=0,
                                     batch_size=32, tokenizer=transformers.AutoTokenizer.from_pretrained(order["folder"]))
    path, lines = gpu_models.write_texts(pathlib.Path(order["scratch"]))
    for key, what, work in (("one", "text to label, one text", lambda: pipeline(lines[0])),
                            ("all", "text to label, 512 texts", lambda: pipeline(lines))):
        if what not in order["batches"]:
            continue
        ours, theirs = [], []
        for _ in range(3):
            ours.append(list(program.ask("texts", order["folder"], path, 5, seconds=PATIENCE))[0][key])
            work()
            theirs.append(statistics.median(call_time(work) for _ in range(3)))
        yield compared(order["model"], what, "pipeline", ours, theirs)


def versions(_order, _program):
    found = {}
    for module in ("torch", "transformers", "onnxruntime"):
        try:
            found[module] = __import__(module).__version__
        except ImportError:
            pass
    yield {"kind": "versions", "versions": found}


WORK = {"versions": versions, "accuracy": accuracy, "compile": compile_rows, "texts": texts, "onnxruntime": onnxruntime_rows}


def main():
    for line in sys.stdin:
        order = json.loads(line)
        program = gpu_program.Program([order["program"]], gpu_program.of_yonder_gpu(dict(os.environ)), leads=False)
        try:
            for row in WORK[order["what"]](order, program):
                print(json.dumps(row), flush=True)
            print("done", flush=True)
        except ImportError as error:
            print(json.dumps({"kind": "absent", "why": str(error)}), flush=True)
            print("done", flush=True)
        except Exception as error:  # whatever it is, it is told
            print(f"failed: {type(error).__name__}: {error}".replace("\n", " ")[:2000], flush=True)
        program.stop()


if __name__ == "__main__":
    main()
