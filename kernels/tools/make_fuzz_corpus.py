#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes fuzz/corpus/: a few small valid inputs of each parser, and some that are nearly valid."""

import base64
import json
import pathlib
import struct

import tokenizer_corpus

CORPUS = pathlib.Path(__file__).resolve().parent.parent / "fuzz" / "corpus"


def write(target, name, data):
    (CORPUS / target).mkdir(parents=True, exist_ok=True)
    (CORPUS / target / name).write_bytes(data if isinstance(data, bytes) else data.encode())


def safetensors(header, size):
    text = json.dumps(header, separators=(",", ":")).encode()
    return struct.pack("<Q", len(text)) + text + bytes(size)


def tensor(dtype, shape, begin, end):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


write("safetensors", "two", safetensors({"__metadata__": {"format": "pt"}, "a": tensor("F32", [2, 1], 0, 8),
                                         "b": tensor("F16", [3], 8, 14)}, 14))
write("safetensors", "empty", safetensors({}, 0))
write("safetensors", "scalar", safetensors({"s": tensor("BF16", [], 0, 2), "e": tensor("I64", [0, 5], 2, 2)}, 2))
write("safetensors", "hole", safetensors({"a": tensor("U8", [1], 1, 2)}, 2))
write("safetensors", "overflow", safetensors({"a": tensor("F64", [2 ** 32, 2 ** 32], 0, 8)}, 8))

sizes = dict(hidden_size=24, num_hidden_layers=2, num_attention_heads=3, intermediate_size=56, vocab_size=99,
             max_position_embeddings=40, type_vocab_size=2)
write("config", "bert", json.dumps({"model_type": "bert", **sizes, "hidden_act": "gelu", "layer_norm_eps": 1e-12,
                                    "architectures": ["BertForSequenceClassification"],
                                    "id2label": {"0": "bad", "1": "good"},
                                    "problem_type": "single_label_classification"}))
write("config", "distilbert", json.dumps({"model_type": "distilbert", "dim": 24, "n_layers": 2, "n_heads": 3,
                                          "hidden_dim": 56, "vocab_size": 99, "max_position_embeddings": 40,
                                          "activation": "relu", "num_labels": 3}))
write("config", "roberta", json.dumps({"model_type": "roberta", **sizes, "type_vocab_size": 1, "pad_token_id": 1,
                                       "architectures": ["RobertaForSequenceClassification"], "num_labels": 3}))
write("config", "modernbert", json.dumps({"model_type": "modernbert", "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3,
      "layer_types": ["full_attention", "sliding_attention"], "local_attention": 8,
      "rope_parameters": {"full_attention": {"rope_type": "default", "rope_theta": 160000.0}}}))
write("config", "deep", '{"model_type":' + "[" * 40 + "]" * 40 + "}")

vocabulary = {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "hello": 4, "w": 5, "##orld": 6}
added = dict(single_word=False, lstrip=False, rstrip=False, normalized=False, special=True)
tokenizer = {
    "version": "1.0",
    "truncation": {"direction": "Right", "max_length": 8, "strategy": "LongestFirst", "stride": 0},
    "padding": {"strategy": "BatchLongest", "direction": "Right", "pad_to_multiple_of": 8, "pad_id": 0,
                "pad_type_id": 0, "pad_token": "[PAD]"},
    "added_tokens": [{"id": 2, "content": "[CLS]", **added}, {"id": 7, "content": "<x>", **added, "single_word": True}],
    "normalizer": {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None,
                   "lowercase": True},
    "pre_tokenizer": {"type": "BertPreTokenizer"},
    "post_processor": {"type": "TemplateProcessing",
                       "single": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
                                  {"SpecialToken": {"id": "[SEP]", "type_id": 0}}], "pair": [],
                       "special_tokens": {"[CLS]": {"id": "[CLS]", "ids": [2], "tokens": ["[CLS]"]},
                                          "[SEP]": {"id": "[SEP]", "ids": [3], "tokens": ["[SEP]"]}}},
    "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
              "max_input_chars_per_word": 100, "vocab": vocabulary}}
write("tokenizer_files", "json", "j" + json.dumps(tokenizer, separators=(",", ":")))
write("tokenizer_files", "json_bert", "k" + json.dumps(tokenizer, separators=(",", ":")))
write("tokenizer_files", "special_tokens_map", "s" + json.dumps({
    "mask_token": {"content": "a", "lstrip": True}, "additional_special_tokens": ["<x>", {"content": "<y>"}], "own_token": "b"}))
write("tokenizer_files", "added_tokens", "a" + json.dumps({"<x>": 4, "[CLS]": 1}))
write("tokenizer_files", "json_sequence", "j" + json.dumps({
    "normalizer": {"type": "Sequence", "normalizers": [{"type": "NFD"}, {"type": "Lowercase"}, {"type": "StripAccents"}]},
    "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, {"type": "Punctuation"}]},
    "post_processor": {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]},
    "model": {"unk_token": "[UNK]", "vocab": vocabulary}}, separators=(",", ":")))
write("tokenizer_files", "vocabulary", "v" + "".join(token + "\n" for token in vocabulary))
write("tokenizer_files", "settings", "c" + json.dumps({
    "do_lower_case": False, "strip_accents": None, "tokenize_chinese_chars": True, "model_max_length": 512,
    "cls_token": {"content": "[CLS]"}, "added_tokens_decoder": {"3": {"content": "a", "special": True}}}))

own = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
alphabet = [chr(byte) for byte in own] + [chr(0x100 + i) for i in range(256 - len(own))]
byte_level = {token: i for i, token in enumerate(["<s>", "<pad>", "</s>", "<unk>", "<mask>", *alphabet, "ab", "\u0120a"])}
write("tokenizer_files", "byte_level_vocabulary", "b" + json.dumps(byte_level, ensure_ascii=False, separators=(",", ":")))
write("tokenizer_files", "byte_level_merges", "m#version: 0.2\na b\nab a\n\u0120 a\n")
write("tokenizer_files", "byte_level_json", "j" + json.dumps({
    "added_tokens": [{"id": 4, "content": "<mask>", **added, "lstrip": True}], "normalizer": None,
    "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
    "post_processor": {"type": "RobertaProcessing", "sep": ["</s>", 2], "cls": ["<s>", 0], "trim_offsets": True,
                       "add_prefix_space": False},
    "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": "", "end_of_word_suffix": "",
              "fuse_unk": False, "byte_fallback": False, "ignore_merges": False, "merges": [["a", "b"], "\u0120 a"],
              "vocab": byte_level}}, ensure_ascii=False, separators=(",", ":")))

one_letter = tokenizer_corpus.one_letter_map(ord("a"), "ab")
write("tokenizer_files", "map", b"n" + one_letter)
pieces = [["<s>", 0.0], ["<pad>", 0.0], ["</s>", 0.0], ["<unk>", 0.0], ["\u2581", -2.0], ["\u2581ab", -3.0], ["b", -4.5]]
unigram = {
    "added_tokens": [{"id": 2, "content": "</s>", **added}],
    "normalizer": {"type": "Sequence", "normalizers": [
        {"type": "Precompiled", "precompiled_charsmap": base64.b64encode(one_letter[:80]).decode()},
        {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}, {"type": "Replace", "pattern": {"String": "b"}, "content": "a"},
        {"type": "Strip", "strip_left": False, "strip_right": True}]},
    "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
        {"type": "WhitespaceSplit"}, {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always", "split": True}]},
    "model": {"type": "Unigram", "unk_id": 3, "byte_fallback": True, "vocab": pieces}}
write("tokenizer_files", "unigram", "j" + json.dumps(unigram, separators=(",", ":")))
write("tokenizer_files", "unigram_xlm_roberta", "x" + json.dumps({**unigram, "normalizer": None}, separators=(",", ":")))
write("tokenizer_files", "unigram_camembert", "y" + json.dumps({**unigram, "normalizer": None}, separators=(",", ":")))


def field(number, data):
    """Of a protocol buffer; its length below 128 * 128."""
    assert len(data) < 1 << 14
    return bytes([number << 3 | 2, len(data) & 127 | 128, len(data) >> 7]) + data


def piece(text, score, kind):
    return field(1, field(1, text.encode()) + b"\x15" + struct.pack("<f", score) + bytes([3 << 3, kind]))


model = b"".join(piece(*each) for each in [("<unk>", 0, 2), ("<s>", 0, 3), ("</s>", 0, 3), ("\u2581", -2, 1), ("<x>", 0, 4), ("b", -4.5, 1)])
write("tokenizer_files", "sentencepiece", b"p" + model + field(3, field(2, one_letter[:80])))
write("tokenizer_files", "sentencepiece_camembert", b"q" + model + field(3, field(2, one_letter[:80])))

transformer = {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"}
pooling = {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"}
dense = {"idx": 2, "name": "2", "path": "2_Dense", "type": "sentence_transformers.models.Dense"}
normalize = {"idx": 3, "name": "3", "path": "3_Normalize", "type": "sentence_transformers.models.Normalize"}
write("sentence_folder", "flags", "\0".join(json.dumps(each) for each in (
    [transformer, pooling, normalize], {"word_embedding_dimension": 24, "pooling_mode_mean_tokens": True, "include_prompt": False},
    {"max_seq_length": 24, "do_lower_case": False, "model_args": {"trust_remote_code": True}},
    {"prompts": {"query": "q: "}, "default_prompt_name": "query", "truncate_dim": 3})))
write("sentence_folder", "dense", "\0".join(json.dumps(each) for each in (
    [transformer, pooling, dense], {"embedding_dimension": 24, "pooling_mode": ["mean", "cls"]},
    {"transformer_task": "feature-extraction", "module_output_name": "token_embeddings",
     "modality_config": {"text": {"method": "forward", "method_output_name": "last_hidden_state"}}}, {},
    {"in_features": 48, "out_features": 8, "bias": False, "use_residual": True,
     "activation_function": "torch.nn.modules.activation.Tanh"})))
write("sentence_folder", "outside", json.dumps([transformer, {**pooling, "path": "../1_Pooling"}]))

write("tokenize", "contractions", "it's  I'LL\n\n we've\u3000 12ab!'s <mask> ")
write("tokenize", "ascii", "Hello, World!\tabba  [MASK] aaaa")
write("tokenize", "accents", "\u00c9l\u00e8ve e\u0301\u0327 \u0345\u0301 \u1e69 \u0130\u03a3")
write("tokenize", "cjk", "\u4e2d\u6587\uf900 \uac00\uac01 \U0002f800")
write("tokenize", "controls", b"\x00\x01\xef\xbf\xbd\xe2\x80\x8b\xc2\x85\xe3\x80\x80\x7f")
write("tokenize", "invalid", b"ok \xed\xa0\x80 \xc0\xaf \xf4\x90\x80\x80 \xff")
write("tokenize", "long", "a" * 101 + " " + "ab" * 50)
