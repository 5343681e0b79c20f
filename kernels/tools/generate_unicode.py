#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes model/unicode_tables.inc: what the pinned Hugging Face tokenizers does with every code point.

The tables are probed through its public interface, not taken from the Unicode Character Database: tokenizers mixes
several Unicode versions of its own (Rust's standard library, unicode-normalization-alignments, unicode_categories).
Only the classes of grapheme clusters are those of a Unicode version, 17, as its unicode-segmentation has them; that
these are the ones is checked for every code point that joins a letter before it.
Run: python3 generate_unicode.py, with tokenizers==0.23.3 and regex==2025.11.3 installed. It checks what the C++ code
assumes.
"""

import pathlib
import sys

import regex
import tokenizers
from tokenizers import normalizers, pre_tokenizers

import tokenizer_corpus as corpus

PINNED = "0.23.3"
OUTPUT = pathlib.Path(__file__).resolve().parent.parent / "model" / "unicode_tables.inc"
BLOCK = 32  # code points in a block of properties, and blocks in a block of the index

# In the order of unicode::grapheme_class, in the bits from GRAPHEME on. CR, LF, ZWJ, U+200C, regional indicators and
# Hangul syllables are told by their numbers.
GRAPHEME = 9
GRAPHEME_CLASSES = ["GCB=Control", "GCB=Extend", "InCB=Linker", "GCB=Prepend", "GCB=SpacingMark", "GCB=L", "GCB=V",
                    "GCB=T", "Extended_Pictographic", "InCB=Consonant"]

DROP, WHITESPACE, PUNCTUATION, NONSPACING, MARK, WORD, MAPPED, LETTER, NUMBER = (1 << i for i in range(9))

CJK = [(0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0x2A700, 0x2B73F), (0x2B740, 0x2B81F),
       (0x2B920, 0x2CEAF), (0xF900, 0xFAFF), (0x2F800, 0x2FA1F)]
FIRST_COMPOSING = 0x300  # of unicode.hpp
HANGUL_FIRST, HANGUL_LAST = 0xAC00, 0xD7A3
CODE_POINTS = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]


def bert(**on):
    flags = dict(clean_text=False, handle_chinese_chars=False, strip_accents=False, lowercase=False)
    return normalizers.BertNormalizer(**{**flags, **on}).normalize_str


def pieces(pre_tokenizer, text):
    return len(pre_tokenizer.pre_tokenize_str(text))


def is_cjk(code):
    return any(first <= code <= last for first, last in CJK)


def hangul(code):
    index = code - HANGUL_FIRST
    jamo = [0x1100 + index // 588, 0x1161 + index % 588 // 28]
    return jamo + ([0x11A7 + index % 28] if index % 28 else [])


def decompositions():
    nfd = normalizers.NFD().normalize_str
    found = {}
    for code in CODE_POINTS:
        result = [ord(c) for c in nfd(chr(code))]
        if HANGUL_FIRST <= code <= HANGUL_LAST:
            assert result == hangul(code), hex(code)
        elif result != [code]:
            found[code] = result
    return found


def compositions(decomposed):
    """What two code points in a row become in NFC, but for Hangul syllables."""
    nfc = normalizers.NFC().normalize_str
    pairs = {}
    for code, parts in decomposed.items():
        if nfc(chr(code)) != chr(code):
            continue
        first = nfc("".join(map(chr, parts[:-1])))
        assert len(first) == 1, hex(code)
        pairs[ord(first), parts[-1]] = code
    for first in sorted({first for first, _ in pairs}):
        for second in sorted({second for _, second in pairs}):
            whole = pairs.get((first, second))
            if whole or first not in decomposed:  # else marks of both may change places
                assert nfc(chr(first) + chr(second)) == (chr(whole) if whole else chr(first) + chr(second)), hex(first)
    assert min(second for _, second in pairs) >= FIRST_COMPOSING
    assert all(nfc(chr(c)) == chr(c) for c in range(FIRST_COMPOSING))
    for code in range(HANGUL_FIRST, HANGUL_LAST + 1):
        assert nfc("".join(map(chr, hangul(code)))) == chr(code), hex(code)
    return sorted((*pair, whole) for pair, whole in pairs.items())


def combining_classes():
    """Canonical combining classes, found by which marks change places with which."""
    import unicodedata
    nfd = normalizers.NFD().normalize_str
    highest = "\u0345"  # class 240, the only one
    lower = [c for c in CODE_POINTS if nfd(chr(c)) == chr(c) and nfd(highest + chr(c)) != highest + chr(c)]
    representatives = {}
    for code in lower:
        representatives.setdefault(unicodedata.combining(chr(code)), chr(code))
    representatives = sorted((k, v) for k, v in representatives.items() if k)
    classes = {0x345: 240}
    for code in lower:
        classes[code] = max(k for k, mark in representatives if nfd(mark + chr(code)) == mark + chr(code))
    return classes


def lowercases():
    lower = normalizers.Lowercase().normalize_str
    found = {c: [ord(x) for x in lower(chr(c))] for c in CODE_POINTS if lower(chr(c)) != chr(c)}
    assert found.pop(0x130) == [0x69, 0x307]  # the only one with two, written out in unicode.cpp
    assert all(len(v) == 1 for v in found.values())
    return {c: v[0] for c, v in found.items()}


def grapheme_classes():
    text = "".join(map(chr, CODE_POINTS))
    members = [{ord(c) for c in regex.findall(rf"\p{{{name}}}", text)} for name in GRAPHEME_CLASSES]
    extend, linker = members[1], members[2]
    assert linker <= extend
    extend -= linker
    extend.add(0x200D)
    classes = {}
    for i, codes in enumerate(members):
        for code in codes - {0xD, 0xA}:
            assert code not in classes, hex(code)
            classes[code] = i + 1
    conjuncts = {ord(c) for c in regex.findall(r"\p{InCB=Extend}", text)}
    assert extend - conjuncts == {0x200C} and conjuncts <= extend
    joining = {c for c in CODE_POINTS if classes.get(c) in (2, 3, 5)}
    normalize = normalizers.Precompiled(corpus.one_letter_map(ord("a"), "X")).normalize_str
    assert joining == {c for c in CODE_POINTS if normalize("a" + chr(c)) == "X"}
    return classes


def properties(decomposed, lower, classes, graphemes):
    clean, cjk, strip = bert(clean_text=True), bert(handle_chinese_chars=True), bert(strip_accents=True)
    marks = normalizers.StripAccents().normalize_str
    bert_pre, split = pre_tokenizers.BertPreTokenizer(), pre_tokenizers.WhitespaceSplit()
    regex = pre_tokenizers.Whitespace()
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False)
    flags = [0] * 0x110000
    for code in CODE_POINTS:
        c = chr(code)
        value = DROP * (clean(c) == "")
        assert cjk(c) == (f" {c} " if is_cjk(code) else c), hex(code)
        around = f"a{c}a"
        value |= WHITESPACE * (pieces(split, around) == 2)
        value |= PUNCTUATION * (pieces(bert_pre, around) == 3)
        assert (pieces(bert_pre, around) == 2) == bool(value & WHITESPACE), hex(code)
        assert value & DROP or clean(c) == (" " if value & WHITESPACE else c), hex(code)
        value |= NONSPACING * (strip(c) == "")
        value |= MARK * (marks(c) == "")
        value |= WORD * (pieces(regex, around) == 1)
        value |= MAPPED * (code in decomposed or code in lower or code in classes or code == 0x130
                           or HANGUL_FIRST <= code <= HANGUL_LAST)
        value |= LETTER * (pieces(byte_level, f"a{c}") == 1)
        value |= NUMBER * (pieces(byte_level, f"1{c}") == 1)
        other = pieces(byte_level, f"!{c}") == 1
        assert bool(value & WHITESPACE) + bool(value & LETTER) + bool(value & NUMBER) + other == 1, hex(code)
        assert not value & WHITESPACE or pieces(byte_level, f"a{c}{c}a") == 3 + (c != " "), hex(code)
        flags[code] = value | graphemes.get(code, 0) << GRAPHEME
    return flags


def lower_ranges(lower):
    """(first, last, stride, difference) with stride 1 or 2."""
    ranges = []
    for code, to in sorted(lower.items()):
        if ranges and ranges[-1][3] == to - code:
            first, last, stride, difference = ranges[-1]
            step = code - last
            if step in (1, 2) and (first == last or step == stride):
                ranges[-1] = (first, code, step, difference)
                continue
        ranges.append((code, code, 1, to - code))
    return ranges


def class_ranges(classes):
    ranges = []
    for code, value in sorted(classes.items()):
        if ranges and ranges[-1][1] == code - 1 and ranges[-1][2] == value:
            ranges[-1] = (ranges[-1][0], code, value)
        else:
            ranges.append((code, code, value))
    return ranges


def compress(values):
    """The distinct blocks of `values`, and which of them stands where."""
    blocks, index = {}, []
    for start in range(0, len(values), BLOCK):
        index.append(blocks.setdefault(tuple(values[start:start + BLOCK]), len(blocks)))
    return list(blocks), index


def array(kind, name, values, per_line=20):
    lines = [",".join(values[i:i + per_line]) for i in range(0, len(values), per_line)]
    return f"constexpr {kind} {name}[] = {{\n" + ",\n".join(lines) + "};\n"


def main():
    if tokenizers.__version__ != PINNED:
        sys.exit(f"tokenizers {tokenizers.__version__} is installed; these tables are pinned to {PINNED}")
    decomposed, lower = decompositions(), lowercases()
    classes = combining_classes()
    flags = properties(decomposed, lower, classes, grapheme_classes())

    blocks, index = compress(flags)
    index_blocks, top = compress(index)

    keys, offsets, pool = [], [], []
    for code, result in sorted(decomposed.items()):
        keys.append(code)
        offsets.append(len(pool))
        pool += result
    offsets.append(len(pool))
    assert len(pool) < 65536

    text = f"""// SPDX-License-Identifier: Apache-2.0
// Made by tools/generate_unicode.py from tokenizers {PINNED}. Do not edit.
// clang-format off

"""
    text += array("std::uint8_t", "index_of", [str(i) for i in top], 40)
    text += array("std::uint16_t", "block_of", [str(i) for block in index_blocks for i in block], 40)
    text += array("std::uint16_t", "properties_of", [str(v) for block in blocks for v in block], 40)
    text += array("std::uint32_t", "decomposition_keys", [hex(k) for k in keys])
    text += array("std::uint16_t", "decomposition_offsets", [str(o) for o in offsets])
    text += array("std::uint32_t", "decomposition_pool", [hex(p) for p in pool])
    text += array("composition", "compositions", ["{%#x,%#x,%#x}" % p for p in compositions(decomposed)], 8)
    text += array("lower_range", "lower_ranges", ["{%#x,%#x,%d,%d}" % r for r in lower_ranges(lower)], 6)
    text += array("class_range", "class_ranges", ["{%#x,%#x,%d}" % r for r in class_ranges(classes)], 8)
    text += "// clang-format on\n"
    OUTPUT.write_text(text)
    print(f"{OUTPUT}: {len(text)} bytes; {len(blocks)} blocks, {len(keys)} decompositions, "
          f"{len(lower_ranges(lower))} lower-case ranges, {len(class_ranges(classes))} class ranges; "
          f"{len(index_blocks)} index blocks")


if __name__ == "__main__":
    main()
