#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/goldens/unigram/: a small SentencePiece model, trained on LICENSE and on random strings, as
sentencepiece.bpe.model with the map nmt_nfkc; and what Hugging Face tokenizers 0.23.3 makes with it of every Unicode
code point (of the first plane alone where it is not XLM-R's tokenizer) and of 100,000 random strings, as hashes of
blocks.

Run: python3 make_unigram_goldens.py (some minutes), with transformers 5.24, sentencepiece and protobuf.
To make the last configuration anew, with the model that is there: python3 make_unigram_goldens.py CONFIGURATION
To see one block in full: python3 make_unigram_goldens.py CONFIGURATION strings|code_points BLOCK
"""

import io
import json
import pathlib
import sys
import tempfile

import sentencepiece
import tokenizers
from sentencepiece import sentencepiece_model_pb2
from tokenizers import AddedToken, Regex, Tokenizer, normalizers, pre_tokenizers, processors
from tokenizers.models import Unigram

import tokenizer_corpus as corpus

PINNED = "0.23.3"
ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDER = ROOT / "kernels" / "tests" / "goldens" / "unigram"
MODEL = FOLDER / "sentencepiece.bpe.model"
KNOWN = [(0x20, 0x7E), (0xA1, 0x24F), (0x300, 0x36F), (0x391, 0x44F), (0x3041, 0x30FF), (0x1100, 0x1175)]  # letters that have pieces


def train():
    texts = (ROOT / "LICENSE").read_text().splitlines() * 4
    for i in range(8_000):
        text = corpus.random_string(i, corpus.UNIGRAM_SNIPPETS)
        texts.append("".join(c for c in text if any(first <= ord(c) <= last for first, last in KNOWN)))
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts), model_writer=model, vocab_size=1_700, character_coverage=0.98, num_threads=1,
        normalization_rule_name="nmt_nfkc", minloglevel=2)
    FOLDER.mkdir(parents=True, exist_ok=True)
    MODEL.write_bytes(model.getvalue())


def proto():
    model = sentencepiece_model_pb2.ModelProto()
    model.ParseFromString(MODEL.read_bytes())
    return model


def xlm_roberta():
    import transformers
    with tempfile.TemporaryDirectory() as folder:
        (pathlib.Path(folder) / MODEL.name).write_bytes(MODEL.read_bytes())
        (pathlib.Path(folder) / "tokenizer_config.json").write_text('{"tokenizer_class": "XLMRobertaTokenizer"}')
        return transformers.AutoTokenizer.from_pretrained(folder)._tokenizer


def camembert():
    import transformers
    with tempfile.TemporaryDirectory() as folder:
        (pathlib.Path(folder) / MODEL.name).write_bytes(MODEL.read_bytes())
        (pathlib.Path(folder) / "tokenizer_config.json").write_text('{"tokenizer_class": "CamembertTokenizer"}')
        return transformers.AutoTokenizer.from_pretrained(folder)._tokenizer


def as_written():
    model = proto()
    tokenizer = Tokenizer(Unigram([(piece.piece, piece.score) for piece in model.pieces], 0, False))
    tokenizer.normalizer = normalizers.Sequence([
        normalizers.Precompiled(model.normalizer_spec.precompiled_charsmap), normalizers.Strip(left=False, right=True),
        normalizers.Replace(Regex(" {2,}"), "\u2581")])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 1), ("</s>", 2)])
    tokenizer.add_special_tokens([AddedToken(token, normalized=False) for token in ["<unk>", "<s>", "</s>"]])
    tokenizer.add_special_tokens([AddedToken("<mask>", lstrip=True, normalized=False)])
    tokenizer.add_tokens([AddedToken("<x>", single_word=True, normalized=False), AddedToken("Y ", normalized=True)])
    return tokenizer


def byte_fallback():
    pieces = [(piece.piece, piece.score) for piece in proto().pieces]
    tokenizer = Tokenizer(Unigram(pieces + [(f"<0x{byte:02X}>", 0.0) for byte in range(256)], 0, True))
    tokenizer.normalizer = normalizers.Sequence([
        normalizers.Lowercase(), normalizers.Replace("``", '"'), normalizers.Strip(left=True, right=False)])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    tokenizer.add_special_tokens([AddedToken("<s>", normalized=False)])
    tokenizer.add_tokens([AddedToken("<x>", rstrip=True, normalized=True)])
    return tokenizer


CONFIGURATIONS = {"xlm_roberta": xlm_roberta, "as_written": as_written, "byte_fallback": byte_fallback,
                  "camembert": camembert}


def code_points(block):
    first = block * corpus.CODE_POINTS_PER_HASH
    return [c for c in range(first, first + corpus.CODE_POINTS_PER_HASH) if not 0xD800 <= c <= 0xDFFF]


def texts_of(kind, block):
    if kind == "code_points":
        return [text for code in code_points(block) for text in corpus.unigram_code_point_texts(code)]
    first = block * corpus.STRINGS_PER_HASH
    return [corpus.random_string(i, corpus.UNIGRAM_SNIPPETS) for i in range(first, first + corpus.STRINGS_PER_HASH)]


def hash_block(tokenizer, kind, block):
    result = corpus.Hash()
    for encoding in tokenizer.encode_batch_fast(texts_of(kind, block)):
        result.add_ids(encoding.ids)
    return str(result)


def without_vocabulary(tokenizer):
    """tokenizer.json without what is in the model: its pieces and its map."""
    value = json.loads(tokenizer.to_str())
    del value["model"]["vocab"]
    normalizer = value["normalizer"]
    for step in normalizer.get("normalizers", [normalizer]):
        step.pop("precompiled_charsmap", None)
    return value


def main():
    if tokenizers.__version__ != PINNED:
        sys.exit(f"tokenizers {tokenizers.__version__} is installed; the goldens are pinned to {PINNED}")
    if len(sys.argv) == 4:
        tokenizer = CONFIGURATIONS[sys.argv[1]]()
        for text in texts_of(sys.argv[2], int(sys.argv[3])):
            print(ascii(text), tokenizer.encode(text).ids)
        return
    output = FOLDER / "golden.json"
    if len(sys.argv) == 2:
        golden = json.loads(output.read_text())
        golden["configurations"] = [each for each in golden["configurations"] if each["name"] != sys.argv[1]]
        names = [sys.argv[1]]
    else:
        train()
        golden = {"tokenizers": PINNED, "configurations": []}
        names = list(CONFIGURATIONS)
    for name in names:
        tokenizer = CONFIGURATIONS[name]()
        last = 0x110000 if name == "xlm_roberta" else 0x10000
        golden["configurations"].append({
            "name": name, "tokenizer": without_vocabulary(tokenizer),
            "code_points": [hash_block(tokenizer, "code_points", b) for b in range(last // corpus.CODE_POINTS_PER_HASH)],
            "strings": [hash_block(tokenizer, "strings", b) for b in range(corpus.STRINGS // corpus.STRINGS_PER_HASH)]})
        print(name, flush=True)
    output.write_text(json.dumps(golden, separators=(",", ":"), ensure_ascii=True).replace('],"', '],\n"') + "\n")
    print(FOLDER, sum(f.stat().st_size for f in FOLDER.iterdir()), "bytes;", tokenizer.get_vocab_size(), "tokens")


if __name__ == "__main__":
    main()
