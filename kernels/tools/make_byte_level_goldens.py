#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/goldens/byte-level/: a small byte-level BPE vocabulary, trained on LICENSE and on random strings, as
vocab.json and merges.txt; and what Hugging Face tokenizers 0.23.3 makes with it of every Unicode code point and of
100,000 random strings, as hashes of blocks.

Run: python3 make_byte_level_goldens.py (some minutes), or with the name of a configuration for that one alone, of the vocabulary that is there.
To see one block in full: python3 make_byte_level_goldens.py CONFIGURATION strings|code_points BLOCK
"""

import json
import pathlib
import sys

import tokenizers
from tokenizers import AddedToken, Tokenizer, normalizers, pre_tokenizers, processors, trainers
from tokenizers.models import BPE

import tokenizer_corpus as corpus

PINNED = "0.23.3"
ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDER = ROOT / "kernels" / "tests" / "goldens" / "byte-level"
SPECIALS = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]


def alphabet():
    """GPT-2's bytes_to_unicode, the other way round."""
    own = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in own]
    return {chr(byte): byte for byte in own} | {chr(0x100 + i): byte for i, byte in enumerate(others)}


ALPHABET = alphabet()


def train():
    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    texts = (ROOT / "LICENSE").read_text().splitlines() * 4
    texts += [corpus.random_string(i, corpus.BYTE_LEVEL_SNIPPETS) for i in range(4_000)]
    tokenizer.train_from_iterator(texts, trainers.BpeTrainer(
        vocab_size=1_800, special_tokens=SPECIALS, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    FOLDER.mkdir(parents=True, exist_ok=True)
    tokenizer.model.save(str(FOLDER))


def roberta():
    tokenizer = Tokenizer(BPE.from_file(str(FOLDER / "vocab.json"), str(FOLDER / "merges.txt")))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    tokenizer.add_special_tokens([AddedToken(token, normalized=True) for token in SPECIALS[:4]])
    tokenizer.add_special_tokens([AddedToken("<mask>", lstrip=True, normalized=False)])
    return tokenizer


def prefix_space():
    tokenizer = roberta()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.post_processor = processors.Sequence([
        processors.ByteLevel(trim_offsets=False),
        processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])])
    tokenizer.add_tokens([AddedToken("<x>", single_word=True, normalized=False), AddedToken("y", lstrip=True, rstrip=True)])
    return tokenizer


def modernbert():
    """As ModernBERT's: NFC, special tokens behind the vocabulary, tokens of several spaces that are found in normalized text."""
    tokenizer = Tokenizer(BPE.from_file(str(FOLDER / "vocab.json"), str(FOLDER / "merges.txt")))
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.add_tokens([AddedToken("|||E|||", normalized=True), *(AddedToken(" " * count, normalized=True) for count in range(6, 1, -1))])
    tokenizer.add_special_tokens([AddedToken(token, normalized=False) for token in ("[UNK]", "[CLS]", "[SEP]", "[PAD]")])
    tokenizer.add_special_tokens([AddedToken("[MASK]", lstrip=True, normalized=False)])
    begin, end = (tokenizer.token_to_id(token) for token in ("[CLS]", "[SEP]"))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B [SEP]", special_tokens=[("[CLS]", begin), ("[SEP]", end)])
    return tokenizer


CONFIGURATIONS = {"roberta": roberta, "prefix_space": prefix_space, "modernbert": modernbert}


def words(tokenizer, text):
    if tokenizer.normalizer is not None:
        text = tokenizer.normalizer.normalize_str(text)
    return [bytes(ALPHABET[c] for c in word) for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(text)]


def code_points(block):
    first = block * corpus.CODE_POINTS_PER_HASH
    return [c for c in range(first, first + corpus.CODE_POINTS_PER_HASH) if not 0xD800 <= c <= 0xDFFF]


def texts_of(kind, block):
    if kind == "code_points":
        return [text for code in code_points(block) for text in corpus.byte_level_code_point_texts(code)]
    first = block * corpus.STRINGS_PER_HASH
    return [corpus.random_string(i, corpus.BYTE_LEVEL_SNIPPETS) for i in range(first, first + corpus.STRINGS_PER_HASH)]


def hash_block(tokenizer, kind, block):
    texts = texts_of(kind, block)
    result = corpus.Hash()
    for encoding in tokenizer.encode_batch_fast(texts):
        result.add_ids(encoding.ids)
    return str(result)


def without_vocabulary(tokenizer):
    value = json.loads(tokenizer.to_str())
    del value["model"]["vocab"], value["model"]["merges"]
    return value


def show_block(name, kind, block):
    tokenizer = CONFIGURATIONS[name]()
    for text in texts_of(kind, block):
        print(ascii(text), words(tokenizer, text), tokenizer.encode(text).ids)


def main():
    if tokenizers.__version__ != PINNED:
        sys.exit(f"tokenizers {tokenizers.__version__} is installed; the goldens are pinned to {PINNED}")
    if len(sys.argv) == 4:
        return show_block(sys.argv[1], sys.argv[2], int(sys.argv[3]))
    output = FOLDER / "golden.json"
    wanted = sys.argv[1:] or list(CONFIGURATIONS)
    if not sys.argv[1:]:
        train()
    old = {each["name"]: each for each in json.loads(output.read_text())["configurations"]}
    golden = {"tokenizers": PINNED, "configurations": []}
    for name, make in CONFIGURATIONS.items():
        if name not in wanted:
            golden["configurations"].append(old[name])
            continue
        tokenizer = make()
        golden["configurations"].append({
            "name": name, "tokenizer": without_vocabulary(tokenizer),
            "code_points": [hash_block(tokenizer, "code_points", b) for b in range(0x110000 // corpus.CODE_POINTS_PER_HASH)],
            "strings": [hash_block(tokenizer, "strings", b) for b in range(corpus.STRINGS // corpus.STRINGS_PER_HASH)]})
        print(name, flush=True)
    output.write_text(json.dumps(golden, separators=(",", ":"), ensure_ascii=True).replace('],"', '],\n"') + "\n")
    print(FOLDER, sum(f.stat().st_size for f in FOLDER.iterdir()), "bytes;", tokenizer.get_vocab_size(), "tokens")


if __name__ == "__main__":
    main()
