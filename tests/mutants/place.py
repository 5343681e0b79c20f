#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes random.toml: faults placed at random over the branches, comparisons and calls of what is compiled here.

Relies on clang-format: a binary operator has blanks around it, a template's bracket none."""
import random
import re
import sys
from pathlib import Path

import faults as listed

ROOT = Path(__file__).resolve().parents[2]
SEED, COUNT = 20261129, 110  # some turn out to be no program, or to change nothing
FOLDERS = ("src", "transports", "include", "kernels")
LEFT_OUT = ("kernels/tests/", "kernels/fuzz/", "kernels/tools/", "kernels/cuda/", "src/core/mutant.hpp")
SWAPPED = {"==": "!=", "!=": "==", "<": "<=", "<=": "<", ">": ">=", ">=": ">"}
CONSTANT = re.compile(r"constexpr|consteval|static_assert|requires|concept|template <|operator|using |#|enable_if|YONDER_CHECK|assert")


def blanked(source):
    """The source with comments, literals, the preprocessor's lines and what is for arm64 as blanks, of the same length."""
    def blank(match):
        return re.sub(r"[^\n]", " ", match.group())
    source = re.sub(r"^#(?:el)?if defined\(__AARCH64EL__\).*?(?=^#(?:el|endif))", blank, source, flags=re.S | re.M)  # compiled elsewhere
    return re.sub(r'//[^\n]*|/\*.*?\*/|R"(\w*)\(.*?\)\1"|"(?:[^"\\\n]|\\.)*"|\'(?:[^\'\\\n]|\\.)+\'|^[ \t]*#(?:[^\n]*\\\n)*[^\n]*', blank, source, flags=re.S | re.M)


def matching(text, at):
    """Behind the bracket that closes the one at `at`."""
    pairs, depth = {"(": ")", "[": "]", "{": "}"}, 0
    for i in range(at, len(text)):
        if text[i] in "([{":
            depth += 1
        elif text[i] in ")]}":
            depth -= 1
            if depth == 0:
                return i + 1 if text[i] == pairs[text[at]] else None
    return None


def operand_begin(text, at):
    """Where the expression that ends at `at` begins: behind what binds looser."""
    depth, i = 0, at - 1
    while i >= 0:
        if text[i] in ")]}":
            depth += 1
        elif text[i] in "([{":
            if depth == 0:
                return i + 1
            depth -= 1
        elif depth == 0:
            if text[i] in ",;" or re.match(r" (&&|\|\||\?|:|[-+*/%&|^]?=|<<|>>|==|!=|<|>|<=|>=) ", text[i:i + 5]):
                return i + 1 if text[i] in ",;" else i + len(re.match(r" \S+ ", text[i:]).group())
            if re.match(r"(return|co_return|co_yield|throw|else|case)\b", text[i:]) and not text[i - 1].isalnum() and text[i - 1] != "_":
                return i + len(re.match(r"\w+", text[i:]).group())
        i -= 1
    return None


def operand_end(text, at):
    depth, i = 0, at
    while i < len(text):
        if text[i] in "([{":
            depth += 1
        elif text[i] in ")]}":
            if depth == 0:
                return i
            depth -= 1
        elif depth == 0 and (text[i] in ",;" or re.match(r" (&&|\|\||\?|:|<<|>>|==|!=|<|>|<=|>=)\s", text[i:i + 5])):
            return i
        i += 1
    return None


def branches(text):
    for match in re.finditer(r"\bif \(", text):
        begin = match.end() - 1
        end = matching(text, begin)
        if end is None:
            continue
        inside = begin + 1 + (text[begin + 1:end - 1].rfind(";") + 1 if ";" in text[begin:end] else 0)
        condition = text[inside:end - 1]
        if not re.search(r"[^=!<>]=[^=]|[{}]", condition):  # what declares cannot be negated
            yield inside, end - 1, lambda old: f"!({old})", "the branch is taken the other way"


def comparisons(text):
    for match in re.finditer(r"(?<= )(==|!=|<=|>=|<|>)(?=\s)", text):
        operator = match.group()
        begin, end = operand_begin(text, match.start() - 1), operand_end(text, match.end())
        line = text[text.rfind("\n", 0, match.start()) + 1:text.find("\n", match.end())]
        if begin is None or end is None or CONSTANT.search(line) or CONSTANT.search(text[begin:end]):
            continue
        begin += len(text[begin:end]) - len(text[begin:end].lstrip())
        at = match.start() - begin
        yield begin, end, (lambda old, at=at, operator=operator: old[:at] + SWAPPED[operator] + old[at + len(operator):]), f"{operator} is {SWAPPED[operator]}"


def in_function(text, at):
    """Whether the block around `at` is code, not a class or a namespace."""
    depth = 0
    for i in range(at - 1, -1, -1):
        if text[i] == "}":
            depth += 1
        elif text[i] == "{":
            if depth == 0:
                before = text[max(text.rfind(each, 0, i) for each in ";{}") + 1:i]
                return not re.search(r"\b(class|struct|union|enum|namespace)\b", before)
            depth -= 1
    return False


def calls(text):
    for match in re.finditer(r"(?<=[;{}\)\n])[ ]*\n[ ]*([A-Za-z_][\w:.]*(?:->[\w:.]+)*)\(", text):
        name = match.group(1)
        end = matching(text, match.end() - 1)
        if end is None or re.match(r"(if|while|for|switch|return|throw|delete|static_assert|catch|co_\w+|sizeof|template|requires|YONDER_\w+|else)\b", name):
            continue
        while end is not None and re.match(r"(\.|->)\w+\(", text[end:]):
            end = matching(text, end + re.match(r"(\.|->)\w+\(", text[end:]).end() - 1)
        previous = text[:match.start()].rstrip()[-1:]
        if end is None or text[end:end + 1] != ";" or previous not in ";{})" or not in_function(text, match.start(1)):
            continue
        yield match.start(1), end + 1, lambda old: "", f"{name}() is not called"


def candidates(file):
    source = (ROOT / file).read_text()
    text = blanked(source)
    for kind, found in (("branch", branches), ("comparison", comparisons), ("call", calls)):
        for begin, end, change, why in found(text):
            while source[begin].isspace():
                begin += 1
            while source[end - 1].isspace():
                end -= 1
            line = text[text.rfind("\n", 0, begin) + 1:text.find("\n", begin)]
            if not CONSTANT.search(line):
                yield kind, file, begin, end, why, change


def context(source, begin, end):
    """More of the file, once in it: whole lines, as few as will do."""
    first, last = source.rfind("\n", 0, begin) + 1, source.find("\n", end)
    while True:
        within = source[first:last].strip()
        try:
            found = listed.find_once(within, source)
            listed.find_once(source[begin:end], source, *found)
            return within
        except listed.Lost:
            if first == 0 and last == len(source):
                return None
            further = source.rfind("\n", 0, max(first - 1, 0)) + 1
            if (last - first) > 1500:
                return None
            first, last = (further, last) if (last - first) % 2 else (first, source.find("\n", last + 1))
            last = len(source) if last < 0 else last


def compiled_here(file):
    return file.startswith(FOLDERS) and not file.startswith(LEFT_OUT)


def main():
    files = sorted(str(path.relative_to(ROOT)) for folder in FOLDERS for path in (ROOT / folder).rglob("*.[ch]pp"))
    every = [each for file in files if compiled_here(file) for each in candidates(file)]
    random.Random(SEED).shuffle(every)
    out = [f"# SPDX-License-Identifier: Apache-2.0\n# Written by place.py (seed {SEED}, {len(every)} places); what it says of single faults is added by hand.\n"]
    names = {}
    for kind, file, begin, end, why, change in every:
        if len(out) > COUNT:
            break
        source = (ROOT / file).read_text()
        old = source[begin:end]
        within = context(source, begin, end)
        if within is None:
            continue
        name = f"random-{Path(file).stem}-{kind}"
        names[name] = names.get(name, 0) + 1
        name += f"-{names[name]}" if names[name] > 1 else ""
        around = f"within = '''{within}'''\n" if within != old else ""
        out.append(f"[[fault]]\nname = \"{name}\"\nfile = \"{file}\"\n{around}text = '''{old}'''\nbecomes = '''{change(old)}'''\nwhy = \"{why}\"\n")
    (listed.HERE / "random.toml").write_text("\n".join(out))


if __name__ == "__main__":
    sys.exit(main())
