#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Requests a second and latency of tasks over HTTP: `./dev bench http` runs it.

An echo of a small JSON text, beside a bare Boost.Beast server and, where they are there, nginx with a body that never changes, FastAPI with
uvicorn, and Ray Serve; and a classifier (DistilBERT's shape, fp32), beside FastAPI with ONNX Runtime, FastAPI with the transformers pipeline,
and Ray Serve with ONNX Runtime. wrk asks with as many connections as are named; rounds are interleaved, medians are printed.
"""
import argparse
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[0] = str(HERE / "ml")  # not this folder: this file is no package http
import urllib.request  # noqa: E402

import bench_service  # noqa: E402
import servers  # noqa: E402

PATIENCE = 180  # seconds, for a server to begin
ECHO = '["the quick brown fox jumps over the lazy dog"]'
SCRIPT = """
local bodies, at = {%s}, 0
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = "Bearer %s"
wrk.body = bodies[1]
if #bodies > 1 then
  request = function()
    at = at %% #bodies + 1
    return wrk.format(nil, nil, nil, bodies[at])
  end
end
"""
FASTAPI = """
import sys, uvicorn
from fastapi import FastAPI, Request
app = FastAPI()
@app.post("/echo")
async def echo(request: Request):
    return (await request.json())[0]
uvicorn.run(app, port=int(sys.argv[1]), log_level="error")
"""
RAY = """
import sys, time
import ray
from ray import serve
from starlette.responses import JSONResponse
ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="error")
@serve.deployment(max_ongoing_requests=256)
class Echo:
    async def __call__(self, request):
        return JSONResponse((await request.json())[0])
serve.start(http_options={"port": int(sys.argv[1])})
serve.run(Echo.bind(), route_prefix="/echo")
while True:
    time.sleep(60)
"""
NGINX = """
daemon off; worker_processes 1; pid %(folder)s/nginx.pid; error_log /dev/null crit;
events { worker_connections 1024; }
http {
  access_log off; keepalive_requests 1000000000; client_body_temp_path %(folder)s/bodies;
  server { listen 127.0.0.1:%(port)d; location / { default_type application/json; return 200 '"the quick brown fox jumps over the lazy dog"'; } }
}
"""


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


class Server:
    """A program that answers POSTs: at `url`, or where it says by its first line, and then `path`."""

    def __init__(self, name, command, path, url=None, target=None, **environment):
        self.name, self.target = name, target
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE if url is None else subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                        text=True, start_new_session=True, env={**os.environ, **environment})
        self.url = (url or self.process.stdout.readline().strip()) + path
        self.rates, self.tails = [], []

    def ask(self, body, key):
        request = urllib.request.Request(self.url, body.encode(), {"Content-Type": "application/json", "Authorization": "Bearer " + key})
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return json.load(answer)

    def wait(self, body, key):
        """Until it answers; what it answers, or None: it never will."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until and self.process.poll() is None:
            try:
                return self.ask(body, key)
            except OSError:
                time.sleep(0.2)
        return None

    def measure(self, connections, seconds, script):
        said = subprocess.run(["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "60s", "--latency", "-s", script, self.url],
                              capture_output=True, text=True, check=True).stdout
        if "Non-2xx" in said:
            raise SystemExit(f"{self.name} refused requests:\n{said}")
        self.rates.append(float(re.search(r"Requests/sec: +([\d.]+)", said)[1]))
        tail = re.search(r"99% +([\d.]+)(us|ms|s|m)", said)
        self.tails.append(float(tail[1]) * {"us": 1e-3, "ms": 1, "s": 1e3, "m": 6e4}[tail[2]])

    def close(self):
        for how in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self.process.pid, how)
                self.process.wait(20)
            except ProcessLookupError:
                return  # it has ended by itself
            except subprocess.TimeoutExpired:
                continue


def script_of(folder, name, bodies, key):
    path = os.path.join(folder, name + ".lua")
    with open(path, "w") as file:
        # JSON's escapes but \u and \/ are Lua's, too.
        file.write(SCRIPT % (",".join(json.dumps(body, ensure_ascii=False) for body in bodies), key))
    return path


def measure(what, found, bodies, key, folder, seconds, options, rows, check=None):
    """`found`: makers of servers, ours first; those that do not answer are left out, and said to be."""
    all_of_them, first = [], None
    try:
        for make in found:
            server = make()
            all_of_them.append(server)
            answer = server.wait(bodies[0], key())
            if answer is None:
                print(f"{what}: {server.name} is left out: it does not answer")
                all_of_them.pop().close()
                continue
            first = answer if first is None else first
            if check is not None:
                check(server, all_of_them[0], key())
            elif answer not in (first, [first]):  # a bare server returns the body as it came
                raise SystemExit(f"{server.name} answers {answer!r}, and not {first!r}")
        script = script_of(folder, what.split(",")[0].replace(" ", "_"), bodies, key())
        for server in all_of_them:
            server.measure(options.connections, max(1, seconds // 3), script)  # it has started its workers by then
            server.rates, server.tails = [], []
        for number in range(options.rounds):
            for server in all_of_them[number % 2 * (len(all_of_them) - 1)::1 - number % 2 * 2]:  # there, and back
                server.measure(options.connections, seconds, script)
    finally:
        for server in all_of_them:
            server.close()
    ours = all_of_them[0].rates
    print(f"{what:<34} {'requests/s':>11} {'p99 ms':>9} {'ours/this':>10} {'target':>7} {'spread':>7}")
    for one in all_of_them:
        ratios = [a / b for a, b in zip(ours, one.rates)]
        ratio = statistics.median(ours) / statistics.median(one.rates)
        row = {"what": what, "server": one.name, "connections": options.connections, "requests_per_second": statistics.median(one.rates),
               "p99_ms": statistics.median(one.tails), "ours_over_this": ratio, "target": f"ratio ≥ {one.target:g}" if one.target else "",
               "met": not one.target or ratio >= one.target, "spread": (max(ratios) - min(ratios)) / statistics.median(ratios)}
        rows.append(row)
        print(f"{one.name:<34} {row['requests_per_second']:>11.1f} {row['p99_ms']:>9.2f} {ratio:>10.2f} "
              f"{('≥ %g' % one.target if one.target else ''):>7} {row['spread']:>7.2f}" + ("" if row["met"] else "  MISSED"))


def python_peer(name, script, path, target=None):
    port = free_port()
    return Server(name, [sys.executable, "-c", script, str(port)], path, f"http://127.0.0.1:{port}", target)


def nginx(folder):
    port = free_port()
    with open(os.path.join(folder, "nginx.conf"), "w") as file:
        file.write(NGINX % {"folder": folder, "port": port})
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    return Server("nginx, a body that never changes", [program, "-p", folder, "-c", "nginx.conf"], "/echo", f"http://127.0.0.1:{port}")


def left_out(what, name, packages):
    if missing := bench_service.absent(packages):
        print(f"{what}: {name} is left out: this Python has no {', '.join(missing)} (YONDER_PYTHON names another)")
    return bool(missing)


def key_in(file):
    def key():
        with open(file) as keys:
            return next(line.split()[0] for line in keys if not line.startswith("#"))
    return key


def measure_echo(options, folder, rows):
    what, keys = "HTTP echo", os.path.join(folder, "keys")
    found = [lambda: Server("Yonder", [options.server, "--yonder-serve", "127.0.0.1:0", "--keys", keys], "/v1/tasks/echo"),
             lambda: Server("bare Beast", [options.bare], "/v1/tasks/echo", target=0.8)]
    if shutil.which("nginx") or os.path.exists("/usr/sbin/nginx"):
        found.append(lambda: nginx(folder))
    else:
        print(f"{what}: nginx is left out: it is not installed")
    if not left_out(what, "FastAPI", "fastapi uvicorn"):
        found.append(lambda: python_peer("FastAPI, uvicorn", FASTAPI, "/echo", 10))
    if not left_out(what, "Ray Serve", "ray"):
        found.append(lambda: python_peer("Ray Serve", RAY, "/echo"))
    measure(what, found, [ECHO], key_in(keys), folder, options.seconds, options, rows)


def measure_classifier(options, folder, rows):
    what, keys = f"HTTP classifier, {options.model}", os.path.join(folder, "classifier_keys")
    model = bench_service.write_model(options.model, options)
    if model is None:
        return print(f"{what} is left out: its random weights are made by torch, transformers and onnx, which this Python has not")
    texts = bench_service.TEXTS.read_text().splitlines()
    bodies = [json.dumps({"text": text}, ensure_ascii=False) for text in texts]
    found = [lambda: Server("Yonder", [options.classifier, "--yonder-serve", "127.0.0.1:0", "--keys", keys], "/v1/tasks/classify",
                            YONDER_BENCH_MODEL=str(model), YONDER_BENCH_THREADS=str(options.threads))]
    for name, target in (("FastAPI, ONNX Runtime", 2), ("FastAPI, transformers pipeline", None), ("Ray Serve, ONNX Runtime", None)):
        if model == bench_service.DEMO or left_out(what, name, servers.ALL[name][1]):
            continue

        def make(name=name, target=target):
            port = free_port()
            return Server(name, [sys.executable, servers.__file__, name, str(model), str(options.threads), str(port)], "/classify",
                          f"http://127.0.0.1:{port}", target)
        found.append(make)

    def check(server, ours, key):
        def label(one, body):
            answer = one.ask(body, key)
            return answer["label"]

        others = sum(label(server, body) != label(ours, body) for body in bodies[:50])
        if others > 1:
            raise SystemExit(f"{server.name} gives {others} other labels of 50; there is no use in measuring it")

    measure(what, found, bodies, key_in(keys), folder, options.model_seconds, options, rows, check)


def main():
    arguments = argparse.ArgumentParser(prog="./dev bench http", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--server", required=True, help="bench_http_server")
    arguments.add_argument("--bare", required=True, help="bench_http_bare")
    arguments.add_argument("--classifier", help="bench_http_classifier")
    arguments.add_argument("--folder", help="where models are written to")
    arguments.add_argument("--only", choices=["echo", "classifier"])
    arguments.add_argument("--model", choices=["demo", "MiniLM", "DistilBERT"], default="DistilBERT")
    arguments.add_argument("--threads", type=int, default=min(2, len(os.sched_getaffinity(0))), help="of each model")
    arguments.add_argument("--connections", type=int, default=64)
    arguments.add_argument("--seconds", type=int, default=3, help="of a round of the echo")
    arguments.add_argument("--model-seconds", type=int, default=15, help="of a round of the classifier")
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--json", help="a file for the same")
    options = arguments.parse_args()
    if shutil.which("wrk") is None:
        raise SystemExit("bench http needs wrk (Debian: wrk)")
    rows = []
    print(f"# {options.connections} connections, {options.rounds} interleaved rounds; load {os.getloadavg()[0]:.1f}; spread: (max - min) / median of "
          "the rounds' ratios")
    with tempfile.TemporaryDirectory() as folder:
        if options.only != "classifier":
            measure_echo(options, folder, rows)
        if options.only != "echo" and options.classifier:
            pathlib.Path(options.folder).mkdir(parents=True, exist_ok=True)
            measure_classifier(options, folder, rows)
    if options.json:
        with open(options.json, "w") as file:
            json.dump(rows, file, indent=1)


if __name__ == "__main__":
    main()
