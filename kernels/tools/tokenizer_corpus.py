# SPDX-License-Identifier: Apache-2.0
"""The vocabulary, the texts and the hash of the tokenizer goldens. tests/tokenizer_corpus.hpp is the same in C++:
change both or neither."""

import struct

MASK64 = (1 << 64) - 1
SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
VOCABULARY_RANGES = [(0x21, 0x7E), (0xA1, 0x24F), (0x300, 0x36F), (0x370, 0x52F), (0x591, 0x5F4), (0x600, 0x6FF),
                     (0x900, 0x97F), (0x1100, 0x11FF), (0x2010, 0x206F), (0x3041, 0x30FF), (0x4E00, 0x4EFF),
                     (0xF900, 0xF9FF), (0x1D15E, 0x1D1AD)]
POOLS = [(0x20, 0x7E), (0x20, 0x7E), (0x61, 0x7A), (0x61, 0x7A), (0x41, 0x5A), (0xC0, 0x24F), (0x300, 0x36F),
         (0x370, 0x52F), (0x591, 0x6FF), (0x900, 0xDFF), (0xF00, 0xFFF), (0x1100, 0x11FF), (0x1DC0, 0x1FFF),
         (0x2000, 0x206F), (0x2E80, 0x312F), (0x4DB0, 0x4E20), (0xAC00, 0xD7A3), (0xF900, 0xFB4F), (0xFE00, 0xFFFF),
         (0x0, 0x20), (0x7F, 0xA0), (0x1D15E, 0x1D1AD), (0x2A6D0, 0x2A710), (0x2F800, 0x2FA1F), (0x0, 0xFFFF),
         (0x10000, 0x10FFFF)]
SNIPPETS = ["[CLS]", "[SEP]", "[MASK]", "[UNK]", "[PAD]", "<x>", "foo", "foobar", "bar", "\u00c4 \u00f6", " ", "  ",
            "\u3000", "the ", "##ing", "[CLS", "a" * 101]
BYTE_LEVEL_SNIPPETS = ["<s>", "</s>", " <mask> ", "<pad>", "<x>", " y ", "'s", "'re", "'ll", "'LL", "'d", "'", " ", "  ", "\n\n",
                       "\t ", "\u3000 ", "\u00a0", "\u0085 ", " 12", "the ", " and", "..."]
UNIGRAM_SNIPPETS = ["<s>", "</s>", " <mask> ", "<unk>", "<pad>", "<x>", "Y ", "\u2581", "\u2581\u2581", " ", "  ", "   ",
                    "\r\n", "\t", "\u3000 ", "\u200b", "a\u0301", "e\u0301\u0327", "\ufb01\u0301", "\u00a9\u200d\u00a9",
                    "\u0958\u0301", "\u0915\u094d\u0937\u0301", "\u0600\ufb01", "\U0001f1e6\U0001f1e7\U0001f1e8",
                    "\u1100\u1161\u11a8", "\u2122", "\u00bd", "``", "<0x41>", "the ", " of", " License"]
STRINGS = 100_000
STRINGS_PER_HASH = 1_000
CODE_POINTS_PER_HASH = 16_384


def vocabulary():
    tokens = list(SPECIALS)
    for first, last in VOCABULARY_RANGES:
        for code in range(first, last + 1):
            tokens += [chr(code), "##" + chr(code)]
    letters = "abcdefghijklmnopqrstuvwxyz"
    for a in letters:
        for b in letters:
            tokens += [a + b, "##" + a + b]
    for a in letters:
        tokens += ["th" + a, "##in" + a]
    return list(dict.fromkeys(tokens))


class SplitMix64:
    """Steele et al., 2014."""

    def __init__(self, seed):
        self.state = seed

    def __call__(self, bound):
        self.state = (self.state + 0x9E3779B97F4A7C15) & MASK64
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK64
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK64
        return (z ^ (z >> 31)) % bound


def random_string(index, snippets=SNIPPETS):
    random = SplitMix64(index)
    text = []
    for _ in range(1 + random(12)):
        if random(8) == 0:
            text.append(snippets[random(len(snippets))])
            continue
        first, last = POOLS[random(len(POOLS))]
        for _ in range(1 + random(6)):
            code = first + random(last - first + 1)
            if not 0xD800 <= code <= 0xDFFF:
                text.append(chr(code))
    return "".join(text)


def code_point_texts(code):
    c = chr(code)
    return [f"a{c}b {c}", f"{c}\u0301\u0327x"]


def byte_level_code_point_texts(code):
    c = chr(code)
    return [f"a{c}b {c}", f" {c}{c} 1{c}"]


def unigram_code_point_texts(code):
    c = chr(code)
    return [f"a{c}b {c}{c}", f"\u0600{c}\u0301x"]


def one_letter_map(letter, to):
    """SentencePiece's precompiled map, a double array of darts-clone, of one ASCII letter and its replacement."""
    at = 256 ^ letter
    units = [0] * 512
    units[0] = 256 << 10                           # the root: its children stand at 256 ^ byte
    units[at] = letter | 1 << 8 | (at ^ 1) << 10  # the letter: its value stands at 1
    units[1] = 1 << 31                             # where the replacement begins
    blob = b"".join(struct.pack("<I", unit) for unit in units)
    return struct.pack("<I", len(blob)) + blob + to.encode() + b"\0"


class Hash:
    """FNV-1a, 64 bits."""

    def __init__(self):
        self.value = 0xCBF29CE484222325

    def add_bytes(self, data):
        value = self.value
        for byte in data:
            value = ((value ^ byte) * 0x100000001B3) & MASK64
        self.value = value

    def add_words(self, words):
        self.add_bytes(b"".join(word.encode() + b"\xff" for word in words) + b"\xfe")

    def add_ids(self, ids):
        self.add_bytes(b"".join(i.to_bytes(4, "little") for i in ids) + b"\xff\xff\xff\xff")

    def __str__(self):
        return f"{self.value:016x}"
