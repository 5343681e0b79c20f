# SPDX-License-Identifier: Apache-2.0
"""Texts and word lists: what the tokenizer and the student are trained on, and what is held out."""

import random
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from grammar import Grammar, Sample, Split
from teacher import Teacher, read_rows

# Debian's wamerican-small 2020.12.07-2.
WORD_LIST: Final = Path("/usr/share/dict/american-english-small")
TRAIN_SEED: Final = 20
HELD_OUT_SEED: Final = 21
HELD_OUT_SIZE: Final = 5000
# A text this close to zero has no label to be right about (VADER's own threshold).
NEUTRAL_BELOW: Final = 0.05


@dataclass(frozen=True)
class Case:
    text: str
    label: str
    kind: str


def plain_words(path: Path) -> list[str]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return [word for word in lines if re.fullmatch(r"[a-z]{3,12}", word)]


def checklist() -> list[Case]:
    return [Case(text, label, kind) for label, kind, text in read_rows("checklist.tsv")]


def negation() -> list[Case]:
    return [Case(text, label, "negation") for label, text in read_rows("negation.tsv")]


def grammar_with(seed: int, word_list: Path) -> Grammar:
    teacher = Teacher()
    neutral = [word for word in plain_words(word_list) if word not in teacher.lexicon]
    return Grammar(teacher, neutral, random.Random(seed))


def normalised(text: str) -> str:
    return re.sub(r"[^a-z]+", " ", text.lower()).strip()


def training_samples(count: int, word_list: Path) -> list[Sample]:
    """Distinct samples; none says what a sentence of the check list says."""
    grammar = grammar_with(TRAIN_SEED, word_list)
    refused = {normalised(case.text) for case in checklist()}
    samples: dict[str, Sample] = {}
    while len(samples) < count:
        sample = grammar.sample()
        if normalised(sample.text) not in refused:
            samples.setdefault(sample.text, sample)
    return list(samples.values())


def held_out_samples(split: Split, word_list: Path) -> list[Sample]:
    """Samples of a held-out split that have a polarity."""
    grammar = grammar_with(HELD_OUT_SEED, word_list)
    samples: list[Sample] = []
    while len(samples) < HELD_OUT_SIZE:
        sample = grammar.sample(split)
        if abs(sample.compound) >= NEUTRAL_BELOW:
            samples.append(sample)
    return samples
