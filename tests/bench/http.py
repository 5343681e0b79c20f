#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Requests a second and latency of tasks over HTTP, beside a bare Boost.Beast server and, where this Python has them, FastAPI with uvicorn.

All answer the same POST of a small JSON text at 64 connections, driven by wrk; rounds are interleaved, medians are printed.
"""
import argparse
import importlib.util
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile

SCRIPT = """
wrk.method = "POST"
wrk.body = '["the quick brown fox jumps over the lazy dog"]'
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = "Bearer %s"
"""
FASTAPI = """
import socket, uvicorn
from fastapi import FastAPI, Request
app = FastAPI()
@app.post("/v1/tasks/echo")
async def echo(request: Request):
    return (await request.json())[0]
listener = socket.socket()
listener.bind(("127.0.0.1", 0))
print("http://127.0.0.1:%d" % listener.getsockname()[1], flush=True)
uvicorn.Server(uvicorn.Config(app, log_level="error")).run(sockets=[listener])
"""


class Server:
    def __init__(self, name, command):
        self.name = name
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.address = self.process.stdout.readline().strip()
        self.rates, self.tails = [], []

    def measure(self, connections, seconds, script):
        said = subprocess.run(["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", script, self.address + "/v1/tasks/echo"],
                              capture_output=True, text=True, check=True).stdout
        if "Non-2xx" in said:
            raise SystemExit(f"{self.name} refused requests:\n{said}")
        self.rates.append(float(re.search(r"Requests/sec: +([\d.]+)", said)[1]))
        tail = re.search(r"99% +([\d.]+)(us|ms|s)", said)
        self.tails.append(float(tail[1]) * {"us": 1e-3, "ms": 1, "s": 1e3}[tail[2]])

    def close(self):
        self.process.terminate()
        self.process.wait()


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--server", required=True, help="e2e_http_server")
    arguments.add_argument("--bare", required=True, help="bench_http_bare")
    arguments.add_argument("--connections", type=int, default=64)
    arguments.add_argument("--seconds", type=int, default=3)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--json", help="a file for the same")
    options = arguments.parse_args()
    if shutil.which("wrk") is None:
        raise SystemExit("bench http needs wrk (Debian: wrk)")
    with tempfile.TemporaryDirectory() as folder:
        keys = os.path.join(folder, "keys")
        servers = [Server("Yonder", [options.server, "--yonder-serve", "127.0.0.1:0", "--keys", keys]),
                   Server("bare Beast", [options.bare])]
        if importlib.util.find_spec("fastapi") and importlib.util.find_spec("uvicorn"):
            servers.append(Server("FastAPI, uvicorn", [sys.executable, "-c", FASTAPI]))
        else:
            print("FastAPI and uvicorn are left out: this Python has not both (YONDER_PYTHON names another)")
        with open(keys) as file:
            key = next(line.split()[0] for line in file if not line.startswith("#"))
        script = os.path.join(folder, "post.lua")
        with open(script, "w") as file:
            file.write(SCRIPT % key)
        try:
            for server in servers:
                server.measure(options.connections, 1, script)  # it has started its workers by then
                server.rates, server.tails = [], []
            for _ in range(options.rounds):
                for server in servers:
                    server.measure(options.connections, options.seconds, script)
        finally:
            for server in servers:
                server.close()
    ours = statistics.median(servers[0].rates)
    rows = [{"what": "HTTP echo", "server": one.name, "connections": options.connections, "requests_per_second": statistics.median(one.rates),
             "p99_ms": statistics.median(one.tails), "ours_over_this": ours / statistics.median(one.rates),
             "spread": (max(one.rates) - min(one.rates)) / statistics.median(one.rates)} for one in servers]
    print(f"{'server':<18} {'requests/s':>11} {'p99 ms':>8} {'ours/this':>10} {'spread':>7}")
    for row in rows:
        print(f"{row['server']:<18} {row['requests_per_second']:>11.0f} {row['p99_ms']:>8.2f} {row['ours_over_this']:>10.2f} {row['spread']:>7.2f}")
    if options.json:
        with open(options.json, "w") as file:
            json.dump(rows, file, indent=1)


if __name__ == "__main__":
    main()
