# SPDX-License-Identifier: Apache-2.0
"""A seeded grammar of English opinions. It knows the polarity that it meant where the teacher is known to be wrong."""

import random
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

import words
from teacher import Teacher, compound_of, positive_probability, read_rows

Split = Literal["train", "templates", "combinations"]
Pair = tuple[str, str]

# One combination of a sentiment word and a topic in this many is kept out of training.
HELD_OUT_ONE_IN: Final = 10
# How much of a valence a negation leaves, with its sign turned; VADER's own constant is 0.74 for both.
FLIP_GOOD: Final = -0.9
FLIP_BAD: Final = -0.65
# VADER's weights before and after "but".
BEFORE_BUT: Final = 0.5
AFTER_BUT: Final = 1.5

ALTERNATIVES: Final = re.compile(r"\[([^\[\]]*)\]")
SLOT: Final = re.compile(r"\{(\w+)\}")
SPACES: Final = re.compile(r"\s+")
SPACE_BEFORE_MARK: Final = re.compile(r"\s+([,.!?;](?:\s|$))")


@dataclass(frozen=True)
class Clause:
    """A piece of text. `total` is the meant valence; None leaves it to the teacher."""

    text: str
    total: float | None = None
    pair: Pair | None = None
    negated: bool = False


@dataclass(frozen=True)
class Sample:
    text: str
    compound: float
    ruled: bool
    negated: bool

    @property
    def target(self) -> float:
        """The soft label: the probability of POSITIVE."""
        return positive_probability(self.compound)


def is_held_out(pair: Pair) -> bool:
    return zlib.crc32("|".join(pair).encode()) % HELD_OUT_ONE_IN == 0


def flipped(valence: float) -> float:
    return valence * (FLIP_GOOD if valence > 0 else FLIP_BAD)


def kept(valence: float) -> float:
    return valence


def strengthened(valence: float) -> float:
    return 1.2 * valence


def weakened(valence: float) -> float:
    return 0.3 * valence


Rule = Callable[[float], float]
# (pattern, rule); rule None: the teacher scores the clause as it stands.
# Slots: {t} "the soup", {topic} "soup", {v} "is"/"was", {nv} "is not", {a} adjective, {b} another of the same polarity, {c} of the other.
Template = tuple[str, Rule | None]

ADJECTIVES: Final[list[Template]] = [
    ("{t} {v} {a}", None),
    ("{t} {v} {int} {a}", None),
    ("{t} {v} {damp} {a}", None),
    ("{t} {v} {a} and {b}", None),
    ("{t} {v} {int} {a} and {int} {b}", None),
    ("{t} {v} {a}, {b} and [{any}|{a}]", None),
    ("[a|what a|such a|this is a|it is a|one] {int} {a} {topic}", None),
    ("[a|what a|such a|this is a|it was a|quite a|the most] {a} {topic}", None),
    ("{a} {topic}", None),
    ("{a} {topic}, {b} {topic2}", None),
    ("{int} {a} {topic}", None),
    ("{a}, {b}, {a}", None),
    ("{int} {a}", None),
    ("{a} and {b}", None),
    ("[I|we] [found|thought|think|find|consider] {t} {int} {a}", None),
    ("[I|we] [found|thought|think|find|consider] {t} {a}", None),
    ("{t} [looks|sounds|seems|feels|looked|seemed|felt|turned out|tends to be] {a}", None),
    ("{t} [looks|sounds|seems|feels|looked|seemed|felt] {int} {a}", None),
    ("[my|our|his|her|their] {topic} {v} {a}", None),
    ("everything about {t} {v} {a}", kept),
    ("{topic} is {a}, {topic2} is {b}", None),
    ("[the {a} {topic}|this {a} {topic}] [is still|comes] from {name}", None),
    ("[they|she|he] [had|has|have|made|makes|make|served|sold us|gave me|run] a {a} {topic}", None),
    ("how {a} [is that|it is|it was|can a {topic} be|this {topic} is]", None),
    ("[I|my {person}] [said|says|told me] {t} {v} {a}", None),
    ("it [is|was|has been] a {a} [day|week|time|year|trip|night|experience|start|end|surprise|idea|choice]", None),
    ("the {topic} with the {a} {topic2}", None),
    ("{t} {v} {a} [from start to finish|through and through|on the whole|in every way|again|as always|as expected]", None),
    ("in a word: {a}", kept),
    # negation, near and far
    ("{t} {nv} {a}", flipped),
    ("{t} {nv} {degree} {a}", flipped),
    ("{t} {nv} {a} at all", flipped),
    ("{t} {nv} {a} [in any way|in the least|by any means|whatsoever|any more|anymore|enough]", flipped),
    ("[it|this|that|she|he] {nv} {a}", flipped),
    ("[it|this|that|that one] {nv} {degree} {a}", flipped),
    ("not {a}", flipped),
    ("not {a} at all", flipped),
    ("not {degree} {a}", flipped),
    ("not {a}, [I have to say|I must admit|to be honest|really|actually|I think|I guess]", flipped),
    ("[not|never] a {a} {topic}", flipped),
    ("not a {a} {topic} at all", flipped),
    ("not a {a} [job|idea|choice|deal|thing|start|look|day|time]", flipped),
    ("it {nv} a {a} {topic}", flipped),
    ("it {nv} a {int} {a} {topic}", flipped),
    ("{t} {nv} {a}, {nnot} {b}", flipped),
    ("{t} {nv} {a} or {b}", flipped),
    ("{t} {nv} {a} and {t2} {nv} {b}", flipped),
    ("[I|we|my {person}] {dont} think {t} {v} {a}", flipped),
    ("I {dont} think [that|] {t} {v} {int} {a}", flipped),
    ("I {dont} think [it is|it was|it's|this is] a {a} {topic}", flipped),
    ("I {dont} [believe|feel] {t} {v} {a}", flipped),
    ("I {dont} find {t} {a}", flipped),
    ("I [wouldn't|would not|would never|could not|couldn't] call {t} {a}", flipped),
    ("I [wouldn't|would not] say {t} {v} {a}", flipped),
    ("[nobody|no one] [would call|thinks|found|finds] {t} {a}", flipped),
    ("{t} {v} never {a}", flipped),
    ("{t} {v} never {degree} {a}", flipped),
    ("[there is|there was|I see|I found] nothing {a} [about|in] {t}", flipped),
    ("nothing about {t} {v} {a}", flipped),
    ("nothing {a} here", flipped),
    ("none of it {v} {a}", flipped),
    ("{t} {v} neither {a} nor {b}", flipped),
    ("neither {a} nor {b}", flipped),
    ("{t} {v} far from {a}", flipped),
    ("far from {a}", flipped),
    ("anything but {a}", flipped),
    ("{t} {v} anything but {a}", flipped),
    ("{t} {v} [hardly|barely|scarcely] {a}", flipped),
    ("{t} {v} [by no means|no longer|less than] {a}", flipped),
    ("[no longer|less than|hardly|not remotely|nowhere near] {a}", flipped),
    ("{t} [does not|doesn't|did not|didn't] [look|sound|feel|seem|get] {a}", flipped),
    ("{t} {nv} as {a} as [I thought|people say|expected|I hoped|the old one|they claim|last time|I feared]", flipped),
    ("not [nearly|half|quite|] as {a} as [I thought|people say|expected|they claim|I remembered]", flipped),
    ("not the most {a} {topic}", flipped),
    ("[I wish|if only] {t} [were|was] {a}", flipped),
    ("{t} [used to be|was supposed to be|should have been|was meant to be] {a}", flipped),
    ("[I|we] expected {t} to be {a}", flipped),
    ("without being {a}", flipped),
    ("{t} {nv} {a}, [it's|it is|just|but] {c}", flipped),
    # a negation that does not turn the meaning, or strengthens it
    ("not only {a} but [also|] {b}", kept),
    ("{t} {nv} [just|only] {a}, [it's|it is|but also|it was] {b}", kept),
    ("{t} {v} not only {a} but {int} {b}", kept),
    ("[could not|couldn't|can't] be more {a}", strengthened),
    ("{t} [could not|couldn't] have been more {a}", strengthened),
    ("[it|this|{t}] has never been [so|more] {a}", strengthened),
    ("I have never [seen|had|tried] such a {a} {topic}", strengthened),
    ("I have never [seen|had|met|tried] a more {a} {topic}", strengthened),
    ("no doubt, {t} {v} {a}", kept),
    ("never have I had such a {a} {topic}", strengthened),
    # questions
    ("[is|was] {t} {a}?", weakened),
    ("[does|did] {t} [look|seem|feel] {a}?", weakened),
    ("[why|how] is {t} so {a}?", kept),
    ("isn't {t} {a}?", kept),
]
HELD_OUT_ADJECTIVES: Final[list[Template]] = [
    ("{t} strikes me as {a}", kept),
    ("if I had to sum up {t}, {a} is the word", kept),
    ("everyone at home agrees that {t} {v} {int} {a}", kept),
    ("as for {t}, we all came away calling it {a}", kept),
    ("{a} is what {t} {v}, and {b} too", kept),
    ("you get a {topic} that {v} {int} {a}", kept),
    ("I can't say {t} {v} {a}", flipped),
    ("in no way {v} {t} {a}", flipped),
    ("{t} turned out not to be {a}", flipped),
    ("one could never describe {t} as {a}", flipped),
    ("at no point {v} {t} {int} {a}", flipped),
    ("people who call {t} {a} are wrong", flipped),
    ("I doubt that {t} {v} {a}", flipped),
    ("{t} {v} {a}? not really", flipped),
]
NOUNS: Final[list[Template]] = [
    ("{t} {v} full of {n}", None),
    ("so much {n} [in|with] {t}", None),
    ("{t} [gave me|gave us|brings|brought us|causes|means] [nothing but|a lot of|real|so much|] {n}", kept),
    ("{n} and {m}, that is {t}", kept),
    ("{t} has {n}", None),
    ("no {n}", flipped),
    ("no {n} at all", flipped),
    ("no {n}, no {m}", flipped),
    ("[there is|there was|I see] no {n} in {t}", flipped),
    ("[I|we] had no {n} with {t}", flipped),
    ("without [any|] {n}", flipped),
    ("without {n} or {m}", flipped),
    ("{t} lacks [any|] {n}", flipped),
    ("{t} lacks {n} and {t2} lacks {m}", flipped),
    ("[a total|a complete|such a|a] lack of {n}", flipped),
    ("[devoid of|free of|zero|not much|very little|hardly any] {n}", flipped),
    ("{t} [does not|doesn't|did not|didn't] [have|cause|bring|give us] any {n}", flipped),
]
HELD_OUT_NOUNS: Final[list[Template]] = [
    ("what I remember of {t} is the {n}", kept),
    ("we got {n} out of {t}", kept),
    ("{n} is the last thing you will find in {t}", flipped),
    ("no {n} came from {t}", flipped),
]
COUNTABLES: Final[list[Template]] = [
    ("{t} {v} a {k}", None),
    ("what a {k}", None),
    ("a {k}, really", None),
    ("a [total|complete|real|true|huge] {k}", None),
    ("it {v} a {k} [from start to finish|for everyone|and nothing else]", kept),
    ("[I|we] had a {k} with {t}", kept),
    ("{t} {nv} a {k}", flipped),
    ("not a {k}", flipped),
    ("not a {k} at all", flipped),
    ("{t} {v} no {k}", flipped),
    ("hardly a {k}", flipped),
    ("{t} {v} hardly a {k}", flipped),
    ("I [wouldn't|would not] call {t} a {k}", flipped),
    ("I {dont} think {t} {v} a {k}", flipped),
    ("never a {k}", flipped),
]
HELD_OUT_COUNTABLES: Final[list[Template]] = [
    ("{t} will go down as a {k}", kept),
    ("calling {t} a {k} would be wrong", flipped),
]
VERBS: Final[list[Template]] = [
    ("I {like} {t}", None),
    ("I [really|truly|just|absolutely|still|always|] {like} [it|this|that|{t}|this {topic}|my {topic}]", None),
    ("[he|she|my {person}|everybody|everyone] {likes} {t}", None),
    ("we [really|all|] {liked} {t}", None),
    ("{liked} it", None),
    ("{like} it!", None),
    ("I {like} everything about {t}", kept),
    ("I can't help but {like} {t}", kept),
    ("I {dont} {like} [it|this|that|{t}|this {topic}]", flipped),
    ("I {dont} {like} [it|this|that|{t}|this {topic}] [at all|one bit|any more|in the least]", flipped),
    ("I {dont} [really|particularly|exactly|even] {like} {t}", flipped),
    ("[we|they|you] {dont} {like} {t}", flipped),
    ("[he|she|my {person}] [doesn't|does not|didn't|did not] {like} {t}", flipped),
    ("[nobody|no one|hardly anybody] {likes} {t}", flipped),
    ("nobody {liked} {t}", flipped),
    ("I [never|have never|hardly|barely] {liked} {t}", flipped),
    ("I [can't|cannot|could not] {like} {t}", flipped),
    ("I {dont} think I {like} {t}", flipped),
    ("[hard|difficult|impossible] to {like}", flipped),
    ("[who could|how can anyone] {like} this {topic}?", flipped),
    ("not one of us {liked} {t}", flipped),
    ("I have never {liked} a {topic} [so much|this much|more]", strengthened),
]
HELD_OUT_VERBS: Final[list[Template]] = [
    ("there is a lot to {like} in {t}", kept),
    ("the more I see of {t}, the more I {like} it", kept),
    ("I would be lying if I said that I {like} {t}", flipped),
    ("not for a second did I {like} {t}", flipped),
]
EFFECTS: Final[list[Template]] = [
    ("{t} {impressed} [me|us|everyone]", None),
    ("{t} [really|always|] {impresses}", None),
    ("{t} {v} {impressing}", None),
    ("it [will|would] {impress} you", kept),
    ("{t} [did not|didn't|does not|doesn't|won't] {impress} [me|us|at all|anyone|]", flipped),
    ("{t} [never|hardly] {impresses} [me|us|]", flipped),
    ("it never {impressed} [me|us]", flipped),
    ("never {impressing}", flipped),
    ("{t} {nv} {impressing}", flipped),
    ("{t} [fails|failed] to {impress} [me|us|]", flipped),
    ("{t} never [fails|failed] to {impress}", kept),
    ("nothing {impresses} me about {t}", flipped),
    ("[I was|we were|I am] not {impressed} by {t}", flipped),
    ("it {nv} there to {impress}", flipped),
]
HELD_OUT_EFFECTS: Final[list[Template]] = [
    ("{t} is bound to {impress}", kept),
    ("{t} manages not to {impress} anybody", flipped),
]
FEELINGS: Final[list[Template]] = [
    ("[I am|I was|we were|we are|I'm|she was|he is|my {person} was] {f} [with|about] {t}", None),
    ("[I am|I was|we were|I'm] {int} {f} [with|about] {t}", None),
    ("{t} [made me|made us|left me|makes me feel|made me feel|makes me] {f}", None),
    ("[I feel|I felt|feeling|we felt] {int} {f} [today|now|there|]", None),
    ("[I am|we are|I'm|she is|they are] {f}", None),
    ("I [{dont}|never|no longer] feel {f} [here|there|about {t}|with {t}]", flipped),
    ("[I am|I was|we were|I'm|she was] not {f} [with|about] {t}", flipped),
    ("[I wasn't|we weren't|she isn't|he wasn't] [very|all that|particularly|] {f} [with|about] {t}", flipped),
    ("{t} [does not|doesn't|did not|didn't] make [me|us] [feel|] {f}", flipped),
    ("[I was|we were] not {f} at all", flipped),
    ("[nobody|none of us|no one] [was|felt] {f}", flipped),
    ("[I was|we were] never {f} [there|with {t}]", flipped),
    ("[I|we] [couldn't|could not] be more {f}", strengthened),
    ("I have never been [so|more] {f} [with a {topic}|in my life]", strengthened),
    ("I {dont} think [anyone|we|she] [was|were|is] {f} [with|about] {t}", flipped),
]
HELD_OUT_FEELINGS: Final[list[Template]] = [
    ("by the time we left {t} I was {f}", kept),
    ("who would be {f} with {t}? not me", flipped),
    ("I have yet to be {f} with {t}", flipped),
]
COVERAGE: Final[dict[str, list[str]]] = {
    "ly": ["{w}", "they {w} [did it|agreed|left|answered]", "it [is|was] {w} {rare}", "{w} said", "she {w} [smiled|looked away|spoke]"],
    "noun": ["{w}", "the {w} [of|in] {t}", "full of {w}", "[so much|all this|such|what|more|nothing but] {w}", "{w} and {rare}",
             "we talked about {w}", "{t} and {w}", "their {w} [was clear|is known]", "no {w}", "without {w}", "{rare} {w}", "a matter of {w}"],
    "ed": ["{w}", "I was {w}", "they {w} [us|it|{t}]", "she felt {w}", "the {w} {topic}", "{int} {w}", "we got {w} by {t}", "it was not {w}", "he {w}"],
    "ing": ["{w}", "it is {w}", "{t} was {w}", "{w} [again|all day|{t}]", "they kept {w}", "a {w} {topic}", "so {w}", "it is not {w}", "stop {w}"],
    "other": ["{w}", "so {w}", "{w} {topic}", "it was {w}", "what {w}", "such {w}", "the {w}", "the {w} of {t}", "{w} and {rare}", "{w}, {x}", "I saw {w}",
              "they {w} {t}", "it will {w} you", "to {w} or to {rare}", "not {w}", "{t}: {w}", "a {w}", "he is {w}", "this is {w}", "full of {w}", "very {w}"],
}  # fmt: skip


def coverage_kind(word: str) -> str:
    if word.endswith("ly"):
        return "ly"
    if word.endswith(("ness", "ment", "tion", "ity", "ism", "ship", "ance", "ence", "ies", "nesses", "ments", "tions")):
        return "noun"
    return "ed" if word.endswith("ed") else "ing" if word.endswith("ing") else "other"


class Grammar:
    """Draws samples. Every draw depends on the given random state alone."""

    def __init__(self, teacher: Teacher, rare_words: list[str], rng: random.Random) -> None:
        self._teacher = teacher
        self._rng = rng
        self._events = [(float(strength), pattern) for strength, pattern in read_rows("events.tsv")]
        self._covered = [word for word in teacher.lexicon if re.fullmatch(r"[a-z][a-z'-]+", word)]
        self._slots: dict[str, list[str]] = {
            **words.SLOTS,
            "rare": [word for word in rare_words if not word.endswith("s")],
            "rares": [word for word in rare_words if word.endswith("s")],
            "number": [str(n) for n in range(1, 100)] + ["two", "three", "four", "ten", "twelve", "200", "1000", "2019"],
            "int": words.INTENSIFIERS,
            "damp": words.DAMPENERS,
            "degree": words.DEGREES,
            "dont": ["don't", "do not", "didn't", "did not", "dont"],
            "nnot": ["not", "and not", "nor", "not even"],
        }

    # -- drawing ---------------------------------------------------------------------------------------------------

    def sample(self, split: Split = "train") -> Sample:
        """A text with its label. The held-out splits are single clauses; training never holds what is held out."""
        if split == "train":
            return self._training_text()
        wanted = self._opinion if split == "combinations" else self._held_out_opinion
        while True:
            clause = wanted()
            if split == "templates" or (clause.pair and is_held_out(clause.pair)):
                return self._finish([(clause, 1.0)], [clause.text])

    def _training_text(self) -> Sample:
        draw = self._rng.random()
        if draw < 0.05:
            return self._finish([(Clause(""), 1.0)], [self._odd_text()])
        if draw < 0.20:
            clause = self._coverage()
            return self._finish([(clause, 1.0)], [clause.text])
        if draw < 0.26:
            return self._sequence([self._neutral() for _ in range(self._rng.choice([1, 1, 2, 3]))])
        if draw < 0.56:
            return self._decorated(self._clause())
        if draw < 0.70:
            return self._contrast()
        length = self._rng.choice([2, 2, 2, 3, 3, 4]) if draw < 0.96 else self._rng.randint(5, 16)
        mood = self._rng.choice([-1.0, 1.0, 0.0])
        return self._sequence([self._minded_clause(mood) for _ in range(length)])

    def _minded_clause(self, mood: float) -> Clause:
        """A clause whose valence has the sign of the mood; a mood of zero takes any."""
        while True:
            clause = self._clause()
            if mood * self._total(clause) >= 0:
                return clause

    def _clause(self) -> Clause:
        draw = self._rng.random()
        if draw < 0.56:
            return self._trainable(self._opinion)
        if draw < 0.86:
            return self._event()
        if draw < 0.92:
            return self._coverage()
        return self._neutral()

    def _trainable(self, draw: Callable[[], Clause]) -> Clause:
        while True:
            clause = draw()
            if clause.pair is None or not is_held_out(clause.pair):
                return clause

    def _opinion(self) -> Clause:
        kind = self._rng.choices(range(6), weights=(50, 10, 8, 11, 8, 13))[0]
        templates = (ADJECTIVES, NOUNS, COUNTABLES, VERBS, EFFECTS, FEELINGS)[kind]
        return self._filled(templates, kind)

    def _held_out_opinion(self) -> Clause:
        kind = self._rng.choices(range(6), weights=(14, 4, 2, 4, 2, 3))[0]
        templates = (
            HELD_OUT_ADJECTIVES, HELD_OUT_NOUNS, HELD_OUT_COUNTABLES, HELD_OUT_VERBS, HELD_OUT_EFFECTS, HELD_OUT_FEELINGS,
        )[kind]  # fmt: skip
        return self._filled(templates, kind)

    def _filled(self, templates: list[Template], kind: int) -> Clause:
        pattern, rule = self._rng.choice(templates)
        slots, sentiment_word, topic = self._bindings(kind)
        text = self._expand(pattern, slots)
        total = None if rule is None else rule(self._teacher.valence(sentiment_word))
        if "{c}" in pattern:
            total = AFTER_BUT * self._teacher.valence(slots["c"])
        return Clause(text, total, (sentiment_word, topic), negated=rule is flipped)

    def _bindings(self, kind: int) -> tuple[dict[str, str], str, str]:
        """The slots of one clause, the word that carries its sentiment, and its topic."""
        rng = self._rng
        good = rng.random() < 0.5
        domain = rng.choice(list(words.TOPICS))
        topic = rng.choice(words.TOPICS[domain])
        second = rng.choice(words.TOPICS[domain])
        past = rng.random() < 0.6
        slots = {"topic": topic, "topic2": second, "t": self._noun_phrase(topic), "t2": self._noun_phrase(second)}
        slots["v"], slots["nv"] = self._copula(topic in words.PLURALS or slots["t"] in ("they", "these"), past)
        if kind == 0:
            people = domain in ("staff", "person")
            same = (
                (words.GOOD_PEOPLE if good else words.BAD_PEOPLE) if people else (words.GOOD_ADJECTIVES if good else words.BAD_ADJECTIVES)
            )
            other = words.BAD_ADJECTIVES if good else words.GOOD_ADJECTIVES
            slots.update(a=self._common_first(same), b=rng.choice(same), c=rng.choice(other))
            return slots, slots["a"], topic
        if kind == 1:
            bank = words.GOOD_NOUNS if good else words.BAD_NOUNS
            slots.update(n=rng.choice(bank), m=rng.choice(bank))
            return slots, slots["n"], topic
        if kind == 2:
            slots["k"] = rng.choice(words.GOOD_COUNTABLES if good else words.BAD_COUNTABLES)
            return slots, slots["k"], topic
        if kind == 3:
            verb = rng.choice(words.GOOD_VERBS if good else words.BAD_VERBS)
            slots.update(like=verb[0], likes=verb[1], liked=verb[2])
            return slots, verb[0], topic
        if kind == 4:
            effect = rng.choice(words.GOOD_EFFECTS if good else words.BAD_EFFECTS)
            slots.update(impress=effect[0], impresses=effect[1], impressed=effect[2], impressing=effect[3])
            return slots, effect[0], topic
        slots["f"] = rng.choice(words.GOOD_FEELINGS if good else words.BAD_FEELINGS)
        return slots, slots["f"], topic

    def _common_first(self, bank: list[str]) -> str:
        """The first words of a bank are the commonest: drawn in one case of three."""
        return self._rng.choice(bank[:12] if self._rng.random() < 0.33 else bank)

    def _noun_phrase(self, topic: str) -> str:
        form = self._rng.choice(["the", "the", "the", "the", "this", "my", "our", "that", "their", "it", "it", "name", "of"])
        if form == "it":
            return "it"
        if form == "name":
            return f"the {topic} [in|from|of|by] {{name}}"
        return f"the {topic} of the {{rare}}" if form == "of" else f"{form} {topic}"

    def _copula(self, plural: bool, past: bool) -> tuple[str, str]:
        word = ("were" if past else "are") if plural else ("was" if past else "is")
        return word, self._rng.choice(
            [f"{word} not", f"{word}n't", f"{word}n't", f"{word}nt" if self._rng.random() < 0.3 else f"{word} not"]
        )

    def _expand(self, pattern: str, bound: dict[str, str]) -> str:
        """Draws the alternatives, innermost first, then the slots, then the slots inside slots."""
        rng = self._rng
        for _ in range(3):
            pattern = ALTERNATIVES.sub(lambda found: rng.choice(found[1].split("|")), pattern)
            pattern = SLOT.sub(lambda found: bound.get(found[1]) or rng.choice(self._slots[found[1]]), pattern)
        return SPACES.sub(" ", pattern).strip()

    def _event(self) -> Clause:
        strength, pattern = self._rng.choice(self._events)
        return Clause(self._expand(pattern, {}), strength)

    def _coverage(self) -> Clause:
        """Any word of the lexicon among words without valence, as the teacher sees it."""
        word, other = self._rng.choice(self._covered), self._rng.choice(self._covered)
        topic = self._rng.choice(words.SLOTS["any"])
        slots = {"w": word, "x": other, "topic": topic, "t": f"the {topic}"}
        return Clause(self._expand(self._rng.choice(COVERAGE[coverage_kind(word)]), slots))

    def _neutral(self) -> Clause:
        patterns = words.NEUTRAL_PATTERNS if self._rng.random() < 0.7 else words.CONTEXT_PATTERNS
        return Clause(self._expand(self._rng.choice(patterns), {}))

    def _odd_text(self) -> str:
        """Nothing, numbers, letters, foreign scripts: no opinion."""
        rng = self._rng
        ranges = (
            (0x61, 0x7B),
            (0x30, 0x3A),
            (0xE0, 0x100),
            (0x3B1, 0x3CA),
            (0x430, 0x450),
            (0x5D0, 0x5EB),
            (0x4E00, 0x4F00),
            (0x3041, 0x3097),
        )
        if rng.random() < 0.1:
            return ""
        low, high = rng.choice(ranges)
        return " ".join("".join(chr(rng.randrange(low, high)) for _ in range(rng.randint(1, 9))) for _ in range(rng.randint(1, 8)))

    # -- joining ---------------------------------------------------------------------------------------------------

    def _decorated(self, clause: Clause) -> Sample:
        parts: list[tuple[Clause, float]] = [(clause, 1.0)]
        texts = [clause.text]
        if self._rng.random() < 0.2:
            opener = self._rng.choice(words.OPENERS)
            parts.append((Clause(opener), 1.0))
            texts[0] = f"{opener}{self._rng.choice([',', '', ',', '!', '...'])} {texts[0]}"
        if self._rng.random() < 0.15:
            closer = self._rng.choice(words.CLOSERS)
            parts.append((Clause(closer), 1.0))
            texts[0] = f"{texts[0]}{self._rng.choice([',', ''])} {closer}"
        return self._finish(parts, texts)

    def _contrast(self) -> Sample:
        first_mood = self._rng.choice([-1.0, 1.0, 0.0])
        first, second = self._minded_clause(first_mood), self._minded_clause(-first_mood)
        joined = self._rng.choice(
            ["{0} but {1}", "{0}, but {1}", "{0}. but {1}", "{0}; however, {1}", "{0}. however, {1}", "{0}, yet {1}", "although {0}, {1}",
             "even though {0}, {1}", "{1}, although {0}", "{1} even though {0}", "while {0}, {1}", "{0}, still {1}", "{0}, but then {1}", "{0} but at least {1}"]
        )  # fmt: skip
        return self._finish([(first, BEFORE_BUT), (second, AFTER_BUT)], [joined.format(first.text, second.text)], ruled="but" not in joined)

    def _sequence(self, clauses: list[Clause]) -> Sample:
        joiner = self._rng.choice([". ", ". ", "! ", ", ", " and ", ", and ", " - ", "... ", "; ", " because ", ", so ", "\n"])
        if len(clauses) > 3:
            joiner = self._rng.choice([". ", ". ", "! ", ", "])
        return self._finish([(clause, 1.0) for clause in clauses], [joiner.join(clause.text for clause in clauses)])

    def _finish(self, parts: list[tuple[Clause, float]], texts: list[str], ruled: bool = False) -> Sample:
        """Adds the end of the text and labels it: the teacher's word, or the meant sum where a rule overrides it."""
        text, ending = texts[0], self._ending()
        ruled = ruled or any(part.total is not None for part, _ in parts)
        whole = text + ending if not text.endswith("?") else text
        if ruled:
            total = sum(weight * self._total(part) for part, weight in parts) + (
                self._teacher.total(ending) if ending.strip(" .!") else 0.0
            )
            compound = compound_of(total * (1.0 + 0.1 * whole.count("!")))
        else:
            compound = self._teacher.compound(whole)
        return Sample(self._worn(SPACE_BEFORE_MARK.sub(r"\1", whole)), compound, ruled, any(part.negated for part, _ in parts))

    def _total(self, clause: Clause) -> float:
        return self._teacher.total(clause.text) if clause.total is None else clause.total

    def _ending(self) -> str:
        draw = self._rng.random()
        if draw < 0.42:
            return "."
        if draw < 0.68:
            return ""
        if draw < 0.84:
            return self._rng.choice(["!", "!", "!!", "!!!", "...", " !"])
        if draw < 0.92:
            return self._rng.choice(["", ".", "!"]) + " " + self._rng.choice(words.EMOTICONS)
        return self._rng.choice(["", " ", ". "]) + self._rng.choice(words.EMOJIS) * self._rng.choice([1, 1, 1, 2, 3])

    def _worn(self, text: str) -> str:
        """Typos, lost apostrophes and stretched vowels, in a few texts; the label stays."""
        draw = self._rng.random()
        if draw < 0.04:
            return text.replace("'", "")
        if draw < 0.06:
            return text.replace("so ", "soooo ", 1).replace("really ", "reallyyy ", 1)
        if draw > 0.05 + 0.04:
            return text
        pieces = text.split(" ")
        place = self._rng.randrange(len(pieces))
        if len(pieces[place]) > 5:
            cut = self._rng.randrange(1, len(pieces[place]) - 2)
            piece = pieces[place]
            pieces[place] = piece[:cut] + piece[cut + 1] + piece[cut] + piece[cut + 2 :]
        return " ".join(pieces)
