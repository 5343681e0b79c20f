#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""compare_test.py PROGRAM: measures PROGRAM's tasks in several environments. Engines of containers are played by scripts that start what is in
the root that they are given; where charliecloud is installed, it is used, too."""
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree

PROGRAM = os.path.abspath(sys.argv.pop(1))
PATIENCE = 120  # seconds, for what must come
with open(PROGRAM, "rb") as program:
    SANITIZED = re.search(b"__[at]san_init", program.read()) is not None

# Within the root there is nothing but the program.
ENGINE = """#!/bin/sh
while [ ! -d "$1/yonder" ]; do shift; done
root=$1
if [ -e "$root/yonder/loader" ]; then
  exec "$root/yonder/loader" --library-path "$root/yonder" "$root/yonder/program" --yonder-compare -
fi
exec "$root/yonder/program" --yonder-compare -
"""
RECORDING_ENGINE = ENGINE.replace("\n", '\necho "$@" >>"$0.log"\n', 1)
# It has images, and a container of one finds the program in what was imported as that.
DOCKER = """#!/bin/sh
echo "$@" >>"$0.log"
case $1 in
  import) mkdir "$0.${3#*:}" && exec tar -C "$0.${3#*:}" -xf "$2" ;;
  run) while [ "${1#yonder-compare:}" = "$1" ]; do shift; done
       set -- "$0.${1#*:}" ;;
  *) exit 0 ;;
esac
"""
SSH = """#!/bin/sh
while [ $# -gt 1 ]; do shift; done
exec sh -c "$1"
"""
SRUN = """#!/bin/sh
while [ "${1#-}" != "$1" ]; do shift; done
exec "$@"
"""


# It runs what it profiles, and then has a table of that.
NSYS = """#!/bin/sh
echo "$@" >>"$0.log"
case $1 in
  profile) while [ "$1" != --output ]; do shift; done
           : >"$2"
           shift 2
           echo "Collecting data..."
           exec "$@" ;;
  stats) echo "Processing [report.sqlite] with [cuda_gpu_kern_sum.py]..."
         echo
         echo "Time (%),Total Time (ns),Instances,Avg (ns),Med (ns),Min (ns),Max (ns),StdDev (ns),Name"
         echo '25.0,1000000,4,250000.0,250000.0,1,2,0.0,"void norm<float, 128>(float*, <b>)"'
         echo '75.0,3000000,2,1500000.0,1500000.0,1,2,0.0,product' ;;
esac
"""


class Comparison(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)
        self.path = os.path.join(self.folder, "bin")
        os.mkdir(self.path)
        for tool in ("sh", "env", "tar", "mkdir", "sleep"):
            os.symlink(shutil.which(tool), os.path.join(self.path, tool))

    def play(self, name, script):
        with open(os.path.join(self.path, name), "w", opener=lambda path, flags: os.open(path, flags, 0o755)) as file:
            file.write(script)

    def compare(self, *arguments, status=0):
        run = subprocess.run([PROGRAM, "--yonder-compare", *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE,
                             env={**os.environ, "PATH": self.path, "YONDER_HUB": "tcp://127.0.0.1:1"}, check=False)
        self.assertEqual(run.returncode, status, run.stdout + run.stderr)
        return run

    def rows(self, *arguments, status=0):
        return {row["environment"]: row for row in json.loads(self.compare(*arguments, "--json", status=status).stdout)["rows"]}

    def test_this_process_and_a_worker_are_measured_and_what_is_not_there_says_so(self):
        to = os.path.join(self.folder, "out")
        rows = self.rows("echo", '{"text": "<b>"}', "--calls", "3", "--at", "1,2", "--to", to)
        for name in ("this process", "worker"):
            row = rows[name]
            self.assertNotIn("trouble", row)
            for metric in ("real_seconds", "first_call_seconds", "p50_seconds", "p99_seconds", "memory_bytes", "at_1_per_second", "at_2_per_second"):
                self.assertGreater(row[metric], 0, metric)
            self.assertGreaterEqual(row["p99_seconds"], row["p50_seconds"])
            self.assertGreaterEqual(row["user_seconds"] + row["sys_seconds"], 0)
        self.assertEqual(rows["podman"]["trouble"], "podman is not installed")
        self.assertEqual(rows["docker"]["trouble"], "docker is not installed")
        self.assertEqual(rows["apptainer"]["trouble"], "apptainer is not installed")
        self.assertEqual(rows["charliecloud"]["trouble"], "ch-run is not installed")
        self.assertEqual(rows["SLURM"]["trouble"], "srun is not installed")
        with open(os.path.join(to, "results.json"), encoding="utf-8") as file:
            self.assertEqual(len(json.load(file)["rows"]), len(rows))
        with open(os.path.join(to, "index.html"), encoding="utf-8") as file:
            page = file.read()
        self.assertIn("&lt;b&gt;", page)
        self.assertNotIn("<b>", page)
        pictures = [name for name in os.listdir(to) if name.endswith(".svg")]
        self.assertIn("p50.svg", pictures)
        self.assertIn("at_2.svg", pictures)
        for name in pictures:
            self.assertIn(f'src="{name}"', page)
            self.assertIn("worker", "".join(xml.etree.ElementTree.parse(os.path.join(to, name)).getroot().itertext()))

    @unittest.skipIf(SANITIZED, "a sanitizer minds how its program is loaded")
    def test_containers_hosts_and_clusters_get_the_program_and_what_it_is_to_do(self):
        for name, script in (("podman", ENGINE), ("docker", DOCKER + ENGINE[10:]), ("apptainer", ENGINE), ("ch-run", ENGINE), ("ssh", SSH), ("srun", SRUN)):
            self.play(name, script)
        rows = self.rows("echo", '["it\'s $HOME"]', "--calls", "2", "--at", "1", "--ssh", "vm", "--also", "a box=env BOX=1")
        self.assertEqual(list(rows), ["this process", "worker", "podman", "docker", "apptainer", "charliecloud", "ssh vm", "SLURM", "a box"])
        for name, row in rows.items():
            self.assertNotIn("trouble", row, name)
            self.assertGreater(row["p50_seconds"], 0)

    def test_kernels_on_gpus_are_told_apart_where_nsight_systems_is(self):
        self.play("nsys", NSYS)
        to = os.path.join(self.folder, "out")
        run = self.compare("echo", '["a"]', "--calls", "2", "--at", "1", "--to", to)
        self.assertRegex(run.stdout, r"TIME +LAUNCHES +GPU KERNEL\n3 ms +2 +product\n1 ms +4 +void norm<float, 128>\(float\*, <b>\)\n$")
        with open(os.path.join(to, "results.json"), encoding="utf-8") as file:
            kernels = json.load(file)["gpu_kernels"]
        self.assertEqual([(one["name"], one["launches"]) for one in kernels], [("product", 2), ("void norm<float, 128>(float*, <b>)", 4)])
        self.assertAlmostEqual(kernels[0]["seconds"], 0.003)
        with open(os.path.join(to, "index.html"), encoding="utf-8") as file:
            page = file.read()
        self.assertIn("void norm&lt;float, 128&gt;(float*, &lt;b&gt;)", page)
        with open(os.path.join(self.path, "nsys.log"), encoding="utf-8") as file:
            record = re.fullmatch(r"profile --trace=cuda .*--output (\S+) .*--yonder-compare -\nstats --report cuda_gpu_kern_sum --format csv --force-export=true \1\n", file.read())
        self.assertIsNotNone(record)
        self.assertFalse(os.path.exists(record[1]))

    def said_to(self, engine):
        with open(os.path.join(self.path, engine + ".log"), encoding="utf-8") as file:
            return re.sub(r"/\S*yonder-root-\w{6}", "ROOT", re.sub(r"(?<=[ :])yonder-root-\w{6}", "NAME", file.read())).splitlines()

    @unittest.skipIf(SANITIZED, "a sanitizer minds how its program is loaded")
    def test_docker_gets_an_image_and_has_nothing_of_it_left(self):
        data = os.path.join(self.folder, "data")
        os.mkdir(data)
        self.play("docker", DOCKER + ENGINE[10:])
        row = self.rows("echo", '["a"]', "--calls", "2", "--at", "1", "--with", data)["docker"]
        self.assertNotIn("trouble", row)
        said = self.said_to("docker")
        self.assertRegex(said[2], f"^run --rm --interactive --network none --name NAME --volume {data}:{data}:ro yonder-compare:NAME .*/yonder/program --yonder-compare -$")
        del said[2]
        self.assertEqual(said, ["version", "import ROOT.tar yonder-compare:NAME", "rm --force NAME", "rmi --force yonder-compare:NAME"])
        self.assertEqual([name for name in os.listdir(tempfile.gettempdir()) if name.endswith(".tar") and name.startswith("yonder-root-")], [])

    def test_a_docker_without_its_daemon_says_so(self):
        self.play("docker", '#!/bin/sh\necho "$@" >>"$0.log"\necho "Cannot connect to the Docker daemon" >&2\nexit 1\n')
        row = self.rows("echo", '["a"]', "--calls", "2", "--at", "1")["docker"]
        self.assertEqual(row["trouble"], "docker exited with status 1: Cannot connect to the Docker daemon")
        self.assertEqual(self.said_to("docker"), ["version"])

    @unittest.skipIf(SANITIZED, "a sanitizer minds how its program is loaded")
    def test_apptainer_is_found_by_its_older_name_too(self):
        self.play("singularity", RECORDING_ENGINE)
        row = self.rows("echo", '["a"]', "--calls", "2", "--at", "1", "--with", self.path)["apptainer"]
        self.assertNotIn("trouble", row)
        self.assertRegex(self.said_to("singularity")[0], f"^--quiet exec --containall --bind {self.path}:{self.path}:ro ROOT .*/yonder/program --yonder-compare -$")

    @unittest.skipIf(SANITIZED, "a sanitizer minds how its program is loaded")
    @unittest.skipUnless(shutil.which("ch-run"), "charliecloud is not installed")
    def test_charliecloud_runs_it(self):
        os.symlink(shutil.which("ch-run"), os.path.join(self.path, "ch-run"))
        row = self.rows("echo", '["a"]', "--calls", "2", "--at", "1")["charliecloud"]
        if "trouble" in row:
            self.assertIn("ch-run", row["trouble"])  # where user namespaces are not allowed
            self.skipTest(row["trouble"])
        self.assertGreater(row["p50_seconds"], 0)

    def test_the_table_is_for_people(self):
        lines = self.compare("echo", '["a"]', "--calls", "2", "--at", "1").stdout.splitlines()
        self.assertTrue(lines[0].startswith("ENVIRONMENT "))
        self.assertIn(" P99 ", lines[0])
        self.assertTrue(lines[1].startswith("this process "))
        self.assertIn("podman: podman is not installed", lines)

    def test_what_fails_says_how(self):
        rows = self.rows("divide", '{"a": 1, "b": 0}', "--calls", "2", status=1)
        for name in ("this process", "worker"):
            self.assertIn("exited with status 1", rows[name]["trouble"])
            self.assertIn("by zero", rows[name]["trouble"])
            self.assertNotIn("p50_seconds", rows[name])

    def test_what_takes_too_long_is_ended(self):
        if not SANITIZED:
            self.play("podman", RECORDING_ENGINE)
        rows = self.rows("nap", '{"milliseconds": 600000}', "--limit", "1", status=1)
        self.assertEqual(rows["worker"]["trouble"], "it took more than 1 s (--limit)")
        if not SANITIZED:  # a container outlives its client
            self.assertEqual(rows["podman"]["trouble"], "it took more than 1 s (--limit)")
            self.assertEqual(self.said_to("podman")[1:], ["rm --force --ignore NAME"])

    def test_what_was_begun_ends_with_a_signal(self):
        begun = os.path.join(self.folder, "begun")
        os.mkfifo(begun)
        self.play("podman", f'#!/bin/sh\necho "$@" >>"$0.log"\n[ "$1" = run ] || exit 0\necho $$ >"{begun}"\nexec sleep 600\n')
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            temporary = os.path.join(self.folder, number.name)
            os.mkdir(temporary)
            with subprocess.Popen([PROGRAM, "--yonder-compare", "echo", '["a"]', "--calls", "2", "--at", "1"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True, env={**os.environ, "PATH": self.path, "TMPDIR": temporary}) as run:
                with open(begun, encoding="utf-8") as file:
                    client = int(file.read())
                run.send_signal(number)
                said, errors = run.communicate(timeout=PATIENCE)
            self.assertEqual((run.returncode, said), (128 + number, ""))
            self.assertIn(f"ended by {number.name}", errors)
            self.assertNotIn("measuring in docker", errors)
            self.assertEqual(self.said_to("podman")[-1], "rm --force --ignore NAME")
            self.assertEqual(os.listdir(temporary), [])
            self.assertRaises(ProcessLookupError, os.kill, client, 0)

    def test_an_image_that_is_made_for_too_long_is_removed(self):
        self.play("docker", '#!/bin/sh\necho "$@" >>"$0.log"\n[ "$1" != import ] || exec sleep 600\n')
        row = self.rows("echo", '["a"]', "--calls", "2", "--at", "1", "--limit", "5")["docker"]
        self.assertEqual(row["trouble"], "it took more than 5 s (--limit)")
        self.assertEqual(self.said_to("docker"), ["version", "import ROOT.tar yonder-compare:NAME", "rm --force NAME", "rmi --force yonder-compare:NAME"])

    def test_a_table_of_kernels_that_is_none_is_said(self):
        for table, trouble in (("Time,Calls,Name", True), ('Time (%),Total Time (ns),Instances,Name\n1,"x",2,f', True), ("SKIPPED: a.sqlite does not contain CUDA kernel data.", False)):
            self.play("nsys", f"#!/bin/sh\n[ $1 = profile ] || echo '{table}'\n")
            said = self.compare("echo", '["a"]', "--calls", "2", "--at", "1").stdout
            self.assertEqual("nsys stats has printed no table of kernels that is known here: " + table.replace("\n", " ") in said, trouble, said)

    def test_bad_input_is_refused_in_words(self):
        for arguments, words in (
                ((), "needs a task"),
                (("nothing", "[]"), "no task 'nothing' has a yonder::http::endpoint here; these have: "),
                (("divide", "{"), "the arguments of 'divide'"),
                (("divide", '{"a": 1, "b": "two"}'), "expected an integer, found a string, at /b"),
                (("count", "[1]"), "answers with a stream"),
                (("echo", '["a"]', "--calls", "0"), "--calls takes 1 to 1000000"),
                (("echo", '["a"]', "--at", "1,none"), "--at takes numbers"),
                (("echo", '["a"]', "--with", "/no/such/file"), "No such file"),
                (("echo", '["a"]', "--also", "box"), "--also takes a name"),
                (("echo", '["a"]', "--ssh", "-oProxyCommand=x"), "is no host"),
                (("echo", '["a"]', "--fast"), "does not know '--fast'"),
                (("echo", '["a"]', "--to"), "--to needs a value"),
                (("echo", '["a"]', "--to", "/proc/nope/x"), "--to: in '/proc/nope/x' nothing can be written: "),
                (("echo", '["a"]', "--to", PROGRAM), f"--to: in '{PROGRAM}' nothing can be written: "),
                (("-",), "how a comparison starts")):
            said = self.compare(*arguments, status=2)
            self.assertIn(words, said.stderr)
            self.assertNotIn("measuring", said.stderr)
            self.assertEqual(said.stdout, "")


if __name__ == "__main__":
    unittest.main(verbosity=2)
