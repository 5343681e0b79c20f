# SPDX-License-Identifier: Apache-2.0
"""An uncased WordPiece tokenizer, as BERT has it, trained on the texts, the lexicon and a list of common words."""

import json
import string
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

import words

SIZE: Final = 8192
MAX_TOKENS: Final = 128
SPECIAL: Final = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
MARKS: Final = "–—‘’“”…€£°×•"
# How often the lexicon's words are shown to the trainer, so that most become single tokens.
LEXICON_WEIGHT: Final = 40


def _bert(model: models.WordPiece) -> Tokenizer:
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece(prefix="##")
    return tokenizer


def _examples(texts: Iterable[str], lexicon: Iterable[str], common: Iterable[str]) -> Iterator[str]:
    yield from texts
    for word in lexicon:
        yield " ".join([word] * LEXICON_WEIGHT)
    yield from common


def train_vocabulary(texts: list[str], lexicon: list[str], common: list[str]) -> list[str]:
    """The tokens in the order of their ids; every emoji is there alone and as the end of a word.

    The trainer breaks ties at random: two runs on the same texts share all but about ten tokens, under other ids.
    """
    symbols = [*string.ascii_lowercase, *string.digits]
    fixed = [f"##{symbol}" for symbol in [*symbols, *words.EMOJIS]]
    alphabet = [*symbols, *string.punctuation, *MARKS, *words.EMOJIS]
    tokenizer = _bert(models.WordPiece(unk_token="[UNK]"))
    trainer = trainers.WordPieceTrainer(
        vocab_size=SIZE, special_tokens=SPECIAL, initial_alphabet=alphabet, limit_alphabet=len(alphabet),
        show_progress=False,
    )  # fmt: skip
    tokenizer.train_from_iterator(_examples(texts, lexicon, common), trainer)
    learned = sorted(tokenizer.get_vocab().items(), key=lambda entry: entry[1])
    tokens = [token for token, _ in learned]
    known = set(tokens)
    extra = [token for token in dict.fromkeys(fixed) if token not in known]
    return tokens[: SIZE - len(extra)] + extra


def fast_tokenizer(tokens: list[str]) -> Tokenizer:
    ids = {token: index for index, token in enumerate(tokens)}
    tokenizer = _bert(models.WordPiece(ids, unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.add_special_tokens(SPECIAL)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS]:0 $A:0 [SEP]:0", pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
        special_tokens=[("[CLS]", ids["[CLS]"]), ("[SEP]", ids["[SEP]"])],
    )  # fmt: skip
    tokenizer.enable_truncation(MAX_TOKENS)
    return tokenizer


def save_tokenizer(tokens: list[str], folder: Path) -> None:
    """The four files that a Hugging Face BERT folder holds."""
    (folder / "vocab.txt").write_text("".join(f"{token}\n" for token in tokens), encoding="utf-8")
    fast_tokenizer(tokens).save(str(folder / "tokenizer.json"))
    roles = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"), SPECIAL, strict=True))
    settings = {
        **roles, "do_lower_case": True, "model_max_length": MAX_TOKENS, "strip_accents": None,
        "tokenize_chinese_chars": True, "tokenizer_class": "BertTokenizer",
    }  # fmt: skip
    for name, content in (("special_tokens_map.json", roles), ("tokenizer_config.json", settings)):
        (folder / name).write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")
