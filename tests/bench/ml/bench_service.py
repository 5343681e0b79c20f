#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A batched service, text to label, at 1, 8 and 64 clients: `./dev bench service` runs it.

Beside it: the same model called one text at a time; text_classifier in process on full batches; and, where this Python has them, ONNX
Runtime in process and servers (FastAPI, litserve, Ray Serve, infinity) that are asked over HTTP by as many connections. All have the
same threads and fp32. Rounds are interleaved; figures are medians: of one client's latencies, of several clients' texts a second. Without
PyTorch only the demo model is measured.
"""

import argparse
import contextlib
import importlib.util
import itertools
import json
import os
import pathlib
import random
import shutil
import socket
import statistics
import subprocess
import sys
import threading
import time

import servers
from report import OURS, Report

ROOT = pathlib.Path(__file__).resolve().parents[3]
DEMO = ROOT / "models/sentiment-tiny"
TEXTS = pathlib.Path(__file__).with_name("texts.txt")
CLIENTS = {1: 64, 8: 128, 64: 256}  # texts of a round
START_SECONDS = 120


class Figures:
    """Of the rounds of one candidate."""

    def __init__(self):
        self.rates, self.p50, self.p99 = [], [], []

    def add(self, rate, p50, p99):
        self.rates.append(rate)
        self.p50.append(p50)
        self.p99.append(p99)

    def text(self):
        rate, p50, p99 = (statistics.median(values) for values in (self.rates, self.p50, self.p99))
        return f"{rate:10.1f} texts/s" + (f"   p50 {1e3 * p50:9.2f} ms   p99 {1e3 * p99:9.2f} ms" if p50 else "")


def figures_of(times, seconds):
    times.sort()
    return len(times) / seconds, times[len(times) // 2], times[len(times) * 99 // 100]


class Ours:
    """bench_ml_clients, driven by lines."""

    def __init__(self, program, folder, threads):
        self.process = subprocess.Popen([program, str(folder), str(TEXTS), str(threads)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)

    def ask(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().split()
        if not answer:
            raise RuntimeError(f"bench_ml_clients ended with status {self.process.wait()}")
        return answer[1:]

    def run(self, how, clients, texts):
        return tuple(map(float, self.ask(f"{how} {clients} {texts}" if how != "ideal" else f"ideal {texts}")))

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class InProcess:
    """ONNX Runtime in this process: one client asks text by text, more are one batch after the other."""

    name = "ONNX Runtime in process"

    def __init__(self, folder, threads, texts):
        self.model = servers.OnnxModel(str(folder), threads)
        self.texts = texts

    def labels(self):
        return [self.model.labels([text])[0] for text in self.texts]

    def run(self, clients, count):
        size = 1 if clients == 1 else servers.BATCH
        some = list(itertools.islice(itertools.cycle(self.texts), count))
        times, begin = [], time.perf_counter()
        for at in range(0, count, size):
            asked = time.perf_counter()
            self.model.labels(some[at:at + size])
            times.append(time.perf_counter() - asked)
        rate, p50, p99 = figures_of(times, time.perf_counter() - begin)
        return rate * count / len(times), p50, p99


class Server:
    """One of servers.py, asked over connections that stay open."""

    def __init__(self, name, folder, threads, texts, log):
        self.name = name
        self.path, body = ("/classify", lambda text: {"text": text}) if name != "infinity, PyTorch" else \
            ("/classify", lambda text: {"model": pathlib.Path(folder).name, "input": [text]})
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.requests = [self.request(json.dumps(body(text)).encode()) for text in texts]
        with open(log, "w") as output:
            self.process = subprocess.Popen([sys.executable, servers.__file__, name, str(folder), str(threads), str(self.port)],
                                            stdout=output, stderr=subprocess.STDOUT, start_new_session=True)
        self.log = log

    def request(self, body):
        return (f"POST {self.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
                f"Content-Length: {len(body)}\r\n\r\n").encode() + body

    def wait(self):
        """Until it answers; None, or why it never will."""
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            if self.process.poll() is not None:
                return f"it ended with status {self.process.returncode}: {self.log}"
            try:
                with self.connect() as connection:
                    self.ask(connection, self.requests[0])
                return None
            except (OSError, RuntimeError):
                time.sleep(0.5)
        return f"it did not answer within {START_SECONDS} s: {self.log}"

    def connect(self):
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=START_SECONDS)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    @staticmethod
    def ask(connection, request):
        connection.sendall(request)
        answer = b""
        while b"\r\n\r\n" not in answer:
            more = connection.recv(65536)
            if not more:
                raise RuntimeError("the server closed the connection")
            answer += more
        head, _, body = answer.partition(b"\r\n\r\n")
        if b" 200 " not in head.split(b"\r\n")[0] + b" ":
            raise RuntimeError(head.decode())
        if b"transfer-encoding: chunked" in head.lower():
            while not body.endswith(b"0\r\n\r\n"):
                body += connection.recv(65536)
            return b"".join(body.split(b"\r\n")[1::2])
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
        while len(body) < length:
            body += connection.recv(65536)
        return body

    def labels(self):
        with self.connect() as connection:
            answers = [json.loads(self.ask(connection, request)) for request in self.requests]
        if self.name == "infinity, PyTorch":
            return [max(answer["data"][0], key=lambda one: one["score"])["label"] for answer in answers]
        return [answer["label"] for answer in answers]

    def run(self, clients, count):
        numbers, times, failures = itertools.count(), [], []

        def client():
            try:
                with self.connect() as connection:
                    while (mine := next(numbers)) < count:
                        asked = time.perf_counter()
                        self.ask(connection, self.requests[mine % len(self.requests)])
                        times.append(time.perf_counter() - asked)
            except (OSError, RuntimeError) as error:
                failures.append(error)

        threads = [threading.Thread(target=client) for _ in range(clients)]
        begin = time.perf_counter()
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        if failures:
            raise SystemExit(f"bench service: {self.name} failed: {failures[0]}")
        return figures_of(times, time.perf_counter() - begin)

    def close(self):
        for signal in (15, 9):
            with contextlib.suppress(ProcessLookupError):  # it has ended by itself
                os.killpg(self.process.pid, signal)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(20)
                return


def absent(packages):
    return [name for name in packages.split() if importlib.util.find_spec(name) is None and (name != "infinity_emb" or not shutil.which(name))]


def write_model(name, options):
    """A folder with model.onnx beside the weights where the packages for it are there."""
    if absent("torch transformers onnx"):
        return DEMO if name == "demo" else None
    import models
    import torch
    import transformers
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    if name != "demo":
        model = models.make(name)
        folder = models.write(f"service-{name}", model, options.folder)
        for file in ("vocab.txt", "tokenizer_config.json"):
            shutil.copy(DEMO / file, folder)
    else:
        folder = pathlib.Path(options.folder) / "service-demo"
        shutil.copytree(DEMO, folder, dirs_exist_ok=True)
        model = transformers.AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32).eval()
        model.save_pretrained(folder)
    models.export(model, folder)
    return folder


def start_peers(found, folder, options, texts, report, what):
    """Appends those that this Python has, answering; the others are skipped rows."""
    if folder is DEMO or absent("onnxruntime transformers"):
        report.skip(f"{what}, {InProcess.name}", "needs torch, transformers, onnx and onnxruntime")
    else:
        found.append(InProcess(folder, options.threads, texts))
    for name, (_, packages) in servers.KINDS.items():
        if folder is DEMO or absent(packages):
            report.skip(f"{what}, {name}", f"not there: {' '.join(absent(packages)) or 'torch'}")
            continue
        server = Server(name, folder, options.threads, texts, pathlib.Path(options.folder) / f"{name.split(',')[0]}.log")
        found.append(server)
        why = server.wait()
        if why is not None:
            found.pop().close()
            report.skip(f"{what}, {name}", why)


def check_labels(labels, each):
    others = sum(a != b for a, b in zip(labels, each.labels(), strict=True))
    if others > 0.02 * len(labels):
        raise SystemExit(f"bench service: {each.name} gives {others} other labels of {len(labels)}; there is no use in measuring it")


def measure(what, clients, ours, found, options, report):
    count = max(clients, CLIENTS[clients] // (options.shorter if what == "DistilBERT" else 1))
    candidates = {OURS: lambda texts: ours.run("batched", clients, texts), "one text at a time": lambda texts: ours.run("single", clients, texts),
                  "in process, full batches": lambda texts: ours.run("ideal", clients, max(texts, 64)),
                  **{each.name: lambda texts, each=each: each.run(clients, texts) for each in found}}
    order = random.Random(1)
    figures = {name: Figures() for name in candidates}
    for number in range(options.rounds + 1):
        # In another order each round, and warm: who comes behind a peer finds its memory and the clock as that one left them.
        names = list(candidates)
        order.shuffle(names)
        for name in names:
            candidates[name](max(clients, count // 4))
            result = candidates[name](count)
            if number != 0:  # the first round warms up
                figures[name].add(*result)
    row = f"{what}, {clients} client{'s' if clients != 1 else ''}"
    for name, each in figures.items():
        print(f"#   {row:26}{name:28}{each.text()}")
    if clients == 1:  # one after the other: their median is the time that matters
        times = {name: each.p50 for name, each in figures.items()}
        report.add(row, times, "one text at a time", 0.98)
        for each in found:
            report.add(row, times, each.name, 1.2 if isinstance(each, InProcess) else 3)
        return
    rates = {name: each.rates for name, each in figures.items()}
    report.add_rates(row, rates, "one text at a time", None)
    if clients == 64:
        report.add_rates(row, rates, "in process, full batches", 0.9)
    for each in found:
        if not isinstance(each, InProcess):
            report.add_rates(row, rates, each.name, 2)
        elif clients == 64:
            report.add_rates(row, rates, each.name, 1.5)


def measure_model(name, options, report):
    folder = write_model(name, options)
    if folder is None:
        report.skip(name, "its random weights are made by torch and transformers, which this Python has not")
        return
    texts = TEXTS.read_text().splitlines()
    found = []
    ours = Ours(options.clients_program, folder, options.threads)
    try:
        start_peers(found, folder, options, texts, report, name)
        labels = ours.ask("labels")
        for each in found:
            check_labels(labels, each)
        for clients in CLIENTS:
            measure(name, clients, ours, found, options, report)
    finally:
        ours.close()
        for each in found:
            if isinstance(each, Server):
                each.close()


def main():
    parser = argparse.ArgumentParser(prog="./dev bench service", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients-program", required=True, help="the program bench_ml_clients")
    parser.add_argument("--folder", required=True, help="where models are written to")
    parser.add_argument("--json", help="a file for the rows")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=min(2, len(os.sched_getaffinity(0))))
    parser.add_argument("--shorter", type=int, default=2, help="rounds of DistilBERT have so many times fewer texts")
    parser.add_argument("--model", choices=["demo", "MiniLM", "DistilBERT"], action="append")
    options = parser.parse_args()
    pathlib.Path(options.folder).mkdir(parents=True, exist_ok=True)
    report = Report()
    print(f"# {options.threads} threads; load {os.getloadavg()[0]:.1f}; {options.rounds} interleaved rounds; spread: (max - min) / median of the "
          f"rounds' ratios")
    Report.line("#", "what", "ours", "peer", "ratio", "target", "spread")
    for name in options.model or ["demo", "MiniLM", "DistilBERT"]:
        measure_model(name, options, report)
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(report.rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
