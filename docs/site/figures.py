#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""figures.py NAME RESULTS: keeps what a whole run of `./dev bench` found as docs/figures/NAME.json, with the machine and the commit, and writes docs/figures.md
and a picture for each group of rows anew from all such files. Without arguments: only the latter. The pictures are SVG of our own: one bar a row, the ratio
to the peer on a logarithmic scale, and a mark where the target lies."""

import datetime
import json
import math
import os
import pathlib
import re
import subprocess
import sys
from xml.sax.saxutils import escape

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs" / "figures"
TITLES = {"core": "Calls and codec", "http": "HTTP", "ml": "Models on the CPU", "service": "A batched service"}
GROUPS = {"local": "Local calls", "remote": "One call after the other, same host", "sizes": "Larger texts", "beside-long": "Beside long calls", "peers": "Peers that are not here", "in-flight": "Many calls in flight", "bulk": "Large arguments and results",
          "zmq-ipc": "ZeroMQ over ipc", "zmq-tcp": "ZeroMQ over tcp with keys", "codec": "The codec", "hub": "Through a hub", "journal": "The journal", "first-call": "The first call from nothing",
          "compile": "Compile time", "coldstart": "The first label from nothing"}
WIDTH, ROW, EDGE = 640, 48, 14


def about():
    """Of this machine and these sources."""
    cpu = next((line.partition(": ")[2] for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), "unknown CPU")
    commit = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "--short=7", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()
    return {"cpu": cpu, "cores": os.cpu_count(), "system": " ".join((os.uname().sysname, os.uname().release)), "commit": commit or "unknown",
            "day": datetime.date.today().isoformat(), "load": round(os.getloadavg()[0], 1)}


def from_http(row):
    """What tests/bench/http.py says, as a row of the others."""
    return {"what": f"{row['what']}, {row['connections']} connections", "unit": "requests/s", "peer_name": row["server"], "target": row.get("target", ""),
            "ours": row["ours_over_this"] * row["requests_per_second"], "peer": row["requests_per_second"], "ratio": row["ours_over_this"],
            "spread": row["spread"], "met": row.get("met", True)}


def keep(name, results):
    rows = json.loads(pathlib.Path(results).read_text())
    if name == "http":
        rows = [from_http(row) for row in rows if row["server"] != "Yonder"]
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{name}.json").write_text(json.dumps({"about": about(), "rows": rows}, indent=1, ensure_ascii=False) + "\n")


def number(value, unit):
    """Three digits, with the unit."""
    if value is None:
        return ""
    if unit == "relative error":
        return f"{value:.1e}"
    for size, prefix in ((1e6, "M"), (1e4, "k")):
        if value >= size:
            value, unit = value / (1e6 if prefix == "M" else 1e3), prefix + unit
            break
    digits = 0 if value >= 100 else 1 if value >= 10 else 2
    return f"{value:.{digits}f} {unit}"


def target_of(row):
    """The ratio that is wanted, and whether it is the least; None where the target is no ratio."""
    found = re.fullmatch(r"ratio (≤|≥) ([\d.]+)", row["target"])
    return (float(found.group(2)), found.group(1) == "≥") if found else None


def picture(title, rows):
    """An SVG: for each row its words, and below them a bar from 1 to its ratio."""
    values = [row["ratio"] for row in rows] + [target[0] for row in rows if (target := target_of(row))] + [1]
    low, high = math.log(min(values) / 1.15), math.log(max(values) * 1.15)

    def x(value):
        return EDGE + (WIDTH - 2 * EDGE) * (math.log(value) - low) / (high - low)

    top, base = 44, 44 + ROW * len(rows)
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{base + 26}" viewBox="0 0 {WIDTH} {base + 26}" role="img" '
             f'font-family="system-ui, DejaVu Sans, sans-serif" font-size="14">',
             f"<title>{escape(title)}</title>", '<rect width="100%" height="100%" fill="#ffffff"/>',
             f'<text x="{EDGE}" y="26" font-size="17" font-weight="600" fill="#1b1f24">{escape(title)}: ours / peer</text>',
             f'<line x1="{x(1):.1f}" y1="{top}" x2="{x(1):.1f}" y2="{base}" stroke="#8c959f"/>',
             f'<text x="{x(1):.1f}" y="{base + 17}" text-anchor="middle" fill="#57606a">1 ×</text>']
    for index, row in enumerate(rows):
        line = top + ROW * index
        start, end = sorted((x(1), x(row["ratio"])))
        colour = "#0969da" if row["met"] else "#bc4c00"
        told = f"{row['ratio']:.2f} ×" if row["ratio"] < 100 else f"{row['ratio']:.0f} ×"
        words = f"{row['what']} / {row['peer_name']}"
        words = words if len(words) <= 74 else words[:73] + "…"
        parts.append(f'<text x="{EDGE}" y="{line + 16}" fill="#1b1f24" stroke="#ffffff" stroke-width="4" paint-order="stroke">{escape(words)}</text>'
                     f'<text x="{WIDTH - EDGE}" y="{line + 16}" text-anchor="end" font-weight="600" fill="#1b1f24" stroke="#ffffff" stroke-width="4" '
                     f'paint-order="stroke">{told}</text>'
                     f'<rect x="{start:.1f}" y="{line + 23}" width="{max(end - start, 1.5):.1f}" height="14" rx="2" fill="{colour}"/>')
        if target := target_of(row):
            at = x(target[0])
            parts.append(f'<line x1="{at:.1f}" y1="{line + 20}" x2="{at:.1f}" y2="{line + 40}" stroke="#1b1f24" stroke-width="2" stroke-dasharray="3 2"/>')
    parts.append("</svg>")
    return "\n".join(parts) + "\n"


def slug(name, group):
    return re.sub(r"[^a-z0-9]+", "-", f"{name}-{group}".lower()).strip("-")


def section(name, kept):
    told, lines = kept["about"], []
    lines += [f"## {TITLES.get(name, name)}", "",
              f"{told['cores']} cores of {told['cpu']}, {told['system']}; commit {told['commit']}, {told['day']}; the machine's load at the end {told['load']}.", ""]
    groups = {}
    for row in kept["rows"]:
        groups.setdefault(row.get("group", name), []).append(row)
    for group, rows in groups.items():
        title = GROUPS.get(group, TITLES.get(group, group))
        lines += [f"### {title}", ""] if len(groups) > 1 else []
        measured = [row for row in rows if row["ratio"]]
        if measured:
            file = f"{slug(name, group)}.svg"
            (FOLDER / file).write_text(picture(title, measured))
            lines += [f"![{title}](figures/{file})", ""]
        lines += ["| what | ours | peer | ratio | target | spread |", "|---|---|---|---|---|---|"]
        for row in rows:
            if row.get("skipped"):
                lines.append(f"| {row['what']} | not measured: {row['skipped']} | | | {row['target']} | |")
                continue
            verdict = "" if not row["target"] else ": met" if row["met"] else ": missed"
            peer = f"{number(row['peer'], row['unit'])} ({row['peer_name']})" if row["peer_name"] else ""
            ratio = f"{row['ratio']:.2f} ×" if row["ratio"] else ""
            spread = f"{100 * row['spread']:.0f} %" if row["spread"] is not None else ""
            lines.append(f"| {row['what']} | {number(row['ours'], row['unit'])} | {peer} | {ratio} | {row['target'].removeprefix('ratio ')}{verdict} | {spread} |")
        lines.append("")
    return lines


def write_page():
    for old in FOLDER.glob("*.svg"):
        old.unlink()
    lines = ["# Figures", "", "Written by `./dev bench`, which measures against the peers in the same run: interleaved rounds, medians; spread is (max − min) / median of the",
             "rounds' ratios. Only ratios count: absolute times are this machine's. Blue bars meet their target (the dashed mark), orange ones miss it. What the rows mean,",
             "and what was measured elsewhere, is in [measurements](measurements.md).", ""]
    for file in sorted(FOLDER.glob("*.json")):
        lines += section(file.stem, json.loads(file.read_text()))
    (ROOT / "docs" / "figures.md").write_text("\n".join(lines).rstrip() + "\n")


if len(sys.argv) == 3:
    keep(*sys.argv[1:])
elif len(sys.argv) != 1:
    sys.exit(__doc__)
write_page()
print(f"{ROOT / 'docs' / 'figures.md'} is written; look at it, and commit it with docs/figures")
