#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""./dev gpu without a GPU: a program that only answers stands in for yonder_gpu, and PyTorch is not there."""
import importlib.util
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

DRIVER = pathlib.Path(__file__).resolve().parents[1] / "cuda" / "tools" / "gpu.py"

# Answers as yonder_gpu does, and writes each command down. A line of `behaviour.json` says what else a command does.
STAND_IN = '''#!/usr/bin/env python3
import json, os, pathlib, sys
here = pathlib.Path(__file__).parent
behaviour = json.loads((here / "behaviour.json").read_text())
for line in sys.stdin:
    command = line.strip()
    with (here / "asked.txt").open("a") as log:
        log.write(command + " " + os.environ.get("YONDER_GPU_ATTENTION", "") + "\\n")
    does = behaviour.get(command, "")
    if does == "ends":
        sys.exit("segmentation fault, say")
    if does == "hangs":
        sys.stdin.read()
    if does == "fails":
        print("failed: cudaErrorLaunchFailure", flush=True)
        continue
    what = command.split()[0]
    rows = {
        "device": [{"name": "Stand-in", "compute_capability": "9.0", "multiprocessors": 1, "driver": 1, "runtime": 1,
                    "cublaslt": 1}],
        "ceilings": [{"what": "device-to-device copy", "unit": "TB/s", "value": 4.0},
                     {"what": "matrix product", "unit": "TFLOP/s", "value": 700.0}],
        "operators": [{"what": "norm", "error": 1e-3, "allowed": 1e-2, "good": does != "wrong"}],
        "attention": [{"what": "attention", "error": 1e-3, "allowed": 1e-2, "good": does != "wrong"}],
        "attention_kinds": [{"warps": 4}, {"warps": 8}],
        "product": [{"rows": 1, "columns": 1, "depth": 1, "microseconds": 1.0, "tflops": 1.0}],
    }[what]
    for row in rows:
        print(json.dumps(row))
    print("done", flush=True)
'''


def load_driver():
    spec = importlib.util.spec_from_file_location("gpu", DRIVER)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class GpuDriver(unittest.TestCase):
    def setUp(self):
        self.scratch = tempfile.TemporaryDirectory()
        self.folder = pathlib.Path(self.scratch.name)
        self.program = self.folder / "yonder_gpu"
        self.program.write_text(STAND_IN)
        self.program.chmod(0o755)
        (self.folder / "absent").mkdir()
        (self.folder / "absent" / "torch.py").write_text("raise ImportError('absent')\n")
        self.behave({})

    def tearDown(self):
        self.scratch.cleanup()

    def behave(self, behaviour):
        (self.folder / "behaviour.json").write_text(json.dumps(behaviour))
        (self.folder / "asked.txt").write_text("")

    def asked(self):
        return (self.folder / "asked.txt").read_text().splitlines()

    def run_driver(self, *arguments):
        return subprocess.run([sys.executable, DRIVER, *arguments, "--program", self.program, "--docs", self.folder / "docs",
                               "--state", self.folder / "state.json", "--commit", "c0ffee"], capture_output=True, text=True,
                              env=os.environ | {"PYTHONPATH": str(self.folder / "absent")})

    def record(self):
        return json.loads((self.folder / "docs" / "stand-in.json").read_text())

    def test_what_was_found_is_recorded_and_not_asked_again(self):
        first = self.run_driver()
        self.assertEqual(first.returncode, 0, first.stdout + first.stderr)
        self.assertIn("skipped, as there is no PyTorch", first.stdout)
        self.assertEqual(self.record()["commit"], "c0ffee")
        self.assertEqual(self.record()["ceilings"][0]["value"], 4.0)
        self.assertIn("Stand-in", (self.folder / "docs" / "stand-in.md").read_text())
        self.behave({})
        self.assertEqual(self.run_driver().returncode, 0)
        self.assertEqual(self.asked(), ["device "])
        self.behave({})
        self.run_driver("--fresh")
        self.assertIn("operators all ", self.asked())

    def test_results_of_other_sources_are_not_taken_over(self):
        self.run_driver("check")
        state = json.loads((self.folder / "state.json").read_text())
        (self.folder / "state.json").write_text(json.dumps(state | {"sources": "others"}))
        self.behave({})
        self.run_driver("check")
        self.assertIn("operators all ", self.asked())

    def test_a_step_that_fails_is_told_and_the_others_go_on(self):
        for behaviour in ("fails", "ends"):
            self.behave({"operators all": behaviour})
            done = self.run_driver("check", "--fresh")
            self.assertEqual(done.returncode, 1)
            self.assertIn("wrong: operators against their formulas", done.stdout)
            self.assertIn("attention 8 all ", self.asked())
            self.assertIn("operators against their formulas", self.record()["failed"])

    def test_a_wrong_operator_is_told(self):
        self.behave({"operators all": "wrong"})
        done = self.run_driver("check")
        self.assertEqual(done.returncode, 1)
        self.assertIn("wrong: norm: error 0.001", done.stdout)

    def test_where_warpgroups_are_wrong_the_rest_goes_by_warps(self):
        for behaviour in ("wrong", "fails", "ends"):
            self.behave({"attention 8 all": behaviour})
            done = self.run_driver("all", "--fresh")
            self.assertEqual(done.returncode, 1)
            self.assertIn("the rest is measured by warps", done.stdout)
            later = self.asked()[self.asked().index("attention 8 all ") + 1:]
            self.assertTrue(later)
            self.assertTrue(all(each.endswith(" warp") for each in later), later)

    def test_a_program_that_is_silent_is_ended_and_started_anew(self):
        self.behave({"operators all": "hangs"})
        program = load_driver().Program(self.program)
        with self.assertRaisesRegex(RuntimeError, "silent for 0.2 s after nothing"):
            program.ask("operators", "all", seconds=0.2)
        self.assertEqual(len(program.ask("attention_kinds")), 2)
        self.assertEqual(program.close(), 0)

    def test_nothing_begins_when_the_time_is_over(self):
        done = self.run_driver("all", "--minutes", "0")
        self.assertIn("run the same command again", done.stdout)
        self.assertEqual(self.asked(), ["device "])
        self.assertIn("ceilings", self.record()["not_measured"])


if __name__ == "__main__":
    unittest.main()
