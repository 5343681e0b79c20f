# SPDX-License-Identifier: Apache-2.0
"""The teacher: VADER, with the review words of lexicon_extra.tsv, and the soft label that the student learns."""

import math
from functools import cache
from pathlib import Path
from typing import Final

from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

HERE: Final = Path(__file__).parent
# VADER's normalisation: compound = sum / sqrt(sum^2 + 15).
NORMALISER: Final = 15.0
# p(POSITIVE) = sigmoid(SHARPNESS * compound): "good" (0.44) gets 0.90, a neutral text 0.50.
SHARPNESS: Final = 5.0


def read_rows(name: str) -> list[list[str]]:
    """The tab-separated rows of a file of this folder, without comments."""
    lines = (HERE / name).read_text(encoding="utf-8").splitlines()
    return [line.split("\t") for line in lines if line and not line.startswith("# ")]


def compound_of(total: float) -> float:
    return total / math.sqrt(total * total + NORMALISER)


def sum_of(compound: float) -> float:
    """The inverse of compound_of, bounded where the compound is rounded to one."""
    bounded = max(-0.99, min(0.99, compound))
    return bounded * math.sqrt(NORMALISER / (1.0 - bounded * bounded))


def positive_probability(compound: float) -> float:
    return 1.0 / (1.0 + math.exp(-SHARPNESS * compound))


class Teacher:
    """Scores lowercase text, as the student's tokenizer is uncased: VADER's rule on capitals is left out."""

    def __init__(self) -> None:
        self._vader = SentimentIntensityAnalyzer()
        self.lexicon: dict[str, float] = self._vader.lexicon
        self.lexicon.update({word: float(valence) for word, valence in read_rows("lexicon_extra.tsv")})
        self.valence = cache(self._valence)

    def compound(self, text: str) -> float:
        return float(self._vader.polarity_scores(text.lower())["compound"])

    def total(self, text: str) -> float:
        return sum_of(self.compound(text))

    def _valence(self, phrase: str) -> float:
        """The valence of a word or a short phrase outside any sentence."""
        known = self.lexicon.get(phrase)
        return self.total(phrase) if known is None else known
