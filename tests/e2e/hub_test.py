#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""yonder models get, against a server that behaves as Hugging Face's hub documents: revisions, pages of a commit's tree, resolve with
redirects to storage, ETags, ranges, tokens, refusals, broken connections.

Run: hub_test.py YONDER GOLDENS
"""

import hashlib
import http.server
import json
import os
import pathlib
import resource
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import unittest

YONDER, GOLDENS = map(os.path.abspath, sys.argv[1:3])
COMMIT, LARGE = "c0ffee" + "0" * 34, 1 << 20


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def git_sha1(data):
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


class Hub(http.server.ThreadingHTTPServer):
    """One model, acme/tiny; what a test wants of it stands in its members."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        folder = pathlib.Path(GOLDENS, "bert-classifier")
        self.files = {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "golden.json"}
        self.files["model.safetensors"] += b""
        self.files["large.model"] = os.urandom(LARGE)
        self.files["pytorch_model.bin"] = b"x"
        self.large = {"model.safetensors", "large.model"}
        self.revisions = {"main": COMMIT, "v1": COMMIT, "refs/pr/1": COMMIT, COMMIT: COMMIT}
        self.token, self.asked, self.busy, self.breaks, self.lies, self.ranges, self.extra = None, [], 0, [], {}, True, []
        self.tls, self.slams, self.greeting, self.storage = None, 0, None, None
        self.path, self.listing, self.endless, self.reason = "", None, None, "Invalid username or password."

    @property
    def origin(self):
        return f"{'https' if self.tls else 'http'}://localhost:{self.server_port}"

    def get_request(self):
        connection, address = super().get_request()
        if self.slams:
            self.slams -= 1
            connection.recv(1)  # it has begun to speak
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset
            connection.close()
            raise OSError("slammed")
        if self.greeting:
            connection.recv(1 << 16)
            connection.sendall(self.greeting)
            connection.close()
            raise OSError("speaks no TLS")
        return self.tls.wrap_socket(connection, server_side=True) if self.tls else connection, address

    def tree(self):
        for name, data in sorted(self.files.items()):
            large = {"lfs": {"oid": self.lies.get(name, sha256(data)), "size": len(data), "pointerSize": 134}} if name in self.large else {}
            yield {"type": "file", "oid": git_sha1(b"pointer" if large else data), "size": len(data), "path": name, **large}
        yield {"type": "directory", "oid": "0" * 40, "size": 0, "path": "onnx"}
        yield from self.extra


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def send(self, status, body=b"", **fields):
        self.send_response(status)
        for name, value in fields.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def send_without_end(self, status, **fields):
        self.send_response(status)
        for name, value in fields.items():
            self.send_header(name, value)
        self.end_headers()
        self.close_connection = True
        try:
            while True:
                self.wfile.write(bytes(1 << 16))
        except OSError:
            pass  # nobody listens any more

    def do_GET(self):
        hub, path = self.server, self.path
        authorization = self.headers.get("Authorization")
        hub.asked.append((path, self.headers.get("Range"), authorization))
        if path.startswith("/storage/"):
            return self.storage(path.removeprefix("/storage/"))
        if hub.endless:
            return self.send_without_end(hub.endless, Location="/elsewhere", X_Error_Message="")
        if not path.startswith(hub.path + "/"):
            return self.send(404)
        path = path.removeprefix(hub.path)
        if hub.token and authorization != f"Bearer {hub.token}":
            return self.send(401, X_Error_Message=hub.reason)
        if hub.busy:
            hub.busy -= 1
            return self.send(429, Retry_After="0")
        if path.startswith("/api/models/acme/tiny/revision/"):
            commit = hub.revisions.get(path.rsplit("/", 1)[1].replace("%2F", "/"))
            return self.send(200, json.dumps({"id": "acme/tiny", "sha": commit}).encode()) if commit else self.send(404, X_Error_Code="RevisionNotFound")
        if path.startswith(f"/api/models/acme/tiny/tree/{COMMIT}?recursive=true"):
            if hub.listing:
                return self.send(200, hub.listing)
            entries, page = list(hub.tree()), 2 if "cursor" in path else 1
            link = {} if page == 2 else {"Link": f'<{hub.origin}{hub.path}/api/models/acme/tiny/tree/{COMMIT}?recursive=true&cursor=2>; rel="next"'}
            return self.send(200, json.dumps(entries[:3] if page == 1 else entries[3:]).encode(), **link)
        name = path.removeprefix(f"/acme/tiny/resolve/{COMMIT}/")
        if name in hub.files and name in hub.large:
            return self.send(302, Location=f"{hub.storage or hub.origin}/storage/{name}", X_Repo_Commit=COMMIT, X_Linked_Size=str(len(hub.files[name])),
                             X_Linked_ETag=f'"{sha256(hub.files[name])}"')
        if name in hub.files:
            return self.send(200, hub.files[name], ETag=f'"{git_sha1(hub.files[name])}"', X_Repo_Commit=COMMIT)
        self.send(404, X_Error_Code="EntryNotFound")

    def storage(self, name):
        hub, data, begin = self.server, self.server.files[name], 0
        wanted = self.headers.get("Range")
        if wanted and hub.ranges:
            begin = int(wanted.removeprefix("bytes=").rstrip("-"))
        self.send_response(206 if begin else 200)
        if begin:
            self.send_header("Content-Range", f"bytes {begin}-{len(data) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(data) - begin))
        self.end_headers()
        end = hub.breaks.pop(0) if hub.breaks and name == "large.model" else len(data)
        self.wfile.write(data[begin:end])
        self.close_connection = True


class Get(unittest.TestCase):
    def setUp(self):
        self.hub = Hub()
        threading.Thread(target=self.hub.serve_forever, daemon=True).start()
        self.folder = pathlib.Path(tempfile.mkdtemp())
        self.cache = self.folder / "hub"
        self.repository = self.cache / "models--acme--tiny"

    def tearDown(self):
        self.hub.shutdown()
        self.hub.server_close()
        shutil.rmtree(self.folder)

    def environment(self, **more):
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "HUGGING", "YONDER_", "SSL_", "XDG_"))}
        return {**kept, "HF_HOME": str(self.folder), "HF_ENDPOINT": self.hub.origin + self.hub.path, **more}

    def get(self, name="acme/tiny", how=None, **more):
        return subprocess.run([YONDER, "models", "get", name], capture_output=True, text=True, timeout=60, env=self.environment(**more), **(how or {}))

    def make_certificate(self):
        if shutil.which("openssl") is None:
            self.skipTest("there is no openssl here")
        key, certificate = self.folder / "key", self.folder / "certificate"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate, "-days", "2", "-subj",
                        "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"], check=True, capture_output=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        return context, str(certificate)

    def check_whole(self, run):
        self.assertEqual(run.returncode, 0, run.stderr)
        snapshot = self.repository / "snapshots" / COMMIT
        self.assertEqual(run.stdout, f"{snapshot}\n")
        names = set(self.hub.files) - {"pytorch_model.bin"}
        self.assertEqual({path.name for path in snapshot.iterdir()}, names)
        for name in names:
            data = self.hub.files[name]
            blob = sha256(data) if name in self.hub.large else git_sha1(data)
            self.assertEqual(os.readlink(snapshot / name), f"../../blobs/{blob}")
            self.assertEqual((snapshot / name).read_bytes(), data)
        self.assertEqual(len(list((self.repository / "blobs").iterdir())), len(names))

    def test_the_cache_has_hugging_faces_layout_and_the_model_loads_by_its_name(self):
        self.check_whole(self.get())
        self.assertEqual((self.repository / "refs" / "main").read_text(), COMMIT)
        for name in ("acme/tiny", "acme/tiny@main", f"acme/tiny@{COMMIT}"):
            run = subprocess.run([YONDER, "classify", name], input="good job", capture_output=True, text=True, env=self.environment(HF_HUB_OFFLINE="1"))
            self.assertEqual(run.returncode, 0, run.stderr)

    def test_what_is_there_is_not_fetched_again(self):
        self.check_whole(self.get())
        self.hub.asked.clear()
        self.check_whole(self.get("acme/tiny@refs/pr/1"))
        self.assertFalse([path for path, *_ in self.hub.asked if "/resolve/" in path])
        self.assertEqual((self.repository / "refs" / "refs" / "pr" / "1").read_text(), COMMIT)

    def test_a_broken_download_goes_on_where_it_broke_off(self):
        self.hub.breaks = [100_000, 300_000]
        self.check_whole(self.get())
        first, *others = [range for path, range, _ in self.hub.asked if path == "/storage/large.model"]
        begins = [int(range.removeprefix("bytes=").rstrip("-")) for range in others]
        self.assertIsNone(first)
        self.assertEqual(len(begins), 2)
        self.assertTrue(0 < begins[0] <= 100_000 < begins[1] <= 300_000, begins)

    def test_an_earlier_process_is_gone_on_with(self):
        blobs = self.repository / "blobs"
        blobs.mkdir(parents=True)
        data = self.hub.files["large.model"]
        (blobs / f"{sha256(data)}.incomplete").write_bytes(data[:77_777])
        self.check_whole(self.get())
        self.assertIn(("/storage/large.model", "bytes=77777-", None), self.hub.asked)

    def test_a_server_without_ranges_sends_it_all_again(self):
        self.hub.ranges, self.hub.breaks = False, [100_000]
        self.check_whole(self.get())

    def test_another_hash_is_refused_and_nothing_of_it_stays(self):
        self.hub.lies["large.model"] = sha256(b"another")
        run = self.get()
        self.assertEqual(run.returncode, 1)
        self.assertIn("acme/tiny/large.model arrived with another hash", run.stderr)
        self.assertFalse((self.repository / "refs").exists())
        self.assertFalse([path for path in (self.repository / "blobs").iterdir() if "incomplete" in path.name])

    def test_a_begun_file_of_other_bytes_is_found_out(self):
        blobs = self.repository / "blobs"
        blobs.mkdir(parents=True)
        (blobs / f"{sha256(self.hub.files['large.model'])}.incomplete").write_bytes(b"other" * 1000)
        self.assertEqual(self.get().returncode, 1)
        self.check_whole(self.get())

    def test_the_token_opens_a_model_and_goes_to_nobody_else(self):
        storage = Hub()
        threading.Thread(target=storage.serve_forever, daemon=True).start()
        storage.files, self.hub.storage, self.hub.token = self.hub.files, storage.origin, "hf_secret"
        run = self.get()
        self.assertEqual(run.returncode, 1)
        self.assertIn("answers 401 for acme/tiny (Invalid username or password.): it is private, gated or not there; set HF_TOKEN", run.stderr)
        self.assertIn("the token does not open it", self.get(HF_TOKEN="hf_other").stderr)
        self.check_whole(self.get(HF_TOKEN="hf_secret"))
        self.assertTrue(storage.asked)
        self.assertEqual({authorization for *_, authorization in storage.asked}, {None})
        (self.folder / "token").write_text("hf_secret\n")
        self.check_whole(self.get())
        storage.shutdown()
        storage.server_close()

    def test_too_many_requests_are_waited_out(self):
        self.hub.busy = 3
        self.check_whole(self.get())
        self.hub.busy = 100
        self.assertIn("answers 429", self.get().stderr)

    def test_two_at_once_fetch_each_file_once(self):
        runs = [subprocess.Popen([YONDER, "models", "get", "acme/tiny"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=self.environment())
                for _ in range(2)]
        self.assertEqual([run.communicate() and run.returncode for run in runs], [0, 0])
        fetched = [path for path, *_ in self.hub.asked if path.startswith("/storage/")]
        self.assertEqual(len(fetched), len(set(fetched)))

    def test_what_cannot_be_is_refused_in_words(self):
        for name, words in (("acme/none", "answers 404 for acme/none: there is no such model"), ("acme/tiny@v9", "no such model, revision"),
                            ("../etc", "names no model"), ("acme/tiny@../x", "names no model"), ("a/b/c", "names no model")):
            run = self.get(name)
            self.assertEqual(run.returncode, 1)
            self.assertIn(words, run.stderr)
        self.assertIn("HF_HUB_OFFLINE forbids", self.get(HF_HUB_OFFLINE="1").stderr)
        self.assertIn("HF_ENDPOINT is \"ftp://x\"", self.get(HF_ENDPOINT="ftp://x").stderr)
        for path in ("../../escape.json", "/etc/escape.json", "a//b.json"):
            self.hub.extra = [{"type": "file", "path": path, "size": 1, "oid": "0" * 40}]
            self.assertIn("without a path inside the model", self.get().stderr)
        self.assertFalse(list(self.folder.rglob("escape.json")))

    def test_https_with_a_certificate_that_is_trusted_and_with_one_that_is_not(self):
        self.hub.tls, certificate = self.make_certificate()
        self.check_whole(self.get(SSL_CERT_FILE=certificate))
        shutil.rmtree(self.cache)
        other = self.get(HF_ENDPOINT=f"https://127.0.0.1:{self.hub.server_port}", SSL_CERT_FILE=certificate)
        self.assertIn("verify failed", other.stderr)
        self.assertIn("SSL_CERT_FILE names other certificates", other.stderr)
        self.assertFalse(self.cache.exists())

    def test_a_handshake_that_breaks_off_is_tried_again_and_is_not_the_certificates(self):
        self.hub.tls, certificate = self.make_certificate()
        self.hub.slams = 1
        self.check_whole(self.get(SSL_CERT_FILE=certificate))
        self.assertEqual(self.hub.slams, 0)
        self.hub.greeting = b"HTTP/1.1 400 Bad Request\r\n\r\n"
        run = self.get(SSL_CERT_FILE=certificate)
        self.assertIn("cannot reach https://localhost", run.stderr)
        self.assertNotIn("SSL_CERT_FILE", run.stderr)

    def test_a_hub_may_lie_under_a_path(self):
        self.hub.path, self.hub.token = "/artifactory/api/models", "hf_secret"
        self.check_whole(self.get(HF_TOKEN="hf_secret"))
        self.check_whole(self.get(HF_TOKEN="hf_secret", HF_ENDPOINT=f"{self.hub.origin}{self.hub.path}/"))
        asked = {path for path, *_ in self.hub.asked if not path.startswith((f"{self.hub.path}/api/", f"{self.hub.path}/acme/", "/storage/"))}
        self.assertEqual(asked, set())
        self.assertIn("HF_ENDPOINT is", self.get(HF_ENDPOINT=f"{self.hub.origin}/a?b").stderr)

    def test_the_token_is_found_where_hugging_faces_tools_keep_it_wherever_the_cache_is(self):
        elsewhere, home = self.folder / "elsewhere", self.folder / "home"
        for place in (elsewhere, self.folder / "huggingface", home / ".cache" / "huggingface"):
            place.mkdir(parents=True)
            (place / "token").write_text("hf_secret\n")
        (elsewhere / "token").write_text("other")
        (self.folder / "token").write_text("hf_secret")
        self.hub.token, self.repository = "hf_secret", elsewhere / "hub" / "models--acme--tiny"
        moved = {"HF_HUB_CACHE": str(elsewhere / "hub")}
        for places in ({}, {"HF_HOME": "", "XDG_CACHE_HOME": str(self.folder)}, {"HF_HOME": "", "HOME": str(home)},
                       {"HF_HOME": str(elsewhere), "HF_TOKEN_PATH": str(self.folder / "token")},
                       {"HF_HOME": str(elsewhere), "HUGGING_FACE_HUB_TOKEN": "hf_secret"}):
            with self.subTest(places):
                self.check_whole(self.get(**moved, **places))
        self.hub.asked.clear()
        self.get(how={"cwd": elsewhere}, HF_HOME="", HOME="", HUGGINGFACE_HUB_CACHE="cache")
        self.assertEqual({authorization for *_, authorization in self.hub.asked}, {None})

    def test_a_token_is_one_word_and_line_breaks_around_it_are_no_part_of_it(self):
        self.hub.token = "hf_secret"
        for token in ("hf_secret\n", "hf_secret\r\n", " hf_secret "):
            self.check_whole(self.get(HF_TOKEN=token))
        (self.folder / "token").write_text("\nhf_secret\r\n")
        self.check_whole(self.get(HF_TOKEN="\n"))
        self.hub.asked.clear()
        for token in ("hf_a\r\nX-Other: b", "hf_a b", "hf_\u00e4"):
            run = self.get(HF_TOKEN=token)
            self.assertEqual(run.returncode, 1)
            self.assertIn("HF_TOKEN holds no token", run.stderr)
            self.assertNotIn(token, run.stderr)
        (self.folder / "token").unlink()
        (self.folder / "token").mkdir()
        self.assertIn("cannot read the token in", self.get().stderr)
        self.assertEqual(self.hub.asked, [])

    def test_a_full_disk_leaves_the_revision_as_it_was(self):
        self.check_whole(self.get())
        other = "beef" + "0" * 36
        refs = self.repository / "refs"
        (refs / "main").write_text(other)

        def fill():  # a disk with room for ten bytes in a file
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))

        run = self.get(how={"preexec_fn": fill})
        self.assertEqual(run.returncode, 1)
        self.assertIn("cannot write", run.stderr)
        self.assertEqual([path.name for path in refs.iterdir()], ["main"])
        self.assertEqual((refs / "main").read_text(), other)

    def test_what_is_printed_has_to_arrive(self):
        self.check_whole(self.get())
        with open("/dev/full", "wb") as full:
            run = subprocess.run([YONDER, "models", "get", "acme/tiny"], stdout=full, stderr=subprocess.PIPE, timeout=60, env=self.environment())
        self.assertEqual(run.returncode, 1)
        self.assertIn(b"cannot write to standard output", run.stderr)

    def test_a_body_that_nobody_takes_is_not_read(self):
        for status, words in ((404, "answers 404"), (302, "sends elsewhere")):
            self.hub.endless = status
            self.assertIn(words, self.get().stderr)

    def test_what_a_hub_says_does_not_rule_the_terminal(self):
        self.hub.token, self.hub.reason = "hf_secret", "no \x9b2J \xc2\x9b2J"
        self.assertIn(r"(no \x9B2J \xC2\x9B2J)", self.get().stderr)
        self.hub.asked.clear()
        self.hub.reason = "\x1b]0;owned\x07"
        self.assertIn("bad value", self.get().stderr)  # which another attempt would not mend
        self.assertEqual(len(self.hub.asked), 1)
        self.hub.token = None
        for path, shown in (("a\x1b[2J.json", r"a\x1B[2J.json"), ("a\n.json", r"a\x0A.json"), ("a\u009b2J.json", r"a\xC2\x9B2J.json")):
            self.hub.extra = [{"type": "file", "path": path, "size": 1, "oid": "0" * 40}]
            self.assertIn(f"without a path inside the model, a size and a hash: {shown}\n", self.get().stderr)

    def test_a_list_that_is_nested_without_measure_is_refused(self):
        self.hub.listing = b'[{"type": "file", "path": ' + b"[" * 500_000 + b"]" * 500_000 + b"}]"
        run = self.get()
        self.assertEqual(run.returncode, 1)
        self.assertIn("without a path inside the model", run.stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
