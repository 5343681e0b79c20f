# SPDX-License-Identifier: Apache-2.0
"""The list of planted faults: how an entry is read, found in its file, and written into it."""
import fnmatch
import hashlib
import re
import tomllib
import zlib
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
LISTS = ("planted.toml", "random.toml")

# Pasted before what is planted in a file. Read once; constant expressions keep the unbroken code.
SWITCH = """#ifndef YONDER_MUTANT_SWITCH
#define YONDER_MUTANT_SWITCH
#include <cstdlib>
#include <type_traits>
static inline bool yonder_mutant_is(unsigned long which) noexcept {
  static unsigned long const planted = [] {
    char const* const text = std::getenv("YONDER_MUTANT");
    return text == nullptr ? 0UL : std::strtoul(text, nullptr, 10);
  }();
  return planted == which;
}
static constexpr bool yonder_mutant(unsigned long which) noexcept {
  return std::is_constant_evaluated() ? false : yonder_mutant_is(which);
}
#endif
"""
QUIET = ("bool-compare bool-operation comment dangling-else deprecated-copy duplicated-branches duplicated-cond empty-body "
         "extra-semi implicit-fallthrough int-in-bool-context logical-not-parentheses logical-op maybe-uninitialized "
         "parentheses pessimizing-move return-type sign-compare type-limits uninitialized unused unused-but-set-variable "
         "unused-function unused-parameter unused-value unused-variable unused-result useless-cast array-bounds "
         "stringop-overflow unreachable-code conversion sign-conversion old-style-cast shadow null-dereference")


@dataclass
class Fault:
    name: str
    file: str
    text: str  # what is replaced; blanks and line ends count alike
    becomes: str
    why: str
    within: str = ""  # where `text` alone is there more than once: more of the file, once there
    alone: bool = False  # cannot stand behind a switch
    tests: list = field(default_factory=list)
    equivalent: str = ""  # why no test can see it
    invalid: str = ""  # of those placed at random: why it is no program
    random: bool = False

    @property
    def number(self):
        return zlib.crc32(self.name.encode())

    def key(self, source):
        content = "\0".join((self.file, self.text, self.becomes, self.within, str(self.alone), " ".join(self.tests), source))
        return hashlib.sha256(content.encode()).hexdigest()[:16]


class Lost(Exception):
    """The place of a fault is not in its file (once) any more."""


def read_list():
    """Every fault of the lists, with the tests that could see it, nearest first."""
    seen = tomllib.loads((HERE / "tests.toml").read_text())
    faults, names = [], set()
    for name in LISTS:
        path = HERE / name
        for entry in tomllib.loads(path.read_text()).get("fault", []) if path.exists() else []:
            fault = Fault(**{**entry, "tests": entry.get("tests", "").split()}, random=name == "random.toml")
            fault.tests = fault.tests or tests_of(fault.file, seen)
            if fault.name in names:
                raise SystemExit(f"{path}: {fault.name} is there twice")
            names.add(fault.name)
            faults.append(fault)
    return faults


def tests_of(file, seen):
    for pattern, tests in seen.items():
        if fnmatch.fnmatch(file, pattern):
            return tests.split()
    raise SystemExit(f"{HERE / 'tests.toml'} does not say which tests see {file}")


def find_once(wanted, source, begin=0, end=None):
    words = [re.escape(word) for word in wanted.split()]
    found = list(re.compile(r"\s+".join(words)).finditer(source, begin, len(source) if end is None else end))
    if len(found) != 1:
        raise Lost(f"found {len(found)} times, not once: {' '.join(wanted.split())[:90]}")
    return found[0].span()


def place_of(fault, source):
    """First and last + 1 of what the fault replaces."""
    begin, end = find_once(fault.within, source) if fault.within else (0, len(source))
    return find_once(fault.text, source, begin, end)


def behind_switch(fault, text):
    """The text and its fault, told apart at run time."""
    fault_text, on = fault.becomes.strip(), f"yonder_mutant({fault.number})"
    if text.rstrip().endswith((";", "}")):
        if not fault_text:
            return f"{{ if (!{on}) {{ {text} }} }}"
        return f"{{ if ({on}) {{ {fault_text} }} else {{ {text} }} }}"
    if " ".join(fault_text.split()) == " ".join(f"!({text})".split()):
        return f"({on} != static_cast<bool>({text}))"
    return f"({on} ? ({fault_text}) : ({text}))"


def layers(faults, sources):
    """Faults of one file that do not overlap, a list each: what one build can hold."""
    result = []
    for fault in sorted(faults, key=lambda each: place_of(each, sources[each.file])):
        begin, _ = place_of(fault, sources[fault.file])
        for layer in result:
            last = [place_of(each, sources[each.file])[1] for each in layer if each.file == fault.file]
            if not last or last[-1] <= begin:
                layer.append(fault)
                break
        else:
            result.append([fault])
    return result


def planted(source, faults):
    """The file with these faults behind their switches, and the lines of each: {name: range}."""
    quiet = "".join(f'#pragma GCC diagnostic ignored "-W{each}"\n' for each in QUIET.split())
    head = "#pragma GCC diagnostic ignored \"-Wpragmas\"\n" + quiet + SWITCH
    result, at, lines = head, 0, {}
    for fault in sorted(faults, key=lambda each: place_of(each, source)):
        begin, end = place_of(fault, source)
        result += source[at:begin]
        first = result.count("\n") + 1
        result += behind_switch(fault, source[begin:end])
        lines[fault.name] = range(first, result.count("\n") + 2)
        at = end
    return result + source[at:], lines


def planted_alone(source, fault):
    begin, end = place_of(fault, source)
    return source[:begin] + fault.becomes + source[end:]
