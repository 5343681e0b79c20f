#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A Unigram vocabulary as large as XLM-R's, trained on the words of 42 languages that wordfreq (PyPI) ships with their
frequencies: nothing is downloaded. And texts of such words.

Run: python3 large_vocabulary.py FOLDER (some minutes, 2 GB), with sentencepiece and wordfreq.
"""

import collections
import itertools
import json
import pathlib
import random
import sys

PIECES = 250_000
WORDS = 30_000  # of each language
LANGUAGES = ["en", "de", "fr", "es", "ru", "tr", "vi", "zh", "ja", "ar", "hi", "ko"]  # of the texts
WITHOUT_SPACES = {"zh", "ja"}
MODEL = "sentencepiece.bpe.model"


def words_of(language):
    """[(word, frequency)], the most frequent first."""
    import wordfreq
    return sorted(wordfreq.get_frequency_dict(language).items(), key=lambda entry: (-entry[1], entry[0]))[:WORDS]


def count_words():
    """In small letters, and a fifth as often with a large one first."""
    import wordfreq
    counts = collections.Counter()
    for language in sorted(wordfreq.available_languages("best")):
        for word, frequency in words_of(language):
            count = max(1, round(frequency * 1e5))
            counts[word] += count
            if word.capitalize() != word:
                counts[word.capitalize()] += max(1, count // 5)
    return counts


def train(folder):
    """XLM-R's tokenizer as transformers saves a slow one; what is there already stays."""
    import sentencepiece
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / MODEL).exists():
        words = folder / "words.tsv"
        words.write_text("".join(f"{word}\t{count}\n" for word, count in count_words().items()))
        sentencepiece.SentencePieceTrainer.train(
            input=str(words), input_format="tsv", model_prefix=str(folder / "trained"), vocab_size=PIECES,
            model_type="unigram", character_coverage=0.9995, num_threads=1, normalization_rule_name="nmt_nfkc",
            minloglevel=1)
        words.unlink()
        (folder / "trained.vocab").unlink()
        (folder / "trained.model").rename(folder / MODEL)
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "XLMRobertaTokenizer"}) + "\n")
    return folder


def texts(lines_of_each=400):
    """Lines of words, each as often as it is in its language."""
    generator = random.Random(1)
    lines = []
    for language in LANGUAGES:
        words, frequencies = zip(*words_of(language), strict=True)
        cumulated = list(itertools.accumulate(frequencies))
        space = "" if language in WITHOUT_SPACES else " "
        for _ in range(lines_of_each):
            some = generator.choices(words, cum_weights=cumulated, k=generator.randint(4, 40))
            some[0] = some[0].capitalize()
            lines.append(space.join(some) + ("." if space else "。"))
    generator.shuffle(lines)
    return lines


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    print(train(sys.argv[1]))
