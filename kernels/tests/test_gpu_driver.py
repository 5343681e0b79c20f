#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""./dev gpu without a GPU: from end to end with its stand-in, and what it looks at before it trusts anything."""
import contextlib
import errno
import json
import os
import pathlib
import select
import signal
import subprocess
import sys
import tempfile
import unittest
from unittest import mock

TOOLS = pathlib.Path(__file__).resolve().parents[1] / "cuda" / "tools"
sys.path.insert(0, str(TOOLS))
import gpu  # noqa: E402
import gpu_models  # noqa: E402
import gpu_program  # noqa: E402
import gpu_record  # noqa: E402
import gpu_stand_in  # noqa: E402


class WithFolder(unittest.TestCase):
    def setUp(self):
        self.scratch = tempfile.TemporaryDirectory()
        self.folder = pathlib.Path(self.scratch.name).resolve()

    def tearDown(self):
        self.scratch.cleanup()


class StandIn(WithFolder):
    def run_driver(self, *arguments, planted=None, within=500):
        environment = dict(os.environ) | {"YONDER_GPU_ASKED": str(self.folder / "asked.txt")}
        if planted is not None:
            environment["YONDER_GPU_PLANTED"] = json.dumps(planted)
        (self.folder / "asked.txt").write_text("")
        return subprocess.run([sys.executable, TOOLS / "gpu.py", "--within", str(within), "--out", self.folder / "out",
                               "--stand-in", "--pace", "0.001", "--commit", "c0ffee", *arguments],
                              capture_output=True, text=True, env=environment)

    def asked(self):
        return (self.folder / "asked.txt").read_text().splitlines()

    def record(self):
        return json.loads((self.folder / "out" / "gpu.json").read_text())

    def test_every_step_is_told_and_every_planted_failure_is_named_and_the_next_run_repeats_none(self):
        done = self.run_driver()
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        failed = self.record()["failed"]
        self.assertEqual(len(failed), len(gpu_stand_in.PLANTED), failed)
        for step, why in failed.items():
            self.assertIn(f"wrong: {step}: {why}", done.stdout)
        for part, why in (("operators", "is told to be good"), ("attention by warpgroups", "not done after"),
                          ("rate dependent", "segmentation fault, say"), ("rate barrier", "cudaErrorLaunchFailure"),
                          ("products of H = 768, 4224 rows", "more than the machine's own rate"),
                          ("products of H = 384, 128 rows", "follow from the time"),
                          ("MiniLM-L6 alone, graph", "the whole call"),
                          ("DistilBERT against a pipeline, text to label", "texts of DistilBERT: not done"),
                          ("kernel embedding", "no JSON"), ("kernel pooling", "without a row"),
                          ("BERT-base alone, launches", "KeyError('graph')"), ("kernel norm", "it crashed (it ended with 1)"),
                          ("ncu of classification", "No kernels"), ("compute-sanitizer racecheck, all but wgmma", "a hazard"),
                          ("compute-sanitizer memcheck, wgmma", "ended with 1: no such device")):
            self.assertIn(why, failed[part])
        self.assertIn("what follows goes by warps", done.stdout)
        later = self.asked()[self.asked().index("attention 8 all") + 1:]
        self.assertEqual([each for each in later if not each.endswith(" warp")], ["compute-sanitizer memcheck wgmma"])
        text = (self.folder / "out" / "gpu.md").read_text()
        self.assertIn("no figure here was measured", text)
        self.assertIn("| DistilBERT, b1 s128 | 50.0 us | 150.0 us (a peer) | 3.00 | 2.0 | True |", text)
        self.assertIn("No module named 'onnxruntime'", text)
        self.assertEqual(self.record()["commit"], "c0ffee")
        self.assertEqual(gpu_record.check_folder(self.folder / "out"), [])
        self.assertNotIn(os.environ["PATH"], (self.folder / "out" / "state.json").read_text())
        again = self.run_driver()
        self.assertEqual(again.returncode, 1)
        # What was not installed may be by now.
        self.assertEqual(self.asked(), ["device", "peers versions warp", "peers onnxruntime DistilBERT warp"])
        self.assertIn("what follows goes by warps", again.stdout)
        self.assertIn("s  operators …", (self.folder / "out" / "log.txt").read_text())  # of the first run

    def test_without_failures_it_succeeds_in_the_stated_order(self):
        done = self.run_driver(planted={})
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        asked = [each.split()[0] if not each.startswith("peers") else each for each in self.asked()]
        order = ["device", "operators", "attention", "rate", "product", "load", "peers accuracy DistilBERT",
                 "peers compile DistilBERT", "peers texts DistilBERT", "bench", "ncu", "compute-sanitizer",
                 "peers compile MiniLM-L6", "peers onnxruntime DistilBERT"]
        places = [asked.index(each) for each in order]
        self.assertEqual(places, sorted(places))
        manners = {(row["graph"], row["dependent_launch"]) for row in self.record()["alone"]}
        self.assertEqual(len(manners), 4)

    def test_what_an_older_gpu_has_not_is_told_and_is_no_failure(self):
        done = self.run_driver(planted={"device": "is older", "compute-sanitizer memcheck wgmma": "does not start"})
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        absent = {row["step"] for row in self.record()["absent"]}
        self.assertEqual(absent, {"attention by warpgroups", "rate dependent", "compute-sanitizer memcheck, wgmma",
                                  "DistilBERT against ONNX Runtime"})
        self.assertFalse({"attention 8 all", "rate dependent", "compute-sanitizer memcheck wgmma"} & set(self.asked()))

    def test_what_wgmma_is_reported_for_is_told_and_is_no_failure(self):
        done = self.run_driver(planted={"compute-sanitizer memcheck wgmma": "reports"})
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertEqual([row["clean"] for row in self.record()["sanitizers"]], [True, True, False])

    def test_a_wrong_result_is_told_and_a_run_that_was_cut_off_goes_on(self):
        cut = self.run_driver(planted={"operators all": "is wrong"}, within=0)
        self.assertIn("run the same command again", cut.stdout)
        left = self.record()["not_measured"]
        self.assertTrue(left)
        done = self.run_driver(planted={"operators all": "is wrong", "attention 8 all": "is no number"})
        self.assertEqual(done.returncode, 1)
        self.assertIn("wrong: operators all: error 5.00e-01, allowed 4.00e-03", done.stdout)
        self.assertIn("wrong: attention 8 all: error no number, allowed 4.00e-03", done.stdout)
        self.assertIn("what follows goes by warps", done.stdout)
        self.assertEqual(self.record()["failed"], {})  # its other rows are kept
        self.assertEqual(self.record()["not_measured"], [])

    def test_one_that_is_ended_from_outside_leaves_no_process_and_no_file(self):
        asked, scratch = self.folder / "asked", self.folder / "tmp"
        os.mkfifo(asked)
        scratch.mkdir()
        environment = dict(os.environ) | {"YONDER_GPU_ASKED": str(asked), "TMPDIR": str(scratch),
                                          "YONDER_GPU_PLANTED": json.dumps({"operators all": "hangs"})}
        with open(os.open(asked, os.O_RDWR)) as commands:
            for number in (signal.SIGTERM, signal.SIGINT):
                driver = subprocess.Popen([sys.executable, TOOLS / "gpu.py", "--within", "500", "--out", self.folder / "out",
                                           "--stand-in"], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                          text=True, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
                while commands.readline() != "operators all\n":
                    pass
                driver.send_signal(number)
                self.assertEqual(driver.communicate()[1], "")
                self.assertEqual(driver.returncode, 128 + number)
                self.assertEqual(list(scratch.iterdir()), [])
                self.assertEqual(processes_with(f"YONDER_GPU_ASKED={asked}"), [])

    def test_one_that_is_killed_goes_on_and_what_it_left_goes(self):
        asked, scratch, out = self.folder / "asked", self.folder / "tmp", self.folder / "out"
        os.mkfifo(asked)
        scratch.mkdir()
        command = [sys.executable, TOOLS / "gpu.py", "--within", "500", "--out", out, "--stand-in", "--pace", "0.001"]
        planted = {"YONDER_GPU_PLANTED": json.dumps({"rate copy": "hangs"})}
        environment = dict(os.environ) | {"YONDER_GPU_ASKED": str(asked), "TMPDIR": str(scratch)}
        with open(os.open(asked, os.O_RDWR)) as commands:
            driver = subprocess.Popen(command, env=environment | planted, stdout=subprocess.DEVNULL)
            while commands.readline() != "rate copy\n":
                pass
            started = [os.pidfd_open(each) for each in processes_with(f"YONDER_GPU_ASKED={asked}") if each != driver.pid]
            self.assertTrue(started)
            driver.kill()
            driver.wait()
            for each in started:  # readable when it has ended
                self.assertEqual(select.select([each], [], [], 60)[0], [each])
                os.close(each)
        self.assertEqual(len(list(scratch.iterdir())), 1)
        (self.folder / "asked.txt").write_text("")
        environment |= {"YONDER_GPU_ASKED": str(self.folder / "asked.txt"), "YONDER_GPU_PLANTED": "{}"}
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertEqual(self.asked()[:2], ["device", "rate copy"])
        self.assertEqual(list(scratch.iterdir()), [])

    def test_folders_that_are_only_named_like_the_temporary_one_stay(self):
        mine = self.folder / "yonder_gpu_out"
        mine.mkdir()
        (mine / "state.json").write_text("of the first run")
        with mock.patch.object(tempfile, "tempdir", str(self.folder)):
            os.close(gpu_record.make_scratch()[1])
            _, held = gpu_record.make_scratch()
        self.assertEqual((mine / "state.json").read_text(), "of the first run")
        self.assertEqual(len(list(self.folder.iterdir())), 2)
        os.close(held)

    def test_the_page_begins_with_what_is_wrong_what_is_met_and_what_is_open(self):
        self.run_driver(planted={"operators all": "is wrong", "attention 8 all": "fails"})
        page = (self.folder / "out" / "gpu.md").read_text()
        head = page[:page.index("\n## ")]
        self.assertIn("**wrong: operators all: error 5.00e-01, allowed 4.00e-03**", head)
        self.assertIn("**not told by: attention by warpgroups**: no time below is worth more than these results.", head)
        self.assertRegex(head, r"Targets against peers: \d+ of \d+ met\.")
        self.assertIn(" done, 1 failed, 0 not begun or not ended.", head)

    def test_nobody_who_reads_along_nor_who_reads_letters_of_another_kind_ends_the_run(self):
        for reader, environment in ((subprocess.DEVNULL, {"PYTHONIOENCODING": "ascii"}), (subprocess.PIPE, {})):
            driver = subprocess.Popen([sys.executable, TOOLS / "gpu.py", "--within", "500", "--out", self.folder / "out",
                                       "--stand-in", "--pace", "0.001", "--fresh"], stdout=reader, stderr=subprocess.PIPE,
                                      text=True, env=dict(os.environ) | {"YONDER_GPU_PLANTED": "{}"} | environment)
            if driver.stdout:
                driver.stdout.close()
            self.assertEqual(driver.stderr.read(), "")
            driver.stderr.close()
            self.assertEqual(driver.wait(), 0, (self.folder / "out" / "gpu.md").read_text())

    def test_a_gpu_that_takes_one_process_at_a_time_is_measured_all_the_same(self):
        (self.folder / "device").touch()
        with mock.patch.dict(os.environ, {"YONDER_GPU_EXCLUSIVE": str(self.folder / "device")}):
            done = self.run_driver(planted={})
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertEqual(done.stdout.count("one process at a time"), 1)

    def test_a_program_that_says_nothing_of_its_device_is_told(self):
        done = self.run_driver(planted={"device": "says nothing"})
        self.assertEqual(done.returncode, 1)
        self.assertEqual(done.stderr, "gpu: nothing was checked: the device is not believable: {}\n")

    def test_the_folder_of_a_run_that_goes_on_stays(self):
        with mock.patch.object(tempfile, "tempdir", str(self.folder)):
            one, held = gpu_record.make_scratch()
            two, other = gpu_record.make_scratch()
            self.assertEqual({one, two}, set(self.folder.iterdir()))
            os.close(held)
            three, another = gpu_record.make_scratch()
            self.assertEqual({two, three}, set(self.folder.iterdir()))
        os.close(other)
        os.close(another)

    def test_where_there_is_no_room_the_old_file_stays_and_the_way_on_is_told(self):
        kept = self.folder / "state.json"
        gpu_record.write_whole(kept, "old")
        with mock.patch.object(os, "replace", side_effect=OSError(errno.ENOSPC, "No space left on device")), \
                self.assertRaisesRegex(RuntimeError, "state.json cannot be written .No space left on device.; .*run the same"):
            gpu_record.write_whole(kept, "new")
        self.assertEqual([(path.name, path.read_text()) for path in self.folder.iterdir()], [("state.json", "old")])

    def test_results_of_other_programs_are_not_taken_over(self):
        state = gpu_record.State(self.folder, "one", False)
        state.step("operators")["done"] = True
        state.save()
        self.assertTrue(gpu_record.State(self.folder, "one", False).is_settled("operators"))
        self.assertFalse(gpu_record.State(self.folder, "another", False).is_settled("operators"))
        self.assertFalse(gpu_record.State(self.folder, "one", True).is_settled("operators"))
        for no_state in ("{", "[]", "\0"):
            (self.folder / "state.json").write_text(no_state)
            self.assertFalse(gpu_record.State(self.folder, "one", False).is_settled("operators"))

    def test_two_runs_do_not_share_a_folder(self):
        (self.folder / "out").mkdir()
        held = gpu_record.lock(self.folder / "out")
        done = self.run_driver()
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"another run writes to {self.folder / 'out'}", done.stderr)
        os.close(held)

    def test_a_folder_that_cannot_be_made_is_named(self):
        (self.folder / "out").write_text("a file")
        done = self.run_driver()
        self.assertEqual(done.returncode, 1)
        self.assertIn(str(self.folder / "out"), done.stderr)
        self.assertNotIn("Traceback", done.stderr)


def processes_with(variable):
    found = []
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it ended, or is somebody else's
            if variable.encode() in (process / "environ").read_bytes().split(b"\0"):
                found.append(int(process.name))
    return found


class Carried(WithFolder):
    """Programs that a folder holds, as on a machine with a GPU: here they are scripts."""

    def run_driver(self, script, path=None, names=gpu_program.PROGRAMS):
        for name in names:
            (self.folder / name).write_text(f"#!{sys.executable}\n" + script)
            (self.folder / name).chmod(0o644)  # as what copies files may leave them
        return subprocess.run([sys.executable, TOOLS / "gpu.py", "--within", "0", "--out", self.folder / "out", "--program",
                               self.folder], capture_output=True, text=True,
                              env=dict(os.environ) | ({"PATH": path} if path else {}))

    def test_the_carried_programs_are_asked_and_steps_that_do_not_fit_are_told(self):
        done = self.run_driver(f"import sys\nsys.path.insert(0, {str(TOOLS)!r})\nimport gpu_stand_in\n"
                               "gpu_stand_in.yonder_gpu()\n")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn(f"programs: {self.folder}", done.stdout)
        self.assertIn("run the same command again", done.stdout)

    def test_a_machine_without_a_gpu_is_told_by_the_programs_own_words(self):
        done = self.run_driver("import sys\nprint('looking for a GPU: cudaErrorNoDevice', file=sys.stderr)\nsys.exit(3)\n")
        self.assertEqual(done.returncode, 1)
        self.assertIn("nothing was checked: looking for a GPU: cudaErrorNoDevice", done.stderr)

    def test_programs_that_start_too_slowly_are_not_built_anew(self):
        with mock.patch.object(gpu, "run_to_end", side_effect=TimeoutError("yonder_gpu: not done after 30.0 s")):
            run = mock.Mock(stand_in=False, arguments=mock.Mock(program=str(self.folder)), left=lambda: 100.0)
            for name in gpu_program.PROGRAMS:
                (self.folder / name).touch()
            with self.assertRaisesRegex(gpu_program.Unusable, "not done after 30.0 s: .*run the same command again"):
                gpu.Run.find_programs(run)
        run.build.assert_not_called()

    def test_what_is_built_here_is_for_the_gpu_that_cuda_shows_first(self):
        for shown, known, expected in (("90", "sm_80 sm_90", "90a"), ("86", "sm_80 sm_86", "86"), ("120", "sm_80 sm_90", ""),
                                       ("", "sm_80", "")):
            said = {sys.executable: shown + "\n", "--list-gpu-code": known}
            with mock.patch.object(gpu_program, "said_by",
                                   lambda *words, said=said, **_: said.get(words[0]) or said.get(words[-1], "")):
                self.assertEqual(gpu_program.own_architecture(1.0), expected)

    def test_a_driver_that_hangs_does_not_hold_the_build(self):
        with mock.patch.object(gpu_program, "ASK_CAPABILITY", "import time; time.sleep(3600)"):
            self.assertEqual(gpu_program.own_architecture(0.1), "")

    def test_programs_that_do_not_start_are_built_there_where_that_can_be(self):
        done = self.run_driver("import sys\nsys.exit('version GLIBC_2.39 not found')\n", path=str(self.folder))
        self.assertEqual(done.returncode, 1)
        self.assertIn("built here: version GLIBC_2.39 not found", done.stdout)
        self.assertIn("cmake is not installed, and nothing that was carried starts", done.stderr)

    def test_a_folder_without_one_of_the_programs_is_named(self):
        done = self.run_driver("", path=str(self.folder), names=("yonder_gpu",))
        self.assertIn(f"{self.folder} has no yonder_gpu_checked", done.stdout)

    def test_without_a_driver_nothing_is_built(self):
        (self.folder / "nvcc").write_text("#!/bin/sh\n")
        (self.folder / "nvcc").chmod(0o755)
        done = self.run_driver("import sys\nprint('looking: cudaErrorInsufficientDriver', file=sys.stderr)\nsys.exit(3)\n",
                               path=str(self.folder))
        self.assertIn("nothing was checked: looking: cudaErrorInsufficientDriver", done.stderr)

    def test_where_the_driver_is_older_than_the_programs_a_toolkit_that_it_serves_may_do(self):
        for driver, toolkit, suits in ((12, 12, True), (12, 13, False), (13, 12, True), (12, 0, False), (0, 12, False)):
            with mock.patch.object(gpu_program, "driver_version", lambda driver=driver: driver), \
                    mock.patch.object(gpu_program, "toolkit_version", lambda toolkit=toolkit: toolkit):
                self.assertEqual(gpu_program.toolkit_suits_driver(), suits, (driver, toolkit))

    def test_library_and_cache_are_given_to_the_program_and_not_to_the_peers(self):
        found = gpu_program.of_yonder_gpu({"YONDER_GPU_LIBRARY": "/a", "LD_LIBRARY_PATH": "/b", "YONDER_GPU_CACHE": "/c"})
        self.assertEqual((found["LD_LIBRARY_PATH"], found["XDG_CACHE_HOME"]), ("/a:/b", "/c"))
        self.assertEqual(gpu_program.of_yonder_gpu({"YONDER_GPU_LIBRARY": ""}), {"YONDER_GPU_LIBRARY": ""})
        of_peers = gpu_program.environment_for(pathlib.Path("out"))
        self.assertEqual(of_peers.get("XDG_CACHE_HOME"), os.environ.get("XDG_CACHE_HOME"))
        self.assertEqual(gpu_program.of_yonder_gpu(of_peers)["XDG_CACHE_HOME"], str(pathlib.Path.cwd() / "out"))


class Parts(WithFolder):
    def test_cublaslt_is_found_in_the_first_folder_that_has_the_newest(self):
        for name, major in (("old", 12), ("new", 13), ("stub", 13)):
            (self.folder / name).mkdir()
            (self.folder / name / f"libcublasLt.so.{major}").write_text("" if name == "stub" else "x")
        folders = [self.folder / name for name in ("absent", "stub", "old", "new")]
        self.assertEqual(gpu_program.find_cublaslt(folders), self.folder / "new")
        self.assertEqual(gpu_program.find_cublaslt(folders[:3]), self.folder / "old")
        self.assertIsNone(gpu_program.find_cublaslt(folders[:2]))

    def test_a_folder_that_cannot_be_looked_into_has_no_cublaslt(self):
        self.assertIsNone(gpu_program.find_cublaslt([self.folder / ("too long" * 100)]))

    def test_bytes_that_are_no_text_end_no_answer(self):
        program = gpu_program.Program([sys.executable, "-c", "import os\ninput()\nos.write(1, b'\\xff\\n{}\\ndone\\n')"],
                                      dict(os.environ))
        self.assertEqual(list(program.ask("anything", seconds=60)), [{}])
        program.stop()

    def test_a_command_ends_when_it_does_and_not_when_all_that_it_started_does(self):
        """One it left in its group is killed; one in a session of its own is left alone."""
        holder = ("import os, sys, time\nif sys.argv[1] == 'apart':\n    os.setsid()\n"
                  "os.write(int(sys.argv[2]), b'%d\\n' % os.getpid())\ntime.sleep(3600)")
        script = (f"import os, subprocess, sys\nours, theirs = os.pipe()\nfor where in ('apart', 'in the group'):\n"
                  f"    subprocess.Popen([sys.executable, '-c', {holder!r}, where, str(theirs)], pass_fds=(theirs,))\n"
                  f"    open({str(self.folder)!r} + '/' + where, 'w').write(os.fdopen(os.dup(ours)).readline())\n"
                  "print('all is started')")
        self.assertEqual(gpu_program.run_to_end([sys.executable, "-c", script], 60, dict(os.environ)), (0, "all is started\n"))
        with contextlib.suppress(ProcessLookupError):  # it is gone by now
            killed = os.pidfd_open(int((self.folder / "in the group").read_text()))
            self.assertEqual(select.select([killed], [], [], 60)[0], [killed])
            os.close(killed)
        os.kill(int((self.folder / "apart").read_text()), signal.SIGKILL)

    def fat_binary(self, *codes):
        parts = b"".join(kind.to_bytes(2, "little") + bytes(2) + (64).to_bytes(4, "little") + (8).to_bytes(8, "little") +
                         bytes(12) + arch.to_bytes(4, "little") + bytes(32) + bytes(8) for kind, arch in codes)
        return b"\x50\xed\x55\xba" + b"\1\0\x10\0" + len(parts).to_bytes(8, "little") + parts

    def test_what_is_carried_needs_an_old_glibc_and_has_code_for_ampere_hopper_and_what_comes(self):
        good = self.fat_binary((2, 80), (2, 90), (1, 90))
        for name in gpu_program.PROGRAMS:
            (self.folder / name).write_bytes(b"\0GLIBC_2.34\0GLIBC_2.2.5\0" + good)
        self.assertEqual(gpu_program.check_carried(self.folder), [])
        for bad, why in ((b"\0GLIBC_2.17\0GLIBC_2.38\0" + good, "needs GLIBC 2.38"), (b"\0libstdc++.so.6\0" + good, "libstdc"),
                         (self.fat_binary((2, 80), (1, 90)), "machine code for [80]"),
                         (self.fat_binary((2, 80), (2, 90)), "PTX for []")):
            (self.folder / "yonder_gpu").write_bytes(bad)
            self.assertIn(why, gpu_program.check_carried(self.folder)[0])
        (self.folder / "large").write_bytes(bytes(gpu_program.MOST_CARRIED_BYTES))
        self.assertIn("bytes are to be carried", gpu_program.check_carried(self.folder)[0])

    def test_an_error_that_is_no_number_is_not_good(self):
        row = {"what": "norm", "error": None, "allowed": 4e-3}
        self.assertIsNone(gpu_record.doubts({**row, "good": False}, None))
        self.assertIn("no number", gpu_record.doubts({**row, "good": True}, None))

    def test_what_comes_back_is_bounded(self):
        for i in range(9):
            (self.folder / str(i)).write_text("x")
        self.assertEqual(gpu_record.check_folder(self.folder), ["9 files, at most 8"])

    def test_a_full_folder_for_models_ends_the_run_and_fails_no_step(self):
        def work(_run, _seconds):
            raise OSError(errno.ENOSPC, "No space left on device")
        run = mock.Mock(arguments=mock.Mock(pace=1.0), left=lambda: 100.0, scratch="/small")
        state = gpu_record.State(self.folder, "one", False)
        with self.assertRaisesRegex(RuntimeError, "/small has no room for BERT alone: set TMPDIR"):
            gpu.carry_out(run, state, gpu.Step("BERT alone", 5, work))
        self.assertFalse(state.is_settled("BERT alone"))

    def test_a_model_that_was_not_written_to_its_end_is_written_anew(self):
        with mock.patch.object(gpu_models, "config_of", lambda shape: 1 / 0), self.assertRaises(ZeroDivisionError):
            gpu_models.make_model(self.folder, gpu_models.TINY["DistilBERT"])
        gpu_models.make_model(self.folder, gpu_models.TINY["DistilBERT"])
        self.assertTrue((self.folder / "config.json").exists())

    def test_a_model_has_every_tensor_of_its_family_and_no_zeros(self):
        for name in ("DistilBERT", "MiniLM-L6"):
            folder = gpu_models.make_model(self.folder / name, gpu_models.TINY[name])
            data = (folder / "model.safetensors").read_bytes()
            length = int.from_bytes(data[:8], "little")
            header = json.loads(data[8:8 + length])
            self.assertEqual(header.pop("__metadata__"), {"format": "pt"})  # without it transformers refuses the file
            self.assertEqual(max(each["data_offsets"][1] for each in header.values()), len(data) - 8 - length)
            self.assertIn("classifier.weight", header)
            self.assertNotEqual(data[-64:], bytes(64))


if __name__ == "__main__":
    unittest.main()
