#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/goldens/places.json: where Hugging Face tokenizers 0.23.3 puts each token of random strings and of some blocks of
code points, as hashes of id, first byte, end and word.

Run: python3 make_place_goldens.py (a minute), or with the name of a configuration for that one alone.
To see one block in full: python3 make_place_goldens.py CONFIGURATION strings|code_points BLOCK
"""

import json
import sys

import tokenizers

import make_byte_level_goldens as byte_level
import make_tokenizer_goldens as wordpiece
import make_unigram_goldens as unigram
import tokenizer_corpus as corpus

STRINGS = [0, 33, 66]  # blocks
CODE_POINTS = {"uncased": [0, 3, 7, 11], "roberta": [0, 7], "modernbert": [0, 2, 11], "xlm_roberta": [0, 7], "as_written": [0],
               "byte_fallback": [0]}


def places(encoding, text):
    """Of the tokens of the text itself; offsets in bytes of UTF-8."""
    ends = [0]
    for c in text:
        ends.append(ends[-1] + len(c.encode()))
    return [(id, ends[begin], ends[end], word) for id, (begin, end), word, special in
            zip(encoding.ids, encoding.offsets, encoding.word_ids, encoding.special_tokens_mask) if not special]


def hash_block(module, tokenizer, kind, block):
    texts = module.texts_of(kind, block)
    result = corpus.Hash()
    for encoding, text in zip(tokenizer.encode_batch(texts), texts):
        result.add_ids([number for place in places(encoding, text) for number in place])
    return str(result)


def configurations():
    for name, parts in wordpiece.CONFIGURATIONS.items():
        yield name, wordpiece, wordpiece.make_tokenizer(*parts)
    for name, make in byte_level.CONFIGURATIONS.items():
        yield name, byte_level, make()
    for name, make in unigram.CONFIGURATIONS.items():
        yield name, unigram, make()


def main():
    if tokenizers.__version__ != wordpiece.PINNED:
        sys.exit(f"tokenizers {tokenizers.__version__} is installed; the goldens are pinned to {wordpiece.PINNED}")
    output = wordpiece.OUTPUT.parent / "places.json"
    golden = json.loads(output.read_text()) if len(sys.argv) == 2 else {}
    for name, module, tokenizer in configurations():
        if len(sys.argv) == 4 and sys.argv[1] == name:
            texts = module.texts_of(sys.argv[2], int(sys.argv[3]))
            for encoding, text in zip(tokenizer.encode_batch(texts), texts):
                print(ascii(text), places(encoding, text))
        if len(sys.argv) == 1 or sys.argv[1:] == [name]:
            golden[name] = {"strings": {b: hash_block(module, tokenizer, "strings", b) for b in STRINGS},
                            "code_points": {b: hash_block(module, tokenizer, "code_points", b) for b in CODE_POINTS.get(name, [])}}
            print(name, flush=True)
    if golden:
        output.write_text(json.dumps(golden, indent=1) + "\n")


if __name__ == "__main__":
    main()
