# SPDX-License-Identifier: Apache-2.0
"""Measures a model folder: held-out templates and combinations against the teacher, and the two hand-written lists."""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

from corpus import WORD_LIST, Case, checklist, held_out_samples, negation
from grammar import Sample
from teacher import Teacher

BATCH: Final = 250
# The first lines of negation.tsv; the model is not accepted without them.
MUST_BE_RIGHT: Final = 3


@dataclass(frozen=True)
class Classifier:
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase

    @classmethod
    def load(cls, folder: Path, dtype: torch.dtype = torch.float32) -> "Classifier":
        model = AutoModelForSequenceClassification.from_pretrained(folder, dtype=dtype).eval()
        return cls(model, AutoTokenizer.from_pretrained(folder))

    @torch.inference_mode()
    def logits(self, texts: list[str]) -> torch.Tensor:
        parts = [texts[start : start + BATCH] for start in range(0, len(texts), BATCH)]
        return torch.cat([self.model(**self.tokenizer(part, padding=True, truncation=True, return_tensors="pt")).logits for part in parts])

    def positive(self, texts: list[str]) -> list[float]:
        return self.logits(texts).softmax(dim=1)[:, 1].tolist()


def label_of(positive: float) -> str:
    return "POSITIVE" if positive >= 0.5 else "NEGATIVE"


def agreement(classifier: Classifier, samples: list[Sample]) -> float:
    scores = classifier.positive([sample.text for sample in samples])
    return sum((score >= 0.5) == (sample.compound > 0) for score, sample in zip(scores, samples, strict=True)) / len(samples)


def report_split(name: str, classifier: Classifier, samples: list[Sample]) -> None:
    print(f"{name}: {100 * agreement(classifier, samples):.1f} % of {len(samples)} have the sign of their label")
    for negated in (False, True):
        part = [sample for sample in samples if sample.negated == negated]
        print(f"  {'negated' if negated else 'plain'}: {100 * agreement(classifier, part):.1f} % of {len(part)}")


def wrong_cases(classifier: Classifier, cases: list[Case]) -> list[tuple[Case, float]]:
    scores = classifier.positive([case.text for case in cases])
    return [(case, score) for case, score in zip(cases, scores, strict=True) if label_of(score) != case.label]


def share_right(wrong: int, cases: list[Case]) -> str:
    return f"{len(cases) - wrong} of {len(cases)} ({100 * (1 - wrong / len(cases)):.1f} %)"


def vader_share(cases: list[Case]) -> str:
    """How plain VADER does; a text that it calls neutral counts as wrong."""
    vader = SentimentIntensityAnalyzer()
    signs = {"POSITIVE": 1.0, "NEGATIVE": -1.0}
    wrong = sum(signs[case.label] * vader.polarity_scores(case.text)["compound"] <= 0 for case in cases)
    return share_right(wrong, cases)


def teacher_share(cases: list[Case]) -> str:
    teacher = Teacher()
    signs = {"POSITIVE": 1.0, "NEGATIVE": -1.0}
    return share_right(sum(signs[case.label] * teacher.compound(case.text) <= 0 for case in cases), cases)


def report_list(name: str, classifier: Classifier, cases: list[Case]) -> None:
    wrong = wrong_cases(classifier, cases)
    print(f"{name}: {share_right(len(wrong), cases)}; VADER {vader_share(cases)}; VADER with our words {teacher_share(cases)}")
    for kind in sorted({case.kind for case in cases}):
        part = [case for case in cases if case.kind == kind]
        print(f"  {kind}: {share_right(sum(case.kind == kind for case, _ in wrong), part)}")
    for case, score in wrong:
        print(f"    should be {case.label}, p(POSITIVE) {score:.2f}: {case.text}")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--model", type=Path, required=True)
    arguments.add_argument("--words", type=Path, default=WORD_LIST)
    given = arguments.parse_args()
    torch.set_num_threads(1)
    classifier = Classifier.load(given.model)
    size = sum(path.stat().st_size for path in given.model.iterdir())
    print(f"parameters: {classifier.model.num_parameters()}; folder: {size / 1e6:.2f} MB; {json.dumps(classifier.model.config.id2label)}")
    report_split("held-out templates", classifier, held_out_samples("templates", given.words))
    report_split("held-out combinations", classifier, held_out_samples("combinations", given.words))
    report_list("check list", classifier, checklist())
    report_list("negation", classifier, negation())
    failed = wrong_cases(classifier, negation()[:MUST_BE_RIGHT])
    if failed:
        raise SystemExit(f"must be right: {[case.text for case, _ in failed]}")


if __name__ == "__main__":
    main()
