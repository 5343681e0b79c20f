#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""./dev gpu: checks the CUDA kernels on an NVIDIA GPU and measures them against what people use.

Without a word: what shows first whether the kernels are right and how fast they are, then the peers, then the rest.
Needs nvcc, CMake, ninja and, for models and peers, PyTorch and transformers. A step that fails or hangs is recorded, and
the others go on; the record is written anew after each. No step begins when the minutes are over; the next run of the
same sources goes on where this one ended (--state), unless --fresh. A phase's floor is what the copy rate and the matrix
rate of `ceilings` allow.
"""
import argparse
import hashlib
import json
import os
import pathlib
import platform
import queue
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time

START = time.monotonic()
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
    """yonder_gpu, which answers commands. One that failed, or was silent for too long, is started anew by the next."""

    def __init__(self, path, wrapper=()):
        self.command = [*wrapper, str(path)]
        self.environment = dict(os.environ)
        self.process = None

    def start(self):
        self.errors = tempfile.TemporaryFile(mode="w+")
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors,
                                        text=True, env=self.environment)
        self.lines = queue.SimpleQueue()
        self.reader = threading.Thread(target=self.read, args=(self.process.stdout, self.lines), daemon=True)
        self.reader.start()

    @staticmethod
    def read(stream, lines):
        for line in stream:
            lines.put(line.strip())
        lines.put(None)

    def ask(self, *words, seconds=60):
        """The rows of the answer. Each of them must come within so many seconds."""
        if self.process is None:
            self.start()
        command = " ".join(str(word) for word in words)
        try:
            self.process.stdin.write(command + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass
        rows = []
        while True:
            try:
                line = self.lines.get(timeout=seconds)
            except queue.Empty:
                self.stop()
                raise RuntimeError(f"{command}: silent for {seconds} s after {rows[-1:] or 'nothing'}") from None
            if line is None:
                status = self.process.wait()
                why = self.stop()
                raise (Unusable if status == 3 else RuntimeError)(why or f"{command}: yonder_gpu ended with {status}")
            if line == "done":
                return rows
            if line.startswith("failed: "):
                self.stop()
                raise RuntimeError(f"{command}: {line[len('failed: '):]}")
            if line.startswith("{"):
                rows.append(json.loads(line))

    def stop(self):
        """What it said on stderr."""
        self.process.kill()
        self.process.wait()
        self.reader.join()
        self.process.stdout.close()
        self.process = None
        with self.errors:
            self.errors.seek(0)
            return self.errors.read().strip()[-2000:]

    def close(self, seconds=60):
        """Its exit status."""
        if self.process is None:
            return 0
        self.process.stdin.close()
        try:
            status = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            status = -1
        self.stop()
        return status


def compiler():
    """Of CUDA, where PATH has none."""
    usual = pathlib.Path("/usr/local/cuda/bin/nvcc")
    return [f"-DCMAKE_CUDA_COMPILER={usual}"] if shutil.which("nvcc") is None and usual.exists() else []


def json_folder(stated):
    """Of nlohmann/json.hpp: as stated, or build/json, or where CMake finds it."""
    brought = ROOT / "build" / "json"
    if not stated and (brought / "nlohmann" / "json.hpp").exists():
        stated = brought
    return [f"-DYONDER_JSON_INCLUDE={stated}"] if stated else []


def build(json_include):
    if shutil.which("nvidia-smi") is None and not pathlib.Path("/dev/nvidiactl").exists():
        raise Unusable("there is no NVIDIA GPU here: no nvidia-smi and no /dev/nvidiactl")
    for tool in ("cmake", "ninja"):
        if shutil.which(tool) is None:
            raise Unusable(f"{tool} is not installed")
    command = ["cmake", "-S", str(ROOT / "kernels"), "-B", str(BUILD), "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release",
               "-DYONDER_WITH_CUDA=ON", "-DYONDER_BUILD_TESTS=OFF", *compiler(), *json_folder(json_include)]
    log = BUILD / "build.log"
    BUILD.mkdir(parents=True, exist_ok=True)
    with log.open("w") as out:
        for step in (command, ["cmake", "--build", str(BUILD), "--target", "yonder_gpu"]):
            if subprocess.run(step, stdout=out, stderr=subprocess.STDOUT).returncode != 0:
                sys.stdout.write(log.read_text()[-4000:])
                raise RuntimeError(f"kernels/ does not build; the whole log: {log}")
    return BUILD / "tools" / "yonder_gpu"


def sources_key():
    """Of what is measured: other sources, other results."""
    digest = hashlib.sha256()
    for folder in ("kernels", "include"):
        for path in sorted((ROOT / folder).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


class State:
    """What was found so far, kept between runs of the same sources."""

    def __init__(self, path, fresh, minutes):
        self.path = pathlib.Path(path)
        self.key = sources_key()
        self.found, self.failed, self.left_out = {}, {}, []
        self.deadline = START + 60 * minutes
        self.changed = lambda: None
        if not fresh and self.path.exists():
            kept = json.loads(self.path.read_text())
            if kept.get("sources") == self.key:
                self.found = kept["found"]

    def step(self, name, work):
        """Runs `work` unless its result is known; None where it failed or the time is over."""
        if name in self.found:
            return self.found[name]
        if time.monotonic() > self.deadline:
            self.left_out.append(name)
            return None
        print(f"  {time.monotonic() - START:4.0f} s  {name} …", flush=True)
        try:
            self.found[name] = work()
        except Unusable:
            raise
        except Exception as error:  # whatever it is, the other steps go on
            self.failed[name] = f"{type(error).__name__}: {error}"[:2000]
            print(f"         failed: {self.failed[name]}", flush=True)
            free_torch()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(json.dumps({"sources": self.key, "found": self.found}))
        self.changed()
        return self.found.get(name)


def commit():
    try:
        told = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "HEAD"], capture_output=True, text=True)
    except OSError:
        return "unknown"
    return told.stdout.strip() if told.returncode == 0 else "unknown"


# ---- models with random weights of the true shapes --------------------------------------------------------------

def folder_of(name):
    folder = BUILD / "models" / name
    if not (folder / "model.safetensors").exists():
        make_model(name).save_pretrained(folder)
    return folder


def load_model(name):
    """transformers' model in float32 on the CPU."""
    import transformers
    return transformers.AutoModelForSequenceClassification.from_pretrained(folder_of(name)).float().eval()


def make_model(name):
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
    return model.eval()


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
    """Logits of fresh random texts, each format, and PyTorch's own bf16, against a float64 run.

    Random models have logits that nearly cancel: rounding the weights alone to bf16 can cost more than 1e-2 of them. No
    bf16 kernel can then be better than PyTorch's, and ours may be a quarter worse.
    """
    import numpy
    import torch
    folder = folder_of(name)
    path, sequences = write_batch("b32 s128", 30000, seed=int(time.time()))
    sequences = sequences[:3] + [s[:length] for s, length in zip(sequences[3:], (1, 2, 15, 16, 17, 63, 64, 65, 100, 127))]
    path.write_text("".join(" ".join(map(str, ids)) + "\n" for ids in sequences))
    ids, mask = padded(sequences, "cuda")
    exact = load_model(name).double().to("cuda")
    with torch.no_grad():
        reference = exact(input_ids=ids, attention_mask=mask).logits.cpu()
        half = exact.to(torch.bfloat16)(input_ids=ids, attention_mask=mask).logits.double().cpu()
    del exact
    torch.cuda.empty_cache()
    of_pytorch = relative(half, reference)
    rows = [{"format": "PyTorch bf16", "error": of_pytorch, "allowed": None}]
    out = BUILD / "results.bin"
    for number_format, allowed in (("bf16", max(1e-2, 1.25 * of_pytorch)), ("fp16", 1e-2)):
        program.ask("load", folder, number_format)
        program.ask("results", path, out)
        found = torch.from_numpy(numpy.fromfile(out, dtype=numpy.float32).astype(numpy.float64)).view_as(reference)
        margin = (reference[:, 0] - reference[:, 1]).abs()
        clear = margin > allowed * reference.norm(dim=1)
        same = bool((found.argmax(1) == reference.argmax(1))[clear].all())
        rows.append({"format": number_format, "error": relative(found, reference), "allowed": allowed, "same_labels": same})
    return rows


# ---- what people use -----------------------------------------------------------------------------------------------

def peer_compile(name, sequences):
    """A call that runs torch.compile's model, its CUDA graph on, over the padded batch."""
    import torch
    model = load_model(name).to("cuda", torch.bfloat16)
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
    model = load_model(name)
    path = BUILD / f"{name}.onnx"
    ids, mask = padded(sequences, "cpu")
    if not path.exists():
        torch.onnx.export(model, (ids, mask), str(path), input_names=["ids", "mask"],
                          dynamic_axes={"ids": {0: "b", 1: "s"}, "mask": {0: "b", 1: "s"}}, dynamo=False)
    session = onnxruntime.InferenceSession(str(path), providers=["CUDAExecutionProvider"])
    feed = {"ids": ids.numpy(), "mask": mask.numpy()}
    return lambda: session.run(None, feed)


PEERS = {"torch.compile": peer_compile, "ONNX Runtime": peer_onnxruntime}


def warm_up(run):
    """An idle GPU's clocks are low."""
    import torch
    end = time.monotonic() + 0.3
    while time.monotonic() < end:
        run()
        torch.cuda.synchronize()


def skipped_graphs():
    """How often torch.compile went without its CUDA graph."""
    import torch
    return torch._dynamo.utils.counters["inductor"]["cudagraph_skips"]


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
    folder = folder_of(name)
    pipeline = transformers.pipeline("text-classification", model=load_model(name).to(torch.bfloat16), device=0, batch_size=32,
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
    del pipeline
    free_torch()
    return {"rows": rows, "phases": []}


def measure_alone(program, name, batch):
    """Ours, and its phases: what can be known before any peer was compiled."""
    path, _ = write_batch(batch, 30000)
    program.ask("load", folder_of(name), "bf16")
    found = [program.ask("time", path, 7)[0] for _ in range(3)]
    return {"rows": [{"model": name, "batch": batch, "peer_name": None, "unit": "us", "graph": found[0]["graph"],
                      "ours": statistics.median(each["device"] for each in found),
                      "call": statistics.median(each["call"] for each in found)}],
            "phases": program.ask("phases", path, 9)}


def measure(program, name, batch):
    """Ours and each peer, in turn, three rounds: medians, and the spread of the rounds' ratios."""
    path, sequences = write_batch(batch, 30000)
    program.ask("load", folder_of(name), "bf16")
    repeats = 3 if sum(map(len, sequences)) > 16384 else 20
    ours = {"device": [], "call": []}
    peers = {}
    skipped = skipped_graphs()
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
    skipped = skipped_graphs() - skipped
    for _ in range(3):
        found = program.ask("time", path, 7)[0]
        ours["device"].append(found["device"])
        ours["call"].append(found["call"])
        for peer, each in peers.items():
            warm_up(each["run"])
            timed = device_time(each["run"], repeats) if peer == "torch.compile" else \
                statistics.median(call_time(each["run"]) for _ in range(5))
            each["times"].append(timed)
    rows = []
    for peer, each in peers.items():
        kind = "device" if peer == "torch.compile" else "call"
        ratios = [theirs / mine for theirs, mine in zip(each["times"], ours[kind])]
        rows.append(compared(name, batch, peer, ours[kind], each["times"], ratios) |
                    {"graph": found["graph"], "peer_skipped_graphs": skipped if peer == "torch.compile" else None})
    del peers
    free_torch()
    return {"rows": rows, "phases": []}


def free_torch():
    try:
        import gc
        import torch
        if not torch.cuda.is_available():
            return
        torch._dynamo.reset()
        gc.collect()
        torch.cuda.empty_cache()
    except ImportError:
        pass


# ---- the parts -------------------------------------------------------------------------------------------------------

def has_peers():
    try:
        import torch  # noqa: F401
        import transformers  # noqa: F401
    except ImportError:
        return False
    return True


def wrong_operators(rows):
    return [f"{row['what']}: error {row['error']}" for row in rows or [] if not row["good"]]


def check_operators(program, state):
    """What is wrong. Where attention by warpgroups is, or does not end, the steps after this one do without it."""
    bad = wrong_operators(state.step("operators against their formulas", lambda: program.ask("operators", "all")))
    for warps in [row["warps"] for row in state.step("kinds of attention", lambda: program.ask("attention_kinds")) or []]:
        name = f"attention by {warps} warps against its formula"
        rows = state.step(name, lambda warps=warps: program.ask("attention", warps, "all"))
        wrong = wrong_operators(rows)
        bad += wrong
        if warps == 8 and (wrong or name in state.failed):
            print("  attention by warpgroups is wrong: the rest is measured by warps", flush=True)
            program.close()
            program.environment["YONDER_GPU_ATTENTION"] = "warp"
    return bad


def check_models(program, state, names):
    bad = []
    for name in names:
        rows = state.step(f"{name} against float64", lambda name=name: compare_with_float64(program, name))
        bad += [f"{name} {row['format']}: error {row['error']:.2e}, allowed {row['allowed']:.2e}" for row in rows or []
                if row["allowed"] and not (row["error"] <= row["allowed"] and row["same_labels"])]
    return bad


def sanitize(path, tool, program):
    """The reduced set under one tool of compute-sanitizer: clean or not, and its report."""
    log = BUILD / f"{tool}.txt"
    under = Program(path, ("compute-sanitizer", "--tool", tool, "--error-exitcode", "9", "--report-api-errors", "no",
                           "--log-file", str(log)))
    under.environment = program.environment
    kinds = [row["warps"] for row in under.ask("attention_kinds")]
    rows = under.ask("operators", "reduced", seconds=120)
    for warps in kinds:
        rows += under.ask("attention", warps, "reduced", seconds=120)
    status = under.close()
    report = log.read_text(errors="replace")[-4000:] if log.exists() else ""
    return {"clean": status == 0, "wrong": wrong_operators(rows), "report": "" if status == 0 else report}


def check_sanitizers(program, path, state):
    if shutil.which("compute-sanitizer") is None:
        print("  compute-sanitizer: skipped, as it is not installed")
        return []
    bad = []
    for tool in ("memcheck", "racecheck", "synccheck", "initcheck"):
        found = state.step(f"compute-sanitizer {tool}", lambda tool=tool: sanitize(path, tool, program))
        if found and (not found["clean"] or found["wrong"]):
            bad.append(f"compute-sanitizer {tool}: {found['wrong'] or 'a report'}")
    return bad


def measure_ceilings(program, state):
    state.step("ceilings", lambda: program.ask("ceilings"))


def measure_products(program, state):
    for name, (hidden, _, _, intermediate, _) in MODELS.items():
        shapes = ((3 * hidden, hidden), (hidden, hidden), (intermediate, hidden), (hidden, intermediate))
        state.step(f"products of {name}", lambda shapes=shapes: [
            program.ask("product", rows, columns, depth)[0] for rows in PRODUCT_ROWS for columns, depth in shapes])


def measure_ours(program, state):
    state.step("attention", lambda: program.ask("time_attention"))
    for batch in BATCHES:
        for name in MODELS:
            state.step(f"{name}, {batch}, alone", lambda name=name, batch=batch: measure_alone(program, name, batch))


def measure_against_peers(program, state, names):
    for name in names:
        state.step(f"{name}, text to label", lambda name=name: measure_texts(program, name))
    for batch in BATCHES:
        for name in names:
            state.step(f"{name}, {batch}", lambda name=name, batch=batch: measure(program, name, batch))


def run_parts(what, program, path, state):
    """What is wrong. First what tells most in the least time; what tells least, or may hang, at the end."""
    bad = []
    names = sorted(MODELS, key=["DistilBERT", "MiniLM-L6", "BERT-base", "BERT-large"].index)
    checks, measures = what in ("all", "check"), what in ("all", "measure")
    measure_ceilings(program, state)
    if checks:
        bad += check_operators(program, state)
    if not has_peers():
        print("  models and peers: skipped, as there is no PyTorch or no transformers")
        names = []
    if measures and names:
        measure_ours(program, state)
    if checks:
        bad += check_models(program, state, names[:2])
    if measures:
        measure_against_peers(program, state, names[:1])
        measure_against_peers(program, state, names[1:])
    if checks:
        bad += check_models(program, state, names[2:])
        bad += check_sanitizers(program, path, state)
    if what in ("all", "ceilings"):
        measure_products(program, state)
    if what == "ceilings":
        measure_against_peers(program, state, names)
    return bad


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


def record(state, device, commit):
    rows, phases = [], []
    compared_too = {name[:-len(", alone")] for name in state.found if name.endswith(", alone")} & set(state.found)
    for name, found in state.found.items():
        if not isinstance(found, dict) or "phases" not in found:
            continue
        if not (name.endswith(", alone") and name[:-len(", alone")] in compared_too):
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
    return {"commit": commit, "device": device, "versions": versions(), "rows": rows, "phases": phases,
            "ceilings": state.found.get("ceilings", []),
            "attention": state.found.get("attention", []),
            "products": {name: found for name, found in state.found.items() if name.startswith("products of ")},
            "accuracy": {name: found for name, found in state.found.items() if name.endswith("against float64")},
            "sanitizers": {name: found for name, found in state.found.items() if name.startswith("compute-sanitizer")},
            "failed": state.failed, "not_measured": state.left_out}


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
        lines += table(["model", "format", "error", "allowed", "at most 1e-2"], [
            [name[:-len(" against float64")], row["format"], f"{row['error']:.1e}",
             f"{row['allowed']:.1e}" if row["allowed"] else "", row["error"] <= 1e-2]
            for name, rows in found["accuracy"].items() for row in rows])
    if found["sanitizers"]:
        lines += ["", "## compute-sanitizer, reduced set", ""]
        lines += [f"- {name}: {'clean' if each['clean'] else 'a report'}" for name, each in found["sanitizers"].items()]
    if found["failed"]:
        lines += ["", "## What failed", ""]
        lines += [f"- {name}: {why.splitlines()[0]}" for name, why in found["failed"].items()]
    if found["not_measured"]:
        lines += ["", "Not measured, as the time was over: " + "; ".join(found["not_measured"]) + "."]
    return "\n".join(lines) + "\n"


def write_record(arguments, state, device):
    """Returns the page."""
    found = record(state, device, arguments.commit or commit())
    text = as_markdown(found)
    stem = device["name"].lower().replace(" ", "-")
    folder = pathlib.Path(arguments.docs)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{stem}.md").write_text("<!-- SPDX-License-Identifier: Apache-2.0; written by ./dev gpu -->\n" + text)
    pathlib.Path(arguments.json or folder / f"{stem}.json").write_text(json.dumps(found, indent=2) + "\n")
    return text


def run(arguments):
    path = pathlib.Path(arguments.program) if arguments.program else build(arguments.json_include)
    program = Program(path)
    device = program.ask("device")[0]
    print(f"{device['name']}, driver {device['driver']}", flush=True)
    state = State(arguments.state, arguments.fresh, arguments.minutes)
    state.changed = lambda: write_record(arguments, state, device)
    bad = run_parts(arguments.what, program, path, state)
    program.close()
    print("\n" + write_record(arguments, state, device))
    for each in bad + [f"{name}: {why}" for name, why in state.failed.items()]:
        print("wrong:", each)
    if state.left_out:
        print(f"The time is over; {len(state.left_out)} steps are left: run the same command again.")
    return 1 if bad or state.failed else 0


def main():
    parser = argparse.ArgumentParser(prog="./dev gpu", description="Checks and measures the CUDA kernels.")
    parser.add_argument("what", nargs="?", default="all", choices=["all", "check", "measure", "ceilings"])
    parser.add_argument("--json", help="where the figures go (docs/gpu/<device>.json)")
    parser.add_argument("--docs", default=str(ROOT / "docs" / "gpu"), help="folder of the record")
    parser.add_argument("--minutes", type=float, default=8.0, help="after which no new step begins, the build counted in")
    parser.add_argument("--fresh", action="store_true", help="forget what earlier runs found")
    parser.add_argument("--state", default=str(BUILD / "state.json"), help="what is known so far (%(default)s)")
    parser.add_argument("--commit", help="what the record names, where there is no git")
    parser.add_argument("--program", help="a yonder_gpu that is built already")
    parser.add_argument("--json-include", default="", help="folder of nlohmann/json.hpp, where CMake finds no package")
    try:
        return run(parser.parse_args())
    except Unusable as why:
        print(f"gpu: nothing was checked: {why}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
