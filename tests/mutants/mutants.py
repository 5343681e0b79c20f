#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Plants the faults of the list in a copy of the tree, one at a time, and says which of them the tests see."""
import argparse
import concurrent.futures
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import faults as listed
import page

ROOT = Path(__file__).resolve().parents[2]
COPY = ROOT / "build" / "mutants"  # its own build folder is build/dev in it: ccache sees the paths it knows
BUILD = COPY / "build" / "dev"
RESULTS = COPY / "build" / "results.jsonl"
CASE_SECONDS = 40  # what a case may take before the tests' watchdog ends it


def say(*words):
    print(*words, flush=True)


# ---- the copy ---------------------------------------------------------------------------------------------


def tracked_files():
    names = subprocess.run(["git", "ls-files", "-z", "-co", "--exclude-standard"], cwd=ROOT, check=True, capture_output=True).stdout
    return sorted(name for name in names.decode().split("\0") if name and (ROOT / name).is_file())


def write_if_changed(path, content):
    if path.exists() and path.read_bytes() == content:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def copy_tree(changed):
    """The tree as it is, but for the files in `changed` ({name: text}); what is as it was keeps its time."""
    names = tracked_files()
    for name in names:
        content = changed[name].encode() if name in changed else (ROOT / name).read_bytes()
        write_if_changed(COPY / name, content)
        shutil.copymode(ROOT / name, COPY / name)
    known = set(names)
    for folder, below, files in os.walk(COPY):
        if Path(folder) == COPY:
            below.remove("build") if "build" in below else None
        for file in files:
            path = Path(folder) / file
            if str(path.relative_to(COPY)) not in known:
                path.unlink()


def environment(**more):
    return {**os.environ, "CCACHE_NOHASHDIR": "1", "CCACHE_BASEDIR": os.environ.get("CCACHE_BASEDIR", str(ROOT.parent)), "LC_ALL": "C.UTF-8", **more}


def logged(log, *command):
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, "w") as out:
        return subprocess.run(command, cwd=COPY, env=environment(), stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT).returncode == 0


def configure():
    launcher = ["-DCMAKE_CXX_COMPILER_LAUNCHER=ccache"] if shutil.which("ccache") else []
    # Faults change most files: a dozen of them together compile in a third of the time.
    together = ["-DCMAKE_UNITY_BUILD=ON", "-DCMAKE_UNITY_BUILD_BATCH_SIZE=12", "-DYONDER_WARNINGS_AS_ERRORS=OFF"]
    log = COPY / "build" / "configure.log"
    if not logged(log, "cmake", "--preset", "dev", *together, *launcher):
        raise SystemExit(f"mutants: the copy cannot be configured; {log} says why")


def targets_of(tests):
    """What ninja has to make for these tests: what their commands name of the build folder, but for folders to work in."""
    wanted, missing = set(), set(tests)
    listed = subprocess.run(["ninja", "-C", str(BUILD), "-t", "targets", "all"], capture_output=True, text=True, check=True)
    made = {line.rpartition(": ")[0] for line in listed.stdout.splitlines()}
    for path in BUILD.rglob("CTestTestfile.cmake"):
        for name, command in re.findall(r'^add_test\(\[=*\[(.+?)\]=*\]((?: "(?:[^"\\]|\\.)*")+)\)', path.read_text(), re.M):
            if name in missing:
                missing.discard(name)
                files = re.findall(r'"((?:[^"\\]|\\.)*)"', command)
                wanted |= {os.path.relpath(each, BUILD) for each in files if each.startswith(str(BUILD) + "/")} & made
    if missing:
        say(f"mutants: no such tests in this build: {' '.join(sorted(missing))}")
    return sorted(wanted)


def build(targets, jobs, log):
    return logged(log, "ninja", "-C", str(BUILD), "-k", "0", f"-j{jobs}", *targets)


def faults_of_errors(log, lines):
    """The faults at whose lines the compiler found an error; for an error between them the fault before it, which may have hidden a name."""
    found = set()
    for file, line in re.findall(r"([^\s:]+\.[ch]pp):(\d+):\d+: (?:fatal )?error", log.read_text(errors="replace")):
        here = [(where, fault) for (name, fault), where in lines.items() if file.endswith("/" + name)]
        at = {fault for where, fault in here if int(line) in where}
        before = [(where.start, fault) for where, fault in here if where.start <= int(line)]
        found |= at or ({max(before)[1]} if before else set())
    return found


# ---- tests ------------------------------------------------------------------------------------------------


class Tests:
    """What CTest would run, run by ourselves: several at once, and a doctest program stops at its first failure."""

    patience = 1  # times the limits

    def __init__(self):
        described = subprocess.run(["ctest", "--show-only=json-v1"], cwd=BUILD, check=True, capture_output=True).stdout
        self.known = {each["name"]: each for each in json.loads(described)["tests"] if "command" in each}
        self.left_out = set()

    def run(self, name, mutant=""):
        """(passed, what was seen, seconds)."""
        test = self.known[name]
        properties = {each["name"]: each["value"] for each in test.get("properties", [])}
        variables = dict(each.split("=", 1) for each in properties.get("ENVIRONMENT", []))
        command = list(test["command"])
        if b"abort-after" in Path(command[0]).read_bytes():
            command.append("--abort-after=1")
        begin = time.monotonic()
        with tempfile.TemporaryFile() as out:
            process = subprocess.Popen(command, cwd=properties.get("WORKING_DIRECTORY", BUILD), stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                       start_new_session=True, env=environment(**variables | {"YONDER_MUTANT": mutant, "YONDER_TEST_CASE_SECONDS": str(CASE_SECONDS * self.patience)}))
            try:
                status = process.wait(properties.get("TIMEOUT", 180) * self.patience)
            except subprocess.TimeoutExpired:
                status = None
            finally:
                try:
                    os.killpg(process.pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
                process.wait()
            out.seek(0)
            text = out.read().decode(errors="replace")
        seconds = time.monotonic() - begin
        if status in (0, 77):
            return True, "", seconds
        return False, "no end" if status is None else what_failed(text, status), seconds


def what_failed(text, status):
    hung = re.findall(r"^watchdog: (.*)$", text, re.M)
    cases = re.findall(r"^TEST CASE:\s+(.*)$", text, re.M)
    return f"watchdog: {hung[-1]}" if hung else cases[-1] if cases else f"exit status {status}"


# ---- results ----------------------------------------------------------------------------------------------


class Results:
    """One line of JSON a fault, appended as it is known: a run that is ended goes on where it was."""

    def __init__(self):
        self.lock = threading.Lock()
        self.of = {}
        for line in RESULTS.read_text().splitlines() if RESULTS.exists() else []:
            entry = json.loads(line)
            self.of[entry["name"]] = entry

    def add(self, fault, key, tests, outcome, test="", case="", seconds=0.0):
        entry = {"name": fault.name, "key": key, "tests": tests, "outcome": outcome, "test": test, "case": case, "seconds": round(seconds, 1)}
        with self.lock:
            self.of[fault.name] = entry
            RESULTS.parent.mkdir(parents=True, exist_ok=True)
            with open(RESULTS, "a") as out:
                out.write(json.dumps(entry) + "\n")
            say(f"{outcome:9} {fault.name:34} {fault.file:38} {test} {case} {seconds:.1f} s")

    def known(self, fault, source, tests):
        """The result that still holds: of this fault in this file and, where it survived, under these tests."""
        entry = self.of.get(fault.name)
        if entry is None or entry["key"] != fault.key(source):
            return None
        return entry if entry["outcome"] == "killed" or entry["tests"] == tests else None


def hash_of_tests():
    digest = hashlib.sha256()
    for name in tracked_files():
        if name.startswith(("tests/", "kernels/tests/", "examples/")) and not name.startswith("tests/mutants/"):
            digest.update(name.encode() + b"\0" + (ROOT / name).read_bytes())
    return digest.hexdigest()[:16]


# ---- a round: faults of one build -------------------------------------------------------------------------


class Run:
    def __init__(self, order, sources, results, jobs):
        self.order, self.sources, self.results, self.jobs = order, sources, results, jobs
        self.seconds = {}  # that each fault's tests took so far
        self.tests_hash = hash_of_tests()

    def record(self, fault, *outcome):
        self.results.add(fault, fault.key(self.sources[fault.file]), self.tests_hash, *outcome)

    def pending(self, faults):
        """First what was never run, each in the order of the list, which begins with what matters most."""
        return [each for each in self.order if each in faults and not self.results.known(each, self.sources[each.file], self.tests_hash)]

    def judge(self, fault, tests, name, mutant):
        """Whether this test, one of the fault's, sees it. Not seen by the last one: it has survived."""
        killed = False
        if name in tests.known and name not in tests.left_out:
            passed, seen, seconds = tests.run(name, mutant)
            self.seconds[fault.name] = self.seconds.get(fault.name, 0.0) + seconds
            killed = not passed
        if killed:
            self.record(fault, "killed", name, seen, self.seconds[fault.name])
        elif name == fault.tests[-1]:
            self.record(fault, "survived", "", "", self.seconds.get(fault.name, 0.0))
        return killed

    def baseline(self, wanted):
        """Tests that fail without a fault tell nothing: they are left out, and named."""
        tests = Tests()
        wanted = [name for name in wanted if name in tests.known]
        with concurrent.futures.ThreadPoolExecutor(self.jobs) as pool:
            for name, (passed, seen, seconds) in zip(wanted, pool.map(tests.run, wanted)):
                say(f"without a fault: {name} {'passes' if passed else 'FAILS: ' + seen} ({seconds:.1f} s)")
                if not passed:
                    tests.left_out.add(name)
        return tests

    def round(self, every):
        """All faults of one build, those that are known too: so it is the same build, however far one has come. Most are seen by
        the nearest test: what comes after it is built only for those that are not."""
        pending = self.pending(every)
        for depth in range(max(len(each.tests) for each in pending)):
            pending = [each for each in pending if depth < len(each.tests)]
            wanted = sorted({each.tests[depth] for each in pending})
            every = self.build(every, wanted)
            pending = [each for each in pending if each in every]
            tests = self.baseline(wanted)
            with concurrent.futures.ThreadPoolExecutor(self.jobs) as pool:
                killed = list(pool.map(lambda each: self.judge(each, tests, each.tests[depth], str(each.number)), pending))
            pending = [each for each, is_over in zip(pending, killed) if not is_over]

    def build(self, every, wanted):
        """Those that compile."""
        log = COPY / "build" / "build.log"
        while True:
            lines = self.plant(every)
            if build(targets_of(wanted), self.jobs, log):
                return every
            wrong = faults_of_errors(log, lines)
            if not wrong:
                raise SystemExit(f"mutants: the copy does not compile; {log} says why")
            for each in every:
                if each.name in wrong:
                    self.record(each, "invalid", "", "does not compile behind a switch")
            every = [each for each in every if each.name not in wrong]

    def plant(self, every):
        changed, lines = {}, {}
        for file in {each.file for each in every}:
            changed[file], where = listed.planted(self.sources[file], [each for each in every if each.file == file])
            lines |= {(file, name): span for name, span in where.items()}
        copy_tree(changed)
        return lines

    def one_by_one(self, faults):
        for fault in self.pending(faults):
            copy_tree({fault.file: listed.planted_alone(self.sources[fault.file], fault)})
            for name in fault.tests:
                if not build(targets_of([name]), self.jobs, COPY / "build" / "build.log"):
                    self.record(fault, "killed", "the compiler")
                    break
                if self.judge(fault, Tests(), name, ""):
                    break


def main():
    parser = argparse.ArgumentParser(prog="./dev mutants", description=__doc__)
    parser.add_argument("files", nargs="*", metavar="FILE", help="only faults of this file, or of the files of this folder")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 2, help="how many faults are tried at once")
    parser.add_argument("--patience", type=int, default=1, help="on a busy machine: how many times as long a case and a test may take")
    parser.add_argument("--check", action="store_true", help="only look whether each fault's place is still there")
    parser.add_argument("--table", action="store_true", help="only print what is known")
    parser.add_argument("--page", action="store_true", help="write docs/mutants.md from what is known, too")
    options = parser.parse_args()

    chosen = [each for each in listed.read_list() if not options.files or each.file.startswith(tuple(name.removeprefix("./") for name in options.files))]
    sources = {each.file: (ROOT / each.file).read_text() if (ROOT / each.file).is_file() else "" for each in chosen}
    lost = {}
    for fault in chosen:
        try:
            listed.place_of(fault, sources[fault.file])
        except listed.Lost as why:
            lost[fault.name] = why
            say(f"lost      {fault.name}: {fault.file}: {why}")
    if options.check:
        return 1 if lost else 0
    results = Results()
    Tests.patience = options.patience
    run = Run(sorted(chosen, key=lambda each: each.name in results.of), sources, results, options.jobs)
    if not options.table:
        active = [each for each in chosen if each.name not in lost and not each.equivalent and not each.invalid]
        carry_out(run, active)
    known = {}
    for each in chosen:
        if entry := results.of.get(each.name):
            known[each.name] = entry | {"is_old": results.known(each, sources[each.file], run.tests_hash) is None}
    if options.page:
        (ROOT / "docs" / "mutants.md").write_text(page.document(chosen, known, lost))
    return page.summary(chosen, known, lost)


def carry_out(run, active):
    # A header is compiled into everything, so those come after the sources; alone, what no switch can hold.
    switched = [each for each in active if not each.alone]
    groups = [[each for each in switched if each.file.endswith(".cpp")], [each for each in switched if not each.file.endswith(".cpp")]]
    copy_tree({})
    configure()
    for group in groups:
        for layer in listed.layers(group, run.sources):
            if run.pending(layer):
                run.round(layer)
    run.one_by_one([each for each in active if each.alone])


if __name__ == "__main__":
    sys.exit(main())
