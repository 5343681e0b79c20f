#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""./dev gpu: one prepared run that checks the CUDA kernels on an NVIDIA GPU and measures them, and ends in time.

Before: ./dev gpu --prepare builds what is carried to the machine with the GPU (build/carried: programs with code for
sm_80, sm_90a and PTX). There: ./dev gpu --within SECONDS --out DIR needs python3 and a driver; libcublasLt is looked for
in the toolkit, in the loader's path and in PyTorch's wheel. Steps have limits of their own; what is known is in DIR at
once; the same command again goes on where this one ended, with the same programs and device. PyTorch, its peers, ncu and
compute-sanitizer are used where they are.
"""
import argparse
import errno
import hashlib
import json
import os
import pathlib
import platform
import shutil
import signal
import sys
import time

if sys.version_info < (3, 9):
    sys.exit(f"./dev gpu needs python3 3.9 or later; {sys.executable} is {platform.python_version()}")

import gpu_models
import gpu_program
import gpu_record
from gpu_program import Program, Unbelievable, Unusable, run_to_end, said_by

START = time.monotonic()
HERE = pathlib.Path(__file__).resolve().parent
STAND_IN = HERE / "gpu_stand_in.py"
RESERVE = 4.0  # seconds at the end, for the record
LEAST = 2.0  # seconds for which no step begins
RATES = {"copy": 15, "matrix": 25, "launch": 10, "node": 10, "dependent": 10, "barrier": 10}
MANNERS = ("graph+dependent", "graph", "launches+dependent", "launches")
KERNELS = ("embedding", "norm", "activation", "attention", "classification", "pooling")
# bench's name: the kernel, and how many of its launches come before 32 texts of 128 tokens, H = 768 (160 a shape)
PROFILED = {"attention": ("hopper_attention", 165), "norm": ("norm_kernel", 485), "activation": ("activation_kernel", 485),
            "classification": ("classification_kernel", 485)}
PRODUCT_ROWS = (128, 4224, 65536)


NO_WGMMA = {"kind": "absent", "why": "only compute capability 9.0 has wgmma"}
FOUND = 9  # status of compute-sanitizer that has something to report


class Step:
    """`work(run, seconds)` yields rows. `needs`: with fewer seconds left it does not begin."""

    def __init__(self, name, seconds, work, needs=LEAST):
        self.name, self.seconds, self.work, self.needs = name, seconds, work, needs


class Run:
    def __init__(self, arguments, scratch):
        self.out = pathlib.Path(arguments.out).resolve()
        self.out.mkdir(parents=True, exist_ok=True)
        self.lock = gpu_record.lock(self.out)
        self.deadline = START + arguments.within
        self.arguments, self.stand_in = arguments, arguments.stand_in
        self.scratch, self.state = scratch, None
        self.environment = gpu_program.environment_for(self.out)
        self.alone = gpu_program.of_yonder_gpu(self.environment)
        self.shapes = gpu_models.TINY if self.stand_in else gpu_models.MODELS
        self.device, self.versions = {}, {"python": platform.python_version()}
        self.exclusive = False
        self.log = [] if arguments.fresh else gpu_record.lines_of(self.out / "log.txt")
        self.folder = self.find_programs()
        self.program = self.start(self.folder, "yonder_gpu")
        self.checked = self.start(self.folder, "yonder_gpu_checked")
        self.peers = Program([sys.executable, STAND_IN, "peers"] if self.stand_in else
                             [self.python(), HERE / "gpu_peers.py"], self.environment)

    def left(self):
        return self.deadline - time.monotonic() - RESERVE

    def say(self, text):
        line = f"{time.monotonic() - START:6.1f} s  {text}"
        tell_reader(line)
        self.log.append(line)
        gpu_record.write_whole(self.out / "log.txt", "\n".join(self.log) + "\n")

    # ---- programs ----

    @staticmethod
    def python():
        """The one that has PyTorch, where there is one."""
        return shutil.which("python3") or sys.executable

    def find_programs(self):
        """The folder of the carried programs; where there are none, or they do not start, one that is built here."""
        if self.stand_in:
            return STAND_IN
        carried = pathlib.Path(self.arguments.program or gpu_program.CARRIED).resolve()
        missing = [name for name in gpu_program.PROGRAMS if not (carried / name).exists()]
        if missing:
            return self.build(f"{carried} has no {' and no '.join(missing)}")
        gpu_program.make_executable(carried)
        try:
            status, said = run_to_end([carried / "yonder_gpu"], min(30.0, max(LEAST, self.left())), self.alone)
        except TimeoutError as error:  # it starts; one that is built here would wait as long
            raise Unusable(f"{error}: the driver or the disk of cuBLASLt is too slow; run the same command again") from None
        except OSError as error:
            return self.build(str(error))
        too_new = "cudaErrorInsufficientDriver" in said  # or there is no driver: CUDA says the same
        if status == 3 and not (too_new and gpu_program.toolkit_suits_driver()):
            raise Unusable(said.strip()[-2000:])  # the doctor's words are among them
        return carried if status == 0 else self.build(said.strip()[-500:])

    def build(self, why):
        tell_reader(f"The programs are built here: {why}")
        architecture = gpu_program.own_architecture(min(10.0, max(LEAST, self.left() / 4)))
        return gpu_program.cmake_build(gpu_program.ROOT / "build" / "gpu-here", self.out / "build.log",
                                       max(LEAST, min(300.0, self.left() / 2)), architecture)

    def start(self, folder, name):
        return Program([sys.executable, STAND_IN, name] if self.stand_in else [folder / name], self.alone)

    def tool(self, name):
        """How to start a profiler or checker; None where it is not installed."""
        if self.stand_in:
            return [sys.executable, STAND_IN, name]
        found = shutil.which(name) or next((str(path) for path in (
            pathlib.Path("/usr/local/cuda/bin") / name, pathlib.Path("/usr/local/cuda/compute-sanitizer") / name)
            if path.exists()), None)
        return [found] if found else None

    def key(self):
        """Of what is measured: other programs or another device, other results."""
        digest = hashlib.sha256(json.dumps(self.device, sort_keys=True).encode())
        for name in gpu_program.PROGRAMS:
            digest.update(STAND_IN.read_bytes() if self.stand_in else (self.folder / name).read_bytes())
        return digest.hexdigest()

    def capability(self):
        return tuple(map(int, self.device["compute_capability"].split(".")))

    def without_warpgroups(self):
        """What comes now goes by warps."""
        for program in (self.program, self.checked, self.peers):
            program.stop()
        for environment in (self.environment, self.alone):
            environment["YONDER_GPU_ATTENTION"] = "warp"

    def model(self, name):
        return gpu_models.make_model(self.scratch / "models" / name, self.shapes[name])

    def ask(self, *words, seconds, kind, program=None):
        program = program or self.program
        self.make_room_for(program)
        try:
            for row in program.ask(*words, seconds=seconds):
                yield {"kind": kind, **row}
            return
        except Unusable as why:
            if self.exclusive or "cudaErrorDevicesUnavailable" not in str(why):
                raise
        self.say("  the GPU takes one process at a time (its compute mode): what is not needed now is stopped")
        self.exclusive = True
        yield from self.ask(*words, seconds=seconds, kind=kind, program=program)

    def make_room_for(self, program=None):
        """Elsewhere the others stay: where no process holds the GPU, it may take seconds to start."""
        for each in (self.program, self.checked, self.peers):
            if self.exclusive and each is not program:
                each.stop()

    def order(self, what, model, seconds, **more):
        order = {"what": what, "model": model, "folder": str(self.model(model)), "scratch": str(self.scratch),
                 "program": str(self.folder / "yonder_gpu" if not self.stand_in else STAND_IN),
                 **more}
        self.make_room_for(self.peers)
        yield from self.peers.ask(json.dumps(order), seconds=seconds, title=f"{what} of {model}")

    # ---- the record ----

    def about(self):
        return {"stand_in": self.stand_in, "commit": self.arguments.commit or commit(), "versions": self.versions,
                "programs": str(self.folder)}

    def write(self, state):
        page = gpu_record.write_record(self.out, state, self.device, self.about())
        state.save()
        return page

    def add(self, state, rows, row):
        """A row that cannot be told would break the record of all others."""
        rows.append(row)
        try:
            bad_rows(state)
            self.write(state)
        except (LookupError, TypeError, ValueError, ArithmeticError) as error:
            rows.pop()
            raise Unbelievable(f"not believable: {error!r} in {row}") from None

    def close(self):
        for program in (self.program, self.checked, self.peers):
            program.stop()


def tell_reader(text):
    """On stdout, while somebody reads there: what is found is in DIR in any case."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def commit():
    return said_by("git", "-C", gpu_program.ROOT, "rev-parse", "HEAD").strip() or "unknown"


# ---- the steps, in order ---------------------------------------------------------------------------------------------

def checks():
    yield Step("operators", 60, lambda run, s: run.ask("operators", "all", seconds=s, kind="operator", program=run.checked))
    for warps in (1, 2, 4):
        yield Step(f"attention by {warps} warps", 30, lambda run, s, warps=warps: run.ask(
            "attention", warps, "all", seconds=s, kind="operator", program=run.checked))
    yield Step("attention by warpgroups", 15, attention_by_warpgroups)


def attention_by_warpgroups(run, seconds):
    if run.capability() != (9, 0):
        yield NO_WGMMA
        return
    yield from run.ask("attention", 8, "all", seconds=seconds, kind="operator", program=run.checked)


def rates():
    def work(name):
        def measure(run, seconds):
            if name == "dependent" and run.capability() < (9, 0):
                yield {"kind": "absent", "why": "dependent launch comes with compute capability 9.0"}
                return
            yield from run.ask("rate", name, seconds=seconds, kind="rate")
        return measure
    for name, seconds in RATES.items():
        yield Step(f"rate {name}", seconds, work(name))


def products(hidden, rows):
    def work(run, seconds):
        end = time.monotonic() + seconds
        for columns, depth in ((3 * hidden, hidden), (hidden, hidden), (4 * hidden, hidden), (hidden, 4 * hidden)):
            yield from run.ask("product", rows, columns, depth, seconds=end - time.monotonic(), kind="product")
    return Step(f"products of H = {hidden}, {rows} rows", 30, work)


def alone(name, manner, needs=8):
    """Every batch; for the first manner with its phases. To write the model and to load it takes seconds."""
    def work(run, seconds):
        end = time.monotonic() + seconds
        known = {row["batch"] for row in run.known_rows}
        list(run.ask("load", run.model(name), "bf16", manner, seconds=end - time.monotonic(), kind="load"))
        for batch in gpu_models.BATCHES:
            if batch in known:
                continue
            path, _ = gpu_models.write_batch(run.scratch, batch)
            if manner == MANNERS[0]:
                for row in run.ask("phases", path, 9, seconds=end - time.monotonic(), kind="phase"):
                    yield {"model": name, "of": batch, **row}
            for row in run.ask("time", path, 7, seconds=end - time.monotonic(), kind="alone"):
                yield {"model": name, "batch": batch, **row}
    return Step(f"{name} alone, {manner}", 40, work, needs)


def versions_of_peers(run, seconds):
    run.make_room_for(run.peers)
    yield from run.peers.ask(json.dumps({"what": "versions", "program": "none"}), seconds=seconds,
                             title="versions of the peers")


def accuracy(name):
    return Step(f"{name} against float64", 60, lambda run, s: run.order("accuracy", name, s), needs=15)


def against(name, what, batches, seconds, needs):
    def work(run, s):
        known = {row["batch"] for row in run.known_rows}
        left = [batch for batch in batches if batch not in known]
        yield from run.order(what, name, s, batches=left)
    title = {"compile": "torch.compile", "texts": "a pipeline, text to label", "onnxruntime": "ONNX Runtime"}[what]
    return Step(f"{name} against {title}", seconds, work, needs)


def profile(kernel):
    def work(run, seconds):
        tool = run.tool("ncu")
        if tool is None:
            yield {"kind": "absent", "why": "ncu is not installed"}
            return
        name, skipped = PROFILED[kernel]
        if kernel == "attention" and "YONDER_GPU_ATTENTION" in run.environment:
            name, skipped = "attention_kernel", 805  # of 1, 2, then 4 warps
        command = [*tool, "--clock-control", "none", "--set", "full", "--kernel-name", f"regex:{name}", "--launch-skip",
                   skipped, "--launch-count", 1]
        target = [sys.executable, STAND_IN, "yonder_gpu"] if run.stand_in else [run.folder / "yonder_gpu"]
        run.make_room_for()
        status, said = run_to_end([*command, *target], seconds, run.alone, f"bench {kernel}\n")
        append(run.out / "ncu.txt", f"==== {kernel}\n{said}\n")
        if status != 0 or "No kernels were profiled" in said:
            raise RuntimeError(f"ncu ended with {status}: {said[-300:]}")
        yield {"kind": "ncu", "kernel": kernel, "file": "ncu.txt"}
    return Step(f"ncu of {kernel}", 30, work)


def sanitize(tool, of, commands, wgmma=False):
    """`wgmma`: on the kernels that have it, even where the rest goes without; what is reported is told, and no failure, as
    the tool is known to report what is right there."""
    def work(run, seconds):
        checker = run.tool("compute-sanitizer")
        if checker is None or wgmma and run.capability() != (9, 0):
            yield NO_WGMMA if checker else {"kind": "absent", "why": "compute-sanitizer is not installed"}
            return
        target = [sys.executable, STAND_IN, "yonder_gpu"] if run.stand_in else [run.folder / "yonder_gpu"]
        environment = {name: value for name, value in run.alone.items() if not (wgmma and name == "YONDER_GPU_ATTENTION")}
        run.make_room_for()
        status, said = run_to_end([*checker, "--tool", tool, "--error-exitcode", FOUND, "--report-api-errors", "no", *target],
                                  seconds, environment, "".join(command + "\n" for command in commands))
        append(run.out / "sanitizer.txt", f"==== {tool}, {of}\n{said[-200_000:]}\n")
        if status in (0, FOUND):
            yield {"kind": "sanitizer", "tool": tool, "of": of, "clean": status == 0}
        if status not in (0, FOUND) or status == FOUND and not wgmma:
            raise RuntimeError(f"compute-sanitizer {tool} ended with {status}: {said[-300:]}")
    return Step(f"compute-sanitizer {tool}, {of}", 60, work)


def append(path, text):
    with path.open("a") as out:
        out.write(text[:gpu_record.MOST_FILE_BYTES - min(path.stat().st_size if path.exists() else 0,
                                                         gpu_record.MOST_FILE_BYTES)])


def steps():
    """First what tells most in the least time; what tells least, or may hang, at the end."""
    yield from checks()
    yield from rates()
    for rows in PRODUCT_ROWS:
        for hidden in (768, 384):
            yield products(hidden, rows)
    for name in ("DistilBERT", "MiniLM-L6", "BERT-base"):
        for manner in MANNERS:
            yield alone(name, manner)
    yield Step("versions of the peers", 60, versions_of_peers)
    for name in ("DistilBERT", "MiniLM-L6", "BERT-base"):
        yield accuracy(name)
    yield against("DistilBERT", "compile", gpu_models.BATCHES, 150, 40)
    yield against("DistilBERT", "texts", ("text to label, one text", "text to label, 512 texts"), 60, 20)
    for kernel in KERNELS:
        yield Step(f"kernel {kernel}", 20, lambda run, s, kernel=kernel: run.ask("bench", kernel, seconds=s, kind="kernel"))
    for kernel in PROFILED:
        yield profile(kernel)
    plain = ["operators reduced", *(f"attention {warps} reduced" for warps in (1, 2, 4))]
    yield sanitize("memcheck", "all but wgmma", plain)
    yield sanitize("racecheck", "all but wgmma", plain)
    yield sanitize("memcheck", "wgmma", ["attention 8 reduced"], wgmma=True)
    yield against("MiniLM-L6", "compile", gpu_models.BATCHES, 120, 40)
    yield against("MiniLM-L6", "texts", ("text to label, one text", "text to label, 512 texts"), 60, 20)
    yield alone("BERT-large", MANNERS[0], needs=20)
    yield against("DistilBERT", "onnxruntime", gpu_models.BATCHES, 90, 40)


# ---- the run -----------------------------------------------------------------------------------------------------------

def bad_rows(state):
    """Errors that are larger than what is allowed."""
    return gpu_record.wrong_results(row for step in state.steps.values() for row in step["rows"])


def carry_out(run, state, step):
    """Runs one step; its rows are kept as they come."""
    kept = state.step(step.name)
    run.known_rows = [row for row in kept["rows"] if "batch" in row]
    kept["rows"] = list(run.known_rows)
    seconds = min(max(step.seconds * run.arguments.pace, min(step.seconds, 4.0)), run.left())
    run.say(f"{step.name} …")
    try:
        for row in step.work(run, seconds):
            doubt = gpu_record.doubts(row, gpu_record.rate(state, "TFLOP/s") if row.get("kind") != "rate" else None)
            if doubt:
                raise Unbelievable(f"not believable: {doubt}")
            run.add(state, kept["rows"], row)
        if not kept["rows"]:
            raise Unbelievable("not believable: done, without a row")
        kept["done"] = True
    except TimeoutError as error:
        if seconds < step.seconds and not run.arguments.pace < 1:
            state.left_out.append(step.name)  # the run's time is over, not the step's
        else:
            kept["failed"] = " ".join(str(error).split())
    except Exception as error:  # whatever it is, the other steps go on
        if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):  # nor is it the step's fault
            raise RuntimeError(f"{run.scratch} has no room for {step.name}: set TMPDIR to a folder with 2.5 GB, and run the same "
                               "command again") from None
        kept["failed"] = " ".join(f"{type(error).__name__}: {error}".split())[:2000]
    for program in (run.program, run.checked, run.peers):
        if kept["failed"] is not None:
            program.stop()
    if kept["failed"] is not None:
        run.say(f"  failed: {kept['failed']}")
    run.write(state)


def is_wrong(state, name):
    step = state.steps.get(name, {"rows": [], "failed": None})
    return step["failed"] is not None or any(row.get("good") is False for row in step["rows"])


def run_all(run):
    run.device = {key: value for row in run.program.ask("device", seconds=min(30.0, max(LEAST, run.left())))
                  for key, value in row.items()}
    doubt = gpu_record.doubts(run.device, None)
    if doubt or not {"name", "compute_capability", "driver"} <= run.device.keys():
        raise Unusable(f"the device is not believable: {doubt or run.device}")
    state = run.state = gpu_record.State(run.out, run.key(), run.arguments.fresh)
    state.forget_absent()
    run.say(f"{run.device['name']}, compute capability {run.device['compute_capability']}, driver {run.device['driver']}; "
            f"cuBLASLt in {run.environment['YONDER_GPU_LIBRARY'] or 'the loader’s path'}; programs: {run.folder}")
    for step in steps():
        if not state.is_settled(step.name):
            if run.left() < max(step.needs * run.arguments.pace, LEAST):
                state.left_out.append(step.name)
                continue
            carry_out(run, state, step)
        if step.name == "attention by warpgroups" and is_wrong(state, step.name):
            run.say("  attention by warpgroups is wrong: what follows goes by warps")
            run.without_warpgroups()
    return state


def main():
    parser = argparse.ArgumentParser(prog="./dev gpu", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--prepare", action="store_true", help="build what is carried (build/carried), and check it")
    parser.add_argument("--within", type=float, default=570.0, help="seconds after which it has ended (%(default)s)")
    parser.add_argument("--out", help="folder of what is found: at most 8 files of 16 MiB")
    parser.add_argument("--stand-in", action="store_true", help="without a GPU: a program answers that is late, fails and lies")
    parser.add_argument("--fresh", action="store_true", help="forget what earlier runs found")
    parser.add_argument("--program", help="folder of yonder_gpu and yonder_gpu_checked (build/carried)")
    parser.add_argument("--commit", help="what the record names, where there is no git")
    parser.add_argument("--pace", type=float, default=1.0, help=argparse.SUPPRESS)  # of the steps' limits, for tests
    arguments = parser.parse_args()
    sys.stdout.reconfigure(errors="replace")
    end_in_order_on_signals()
    if not arguments.prepare and not arguments.out:
        parser.error("--out DIR is missing")
    try:
        return prepare() if arguments.prepare else measure(arguments)
    except (Unusable, OSError, RuntimeError) as why:
        print(f"gpu: {why}", file=sys.stderr)
        return 1


def end_in_order_on_signals():
    """And once: another signal does not keep what was started, and written, from going."""
    numbers = [number for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
               if signal.getsignal(number) != signal.SIG_IGN]  # as nohup has it

    def end(number, _frame):
        for each in numbers:
            signal.signal(each, signal.SIG_IGN)
        sys.exit(128 + number)
    for number in numbers:
        signal.signal(number, end)


def prepare():
    wrong = gpu_program.prepare()
    print("\n".join(wrong) or f"{gpu_program.CARRIED} is ready")
    return 1 if wrong else 0


def measure(arguments):
    """Whatever ends it, what it started ends too, and what it wrote outside DIR goes."""
    scratch, held = gpu_record.make_scratch()
    run = None
    try:
        run = Run(arguments, scratch)
        return tell(run, run_all(run))
    except Unusable as why:
        ended = "nothing was checked" if run is None or run.state is None else "it ended early"
        raise Unusable(f"{ended}: {why}") from None
    finally:
        if run is not None:
            run.close()
        shutil.rmtree(scratch, ignore_errors=True)
        os.close(held)


def tell(run, state):
    """0 where all is well."""
    tell_reader("\n" + run.write(state))
    bad = bad_rows(state) + [f"{name}: {why}" for name, why in state.failed().items()]
    bad += gpu_record.check_folder(run.out)
    for each in bad:
        run.say(f"wrong: {each}")
    if state.left_out:
        run.say(f"The time is over; {len(state.left_out)} steps are left: run the same command again.")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
