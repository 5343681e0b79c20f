# SPDX-License-Identifier: Apache-2.0
"""Makes the demo model from nothing: texts, labels, vocabulary, training, a Hugging Face folder with fp16 weights."""

import argparse
import math
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import torch
from transformers import BertConfig, BertForSequenceClassification

from corpus import WORD_LIST, plain_words, training_samples
from grammar import Sample
from teacher import Teacher
from vocabulary import MAX_TOKENS, SIZE, fast_tokenizer, save_tokenizer, train_vocabulary

SEED: Final = 22
LABELS: Final = {0: "NEGATIVE", 1: "POSITIVE"}
VOCABULARY_TEXTS: Final = 200_000
BATCH: Final = 256
BATCHES_A_BUCKET: Final = 50
PEAK_RATE: Final = 1.5e-3
WARM_UP_STEPS: Final = 400
WEIGHT_DECAY: Final = 0.01
# The share of tokens shown as [UNK], so that a strange word does no harm.
UNKNOWN_SHARE: Final = 0.015
PAD_ID: Final = 0
UNK_ID: Final = 1
FIRST_WORD_ID: Final = 5

Batch = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
Encoded = tuple[list[int], float]


def configuration() -> BertConfig:
    return BertConfig(
        vocab_size=SIZE, hidden_size=128, num_hidden_layers=3, num_attention_heads=4, intermediate_size=512,
        max_position_embeddings=MAX_TOKENS, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
        id2label=LABELS, label2id={name: number for number, name in LABELS.items()}, pad_token_id=PAD_ID,
        attn_implementation="eager",  # type: ignore[call-arg]  # taken by PreTrainedConfig
    )  # fmt: skip


def make_vocabulary(samples: list[Sample], word_list: Path) -> list[str]:
    texts = [sample.text for sample in samples[:VOCABULARY_TEXTS]]
    return train_vocabulary(texts, sorted(Teacher().lexicon), plain_words(word_list))


def encode(samples: list[Sample], tokens: list[str]) -> list[Encoded]:
    encodings = fast_tokenizer(tokens).encode_batch_fast([sample.text for sample in samples])
    return [(encoding.ids, sample.target) for encoding, sample in zip(encodings, samples, strict=True)]


def collate(batch: list[Encoded], noise: torch.Generator) -> Batch:
    width = max(len(ids) for ids, _ in batch)
    ids = torch.tensor([row + [PAD_ID] * (width - len(row)) for row, _ in batch])
    mask = (ids != PAD_ID).long()
    hidden = (torch.rand(ids.shape, generator=noise) < UNKNOWN_SHARE) & (ids >= FIRST_WORD_ID)
    return ids.masked_fill(hidden, UNK_ID), mask, torch.tensor([target for _, target in batch])


def batches(data: list[Encoded], epochs: int) -> Iterator[Batch]:
    """Shuffled batches of texts of like length."""
    rng, noise = random.Random(SEED), torch.Generator().manual_seed(SEED)
    for _ in range(epochs):
        rng.shuffle(data)
        for start in range(0, len(data), BATCH * BATCHES_A_BUCKET):
            bucket = sorted(data[start : start + BATCH * BATCHES_A_BUCKET], key=lambda entry: len(entry[0]))
            groups = [bucket[first : first + BATCH] for first in range(0, len(bucket), BATCH)]
            rng.shuffle(groups)
            for group in groups:
                yield collate(group, noise)


def rate_share(step: int, steps: int) -> float:
    """Linear warm-up, then half a cosine down to nothing."""
    if step < WARM_UP_STEPS:
        return (step + 1) / WARM_UP_STEPS
    return 0.5 * (1.0 + math.cos(math.pi * min(1.0, step / steps)))


def distillation_loss(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    soft = torch.stack([1.0 - target, target], dim=1)
    return torch.nn.functional.cross_entropy(logits.float(), soft)


def train(data: list[Encoded], epochs: int) -> BertForSequenceClassification:
    torch.manual_seed(SEED)
    model = BertForSequenceClassification(configuration())
    model.train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=PEAK_RATE, weight_decay=WEIGHT_DECAY)
    steps = epochs * math.ceil(len(data) / BATCH)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: rate_share(step, steps))
    started, running = time.monotonic(), 0.0
    for step, (ids, mask, target) in enumerate(batches(data, epochs), start=1):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = model(input_ids=ids, attention_mask=mask).logits
        loss = distillation_loss(logits, target)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        running += loss.item()
        if step % 200 == 0:
            print(f"step {step} of {steps}  loss {running / 200:.4f}  {time.monotonic() - started:.0f} s", flush=True)
            running = 0.0
    model.eval()
    return model


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--out", type=Path, required=True)
    arguments.add_argument("--words", type=Path, default=WORD_LIST, help="a list of common English words, one a line")
    arguments.add_argument("--vocabulary", type=Path, help="a vocab.txt to use again, as the tokenizer's trainer breaks ties at random")
    arguments.add_argument("--samples", type=int, default=700_000)
    arguments.add_argument("--epochs", type=int, default=2)
    given = arguments.parse_args()
    torch.set_num_threads(1)
    given.out.mkdir(parents=True, exist_ok=True)
    samples = training_samples(given.samples, given.words)
    print(f"{len(samples)} texts, {sum(sample.ruled for sample in samples) / len(samples):.2f} labelled by a rule", flush=True)
    tokens = given.vocabulary.read_text(encoding="utf-8").splitlines() if given.vocabulary else make_vocabulary(samples, given.words)
    save_tokenizer(tokens, given.out)
    model = train(encode(samples, tokens), given.epochs)
    model.half().save_pretrained(given.out)


if __name__ == "__main__":
    main()
