#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""http_test.py PROGRAM [YONDER]: serves PROGRAM's tasks and asks as callers, strangers and attackers do; beside a hub of YONDER's, too."""
import base64
import fcntl
import http.client
import importlib.util
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import termios
import threading
import time
import unittest

PROGRAM = sys.argv.pop(1)
YONDER = sys.argv.pop(1) if len(sys.argv) > 1 and "/" in sys.argv[1] else None
PATIENCE = 60  # seconds, for what must come


class Server:
    def __init__(self, *arguments, keys=None, hub=None, is_gateway=True, environment=None):
        self.folder = tempfile.mkdtemp()
        self.keys = os.path.join(self.folder, "keys")
        if keys is not None:
            with open(self.keys, "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
                file.write(keys)
        self.process = subprocess.Popen(
            [PROGRAM, *(["--yonder-serve", "127.0.0.1:0", "--keys"] if is_gateway else ["serve"]), self.keys, *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env={**os.environ, **({"YONDER_HUB": hub} if hub else {}), **(environment or {})})
        self.address = self.process.stdout.readline().strip()
        self.port = int(self.address.rsplit(":", 1)[1])
        with open(self.keys) as file:
            self.key = [line.split()[0] for line in file if not line.startswith("#")][0]

    def close(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(PATIENCE)
        self.process.stdout.close()
        shutil.rmtree(self.folder)
        return status

    def ask(self, method, target, body=None, headers=None, key=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        fields = {"Authorization": "Bearer " + (key or self.key)}
        if body is not None and not isinstance(body, bytes):
            body, fields["Content-Type"] = json.dumps(body).encode(), "application/json"
        connection.request(method, target, body, {**fields, **(headers or {})})
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer, content

    def post(self, task, arguments, **more):
        answer, content = self.ask("POST", "/v1/tasks/" + task, arguments, **more)
        return answer.status, json.loads(content)

    def socket(self):
        return socket.create_connection(("127.0.0.1", self.port), PATIENCE)

    def raw(self, request):
        """What comes back until the other end closes."""
        with self.socket() as connection:
            received = b""
            try:
                connection.sendall(request)
                while part := connection.recv(65536):
                    received += part
            except ConnectionError:
                pass  # it had enough
            return received

    def status_of(self, request):
        answer = self.raw(request)
        return int(answer.split(b" ", 2)[1]) if answer else 0


class Served(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server()
        cls.addClassCleanup(cls.server.close)

    def test_tasks_run_on_workers(self):
        self.assertEqual(self.server.post("echo", {"text": "h\u00e9 \U0001f600"}), (200, "h\u00e9 \U0001f600"))
        item = {"name": "a", "count": 3, "price": None, "tags": {"k": ["v"]}}
        self.assertEqual(self.server.post("twice", item), (200, {**item, "count": 6}))
        self.assertEqual(self.server.post("third_time_lucky", []), (200, 2))
        self.assertEqual(self.server.post("reversed", [base64.b64encode(b"abc").decode()]),
                         (200, base64.b64encode(b"cba").decode()))

    def test_failures_come_with_their_code(self):
        status, problem = self.server.post("divide", {"a": 1, "b": 0})
        self.assertEqual((status, problem["code"], problem["detail"]), (500, "failed", "division by zero"))
        status, problem = self.server.post("crash", [])
        self.assertEqual((status, problem["code"], problem["signal"]), (502, "worker_lost", signal.SIGABRT))
        self.assertEqual(self.server.post("echo", {"text": "still there"}), (200, "still there"))

    def test_large_bodies_pass_and_larger_ones_do_not(self):
        text = "x" * 4_000_000
        self.assertEqual(self.server.post("echo", {"text": text}), (200, text))
        answer, _ = self.server.ask("POST", "/v1/tasks/reversed", b"12" * 1_000_000,
                                    {"Content-Type": "application/octet-stream", "Accept": "application/octet-stream"})
        self.assertEqual((answer.status, answer.headers["Content-Length"]), (200, "2000000"))
        answer, _ = self.server.ask("POST", "/v1/tasks/echo", b"\xff", {"Content-Type": "application/octet-stream"})
        self.assertEqual(answer.status, 415)
        head = f"POST /v1/tasks/echo HTTP/1.1\r\nHost: a\r\nContent-Length: {1 << 40}\r\n\r\n".encode()
        self.assertEqual(self.server.status_of(head), 413)

    def test_how_far_a_map_is_is_told_while_it_goes_on(self):
        call = json.loads(self.server.ask("POST", "/v1/tasks/map_that_waits/spawn", [])[1])["id"]
        while not (maps := json.loads(self.server.ask("GET", "/v1/maps")[1])) or maps[0]["done"] != 3:
            pass
        self.assertEqual([(one["task"], one["failed"], one["total"], one["fraction"]) for one in maps], [("element", 0, 4, 0.75)])
        self.server.ask("DELETE", "/v1/calls/" + call)
        while self.server.ask("GET", "/v1/maps")[1] != b"[]":
            pass

    def test_what_is_read_beside_is_answered_in_its_turn(self):
        body = json.dumps([["x"] * 100_000] * 2).encode()  # to `echo`, which takes a text
        texts = json.dumps({"text": "y" * 1_000_000}).encode()
        head = f"Host: a\r\nAuthorization: Bearer {self.server.key}\r\nContent-Type: application/json\r\n"
        requests = b"".join(f"POST /v1/tasks/echo HTTP/1.1\r\n{head}Content-Length: {len(one)}\r\n\r\n".encode() + one for one in (body, texts))
        answer = self.server.raw(requests + f"GET /healthz HTTP/1.1\r\n{head}Connection: close\r\n\r\n".encode())
        self.assertEqual(re.findall(rb"HTTP/1.1 (\d+) ", answer), [b"400", b"200", b"200"])
        self.assertTrue(answer.endswith(b'{"status":"ok"}'))

    def test_connections_are_kept_and_requests_pipelined(self):
        one = f"GET /v1/tasks HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {self.server.key}\r\n"
        answer = self.server.raw((one + "\r\n" + one + "\r\n" + one + "Connection: close\r\n\r\n").encode())
        self.assertEqual(answer.count(b"HTTP/1.1 200 OK"), 3)
        self.assertEqual(self.server.raw(b"HEAD /healthz HTTP/1.0\r\n\r\n").split(b"\r\n\r\n", 1)[1], b"")

    def test_continue_is_said_to_those_who_wait_for_it(self):
        head = (f"POST /v1/tasks/echo HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {self.server.key}\r\nConnection: close\r\n"
                "Content-Type: application/json\r\nContent-Length: 7\r\nExpect: 100-continue\r\n\r\n")
        with self.server.socket() as connection:
            connection.sendall(head.encode())
            self.assertTrue(connection.recv(65536).startswith(b"HTTP/1.1 100 "))
            connection.sendall(b'["abc"]')
            self.assertIn(b"HTTP/1.1 200 OK", connection.recv(65536))

    def test_of_strangers_no_body_is_read(self):
        for more in ("Content-Length: 1000000\r\n", "Content-Length: 7\r\nExpect: 100-continue\r\n", "Transfer-Encoding: chunked\r\n"):
            for key in ("", "Authorization: Bearer 0123456789abcdef\r\n"):
                head = f"POST /v1/tasks/echo HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n{key}{more}\r\n"
                self.assertEqual(self.server.status_of(head.encode()), 401, head)
        self.assertEqual(self.server.status_of(b"POST /v1/session HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n"), 413)
        self.assertEqual(self.server.status_of(b"POST /v1/session HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                                               + b"8000\r\n" + b"x" * 0x8000 + b"\r\n0\r\n\r\n"), 413)

    def test_what_is_executed_has_none_of_the_sockets(self):
        with self.server.socket() as connection:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
            self.assertIn(b"200 OK", connection.recv(65536))
            of = f"/proc/{self.server.process.pid}/"
            for one in os.listdir(of + "fd"):
                if os.readlink(of + "fd/" + one).startswith("socket:"):
                    with open(of + "fdinfo/" + one) as info:
                        self.assertTrue(int(re.search(r"flags:\s*(\d+)", info.read())[1], 8) & os.O_CLOEXEC, one)

    def test_answers_have_a_date_and_say_whether_the_connection_stays(self):
        answer = self.server.raw(b"GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /healthz HTTP/1.0\r\n\r\n")
        self.assertEqual([b"Connection: keep-alive" in part for part in answer.split(b"HTTP/1.1 200 OK")[1:]], [True, False])
        self.assertEqual(len(re.findall(rb"\r\nDate: [A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} 20\d\d \d\d:\d\d:\d\d GMT\r\n", answer)), 2)

    def test_targets_are_taken_in_each_form(self):
        for line, status in (("GET http://a/healthz", 200), ("GET HTTP://A/healthz?x", 200), ("GET http://b/healthz", 400), ("OPTIONS *", 204)):
            self.assertEqual(self.server.status_of(f"{line} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode()), status, line)

    def test_requests_that_could_be_read_in_two_ways_are_refused(self):
        before = self.server.post("echo", {"text": "x"})
        post = f"POST /v1/tasks/echo HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {self.server.key}\r\nContent-Type: application/json\r\n"
        inner = f"GET /v1/tasks HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: Bearer {self.server.key}\r\n\r\n"
        for fields in ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
                       "Content-Length: 5\r\nContent-Length: 6\r\n", "Content-Length: 5\r\nContent-Length: 5\r\n",
                       "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n", "Transfer-Encoding: identity\r\nContent-Length: 5\r\n",
                       "Content-Length: 5, 6\r\n", "Content-Length: 5, 5\r\n", "Transfer-Encoding: gzip, chunked\r\n",
                       "Transfer-Encoding: identity, chunked\r\n", "Authorization: Bearer x\r\nContent-Length: 0\r\n",
                       "Content-Type: text/plain\r\nContent-Length: 0\r\n", "Idempotency-Key: a\r\nIdempotency-Key: b\r\nContent-Length: 0\r\n", "Content-Length: +5\r\n", "Content-Length: 0x5\r\n",
                       "Content-Length : 5\r\n", "Transfer-Encoding: xchunked\r\n", "Transfer-Encoding: chunked, identity\r\n",
                       "Transfer-Encoding:\x0bchunked\r\n", "Content-Length: 99999999999999999999999\r\n", "Content-Length: -1\r\n",
                       "Host: b\r\nContent-Length: 0\r\n", "Expect: much\r\nContent-Length: 0\r\n"):
            answer = self.server.raw((post + fields + "\r\n0\r\n\r\n" + inner).encode())
            self.assertEqual(answer.count(b"HTTP/1.1 "), 1, fields)
            self.assertIn(int(answer.split(b" ")[1]), (400, 413, 501), fields)
        self.assertEqual(self.server.status_of(b"GET /healthz HTTP/1.1\r\nHost: a b\r\n\r\n"), 400)
        packed = (post + "Content-Encoding: gzip\r\nContent-Length: 0\r\n\r\n").encode()
        self.assertEqual(self.server.status_of(packed), 415)
        for junk in (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\x00" * 100, b"A" * 100_000,
                     b"GET / HTTP/1.1\r\n\r\n", b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", b"GET / HTTP/1.1\nHost: a\n\n",
                     b"GET / HTTP/1.1\r\nHost: a\r\n folded: b\r\nConnection: close\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"):
            self.assertIn(self.server.status_of(junk), (0, 400, 401, 431), junk[:40])
        self.assertEqual(self.server.post("echo", {"text": "x"}), before)

    def test_fields_behind_a_body_let_nobody_in(self):
        head = "POST /v1/tasks/echo HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n"
        body, key = '5\r\n["x"]\r\n0\r\n', f"Authorization: Bearer {self.server.key}\r\n"
        self.assertEqual(self.server.status_of((head + "\r\n" + body + key + "\r\n").encode()), 401)
        for trailer in (key, "X-Sum: 1\r\n", "Content-Type: text/plain\r\n"):
            self.assertEqual(self.server.status_of((head + key + "\r\n" + body + trailer + "\r\n").encode()), 400, trailer)
        self.assertEqual(self.server.status_of((head + key + "Connection: close\r\n\r\n" + body + "\r\n").encode()), 200)

    def test_what_stands_between_chunks_is_bounded(self):
        head = f"POST /v1/tasks/echo HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nAuthorization: Bearer {self.server.key}\r\n"
        for endless in (b"5;a=" + b"b" * (1 << 22), b'5\r\n["x"]\r\n0\r\n' + b"X-A: b\r\n" * (1 << 19)):
            self.assertIn(self.server.status_of(head.encode() + b"Transfer-Encoding: chunked\r\n\r\n" + endless), (0, 431))

    def test_floods_of_fields_are_refused(self):
        many = b"".join(b"X-%d: y\r\n" % i for i in range(101))
        self.assertEqual(self.server.status_of(b"GET /healthz HTTP/1.1\r\nHost: a\r\n" + many + b"\r\n"), 431)
        self.assertEqual(self.server.status_of(b"GET /healthz HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 20_000 + b"\r\n\r\n"), 431)
        self.assertEqual(self.server.status_of(b"GET /" + b"y" * 20_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n"), 431)

    def test_hostile_json_runs_nothing(self):
        for body in (b"[" * 100_000, b'{"text":' * 100_000, b'{"a":' + b"9" * 1_000_000 + b', "b": 1}', b"[1e999999999,1]", b'["\\ud800"]', b"[\xff]", b"",
                     b'{"a":1,"b":1,"__proto__":{}}', b'{"a":1,"a":1,"b":1}'):
            answer, content = self.server.ask("POST", "/v1/tasks/divide", body, {"Content-Type": "application/json"})
            self.assertEqual((answer.status, json.loads(content)["code"]), (400, "bad_arguments"), body[:20])

    def test_paths_do_not_climb(self):
        for target in ("/v1/../healthz", "/v1/%2e%2e/healthz", "/./healthz", "/v1/tasks/%00", "/v1/tasks/%", "//healthz", "/healthz/", "*"):
            answer = self.server.status_of(f"GET {target} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {self.server.key}\r\nConnection: close\r\n\r\n".encode())
            self.assertIn(answer, (400, 404), target)

    def test_who_hangs_up_cancels_his_call(self):
        with self.server.socket() as connection:
            connection.sendall((f"POST /v1/tasks/wait_for_stop HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {self.server.key}\r\n"
                                "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n[]").encode())
        while True:  # until it has ended; two workers would otherwise be taken for good
            _, metrics = self.server.ask("GET", "/metrics")
            if b'yonder_http_calls_total{task="wait_for_stop",code="cancelled"} 1' in metrics:
                break

    def begin(self, connection, task, body, version="1.1"):
        connection.sendall((f"POST /v1/tasks/{task} HTTP/{version}\r\nHost: a\r\nAuthorization: Bearer {self.server.key}\r\n"
                            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}").encode())

    def test_a_stream_is_answered_as_it_comes_and_the_connection_kept(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=PATIENCE)
        fields = {"Authorization": "Bearer " + self.server.key, "Content-Type": "application/json"}
        for last in (3, 50_000):
            connection.request("POST", "/v1/tasks/count", json.dumps({"last": last}), fields)
            answer = connection.getresponse()
            self.assertEqual((answer.status, answer.headers["Content-Type"], answer.headers["Transfer-Encoding"]), (200, "text/event-stream; charset=utf-8", "chunked"))
            expected = "".join(f"data: {i}\n\n" for i in range(1, last + 1)) + "event: end\ndata: null\n\n"
            self.assertEqual(answer.read().decode(), expected)
        connection.request("POST", "/v1/tasks/echo", '["after"]', fields)
        self.assertEqual(json.loads(connection.getresponse().read()), "after")
        connection.close()

    def test_to_whom_chunks_are_unknown_a_stream_ends_with_its_connection(self):
        with self.server.socket() as connection:
            self.begin(connection, "count", "[2]", "1.0")
            received = b""
            while part := connection.recv(65536):
                received += part
        head, body = received.split(b"\r\n\r\n", 1)
        self.assertNotIn(b"chunked", head)
        self.assertEqual(body, b"data: 1\n\ndata: 2\n\nevent: end\ndata: null\n\n")

    def test_who_leaves_a_stream_cancels_it(self):
        for task in ("endless", "silent"):
            with self.server.socket() as connection:
                self.begin(connection, task, "[]")
                self.assertIn(b"200 OK", connection.recv(4096))
            ended = f'yonder_http_calls_total{{task="{task}",code="cancelled"}} 1'.encode()
            while ended not in self.server.ask("GET", "/metrics")[1]:
                pass

    def test_promtool_accepts_the_metrics(self):
        if shutil.which("promtool") is None:
            self.skipTest("promtool is not installed")
        _, metrics = self.server.ask("GET", "/metrics")
        check = subprocess.run(["promtool", "check", "metrics"], input=metrics, capture_output=True)
        self.assertEqual((check.returncode, check.stdout + check.stderr), (0, b""))

    def test_what_the_alerts_and_the_dashboard_ask_for_is_there(self):
        folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../docs/monitoring")
        with open(os.path.join(folder, "dashboard.json")) as file:
            dashboard = json.load(file)
        asked = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
        self.assertEqual(len({panel["id"] for panel in dashboard["panels"]}), len(dashboard["panels"]))
        with open(os.path.join(folder, "alerts.yml")) as file:
            asked.append(file.read())
        _, metrics = self.server.ask("GET", "/metrics")
        known = {line.split()[2] for line in metrics.decode().splitlines() if line.startswith("# TYPE")}
        names = {name for text in asked for name in re.findall(r"yonder_[a-z_]+", text)}
        known |= {"yonder_gpu_memory_bytes", "yonder_gpu_memory_leased_bytes", "yonder_pool_gpu_memory_leased_bytes"}  # where there are GPUs, and a task has asked for one
        self.assertEqual({name for name in names if re.sub("_(bucket|sum|count)$", "", name) not in known}, set())
        if shutil.which("promtool") is None:
            self.skipTest("promtool is not installed")
        for arguments in (["check", "rules", "alerts.yml"], ["test", "rules", "alerts_test.yml"]):
            check = subprocess.run(["promtool", *arguments], cwd=folder, capture_output=True, text=True)
            self.assertEqual(check.returncode, 0, check.stdout + check.stderr)

    def test_many_at_once(self):
        wrong = []

        def ask(number):
            for i in range(20):
                if self.server.post("divide", {"a": number * i, "b": 1}) != (200, number * i):
                    wrong.append((number, i))

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(wrong, [])


class Ended(unittest.TestCase):
    def test_sigterm_finishes_what_is_on_its_way(self):
        server = Server()
        with server.socket() as connection:
            connection.sendall((f"POST /v1/tasks/nap HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {server.key}\r\n"
                                "Content-Type: application/json\r\nContent-Length: 5\r\n\r\n[400]").encode())
            while b"calls_running 1\n" not in server.ask("GET", "/metrics")[1]:
                pass
            server.process.send_signal(signal.SIGTERM)
            answer = connection.recv(65536)
        self.assertIn(b"HTTP/1.1 200 OK", answer)
        self.assertIn(b"Connection: close", answer)
        self.assertEqual(server.close(), 0)

    def test_a_program_that_serves_tells_its_callers_first_that_it_ends(self):
        server = Server(is_gateway=False)
        head = f"Host: a\r\nAuthorization: Bearer {server.key}\r\nContent-Type: application/json\r\n"
        with server.socket() as one, server.socket() as other:
            other.sendall(f"GET /readyz HTTP/1.1\r\n{head}\r\n".encode())
            self.assertIn(b"200 OK", other.recv(65536))
            one.sendall(f"POST /v1/tasks/nap HTTP/1.1\r\n{head}Content-Length: 6\r\n\r\n[2000]".encode())
            while b"calls_running 1\n" not in server.ask("GET", "/metrics")[1]:
                pass
            server.process.send_signal(signal.SIGTERM)
            while True:  # until there is no listener
                try:
                    server.socket().close()
                except ConnectionError:
                    break
            # The call on its way goes on, and nothing is begun beside it.
            other.sendall(f"POST /v1/tasks/echo HTTP/1.1\r\n{head}Content-Length: 7\r\n\r\n[\"abc\"]".encode())
            said = other.recv(65536)
            self.assertIn(b" 503 ", said)
            self.assertIn(b"draining", said)
            self.assertIn(b"Retry-After: 1\r\n", said)
            self.assertIn(b"HTTP/1.1 200 OK", one.recv(65536))
        self.assertEqual(server.process.wait(PATIENCE), 0)
        server.close()

    def test_sigterm_lets_an_answer_be_read_to_its_end(self):
        server = Server()
        text = "x" * 6_000_000  # more than the sockets hold
        body = json.dumps({"text": text}).encode()
        with server.socket() as connection:
            connection.sendall((f"POST /v1/tasks/echo HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {server.key}\r\n"
                                f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n").encode() + body)
            while b'calls_total{task="echo",code="ok"} 1\n' not in server.ask("GET", "/metrics")[1]:
                pass
            server.process.send_signal(signal.SIGTERM)
            answer = b""
            while part := connection.recv(1 << 20):
                answer += part
        self.assertEqual(json.loads(answer.split(b"\r\n\r\n", 1)[1]), text)
        self.assertEqual(server.close(), 0)

    def test_what_a_call_prints_comes_as_it_is_printed_to_its_end(self):
        server = Server(keys="0123456789abcdef ada call:*\n0123456789abcdeg bob call:*\n")
        call = json.loads(server.ask("POST", "/v1/tasks/wait_for_stop/spawn", [])[1])["id"]
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
        connection.request("GET", f"/v1/calls/{call}/logs", headers={"Authorization": "Bearer " + server.key, "Accept": "text/event-stream"})
        answer = connection.getresponse()
        self.assertEqual((answer.status, answer.headers["Content-Type"]), (200, "text/event-stream; charset=utf-8"))
        while not (line := answer.readline()).startswith(b"data: "):
            pass
        said = json.loads(line[6:])
        self.assertEqual((said["at"], said["bytes"], said["text"]), (0, 23, "\x1b[1mpage <b>40</b>\x1b[0m\n"))
        server.ask("DELETE", "/v1/calls/" + call)
        self.assertTrue(answer.read().endswith(b"event: end\ndata: null\n\n"))
        # Of a request for the head alone nothing follows it.
        for method in ("HEAD", "GET"):
            connection.request(method, f"/v1/calls/{call}/logs", headers={"Authorization": "Bearer " + server.key, "Accept": "text/event-stream"})
            answer = connection.getresponse()
            self.assertEqual((answer.status, b"data:" in answer.read()), (200, method == "GET"))
        connection.close()
        once = json.loads(server.ask("GET", f"/v1/calls/{call}/logs")[1])
        self.assertEqual((once["call"], once["ended"], once["printed"]), (call, True, [said]))
        self.assertEqual(json.loads(server.ask("GET", f"/v1/calls/{call}/logs?after={once['next']}")[1])["printed"], [])
        self.assertEqual(server.ask("GET", f"/v1/calls/{call}/logs?after=soon")[0].status, 400)
        self.assertEqual(server.ask("GET", f"/v1/calls/{call}/logs", key="0123456789abcdeg")[0].status, 404)
        self.assertEqual(server.close(), 0)

    def test_sigterm_ends_a_stream_with_an_event(self):
        server = Server()
        with server.socket() as connection:
            Served.begin(type("", (), {"server": server}), connection, "silent", "[]")
            received = connection.recv(4096)
            server.process.send_signal(signal.SIGTERM)
            while part := connection.recv(65536):
                received += part
        self.assertIn(b"data: 1\n\n", received)
        self.assertIn(b"event: error\ndata: {", received)
        self.assertTrue(received.endswith(b"\r\n0\r\n\r\n"))
        self.assertEqual(server.close(), 0)

    def test_more_connections_than_the_descriptors_allow_get_503(self):
        with tempfile.TemporaryDirectory() as folder:
            script = f'ulimit -n 96; exec "{PROGRAM}" --yonder-serve 127.0.0.1:0 --keys "{folder}/keys"'
            server = subprocess.Popen(["sh", "-c", script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
            port = int(server.stdout.readline().strip().rsplit(":", 1)[1])
            held = [socket.create_connection(("127.0.0.1", port), PATIENCE) for _ in range(60)]
            statuses = []
            for connection in held:
                try:
                    connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
                    statuses.append(int(connection.recv(4096).split(b" ")[1]))
                except (ConnectionError, IndexError):
                    statuses.append(503)  # said and closed before it was asked
                    connection.close()
            self.assertIn(200, statuses)
            self.assertIn(503, statuses)
            for connection in held:
                connection.close()
            server.send_signal(signal.SIGTERM)
            self.assertEqual(server.wait(PATIENCE), 0)
            server.stdout.close()


class Misused(unittest.TestCase):
    def refused(self, *arguments):
        end = subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, timeout=PATIENCE)
        self.assertEqual(end.returncode, 2, end.stderr)
        return end.stderr

    def test_wrong_arguments_are_refused_in_words(self):
        self.assertIn("needs the address", self.refused("--yonder-serve"))
        self.assertIn("comes behind other arguments", self.refused("x", "--yonder-serve", "127.0.0.1:0"))
        self.assertIn("does not know '--kees'", self.refused("--yonder-serve", "127.0.0.1:0", "--kees", "x"))
        self.assertIn("is no address", self.refused("--yonder-serve", "example.org:80"))
        self.assertIn("is no address", self.refused("--yonder-serve=127.0.0.1:99999", "--without-keys"))
        self.assertIn("loopback addresses only", self.refused("--yonder-serve", "0.0.0.0:0", "--without-keys"))
        self.assertIn("needs keys", self.refused("--yonder-serve", "127.0.0.1:0", "--without-keys", "--trusted-proxies", "127.0.0.1"))
        self.assertIn("needs addresses", self.refused("--yonder-serve", "127.0.0.1:0", "--trusted-proxies"))
        self.assertIn("bits behind its prefix", self.refused("--yonder-serve", "127.0.0.1:0", "--trusted-proxies", "127.0.0.1,10.1.2.3/8"))
        self.assertIn("needs both", self.refused("--yonder-serve", "127.0.0.1:0", "--without-keys", "--certificate", "x"))
        self.assertIn("the certificate '/no/such' cannot be read: No such file or directory",
                      self.refused("--yonder-serve", "127.0.0.1:0", "--without-keys", "--certificate", "/no/such", "--private-key", "/no/such"))


class PagesOfOtherOrigins(unittest.TestCase):
    def test_they_can_read_why_what_they_sent_was_no_request(self):
        server = Server(is_gateway=False)
        self.addCleanup(server.close)
        start = f"POST /v1/tasks/echo HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {server.key}\r\nContent-Type: application/json\r\n"
        origin, filler = "Origin: https://a.example\r\n", f"Filler: {'x' * 20000}\r\n"
        for status, request in ((413, start + origin + f"Content-Length: {1 << 40}\r\n\r\n"),
                                (413, start + origin + f"Transfer-Encoding: chunked\r\n\r\n{1 << 31:x}\r\n" + "x" * 70000),
                                (400, start + origin + "Content-Length: x\r\n\r\n"),
                                (400, start + origin + "Host: b\r\nContent-Length: 2\r\n\r\n[]"),
                                (400, "POST /v1/tasks/echo HTTP/1.1\r\n" + origin + "Content-Length: 0\r\n\r\n"),
                                (415, start + origin + "Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n[]"),
                                (431, start + origin + "A: b\r\n" * 101 + "\r\n"),
                                (431, start + origin + filler + "\r\n")):
            head = server.raw(request.encode()).split(b"\r\n\r\n")[0].decode()
            self.assertEqual(head.split(" ")[1], str(status), request[:200])
            self.assertIn("\r\nAccess-Control-Allow-Origin: https://a.example", head, request[:200])
            # Of others, of two, and of one that was not read there is none.
            for other in (request.replace("a.example", "b.example"), request.replace(origin, ""), request.replace(origin, origin + origin)):
                self.assertNotIn(b"Access-Control", server.raw(other.encode()))
        self.assertNotIn(b"Access-Control", server.raw((start + filler + origin + "\r\n").encode()))


class BehindAProxy(unittest.TestCase):
    def test_it_is_believed_where_it_is_named(self):
        page = {"Origin": "https://a.example", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "a.example", "X-Forwarded-For": "203.0.113.7"}
        for proxies, status in ((["--trusted-proxies", "10.0.0.0/8,127.0.0.0/8"], 200), ([], 403)):
            server = Server(*proxies)
            answer, _ = server.ask("GET", "/v1/tasks", headers=page)
            self.assertEqual(answer.status, status)
            answer, _ = server.ask("POST", "/v1/session", b"key=" + server.key.encode(), {k: page[k] for k in page if k != "Origin"})
            self.assertEqual((answer.status, "Secure" in answer.headers["Set-Cookie"]), (303, status == 200))
            self.assertRegex(answer.headers["Location"], "^/#[0-9a-f]{64}$")
            answer, content = server.ask("GET", "/v1/tasks", headers={"X-Forwarded-For": "not an address"})
            self.assertEqual(answer.status, 400 if status == 200 else 200)
            if status == 200:
                self.assertIn("X-Forwarded-For: 'not an address' is no address", json.loads(content)["detail"])
            self.assertEqual(server.close(), 0)


    @unittest.skipUnless(shutil.which("nginx"), "nginx is not installed")
    def test_nginx_as_the_documentation_has_it(self):
        with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../docs/http.md")) as file:
            location = re.search(r"^location / \{.*?^\}", file.read(), re.M | re.S).group()
        server = Server("--trusted-proxies", "127.0.0.1")
        with tempfile.TemporaryDirectory() as folder, socket.socket() as held:
            # Held until nginx has it, too: nobody else gets this port in between.
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            held.bind(("127.0.0.1", 0))
            port = held.getsockname()[1]
            paths = " ".join(f"{name}_temp_path {folder};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
            with open(os.path.join(folder, "conf"), "w") as file:
                file.write(f"daemon off; pid {folder}/pid; error_log {folder}/log; events {{}} http {{ access_log off; {paths} "
                           f"server {{ listen 127.0.0.1:{port} reuseport;\n{location.replace('127.0.0.1:8000', f'127.0.0.1:{server.port}')} }} }}")
            nginx = subprocess.Popen(["nginx", "-e", f"{folder}/log", "-p", folder, "-c", f"{folder}/conf"], stderr=subprocess.DEVNULL)
            while not os.path.exists(f"{folder}/pid"):
                self.assertIsNone(nginx.poll())
                time.sleep(0.01)

            def status(target, **fields):
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
                connection.request("GET", target, headers={"Authorization": "Bearer " + server.key, **{k.replace("_", "-"): v for k, v in fields.items()}})
                code = connection.getresponse().status
                connection.close()
                return code

            self.assertEqual(status("/v1/tasks", Origin=f"http://127.0.0.1:{port}"), 200)
            self.assertEqual(status("/v1/tasks", Origin=f"http://127.0.0.1:{server.port}"), 403)
            # What a client says itself is replaced, or stands too far left.
            self.assertEqual(status("/v1/tasks", Origin="https://a.example", X_Forwarded_Proto="https", X_Forwarded_Host="a.example"), 403)
            self.assertEqual(status("/v1/tasks", Forwarded="for=1.1.1.1;proto=https;host=a.example", Origin="https://a.example"), 403)
            self.assertEqual(status("/v1/tasks", X_Forwarded_For="1.1.1.1"), 200)
            nginx.terminate()
            nginx.wait(PATIENCE)
        self.assertEqual(server.close(), 0)


class Tls(unittest.TestCase):
    def leave_a_stream_that_is_being_written(self, server, context):
        """Of which nothing is read, so that the server waits to write more of it."""
        raw = server.socket()
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        connection = context.wrap_socket(raw, server_hostname="127.0.0.1")
        connection.sendall((f"POST /v1/tasks/endless HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {server.key}\r\n"
                            "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n[]").encode())
        # Until no more comes, however often the server has its turn.
        held, turns = 0, 0
        while held == 0 or turns < 20:
            self.metrics(server, context)
            now = int.from_bytes(fcntl.ioctl(connection.fileno(), termios.FIONREAD, b"\0\0\0\0"), sys.byteorder)
            held, turns = now, turns + 1 if now == held else 0
        connection.shutdown(socket.SHUT_WR)
        while b"calls_running 0\n" not in self.metrics(server, context):
            pass
        connection.close()

    def metrics(self, server, context):
        connection = http.client.HTTPSConnection("127.0.0.1", server.port, timeout=PATIENCE, context=context)
        connection.request("GET", "/metrics", headers={"Authorization": "Bearer " + server.key})
        text = connection.getresponse().read()
        connection.close()
        return text

    def test_the_same_over_tls(self):
        if shutil.which("openssl") is None:
            self.skipTest("openssl is not installed")
        with tempfile.TemporaryDirectory() as folder:
            certificate, private = os.path.join(folder, "c.pem"), os.path.join(folder, "k.pem")
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", private, "-out",
                            certificate, "-days", "1", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"],
                           check=True, capture_output=True)
            server = Server("--certificate", certificate, "--private-key", private)
            self.assertTrue(server.address.startswith("https://"))
            trusting = ssl.create_default_context(cafile=certificate)
            connection = http.client.HTTPSConnection("127.0.0.1", server.port, context=trusting, timeout=PATIENCE)
            for text in ("one", "two", *("x" * size for size in (8_000, 16_000, 16_384, 16_600, 17_000, 70_000, 1_000_000)), "three"):
                connection.request("POST", "/v1/tasks/echo", json.dumps([text]),
                                   {"Authorization": "Bearer " + server.key, "Content-Type": "application/json"})
                self.assertEqual(json.loads(connection.getresponse().read()), text)
            connection.close()
            self.assertIn(server.status_of(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"), (0, 400))
            for _ in range(8):  # it is not always within a write
                self.leave_a_stream_that_is_being_written(server, trusting)
            self.assertEqual(server.close(), 0)


@unittest.skipUnless(importlib.util.find_spec("requests"), "needs requests (PyPI)")
class ByRequests(unittest.TestCase):
    """The client of the examples."""

    @classmethod
    def setUpClass(cls):
        cls.server = Server()
        cls.addClassCleanup(cls.server.close)
        path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../examples/12_http/client.py")
        spec = importlib.util.spec_from_file_location("client", path)
        cls.client = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(cls.client)
        cls.gateway = cls.client.Gateway(cls.server.address, cls.server.key)
        cls.addClassCleanup(cls.gateway.http.close)

    def test_calls_batches_and_streams(self):
        self.assertEqual(self.gateway.call("echo", text="h\u00e9"), "h\u00e9")
        self.assertEqual(self.gateway.wait(self.gateway.spawn("echo", text="later")), "later")
        made = self.gateway.map("divide", [{"a": 6, "b": 2}, {"a": 1, "b": 0}, [8, 2]])
        self.assertEqual((made[0], made[1].code, made[2]), (3, "failed", 4))
        self.assertEqual(list(self.gateway.stream("count", last=3)), [1, 2, 3])
        self.assertEqual(self.gateway.call("echo", text="once", idempotency_key="k1"), "once")

    def test_what_goes_wrong_is_an_error_with_its_code(self):
        with self.assertRaises(self.client.TaskError) as failed:
            self.gateway.call("divide", a=1, b=0)
        self.assertEqual((failed.exception.code, failed.exception.status, str(failed.exception)), ("failed", 500, "division by zero"))
        with self.assertRaises(self.client.TaskError) as failed:
            self.gateway.call("divide", a="x", b=1)
        self.assertEqual(failed.exception.problem["pointer"], "/a")
        call = self.gateway.spawn("wait_for_stop")
        self.gateway.cancel(call)
        with self.assertRaises(self.client.TaskError) as failed:
            self.gateway.wait(call)
        self.assertEqual(failed.exception.code, "cancelled")


@unittest.skipUnless(YONDER, "needs the command")
class BesideAHub(unittest.TestCase):
    """The hub is a process of its own: it has the calls, and is asked about them."""

    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)
        os.environ["YONDER_KEYS"] = self.folder
        self.hub = self.begin([YONDER, "hub", "--bind", "tcp://127.0.0.1:*", "--journal", self.folder + "/journal", "--json"], stdout=subprocess.PIPE)
        said = json.loads(self.hub.stdout.readline())
        self.address = said["addresses"][0]
        self.addCleanup(self.hub.stdout.close)
        self.worker = said["worker"].split()[-1]
        self.client = next(word for word in said["client"].split() if "tcp://" in word).removeprefix("YONDER_HUB=")

    def begin(self, command, **how):
        process = subprocess.Popen(command, text=True, stderr=subprocess.DEVNULL, **how)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def serve(self, **more):
        server = Server(hub=more.pop("hub", self.client), keys="0123456789abcdef ada call:*\n0123456789abcdeh root admin\n", **more)
        self.addCleanup(server.close)
        return server

    def test_a_call_is_explained_and_its_logs_read_through_the_hub(self):
        server = self.serve()
        call = json.loads(server.ask("POST", "/v1/tasks/wait_for_stop/spawn", [])[1])["id"]
        answer, content = server.ask("GET", f"/v1/calls/{call}/explain")
        self.assertEqual(answer.status, 200, content)
        self.assertEqual(json.loads(content)["call"], call)
        self.begin([PROGRAM, "--yonder-worker", self.worker])
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
        self.addCleanup(connection.close)
        connection.request("GET", f"/v1/calls/{call}/logs", headers={"Authorization": "Bearer " + server.key, "Accept": "text/event-stream"})
        events = connection.getresponse()
        while not (line := events.readline()).startswith(b"data: "):
            pass
        self.assertIn("page <b>40</b>", json.loads(line[6:])["text"])
        server.ask("DELETE", "/v1/calls/" + call)
        self.assertTrue(events.read().endswith(b"event: end\ndata: null\n\n"))
        once = json.loads(server.ask("GET", f"/v1/calls/{call}/logs")[1])
        self.assertEqual((once["call"], once["ended"], len(once["printed"])), (call, True, 1))
        self.assertEqual(server.ask("GET", f"/v1/calls/{call}/logs", key="0123456789abcdei")[0].status, 401)
        self.assertEqual(json.loads(server.ask("GET", f"/v1/calls/{call}/explain")[1])["state"], "ended")
        # What the hub tells its operators alone, it does not tell a gateway with a client's key.
        for target in ("/v1/pools", "/v1/workers", "/v1/usage"):
            answer, content = server.ask("GET", target, key="0123456789abcdeh")
            self.assertEqual((answer.status, json.loads(content)["code"]), (403, "forbidden"), content)
        self.assertEqual(server.ask("GET", "/v1/schedules", key="0123456789abcdeh")[1], b"[]")
        self.assertEqual(server.ask("POST", f"/v1/schedules/{(1 << 63) + 1}/fire", key="0123456789abcdeh")[0].status, 404)

    def test_workers_pools_and_maps_of_the_hub_are_told_by_a_gateway_of_its_operator(self):
        server = self.serve(hub=self.address, environment={"HTTP_SERVER_OPERATES": "1"})
        root = "0123456789abcdeh"

        def told(target):
            answer, content = server.ask("GET", target, key=root)
            self.assertEqual(answer.status, 200, content)
            return json.loads(content)

        # The token is good once: with it the first has a key made, which the others of this machine have, too.
        self.begin([PROGRAM, "--yonder-worker", self.worker])
        while len(told("/v1/workers")) != 1:
            pass
        for _ in range(2):
            self.begin([PROGRAM, "--yonder-worker", self.address])
        while [one["state"] for one in told("/v1/workers")] != ["idle"] * 3:
            pass
        workers = told("/v1/workers")
        self.assertEqual(len({one["name"] for one in workers}), 3, workers)
        self.assertEqual(told("/v1/maps"), [])
        call = json.loads(server.ask("POST", "/v1/tasks/map_that_waits/spawn", [])[1])["id"]
        while not (maps := told("/v1/maps")) or maps[0]["done"] != 3:
            pass
        self.assertEqual([(one["task"], one["failed"], one["total"], one["fraction"]) for one in maps], [("element", 0, 4, 0.75)])
        self.assertIn(call, [one["calls"] for one in told("/v1/workers")])
        self.assertIsInstance(told("/v1/pools"), list)
        # A gateway with a client's key is told of no others' maps, and of neither workers nor pools.
        other = self.serve()
        self.assertEqual(other.ask("GET", "/v1/maps", key=root)[1], b"[]")
        for target in ("/v1/workers", "/v1/pools"):
            self.assertEqual(other.ask("GET", target, key=root)[0].status, 403)
        # Several at once are answered, each.
        answers = []
        asking = [threading.Thread(target=lambda target=target: answers.append(server.ask("GET", target, key=root)[0].status))
                  for target in ("/v1/maps", "/v1/pools", "/v1/workers") for _ in range(4)]
        for one in asking:
            one.start()
        for one in asking:
            one.join()
        self.assertEqual(answers, [200] * len(asking))
        server.ask("DELETE", "/v1/calls/" + call)
        while told("/v1/maps"):  # its task has ended
            pass

    def test_of_the_hub_it_tells_nothing_that_it_does_not_know(self):
        server = self.serve()
        self.assertEqual(server.ask("POST", "/v1/tasks/echo/spawn", ["a"])[0].status, 202)
        answer, content = server.ask("GET", "/metrics", key="0123456789abcdeh")
        self.assertEqual(answer.status, 200)
        self.assertNotIn(b"yonder_workers", content)
        self.assertNotIn(b"yonder_task_", content)
        self.assertIn(b"yonder_http_requests_total", content)
        self.assertEqual(json.loads(server.ask("GET", "/v1/status", key="0123456789abcdeh")[1]), {"hub": "elsewhere", "tasks": []})

    def test_a_hub_that_is_not_there_is_said_in_words(self):
        self.hub.kill()
        self.hub.wait()
        end = subprocess.run([PROGRAM, "--yonder-serve", "127.0.0.1:0"], capture_output=True, text=True, timeout=PATIENCE, env={**os.environ, "YONDER_HUB": self.client}, check=False)
        self.assertEqual((end.returncode, end.stdout), (1, ""), end.stderr)
        self.assertIn("yonder: hub_unreachable: ", end.stderr)

    def test_a_hub_that_says_nothing_holds_no_other_request_up(self):
        server = self.serve()
        call = json.loads(server.ask("POST", "/v1/tasks/echo/spawn", {"text": "a"})[1])["id"]
        self.hub.send_signal(signal.SIGSTOP)
        self.addCleanup(self.hub.send_signal, signal.SIGCONT)
        os.waitid(os.P_PID, self.hub.pid, os.WSTOPPED)  # by now
        told = []
        asking = threading.Thread(target=lambda: told.append(server.ask("GET", f"/v1/calls/{call}/explain")[0].status))
        asking.start()
        for _ in range(20):
            self.assertEqual(server.ask("GET", "/healthz")[0].status, 200)
        self.assertTrue(asking.is_alive(), told)
        asking.join(PATIENCE)
        self.assertIn(told[0], (502, 503, 504))


if __name__ == "__main__":
    unittest.main()
