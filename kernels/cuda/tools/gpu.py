#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""./dev gpu: checks the CUDA kernels on an NVIDIA GPU and measures them against what people use.

gpu.py [check|measure|ceilings] [--json FILE] [--docs FOLDER] [--minutes N] [--fresh]

Without a word: check, then measure. Needs nvcc, CMake, ninja and, for models and peers, PyTorch and transformers. It
stops cleanly when the minutes are over; the next run goes on where this one ended (build/gpu/state.json), unless --fresh.
A phase's floor is what the copy rate and the matrix rate of `ceilings` allow.
"""
import argparse
import json
import pathlib
import platform
import shutil
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[3]
BUILD = ROOT / "build" / "gpu"

# hidden, layers, heads, intermediate, transformers' class of configuration
MODELS = {
    "MiniLM-L6": (384, 6, 12, 1536, "bert"),
    "DistilBERT": (768, 6, 12, 3072, "distilbert"),
    "BERT-base": (768, 12, 12, 3072, "bert"),
    "BERT-large": (1024, 24, 16, 4096, "bert"),
}
# name: lengths of the texts, of a longest one
BATCHES = {
    "b1 s128": ([128], 128),
    "b32 s128": ([128] * 32, 128),
    "ragged 64 k tokens": (None, 128),  # lengths 1 to 128: the mean is half the longest
}
PRODUCT_ROWS = (128, 4096, 4224, 65536)
TARGETS = {  # (batch, peer): at least so many times faster
    ("b1 s128", "torch.compile"): 2.0,
    ("b32 s128", "torch.compile"): 1.25,
    ("ragged 64 k tokens", "torch.compile"): 2.2,
    ("text to label, one text", "pipeline"): 10.0,
    ("text to label, 512 texts", "pipeline"): 8.0,
}


class Unusable(Exception):
    """There is nothing to check here; the text says why."""


def lengths_of(batch):
    lengths, longest = BATCHES[batch]
    if lengths is not None:
        return lengths
    import random
    draw = random.Random(7)
    lengths = []
    while sum(lengths) < 65536 - longest:
        lengths.append(draw.randint(1, longest))
    return lengths


class Program:
    """yonder_gpu, which answers commands."""

    def __init__(self, path, wrapper=()):
        self.process = subprocess.Popen([*wrapper, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)

    def ask(self, *words):
        try:
            self.process.stdin.write(" ".join(str(word) for word in words) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass
        rows = []
        for line in self.process.stdout:
            line = line.strip()
            if line == "done":
                return rows
            if line.startswith("failed: "):
                raise RuntimeError(" ".join(map(str, words)) + ": " + line[len("failed: "):])
            if line.startswith("{"):
                rows.append(json.loads(line))
        why = self.process.stderr.read().strip()
        raise (Unusable if self.process.wait() == 3 else RuntimeError)(why or "yonder_gpu ended")

    def close(self):
        self.process.stdin.close()
        return self.process.wait()


def build(json_include):
    if shutil.which("nvidia-smi") is None and not pathlib.Path("/dev/nvidiactl").exists():
        raise Unusable("there is no NVIDIA GPU here: no nvidia-smi and no /dev/nvidiactl")
    for tool in ("cmake", "ninja"):
        if shutil.which(tool) is None:
            raise Unusable(f"{tool} is not installed")
    command = ["cmake", "-S", str(ROOT / "kernels"), "-B", str(BUILD), "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release",
               "-DYONDER_WITH_CUDA=ON", "-DYONDER_BUILD_TESTS=OFF"]
    if json_include:
        command.append(f"-DYONDER_JSON_INCLUDE={json_include}")
    log = BUILD / "build.log"
    BUILD.mkdir(parents=True, exist_ok=True)
    with log.open("w") as out:
        for step in (command, ["cmake", "--build", str(BUILD), "--target", "yonder_gpu"]):
            if subprocess.run(step, stdout=out, stderr=subprocess.STDOUT).returncode != 0:
                sys.stdout.write(log.read_text()[-4000:])
                raise RuntimeError(f"kernels/ does not build; the whole log: {log}")
    return BUILD / "tools" / "yonder_gpu"


class State:
    """What was found so far, kept between runs of the same commit."""

    def __init__(self, fresh, commit, minutes):
        self.path = BUILD / "state.json"
        self.found = {}
        self.deadline = time.monotonic() + 60 * minutes
        self.left_out = []
        if not fresh and self.path.exists():
            kept = json.loads(self.path.read_text())
            if kept.get("commit") == commit:
                self.found = kept["found"]
        self.commit = commit

    def step(self, name, work):
        """Runs `work` unless its result is known; None when the time is over."""
        if name in self.found:
            return self.found[name]
        if time.monotonic() > self.deadline:
            self.left_out.append(name)
            return None
        print(f"  {name} …", flush=True)
        self.found[name] = work()
        self.path.write_text(json.dumps({"commit": self.commit, "found": self.found}))
        return self.found[name]


def commit():
    told = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "HEAD"], capture_output=True, text=True)
    return told.stdout.strip() if told.returncode == 0 else "unknown"


# ---- models with random weights of the true shapes --------------------------------------------------------------

def make_model(name):
    """transformers' model in float32 on the CPU, and its folder."""
    import torch
    import transformers
    hidden, layers, heads, intermediate, kind = MODELS[name]
    torch.manual_seed(sum(map(ord, name)))
    if kind == "distilbert":
        config = transformers.DistilBertConfig(dim=hidden, n_layers=layers, n_heads=heads, hidden_dim=intermediate)
        model = transformers.DistilBertForSequenceClassification(config)
    else:
        config = transformers.BertConfig(hidden_size=hidden, num_hidden_layers=layers, num_attention_heads=heads,
                                         intermediate_size=intermediate)
        model = transformers.BertForSequenceClassification(config)
    with torch.no_grad():  # transformers' own initialization leaves biases at zero and norms at one
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.02)
    model.eval()
    folder = BUILD / "models" / name
    if not (folder / "model.safetensors").exists():
        model.save_pretrained(folder)
    return model, folder


def write_batch(name, vocabulary, seed=1):
    import random
    draw = random.Random(seed)
    path = BUILD / f"{name.replace(' ', '_')}_{seed}.txt"
    sequences = [[draw.randrange(1000, vocabulary) for _ in range(length)] for length in lengths_of(name)]
    path.write_text("".join(" ".join(map(str, ids)) + "\n" for ids in sequences))
    return path, sequences


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


def compare_with_float64(program, name):
    """Logits of fresh random texts, each format, and PyTorch's own bf16, against a float64 run."""
    import numpy
    import torch
    model, folder = make_model(name)
    path, sequences = write_batch("b32 s128", 30000, seed=int(time.time()))
    sequences = sequences[:3] + [s[:length] for s, length in zip(sequences[3:], (1, 2, 15, 16, 17, 63, 64, 65, 100, 127))]
    path.write_text("".join(" ".join(map(str, ids)) + "\n" for ids in sequences))
    ids, mask = padded(sequences, "cuda")
    exact = model.double().to("cuda")
    with torch.no_grad():
        reference = exact(input_ids=ids, attention_mask=mask).logits.cpu()
        half = exact.to(torch.bfloat16)(input_ids=ids, attention_mask=mask).logits.double().cpu()
    del exact, model
    torch.cuda.empty_cache()
    rows = [{"format": "PyTorch bf16", "error": relative(half, reference), "allowed": None}]
    out = BUILD / "results.bin"
    for number_format in ("bf16", "fp16"):
        program.ask("load", folder, number_format)
        program.ask("results", path, out)
        found = torch.from_numpy(numpy.fromfile(out, dtype=numpy.float32).astype(numpy.float64)).view_as(reference)
        margin = (reference[:, 0] - reference[:, 1]).abs()
        clear = margin > 1e-2 * reference.norm(dim=1)
        same = bool((found.argmax(1) == reference.argmax(1))[clear].all())
        rows.append({"format": number_format, "error": relative(found, reference), "allowed": 1e-2, "same_labels": same})
    return rows


# ---- what people use -----------------------------------------------------------------------------------------------

def peer_compile(name, sequences):
    """A call that runs torch.compile's model, its CUDA graph on, over the padded batch."""
    import torch
    model, _ = make_model(name)
    model = model.to("cuda", torch.bfloat16)
    compiled = torch.compile(model, mode="reduce-overhead")
    ids, mask = padded(sequences, "cuda")
    full = bool(mask.all())

    def run():
        with torch.no_grad():
            compiled(input_ids=ids, attention_mask=None if full else mask)
    return run


def peer_onnxruntime(name, sequences):
    """ONNX Runtime on the GPU, where its GPU build is installed; None elsewhere."""
    import onnxruntime
    import torch
    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        return None
    model, _ = make_model(name)
    path = BUILD / f"{name}.onnx"
    ids, mask = padded(sequences, "cpu")
    if not path.exists():
        torch.onnx.export(model, (ids, mask), str(path), input_names=["ids", "mask"],
                          dynamic_axes={"ids": {0: "b", 1: "s"}, "mask": {0: "b", 1: "s"}}, dynamo=False)
    session = onnxruntime.InferenceSession(str(path), providers=["CUDAExecutionProvider"])
    feed = {"ids": ids.numpy(), "mask": mask.numpy()}
    return lambda: session.run(None, feed)


PEERS = {"torch.compile": peer_compile, "ONNX Runtime": peer_onnxruntime}


def device_time(run, repeats):
    """Microseconds of one run, by events round `repeats` of them."""
    import torch
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


def compared(name, what, peer, ours, theirs, ratios):
    middle = statistics.median(ratios)
    return {"model": name, "batch": what, "peer_name": peer, "unit": "us", "ours": statistics.median(ours),
            "peer": statistics.median(theirs), "ratio": middle, "spread": (max(ratios) - min(ratios)) / middle,
            "target": TARGETS.get((what, peer))}


def add_tokenizer(folder):
    """A WordPiece tokenizer of 30,522 made-up words."""
    import transformers
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + [f"w{i:05}" for i in range(30517)]
    (folder / "vocab.txt").write_text("".join(word + "\n" for word in words))
    (folder / "tokenizer_config.json").write_text(json.dumps(
        {"tokenizer_class": "BertTokenizer", "do_lower_case": True, "model_max_length": 128}))
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    if words[-1] not in tokenizer.get_vocab():
        raise RuntimeError("transformers did not take the words of vocab.txt")
    return tokenizer


def measure_texts(program, name):
    """Text to label, by text_classifier and by transformers' pipeline: one text of 128 tokens, and 512 of 3 to 128."""
    import random
    import torch
    import transformers
    model, folder = make_model(name)
    pipeline = transformers.pipeline("text-classification", model=model.to(torch.bfloat16), device=0, batch_size=32,
                                     tokenizer=add_tokenizer(folder))
    draw = random.Random(3)
    texts = [" ".join(f"w{draw.randrange(30517):05}" for _ in range(words))
             for words in [126] + [draw.randint(1, 126) for _ in range(511)]]
    path = BUILD / "texts.txt"
    path.write_text("".join(text + "\n" for text in texts))
    times = {"one": ([], []), "all": ([], [])}
    for _ in range(3):
        found = program.ask("texts", folder, path, 5)[0]
        for what, work in (("one", lambda: pipeline(texts[0])), ("all", lambda: pipeline(texts))):
            work()
            times[what][0].append(found[what])
            times[what][1].append(statistics.median(call_time(work) for _ in range(3)))
    names = {"one": "text to label, one text", "all": "text to label, 512 texts"}
    rows = [compared(name, names[what], "pipeline", ours, theirs, [b / a for a, b in zip(ours, theirs)])
            for what, (ours, theirs) in times.items()]
    del pipeline, model
    free_torch()
    return {"rows": rows, "phases": []}


def measure(program, name, batch):
    """Ours and each peer, in turn, three rounds: medians, and the spread of the rounds' ratios."""
    _, folder = make_model(name)
    path, sequences = write_batch(batch, 30000)
    program.ask("load", folder, "bf16")
    repeats = 3 if sum(map(len, sequences)) > 16384 else 20
    ours = {"device": [], "call": []}
    peers = {}
    for peer, make in PEERS.items():
        try:
            run = make(name, sequences)
        except ImportError:
            run = None
        if run is None:
            continue
        for _ in range(5):
            run()
        peers[peer] = {"run": run, "times": []}
    for _ in range(3):
        found = program.ask("time", path, 7)[0]
        ours["device"].append(found["device"])
        ours["call"].append(found["call"])
        for peer, each in peers.items():
            timed = device_time(each["run"], repeats) if peer == "torch.compile" else \
                statistics.median(call_time(each["run"]) for _ in range(5))
            each["times"].append(timed)
    rows = []
    for peer, each in peers.items():
        kind = "device" if peer == "torch.compile" else "call"
        ratios = [theirs / mine for theirs, mine in zip(each["times"], ours[kind])]
        rows.append(compared(name, batch, peer, ours[kind], each["times"], ratios) | {"graph": found["graph"]})
    if not rows:
        rows.append({"model": name, "batch": batch, "peer_name": None, "unit": "us",
                     "ours": statistics.median(ours["device"]), "graph": found["graph"]})
    phases = program.ask("phases", path, 9)
    del peers
    free_torch()
    return {"rows": rows, "phases": phases}


def free_torch():
    try:
        import gc
        import torch
        torch._dynamo.reset()
        gc.collect()
        torch.cuda.empty_cache()
    except ImportError:
        pass


# ---- the parts -------------------------------------------------------------------------------------------------------

def sanitize(path):
    if shutil.which("compute-sanitizer") is None:
        return {"skipped": "compute-sanitizer is not installed"}
    reports = {}
    for tool in ("memcheck", "racecheck", "initcheck", "synccheck"):
        program = Program(path, ("compute-sanitizer", "--tool", tool, "--error-exitcode", "9"))
        rows = program.ask("operators", "reduced")
        status = program.close()
        reports[tool] = {"clean": status == 0, "wrong": [row for row in rows if not row["good"]]}
    return reports


def check(program, path, state):
    bad = []
    operators = state.step("operators against their formulas", lambda: program.ask("operators"))
    bad += [f"{row['what']}: error {row['error']}" for row in operators or [] if not row["good"]]
    try:
        import torch  # noqa: F401
        import transformers  # noqa: F401
    except ImportError:
        print("  models against float64: skipped, as there is no PyTorch or no transformers")
    else:
        for name in MODELS:
            rows = state.step(f"{name} against float64", lambda name=name: compare_with_float64(program, name))
            bad += [f"{name} {row['format']}: error {row['error']}" for row in rows or []
                    if row["allowed"] and not (row["error"] <= row["allowed"] and row["same_labels"])]
    reports = state.step("compute-sanitizer on a reduced set", lambda: sanitize(path)) or {}
    for tool, report in reports.items():
        if tool == "skipped":
            print("  compute-sanitizer: skipped,", report)
        elif not report["clean"] or report["wrong"]:
            bad.append(f"compute-sanitizer {tool} found something")
    return bad


def ceilings(program, state, with_peers):
    state.step("ceilings", lambda: program.ask("ceilings"))
    for name, (hidden, _, _, intermediate, _) in MODELS.items():
        shapes = ((3 * hidden, hidden), (hidden, hidden), (intermediate, hidden), (hidden, intermediate))
        state.step(f"products of {name}", lambda shapes=shapes: [
            program.ask("product", rows, columns, depth)[0] for rows in PRODUCT_ROWS for columns, depth in shapes])
    if with_peers:
        measure_all(program, state)


def measure_all(program, state):
    state.step("ceilings", lambda: program.ask("ceilings"))
    state.step("attention", lambda: program.ask("attention"))
    for batch in BATCHES:
        for name in MODELS:
            state.step(f"{name}, {batch}", lambda name=name, batch=batch: measure(program, name, batch))
    for name in MODELS:
        state.step(f"{name}, text to label", lambda name=name: measure_texts(program, name))


# ---- the record --------------------------------------------------------------------------------------------------------

def rates(state):
    found = {row["what"]: row["value"] for row in state.found.get("ceilings", [])}
    copy = next((value for what, value in found.items() if what.startswith("device-to-device")), None)
    matrix = next((value for what, value in found.items() if what.startswith("matrix product")), None)
    return copy, matrix


def floor(phase, copy, matrix):
    """Microseconds, from TB/s and TFLOP/s."""
    return max(phase["bytes"] / (copy * 1e6), phase["operations"] / (matrix * 1e6))


def versions():
    found = {"python": platform.python_version()}
    for module in ("torch", "transformers", "onnxruntime"):
        try:
            found[module] = __import__(module).__version__
        except ImportError:
            pass
    return found


def record(state, device):
    rows, phases = [], []
    for name, found in state.found.items():
        if not isinstance(found, dict) or "phases" not in found:
            continue
        rows += found["rows"]
        copy, matrix = rates(state)
        if copy and matrix:
            for phase in found["phases"]:
                low = floor(phase, copy, matrix)
                phases.append({"where": name, "phase": phase["phase"], "us": phase["microseconds"], "floor_us": low,
                               "fraction": low / phase["microseconds"]})
    for row in rows:
        row["what"] = f"{row['model']}, {row['batch']}"
        if row.get("target"):
            row["met"] = row["ratio"] >= row["target"]
    return {"commit": state.commit, "device": device, "versions": versions(), "rows": rows, "phases": phases,
            "ceilings": state.found.get("ceilings", []),
            "attention": state.found.get("attention", []),
            "products": {name: found for name, found in state.found.items() if name.startswith("products of ")},
            "accuracy": {name: found for name, found in state.found.items() if name.endswith("against float64")},
            "not_measured": state.left_out}


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return lines + ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]


def as_markdown(found):
    device = found["device"]
    lines = [f"# {device['name']}, {time.strftime('%Y-%m-%d')}", "",
             f"Commit {found['commit'][:12]}; compute capability {device['compute_capability']}, "
             f"{device['multiprocessors']} multiprocessors, driver {device['driver']}, runtime {device['runtime']}, "
             f"cuBLASLt {device['cublaslt']}; " + ", ".join(f"{k} {v}" for k, v in found["versions"].items()) + ".", ""]
    lines += ["## Against what people use", "", "bf16; medians of three interleaved rounds; torch.compile by time on the "
              "device, the others by the whole call.", ""]
    lines += table(["what", "ours", "peer", "ratio", "target", "met", "spread"], [
        [row["what"], f"{row['ours']:.1f} us",
         f"{row['peer']:.1f} us ({row['peer_name']})" if row["peer_name"] else "none here",
         f"{row['ratio']:.2f}" if row["peer_name"] else "", row.get("target") or "", row.get("met", ""),
         f"{100 * row['spread']:.0f} %" if row["peer_name"] else ""] for row in found["rows"]])
    lines += ["", "## Each phase against its floor", ""]
    lines += table(["where", "phase", "time", "floor", "fraction"], [
        [p["where"], p["phase"], f"{p['us']:.1f} us", f"{p['floor_us']:.1f} us", f"{100 * p['fraction']:.0f} %"]
        for p in found["phases"]])
    lines += ["", "## Ceilings", ""]
    lines += table(["what", "found"], [[c["what"], f"{c['value']:.3g} {c['unit']}"] for c in found["ceilings"]])
    if found["attention"]:
        lines += ["", "## Attention by the warps of a tile (8: two warpgroups), bf16", ""]
        lines += table(["what", "warps", "time", "TFLOP/s"], [
            [a["what"], a["warps"], f"{a['microseconds']:.1f} us", f"{a['tflops']:.0f}"] for a in found["attention"]])
    if found["products"]:
        lines += ["", "## cuBLASLt, bf16", ""]
        lines += table(["model", "rows", "columns", "depth", "time", "TFLOP/s"], [
            [name[len("products of "):], p["rows"], p["columns"], p["depth"], f"{p['microseconds']:.1f} us",
             f"{p['tflops']:.0f}"] for name, products in found["products"].items() for p in products])
    if found["accuracy"]:
        lines += ["", "## Error against float64", ""]
        lines += table(["model", "format", "error"], [
            [name[:-len(" against float64")], row["format"], f"{row['error']:.1e}"]
            for name, rows in found["accuracy"].items() for row in rows])
    if found["not_measured"]:
        lines += ["", "Not measured, as the time was over: " + "; ".join(found["not_measured"]) + "."]
    return "\n".join(lines) + "\n"


def run(arguments):
    path = build(arguments.json_include)
    program = Program(path)
    device = program.ask("device")[0]
    print(f"{device['name']}, driver {device['driver']}")
    state = State(arguments.fresh, commit(), arguments.minutes)
    bad = []
    if arguments.what in ("all", "check"):
        bad = check(program, path, state)
    if arguments.what in ("all", "measure"):
        measure_all(program, state)
    if arguments.what == "ceilings":
        ceilings(program, state, with_peers=True)
    program.close()
    found = record(state, device)
    text = as_markdown(found)
    print("\n" + text)
    stem = device["name"].lower().replace(" ", "-")
    folder = pathlib.Path(arguments.docs)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{stem}.md").write_text("<!-- SPDX-License-Identifier: Apache-2.0; written by ./dev gpu -->\n" + text)
    pathlib.Path(arguments.json or folder / f"{stem}.json").write_text(json.dumps(found, indent=2) + "\n")
    for each in bad:
        print("wrong:", each)
    if state.left_out:
        print(f"The time is over; {len(state.left_out)} steps are left: run the same command again.")
    return 1 if bad else 0


def main():
    parser = argparse.ArgumentParser(prog="./dev gpu", description="Checks and measures the CUDA kernels.")
    parser.add_argument("what", nargs="?", default="all", choices=["all", "check", "measure", "ceilings"])
    parser.add_argument("--json", help="where the figures go (docs/gpu/<device>.json)")
    parser.add_argument("--docs", default=str(ROOT / "docs" / "gpu"), help="folder of the record")
    parser.add_argument("--minutes", type=float, default=8.0, help="after which no new step begins")
    parser.add_argument("--fresh", action="store_true", help="forget what earlier runs found")
    parser.add_argument("--json-include", default="", help="folder of nlohmann/json.hpp, where CMake finds no package")
    try:
        return run(parser.parse_args())
    except Unusable as why:
        print(f"gpu: nothing was checked: {why}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
