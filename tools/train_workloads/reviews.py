# SPDX-License-Identifier: Apache-2.0
"""Short opinions with their labels, written by a seeded grammar from the word banks of ../train_sentiment; nothing else is read."""

import importlib.util
import pathlib
import random
import zlib

_spec = importlib.util.spec_from_file_location("words", pathlib.Path(__file__).resolve().parents[1] / "train_sentiment" / "words.py")
words = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(words)

NEGATIVE, POSITIVE = 0, 1
THINGS = [each for topic, bank in words.TOPICS.items() if topic not in ("person", "staff") for each in bank if each not in words.PLURALS]
PEOPLE = [each for each in words.STAFF + words.PERSON if each not in words.PLURALS]
ADJECTIVES = (words.BAD_ADJECTIVES, words.GOOD_ADJECTIVES)
MANNERS = (words.BAD_PEOPLE, words.GOOD_PEOPLE)
VERBS = (words.BAD_VERBS, words.GOOD_VERBS)
EFFECTS = (words.BAD_EFFECTS, words.GOOD_EFFECTS)


def held_out(word, topic):
    """One pair of an opinion's word and its topic in ten: no text of training has it."""
    return zlib.crc32(f"{word} {topic}".encode()) % 10 == 0


def _opinion(source):
    """A clause, its label, the word that tells it and the topic."""
    pick = source.choice
    label, turned = source.randrange(2), source.random() < 0.35
    mood = 1 - label if turned else label
    kind = source.random()
    if kind < 0.2:
        topic, word = "", pick(ADJECTIVES[mood] + MANNERS[mood])
        text = f"not {word}" if turned else f"{pick(['', 'so ', 'very '])}{word}"
    elif kind < 0.7:
        things = source.random() < 0.7
        topic, word = pick(THINGS if things else PEOPLE), pick((ADJECTIVES if things else MANNERS)[mood])
        be = pick(["is", "was"])
        degree = pick(words.DEGREES[:8]) + " " if source.random() < 0.3 else ""
        strength = pick(words.INTENSIFIERS[:20]) + " " if source.random() < 0.4 else ""
        subject = f"{pick(['the', 'this', 'that', 'our', 'my'])} {topic}"
        if turned:
            text = pick([f"{subject} {be} not {degree}{word}", f"{subject} {be}n't {degree}{word}", f"I don't think {subject} {be} {degree}{word}",
                         f"{subject} {be} anything but {word}", f"{subject} {be} never {word}", f"not a {word} {topic}"])
        else:
            text = pick([f"{subject} {be} {strength}{word}", f"what a {word} {topic}", f"I think {subject} {be} {strength}{word}", f"a {strength}{word} {topic}"])
    elif kind < 0.85:
        topic, (base, _, past) = pick(THINGS + PEOPLE), pick(VERBS[mood])
        word = base
        text = f"I {pick(['do not', 'don’t', 'did not', 'never', 'would not'])} {base} the {topic}" if turned else f"I {pick(['really ', 'just ', ''])}{pick([base, past])} the {topic}"
    else:
        topic, (base, third, past, _) = pick(THINGS), pick(EFFECTS[mood])
        word = base
        text = f"the {topic} {pick(['does not', 'did not', 'doesn’t', 'didn’t'])} {base} {pick(['me', 'us', 'anyone'])}" if turned else \
            f"the {topic} {pick([third, past])} {pick(['me', 'us', 'everyone'])}"
    return text, label, word, topic


def sample(source, held):
    """A text and its label; of a held-out pair, or of none."""
    while True:
        text, label, word, topic = _opinion(source)
        if held_out(word, topic) == held:
            break
    if source.random() < 0.15:
        text += " " + source.choice(["for the price", "overall", "this time", "as always", "again", "in the end", "if you ask me"])
    return text + source.choice(["", ".", "!"]), label


def texts(count, seed, held=False):
    """Distinct ones, the same for the same arguments."""
    source, found = random.Random(seed), {}
    while len(found) < count:
        text, label = sample(source, held)
        found.setdefault(text, label)
    return list(found.items())
