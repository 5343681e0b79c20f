# SPDX-License-Identifier: Apache-2.0
"""Rows of `./dev bench ml` and `./dev bench service`: printed as they come, and kept for the file."""

import pathlib
import statistics

ROOT = pathlib.Path(__file__).resolve().parents[3]  # of the project
OURS = "yonder"


class Report:
    def __init__(self):
        self.rows = []

    @staticmethod
    def line(verdict, what, ours, peer, ratio, target, spread):
        print(f"{verdict:8}{what:54}{ours:16}{peer:50}{ratio:8}{target:20}{spread}", flush=True)

    def add(self, what, times, peer, wanted):
        ratios = [theirs / ours for theirs, ours in zip(times[peer], times[OURS])]
        ours, theirs = (1e3 * statistics.median(times[name]) for name in (OURS, peer))
        ratio, spread = theirs / ours, (max(ratios) - min(ratios)) / statistics.median(ratios)
        row = {"what": what, "unit": "ms", "peer_name": peer, "target": f"ratio ≥ {wanted:g}", "ours": ours, "peer": theirs,
               "ratio": ratio, "spread": spread, "rounds": len(ratios), "met": ratio >= wanted}
        self.rows.append(row)
        self.line("met" if row["met"] else "missed", what, f"{ours:.2f} ms", f"{theirs:.2f} ms ({peer})", f"{ratio:.2f}",
                  row["target"], f"{100 * spread:.0f} % of {len(ratios)} rounds")

    def add_rates(self, what, rates, peer, wanted):
        """Texts a second of each round, of ours and of a peer; `wanted`: the least ratio, None if there is no target."""
        ratios = [ours / theirs for theirs, ours in zip(rates[peer], rates[OURS])]
        ours, theirs = (statistics.median(rates[name]) for name in (OURS, peer))
        ratio, spread = ours / theirs, (max(ratios) - min(ratios)) / statistics.median(ratios)
        target = "" if wanted is None else f"ratio ≥ {wanted:g}"
        met = wanted is None or ratio >= wanted
        self.rows.append({"what": what, "unit": "texts/s", "peer_name": peer, "target": target, "ours": ours, "peer": theirs,
                          "ratio": ratio, "spread": spread, "rounds": len(ratios), "met": met})
        self.line("stated" if wanted is None else "met" if met else "missed", what, f"{ours:.1f} texts/s",
                  f"{theirs:.1f} texts/s ({peer})", f"{ratio:.2f}", target, f"{100 * spread:.0f} % of {len(ratios)} rounds")

    def add_error(self, what, ours, peer, theirs, limit, others=""):
        """A relative error; `limit` is for its ratio to the peer's where there is one, None if there is no target."""
        ratio = ours / theirs if peer else None
        met = limit is None or ((ratio if peer else ours) <= limit and not others)
        target = "" if limit is None else f"ratio ≤ {limit:g}" if peer else f"≤ {limit:g}"
        self.rows.append({"what": what, "unit": "relative error", "peer_name": peer, "target": target, "ours": ours,
                          "peer": theirs, "ratio": ratio, "spread": None, "rounds": 1, "met": met})
        self.line("stated" if limit is None else "met" if met else "missed", what, f"{ours:.1e}",
                  f"{theirs:.1e} ({peer})" if peer else "", f"{ratio:.2f}" if peer else "", target, others)

    def skip(self, what, why):
        why = why.replace(f"{ROOT}/", "")
        self.rows.append({"what": what, "unit": "ms", "peer_name": "", "target": "", "met": False, "skipped": why,
                          "ours": None, "peer": None, "ratio": None, "spread": None})
        print(f"{'skipped':8}{what:54}{why}", flush=True)
