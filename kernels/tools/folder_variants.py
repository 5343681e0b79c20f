#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Variants of the golden models, one for each key that takes part in their numbers or is refused.

A variant is a base folder and edits: a JSON merge patch (RFC 7396) for each file, or its whole new content where that is an
array or a text; None removes the file. `keys` are those of kernels/model/keys.cpp that it is about. `expect` is
  values:  the peers' numbers, which differ from the base's ("same" ones do not);
  refused: an error that names the file and the key, whatever the peers do;
  error:   an error here and there.
"""

import base64
import json
import pathlib
import shutil

import tokenizer_corpus

GOLDENS = pathlib.Path(__file__).resolve().parent.parent / "tests" / "goldens"
TEXTS = ["good job", "Not Bad! Über naïve", "中文 <new> [MASK] great <mask> was",
         "this movie is terrible, would never recommend it to anyone or any job, not at all unlike a fast fun film"]

BERT, DISTILBERT, ROBERTA, LEGACY = "bert-classifier", "distilbert-classifier", "roberta-classifier", "legacy-bert"
MPNET = "mpnet-classifier"
MODERN = "modernbert-classifier"
SENTENCE = "sentence-encoder"
C, T, S, J = "config.json", "tokenizer_config.json", "special_tokens_map.json", "tokenizer.json"
SB, ST, P, M = "sentence_bert_config.json", "config_sentence_transformers.json", "1_Pooling/config.json", "modules.json"
ANY_SB, POOL, DENSE, NORM = "sentence_*_config.json", "Pooling config.json", "Dense config.json", "Normalize config.json"

CROSS_SB, CROSS_ST = ANY_SB + " of a CrossEncoder", ST + " of a CrossEncoder"
NAMES = {ANY_SB: SB, CROSS_SB: SB, CROSS_ST: ST, POOL: P, DENSE: "2_Dense/config.json", NORM: "2_Normalize/config.json"}

FAST = {T: {"tokenizer_class": "PreTrainedTokenizerFast"}}


def merged(target, patch):
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result


def join(*edits):
    result = {}
    for edit in edits:
        for file, change in edit.items():
            old = result.get(file, {})
            result[file] = merge_edit(old, change) if isinstance(old, dict) and isinstance(change, dict) else change
    return result


def merge_edit(first, second):
    """Like merged(), but keeps the removals."""
    result = dict(first)
    for key, value in second.items():
        nested = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = merge_edit(result[key], value) if nested else value
    return result


def write(folder, base, edits, copies=()):
    """The variant's folder, anew."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(GOLDENS / base, folder)
    for target, source in copies:
        (folder / target).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(GOLDENS / source, folder / target)
    for file, change in edits.items():
        path = folder / file
        if file == J and base.startswith("roberta") and not path.exists():
            path.write_text(json.dumps(byte_level(folder)))
        path.parent.mkdir(parents=True, exist_ok=True)
        if change is None:
            path.unlink()
        elif isinstance(change, str):
            path.write_bytes(change.encode())
        else:
            old = json.loads(path.read_text()) if path.exists() and isinstance(change, dict) else {}
            path.write_text(json.dumps(merged(old, change), ensure_ascii=False))
    return folder


VARIANTS = []


def add(base, file, keys, edits, expect="values", same=False, texts=None, copies=(), against=None, named=None, task=None):
    keys = [keys] if isinstance(keys, str) else keys
    VARIANTS.append({"base": base, "keys": [[file, key] for key in keys], "edits": edits, "expect": expect, "same": same,
                     "texts": texts or TEXTS, "copies": [list(each) for each in copies], "against": against or {},
                     "named": named or [NAMES.get(file, file), keys[0].split(".")[-1]],
                     "task": task or ("embed" if base == SENTENCE else "classify")})


# config.json
add(BERT, C, "model_type", {C: {"model_type": "distilbert"}}, "error")
add(BERT, C, "model_type", {C: {"model_type": "gpt2"}}, "refused")
add(BERT, C, "architectures", {C: {"architectures": ["BertModel"]}}, "refused")
for key, value in (("hidden_size", 48), ("intermediate_size", 28), ("vocab_size", 60), ("max_position_embeddings", 39),
                   ("type_vocab_size", 3), ("num_hidden_layers", 3), ("num_labels", 4)):
    add(BERT, C, key, {C: {key: value, **({"id2label": None, "label2id": None} if key == "num_labels" else {})}}, "error")
for key, value in (("dim", 48), ("hidden_dim", 28), ("n_layers", 3)):
    add(DISTILBERT, C, key, {C: {key: value}}, "error")
add(BERT, C, "num_hidden_layers", {C: {"num_hidden_layers": 1}})
add(BERT, C, "num_attention_heads", {C: {"num_attention_heads": 4}})
add(DISTILBERT, C, "n_layers", {C: {"n_layers": 1}})
add(DISTILBERT, C, "n_heads", {C: {"n_heads": 2}})
add(DISTILBERT, C, ["n_heads", "num_attention_heads"], {C: {"n_heads": None, "num_attention_heads": 2}})
add(BERT, C, "num_labels", {C: {"id2label": None, "label2id": None, "num_labels": 3}})
add(MPNET, C, "relative_attention_num_buckets", {C: {"relative_attention_num_buckets": 16}}, "error")
add(MPNET, C, "relative_attention_num_buckets", {C: {"relative_attention_num_buckets": 33}}, "error")
add(MPNET, C, "pad_token_id", {C: {"pad_token_id": 5}}, same=True)
add(MPNET, C, "layer_norm_eps", {C: {"layer_norm_eps": 0.25}})
add(MPNET, T, "do_lower_case", {T: {"do_lower_case": False}})
add(MPNET, T, "mask_token", {T: {"mask_token": {"__type": "AddedToken", "content": "<mask>", "lstrip": True}}}, same=True)
WIDE = ["never slow " * 12, *TEXTS[:3], "cafe\u0301  not    at all"]
for key, value in (("hidden_activation", "gelu_new"), ("hidden_activation", "relu"), ("norm_eps", 0.25), ("local_attention", 4), ("local_attention", 5),
                   ("global_attn_every_n_layers", 2), ("layer_types", ["sliding_attention", "sliding_attention", "full_attention", "full_attention"]),
                   ("global_rope_theta", 90.0), ("local_rope_theta", 90.0), ("rope_parameters", {"sliding_attention": {"rope_type": "default", "rope_theta": 90}}),
                   ("rope_parameters", {"full_attention": {"rope_theta": 90.5}, "sliding_attention": None}), ("classifier_pooling", "cls"),
                   ("classifier_activation", "relu"), ("num_attention_heads", 6)):
    add(MODERN, C, key, {C: {key: value}}, texts=WIDE)
for key in ("norm_bias", "attention_bias", "mlp_bias", "classifier_bias"):
    add(MODERN, C, key, {C: {key: True}}, "error")
for key, value in (("hidden_activation", "silu"), ("rope_scaling", {"rope_type": "linear", "factor": 2.0}), ("head_dim", 4), ("sliding_window", 2),
                   ("rope_parameters", {"full_attention": {"rope_type": "linear", "factor": 2.0}}), ("classifier_activation", "silu")):
    add(MODERN, C, key, {C: {key: value}}, "refused", named=[C, "rope_type" if key == "rope_parameters" else key])
add(MODERN, C, ["head_dim", "sliding_window"], {C: {"head_dim": 8, "sliding_window": 4}}, same=True)
add(MODERN, C, "*", {C: {"layer_norm_eps": 0.25, "hidden_act": "relu", "pad_token_id": 5, "rope_theta": 7.0, "type_vocab_size": 3, "sparse_prediction": True,
                         "reference_compile": False, "decoder_bias": False, "embedding_dropout": 0.5, "partial_rotary_factor": 0.5}}, same=True, texts=WIDE)
add(MODERN, C, "max_position_embeddings", {C: {"max_position_embeddings": 12}, T: {"model_max_length": 12}}, texts=WIDE)
for name in ("BertTokenizer", "TokenizersBackend", "RobertaTokenizerFast"):
    add(MODERN, T, "tokenizer_class", {T: {"tokenizer_class": name}}, same=True, texts=WIDE)
add(MODERN, J, "normalizer.type", {J: {"normalizer": {"type": "NFD"}}}, texts=WIDE)
add(MODERN, J, "normalizer", {J: {"normalizer": None}}, texts=WIDE)
add(MODERN, C, "architectures", {C: {"architectures": ["ModernBertModel"]}}, task="embed", texts=WIDE,
    against={T: {"model_max_length": 20}})
add(MODERN, C, "model_type", {C: {"model_type": "modernbert-decoder"}}, "refused")
for value in ("relu", "gelu_new", "gelu_fast", "gelu_pytorch_tanh"):
    add(BERT, C, "hidden_act", {C: {"hidden_act": value}})
add(BERT, C, "hidden_act", {C: {"hidden_act": "gelu_python"}}, same=True)
add(BERT, C, "hidden_act", {C: {"hidden_act": "silu"}}, "refused")
add(DISTILBERT, C, "activation", {C: {"activation": "relu"}})
add(BERT, C, "layer_norm_eps", {C: {"layer_norm_eps": 0.25}})
add(DISTILBERT, C, "layer_norm_eps", {C: {"layer_norm_eps": 0.25}}, same=True)
add(ROBERTA, C, "pad_token_id", {C: {"pad_token_id": 3}}, texts=TEXTS[:3])
add(BERT, C, "pad_token_id", {C: {"pad_token_id": 5}}, same=True)
add(BERT, C, "id2label", {C: {"id2label": {"0": 0, "1": 1.5, "2": True}}})
add(BERT, C, "id2label", {C: {"id2label": {"2": None}}}, "error")
add(BERT, C, "problem_type", {C: {"problem_type": "regression"}})
add(BERT, C, "problem_type", {C: {"problem_type": "multi_label_classification"}})
add(BERT, C, "problem_type", {C: {"problem_type": "ranking"}}, "refused")
add(BERT, C, "tokenizer_class", {C: {"tokenizer_class": "PreTrainedTokenizerFast"}, T: {"tokenizer_class": None},
                                 J: {"normalizer": {"lowercase": False}}})
for key, value in (("position_embedding_type", "relative_key"), ("is_decoder", True), ("is_encoder_decoder", True),
                   ("add_cross_attention", True), ("pruned_heads", {"0": [1]}), ("quantization_config", {"bits": 8}),
                   ("compression_config", {"format": "x"}), ("auto_map", {"AutoModel": "modeling.Model"}),
                   ("per_layer_config", {"0": {"intermediate_size": 8}}), ("transformers_weights", "other.safetensors"),
                   ("fusion_config", {"x": True})):
    add(BERT, C, key, {C: {key: value}}, "refused")
add(BERT, C, "*", {C: {"chunk_size_feed_forward": 0, "dtype": "float32", "hidden_dropout_prob": 0.9, "use_cache": False,
                       "tie_word_embeddings": False, "sinusoidal_pos_embds": True, "dropout": 0.5, "_num_labels": 7,
                       "rope_theta": 7, "sep_token_id": 9, "gradient_checkpointing": True, "function_to_apply": "none",
                       "output_hidden_states": True, "initializer_range": 9.0, "classifier_dropout": 0.7}}, same=True)

# tokenizer_config.json
CASED = {T: {"do_lower_case": False}}
add(BERT, T, "tokenizer_class", join(FAST, {J: {"normalizer": {"lowercase": False}}}))
add(BERT, T, "tokenizer_class", {T: {"tokenizer_class": "T5Tokenizer"}}, "refused")
add(BERT, T, "tokenizer_class", {T: {"tokenizer_class": "BertTokenizerFast"}}, same=True)
add(BERT, T, "tokenizer_class", {T: {"tokenizer_class": "ElectraTokenizer"}}, same=True)
add(BERT, T, "do_lower_case", CASED)
add(BERT, T, "do_lower_case", {T: {"do_lower_case": None}, J: {"normalizer": {"lowercase": False}}}, same=True)
add(DISTILBERT, T, "do_lower_case", {T: {"do_lower_case": None}})
add(BERT, T, "strip_accents", {T: {"strip_accents": False}})
add(DISTILBERT, T, "strip_accents", {T: {"strip_accents": True}})
add(BERT, T, "tokenize_chinese_chars", {T: {"tokenize_chinese_chars": False}})
add(ROBERTA, T, "add_prefix_space", {T: {"add_prefix_space": True}})
add(BERT, T, "model_max_length", {T: {"model_max_length": 7}})
add(BERT, T, "max_len", {T: {"max_len": 7}})
add(BERT, T, "truncation_side", {T: {"truncation_side": "left", "model_max_length": 7}},
    against={T: {"model_max_length": 7}})
TYPED = join(FAST, {J: {"post_processor": {"single": [
    {"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 1}},
    {"SpecialToken": {"id": "[SEP]", "type_id": 0}}]}}})
ALL_NAMES = {T: {"model_input_names": ["input_ids", "token_type_ids", "attention_mask"]}}
add(BERT, T, "model_input_names", join(TYPED, ALL_NAMES), against=TYPED)
add(BERT, T, "model_input_names", join(TYPED, {T: {"model_input_names": ["input_ids", "attention_mask"]}}), same=True)
add(BERT, T, "model_input_names", {T: {"model_input_names": ["input_ids"]}}, "refused")
NEW = {"content": "<new>", "lstrip": False, "normalized": True, "rstrip": False, "single_word": False, "special": False}
SPECIALS = {str(i): {"content": name, "special": True} for i, name in enumerate(("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"))}
add(BERT, T, "added_tokens_decoder", {T: {"added_tokens_decoder": {**SPECIALS, "12": {"content": "h", "special": False}}}})
add(BERT, T, "added_tokens_decoder", {T: {"added_tokens_decoder": {"99": NEW}}}, "refused", named=[J, "<new>"])
add(DISTILBERT, T, "added_tokens_decoder",
    {T: {"added_tokens_decoder": {"4": {"content": "[MASK]", "special": True, "lstrip": True}}}, "added_tokens.json": {"o": 19}},
    same=True)
add(BERT, T, "unk_token", {T: {"unk_token": "good"}})
add(BERT, T, "cls_token", {T: {"cls_token": "good"}})
add(BERT, T, "sep_token", {T: {"sep_token": {"__type": "AddedToken", "content": "bad"}}})
add(BERT, T, "pad_token", {T: {"pad_token": "ly"}}, "error", texts=["good ly"])
add(BERT, T, "pad_token", {T: {"pad_token": "ly"}}, same=True)
add(DISTILBERT, T, "pad_token", {T: {"pad_token": "ad"}}, "values", texts=["good [PAD] job", "a [PAD] movie"])
add(DISTILBERT, T, "mask_token", {T: {"mask_token": {"__type": "AddedToken", "content": "oo"}}}, "error")
add(DISTILBERT, T, ["mask_token", "bos_token", "eos_token"], {T: {"mask_token": "o", "bos_token": "v", "eos_token": "film"}})
add(DISTILBERT, T, "additional_special_tokens", {T: {"additional_special_tokens": ["n", "##s"]}})
add(DISTILBERT, T, "extra_special_tokens", {T: {"extra_special_tokens": {"one": "n"}}})
add(DISTILBERT, T, "*_token", {T: {"image_token": "n"}})
# Nulls, which a merge patch cannot set.
for base, config in ((DISTILBERT, {"tokenizer_class": "DistilBertTokenizer", "do_lower_case": False}), (ROBERTA, {})):
    for key in ("mask_token", "pad_token"):
        add(base, T, key, {T: json.dumps({**config, key: None})}, texts=["a [MASK] <mask> plot [PAD] <pad> good"],
            against={T: config} if base == DISTILBERT else {T: {"mask_token": None}})
for key in ("cls_token", "sep_token", "unk_token"):
    add(BERT, T, key, {T: json.dumps({key: None})}, "refused", named=[J, key])
add(BERT, T, "padding_side", {T: {"padding_side": "left"}}, "refused")
add(ROBERTA, T, "padding_side", {T: {"padding_side": "left"}}, same=True)
for key, value in (("split_special_tokens", True), ("auto_map", {"AutoTokenizer": ["t.T", None]}),
                   ("fast_tokenizer_files", ["tokenizer.4.0.json"]), ("init_inputs", [1]),
                   ("model_specific_special_tokens", {"x": "n"}), ("vocab", {"a": 0}), ("merges", [["a", "b"]])):
    add(BERT, T, key, {T: {key: value}}, "refused")
add(BERT, T, "*", {T: {"do_basic_tokenize": False, "never_split": ["good"], "add_bos_token": True, "clean_up_tokenization_spaces": True,
                       "stride": 3, "max_length": 5, "pad_to_multiple_of": 8, "name_or_path": "x", "wordpieces_prefix": "@@",
                       "clean_text": False, "trim_offsets": True}}, same=True)

# special_tokens_map.json, added_tokens.json
add(DISTILBERT, S, "*_token", {S: {"cls_token": "good", "mask_token": {"content": "o", "lstrip": True, "normalized": False,
                                                                      "rstrip": False, "single_word": False}}})
add(DISTILBERT, S, "additional_special_tokens", {S: {"additional_special_tokens": ["n"]}})
add(DISTILBERT, S, "extra_special_tokens", {S: {"extra_special_tokens": ["n"]}})
add(DISTILBERT, S, "*", {S: {"do_lower_case": True}}, "refused", named=[S, "do_lower_case"])
add(DISTILBERT, "added_tokens.json", "*", {"added_tokens.json": {"o": 19}})
add(DISTILBERT, "added_tokens.json", "*", {"added_tokens.json": {"<new>": 500}}, "refused", named=["vocab.txt", "<new>"])

# tokenizer.json
add(BERT, J, ["model", "model.vocab"], {J: {"model": {"vocab": {"good": 58, "bad": 57}}}})
add(BERT, J, "model.type", {J: {"model": {"type": "WordLevel"}}}, "refused", named=[J, "type"])
add(BERT, J, "normalizer", join(FAST, {J: {"normalizer": None}}), against=FAST)
add(BERT, J, "normalizer", {J: {"normalizer": None}}, same=True)
add(BERT, J, ["normalizer.lowercase", "normalizer.strip_accents"],
    join(FAST, {J: {"normalizer": {"lowercase": False, "strip_accents": True}}}), against=FAST)
add(BERT, J, ["normalizer.handle_chinese_chars"], join(FAST, {J: {"normalizer": {"handle_chinese_chars": False}}}), against=FAST)
add(BERT, J, ["normalizer.clean_text"], join(FAST, {J: {"normalizer": {"clean_text": False}}}), against=FAST,
    texts=["good\u0000 job", "go\u200bod"])
add(BERT, J, ["normalizer.type", "normalizer.normalizers"], join(FAST, {J: {"normalizer": {
    "type": "Sequence", "normalizers": [{"type": "NFD"}, {"type": "Lowercase"}],
    **dict.fromkeys(("clean_text", "handle_chinese_chars", "strip_accents", "lowercase"))}}}), against=FAST)
add(BERT, J, "normalizer.type", join(FAST, {J: {"normalizer": {"type": "NFKC"}}}), "refused")
add(BERT, J, ["pre_tokenizer", "pre_tokenizer.type", "pre_tokenizer.pretokenizers"], join(FAST, {J: {"pre_tokenizer": {
    "type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}]}}}), against=FAST)
add(BERT, J, "pre_tokenizer.type", join(FAST, {J: {"pre_tokenizer": {"type": "Digits"}}}), "refused")
add(BERT, J, ["post_processor", "post_processor.type"], join(FAST, {J: {"post_processor": None}}), against=FAST)
add(BERT, J, "post_processor", {J: {"post_processor": None}}, same=True)
add(BERT, J, "post_processor.single", TYPED, same=True)
add(BERT, J, "post_processor.single", join(TYPED, ALL_NAMES), against=FAST)
add(BERT, J, "post_processor.single", join(FAST, {J: {"post_processor": {"single": [
    {"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "[SEP]", "type_id": 0}}]}}}), against=FAST)
add(BERT, J, "post_processor.special_tokens",
    join(FAST, {J: {"post_processor": {"special_tokens": {"[CLS]": {"ids": [5]}}}}}), against=FAST)
BERT_PROCESSING = join(FAST, {J: {"post_processor": {
    "type": "BertProcessing", "cls": ["[CLS]", 2], "sep": ["[SEP]", 3],
    **dict.fromkeys(("single", "pair", "special_tokens"))}}})
add(BERT, J, "post_processor.type", BERT_PROCESSING, same=True)
add(BERT, J, ["post_processor.cls", "post_processor.sep"],
    join(BERT_PROCESSING, {J: {"post_processor": {"cls": ["a", 5], "sep": ["b", 6]}}}), against=FAST)
add(BERT, J, ["post_processor.processors"], join(FAST, {J: {"post_processor": {
    "type": "Sequence", "processors": [{"type": "BertProcessing", "cls": ["a", 5], "sep": ["[SEP]", 3]}],
    **dict.fromkeys(("single", "pair", "special_tokens"))}}}), against=FAST)
TOKEN = {"id": 19, "content": "o", "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": False}
OLD = [{"id": i, "content": name, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
       for i, name in enumerate(("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"))]
ADDED = {J: {"added_tokens": OLD + [TOKEN]}}
add(BERT, J, ["added_tokens", "added_tokens.content"], ADDED)
add(BERT, J, ["added_tokens", "added_tokens.content"], join(FAST, ADDED))
add(BERT, J, "added_tokens", join(ADDED, {T: {"added_tokens_decoder": SPECIALS}}), same=True)
add(BERT, J, "added_tokens.id", {J: {"added_tokens": OLD + [{**TOKEN, "id": 30}]}}, "refused", named=[J, "30"])
add(BERT, J, "added_tokens.single_word", {J: {"added_tokens": OLD + [{**TOKEN, "single_word": True}]}}, against=ADDED)
MASK = {**TOKEN, "content": "<mask>", "id": json.loads((GOLDENS / ROBERTA / "vocab.json").read_text())["<mask>"], "special": True}
STRIPS = ["good  <mask>  job", "<mask> was a <mask>"]
for kind in ({}, FAST):
    for flag in ("lstrip", "rstrip"):
        add(ROBERTA, J, "added_tokens." + flag, join(kind, {T: {"mask_token": None}, J: {"added_tokens": [{**MASK, flag: True}]}}),
            texts=STRIPS, against=join(kind, {T: {"mask_token": None}, J: {"added_tokens": [MASK]}}))
add(ROBERTA, T, "mask_token", {T: {"mask_token": "<mask>"}})
add(BERT, J, "added_tokens.normalized", {J: {"added_tokens": OLD + [{**TOKEN, "content": "NOT", "id": 64, "normalized": True}]}},
    "refused", named=[J, "NOT"])
add(BERT, J, ["added_tokens.normalized", "added_tokens.special"], {J: {"added_tokens": OLD + [{**TOKEN, "normalized": True, "special": True}]}})
add(BERT, J, ["truncation", "truncation.direction"], {J: {"truncation": {"direction": "Left"}}, T: {"model_max_length": 7}},
    against={T: {"model_max_length": 7}})
add(BERT, J, "truncation", {J: {"truncation": {"max_length": 6, "strategy": "OnlyFirst", "stride": 2}}}, same=True)
PADDED = {"strategy": {"Fixed": 30}, "direction": "Left", "pad_to_multiple_of": 8, "pad_id": 0, "pad_type_id": 0, "pad_token": "[PAD]"}
add(BERT, J, ["padding", "padding.direction"], {J: {"padding": PADDED}}, "refused", named=[J, "direction"])
add(BERT, J, "padding", {J: {"padding": {**PADDED, "direction": "Right"}}}, same=True)
add(BERT, J, ["model.unk_token"], join(FAST, {J: {"model": {"unk_token": "good"}}}), against=FAST)
add(BERT, J, ["model.continuing_subword_prefix"], join(FAST, {J: {"model": {"continuing_subword_prefix": "#"}}}), against=FAST)
add(BERT, J, ["model.max_input_chars_per_word"], join(FAST, {J: {"model": {"max_input_chars_per_word": 3}}}), against=FAST)
add(BERT, J, ["model.unk_token", "model.max_input_chars_per_word"],
    {J: {"model": {"unk_token": "good", "max_input_chars_per_word": 3, "continuing_subword_prefix": "#"}}}, same=True)
for where, key in (("", "novelty"), ("truncation", "novelty"), ("padding", "novelty")):
    content = {"novelty": 1} if not where else {where: {"novelty": 1}}
    add(BERT, J, f"{where}.*" if where else "*", {J: content}, "refused", named=[J, key])
add(BERT, J, "added_tokens.*", {J: {"added_tokens": [{**OLD[0], "novelty": 1}]}}, "refused", named=[J, "novelty"])
for where in ("model", "normalizer", "pre_tokenizer", "post_processor"):
    add(BERT, J, where + ".*", join(FAST, {J: {where: {"novelty": 1}}}), "refused", named=[J, "novelty"])
add(BERT, J, "pre_tokenizer.behavior", join(FAST, {J: {"pre_tokenizer": {"type": "Punctuation", "behavior": "Removed"}}}), "refused")



# Byte-level BPE in tokenizer.json, which byte_level() makes of vocab.json and merges.txt before the edits.
def byte_level(folder):
    vocabulary = json.loads((folder / "vocab.json").read_text())
    merges = [line for line in (folder / "merges.txt").read_text().splitlines() if line and not line.startswith("#version")]
    return {"added_tokens": [], "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True},
            "post_processor": {"type": "RobertaProcessing", "sep": ["</s>", vocabulary["</s>"]],
                               "cls": ["<s>", vocabulary["<s>"]], "trim_offsets": True, "add_prefix_space": True},
            "model": {"type": "BPE", "vocab": vocabulary, "merges": merges}}


add(ROBERTA, J, "pre_tokenizer", {J: {}}, same=True)
add(ROBERTA, J, "pre_tokenizer.add_prefix_space", join(FAST, {J: {}}), against={J: {}})
add(ROBERTA, J, "model.merges", {J: {"model": {"merges": ["a t", "e r"]}}})
add(ROBERTA, J, "model.type", {J: {"model": {"type": None}}}, same=True)
for key, value in (("dropout", 0.5), ("end_of_word_suffix", "</w>"), ("byte_fallback", True), ("ignore_merges", True)):
    add(ROBERTA, J, "model." + key, join(FAST, {J: {"model": {key: value}}}), "refused")
add(ROBERTA, J, "model.continuing_subword_prefix", join(FAST, {J: {"model": {"continuing_subword_prefix": "##"}}}), "refused")
add(ROBERTA, J, "pre_tokenizer.use_regex", join(FAST, {J: {"pre_tokenizer": {"use_regex": False}}}), "refused")
add(ROBERTA, J, "model.dropout", {J: {"model": {"dropout": 0.5}}}, same=True)
add(ROBERTA, T, "tokenizer_class", {T: {"tokenizer_class": "BertTokenizer"}, J: {}}, "refused", named=[J, "BPE"])

# Unigram in tokenizer.json, and in SentencePiece's own file.
def unigram(tokenizer_class="PreTrainedTokenizerFast", **edits):
    pieces = [["<s>", 0.0], ["<pad>", 0.0], ["</s>", 0.0], ["<unk>", 0.0], ["\u2581", -2.5], ["\u2581good", -4.0], ["good", -4.5],
              ["_good", -4.0], ["\u2581job", -4.5], ["job", -5.0], ["good\u2581job", -3.0], *[[chr(c), -6.0] for c in range(0x41, 0x7B)]]
    value = {"added_tokens": [], "pre_tokenizer": {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always", "split": True},
             "post_processor": {"type": "BertProcessing", "cls": ["<s>", 0], "sep": ["</s>", 2]},
             "model": {"type": "Unigram", "unk_id": 3, "byte_fallback": False,
                       "vocab": pieces + [[f"<0x{byte:02X}>", 0.0] for byte in sorted(set("\u00dc\u00fc\u00ef".encode()))]}}
    return {T: {"tokenizer_class": tokenizer_class}, J: json.dumps(merged(value, edits), ensure_ascii=False)}


SPACED = ["  good job  ", "good  job", "_good job"]
MAP = base64.b64encode(tokenizer_corpus.one_letter_map(ord("o"), "a")).decode()
MAPPED = {"normalizer": {"type": "Precompiled", "precompiled_charsmap": MAP}}
STRIPPED = {"type": "Strip", "strip_left": False, "strip_right": False}
UNIGRAM = unigram()
add(ROBERTA, J, ["model", "model.type", "model.vocab"], UNIGRAM)
add(ROBERTA, J, "model.type", unigram(model={"type": None}), against=UNIGRAM, same=True)
add(ROBERTA, J, "model.unk_id", unigram(model={"unk_id": 5}), against=UNIGRAM)
add(ROBERTA, J, "model.unk_id", unigram(model={"unk_id": None}), "refused")
add(ROBERTA, J, "model.byte_fallback", unigram(model={"byte_fallback": True}), against=UNIGRAM)
add(ROBERTA, J, ["normalizer.type", "normalizer.precompiled_charsmap"], unigram(**MAPPED), against=UNIGRAM)
add(ROBERTA, J, "normalizer.precompiled_charsmap", unigram(normalizer={**MAPPED["normalizer"], "precompiled_charsmap": "AAA"}), "error")
add(ROBERTA, J, ["normalizer.pattern", "normalizer.content"],
    unigram(normalizer={"type": "Replace", "pattern": {"String": "good"}, "content": "job"}), against=UNIGRAM)
add(ROBERTA, J, ["normalizer.pattern", "normalizer.content"],
    unigram(normalizer={"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}), against=UNIGRAM, texts=SPACED)
add(ROBERTA, J, "normalizer.pattern", unigram(normalizer={"type": "Replace", "pattern": {"Regex": "o+"}, "content": "a"}), "refused")
for key in ("strip_left", "strip_right"):
    add(ROBERTA, J, "normalizer." + key, unigram(normalizer={**STRIPPED, key: True}), against=UNIGRAM, texts=SPACED)
add(ROBERTA, J, "normalizer.type", unigram(normalizer=STRIPPED), against=UNIGRAM, texts=SPACED, same=True)
add(ROBERTA, J, "normalizer.type", unigram(normalizer={"type": "NFKC"}), "refused")
add(ROBERTA, J, "pre_tokenizer.type", unigram(pre_tokenizer={"type": "Digits"}), "refused")
add(ROBERTA, J, "pre_tokenizer.replacement", unigram(pre_tokenizer={"replacement": "_"}), against=UNIGRAM)
add(ROBERTA, J, "pre_tokenizer.prepend_scheme", unigram(pre_tokenizer={"prepend_scheme": "never"}), against=UNIGRAM)
add(ROBERTA, J, "pre_tokenizer.prepend_scheme", unigram(pre_tokenizer={"prepend_scheme": "first"}), against=UNIGRAM, texts=SPACED, same=True)
add(ROBERTA, J, "pre_tokenizer.prepend_scheme", unigram(pre_tokenizer={"type": "Sequence", "pretokenizers": [
    {"type": "WhitespaceSplit"}, {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "first", "split": True}]}), "refused")
add(ROBERTA, J, "pre_tokenizer.split", unigram(pre_tokenizer={"split": False}), against=UNIGRAM)
add(ROBERTA, J, "pre_tokenizer.str_rep", unigram(pre_tokenizer={"str_rep": "_", "add_prefix_space": True}), against=UNIGRAM, same=True)
XLM = unigram("XLMRobertaTokenizer")
add(ROBERTA, T, "tokenizer_class", XLM, against=UNIGRAM, texts=["good\u3000job", "good  job"])
add(ROBERTA, J, ["normalizer", "normalizer.precompiled_charsmap"], unigram("XLMRobertaTokenizer", **MAPPED), against=XLM)
add(ROBERTA, J, "pre_tokenizer", unigram("XLMRobertaTokenizer", pre_tokenizer={"replacement": "_"}), against=XLM, same=True)
add(ROBERTA, T, "add_prefix_space", join(XLM, {T: {"add_prefix_space": True}}), against=XLM)
for key, token in (("bos_token", "good"), ("eos_token", "job")):
    add(ROBERTA, T, key, join(XLM, {T: {key: token}}), against=XLM)
add(ROBERTA, T, "tokenizer_class", join(XLM, {J: None}), "refused", named=[J, "sentencepiece.bpe.model"])
add(ROBERTA, T, "tokenizer_class", {T: {"tokenizer_class": "XLMRobertaTokenizer"}},
    copies=[("sentencepiece.bpe.model", "unigram/sentencepiece.bpe.model")])
add(ROBERTA, C, "tokenizer_class", {C: {"tokenizer_class": "XLMRobertaTokenizerFast"}, T: {"tokenizer_class": None}},
    copies=[("sentencepiece.bpe.model", "unigram/sentencepiece.bpe.model")])

# modules.json
TRANSFORMER = {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"}
POOLING = {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"}
NORMALIZE = {"idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"}
DENSE_MODULE = {"idx": 2, "name": "2", "path": "2_Dense", "type": "sentence_transformers.models.Dense"}
PLAIN = [TRANSFORMER, POOLING]
add(SENTENCE, M, "type", {M: PLAIN})
for kind in ("Router", "Asym", "CNN", "LSTM", "WeightedLayerPooling", "LayerNorm"):
    add(SENTENCE, M, "type", {M: PLAIN + [{**NORMALIZE, "type": "sentence_transformers.models." + kind}]}, "refused")
add(SENTENCE, M, "type", {M: [{**TRANSFORMER, "type": "custom_st.Transformer"}, POOLING]}, "refused")
add(SENTENCE, M, "type", {M: [
    {**TRANSFORMER, "type": "sentence_transformers.base.modules.transformer.Transformer"},
    {**POOLING, "type": "sentence_transformers.sentence_transformer.modules.pooling.Pooling"},
    {**NORMALIZE, "type": "sentence_transformers.sentence_transformer.modules.normalize.Normalize"}]}, same=True)
add(SENTENCE, M, "type", {M: PLAIN + [{**NORMALIZE, "type": "sentence_transformers.models.Dropout"}],
                          "2_Normalize/config.json": {"dropout": 0.5}}, against={M: PLAIN}, same=True)
add(SENTENCE, M, "path", {M: [TRANSFORMER, {**POOLING, "path": "other"}, NORMALIZE],
                          "other/config.json": {"embedding_dimension": 24, "pooling_mode": "max"}})
add(SENTENCE, M, "path", {M: [TRANSFORMER, {**POOLING, "path": "../other"}]}, "refused")
add(SENTENCE, M, "kwargs", {M: [{**TRANSFORMER, "kwargs": ["task"]}, POOLING]}, "refused")
add(SENTENCE, M, ["idx", "name"], {M: [{**TRANSFORMER, "idx": 9}, {**POOLING, "idx": 4, "name": "p"}, {**NORMALIZE, "idx": 0}]}, same=True)

# sentence_*_config.json
add(SENTENCE, ANY_SB, "max_seq_length", {SB: {"max_seq_length": 6}})
for kind in ("roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet"):
    add(SENTENCE, ANY_SB, "max_seq_length", {SB: None, f"sentence_{kind}_config.json": {"max_seq_length": 6}})
add(SENTENCE, ANY_SB, "max_seq_length", {"sentence_xlnet_config.json": {"max_seq_length": 6}}, same=True)
add(SENTENCE, ANY_SB, "max_seq_length", {SB: None})
add(SENTENCE, ANY_SB, "do_lower_case", {SB: {"do_lower_case": True}, T: {"do_lower_case": False}}, against={T: {"do_lower_case": False}})
for key, value in (("transformer_task", "fill-mask"), ("module_output_name", "sentence_embedding"),
                   ("modality_config", {"text": {"method": "forward", "method_output_name": "pooler_output"}}),
                   ("modality_config", {"text": {"method": "forward", "method_output_name": "last_hidden_state"},
                                        "message": {"method": "forward", "method_output_name": "last_hidden_state"}}),
                   ("processing_kwargs", {"text": {"max_length": 5}}), ("tokenizer_name_or_path", "elsewhere"), ("novelty", 1)):
    add(SENTENCE, ANY_SB, "*" if key == "novelty" else key, {SB: {key: value}}, "refused", named=[SB, key])
for key in ("model_args", "model_kwargs", "tokenizer_args", "processor_kwargs", "config_args", "config_kwargs"):
    add(SENTENCE, ANY_SB, key, {SB: {key: {"model_max_length": 5}}}, "refused", named=[SB, "model_max_length"])
add(SENTENCE, ANY_SB, ["modality_config", "transformer_task"], {SB: {
    "transformer_task": "feature-extraction", "module_output_name": "token_embeddings", "model_args": {"add_pooling_layer": False},
    "modality_config": {"text": {"method": "forward", "method_output_name": "last_hidden_state"}}, "query_length": 4,
    "document_length": 5, "unpad_inputs": False}}, same=True)

# config_sentence_transformers.json
PROMPTS = {"prompts": {"query": "good film: ", "none": ""}}
add(SENTENCE, ST, ["prompts", "default_prompt_name"], {ST: {**PROMPTS, "default_prompt_name": "query"}})
add(SENTENCE, ST, "prompts", {ST: PROMPTS}, same=True)
add(SENTENCE, ST, "default_prompt_name", {ST: {**PROMPTS, "default_prompt_name": "passage"}}, "refused")
add(SENTENCE, ST, "truncate_dim", {ST: {"truncate_dim": 5}})
add(SENTENCE, ST, "truncate_dim", {ST: {"truncate_dim": 500}}, same=True)
add(SENTENCE, ST, "model_type", {ST: {"model_type": "SparseEncoder"}}, "refused")
add(SENTENCE, ST, "*", {ST: {"similarity_fn_name": "dot", "novelty": 1, "__version__": {"pytorch": "1"}, "model_type": "SentenceTransformer"}},
    same=True)

# Pooling
FLAGS = ("cls_token", "max_tokens", "mean_tokens", "mean_sqrt_len_tokens", "weightedmean_tokens", "lasttoken")
for flag in FLAGS:
    add(SENTENCE, POOL, "pooling_mode_" + flag, {P: {"pooling_mode_mean_tokens": False, "pooling_mode_" + flag: True}, M: PLAIN},
        against={M: PLAIN}, same=flag == "mean_tokens")
    add(SENTENCE, POOL, ["pooling_mode_" + flag, "pooling_mode_mean_tokens"], {P: {"pooling_mode_mean_tokens": True, "pooling_mode_" + flag: True}},
        same=flag == "mean_tokens")
NAMED = {P: {"word_embedding_dimension": None, "embedding_dimension": 24, **dict.fromkeys("pooling_mode_" + flag for flag in FLAGS)}}
for mode in ("cls", "max", "mean_sqrt_len_tokens", "weightedmean", "lasttoken"):
    add(SENTENCE, POOL, "pooling_mode", join(NAMED, {M: PLAIN, P: {"pooling_mode": mode}}), against={M: PLAIN})
add(SENTENCE, POOL, "pooling_mode", join(NAMED, {P: {"pooling_mode": "mean"}}), same=True)
add(SENTENCE, POOL, "pooling_mode", join(NAMED, {P: {"pooling_mode": ["mean", "cls"]}}))
add(SENTENCE, POOL, "pooling_mode", {P: {"pooling_mode": "max"}})
add(SENTENCE, POOL, "pooling_mode", NAMED, same=True)
add(SENTENCE, POOL, "pooling_mode", {P: {"pooling_mode": "median"}}, "refused")
add(SENTENCE, POOL, "*", {P: {"novelty": 1}}, "refused", named=[P, "novelty"])
PROMPTED = {ST: {**PROMPTS, "default_prompt_name": "query"}}
for mode in ("mean", "cls", "weightedmean", "lasttoken", "mean_sqrt_len_tokens", "max"):
    add(SENTENCE, POOL, "include_prompt", join(PROMPTED, NAMED, {P: {"pooling_mode": mode, "include_prompt": False}}),
        against=join(PROMPTED, NAMED, {P: {"pooling_mode": mode}}), same=mode == "lasttoken", texts=TEXTS + [""])
add(SENTENCE, POOL, "include_prompt", join(PROMPTED, {P: {"include_prompt": False}, SB: {"max_seq_length": 5}}), texts=TEXTS)

# Dense, Normalize
NARROW = {"in_features": 24, "out_features": 5, "bias": True, "activation_function": "torch.nn.modules.activation.Tanh"}
AFTER = {M: PLAIN + [DENSE_MODULE], "2_Dense/config.json": NARROW}
WEIGHTS = [("2_Dense/model.safetensors", "dense/narrow.safetensors")]
add(SENTENCE, DENSE, ["in_features", "out_features"], AFTER, copies=WEIGHTS)
add(SENTENCE, DENSE, "out_features", join(AFTER, {"2_Dense/config.json": {"out_features": 6}}), "error", copies=WEIGHTS)
add(SENTENCE, DENSE, "in_features", join(AFTER, {"2_Dense/config.json": {"in_features": 23}}), "error", copies=WEIGHTS)
for name in ("activation.ReLU", "activation.GELU", "activation.Sigmoid", "activation.SiLU", "linear.Identity"):
    add(SENTENCE, DENSE, "activation_function", join(AFTER, {"2_Dense/config.json": {"activation_function": "torch.nn.modules." + name}}),
        copies=WEIGHTS)
add(SENTENCE, DENSE, "activation_function", join(AFTER, {"2_Dense/config.json": {"activation_function": None}}), copies=WEIGHTS)
add(SENTENCE, DENSE, "activation_function", join(AFTER, {"2_Dense/config.json": {"activation_function": "torch.nn.Mish"}}), "refused",
    copies=WEIGHTS, named=["2_Dense/config.json", "activation_function"])
SQUARE = join(AFTER, {"2_Dense/config.json": {"out_features": 24, "bias": False}, M: PLAIN + [DENSE_MODULE, {**NORMALIZE, "idx": 3, "name": "3"}]})
OF_SQUARE = [("2_Dense/model.safetensors", "dense/square.safetensors")]
add(SENTENCE, DENSE, "bias", SQUARE, copies=OF_SQUARE)
add(SENTENCE, DENSE, "use_residual", join(SQUARE, {"2_Dense/config.json": {"use_residual": True}}), copies=OF_SQUARE)
add(SENTENCE, DENSE, "use_residual", join(AFTER, {"2_Dense/config.json": {"use_residual": True}}),
    copies=[("2_Dense/model.safetensors", "dense/residual.safetensors")])
for key in ("module_input_name", "module_output_name"):
    add(SENTENCE, DENSE, key, join(AFTER, {"2_Dense/config.json": {key: "token_embeddings"}}), "refused", copies=WEIGHTS,
        named=["2_Dense/config.json", key])
    add(SENTENCE, NORM, key, {"2_Normalize/config.json": {key: "token_embeddings"}}, "refused", named=["2_Normalize/config.json", key])
add(SENTENCE, DENSE, "*", join(AFTER, {"2_Dense/config.json": {"novelty": 1}}), copies=WEIGHTS)
add(SENTENCE, NORM, "*", {"2_Normalize/config.json": {"module_input_name": "sentence_embedding", "novelty": 1}}, same=True)

add(BERT, "adapter_config.json", "*", {"adapter_config.json": {"peft_type": "LORA"}}, "refused", named=["adapter_config.json", "adapter"])

# Texts in place of JSON.
LINES = (GOLDENS / DISTILBERT / "vocab.txt").read_text()
add(DISTILBERT, "vocab.txt", "", {"vocab.txt": LINES.replace("\n", "\r\n")}, same=True)
add(DISTILBERT, "vocab.txt", "", {"vocab.txt": "\ufeff" + LINES}, same=True)
add(BERT, "vocab.txt", "", {"vocab.txt": LINES}, same=True)
add(BERT, C, "", {C: (GOLDENS / BERT / C).read_text().replace('"layer_norm_eps"', '"hidden_size": 24, "layer_norm_eps"')}, "refused",
    named=[C, "hidden_size"])

# Pairs of texts: a CrossEncoder.
def rerank(base, file, keys, edits, expect="values", **more):
    add(base, file, keys, edits, expect, task="rerank", **more)


IDENTITY, SIGMOID = "torch.nn.modules.linear.Identity", "torch.nn.modules.activation.Sigmoid"
LONG = ["good " * 30 + "job", "bad film", "this movie is terrible, would never recommend it to anyone or any job " * 2, "a slow film " * 12]
for base in (BERT, DISTILBERT, ROBERTA, LEGACY):
    rerank(base, C, "architectures", {C: {"some_other_key": 1}}, same=True)
    rerank(base, T, "model_max_length", {T: {"model_max_length": 15}}, texts=LONG, against={T: {"model_max_length": 24}})
    rerank(base, T, "truncation_side", {T: {"truncation_side": "left"}}, texts=LONG)
PADS = join(FAST, {T: {"pad_token": "[PAD]"}})
rerank(BERT, J, "post_processor.pair", PADS)  # without token_type_ids among the names of the inputs
rerank(BERT, J, "post_processor.pair", join(PADS, ALL_NAMES, {J: {"post_processor": {"pair": [
    {"SpecialToken": {"id": "[CLS]", "type_id": 1}}, {"Sequence": {"id": "B", "type_id": 0}}, {"SpecialToken": {"id": "[SEP]", "type_id": 0}},
    {"Sequence": {"id": "A", "type_id": 1}}]}}}))
rerank(BERT, J, "post_processor.pair", join(PADS, {J: {"post_processor": {"pair": [{"Sequence": {"id": "A", "type_id": 0}}]}}}), "refused")
rerank(BERT, J, "post_processor.type", join(BERT_PROCESSING, PADS, ALL_NAMES), against=PADS)
rerank(BERT, J, "post_processor", join(PADS, ALL_NAMES, {J: {"post_processor": None}}), against=PADS)
rerank(ROBERTA, J, "post_processor.type", join(FAST, {J: {}, T: {"pad_token": "<pad>"}}), against={J: {}})
rerank(BERT, C, "type_vocab_size", {C: {"type_vocab_size": 1}}, "error")
rerank(BERT, C, "problem_type", {C: {"problem_type": "multi_label_classification"}}, same=True)
rerank(LEGACY, C, "sentence_transformers", {C: {"sentence_transformers": {"activation_fn": IDENTITY, "version": "4.1.0"}}})
rerank(LEGACY, C, "sbert_ce_default_activation_function", {C: {"sbert_ce_default_activation_function": IDENTITY}})
rerank(LEGACY, C, "sbert_ce_default_activation_function",
       {C: {"sbert_ce_default_activation_function": IDENTITY, "sentence_transformers": {"activation_fn": SIGMOID}}}, same=True)
rerank(LEGACY, C, "sbert_ce_default_activation_function", {C: {"sbert_ce_default_activation_function": "own.Activation"}}, same=True)
rerank(LEGACY, C, "sbert_ce_default_activation_function", {C: {"sbert_ce_default_activation_function": "torch.nn.modules.activation.Tanh"}},
       "refused")
rerank(BERT, C, "sbert_ce_default_activation_function", {C: {"sbert_ce_default_activation_function": SIGMOID}})
CROSS = {M: [{**TRANSFORMER, "type": "sentence_transformers.base.modules.transformer.Transformer"}],
         SB: {"transformer_task": "sequence-classification", "module_output_name": "scores",
              "modality_config": {"text": {"method": "forward", "method_output_name": "logits"}}},
         ST: {"model_type": "CrossEncoder", "activation_fn": SIGMOID, "prompts": {}, "default_prompt_name": None}}
rerank(LEGACY, CROSS_ST, "model_type", CROSS, same=True)
rerank(LEGACY, CROSS_ST, "model_type", join(CROSS, {ST: {"model_type": "SentenceTransformer", "activation_fn": IDENTITY}, SB: {"max_seq_length": 7}}),
       same=True)
rerank(LEGACY, CROSS_ST, ["model_type", "activation_fn"], join(CROSS, {ST: {"activation_fn": IDENTITY}}))
rerank(LEGACY, CROSS_ST, "activation_fn", join(CROSS, {ST: {"activation_fn": None}, C: {"sbert_ce_default_activation_function": IDENTITY}}))
rerank(LEGACY, CROSS_ST, "activation_fn", join(CROSS, {ST: {"activation_fn": "torch.nn.modules.activation.ReLU"}}), "refused")
rerank(LEGACY, CROSS_ST, "default_prompt_name", join(CROSS, {ST: {"default_prompt_name": "q", "prompts": {"q": "good: "}}}), "refused")
rerank(LEGACY, CROSS_ST, "default_prompt_name", join(CROSS, {ST: {"default_prompt_name": "q", "prompts": {"q": ""}}}), same=True)
rerank(LEGACY, M, "type", join(CROSS, {M: CROSS[M] + [POOLING]}), "refused", named=[M, "2 modules"])
rerank(LEGACY, CROSS_SB, "max_seq_length", join(CROSS, {SB: {"max_seq_length": 12}}), texts=LONG)
rerank(LEGACY, CROSS_SB, "do_lower_case", join(CROSS, {T: {"do_lower_case": False}, SB: {"do_lower_case": True}}),
       against=join(CROSS, {T: {"do_lower_case": False}}))
for key, value in (("transformer_task", "feature-extraction"), ("modality_config", {"text": {"method": "forward", "method_output_name": "pooler_output"}}),
                   ("module_output_name", "other"), ("processing_kwargs", {"text": {"max_length": 5}}), ("tokenizer_name_or_path", "x"),
                   ("novelty", 1)):
    rerank(LEGACY, CROSS_SB, "*" if key == "novelty" else key, join(CROSS, {SB: {key: value}}), "refused", named=[SB, key])
for key in ("model_args", "model_kwargs", "tokenizer_args", "processor_kwargs", "config_args", "config_kwargs"):
    rerank(LEGACY, CROSS_SB, key, join(CROSS, {SB: {key: {"novelty": 1}}}), "refused", named=[SB, "novelty"])

# Natural language inference, for labels that are chosen later.
NLI = {C: {"id2label": {"0": "contradiction", "1": "neutral", "2": "entailment"},
           "label2id": {"negative": None, "positive": None, "contradiction": 0, "neutral": 1, "entailment": 2}}}
FIRST = {C: {"id2label": {"0": "ENTAILMENT", "1": "neutral", "2": "contradiction"},
             "label2id": {"negative": None, "positive": None, "contradiction": 2, "neutral": 1, "ENTAILMENT": 0}}}


def zero_shot(base, file, keys, edits, expect="values", **more):
    add(base, file, keys, edits, expect, task="zero-shot", **more)


zero_shot(BERT, C, "label2id", FIRST, against=NLI)
zero_shot(BERT, C, "label2id", join(NLI, {C: {"label2id": {"entailment": 1, "neutral": 2}}}), against=NLI)
zero_shot(BERT, C, "label2id", join(NLI, {C: {"label2id": {"entailment": None, "yes": 2}}}), "refused")
zero_shot(BERT, C, "label2id", join(NLI, {C: {"label2id": {"entailed": 1}}}), "refused")
zero_shot(BERT, T, "model_max_length", join(NLI, {T: {"model_max_length": 22}}), texts=LONG, against=NLI)
zero_shot(BERT, T, "truncation_side", join(NLI, {T: {"truncation_side": "left", "model_max_length": 22}}), texts=LONG, against=NLI)
zero_shot(ROBERTA, C, "label2id", NLI, against=FIRST)


# Texts and documents that are read in windows.
for base in (SENTENCE, BERT, ROBERTA, MPNET, MODERN):
    short = {SB: {"max_seq_length": 12}} if base == SENTENCE else {T: {"model_max_length": 15}}
    where = (ANY_SB, "max_seq_length") if base == SENTENCE else (T, "model_max_length")
    add(base, *where, short, texts=LONG, task="windows")
    add(base, T, "truncation_side", join(short, {T: {"truncation_side": "left"}}), texts=LONG, against=short, task="windows")
SHORT = {SB: {"max_seq_length": 14}}
add(SENTENCE, ST, "default_prompt_name", join(PROMPTED, SHORT), texts=LONG, against=SHORT, task="windows")
add(SENTENCE, POOL, "include_prompt", join(PROMPTED, NAMED, SHORT, {P: {"pooling_mode": "mean", "include_prompt": False}}), texts=LONG,
    against=join(PROMPTED, SHORT), task="windows")
for length in (12, 20):
    add(LEGACY, T, "model_max_length", {T: {"model_max_length": length}}, texts=LONG, task="passages")
add(LEGACY, T, "truncation_side", {T: {"truncation_side": "left", "model_max_length": 20}}, texts=LONG, against={T: {"model_max_length": 20}},
    task="passages")
add(LEGACY, CROSS_SB, "max_seq_length", join(CROSS, {SB: {"max_seq_length": 16}}), texts=LONG, task="passages")

# Heads that answer for each token.
TAGS = ["O", "B-PER", "I-PER", "I-LOC", "MISC"]
TAGGED = {C: {"id2label": {str(i): tag for i, tag in enumerate(TAGS)}, "label2id": {tag: i for i, tag in enumerate(TAGS)}}}
SPANS = ["Good Über film, naïve 中文 [MASK] not  wasted!", "a b, c <mask> was slow\u0301ly gréat\t🙂🙂 fun\u200b ï", "",
         "this movie is terrible, would never recommend it to anyone or any job, not at all unlike a fast fun film"]
HEADS = {"bert-heads": [("vocab.txt", "distilbert-classifier/vocab.txt")], "distilbert-heads": [("vocab.txt", "distilbert-classifier/vocab.txt")],
         "roberta-heads": [("vocab.json", "byte-level/vocab.json"), ("merges.txt", "byte-level/merges.txt")]}
HEADS["modernbert-heads"] = []
HEAD_NAMES = {"modernbert-heads": "ModernBert", "bert-heads": "Bert", "distilbert-heads": "DistilBert", "roberta-heads": "Roberta"}


# ModernBERT's last layer has one name for all heads, and so two labels.
TAGGED_TWICE = {C: {"id2label": {"0": "O", "1": "B-PER"}, "label2id": {"O": 0, "B-PER": 1}}}
HEAD_KINDS = {"tokens": lambda base: join(TAGGED_TWICE if base == "modernbert-heads" else TAGGED, {C: {"architectures": [HEAD_NAMES[base] + "ForTokenClassification"]}}),
              "answer": lambda base: {C: {"architectures": [HEAD_NAMES[base] + "ForQuestionAnswering"]}}}


def head(base, task, file, keys, edits, *args, **more):
    kind = HEAD_KINDS[task](base)
    against = join(kind, more.pop("against", {}))
    add(base, file, keys, join(kind, edits), *args, task=task, texts=SPANS, copies=HEADS[base], against=against, **more)


for base in HEADS:
    for task in ("tokens", "answer"):
        head(base, task, C, "architectures", {}, against={T: {"model_max_length": 20}})
        head(base, task, T, "truncation_side", {T: {"truncation_side": "left", "model_max_length": 20}}, against={T: {"model_max_length": 20}})
    head(base, "answer", C, "id2label", TAGGED, "refused", named=[C, "5 labels"])
    head(base, "tokens", C, "architectures", {C: {"architectures": [HEAD_NAMES[base] + "ForMaskedLM"]}}, "refused")
head("bert-heads", "tokens", T, "do_lower_case", {T: {"do_lower_case": True}})
head("bert-heads", "answer", T, "do_lower_case", {T: {"do_lower_case": True}})
head("bert-heads", "tokens", T, "unk_token", {T: {"unk_token": "good"}})
head("roberta-heads", "tokens", T, "trim_offsets", {T: {"trim_offsets": False}})
head("roberta-heads", "answer", T, "trim_offsets", {T: {"trim_offsets": False}})
head("roberta-heads", "tokens", T, "add_prefix_space", {T: {"add_prefix_space": True}})
head("roberta-heads", "answer", T, "add_prefix_space", {T: {"add_prefix_space": True}})
PADDING = {T: {"pad_token": "<pad>"}}
for key in ("trim_offsets", "add_prefix_space"):
    head("roberta-heads", "tokens", J, "post_processor." + key, join(FAST, PADDING, {J: {"post_processor": {key: False}}}), against=join(FAST, PADDING, {J: {}}))
head("roberta-heads", "answer", T, "padding_side", {T: {"padding_side": "left"}}, "refused")
