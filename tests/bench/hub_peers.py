#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Round trips and rates of Celery with Redis, and of Ray, beside a hub's: what of these this Python and this machine have.

Each has one worker and echoes 64 bytes: one call after the other, and 2,000 at once. Rounds are interleaved, medians are printed. `--ours FILE`: what
`yonder_bench hub --json FILE` found in the same run. Celery needs redis-server beside the packages celery and redis; YONDER_PYTHON names another Python.
"""
import argparse
import importlib.util
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

# http.py lies beside this file, and is not what Ray looks for under that name.
sys.path = [path for path in sys.path if os.path.abspath(path or ".") != os.path.dirname(os.path.abspath(__file__))]

MESSAGE = "x" * 64
MANY = 2000
CELERY_APP = """
import os
from celery import Celery
app = Celery("yonder_peer", broker=os.environ["PEER_REDIS"], backend=os.environ["PEER_REDIS"])
app.conf.update(task_serializer="json", result_serializer="json", accept_content=["json"], worker_prefetch_multiplier=64)
@app.task(name="echo")
def echo(text):
    return text
"""


class Celery:
    name = "Celery, Redis"

    @staticmethod
    def missing():
        if not (importlib.util.find_spec("celery") and importlib.util.find_spec("redis")):
            return "this Python has not celery and redis (pip install celery redis)"
        return None if shutil.which("redis-server") else "redis-server is not installed (Debian: redis-server)"

    def __init__(self, folder):
        socket = os.path.join(folder, "redis")
        os.environ["PEER_REDIS"] = "redis+socket://" + socket
        with open(os.path.join(folder, "yonder_peer.py"), "w") as file:
            file.write(CELERY_APP)
        sys.path.insert(0, folder)
        self.processes = [subprocess.Popen(["redis-server", "--port", "0", "--unixsocket", socket, "--save", "", "--appendonly", "no"],
                                           stdout=subprocess.DEVNULL)]
        while not os.path.exists(socket):
            time.sleep(0.01)
        self.processes.append(subprocess.Popen([sys.executable, "-m", "celery", "-A", "yonder_peer", "worker", "--pool", "solo", "--loglevel", "ERROR"],
                                               cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        import yonder_peer
        self.echo = yonder_peer.echo

    def one(self):
        self.echo.delay(MESSAGE).get(timeout=60)

    def many(self):
        for each in [self.echo.delay(MESSAGE) for _ in range(MANY)]:
            each.get(timeout=60)

    def close(self):
        for each in reversed(self.processes):
            each.terminate()
            each.wait()


class Ray:
    name = "Ray"

    @staticmethod
    def missing():
        return None if importlib.util.find_spec("ray") else "this Python has not ray (pip install ray)"

    def __init__(self, folder):
        import ray
        self.ray = ray
        ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False, _temp_dir=folder)

        @ray.remote
        def echo(text):
            return text

        self.echo = echo

    def one(self):
        self.ray.get(self.echo.remote(MESSAGE))

    def many(self):
        self.ray.get([self.echo.remote(MESSAGE) for _ in range(MANY)])

    def close(self):
        self.ray.shutdown()


def latency(peer, count):
    times = []
    for _ in range(count):
        begin = time.perf_counter()
        peer.one()
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


def rate(peer):
    begin = time.perf_counter()
    peer.many()
    return MANY / (time.perf_counter() - begin)


def found_by_us(file):
    """Our p50 in seconds and our rate not packed, or None."""
    if not file:
        return None, None
    with open(file) as text:
        rows = {row["what"]: row for row in json.load(text)}
    trip = next((row for what, row in rows.items() if what.startswith("remote() p50 through a hub")), None)
    calls = next((row for what, row in rows.items() if "not packed" in what), None)
    return (trip["ours"] * 1e-6 if trip and "ours" in trip else None), (calls["ours"] if calls and "ours" in calls else None)


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--ours", help="the rows of `yonder_bench hub --json`")
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--calls", type=int, default=200, help="of each round, one after the other")
    arguments.add_argument("--json", help="a file for the same")
    options = arguments.parse_args()
    trip, calls = found_by_us(options.ours)
    rows = []
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        peers = []
        trips, rates = {}, {}
        try:
            for kind in (Celery, Ray):
                why = kind.missing()
                if why:
                    print(f"{kind.name} is left out: {why}")
                    continue
                own = os.path.join(folder, kind.__name__.lower())
                os.mkdir(own)
                peers.append(kind(own))
            trips, rates = {one.name: [] for one in peers}, {one.name: [] for one in peers}
            for peer in peers:
                peer.one()  # its worker has started by then
            for _ in range(options.rounds):
                for peer in peers:
                    trips[peer.name].append(latency(peer, options.calls))
                    rates[peer.name].append(rate(peer))
        finally:
            for peer in peers:
                peer.close()
        for peer in peers:
            rows.append({"peer": peer.name, "p50_us": statistics.median(trips[peer.name]) * 1e6, "calls_per_second": statistics.median(rates[peer.name]),
                         "spread": (max(rates[peer.name]) - min(rates[peer.name])) / statistics.median(rates[peer.name])})
    if rows:
        print(f"{'peer':<16} {'p50 us':>9} {'its/ours':>9} {'calls/s':>10} {'ours/its':>9} {'spread':>7}")
    for row in rows:
        slower = f"{row['p50_us'] * 1e-6 / trip:.1f}" if trip else "-"
        faster = f"{calls / row['calls_per_second']:.1f}" if calls else "-"
        print(f"{row['peer']:<16} {row['p50_us']:>9.0f} {slower:>9} {row['calls_per_second']:>10.0f} {faster:>9} {row['spread']:>7.2f}")
    if options.json:
        with open(options.json, "w") as file:
            json.dump(rows, file, indent=1)


if __name__ == "__main__":
    main()
