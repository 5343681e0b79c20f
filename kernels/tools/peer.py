#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What transformers and sentence-transformers make of a model folder, in float32, each text alone and all in one batch.

answer() needs transformers 4.57, the last version with that pipeline: YONDER_ANSWER_PYTHON names a Python that has it, and runs this
file, which then reads orders from its input. The tokenizer is that of this version, written out whole: 4.57 reads some folders otherwise.
"""

import json
import logging
import os
import pathlib
import subprocess
import sys
import tempfile
import warnings

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TQDM_DISABLE", "1")

import torch
import transformers

warnings.filterwarnings("ignore")
transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()
logging.disable(logging.CRITICAL)
torch.set_num_threads(1)


def classify(folder, texts, batch=False):
    """Logits, scores as the pipeline gives them, and the labels' names."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model, loading = transformers.AutoModelForSequenceClassification.from_pretrained(
        folder, dtype=torch.float32, output_loading_info=True)
    if loading["missing_keys"]:
        raise ValueError(f"missing weights: {sorted(loading['missing_keys'])}")
    model.eval()
    pipeline = transformers.TextClassificationPipeline(model=model, tokenizer=tokenizer, device="cpu")
    # Cut at model_max_length, or at the model's positions where that says nothing.
    most = model.config.max_position_embeddings - (
        model.config.pad_token_id + 1 if "roberta" in model.config.model_type else 0)
    limit = min(tokenizer.model_max_length, most)
    groups = [texts] if batch else [[text] for text in texts]
    logits = []
    with torch.no_grad():
        for group in groups:
            inputs = tokenizer(group, return_tensors="pt", padding=len(group) > 1, truncation=True, max_length=limit)
            logits += model(**inputs, return_dict=True).logits
    scores = [[each["score"] for each in pipeline.postprocess({"logits": row[None]}, top_k=None)] for row in logits]
    labels = [str(model.config.id2label[i]) for i in range(model.config.num_labels)]
    return {"values": [row.tolist() for row in logits], "scores": scores, "labels": labels}


def embed(folder, texts, batch=False):
    from sentence_transformers import SentenceTransformer
    model = SentenceTransformer(folder, device="cpu", local_files_only=True, model_kwargs={"dtype": torch.float32})
    with torch.no_grad():
        rows = model.encode(texts, batch_size=len(texts)) if batch else [model.encode([text])[0] for text in texts]
    return {"values": [row.tolist() for row in rows]}


LABELS = ["good", "about a movie", "slow and sad"]  # of zero_shot()


def pairs_of(texts):
    """Each text with the one after it."""
    return [(text, texts[(i + 1) % len(texts)]) for i, text in enumerate(texts)]


def rerank(folder, texts, batch=False):
    """What a CrossEncoder predicts for pairs: a row of one score, or of one for each label."""
    from sentence_transformers import CrossEncoder
    model = CrossEncoder(folder, device="cpu", local_files_only=True, model_kwargs={"dtype": torch.float32})
    if not model.model.config.architectures[0].endswith("ForSequenceClassification"):
        raise ValueError("no head for sequences")
    # Cut at the tokenizer's length, or at the model's positions where that says nothing.
    config = model.model.config
    most = config.max_position_embeddings - (config.pad_token_id + 1 if "roberta" in config.model_type else 0)
    model.max_seq_length = min(model.max_seq_length or most, most)
    groups = [pairs_of(texts)] if batch else [[pair] for pair in pairs_of(texts)]
    rows = [row for group in groups for row in model.predict(group, batch_size=len(group), convert_to_tensor=True)]
    return {"values": [row.reshape(-1).tolist() for row in rows]}


def zero_shot(folder, texts, batch=False):
    """The scores of LABELS in their order for each text: shared by them, and of each by itself."""
    pipeline = transformers.pipeline("zero-shot-classification", model=folder, device="cpu", dtype=torch.float32)
    if pipeline.entailment_id < 0:
        raise ValueError("no label begins with entail")
    config = pipeline.model.config
    most = config.max_position_embeddings - (config.pad_token_id + 1 if "roberta" in config.model_type else 0)
    pipeline.tokenizer.model_max_length = min(pipeline.tokenizer.model_max_length, most)

    def scores(text, multi_label):
        found = pipeline(text, candidate_labels=LABELS, multi_label=multi_label)
        by_label = dict(zip(found["labels"], found["scores"]))
        return [by_label[label] for label in LABELS]

    return {"values": [scores(text, False) for text in texts], "scores": [scores(text, True) for text in texts]}


def bytes_of(text, *places):
    """Offsets in characters, in bytes."""
    return [len(text[:place].encode()) for place in places]


def limit_of(model, config):
    """As long as the folder says, or as the model has positions where that says nothing."""
    most = config.max_position_embeddings - (config.pad_token_id + 1 if "roberta" in config.model_type else 0)
    return min(model.max_seq_length or most, most)


def windows(folder, texts, batch=False):
    """For each text a row of begin, end and vector of each of its windows, which share two tokens. They are those of the tokenizer; where
    the folder has a prompt, it stands in front of each."""
    from sentence_transformers import SentenceTransformer
    model = SentenceTransformer(folder, device="cpu", local_files_only=True, model_kwargs={"dtype": torch.float32})
    limit = limit_of(model, model[0].auto_model.config)
    prompt = model.prompts.get(model.default_prompt_name) or ""
    extra = {"prompt_length": model[0]._get_prompt_length(prompt)} if prompt else {}
    rows = []
    for text in texts:
        cut = cut_behind_prompt if prompt else cut_by_tokenizer
        row = []
        for inputs, begin, end in cut(model.tokenizer, prompt + text, len(prompt), limit):
            with torch.no_grad():
                vector = model({**{key: torch.tensor([value]) for key, value in inputs.items()}, **extra})["sentence_embedding"][0]
            row += [*bytes_of(text, begin, end), *vector.tolist()[:model.truncate_dim]]
        rows.append(row)
    return {"values": rows}


def cut_by_tokenizer(tokenizer, text, prompt, limit):
    found = tokenizer(text, truncation=True, max_length=limit, stride=2, return_overflowing_tokens=True, return_offsets_mapping=True)
    for i, places in enumerate(found["offset_mapping"]):
        own = [place for place, sequence in zip(places, found.sequence_ids(i)) if sequence is not None]
        inputs = {name: found[name][i] for name in tokenizer.model_input_names if name in found}
        yield inputs, min((begin for begin, _ in own), default=0), max((end for _, end in own), default=0)


def cut_behind_prompt(tokenizer, text, prompt, limit):
    """Of a tokenizer with one special token in front, and cut from the right."""
    found = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    ids, places = found["input_ids"], found["offset_mapping"]
    kept = next((i for i, place in enumerate(places) if place[1] > prompt), len(ids))
    first, *last = tokenizer("")["input_ids"]
    room = limit - 1 - len(last) - kept
    for begin in range(kept, max(kept + 1, len(ids) - 2), room - 2):
        some = slice(begin, begin + room)
        window = [first, *ids[:kept], *ids[some], *last]
        inputs = {"input_ids": window, "attention_mask": [1] * len(window), "token_type_ids": [0] * len(window)}
        where = [place - prompt for pair in places[some] for place in pair]
        yield {name: inputs[name] for name in tokenizer.model_input_names}, max(0, min(where, default=0)), max(where, default=0)


def passages(folder, texts, batch=False):
    """How well each text is answered by the one after it, by its best window; windows share a token. A row of nothing where the first leaves no
    room."""
    from sentence_transformers import CrossEncoder
    model = CrossEncoder(folder, device="cpu", local_files_only=True, model_kwargs={"dtype": torch.float32})
    config = model.model.config
    if not config.architectures[0].endswith("ForSequenceClassification") or config.num_labels != 1:
        raise ValueError("no head for sequences with one label")
    limit = limit_of(model, config)
    return {"values": [best_passage(model, *pair, limit) for pair in pairs_of(texts)]}


def best_passage(model, query, document, limit):
    try:
        found = model.tokenizer([query], [document], truncation="only_second", max_length=limit, stride=1, return_overflowing_tokens=True)
    except BaseException as error:  # a panic of Rust, too
        if isinstance(error, (KeyboardInterrupt, SystemExit)):
            raise
        return []
    inputs = [name for name in model.tokenizer.model_input_names if name in found]
    with torch.no_grad():
        logits = [model.model(**{name: torch.tensor([found[name][i]]) for name in inputs}).logits[0] for i in range(len(found["input_ids"]))]
    if any(len(ids) > limit for ids in found["input_ids"]):  # nothing was cut, as the first text alone is too long
        return []
    return [max(float(model.activation_fn(row)[0]) for row in logits)]


def cut_at_positions(tokenizer, config):
    """As long as the tokenizer says, or as the model has positions where that says nothing."""
    most = config.max_position_embeddings - (config.pad_token_id + 1 if "roberta" in config.model_type else 0)
    tokenizer.model_max_length = min(tokenizer.model_max_length, most)


AGGREGATIONS = ["none", "simple", "first", "average", "max"]


def tokens(folder, texts, batch=False):
    """For each text and aggregation a row of begin, end and score of each entity, and the same by windows; all their labels."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model, loading = transformers.AutoModelForTokenClassification.from_pretrained(
        folder, dtype=torch.float32, output_loading_info=True)
    if loading["missing_keys"]:
        raise ValueError(f"missing weights: {sorted(loading['missing_keys'])}")
    cut_at_positions(tokenizer, model.config)
    pipeline = transformers.TokenClassificationPipeline(model=model.eval(), tokenizer=tokenizer, device="cpu")
    rows, labels = [], []
    for text in texts:
        orders = [{"aggregation_strategy": name, "ignore_labels": []} for name in AGGREGATIONS]
        orders.append({"aggregation_strategy": "average", "stride": 1})
        for order in orders:
            row = []
            for found in pipeline(text, **order):
                row += [*bytes_of(text, found["start"], found["end"]), float(found["score"])]
                labels.append(found.get("entity", found.get("entity_group")))
            rows.append(row)
    return {"values": rows, "labels": labels}


def answer(folder, texts, batch=False):
    """What of each text answers the first two words of the one after it: begin, end and score of three answers, one of which may be none,
    and of two of words in parts; windows share four and two tokens."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    with tempfile.TemporaryDirectory() as written:
        tokenizer.save_pretrained(written)
        path = pathlib.Path(written, "tokenizer_config.json")
        settings = {**json.loads(path.read_text()), "model_input_names": tokenizer.model_input_names}
        path.write_text(json.dumps({**settings, "tokenizer_class": "PreTrainedTokenizerFast"}))
        return ask_other_python("answer_there", folder, texts, written)


def answer_there(folder, texts, written):
    tokenizer = transformers.PreTrainedTokenizerFast.from_pretrained(written)
    model, loading = transformers.AutoModelForQuestionAnswering.from_pretrained(
        folder, dtype=torch.float32, output_loading_info=True)
    if loading["missing_keys"]:
        raise ValueError(f"missing weights: {sorted(loading['missing_keys'])}")
    cut_at_positions(tokenizer, model.config)
    pipeline = transformers.QuestionAnsweringPipeline(model=model.eval(), tokenizer=tokenizer, device="cpu")
    rows = []
    for text, next_text in pairs_of(texts):
        question = " ".join(next_text.split(" ")[:2])
        for order in ({"top_k": 3, "handle_impossible_answer": True, "doc_stride": 4}, {"top_k": 2, "align_to_words": False, "doc_stride": 2, "max_answer_len": 4}):
            found = pipeline(question=question, context=text, **order) if question and text else []
            row = []
            for each in found if isinstance(found, list) else [found]:
                if each["score"] > 0:
                    row += [*bytes_of(text, each["start"], each["end"]), float(each["score"])]
            rows.append(row)
    return {"values": rows}


OTHER = []


def ask_other_python(*order):
    if not OTHER:
        OTHER.append(subprocess.Popen([os.environ["YONDER_ANSWER_PYTHON"], __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
    print(json.dumps(order), file=OTHER[0].stdin, flush=True)
    found = json.loads(OTHER[0].stdout.readline())
    if "error" in found:
        raise ValueError(found["error"])
    return found


TASKS = {"windows": windows, "passages": passages, "classify": classify, "embed": embed, "rerank": rerank, "zero-shot": zero_shot, "tokens": tokens, "answer": answer}


def run(task, folder, texts, batch=False):
    """A dictionary with "values", or with "error"."""
    try:
        return (answer_there if task == "answer_there" else TASKS[task])(str(folder), texts, batch)
    except BaseException as error:  # whatever they refuse a folder with: a panic of Rust is no Exception
        if isinstance(error, (KeyboardInterrupt, SystemExit)):
            raise
        return {"error": f"{type(error).__name__}: {error}"[:300]}


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(run(*json.loads(line))), flush=True)
