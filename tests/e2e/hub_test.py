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
import shutil
import ssl
import subprocess
import sys
import tempfile
import threading
import unittest

YONDER, GOLDENS = sys.argv[1:3]
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
        self.scheme, self.storage = "http", None

    @property
    def origin(self):
        return f"{self.scheme}://localhost:{self.server_port}"

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

    def do_GET(self):
        hub, path = self.server, self.path
        authorization = self.headers.get("Authorization")
        hub.asked.append((path, self.headers.get("Range"), authorization))
        if path.startswith("/storage/"):
            return self.storage(path.removeprefix("/storage/"))
        if hub.token and authorization != f"Bearer {hub.token}":
            return self.send(401, X_Error_Message="Invalid username or password.")
        if hub.busy:
            hub.busy -= 1
            return self.send(429, Retry_After="0")
        if path.startswith("/api/models/acme/tiny/revision/"):
            commit = hub.revisions.get(path.rsplit("/", 1)[1].replace("%2F", "/"))
            return self.send(200, json.dumps({"id": "acme/tiny", "sha": commit}).encode()) if commit else self.send(404, X_Error_Code="RevisionNotFound")
        if path.startswith(f"/api/models/acme/tiny/tree/{COMMIT}?recursive=true"):
            entries, page = list(hub.tree()), 2 if "cursor" in path else 1
            link = {} if page == 2 else {"Link": f'<{hub.origin}/api/models/acme/tiny/tree/{COMMIT}?recursive=true&cursor=2>; rel="next"'}
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
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "YONDER_", "SSL_"))}
        return {**kept, "HF_HOME": str(self.folder), "HF_ENDPOINT": self.hub.origin, **more}

    def get(self, name="acme/tiny", **more):
        return subprocess.run([YONDER, "models", "get", name], capture_output=True, text=True, timeout=60, env=self.environment(**more))

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
        if shutil.which("openssl") is None:
            self.skipTest("there is no openssl here")
        key, certificate = self.folder / "key", self.folder / "certificate"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate, "-days", "2", "-subj",
                        "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"], check=True, capture_output=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self.hub.socket = context.wrap_socket(self.hub.socket, server_side=True)
        self.hub.scheme = "https"
        self.check_whole(self.get(SSL_CERT_FILE=str(certificate)))
        shutil.rmtree(self.cache)
        other = self.get(HF_ENDPOINT=f"https://127.0.0.1:{self.hub.server_port}", SSL_CERT_FILE=str(certificate))
        self.assertIn("verify failed", other.stderr)
        self.assertFalse(self.cache.exists())


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
