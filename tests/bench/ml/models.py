# SPDX-License-Identifier: Apache-2.0
"""Models of the true shapes with random weights, for measuring: nothing is downloaded."""

import copy
import pathlib
import warnings

import torch
import transformers

VOCABULARY = 30522
OPSET = 17
NAMES = ["input_ids", "attention_mask"]  # of a model that is exported


def distilbert():
    return transformers.DistilBertForSequenceClassification(
        transformers.DistilBertConfig(vocab_size=VOCABULARY, num_labels=2))


def minilm():
    return transformers.BertForSequenceClassification(transformers.BertConfig(
        vocab_size=VOCABULARY, hidden_size=384, num_hidden_layers=6, num_attention_heads=12, intermediate_size=1536,
        num_labels=2))


def modernbert():
    """ModernBERT-base: 22 layers, of which each third one sees all tokens."""
    return transformers.ModernBertForSequenceClassification(transformers.ModernBertConfig(num_labels=2))


def reranker():
    """A cross-encoder of MiniLM's shape."""
    return transformers.BertForSequenceClassification(transformers.BertConfig(
        vocab_size=VOCABULARY, hidden_size=384, num_hidden_layers=6, num_attention_heads=12, intermediate_size=1536, num_labels=1))


def ner():
    """BERT-base with the tags of CoNLL-2003."""
    return transformers.BertForTokenClassification(transformers.BertConfig(vocab_size=VOCABULARY, num_labels=9))


SIXTEEN_BIT = "DistilBERT of bf16 weights"  # kept so here, and computed with in fp32 by all
MAKERS = {"DistilBERT": distilbert, "MiniLM": minilm, "ModernBERT-base": modernbert, "MiniLM reranker": reranker, "BERT-base NER": ner,
          SIXTEEN_BIT: distilbert}
SERVED = ["DistilBERT", "MiniLM"]  # with the tokenizer of write_vocabulary()


def make(name):
    """Weights larger than a fresh model's, so that attention and activations leave their linear range."""
    torch.manual_seed(1)
    model = MAKERS[name]().eval()
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            if parameter.dim() == 2 and "embeddings" not in key:
                parameter.normal_(0.0, parameter.shape[1] ** -0.5)
    return model.bfloat16().float() if name == SIXTEEN_BIT else model


def write_vocabulary(folder):
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words += [f"w{i}" for i in range(VOCABULARY - len(words))]
    (folder / "vocab.txt").write_text("".join(word + "\n" for word in words))
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "BertTokenizer", "do_lower_case": true}\n')


def write(name, model, root):
    """A Hugging Face folder under `root`."""
    folder = pathlib.Path(root) / name
    folder.mkdir(parents=True, exist_ok=True)
    (copy.deepcopy(model).bfloat16() if name == SIXTEEN_BIT else model).save_pretrained(folder)
    write_vocabulary(folder)
    return folder


class Logits(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, input_ids, attention_mask):
        return self.model(input_ids=input_ids, attention_mask=attention_mask).logits


def export(model, folder):
    file = folder / "model.onnx"
    if not file.exists():
        ids = torch.randint(5, 1000, (2, 32))
        axes = {name: {0: "batch", 1: "length"} for name in NAMES}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(Logits(model).eval(), (ids, torch.ones_like(ids)), str(file), input_names=NAMES,
                              output_names=["logits"], dynamic_axes=axes, opset_version=OPSET, dynamo=False)
    return file
