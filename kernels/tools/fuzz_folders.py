#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares this library with transformers and sentence-transformers on random model folders.

Run: cmake --build BUILD --target yonder_run_folders
     python3 fuzz_folders.py BUILD/kernels/yonder_run_folders [--count 300] [--seed 1]
with the versions that make_variant_goldens.py names. A folder is a golden model or a fresh one of random shape, saved by its own tools,
with random edits; theirs is run text by text, or as one padded batch. Reports each folder whose numbers differ by more than 1e-4, each
that only one side takes, and the largest difference.
"""

import argparse
import json
import pathlib
import random
import subprocess
import sys
import tempfile

import sentence_transformers
import torch
import transformers

import folder_variants as variants
import make_goldens
import peer

C, T, S, J, SB, ST, P = variants.C, variants.T, variants.S, variants.J, variants.SB, variants.ST, variants.P
WORDS = ["good", "Bad", "NOT", "at", "all", "job.", "movie", "naïve", "Über", "中文", "[MASK]", "<mask>", "<new>", "film!", "un", "slow,", "  ",
         "o", "zzz", "[SEP]", "terrible", "über", "the", "[CLS]", "e\u0301a", "\t", "<s>", "[mask]", "<NEW>",
         "the job", "THE JOB", "filmo", "bad"]
ANY = [None, True, False]

# Each: file, key, values. None removes the key.
TOKENIZER_KEYS = [
    (T, "do_lower_case", ANY), (T, "strip_accents", ANY), (T, "tokenize_chinese_chars", ANY), (T, "add_prefix_space", ANY),
    (T, "model_max_length", [None, 5, 9, 20, 1e30]), (T, "max_len", [None, 8]), (T, "truncation_side", [None, "left", "right"]),
    (T, "model_input_names", [None, ["input_ids", "attention_mask"], ["input_ids", "token_type_ids", "attention_mask"]]),
    (T, "additional_special_tokens", [None, ["<new>"], ["film", "o"], []]), (T, "extra_special_tokens", [None, ["the"], {"x": "at"}, []]),
    (T, "mask_token", [None, "[MASK]", "<mask>", {"__type": "AddedToken", "content": "<mask>", "lstrip": True},
                       {"__type": "AddedToken", "content": "[MASK]", "special": True, "rstrip": True}]),
    (T, "bos_token", [None, "[CLS]", "o"]), (T, "eos_token", [None, "[SEP]"]), (T, "own_token", [None, "bad"]),
    (T, "clean_up_tokenization_spaces", ANY), (T, "do_basic_tokenize", ANY), (T, "never_split", [None, ["good"]]),
    (T, "padding_side", [None, "right"]), (T, "split_special_tokens", [None, False]), (T, "add_bos_token", ANY), (T, "add_eos_token", ANY),
    (S, "mask_token", [None, "[MASK]", {"content": "[MASK]", "lstrip": True, "normalized": False, "rstrip": False, "single_word": False}]),
    (S, "additional_special_tokens", [None, ["the"]]), (S, "cls_token", [None, "[CLS]", "<s>"]),
]
JSON_KEYS = [
    (J, "truncation", [None, {"max_length": 6, "strategy": "LongestFirst", "stride": 0, "direction": "Left"},
                       {"max_length": 9, "strategy": "LongestFirst", "stride": 0, "direction": "Right"}]),
    (J, "padding", [None, {"strategy": "BatchLongest", "direction": "Right", "pad_to_multiple_of": 8, "pad_id": 0, "pad_type_id": 0,
                           "pad_token": "[PAD]"}]),
]
BERT_JSON_KEYS = [
    (J, "normalizer", [None, {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": False, "strip_accents": True,
                              "lowercase": False}, {"type": "Lowercase"},
                       {"type": "Sequence", "normalizers": [{"type": "NFD"}, {"type": "StripAccents"}]}]),
    (J, "pre_tokenizer", [{"type": "BertPreTokenizer"}, {"type": "Whitespace"}, {"type": "WhitespaceSplit"}]),
    (T, "tokenizer_class", [None, "BertTokenizer", "BertTokenizerFast", "PreTrainedTokenizerFast", "DistilBertTokenizer", "MiniLMTokenizer",
                            "ElectraTokenizerFast", "TokenizersBackend"]),
]
ROBERTA_KEYS = [(C, "model_type", ["roberta", "xlm-roberta"]), (T, "tokenizer_class", [None, "RobertaTokenizer", "RobertaTokenizerFast", "BartTokenizer"])]
CONFIG_KEYS = [
    (C, "hidden_act", ["gelu", "gelu_new", "relu", "gelu_fast", "gelu_python"]), (C, "layer_norm_eps", [None, 1e-5, 0.1]),
    (C, "pad_token_id", [1, 3, 4]), (C, "chunk_size_feed_forward", [0]), (C, "dtype", [None, "float32", "float16"]),
    (C, "problem_type", [None, "regression", "single_label_classification", "multi_label_classification"]),
    (C, "output_hidden_states", ANY), (C, "return_dict", [None, True, False]), (C, "some_other_key", [None, {"x": 1}, 7]),
    (C, "attention_probs_dropout_prob", [0.0, 0.9]), (C, "tokenizer_class", [None, "BertTokenizer"]), (C, "use_cache", ANY),
    (C, "tie_word_embeddings", ANY), (C, "position_embedding_type", [None, "absolute"]), (C, "is_decoder", [None, False]),
]
SENTENCE_KEYS = [
    (SB, "max_seq_length", [None, 6, 12, 30]), (SB, "do_lower_case", ANY), (SB, "unpad_inputs", [False, None]),
    (ST, "prompts", [{"query": "good film: ", "a": "Not ", "none": ""}]),
    (ST, "default_prompt_name", [None, "query", "a", "none"]), (ST, "truncate_dim", [None, 3, 7, 100]),
    (ST, "similarity_fn_name", [None, "dot", "cosine"]), (P, "include_prompt", ANY),
    (P, "pooling_mode", [None, "cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken", ["max", "mean"],
                         ["weightedmean", "cls", "lasttoken"]]),
] + [(P, "pooling_mode_" + flag, ANY) for flag in variants.FLAGS]


def random_text(random_):
    joint = "" if random_.random() < 0.2 else " "
    return joint.join(random_.choice(WORDS) for _ in range(random_.choice((0, 1, 3, 8, 40))))


class Fuzzer:
    def __init__(self, seed, folder, tasks):
        self.random, self.folder, self.tasks = random.Random(seed), folder, tasks
        torch.manual_seed(seed)

    def choose(self, *values):
        return self.random.choice(values)

    def fresh_config(self, kind, vocabulary):
        heads, layers = self.choose(1, 2, 3), self.choose(1, 2)
        hidden, positions = heads * self.choose(4, 8), self.choose(24, 40, 64)
        labels = {"num_labels": self.choose(1, 2, 3, 5)}
        if kind == "distilbert":
            return transformers.DistilBertConfig(vocab_size=vocabulary, dim=hidden, n_heads=heads, n_layers=layers, hidden_dim=2 * hidden + 3,
                                                 max_position_embeddings=positions, activation=self.choose("gelu", "relu"), **labels)
        shape = dict(vocab_size=vocabulary, hidden_size=hidden, num_attention_heads=heads, num_hidden_layers=layers,
                     intermediate_size=3 * hidden + 1, max_position_embeddings=positions, type_vocab_size=self.choose(1, 2, 3),
                     layer_norm_eps=self.choose(1e-12, 1e-5), hidden_act=self.choose("gelu", "gelu_new", "relu"), **labels)
        if kind == "roberta":
            return transformers.RobertaConfig(pad_token_id=self.choose(1, 3, 4), **shape)
        return transformers.BertConfig(**shape)

    def fresh_model(self, kind, task):
        """A folder as transformers or sentence-transformers saves it."""
        sentence = task in ("embed", "windows")
        if kind == "roberta":
            source = variants.GOLDENS / variants.ROBERTA
            tokenizer = transformers.AutoTokenizer.from_pretrained(source)
        else:
            lower = self.random.random() < 0.5
            tokens = make_goldens.vocabulary(lower)
            tokenizer = transformers.BertTokenizer(vocab={token: i for i, token in enumerate(tokens)}, do_lower_case=lower,
                                                   model_max_length=self.choose(12, 24, 10**30))
        if self.random.random() < 0.3:
            tokenizer.add_tokens(["<new>"])
        if self.random.random() < 0.2:
            tokenizer.add_special_tokens({"additional_special_tokens": ["film!"]})
        size = len(tokenizer) - (1 if self.random.random() < 0.1 else 0)
        config = self.fresh_config(kind, size)
        auto = {"embed": transformers.AutoModel, "windows": transformers.AutoModel, "tokens": transformers.AutoModelForTokenClassification,
                "answer": transformers.AutoModelForQuestionAnswering}.get(task, transformers.AutoModelForSequenceClassification)
        if task == "answer":
            config.num_labels = 2
        if task == "passages":
            config.num_labels = 1
        model = auto.from_config(config).eval()
        make_goldens.randomize(model, self.random.randrange(1 << 30))
        model.to(self.choose(torch.float32, torch.float16, torch.bfloat16))
        parts = self.folder / "parts" if sentence else self.folder
        model.save_pretrained(parts, max_shard_size=self.choose("10GB", "4KB"))
        tokenizer.save_pretrained(parts)
        if not sentence:
            return
        modules = sentence_transformers.SentenceTransformer(str(parts), device="cpu", local_files_only=True)
        transformer = modules[0]
        from sentence_transformers import models
        width = config.dim if kind == "distilbert" else config.hidden_size
        modes = self.choose("mean", "cls", "max", "weightedmean", "lasttoken", ("mean", "max"))
        stack = [transformer, models.Pooling(width, modes)]
        out = width * (1 if isinstance(modes, str) else len(modes))
        for _ in range(self.choose(0, 0, 1, 2)):
            if self.random.random() < 0.5:
                stack.append(models.Normalize())
            else:
                to = self.choose(5, out)
                stack.append(models.Dense(out, to, bias=self.choose(True, False), use_residual=self.choose(True, False), activation_function=self.choose(
                    torch.nn.Tanh(), torch.nn.Identity(), torch.nn.ReLU(), torch.nn.GELU(), torch.nn.Sigmoid(), torch.nn.SiLU())))
                out = to
        prompts = {"query": "good: ", "passage": "bad film "} if task == "embed" and self.random.random() < 0.5 else None
        whole = sentence_transformers.SentenceTransformer(modules=stack, device="cpu", prompts=prompts, default_prompt_name="passage"
                                                          if prompts and self.random.random() < 0.5 else None)
        whole = whole.to(torch.float32)
        whole.save(str(self.folder), safe_serialization=True)
        import shutil
        shutil.rmtree(parts)

    def make(self):
        """Writes a folder; returns its task and the edits."""
        import shutil
        shutil.rmtree(self.folder, ignore_errors=True)
        kind = self.choose("bert", "distilbert", "roberta", "legacy", "sentence", "sentence")
        edits = {}
        fresh = self.random.random() < 0.5
        task = self.choose(*self.tasks) if kind != "sentence" else "windows" if "windows" in self.tasks else "embed"
        if fresh:
            self.folder.mkdir(parents=True)
            family = self.choose("bert", "distilbert", "roberta") if kind in ("legacy", "sentence") else kind
            self.fresh_model(family, task)
        else:
            family = {"legacy": "bert", "sentence": "bert"}.get(kind, kind)
            base = {"bert": variants.BERT, "distilbert": variants.DISTILBERT, "roberta": variants.ROBERTA, "legacy": "legacy-bert",
                    "sentence": variants.SENTENCE}[kind]
            if task in ("tokens", "answer"):
                base = family + "-heads"
                variants.write(self.folder, base, variants.HEAD_KINDS[task](base), variants.HEADS[base])
            else:
                shutil.copytree(variants.GOLDENS / base, self.folder)
                (self.folder / "golden.json").unlink()
        keys = TOKENIZER_KEYS + (ROBERTA_KEYS if family == "roberta" else BERT_JSON_KEYS) + JSON_KEYS + CONFIG_KEYS * (not fresh)
        prompted = [each for each in SENTENCE_KEYS if task == "embed" or each[:2] != (ST, "default_prompt_name")]
        keys += prompted * (task in ("embed", "windows")) * 2
        pooling = "1_Pooling/config.json"
        for file, key, values in self.random.sample(keys, self.choose(0, 1, 2, 4, 8)):
            path = self.folder / file
            if not path.exists() and file in (J, pooling):
                continue
            value = self.choose(*values)
            edits.setdefault(file, {})[key] = value
            old = json.loads(path.read_text()) if path.exists() else {}
            if value is None:
                old.pop(key, None)
            else:
                old[key] = value
            path.write_text(json.dumps(old, ensure_ascii=False))
        if self.random.random() < 0.3:
            edits["added tokens"] = self.change_added_tokens()
        if family != "roberta" and self.random.random() < 0.15 and (self.folder / J).exists():
            vocabulary = json.loads((self.folder / J).read_text())["model"]["vocab"]
            (self.folder / "vocab.txt").write_text("".join(token + "\n" for token in sorted(vocabulary, key=vocabulary.get)))
            (self.folder / J).unlink()
            edits["vocab.txt"] = "instead of tokenizer.json"
        if task in ("embed", "windows") and kind == "sentence" and self.random.random() < 0.2:
            self.move_transformer()
        if task == "zero-shot":
            edits["entailment"] = self.name_entailment()
        if task == "tokens" and fresh:
            edits["tags"] = self.name_tags()
        if task in ("rerank", "passages") and self.random.random() < 0.5:
            edits["CrossEncoder"] = self.save_cross_encoder()
        return task, edits

    def name_entailment(self):
        """One of the labels, wherever it stands."""
        path = self.folder / C
        config = json.loads(path.read_text())
        count = len(config.get("id2label") or range(config.get("num_labels", 2)))
        names = [f"other {i}" for i in range(count)]
        names[self.random.randrange(count)] = self.choose("entailment", "ENTAILMENT", "Entails")
        config["id2label"] = {str(i): name for i, name in enumerate(names)}
        config["label2id"] = {name: i for i, name in enumerate(names)}
        path.write_text(json.dumps(config))
        return names

    def name_tags(self):
        """Of each token."""
        path = self.folder / C
        config = json.loads(path.read_text())
        names = [self.choose("O", "B-PER", "I-PER", "I-LOC", "B-LOC", "MISC", "X-Y-Z") for _ in config.get("id2label") or range(2)]
        config["id2label"] = {str(i): name for i, name in enumerate(names)}
        path.write_text(json.dumps(config))
        return names

    def save_cross_encoder(self):
        """What sentence-transformers writes beside a model."""
        activation = self.choose(None, "torch.nn.modules.linear.Identity", "torch.nn.modules.activation.Sigmoid", "own.Activation")
        if self.random.random() < 0.5:  # before 5.4
            path = self.folder / C
            key = {"sbert_ce_default_activation_function": activation} if self.random.random() < 0.5 else {
                "sentence_transformers": {"activation_fn": activation, "version": "4.1.0"}}
            path.write_text(json.dumps({**json.loads(path.read_text()), **key}))
            return key
        settings = {"transformer_task": "sequence-classification", "module_output_name": "scores",
                    "modality_config": {"text": {"method": "forward", "method_output_name": "logits"}}}
        if self.random.random() < 0.5:
            settings["max_seq_length"] = self.choose(8, 14, 20, 100)
        if self.random.random() < 0.3:
            settings["do_lower_case"] = True
        (self.folder / SB).write_text(json.dumps(settings))
        (self.folder / ST).write_text(json.dumps({"model_type": "CrossEncoder", "activation_fn": activation, "prompts": {"q": "good "},
                                                  "default_prompt_name": self.choose(None, None, None, "q")}))
        (self.folder / "modules.json").write_text(json.dumps(variants.CROSS[variants.M]))
        return [activation, settings]

    def vocabulary(self):
        for name in (J, "vocab.json", "vocab.txt"):
            path = self.folder / name
            if path.exists():
                text = path.read_text()
                if name == "vocab.txt":
                    return {token: i for i, token in enumerate(text.splitlines())}
                return json.loads(text)["model"]["vocab"] if name == J else json.loads(text)

    def change_added_tokens(self):
        """In one of the three places that they have had; with the ids that they get."""
        vocabulary, tokens = self.vocabulary(), {}
        for content in self.random.sample(["<new>", "[MASK]", "o", "film", "Bad", "the job", "\u00e9", "<mask>", "NOT", "[SEP]"], self.choose(1, 2, 4)):
            flag = lambda share: self.random.random() < share
            tokens[content] = {"content": content, "single_word": flag(0.2), "lstrip": flag(0.3), "rstrip": flag(0.3),
                               "normalized": flag(0.5), "special": flag(0.4)}
        ids, following = {}, len(vocabulary)
        for content in tokens:
            ids[content] = vocabulary.get(content)
            if ids[content] is None:
                ids[content], following = following, following + 1
        place = self.choose(T, J, "added_tokens.json")
        path = self.folder / place
        if place == J and not path.exists():
            return None
        value = json.loads(path.read_text()) if path.exists() else {}
        if place == T:
            value["added_tokens_decoder"] = {str(ids[content]): token for content, token in tokens.items()}
        elif place == J:
            value["added_tokens"] = [{"id": ids[content], **token} for content, token in tokens.items()]
        else:
            value = ids
        path.write_text(json.dumps(value, ensure_ascii=False))
        return place

    def move_transformer(self):
        """Into a folder of its own, as sentence-transformers had it until 2021."""
        modules = json.loads((self.folder / "modules.json").read_text())
        own = [path for path in self.folder.iterdir() if path.is_file() and path.name not in (
            "modules.json", "config_sentence_transformers.json")]
        (self.folder / "0_Transformer").mkdir()
        for path in own:
            path.rename(self.folder / "0_Transformer" / path.name)
        modules[0]["path"] = "0_Transformer"
        (self.folder / "modules.json").write_text(json.dumps(modules))


def difference(one, other):
    pairs = [(a, b) for key in ("values", "scores") if key in one and key in other
             for x, y in zip(one[key], other[key]) for a, b in zip(x, y)]
    if [len(x) for x in one["values"]] != [len(x) for x in other["values"]] or one.get("labels") != other.get("labels"):
        return float("inf")
    return max((abs(a - b) / max(1.0, abs(b)) for a, b in pairs), default=0.0)


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("runner")
    arguments.add_argument("--count", type=int, default=300)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--tasks", default="classify,rerank,zero-shot", help="of folders that are no sentence encoders; also tokens, answer and passages, and windows of all")
    arguments.add_argument("--keep", type=pathlib.Path, help="a folder for those that differ")
    given = arguments.parse_args()
    runner = subprocess.Popen([given.runner], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    reasons = {}
    seen = {"same numbers": 0, "refused by both": 0, "only here refused": 0, "only there refused": 0, "different": 0}
    largest = 0.0
    with tempfile.TemporaryDirectory() as temporary:
        for number in range(given.count):
            folder = pathlib.Path(temporary) / "model"
            fuzzer = Fuzzer(given.seed * 1_000_000 + number, folder, given.tasks.split(","))
            task, edits = fuzzer.make()
            texts = [random_text(fuzzer.random) for _ in range(4)]
            if task == "zero-shot":
                texts = [text or "a" for text in texts]  # the pipeline takes no empty one
            theirs = peer.run(task, folder, texts, batch=fuzzer.random.random() < 0.5)
            runner.stdin.write(json.dumps({"folder": str(folder), "task": task, "texts": texts, "labels": peer.LABELS}) + "\n")
            runner.stdin.flush()
            ours = json.loads(runner.stdout.readline())
            if "error" in ours or "error" in theirs:
                kind = ("refused by both" if "error" in theirs else "only here refused") if "error" in ours else "only there refused"
            else:
                found = difference(ours, theirs)
                kind = "same numbers" if found <= 1e-4 else "different"
                largest = max(largest, found if kind == "same numbers" else 0.0)
            seen[kind] += 1
            if kind == "refused by both":
                why = ours["error"].split("model/")[-1][:90]
                reasons[why] = reasons.get(why, 0) + 1
            if kind in ("only here refused", "only there refused", "different"):
                print(f"{number} {kind}: {json.dumps(edits, ensure_ascii=False)[:300]}\n  ours: {str(ours.get('error', ''))[:300]}\n  "
                      f"theirs: {theirs.get('error', '')}", flush=True)
                if given.keep:
                    import shutil
                    shutil.copytree(folder, given.keep / str(number), dirs_exist_ok=True)
                    (given.keep / str(number) / "case.json").write_text(json.dumps(
                        {"task": task, "texts": texts, "edits": edits, "ours": ours, "theirs": theirs}, ensure_ascii=False))
    for why, count in sorted(reasons.items(), key=lambda each: -each[1])[:20]:
        print(f"  refused by both, {count}: {why}")
    print(f"{given.count} folders: {seen}; largest difference of those with the same numbers: {largest:.2e}")
    return seen["different"] != 0


if __name__ == "__main__":
    sys.exit(main())
