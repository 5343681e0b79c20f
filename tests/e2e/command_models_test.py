#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""yonder classify, embed and rerank: lines in, columns or JSON out.

Run: command_models_test.py YONDER DEMO_MODEL GOLDENS
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

YONDER, DEMO, GOLDENS = sys.argv[1:4]


def yonder(*arguments, lines="", environment=None):
    return subprocess.run([YONDER, *map(str, arguments)], input=lines if isinstance(lines, bytes) else lines.encode(), capture_output=True,
                          timeout=60, env=environment)


class Lines(unittest.TestCase):
    def test_a_label_for_each_line_in_columns_or_as_objects(self):
        run = yonder("classify", DEMO, lines="good job\r\n\nterrible \"movie\"\n")
        self.assertEqual(run.returncode, 0, run.stderr)
        rows = [line.split("\t") for line in run.stdout.decode().splitlines()]
        self.assertEqual([row[0] for row in rows][::2], ["POSITIVE", "NEGATIVE"])
        self.assertEqual([row[2] for row in rows], ["good job", "", "terrible \"movie\""])
        objects = yonder("classify", DEMO, "--json", "--all", lines="good job\n\nterrible \"movie\"").stdout.splitlines()
        self.assertEqual(len(objects), 3)
        for row, each in zip(rows, map(json.loads, objects)):
            self.assertEqual([each["label"], each["score"], each["text"]], [row[0], float(row[1]), row[2]])
            self.assertEqual(each["scores"][each["label"]], each["score"])

    def test_a_line_that_is_no_text_keeps_its_place_and_is_told(self):
        run = yonder("classify", DEMO, "--json", lines=b"good job\nbad \xff\nterrible\n")
        self.assertEqual(run.returncode, 1)
        self.assertIn(b"line 2: the text is not UTF-8", run.stderr)
        objects = [json.loads(line) for line in run.stdout.splitlines()]
        self.assertIn("offset 4", objects[1]["error"])
        self.assertEqual([each.get("label") for each in objects], ["POSITIVE", None, "NEGATIVE"])
        plain = yonder("classify", DEMO, lines=b"good job\nbad \xff\nterrible\n").stdout.decode().split("\n")
        self.assertEqual(plain[1], "")
        self.assertTrue(plain[2].endswith("terrible"))

    def test_a_vector_for_each_line_of_a_file(self):
        with tempfile.TemporaryDirectory() as folder:
            texts = pathlib.Path(folder) / "texts"
            texts.write_text("good job\n" * 300 + "slow")
            run = yonder("embed", f"{GOLDENS}/sentence-encoder", texts)
            rows = [[float(number) for number in line.split("\t")] for line in run.stdout.splitlines() for line in [line.decode()]]
            self.assertEqual([len(rows), len(rows[0])], [301, 24])
            self.assertEqual(rows[0], rows[299])
            self.assertNotEqual(rows[0], rows[300])
            last = json.loads(yonder("embed", f"{GOLDENS}/sentence-encoder", texts, "--json").stdout.splitlines()[-1])
            self.assertEqual([last["text"], last["vector"]], ["slow", rows[300]])
        run = yonder("embed", f"{GOLDENS}/sentence-encoder", "--prompt-name", "search", lines="a")
        self.assertEqual(run.returncode, 1)
        self.assertIn(b"no prompt \"search\", but: document, query", run.stderr)

    def test_lines_in_the_order_of_their_scores(self):
        lines = "slow\ngood job\nbad movie\n"
        rows = [line.split("\t") for line in yonder("rerank", f"{GOLDENS}/legacy-bert", "good", lines=lines).stdout.decode().splitlines()]
        self.assertEqual(sorted(row[1] for row in rows), ["1", "2", "3"])
        scores = [float(row[0]) for row in rows]
        self.assertEqual(scores, sorted(scores, reverse=True))
        self.assertEqual([row[2] for row in rows], [lines.splitlines()[int(row[1]) - 1] for row in rows])
        best = yonder("rerank", f"{GOLDENS}/legacy-bert", "good", "--most", "1", "--json", lines=lines).stdout.splitlines()
        self.assertEqual([json.loads(line)["line"] for line in best], [int(rows[0][1])])

    def test_long_lines_are_read_in_windows_where_that_is_asked_for(self):
        lines = "slow " * 60 + "good job\nbad movie\n"
        scores = [{row["line"]: row["score"] for row in map(json.loads, yonder(
            "rerank", f"{GOLDENS}/legacy-bert", "good", "--json", *more, lines=lines).stdout.splitlines())} for more in ([], ["--overlap", "2"])]
        self.assertEqual(scores[0][2], scores[1][2])
        self.assertNotEqual(scores[0][1], scores[1][1])

    def test_what_cannot_be_read_is_not_taken_for_the_end(self):
        orders = (["classify", DEMO], ["embed", f"{GOLDENS}/sentence-encoder"], ["rerank", f"{GOLDENS}/legacy-bert", "good"])
        for order in orders:
            run = yonder(*order, GOLDENS)
            self.assertEqual(run.returncode, 1)
            self.assertIn(f"cannot read {GOLDENS} to its end".encode(), run.stderr)
            folder = os.open(GOLDENS, os.O_RDONLY)
            run = subprocess.run([YONDER, *order], stdin=folder, capture_output=True, timeout=60)
            os.close(folder)
            self.assertEqual(run.returncode, 1)
            self.assertIn(b"cannot read standard input to its end", run.stderr)

    def test_what_is_printed_has_to_arrive(self):
        for order in (["classify", DEMO], ["embed", f"{GOLDENS}/sentence-encoder"], ["rerank", f"{GOLDENS}/legacy-bert", "good"], ["--version"]):
            with open("/dev/full", "wb") as full:
                run = subprocess.run([YONDER, *order], input=b"good job\nbad \xc3\xa9\n", stdout=full, stderr=subprocess.PIPE, timeout=60)
            self.assertEqual(run.returncode, 1, order)
            self.assertEqual(run.stderr.count(b"cannot write to standard output"), 1)

    def test_what_is_not_there_is_said_in_words(self):
        for arguments, words in ((["classify", "ORG/NONE"], b"neither a folder nor a model"), (["embed", DEMO, "/none"], b"cannot read /none"),
                                 (["classify", DEMO, "--device", "tpu"], b"tpu")):
            run = yonder(*arguments)
            self.assertNotEqual(run.returncode, 0)
            self.assertIn(words, run.stderr + run.stdout)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
