# SPDX-License-Identifier: Apache-2.0
"""What ./dev gpu found: kept while it runs, and written as a page and as JSON."""
import contextlib
import fcntl
import json
import math
import os
import pathlib
import shutil
import tempfile
import time

MOST_FILE_BYTES = 16 << 20
MOST_FILES = 8
MARK = ".scratch_of_yonder_gpu"


def write_whole(path, text):
    """So that a cut-off run leaves the old file or the new one, and a full disk the old one."""
    beside = path.with_name(path.name + ".new")
    try:
        beside.write_bytes(text.encode(errors="replace")[:MOST_FILE_BYTES])
        os.replace(beside, path)
    except BaseException as error:  # a signal ends this, too
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)
        if not isinstance(error, OSError):
            raise
        raise RuntimeError(f"{path} cannot be written ({error.strerror}); what is there stays: make room or leave to write, "
                           "and run the same command again") from None


def lock(folder):
    """A file descriptor that keeps other runs from the folder while it is open."""
    held = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(held)
        raise RuntimeError(f"another run writes to {folder}, and measures on the GPU; wait for its end") from None
    except OSError:  # a file system without locks
        pass
    return held


def remove_unheld(folder):
    held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(held)


def make_scratch(prefix="yonder_gpu_"):
    """(folder, descriptor): a temporary folder, locked while this runs. Those that nobody holds, of runs that were killed,
    go: their models take gigabytes. They bear a mark: whoever measures may have named a folder alike."""
    for left in pathlib.Path(tempfile.gettempdir()).glob(prefix + "*"):
        with contextlib.suppress(OSError):  # it is held, or somebody else's, or there are no locks
            if left.lstat().st_uid == os.getuid() and (left / MARK).exists():
                remove_unheld(left)
    folder = pathlib.Path(tempfile.mkdtemp(prefix=prefix))
    held = lock(folder)
    (folder / MARK).touch()
    return folder, held


def lines_of(path):
    return path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []


class State:
    """Steps by name: their rows, and whether they are done or failed. Kept for the same programs and device only."""

    def __init__(self, folder, key, fresh):
        self.path = folder / "state.json"
        self.key, self.steps, self.left_out = key, {}, []
        if not fresh and self.path.exists():
            try:
                kept = json.loads(self.path.read_bytes())
            except ValueError:
                kept = None
            if isinstance(kept, dict) and kept.get("key") == key:
                self.steps = kept["steps"]

    def step(self, name):
        return self.steps.setdefault(name, {"rows": [], "done": False, "failed": None})

    def rows(self, name):
        return self.steps.get(name, {}).get("rows", [])

    def is_settled(self, name):
        return name in self.steps and (self.steps[name]["done"] or self.steps[name]["failed"] is not None)

    def forget_absent(self):
        """What was not installed then may be now."""
        absent = {name for name, step in self.steps.items() if any(row.get("kind") == "absent" for row in step["rows"])}
        if absent:
            absent.add("versions of the peers")
        self.steps = {name: step for name, step in self.steps.items() if name not in absent}

    def failed(self):
        return {name: step["failed"] for name, step in self.steps.items() if step["failed"] is not None}

    def save(self):
        write_whole(self.path, json.dumps({"key": self.key, "steps": self.steps}))


# ---- what cannot be true ------------------------------------------------------------------------------------------

MOST_TFLOPS = 5000  # of dense 16-bit products, on any one GPU so far
MOST_TBS = 20


def doubts(row, matrix_rate):
    """Why a row cannot be true; nothing where it can."""
    for key, value in row.items():
        if isinstance(value, float) and not math.isfinite(value):
            return f"{key} is {value}"
    if "error" in row and row["error"] is None:  # NaN or infinity, which JSON has not
        return None if row.get("good") is False else "an error that is no number is told to be good"
    for key in ("microseconds", "device", "call", "value", "tflops", "ours", "peer", "ratio"):
        if key in row and not (isinstance(row[key], (int, float)) and row[key] > 0):
            return f"{key} is {row[key]}"
    if {"rows", "columns", "depth", "microseconds", "tflops"} <= row.keys():
        counted = 2e-6 * row["rows"] * row["columns"] * row["depth"] / row["microseconds"]
        if abs(counted - row["tflops"]) > 0.01 * counted:
            return f"{row['tflops']:.3g} TFLOP/s is told, and {counted:.3g} follow from the time"
    if row.get("tflops", 0) > (1.15 * matrix_rate if matrix_rate else MOST_TFLOPS):
        return f"{row['tflops']:.3g} TFLOP/s is more than the machine's own rate"
    if row.get("unit") == "TB/s" and row["value"] > MOST_TBS or row.get("unit") == "TFLOP/s" and row["value"] > MOST_TFLOPS:
        return f"{row['value']:.3g} {row['unit']} is more than any GPU has"
    if "device" in row and "call" in row and row["device"] > 1.5 * row["call"]:
        return f"the device took {row['device']:.1f} us, the whole call {row['call']:.1f} us"
    if "ratio" in row and abs(row["ratio"] * row["ours"] - row["peer"]) > 0.5 * row["peer"]:
        return f"a ratio of {row['ratio']:.2f} is told for {row['ours']:.1f} and {row['peer']:.1f} us"
    if "error" in row and row.get("allowed") is not None and row.get("good") is not (row["error"] <= row["allowed"]):
        return f"an error of {row['error']:.2e} is told to be {'good' if row['good'] else 'bad'}, {row['allowed']:.2e} is allowed"
    return None


def wrong_results(rows):
    """In words: those whose error is larger than what is allowed, or whose labels differ."""
    def is_wrong(row):
        return row["error"] is None or row["error"] > row["allowed"] or not row.get("same_labels", True)

    def told(error):
        return "no number" if error is None else f"{error:.2e}"
    return [f"{row.get('what') or row.get('model')}: error {told(row['error'])}, allowed {row['allowed']:.2e}"
            + ("" if row.get("same_labels", True) else ", other labels")
            for row in rows if row.get("allowed") is not None and is_wrong(row)]


# ---- the record ----------------------------------------------------------------------------------------------------

def rate(state, unit):
    for name in ("rate copy", "rate matrix"):
        for row in state.rows(name):
            if row.get("unit") == unit:
                return row["value"]
    return None


def floor(phase, copy, matrix):
    """Microseconds, from TB/s and TFLOP/s."""
    return max(phase["bytes"] / (copy * 1e6), phase["operations"] / (matrix * 1e6))


def with_floor(state, where, phase):
    copy, matrix = rate(state, "TB/s"), rate(state, "TFLOP/s")
    if not copy or not matrix:
        return {"where": where, **phase}
    low = floor(phase, copy, matrix)
    return {"where": where, **phase, "floor_us": low, "fraction": low / phase["microseconds"]}


def versions_of(state):
    return next((row["versions"] for row in state.rows("versions of the peers") if "versions" in row), {})


def record(state, device, about):
    def rows_of(kind):
        return [{"step": name, **row} for name, step in state.steps.items() for row in step["rows"] if row.get("kind") == kind]
    phases = [with_floor(state, f"{row['model']}, {row['of']}", row) for row in rows_of("phase")]
    return {"stand_in": about["stand_in"], "commit": about["commit"], "programs": about["programs"], "device": device,
            "versions": about["versions"] | versions_of(state), "operators": rows_of("operator"), "rates": rows_of("rate"),
            "products": rows_of("product"), "alone": rows_of("alone"), "phases": phases, "accuracy": rows_of("accuracy"),
            "rows": rows_of("compared"), "kernels": rows_of("kernel"), "ncu": rows_of("ncu"), "sanitizers": rows_of("sanitizer"),
            "absent": rows_of("absent"), "done": sum(step["done"] for step in state.steps.values()), "failed": state.failed(), "not_measured": state.left_out}


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return lines + ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows] + [""]


def section(lines, title, head, rows):
    if rows:
        lines += [f"## {title}", "", *table(head, rows)]


def us(value):
    return f"{value:.1f} us"


def verdict(found):
    """What whoever must decide reads first: are the results right, are the targets met, what is open?"""
    wrong = wrong_results([*found["operators"], *found["accuracy"]])
    # what these steps check was not seen to be right; by warpgroups alone, the rest goes by warps
    unchecked = [name for name in found["failed"] if name == "operators" or name.startswith("attention ") or "float64" in name]
    checked = len(found["operators"]) + len(found["accuracy"])
    lines = [f"Results: {checked - len(wrong)} of {checked} checks are right" + (f"; **wrong: {'; '.join(wrong)}**" if wrong else "")
             + (f"; **not told by: {', '.join(unchecked)}**" if unchecked else "")
             + (": no time below is worth more than these results." if wrong or unchecked else ".")]
    met = [row["ratio"] >= row["target"] for row in found["rows"] if row["target"]]
    lines += [f"Targets against peers: {sum(met)} of {len(met)} met." if met else "Targets against peers: none was compared."]
    lines += [f"Steps: {found['done']} done, {len(found['failed'])} failed, {len(found['not_measured'])} not begun or not ended"
              + (": run the same command again." if found["not_measured"] else ".")]
    return [*(f"- {line}" for line in lines), ""]


def as_markdown(found):
    device = found["device"]
    lines = [f"# {device.get('name', 'no device')}, {time.strftime('%Y-%m-%d')}", ""]
    if found["stand_in"]:
        lines += ["**A stand-in answered: no figure here was measured.**", ""]
    lines += [f"Commit {found['commit'][:12]}; " + ", ".join(f"{k} {v}" for k, v in device.items() if k != "name") + "; "
              + ", ".join(f"{k} {v}" for k, v in found["versions"].items()) + ".", "", *verdict(found)]
    section(lines, "Against what people use (bf16, three interleaved rounds, medians)",
            ["what", "ours", "peer", "ratio", "target", "met", "spread"],
            [[f"{r['model']}, {r['batch']}", us(r["ours"]), f"{us(r['peer'])} ({r['peer_name']})", f"{r['ratio']:.2f}",
              r["target"] or "", r["ratio"] >= r["target"] if r["target"] else "", f"{100 * r['spread']:.0f} %"]
             for r in found["rows"]])
    section(lines, "Ours alone", ["what", "graph", "dependent launch", "device", "call"],
            [[f"{r['model']}, {r['batch']}", r["graph"], r["dependent_launch"] if not r.get("trouble") else f"no: {r['trouble']}",
              us(r["device"]), us(r["call"])] for r in found["alone"]])
    section(lines, "Each phase against its floor", ["where", "phase", "time", "floor", "fraction"],
            [[p["where"], p["phase"], us(p["microseconds"]), us(p["floor_us"]) if "floor_us" in p else "",
              f"{100 * p['fraction']:.0f} %" if "fraction" in p else ""] for p in found["phases"]])
    section(lines, "What the machine gives", ["what", "found"],
            [[r["what"], f"{r['value']:.3g} {r['unit']}"] for r in found["rates"]])
    section(lines, "cuBLASLt, bf16", ["rows", "columns", "depth", "form", "time", "TFLOP/s"],
            [[p["rows"], p["columns"], p["depth"], p["form"], us(p["microseconds"]), f"{p['tflops']:.0f}"]
             for p in found["products"]])
    section(lines, "Each kernel alone", ["kernel", "shape", "time", "rate"],
            [[k.get("kernel", f"attention by {k.get('warps')} warps"), k.get("what") or f"{k['rows']} x {k['width']}",
              us(k["microseconds"]), f"{k['tflops']:.0f} TFLOP/s" if "tflops" in k else
              f"{1e-6 * k['bytes'] / k['microseconds']:.2f} TB/s"] for k in found["kernels"]])
    section(lines, "Error against float64", ["model", "format", "error", "allowed", "at most 1e-2"],
            [[r["model"], r["format"], f"{r['error']:.1e}", f"{r['allowed']:.1e}" if r["allowed"] else "", r["error"] <= 1e-2]
             for r in found["accuracy"]])
    section(lines, "compute-sanitizer, reduced set", ["tool", "of", "found"],
            [[s["tool"], s["of"], "clean" if s["clean"] else "a report (sanitizer.txt)"] for s in found["sanitizers"]])
    section(lines, "Not here", ["what", "why"], [[a["step"], a["why"]] for a in found["absent"]])
    section(lines, "What failed", ["step", "why"],
            [[name, (why.splitlines() or [""])[0][:300].replace("|", "/")] for name, why in found["failed"].items()])
    if found["not_measured"]:
        lines += ["Not measured, as the time was over: " + "; ".join(found["not_measured"]) + ".", ""]
    return "\n".join(lines)


def write_record(folder, state, device, about):
    """Returns the page."""
    found = record(state, device, about)
    text = as_markdown(found)
    write_whole(folder / "gpu.md", "<!-- SPDX-License-Identifier: Apache-2.0; written by ./dev gpu -->\n" + text)
    write_whole(folder / "gpu.json", json.dumps(found, indent=1) + "\n")
    return text


def check_folder(folder):
    """What breaks the limits of what comes back from a rented machine."""
    files = [path for path in pathlib.Path(folder).rglob("*") if path.is_file()]
    wrong = [f"{path} has more than {MOST_FILE_BYTES} bytes" for path in files if path.stat().st_size > MOST_FILE_BYTES]
    return wrong + ([f"{len(files)} files, at most {MOST_FILES}"] if len(files) > MOST_FILES else [])
