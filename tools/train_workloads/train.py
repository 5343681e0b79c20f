# SPDX-License-Identifier: Apache-2.0
"""Makes the folder of a small network of yonder::ml: digits (image_classifier) or texts (recurrent_classifier), and says how often it is right.

--untrained writes seeded random weights with Python's standard library alone: as fast and as large, for comparisons of machines.
"""

import argparse
import json
import pathlib
import random
import struct
import sys

SEED = 24
CHANNELS = [8, 16]
EMBEDDING, HIDDEN, MAX_BYTES = 32, 128, 512
TEXTS, EPOCHS = 60_000, 10
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
    return network, right, int(held_out.sum())


def texts():
    """The generated texts of ../train_sentiment, whose teacher labels them; held out are those of word pairs that training has not."""
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "train_sentiment"))
    import torch
    from corpus import WORD_LIST, held_out_samples, training_samples

    class Network(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding = torch.nn.Embedding(256, EMBEDDING)
            self.gru = torch.nn.GRU(EMBEDDING, HIDDEN, batch_first=True)
            self.classifier = torch.nn.Linear(HIDDEN, 2)

        def forward(self, some):
            rows = [torch.tensor(list(text.encode()[:MAX_BYTES])) for text in some]
            states, _ = self.gru(self.embedding(torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)))
            last = torch.tensor([len(row) - 1 for row in rows])
            return self.classifier(states[torch.arange(len(rows)), last])

    samples = [each for each in training_samples(TEXTS, WORD_LIST) if each.text]
    network = Network()
    samples.sort(key=lambda each: len(each.text))
    batches = [samples[i:i + 128] for i in range(0, len(samples), 128)]
    optimizer = torch.optim.Adam(network.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=EPOCHS * len(batches))
    for _ in range(EPOCHS):
        random.shuffle(batches)
        for some in batches:
            positive = torch.sigmoid(torch.tensor([5 * each.compound for each in some]))
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(network([each.text for each in some]), torch.stack([1 - positive, positive], 1)).backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            schedule.step()
    held_out = held_out_samples("combinations", WORD_LIST)
    right = 0
    with torch.no_grad():
        for i in range(0, len(held_out), 128):
            some = held_out[i:i + 128]
            labels = network([each.text for each in some]).argmax(1).tolist()
            right += sum((each.compound > 0) == bool(label) for each, label in zip(some, labels))
    return network, right, len(held_out)


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
    import torch
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    random.seed(SEED)
    network, right, of = {"digits": digits, "texts": texts}[options.network]()
    weights = network.state_dict()
    write(options.out, config, {name: (shape, weights[name].flatten().tolist()) for name, shape in shapes.items()})
    print(f"{options.network}: {right} of {of} held-out ones are right ({100 * right / of:.1f} %)")


if __name__ == "__main__":
    main()
