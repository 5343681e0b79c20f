#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Encoders on this machine's CPU against PyTorch, ONNX Runtime and OpenVINO: `./dev bench ml` runs it.

Every candidate is one process or session with the same number of threads; rounds are interleaved, figures are medians of
the rounds. Peers come from PyPI. Nothing is downloaded: weights are random, shapes are true.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

PACKAGES = "torch transformers onnx onnxruntime openvino"
ROUND_SECONDS = 0.4
ROW_SECONDS = 10  # after these a row goes on with the peers that it may state only,
FEWEST_ROUNDS = 3  # and ends once it has so many rounds
HOPELESS = 3


def stop_without_packages(missing):
    sys.exit(f"bench ml: no module '{missing}'. The peers are Python packages: pip install {PACKAGES} (nncf adds OpenVINO's "
             f"int8), or set YONDER_PYTHON to an interpreter that has them.")


try:
    import numpy
    import onnxruntime
    import openvino
    import torch
    import transformers

    import models
    import peers
    import texts
    from report import OURS, Report
except ModuleNotFoundError as error:
    stop_without_packages(error.name)


class Ours:
    """bench_ml_forward, driven by lines."""

    name = OURS

    def __init__(self, program, folder, precision, threads):
        command = [program, str(folder), precision, str(threads)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.kernel = self.ask(None).partition(" ")[2]

    def ask(self, line):
        if line is not None:
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
        answer = self.process.stdout.readline().strip()
        if not answer:
            raise RuntimeError(f"bench_ml_forward ended with status {self.process.wait()}")
        return answer

    def prepare(self, batch):
        self.ask("batch " + " ".join(str(length) for length in batch.lengths))

    def seconds(self):
        return float(self.ask(f"run {ROUND_SECONDS}").split()[1])

    def logits_of(self, ids):
        words = self.ask("ids " + " ".join(map(str, ids[0].tolist()))) and self.ask("logits").split()
        return numpy.array([float(word) for word in words[1:]])

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Batch:
    """Texts of random ids, padded to the longest."""

    def __init__(self, what, lengths, seed=1):
        generator = torch.Generator().manual_seed(seed)
        self.what = what
        self.lengths = lengths
        self.ids = torch.randint(5, models.VOCABULARY, (len(lengths), max(lengths)), generator=generator)
        self.mask = (torch.arange(max(lengths))[None, :] < torch.tensor(lengths)[:, None]).long()
        self.ids = self.ids * self.mask


def ragged_lengths(count, longest):
    """Evenly spread, so that their mean is half the longest."""
    return [1 + (longest - 1) * i // (count - 1) for i in range(count)]


def seconds_of(peer):
    """Of one run, by as many as a round takes; the first does not count unless it takes a round by itself."""
    begin = time.perf_counter()
    peer.run()
    first = time.perf_counter() - begin
    if first >= ROUND_SECONDS:
        return first
    begin, runs, elapsed = time.perf_counter(), 0, 0.0
    while elapsed < ROUND_SECONDS:
        peer.run()
        runs += 1
        elapsed = time.perf_counter() - begin
    return elapsed / runs


def wait_for_idle_threads(window=0.01, at_most=1.0):
    """Until the peers' threads, which are this process's, spin no more: they used under a tenth of a window (seconds)."""
    for _ in range(round(at_most / window)):
        before = time.process_time()
        time.sleep(window)
        if time.process_time() - before < window / 10:
            return


def measure(ours, candidates, batch, rounds, stated=()):
    """{name: [seconds of each round]}; once it is late, of `stated` peers and of those that may be the fastest."""
    ours.prepare(batch)
    running = [*candidates, ours]
    times = {candidate.name: [] for candidate in running}
    for candidate in candidates:
        candidate.prepare(batch)
    begin = time.perf_counter()
    for done in range(rounds):
        late = time.perf_counter() - begin > ROW_SECONDS
        if late and done >= FEWEST_ROUNDS:
            break
        if late:
            most = 2 * statistics.median(times[fastest(times)])
            wanted = {ours.name, *(find(times, name) for name in stated)}
            running = [each for each in running if each.name in wanted or statistics.median(times[each.name]) < most]
        for candidate in running:
            wait_for_idle_threads()
            times[candidate.name].append(ours.seconds() if candidate is ours else seconds_of(candidate))
    return times


def fastest(times):
    """Of the peers that ran in each round."""
    rounds = len(times[Ours.name])
    return min((name for name in times if name != Ours.name and len(times[name]) == rounds),
               key=lambda name: statistics.median(times[name]))


def without_hopeless(candidates, times):
    """Those that another peer was not HOPELESS times as fast as: in a longer row they would take minutes for nothing."""
    most = HOPELESS * statistics.median(times[fastest(times)])
    for candidate in candidates:
        if statistics.median(times[candidate.name]) > most:
            print(f"# left out of the next row: {candidate.name}, {1e3 * statistics.median(times[candidate.name]):.0f} ms in this one",
                  flush=True)
    return [candidate for candidate in candidates if statistics.median(times[candidate.name]) <= most]


def find(times, prefix):
    return next(name for name in times if name.startswith(prefix))


class Exact:
    """What a model's logits are, in float64, for texts of several lengths, a row for each text or token; and PyTorch's own error in fp32."""

    def __init__(self, model):
        self.labels = model.config.num_labels
        self.texts = [Batch("", [length], seed=length) for length in ragged_lengths(16, 128)]
        self.logits = self.run(model.double())
        self.torch_error = self.error(self.run(model.float()))

    def rows(self, logits_of):
        """Of all texts; `logits_of` is called with each."""
        return numpy.concatenate([numpy.asarray(logits_of(text), dtype=float).reshape(-1, self.labels) for text in self.texts])

    def run(self, model):
        with torch.inference_mode():
            return self.rows(lambda text: model(input_ids=text.ids).logits.double().numpy())

    def of_peer(self, peer):
        def logits_of(text):
            peer.prepare(text)
            return peer.logits()
        return self.rows(logits_of)

    def error(self, logits):
        return numpy.linalg.norm(logits - self.logits) / numpy.linalg.norm(self.logits)

    def other_labels(self, logits, limit):
        """How many texts have another label though their margin, relative to their logits, exceeds a limit."""
        if self.labels == 1:
            return 0
        ordered = numpy.sort(self.logits, axis=1)
        clear = ordered[:, -1] - ordered[:, -2] > limit * numpy.linalg.norm(self.logits, axis=1)
        return int((clear & (logits.argmax(1) != self.logits.argmax(1))).sum())


def check_logits(ours, exact, what, precision, report):
    """What is measured computes the same. Returns its error."""
    logits = exact.rows(lambda text: ours.logits_of(text.ids))
    error = exact.error(logits)
    name = f"{what}, error against float64, 16 texts"
    if precision == "fp32":
        report.add_error(name, error, "PyTorch", exact.torch_error, 2)
    elif precision == "bf16":
        other = exact.other_labels(logits, 1e-2)
        report.add_error(name, error, "", None, 1e-2, f"{other} labels differ" if other else "")
    else:
        report.add_error(name, error, "", None, None)
    if not error < {"fp32": 1e-5, "bf16": 0.1, "int8": 0.5}[precision]:
        sys.exit(f"bench ml: the logits in {precision} differ by {error:.1e} from PyTorch's in float64; there is no use in "
                 f"measuring them")
    return error


def state_errors(error, candidates, exact, what, report):
    """The peers' own, so that no speed is bought with accuracy unseen."""
    for peer in candidates:
        report.add_error(f"{what}, error, beside {peer.name}'s", error, peer.name, exact.error(exact.of_peer(peer)), None)


def measure_model(name, options, report):
    model = models.make(name)
    folder = models.write(name, model, options.folder)
    exact = Exact(model)
    for precision in options.precision or ["fp32", "bf16", "int8"]:
        if name == models.SIXTEEN_BIT and precision != "fp32":
            continue
        measure_precision(name, model, folder, exact, precision, options, report)


def measure_precision(name, model, folder, exact, precision, options, report):
    candidates, absent = peers.make(model, folder, precision, options.threads)
    ours = Ours(options.forward, folder, precision, options.threads)
    print(f"# {name} {precision}: {ours.kernel}", flush=True)
    error = check_logits(ours, exact, f"{name} {precision}", precision, report)
    if precision != "fp32":
        state_errors(error, candidates, exact, f"{name} {precision}", report)
    for what, why in absent:
        report.skip(f"{name} {precision}, {what}", why)
    if not candidates:
        return ours.close()
    ragged = Batch("32 texts of 1 to 128 tokens", ragged_lengths(32, 128))
    batches = [Batch("batch 1, s16", [16]), Batch("batch 1, s128", [128]), ragged]
    if name == "MiniLM reranker":
        ragged = Batch("100 pairs of 8 to 128 tokens", [max(8, length) for length in ragged_lengths(100, 128)])
        batches = [ragged]
    times = None
    for batch in batches:
        if batch is ragged and times:
            candidates = without_hopeless(candidates, times)
        stated = ["ONNX Runtime", "PyTorch"] if precision == "fp32" and batch is not ragged else []
        stated = [peer for peer in stated if any(candidate.name == peer for candidate in candidates)]
        times = measure(ours, candidates, batch, options.rounds, stated)
        what = f"{name} {precision}, {batch.what}"
        if batch is ragged:
            report.add(what, times, fastest(times), 1.8)
        elif precision != "fp32":
            report.add(what, times, fastest(times), 1.15)
        else:
            short = max(batch.lengths) <= 16
            for peer in stated:
                report.add(what, times, find(times, peer), 2 if short else 1.15 if peer == "ONNX Runtime" else 1.5)
    ours.close()


def cpu_name():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(": ")[2]
    return "unknown CPU"


def print_heading(options):
    print(f"# {cpu_name()}; {options.threads} threads; load {os.getloadavg()[0]:.1f}")
    print(f"# peers: PyTorch {torch.__version__}, ONNX Runtime {onnxruntime.__version__}, OpenVINO "
          f"{openvino.__version__.partition('-')[0]}, transformers {transformers.__version__}")
    print(f"# {options.rounds} interleaved rounds, {FEWEST_ROUNDS} where they take long; medians; spread: (max - min) / median of "
          f"the rounds' ratios")
    Report.line("#", "what", "ours", "peer", "ratio", "target", "spread")


def main():
    parser = argparse.ArgumentParser(prog="./dev bench ml", description=__doc__)
    parser.add_argument("--forward", required=True, help="the program bench_ml_forward")
    parser.add_argument("--folder", required=True, help="where models are written to")
    parser.add_argument("--json", help="a file for the rows")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=min(2, len(os.sched_getaffinity(0))))
    parser.add_argument("--model", choices=list(models.MAKERS), action="append")
    parser.add_argument("--only", choices=["encoders", "texts"], help="one half of the rows")
    parser.add_argument("--precision", choices=["fp32", "bf16", "int8"], action="append")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    report = Report()
    print_heading(options)
    if options.only != "texts":
        for name in options.model or models.MAKERS:
            measure_model(name, options, report)
    if options.only != "encoders":
        texts.measure(options, report)
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(report.rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
