#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""metrics.py PROGRAM: what counting costs of a remote(), in instructions, which load does not disturb. PROGRAM (bench_metrics) makes calls under
valgrind's callgrind, once few and once many: the difference is what a call takes, in the process of its caller and hub and in that of its
worker, without the system's part. Of that, what the lines take that count, wherever they were inlined, with what they call. Exit status 1: more
than 1 %."""
import argparse
import collections
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
COUNTING_FILES = ("src/core/task_numbers.hpp", "src/core/usage.hpp", "src/core/usage.cpp")
COUNTING_LINE = re.compile(r"\bcounters\.\w+ \+=|\+\+counters\.|\bnumbers->\w+|\bnumbers\.(frames|batches)\.|\bcount_(frame|use)\(|\bused\.count\(")
COUNTING_FUNCTION = re.compile(r"::count_(frame|use)\(")
MOST = 0.01  # of a remote()


def lines_that_count():
    """By file, as the repository names it; a statement may take several lines."""
    found = {name: None for name in COUNTING_FILES}  # all of them
    for path in sorted((ROOT / "src/core").glob("*.cpp")):
        lines, goes_on = set(), False
        for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            goes_on = goes_on or COUNTING_LINE.search(text) is not None
            if goes_on:
                lines.add(number)
            goes_on = goes_on and not text.rstrip().endswith((";", "{", "}"))
        if lines:
            found.setdefault(str(path.relative_to(ROOT)), lines)
    return found


def instructions(profile, counting):
    """All of them, and those that count, by file (https://valgrind.org/docs/manual/cl-format.html)."""
    def name_of(path):
        path = os.path.normpath(path)
        return path[len(str(ROOT)) + 1:] if path.startswith(str(ROOT) + "/") else path

    total, by_file = 0, collections.Counter()
    function_file = file = ""
    is_call = counts = False
    with open(profile, encoding="utf-8", errors="replace") as text:
        for line in text:
            line = line.rstrip("\n")
            if line.startswith("fl="):
                function_file = file = name_of(line[3:])
            elif line.startswith(("fi=", "fe=")):
                file = name_of(line[3:])
            elif line.startswith("fn="):
                file = function_file
                counts = function_file in COUNTING_FILES or COUNTING_FUNCTION.search(line) is not None
            elif line.startswith("calls="):
                is_call = True
            elif line[:1].isdigit() and function_file:
                number, cost = (int(part) for part in line.split()[:2])
                if not is_call:
                    total += cost
                lines = counting.get(file, ())
                # What such a function takes is told by whoever calls it.
                if not counts and (lines is None or number in lines):
                    by_file[file] += cost
                is_call = False
    return total, by_file


def run(program, calls, folder, counting):
    """Of the program itself; of its worker; and, of both, those that count, by file."""
    profiles = os.path.join(folder, str(calls))
    os.mkdir(profiles)
    made = subprocess.run(["valgrind", "--tool=callgrind", f"--callgrind-out-file={profiles}/%p", "--compress-strings=no", "--compress-pos=no",
                           "--trace-children=yes", program, str(calls)], capture_output=True, text=True, check=False)
    if made.returncode != 0:
        sys.exit(f"{program} {calls} under valgrind: exit status {made.returncode}\n{made.stderr[-2000:]}")
    totals, by_file = [], collections.Counter()
    for name in sorted(os.listdir(profiles)):
        with open(os.path.join(profiles, name), encoding="utf-8", errors="replace") as text:
            is_callers = f"cmd: {program} {calls}\n" in (next(text, "") for _ in range(20))
        total, counted = instructions(os.path.join(profiles, name), counting)
        totals.insert(0 if is_callers else len(totals), total)
        by_file += counted
    if len(totals) != 2:
        sys.exit(f"{program} {calls}: {len(totals)} processes had instructions counted, and not a caller and a worker")
    return *totals, by_file


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program")
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--json")
    wanted = parser.parse_args()
    counting = lines_that_count()
    with tempfile.TemporaryDirectory() as folder:
        few = run(wanted.program, 200, folder, counting)
        many = run(wanted.program, 200 + wanted.calls, folder, counting)
    caller, worker = ((many[i] - few[i]) / wanted.calls for i in range(2))
    each, few_counted, many_counted = caller + worker, few[2], many[2]
    by_file = {name: (many_counted[name] - few_counted[name]) / wanted.calls for name in many_counted}
    counted = sum(by_file.values())
    share = counted / each
    print(f"remote() of 64 bytes: {each:,.0f} instructions ({caller:,.0f} of caller and hub, {worker:,.0f} of the worker); {counted:,.0f} of them count: "
          f"{100 * share:.2f} %, at most {100 * MOST:.0f} % ({100 * counted / caller:.2f} % of the caller's and hub's)")
    for name, cost in sorted(by_file.items(), key=lambda one: -one[1]):
        if cost >= 0.5:
            print(f"  {cost:6,.1f}  {name}")
    if counted < 1:
        sys.exit("nothing was found that counts: the program has to be compiled with -g1, from this source tree")
    if wanted.json:
        with open(wanted.json, "w", encoding="utf-8") as file:
            json.dump({"instructions": each, "caller": caller, "worker": worker, "counting": counted, "share": share, "by_file": by_file}, file, indent=1)
    sys.exit(share > MOST)


if __name__ == "__main__":
    main()
