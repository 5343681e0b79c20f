#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/goldens/tokenizers.json: what Hugging Face tokenizers 0.23.3 makes of every Unicode code point and of
100,000 random strings, as hashes of blocks, and of some batches in full.

Run: python3 make_tokenizer_goldens.py (some minutes).
To see one block in full: python3 make_tokenizer_goldens.py CONFIGURATION strings|code_points BLOCK
"""

import json
import pathlib
import sys

import tokenizers
from tokenizers import AddedToken, Tokenizer, normalizers, pre_tokenizers, processors
from tokenizers.models import WordPiece

import tokenizer_corpus as corpus

PINNED = "0.23.3"
OUTPUT = pathlib.Path(__file__).resolve().parent.parent / "tests" / "goldens" / "tokenizers.json"


def bert(**options):
    return normalizers.BertNormalizer(**options), pre_tokenizers.BertPreTokenizer()


CONFIGURATIONS = {
    "uncased": bert(),
    "cased": bert(lowercase=False),
    "uncased_with_accents": bert(strip_accents=False),
    "cased_without_accents": bert(lowercase=False, strip_accents=True),
    "neither_clean_nor_chinese": bert(clean_text=False, handle_chinese_chars=False),
    "sequence": (normalizers.Sequence([normalizers.NFD(), normalizers.Lowercase(), normalizers.StripAccents()]),
                 pre_tokenizers.Whitespace()),
    "not_normalized": (None, pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation()])),
}
BATCH = ["", "a", "the thing", "[MASK] abc def ghi jkl mno", "\u00c4 \u00f6 FOO  bar x<x> <x>", "abc " * 40]


def make_tokenizer(normalizer, pre_tokenizer):
    vocabulary = {token: i for i, token in enumerate(corpus.vocabulary())}
    tokenizer = Tokenizer(WordPiece(vocabulary, unk_token="[UNK]"))
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]:1", special_tokens=[("[CLS]", vocabulary["[CLS]"]), ("[SEP]", vocabulary["[SEP]"])])
    tokenizer.add_special_tokens(corpus.SPECIALS)
    tokenizer.add_tokens([AddedToken("<x>", single_word=True, normalized=False), AddedToken("foo", lstrip=True),
                          AddedToken("bar", rstrip=True), AddedToken("foobar"), AddedToken("\u00c4 \u00f6")])
    return tokenizer


def words(tokenizer, text):
    if tokenizer.normalizer is not None:
        text = tokenizer.normalizer.normalize_str(text)
    return [word for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(text)]


def code_points(block):
    first = block * corpus.CODE_POINTS_PER_HASH
    return [c for c in range(first, first + corpus.CODE_POINTS_PER_HASH) if not 0xD800 <= c <= 0xDFFF]


def texts_of(kind, block):
    if kind == "code_points":
        return [text for code in code_points(block) for text in corpus.code_point_texts(code)]
    first = block * corpus.STRINGS_PER_HASH
    return [corpus.random_string(i) for i in range(first, first + corpus.STRINGS_PER_HASH)]


def hash_block(tokenizer, kind, block):
    texts = texts_of(kind, block)
    result = corpus.Hash()
    for text, encoding in zip(texts, tokenizer.encode_batch_fast(texts)):
        if kind == "code_points":
            result.add_words(words(tokenizer, text))
        result.add_ids(encoding.ids)
    return str(result)


def without_vocabulary(tokenizer):
    value = json.loads(tokenizer.to_str())
    del value["model"]["vocab"]
    return value


def batches(tokenizer):
    found = []
    for truncation, padding in [(dict(max_length=8), dict(pad_id=0, pad_token="[PAD]")),
                                (dict(max_length=5, direction="left"), dict(direction="left", pad_to_multiple_of=4, pad_id=4)),
                                (dict(max_length=12), dict(length=16, pad_id=0, pad_type_id=1))]:
        tokenizer.enable_truncation(**truncation)
        tokenizer.enable_padding(**padding)
        encodings = tokenizer.encode_batch(BATCH)
        found.append({"tokenizer": without_vocabulary(tokenizer), "ids": [e.ids for e in encodings],
                      "type_ids": [e.type_ids for e in encodings], "attention": [e.attention_mask for e in encodings]})
    return found


def show_block(name, kind, block):
    tokenizer = make_tokenizer(*CONFIGURATIONS[name])
    for text in texts_of(kind, block):
        print(ascii(text), [ascii(w) for w in words(tokenizer, text)], tokenizer.encode(text).ids)


def main():
    if tokenizers.__version__ != PINNED:
        sys.exit(f"tokenizers {tokenizers.__version__} is installed; the goldens are pinned to {PINNED}")
    if len(sys.argv) == 4:
        return show_block(sys.argv[1], sys.argv[2], int(sys.argv[3]))
    golden = {"tokenizers": PINNED, "texts": BATCH, "configurations": [], "batches": []}
    for name, parts in CONFIGURATIONS.items():
        tokenizer = make_tokenizer(*parts)
        golden["configurations"].append({
            "name": name, "tokenizer": without_vocabulary(tokenizer),
            "code_points": [hash_block(tokenizer, "code_points", b) for b in range(0x110000 // corpus.CODE_POINTS_PER_HASH)],
            "strings": [hash_block(tokenizer, "strings", b) for b in range(corpus.STRINGS // corpus.STRINGS_PER_HASH)]})
        print(name, flush=True)
        if name == "uncased":
            golden["batches"] = batches(tokenizer)
    OUTPUT.parent.mkdir(exist_ok=True)
    OUTPUT.write_text(json.dumps(golden, separators=(",", ":"), ensure_ascii=True).replace('],"', '],\n"') + "\n")
    print(OUTPUT, OUTPUT.stat().st_size, "bytes;", len(corpus.vocabulary()), "tokens")


if __name__ == "__main__":
    main()
