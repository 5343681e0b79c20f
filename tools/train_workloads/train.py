# SPDX-License-Identifier: Apache-2.0
"""Makes the folder of a small network of yonder::ml: digits (image_classifier) or texts (recurrent_classifier), and says how often it is right.

--untrained writes seeded random weights with Python's standard library alone: as fast and as large, for comparisons of machines.
"""

import argparse
import json
import pathlib
import random
import struct

SEED = 24
CHANNELS = [8, 16]
EMBEDDING, HIDDEN, MAX_BYTES = 32, 128, 512
TEXTS, EPOCHS = 30_000, 6
NETWORKS = {
    "digits": ({"model_type": "yonder-cnn", "channels": CHANNELS, "labels": [str(digit) for digit in range(10)]},
               {"convolutions.0.weight": [CHANNELS[0], 1, 3, 3], "convolutions.0.bias": [CHANNELS[0]],
                "convolutions.1.weight": [CHANNELS[1], CHANNELS[0], 3, 3], "convolutions.1.bias": [CHANNELS[1]],
                "classifier.weight": [10, CHANNELS[1] * 7 * 7], "classifier.bias": [10]}),
    "texts": ({"model_type": "yonder-gru", "embedding": EMBEDDING, "hidden": HIDDEN, "max_bytes": MAX_BYTES, "labels": ["NEGATIVE", "POSITIVE"]},
              {"embedding.weight": [256, EMBEDDING], "gru.weight_ih_l0": [3 * HIDDEN, EMBEDDING], "gru.weight_hh_l0": [3 * HIDDEN, HIDDEN],
               "gru.bias_ih_l0": [3 * HIDDEN], "gru.bias_hh_l0": [3 * HIDDEN], "classifier.weight": [2, HIDDEN], "classifier.bias": [2]}),
}


def write(folder, config, tensors):
    """`tensors`: name to (shape, floats)."""
    folder.mkdir(parents=True, exist_ok=True)
    header, at = {}, 0
    for name, (shape, values) in tensors.items():
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [at, at + 4 * len(values)]}
        at += 4 * len(values)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(folder / "model.safetensors", "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for _, values in tensors.values():
            file.write(struct.pack(f"<{len(values)}f", *values))
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")


def random_tensors(shapes):
    source = random.Random(SEED)

    def values(shape):
        count = 1
        for each in shape:
            count *= each
        spread = (count / shape[0]) ** -0.5
        return [source.uniform(-spread, spread) for _ in range(count)]

    return {name: (shape, values(shape)) for name, shape in shapes.items()}


def digits():
    """The 1,797 digits of UCI's "Optical Recognition of Handwritten Digits" (CC BY 4.0), which scikit-learn brings: 8 x 8, made 24 x 24,
    at random places of 28 x 28 while training. Every fifth is held out."""
    import torch
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    from sklearn.datasets import load_digits
    given = load_digits()
    small = torch.tensor(given.images, dtype=torch.float32).unsqueeze(1) / 16
    images = torch.nn.functional.interpolate(small, size=24, mode="bilinear", align_corners=False)
    labels = torch.tensor(given.target)
    held_out = torch.arange(len(labels)) % 5 == 0

    class Network(torch.nn.Module):
        def __init__(self):
            super().__init__()
            sizes = [1, *CHANNELS]
            self.convolutions = torch.nn.ModuleList(torch.nn.Conv2d(a, b, 3, padding=1) for a, b in zip(sizes, sizes[1:]))
            self.classifier = torch.nn.Linear(CHANNELS[-1] * 7 * 7, 10)

        def forward(self, x):
            for each in self.convolutions:
                x = torch.nn.functional.max_pool2d(torch.relu(each(x)), 2)
            return self.classifier(x.flatten(1))

    def placed(some, middle):
        out = torch.zeros(len(some), 1, 28, 28)
        for i, image in enumerate(some):
            y, x = (2, 2) if middle else torch.randint(0, 5, (2,)).tolist()
            out[i, :, y:y + 24, x:x + 24] = image
        return out

    network = Network()
    optimizer = torch.optim.Adam(network.parameters(), lr=2e-3)
    train_images, train_labels = images[~held_out], labels[~held_out]
    for _ in range(40):
        order = torch.randperm(len(train_labels))
        for some in order.split(64):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(network(placed(train_images[some], False)), train_labels[some]).backward()
            optimizer.step()
    with torch.no_grad():
        right = (network(placed(images[held_out], True)).argmax(1) == labels[held_out]).sum().item()
    return network.state_dict(), right, int(held_out.sum())


def texts():
    """The opinions of reviews.py; held out are those whose word and topic no text of training has together. NumPy alone."""
    import numpy
    import recurrent
    import reviews
    source = numpy.random.default_rng(SEED)
    network = recurrent.Network(NETWORKS["texts"][1], HIDDEN, source)
    samples = reviews.texts(TEXTS, SEED)
    passes = [batch for _ in range(EPOCHS) for batch in recurrent.batches(samples, 32, source)]
    for step, (rows, labels) in enumerate(passes):
        at = step / len(passes)
        network.step(network.gradients(rows, labels, early=0.5), rate=6e-3 * min(1, at / 0.1) * (1 - at))
    held_out = reviews.texts(5_000, SEED + 1, held=True)
    right = sum(int((network.labels(rows) == labels).sum()) for rows, labels in recurrent.batches(held_out, 128, source))
    return network.weights, right, len(held_out)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("network", choices=NETWORKS)
    parser.add_argument("--out", required=True, type=pathlib.Path)
    parser.add_argument("--untrained", action="store_true")
    options = parser.parse_args()
    config, shapes = NETWORKS[options.network]
    if options.untrained:
        write(options.out, config, random_tensors(shapes))
        return
    weights, right, of = {"digits": digits, "texts": texts}[options.network]()
    write(options.out, config, {name: (shape, weights[name].flatten().tolist()) for name, shape in shapes.items()})
    print(f"{options.network}: {right} of {of} held-out ones are right ({100 * right / of:.1f} %)")


if __name__ == "__main__":
    main()
