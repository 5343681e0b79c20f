# SPDX-License-Identifier: Apache-2.0
"""Models with random weights of the true shapes, and batches, without any package: ./dev gpu needs no PyTorch for them."""
import array
import functools
import json
import random
import struct

# hidden, layers, heads, intermediate, family
MODELS = {
    "MiniLM-L6": (384, 6, 12, 1536, "bert"),
    "DistilBERT": (768, 6, 12, 3072, "distilbert"),
    "BERT-base": (768, 12, 12, 3072, "bert"),
    "BERT-large": (1024, 24, 16, 4096, "bert"),
}
TINY = {name: (32, 1, 1, 64, family) for name, (*_, family) in MODELS.items()}  # of the stand-in
VOCABULARY, POSITIONS = 30522, 512
POOL = 1 << 17  # values
# name: lengths of the texts, of a longest one
BATCHES = {
    "b1 s128": ([128], 128),
    "b32 s128": ([128] * 32, 128),
    "ragged 64 k tokens": (None, 128),  # lengths 1 to 128: the mean is half the longest
}


def tensors_of(shape):
    """(name, sizes) of every tensor, as transformers names them."""
    hidden, layers, _, intermediate, family = shape
    distil = family == "distilbert"
    prefix = family + "."
    layer = prefix + ("transformer.layer." if distil else "encoder.layer.")
    if distil:
        linear = ("attention.q_lin", "attention.k_lin", "attention.v_lin", "attention.out_lin")
        norms, wide, narrow = ("sa_layer_norm", "output_layer_norm"), "ffn.lin1", "ffn.lin2"
        heads = ("pre_classifier", "classifier")
    else:
        linear = ("attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense")
        norms, wide, narrow = ("attention.output.LayerNorm", "output.LayerNorm"), "intermediate.dense", "output.dense"
        heads = ("bert.pooler.dense", "classifier")

    def affine(name, out, depth):
        return [(name + ".weight", [out, depth]), (name + ".bias", [out])]

    def norm(name):
        return [(name + ".weight", [hidden]), (name + ".bias", [hidden])]
    found = [(prefix + "embeddings.word_embeddings.weight", [VOCABULARY, hidden]),
             (prefix + "embeddings.position_embeddings.weight", [POSITIONS, hidden])]
    if not distil:
        found.append((prefix + "embeddings.token_type_embeddings.weight", [2, hidden]))
    found += norm(prefix + "embeddings.LayerNorm")
    for i in range(layers):
        at = f"{layer}{i}."
        for name in linear:
            found += affine(at + name, hidden, hidden)
        found += norm(at + norms[0]) + affine(at + wide, intermediate, hidden) + affine(at + narrow, hidden, intermediate)
        found += norm(at + norms[1])
    return found + affine(heads[0], hidden, hidden) + affine(heads[1], 2, hidden)


def config_of(shape):
    hidden, layers, heads, intermediate, family = shape
    if family == "distilbert":
        return {"model_type": "distilbert", "architectures": ["DistilBertForSequenceClassification"], "dim": hidden,
                "n_layers": layers, "n_heads": heads, "hidden_dim": intermediate, "activation": "gelu",
                "max_position_embeddings": POSITIONS, "vocab_size": VOCABULARY, "pad_token_id": 0}
    return {"model_type": "bert", "architectures": ["BertForSequenceClassification"], "hidden_size": hidden,
            "num_hidden_layers": layers, "num_attention_heads": heads, "intermediate_size": intermediate,
            "hidden_act": "gelu", "max_position_embeddings": POSITIONS, "type_vocab_size": 2, "vocab_size": VOCABULARY,
            "layer_norm_eps": 1e-12, "pad_token_id": 0}


@functools.lru_cache(maxsize=1)
def normal_pools():
    """By their mean; of a deviation of 0.03; as bytes of floats, twice in a row."""
    draw = random.Random(1)
    normal = [draw.gauss(0.0, 1.0) for _ in range(POOL)]
    return {mean: array.array("f", [mean + 0.03 * value for value in normal]).tobytes() * 2 for mean in (0.0, 1.0)}


def make_model(folder, shape, seed=1):
    """config.json, model.safetensors in float32, vocab.txt. Values are parts of one pool of normal ones, each tensor's
    from another place on, so that 400 MB take a second."""
    if (folder / "model.safetensors").exists():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    draw = random.Random(seed)
    pools = normal_pools()
    header, at = {}, 0
    for name, sizes in tensors_of(shape):
        values = 1
        for size in sizes:
            values *= size
        header[name] = {"dtype": "F32", "shape": sizes, "data_offsets": [at, at + 4 * values]}
        at += 4 * values
    text = json.dumps({"__metadata__": {"format": "pt"}, **header}).encode()
    text += b" " * (-len(text) % 8)
    with (folder / "part").open("wb") as out:
        out.write(struct.pack("<Q", len(text)) + text)
        for name, each in header.items():
            pool = pools[1.0 if "norm" in name.lower() and name.endswith("weight") else 0.0]
            left = each["data_offsets"][1] - each["data_offsets"][0]
            while left > 0:
                begin = 4 * draw.randrange(POOL)
                part = pool[begin:begin + min(left, 4 * POOL)]
                out.write(part)
                left -= len(part)
    (folder / "config.json").write_text(json.dumps(config_of(shape)))
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + [f"w{i:05}" for i in range(VOCABULARY - 5)]
    (folder / "vocab.txt").write_text("".join(word + "\n" for word in words))
    (folder / "tokenizer_config.json").write_text(json.dumps(
        {"tokenizer_class": "BertTokenizer", "do_lower_case": True, "model_max_length": 128}))
    (folder / "part").rename(folder / "model.safetensors")  # last: what is there is whole
    return folder


def lengths_of(batch):
    lengths, longest = BATCHES[batch]
    if lengths is not None:
        return lengths
    draw = random.Random(7)
    lengths = []
    while sum(lengths) < 65536 - longest:
        lengths.append(draw.randint(1, longest))
    return lengths


def write_batch(folder, name, seed=1):
    """(file, sequences of token ids)"""
    draw = random.Random(seed)
    path = folder / f"{name.replace(' ', '_')}_{seed}.txt"
    sequences = [[draw.randrange(1000, 30000) for _ in range(length)] for length in lengths_of(name)]
    path.write_text("".join(" ".join(map(str, ids)) + "\n" for ids in sequences))
    return path, sequences


def write_texts(folder):
    """One text of 128 tokens, and 511 of 3 to 128."""
    draw = random.Random(3)
    texts = [" ".join(f"w{draw.randrange(VOCABULARY - 5):05}" for _ in range(words))
             for words in [126] + [draw.randint(1, 126) for _ in range(511)]]
    path = folder / "texts.txt"
    path.write_text("".join(text + "\n" for text in texts))
    return path, texts
