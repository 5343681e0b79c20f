#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Stands in for what ./dev gpu starts where there is no GPU: yonder_gpu, the peers, ncu, compute-sanitizer.

It answers as they do, with made-up figures, and at planted places it is late, fails, or lies. YONDER_GPU_PLANTED, as JSON,
replaces PLANTED; YONDER_GPU_ASKED names a file in which commands are written down.
"""
import fcntl
import json
import os
import subprocess
import sys
import time

# command: what happens there instead of the answer
PLANTED = {
    "attention 8 all": "hangs",
    "rate barrier": "fails",
    "rate dependent": "ends",
    "product 4224 768 768": "is too fast",
    "product 128 1152 384": "miscounts",
    "operators all": "calls a wrong result good",
    "time MiniLM-L6 ragged_64_k_tokens graph": "is slower on the device than in all",
    "bench pooling": "says nothing",
    "bench embedding": "writes half a line",
    "time BERT-base b1_s128 launches": "leaves out what is told of it",
    "bench norm": "leaves a process that holds its output, and ends",
    "peers texts DistilBERT": "hangs",
    "compute-sanitizer racecheck": "reports",
    "compute-sanitizer memcheck wgmma": "does not start",
    "ncu classification_kernel": "profiles nothing",
}


def planted(command):
    chosen = json.loads(os.environ["YONDER_GPU_PLANTED"]) if "YONDER_GPU_PLANTED" in os.environ else PLANTED
    log = os.environ.get("YONDER_GPU_ASKED")
    if log:
        with open(log, "a", encoding="utf-8") as out:
            out.write(f"{command} {os.environ.get('YONDER_GPU_ATTENTION', '')}".rstrip() + "\n")
    return chosen.get(command, "")


def say(*rows):
    for row in rows:
        print(json.dumps(row), flush=True)


def product(rows, columns, depth, behaviour):
    for form in ("alone", "bias and activation", "bias and residual"):
        time_us = max(3.0, 2e-6 * rows * columns * depth / (5000.0 if behaviour == "is too fast" else 500.0))
        rate = 2e-6 * rows * columns * depth / time_us
        say({"rows": rows, "columns": columns, "depth": depth, "form": form, "microseconds": time_us,
             "tflops": 2 * rate if behaviour == "miscounts" else rate})


def check(what, behaviour):
    wrong = behaviour in ("is wrong", "calls a wrong result good")
    error = None if behaviour == "is no number" else 0.5 if wrong else 1e-3  # as JSON has NaN
    say({"what": what, "error": error, "allowed": 4e-3, "good": behaviour not in ("is wrong", "is no number")})


class YonderGpu:
    def __init__(self):
        self.model, self.manner = "", ""

    def answer(self, command, words, behaviour):
        what = words[0]
        if what == "device":
            say({"name": "Stand-in", "compute_capability": "8.0" if behaviour == "is older" else "9.0", "multiprocessors": 1,
                 "driver": 1, "runtime": 1, "cublaslt": 1})
        elif what in ("operators", "attention"):
            check(command, behaviour)
        elif what == "rate":
            units = {"copy": ("TB/s", 4.0), "matrix": ("TFLOP/s", 700.0)}
            unit, value = units.get(words[1], ("us", 1.5))
            say({"what": words[1], "unit": unit, "value": value})
        elif what == "product":
            product(*map(int, words[1:4]), behaviour)
        elif what == "bench" and words[1] == "attention":
            say({"what": "1 x 128", "warps": 4, "microseconds": 5.0, "tflops": 5.0})
        elif what == "bench":
            say({"kernel": words[1], "rows": 128, "width": 768, "microseconds": 3.0, "bytes": 1e6})
        elif what == "load":
            self.model, self.manner = words[1].rsplit("/", 1)[-1], words[3]
        elif what == "time":
            slow = behaviour == "is slower on the device than in all"
            say({"device": 120.0 if slow else 50.0, "call": 60.0, "graph": self.manner.startswith("graph"),
                 "dependent_launch": self.manner.endswith("+dependent"), "trouble": None, "rows": 128})
        elif what == "phases":
            say({"phase": "norm", "microseconds": 10.0, "operations": 0.0, "bytes": 1e6})
        else:
            print(f"failed: no command '{what}'", flush=True)

    def name(self, words):
        """As PLANTED has it: with the model instead of folders."""
        if words[0] in ("time", "phases"):
            return f"{words[0]} {self.model} {words[1].rsplit('/', 1)[-1].rsplit('_', 1)[0]} {self.manner}"
        return " ".join(words)


def misbehave(behaviour):
    """True where the answer is done with."""
    if behaviour == "hangs":
        time.sleep(3600)
    if behaviour == "ends":
        sys.exit("segmentation fault, say")
    if behaviour == "fails":
        print("failed: cudaErrorLaunchFailure", flush=True)
        return True
    if behaviour == "leaves a process that holds its output, and ends":
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"])
        sys.exit("it crashed")
    if behaviour == "leaves out what is told of it":
        say({"microseconds": 5.0})
    if behaviour == "writes half a line":
        print('{"what": "norm", "error"', flush=True)
    if behaviour in ("writes half a line", "says nothing", "leaves out what is told of it"):
        print("done", flush=True)
        return True
    return False


def take_device():
    """YONDER_GPU_EXCLUSIVE names a file that stands for a GPU in the compute mode EXCLUSIVE_PROCESS."""
    device = os.environ.get("YONDER_GPU_EXCLUSIVE")
    if device:
        try:
            fcntl.flock(os.open(device, os.O_RDONLY), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("choosing a GPU: cudaErrorDevicesUnavailable (CUDA error 46)", file=sys.stderr)
            sys.exit(3)


def yonder_gpu():
    take_device()
    program = YonderGpu()
    for line in sys.stdin:
        words = line.split()
        behaviour = planted(program.name(words))
        if misbehave(behaviour):
            continue
        program.answer(" ".join(words), words, behaviour)
        print("done", flush=True)


def peers():
    take_device()
    for line in sys.stdin:
        order = json.loads(line)
        if misbehave(planted(f"peers {order['what']} {order.get('model', '')}".strip())):
            continue
        if order["what"] == "versions":
            say({"kind": "versions", "versions": {"torch": "none: a stand-in"}})
        elif order["what"] == "accuracy":
            say({"kind": "accuracy", "model": order["model"], "format": "bf16", "error": 5e-3, "allowed": 1e-2, "good": True,
                 "same_labels": True})
        elif order["what"] == "onnxruntime":
            say({"kind": "absent", "why": "No module named 'onnxruntime'"})
        else:
            for batch in order["batches"]:
                say({"kind": "compared", "model": order["model"], "batch": batch, "peer_name": "a peer", "ours": 50.0,
                     "peer": 150.0, "ratio": 3.0, "spread": 0.02, "target": 2.0})
        print("done", flush=True)


def ncu(words):
    take_device()
    kernel = next(word for word in words if word.startswith("regex:"))[len("regex:"):]
    behaviour = planted(f"ncu {kernel}")
    sys.stdin.read()
    print("==WARNING== No kernels were profiled" if behaviour == "profiles nothing" else f"{kernel}: 80 % of the copy rate")


def sanitizer(words):
    take_device()
    tool = words[words.index("--tool") + 1]
    commands = sys.stdin.read().splitlines()
    behaviour = planted(f"compute-sanitizer {tool}{' wgmma' if 'attention 8 reduced' in commands else ''}")
    if behaviour == "does not start":
        sys.exit("no such device")
    print(f"========= {tool}: {'a hazard' if behaviour == 'reports' else '0 errors'}")
    sys.exit(9 if behaviour == "reports" else 0)


def main():
    name, words = sys.argv[1], sys.argv[2:]
    if name.startswith("yonder_gpu"):
        yonder_gpu()
    elif name == "peers":
        peers()
    elif name == "ncu":
        ncu(words)
    else:
        sanitizer(words)


if __name__ == "__main__":
    main()
