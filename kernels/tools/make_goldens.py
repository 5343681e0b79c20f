#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/goldens/<model>/: tiny models with random weights, one of each family and file layout, and what
transformers makes of some texts with them: in float64, and how far PyTorch's own float32 is from that.

Run: python3 make_goldens.py [FUNCTION…], with torch 2.15.0 and transformers 5.23.0 installed (others give other weights).
"""

import json
import math
import pathlib
import shutil
import sys

import safetensors.torch
import torch
import transformers
from tokenizers import Tokenizer, normalizers, pre_tokenizers, processors
from tokenizers.models import WordPiece

GOLDENS = pathlib.Path(__file__).resolve().parent.parent / "tests" / "goldens"
WORDS = """good bad not at all job movie film great terrible boring brilliant plot acting i a the this that was is it
would never recommend to any one and or but very quite slow fast fun sad time wast ##ed ##ing ##ly ##s ##er ##est un
##like ##able über naïve 中 文 . , ! ? ' - " ( )""".split()
SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
LETTERS = "abcdefghijklmnopqrstuvwxyz"
TEXTS = ["", "good job", "not good at all", "Not Bad!", "a", "[MASK] was great", "this movie is terrible.",
         "I would never recommend this film to anyone (not at all).", "Über naïve plot, boring acting", "中文 great",
         "it was fun, fast and brilliant; quite unlikeable but very very good", "zzz qqq jjj", "slow " * 30,
         "the acting was wasted - the plot was not", "good bad " * 11, "never slower, never sadder"]


def vocabulary(lower):
    tokens = SPECIALS + list(LETTERS) + ["##" + c for c in LETTERS] + WORDS
    if lower:
        tokens = [t.replace("ü", "u").replace("ï", "i") for t in tokens]
    else:
        tokens += ["Good", "Not", "I", "Über"]
    return list(dict.fromkeys(tokens))


def randomize(model, seed):
    """Larger than a fresh model's, so that attention and activations leave their linear range."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in model.named_parameters():
        scale = 0.3 if parameter.dim() == 1 else 1.5 / math.sqrt(parameter.shape[-1])
        centre = 1.0 if "LayerNorm.weight" in name or "layer_norm.weight" in name or name.endswith("norm.weight") else 0.0
        parameter.data = centre + scale * torch.randn(parameter.shape, generator=generator)


def write_tokenizer_json(folder, tokens, **changes):
    ids = {token: i for i, token in enumerate(tokens)}
    tokenizer = Tokenizer(WordPiece(ids, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", ids["[CLS]"]), ("[SEP]", ids["[SEP]"])])
    tokenizer.add_special_tokens(SPECIALS)
    value = json.loads(tokenizer.to_str())
    value.update(changes.pop("root", {}))
    if changes.get("untyped"):
        del value["model"]["type"]
    (folder / "tokenizer.json").write_text(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def write(folder, name, value):
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(json.dumps(value, indent=1) + "\n")


def rounded(model, dtype):
    """The weights as the file will hold them."""
    return {name: tensor.to(dtype) for name, tensor in model.state_dict().items() if tensor.is_floating_point()}


def build(model, dtype, seed):
    randomize(model, seed)
    weights = rounded(model, dtype)
    model.load_state_dict({k: v.float() for k, v in weights.items()}, strict=False)
    return model.eval(), {k: v.contiguous() for k, v in weights.items()}


def forward(model, batch, sentence):
    result = model(**batch)
    if not sentence:
        return result.logits
    mask = batch["attention_mask"].unsqueeze(-1)
    hidden = result.last_hidden_state
    mean = (hidden * mask).sum(1) / mask.sum(1)
    return torch.nn.functional.normalize(mean, dim=1)


def norm_of(rows):
    return math.sqrt(sum(float((row.double() ** 2).sum()) for row in rows))


def record(folder, model, max_length, sentence=False, texts=TEXTS):
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    encode = lambda texts: tokenizer(texts, return_tensors="pt", truncation=True, max_length=max_length, padding="longest")
    with torch.no_grad():
        single = [forward(model, encode([text]), sentence)[0] for text in texts]
        batched = list(forward(model, encode(texts), sentence))
        exact = [forward(model.double(), encode([text]), sentence)[0] for text in texts]
    error = lambda rows: norm_of([row - other for row, other in zip(rows, exact)]) / norm_of(exact)
    golden = {"torch": torch.__version__.split("+")[0], "transformers": transformers.__version__, "texts": texts,
              "ids": [encode([text])["input_ids"][0].tolist() for text in texts],
              "float64": [row.tolist() for row in exact],
              "torch_error": error(single), "torch_padded_error": error(batched)}
    (folder / "golden.json").write_text(json.dumps(golden, ensure_ascii=False, separators=(",", ":")).replace("],", "],\n") + "\n")
    size = sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())
    print(f"{folder.name}: PyTorch {golden['torch_error']:.2e}, padded {golden['torch_padded_error']:.2e}, {size} bytes")


def fresh(name):
    folder = GOLDENS / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def shape(vocabulary_size, **more):
    return dict(vocab_size=vocabulary_size, hidden_size=24, num_hidden_layers=2, num_attention_heads=3,
                intermediate_size=56, max_position_embeddings=40, **more)


def bert_classifier():
    """As bert-base fine-tuned: prefix bert., tokenizer.json with what it says of truncation and padding, fp32."""
    folder, tokens = fresh("bert-classifier"), vocabulary(lower=True)
    config = transformers.BertConfig(**shape(len(tokens), id2label={0: "negative", 1: "neutral", 2: "positive"}))
    model, weights = build(transformers.BertForSequenceClassification(config), torch.float32, 1)
    write(folder, "config.json", {**config.to_dict(), "architectures": ["BertForSequenceClassification"]})
    write_tokenizer_json(folder, tokens, root={
        "truncation": {"direction": "Right", "max_length": 40, "strategy": "LongestFirst", "stride": 0}})
    write(folder, "tokenizer_config.json", {"tokenizer_class": "BertTokenizer", "do_lower_case": True})
    safetensors.torch.save_file(weights, folder / "model.safetensors", {"format": "pt"})
    record(folder, model, 40)


def distilbert_classifier():
    """As distilbert-base-cased fine-tuned: prefix distilbert., vocab.txt only, several labels at once, fp16."""
    folder, tokens = fresh("distilbert-classifier"), vocabulary(lower=False)
    config = transformers.DistilBertConfig(vocab_size=len(tokens), dim=24, n_layers=2, n_heads=3, hidden_dim=56,
                                           max_position_embeddings=40, num_labels=4,
                                           problem_type="multi_label_classification")
    model, weights = build(transformers.DistilBertForSequenceClassification(config), torch.float16, 2)
    write(folder, "config.json", {**config.to_dict(), "architectures": ["DistilBertForSequenceClassification"]})
    (folder / "vocab.txt").write_text("".join(token + "\n" for token in tokens))
    write(folder, "tokenizer_config.json", {"tokenizer_class": "DistilBertTokenizer", "do_lower_case": False,
                                            "model_max_length": 32, "mask_token": {"__type": "AddedToken", "content": "[MASK]"}})
    safetensors.torch.save_file(weights, folder / "model.safetensors", {"format": "pt"})
    record(folder, model, 32)


def legacy_bert():
    """As converted from TensorFlow: LayerNorm's gamma and beta, shards, regression, GELU by tanh, bf16, a
    tokenizer.json without a model type."""
    folder, tokens = fresh("legacy-bert"), vocabulary(lower=True)
    config = transformers.BertConfig(**shape(len(tokens), num_labels=1, problem_type="regression", hidden_act="gelu_new"))
    model, weights = build(transformers.BertForSequenceClassification(config), torch.bfloat16, 3)
    write(folder, "config.json", {**config.to_dict(), "architectures": ["BertForSequenceClassification"]})
    write_tokenizer_json(folder, tokens, untyped=True,
                         root={"post_processor": {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]}})
    write(folder, "tokenizer_config.json", {"tokenizer_class": "BertTokenizer", "model_max_length": 40})
    old = {name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): tensor
           for name, tensor in weights.items()}
    names = sorted(old)
    shards = {"model-00001-of-00002.safetensors": names[::2], "model-00002-of-00002.safetensors": names[1::2]}
    for shard, members in shards.items():
        safetensors.torch.save_file({name: old[name] for name in members}, folder / shard, {"format": "pt"})
    write(folder, "model.safetensors.index.json",
          {"metadata": {}, "weight_map": {name: shard for shard, members in shards.items() for name in members}})
    record(folder, model, 40)


def sentence_encoder():
    """As all-MiniLM: sentence-transformers' modules, no prefix, fp16."""
    folder, tokens = fresh("sentence-encoder"), vocabulary(lower=True)
    config = transformers.BertConfig(**shape(len(tokens)))
    model, weights = build(transformers.BertModel(config), torch.float16, 4)
    write(folder, "config.json", {**config.to_dict(), "architectures": ["BertModel"]})
    write_tokenizer_json(folder, tokens, root={
        "truncation": {"max_length": 16, "strategy": "LongestFirst", "stride": 0},
        "padding": {"strategy": {"Fixed": 16}, "direction": "Right", "pad_to_multiple_of": None, "pad_id": 0,
                    "pad_type_id": 0, "pad_token": "[PAD]"}})
    write(folder, "tokenizer_config.json", {"tokenizer_class": "BertTokenizer", "do_lower_case": True, "model_max_length": 512})
    types = [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")]
    write(folder, "modules.json", [{"idx": i, "name": str(i), "path": path, "type": "sentence_transformers.models." + kind}
                                   for i, (path, kind) in enumerate(types)])
    write(folder, "sentence_bert_config.json", {"max_seq_length": 24, "do_lower_case": False})
    write(folder, "1_Pooling/config.json", {"word_embedding_dimension": 24, "pooling_mode_cls_token": False,
                                            "pooling_mode_mean_tokens": True})
    safetensors.torch.save_file(weights, folder / "model.safetensors", {"format": "pt"})
    record(folder, model, 24, sentence=True)


def roberta_classifier():
    """As roberta-base fine-tuned: prefix roberta., positions after the padding token, one token type, byte-level BPE
    from vocab.json and merges.txt (those of tests/goldens/byte-level), fp32."""
    folder = fresh("roberta-classifier")
    for name in ("vocab.json", "merges.txt"):
        shutil.copy(GOLDENS / "byte-level" / name, folder / name)
    vocabulary_size = len(json.loads((folder / "vocab.json").read_text()))
    config = transformers.RobertaConfig(**shape(vocabulary_size, type_vocab_size=1, layer_norm_eps=1e-5, pad_token_id=1,
                                                id2label={0: "negative", 1: "neutral", 2: "positive"}))
    model, weights = build(transformers.RobertaForSequenceClassification(config), torch.float16, 5)
    write(folder, "config.json", {**config.to_dict(), "architectures": ["RobertaForSequenceClassification"]})
    write(folder, "tokenizer_config.json", {
        "tokenizer_class": "RobertaTokenizer", "add_prefix_space": False, "model_max_length": 38,
        "mask_token": {"__type": "AddedToken", "content": "<mask>", "lstrip": True}})
    safetensors.torch.save_file(weights, folder / "model.safetensors", {"format": "pt"})
    record(folder, model, 38, texts=TEXTS + ["a <mask> plot", "good<pad>bad <pad>", "it's great!\n\n  We'll see \u3000"])


def mpnet_classifier():
    """As all-mpnet-base fine-tuned: prefix mpnet., positions after 1, what attention adds by distance, vocab.txt only, fp16."""
    folder = fresh("mpnet-classifier")
    tokens = ["<s>", "<pad>", "</s>", "[UNK]", "<mask>"] + vocabulary(lower=True)[len(SPECIALS):]
    config = transformers.MPNetConfig(**{**shape(len(tokens), num_labels=3), "max_position_embeddings": 170})
    model, weights = build(transformers.MPNetForSequenceClassification(config), torch.float16, 10)
    write(folder, "config.json", {**config.to_dict(), "architectures": ["MPNetForSequenceClassification"]})
    (folder / "vocab.txt").write_text("".join(token + "\n" for token in tokens))
    write(folder, "tokenizer_config.json", {"tokenizer_class": "MPNetTokenizer", "do_lower_case": True, "model_max_length": 168})
    safetensors.torch.save_file(weights, folder / "model.safetensors", {"format": "pt"})
    record(folder, model, 168, texts=TEXTS + ["a <mask> plot", "good<pad>bad <pad>", "never slow " * 80])


def heads(name, config, auto, seed, **settings):
    """The heads that answer for each token, on one small encoder: labels, and where answers begin and end. folder_variants.py says which
    is meant, and brings the vocabulary."""
    folder = fresh(name)
    model, weights = build(auto(config), torch.float16, seed)
    generator = torch.Generator().manual_seed(seed)
    width = weights["classifier.weight"].shape[1]
    weights["qa_outputs.weight"] = torch.randn(2, width, generator=generator).half()
    weights["qa_outputs.bias"] = torch.randn(2, generator=generator).half()
    write(folder, "config.json", {key: value for key, value in config.to_dict().items() if key not in ("id2label", "label2id", "architectures")})
    write(folder, "tokenizer_config.json", settings)
    safetensors.torch.save_file(weights, folder / "model.safetensors", {"format": "pt"})


def write_modernbert_tokenizer(folder):
    """tokenizer.json of make_byte_level_goldens.modernbert()."""
    import make_byte_level_goldens
    tokenizer = make_byte_level_goldens.modernbert()
    value = json.loads(tokenizer.to_str())
    (folder / "tokenizer.json").write_text(json.dumps(value, ensure_ascii=False, separators=(",", ":")))
    return tokenizer.get_vocab_size()


def modernbert_classifier():
    """As ModernBERT-base fine-tuned, in the keys of its config.json of 2024: prefix model., no biases, a window that texts are longer than,
    the mean of a text's tokens, tokenizer.json only, fp16."""
    folder = fresh("modernbert-classifier")
    config = transformers.ModernBertConfig(
        vocab_size=write_modernbert_tokenizer(folder), hidden_size=24, num_hidden_layers=4, num_attention_heads=3, intermediate_size=52,
        max_position_embeddings=170, local_attention=8, classifier_pooling="mean", pad_token_id=None, num_labels=3)
    model, weights = build(transformers.ModernBertForSequenceClassification(config), torch.float16, 11)
    older = {"global_attn_every_n_layers": 3, "global_rope_theta": 160000.0, "local_rope_theta": 10000.0, "layer_norm_eps": 1e-12,
             "position_embedding_type": "absolute", "architectures": ["ModernBertForSequenceClassification"]}
    write(folder, "config.json", {**{key: value for key, value in config.to_dict().items() if key not in ("layer_types", "rope_parameters")}, **older})
    write(folder, "tokenizer_config.json", {
        "tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 168, "model_input_names": ["input_ids", "attention_mask"],
        "cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]", "mask_token": "[MASK]", "unk_token": "[UNK]"})
    safetensors.torch.save_file(weights, folder / "model.safetensors", {"format": "pt"})
    record(folder, model, 168, texts=TEXTS + ["a [MASK] plot", "good[PAD]bad [PAD]", "cafe\u0301  is    the\n\n  best", "never slow " * 80])


def modernbert_heads():
    """In the keys of transformers 5, with all biases; two labels, which may be where an answer begins and where it ends."""
    name = "modernbert-heads"
    folder = fresh(name)
    config = transformers.ModernBertConfig(
        vocab_size=write_modernbert_tokenizer(folder), hidden_size=16, num_hidden_layers=3, num_attention_heads=2, intermediate_size=24,
        max_position_embeddings=40, local_attention=6, layer_types=["full_attention", "sliding_attention", "full_attention"], pad_token_id=None,
        norm_bias=True, attention_bias=True, mlp_bias=True, classifier_bias=True, classifier_activation="relu", num_labels=2, global_attn_every_n_layers=2)
    model, weights = build(transformers.ModernBertForTokenClassification(config), torch.float16, 12)
    write(folder, "config.json", {key: value for key, value in config.to_dict().items() if key not in ("id2label", "label2id", "architectures")})
    write(folder, "tokenizer_config.json", {
        "tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 40, "model_input_names": ["input_ids", "attention_mask"],
        "cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]", "mask_token": "[MASK]", "unk_token": "[UNK]"})
    safetensors.torch.save_file(weights, folder / "model.safetensors", {"format": "pt"})


def small(vocabulary_size, **more):
    return dict(vocab_size=vocabulary_size, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=24, num_labels=5,
                max_position_embeddings=40, **more)


def bert_heads():
    heads("bert-heads", transformers.BertConfig(**small(len(vocabulary(lower=False)))), transformers.BertForTokenClassification, 7,
          tokenizer_class="BertTokenizer", do_lower_case=False, model_max_length=40)


def distilbert_heads():
    heads("distilbert-heads", transformers.DistilBertConfig(
        vocab_size=len(vocabulary(lower=False)), dim=16, n_layers=1, n_heads=2, hidden_dim=24, max_position_embeddings=40, num_labels=5),
        transformers.DistilBertForTokenClassification, 8, tokenizer_class="DistilBertTokenizer", do_lower_case=True, model_max_length=24)


def roberta_heads():
    size = len(json.loads((GOLDENS / "byte-level" / "vocab.json").read_text()))
    heads("roberta-heads", transformers.RobertaConfig(**small(size, type_vocab_size=1, layer_norm_eps=1e-5, pad_token_id=1)),
          transformers.RobertaForTokenClassification, 9, tokenizer_class="RobertaTokenizer", model_max_length=38,
          mask_token={"__type": "AddedToken", "content": "<mask>", "lstrip": True})


if __name__ == "__main__":
    torch.set_num_threads(1)
    makers = (bert_classifier, distilbert_classifier, legacy_bert, sentence_encoder, roberta_classifier, mpnet_classifier, bert_heads, distilbert_heads,
              roberta_heads, modernbert_classifier, modernbert_heads)
    for make in makers:
        if len(sys.argv) == 1 or make.__name__ in sys.argv[1:]:
            make()
