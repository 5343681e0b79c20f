# SPDX-License-Identifier: Apache-2.0
"""A gated recurrent unit over a text's bytes (Cho et al., arXiv:1406.1078), with PyTorch's names and equations, trained by back-propagation
through time and Adam (arXiv:1412.6980) in NumPy. Rows of a batch have one length, so that none is padded."""

import numpy


def sigmoid(x):
    return 0.5 * (numpy.tanh(0.5 * x) + 1)


class Network:
    """`weights`: name to float32 array. Gates lie in PyTorch's order: reset, update, new."""

    def __init__(self, shapes, hidden, source):
        self.hidden = hidden
        bound = hidden ** -0.5
        self.weights = {name: source.uniform(-bound, bound, shape).astype(numpy.float32) for name, shape in shapes.items()}
        self.weights["embedding.weight"] = source.standard_normal(shapes["embedding.weight"]).astype(numpy.float32)
        self._means = {name: numpy.zeros_like(value) for name, value in self.weights.items()}
        self._squares = {name: numpy.zeros_like(value) for name, value in self.weights.items()}
        self._steps = 0

    def states(self, rows):
        """`rows`: [texts][bytes] → states [bytes + 1][texts][hidden], the first of zeros, and what each step computed."""
        of, h = self.weights, self.hidden
        per_byte = of["embedding.weight"] @ of["gru.weight_ih_l0"].T + of["gru.bias_ih_l0"]
        states = numpy.zeros((rows.shape[1] + 1, len(rows), h), numpy.float32)
        steps = []
        recurrent = numpy.ascontiguousarray(of["gru.weight_hh_l0"].T)
        for t in range(rows.shape[1]):
            given = per_byte[rows[:, t]]
            kept = states[t] @ recurrent + of["gru.bias_hh_l0"]
            gates = sigmoid(given[:, :2 * h] + kept[:, :2 * h])
            reset, update = gates[:, :h], gates[:, h:]
            new = numpy.tanh(given[:, 2 * h:] + reset * kept[:, 2 * h:])
            states[t + 1] = new + update * (states[t] - new)
            steps.append((reset, update, new, kept[:, 2 * h:]))
        return states, steps

    def logits(self, states):
        return states @ self.weights["classifier.weight"].T + self.weights["classifier.bias"]

    def labels(self, rows):
        return self.logits(self.states(rows)[0][-1]).argmax(1)

    def gradients(self, rows, labels, early):
        """Of the cross entropy of the last state, and of the mean over all states with weight `early`: the label is the target at every
        byte (target replication, Lipton et al., arXiv:1511.03677), or a gradient has a whole text to vanish in."""
        of, h, (texts, length) = self.weights, self.hidden, rows.shape
        states, steps = self.states(rows)
        logits = self.logits(states[1:])
        errors = numpy.exp(logits - logits.max(2, keepdims=True))
        errors /= errors.sum(2, keepdims=True)
        errors[:, numpy.arange(texts), labels] -= 1
        scale = numpy.full((length, 1, 1), early / length, numpy.float32)
        scale[-1] += 1
        errors *= scale / texts
        out = {"classifier.weight": errors.reshape(-1, 2).T @ states[1:].reshape(-1, h), "classifier.bias": errors.sum((0, 1))}
        from_above = errors @ of["classifier.weight"]
        given = numpy.empty((length, texts, 3 * h), numpy.float32)
        kept = numpy.empty_like(given)
        back = numpy.zeros((texts, h), numpy.float32)
        for t in reversed(range(length)):
            reset, update, new, candidate = steps[t]
            back = back + from_above[t]
            to_new = back * (1 - update) * (1 - new * new)
            given[t, :, :h] = to_new * candidate * reset * (1 - reset)
            given[t, :, h:2 * h] = back * (states[t] - new) * update * (1 - update)
            given[t, :, 2 * h:] = to_new
            kept[t] = given[t]
            kept[t, :, 2 * h:] *= reset
            back = back * update + kept[t] @ of["gru.weight_hh_l0"]
        out["gru.weight_hh_l0"] = kept.reshape(-1, 3 * h).T @ states[:-1].reshape(-1, h)
        out["gru.bias_hh_l0"], out["gru.bias_ih_l0"] = kept.sum((0, 1)), given.sum((0, 1))
        present, which = numpy.unique(rows.T, return_inverse=True)
        places = numpy.zeros((len(present), rows.size), numpy.float32)
        places[which.ravel(), numpy.arange(rows.size)] = 1
        per_byte = places @ given.reshape(-1, 3 * h)
        out["gru.weight_ih_l0"] = per_byte.T @ of["embedding.weight"][present]
        out["embedding.weight"] = numpy.zeros_like(of["embedding.weight"])
        out["embedding.weight"][present] = per_byte @ of["gru.weight_ih_l0"]
        return out

    def step(self, gradients, rate):
        """Adam, of gradients whose norm is at most 1."""
        norm = sum(float((each * each).sum()) for each in gradients.values()) ** 0.5
        self._steps += 1
        for name, each in gradients.items():
            each = each / max(norm, 1.0)
            self._means[name] += 0.1 * (each - self._means[name])
            self._squares[name] += 0.001 * (each * each - self._squares[name])
            mean, square = self._means[name] / (1 - 0.9 ** self._steps), self._squares[name] / (1 - 0.999 ** self._steps)
            self.weights[name] -= rate * mean / (numpy.sqrt(square) + 1e-8)


def batches(samples, size, source):
    """Rows of one length each, and their labels, in a random order."""
    by_length = {}
    for text, label in samples:
        by_length.setdefault(len(text.encode()), []).append((list(text.encode()), label))
    out = []
    for some in by_length.values():
        order = source.permutation(len(some))
        for first in range(0, len(some), size):
            chosen = [some[i] for i in order[first:first + size]]
            out.append((numpy.array([row for row, _ in chosen]), numpy.array([label for _, label in chosen])))
    return [out[i] for i in source.permutation(len(out))]
