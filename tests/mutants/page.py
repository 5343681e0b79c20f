# SPDX-License-Identifier: Apache-2.0
"""The table of planted faults: on the screen, and as docs/mutants.md."""
import re
from collections import Counter

HEAD = """# Planted faults

`./dev mutants` plants faults of the project's own list (`tests/mutants/`) in a copy of the tree, one at a time, and runs the tests that could see
each. What no test sees is a hole in the tests. This page is what `./dev mutants --page` knew last.

- `planted.toml` has those that were thought of, `random.toml` those that `place.py` placed at random over branches, comparisons and calls (its seed
  stands in it). An entry names a file, a text that is once in it (blanks and line ends count alike, so that lines may move) and what it becomes.
  `tests.toml` says which tests see which files.
- Faults of one build stand behind a switch that is read once from the environment, so that they are compiled together: first those of the sources, then
  those of headers; what no switch can hold (`alone = true`) is compiled by itself.
- It goes on where it was ended. `./dev mutants FILE…` takes only these files' or folders'; `--check` only looks whether the places are still there; a
  fault that survived is tried again once a test has changed.
- A case that hangs is ended by the tests' watchdog, which names it.

"""


def outcome_of(fault, known, lost):
    if fault.name in lost:
        return "lost"
    if fault.equivalent:
        return "equivalent"
    if fault.invalid:
        return "invalid"
    entry = known.get(fault.name)
    return entry["outcome"] if entry else "not run"


def counted(faults, known, lost):
    return Counter(outcome_of(each, known, lost) for each in faults)


def rate(count):
    tried = count["killed"] + count["survived"]
    return f"{count['killed']} of {tried} killed ({100 * count['killed'] / tried:.0f} %)" if tried else "none run"


def last_lines(faults, known, lost):
    every, sample = counted(faults, known, lost), counted([each for each in faults if each.random], known, lost)
    lines = [f"placed at random: {rate(sample)}"]
    others = {what: every[what] for what in ("not run", "lost", "invalid") if every[what]}
    if others:
        lines.append("besides: " + ", ".join(f"{number} {what}" for what, number in others.items()))
    old = Counter(outcome_of(each, known, lost) for each in faults if known.get(each.name, {}).get("is_old"))
    if old["killed"] + old["survived"]:
        lines.append(f"before their file, or a test, was changed last: {old['killed']} of those killed, {old['survived']} of those that survived")
    lines.append(f"mutants: {every['killed']} killed, {every['survived']} survived, {every['equivalent']} equivalent")
    return lines


def summary(faults, known, lost):
    """Prints the table; the exit status: whether none survived and all were run."""
    print(f"\n{'file':44} {'killed':>8} {'survived':>8} {'equivalent':>10} {'not run':>8}")
    for file in sorted({each.file for each in faults}):
        count = counted([each for each in faults if each.file == file], known, lost)
        print(f"{file:44} {count['killed']:8} {count['survived']:8} {count['equivalent']:10} {count['not run'] + count['lost'] + count['invalid']:8}")
    print()
    for each in faults:
        if outcome_of(each, known, lost) == "survived":
            print(f"survived: {each.name} ({each.file}): {each.why}")
    print("\n".join(last_lines(faults, known, lost)))
    every = counted(faults, known, lost)
    return 0 if every["killed"] + every["equivalent"] + every["invalid"] == len(faults) else 1


def cell(text):
    """One line, in which files are named from the copy's root."""
    return re.sub(r"(?<=\()/[^()\s]*/build/mutants/", "", " ".join(text.split()).replace("|", "\\|"))


def document(faults, known, lost):
    lines = [HEAD + "    " + "\n    ".join(last_lines(faults, known, lost)), ""]
    lines += ["| file | killed | survived | equivalent | not run |", "|---|---|---|---|---|"]
    for file in sorted({each.file for each in faults}):
        count = counted([each for each in faults if each.file == file], known, lost)
        lines.append(f"| {file} | {count['killed']} | {count['survived']} | {count['equivalent']} | {count['not run'] + count['lost']} |")
    for title, outcome in (("Survivors", "survived"), ("Not run yet", "not run")):
        some = [each for each in faults if outcome_of(each, known, lost) == outcome]
        if some:
            lines += ["", f"## {title}", "", "| fault | file | what it breaks |", "|---|---|---|"]
            lines += [f"| {each.name} | {each.file} | {cell(each.why)} |" for each in some]
    same = [each for each in faults if each.equivalent]
    if same:
        lines += ["", "## Equivalent", "", "| fault | file | what it changes | why no test can see it |", "|---|---|---|---|"]
        lines += [f"| {each.name} | {each.file} | {cell(each.why)} | {cell(each.equivalent)} |" for each in same]
    lines += ["", "## Killed", "", "| fault | file | what it breaks | by |", "|---|---|---|---|"]
    for each in faults:
        if outcome_of(each, known, lost) == "killed":
            entry = known[each.name]
            lines.append(f"| {each.name} | {each.file} | {cell(each.why)} | {entry['test']}: {cell(entry['case'])} |")
    return "\n".join(lines) + "\n"
