#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fits the polynomial of cuda/activation.cuh: gelu(x) = x (1/2 + t q(t^2)), t = x held within [-c, c], t q(t^2) an odd
polynomial that is 1/2 at c.

Run: python3 fit_gelu.py, with numpy installed. Prints c, the coefficients of q, lowest power first, and relative errors
on N(0, 1) and N(0, 2) against the exact function in float64: of rounding alone, of the polynomial in float, and of
cuBLASLt's tanh form.
"""
import math

import numpy as np

TERMS = 8
CLAMP = 4.25


def exact(x):
    return 0.5 * x * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


def tanh_form(x):
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x ** 3)))


def fit():
    """Weighted least squares towards the smallest largest error of gelu itself, with q(c^2) = 1 / (2 c) held."""
    x = np.cos(np.linspace(0, np.pi / 2, 4001))[:-1] * CLAMP
    target = (0.5 * np.vectorize(math.erf)(x / math.sqrt(2))) / x - 1 / (2 * CLAMP)
    basis = np.stack([(x * x / CLAMP ** 2) ** k - 1 for k in range(1, TERMS)], axis=1)
    weight = x * x
    for _ in range(60):  # Lawson's iteration
        scaled = np.sqrt(weight)[:, None] * basis
        found = np.linalg.lstsq(scaled, np.sqrt(weight) * target, rcond=None)[0]
        error = np.abs((basis @ found - target) * x * x)
        weight = weight * (0.05 + error / error.max())
    powers = [found[k - 1] / CLAMP ** (2 * k) for k in range(1, TERMS)]
    return np.array([1 / (2 * CLAMP) - found.sum()] + powers).astype(np.float32)


def polynomial(q, x):
    x = x.astype(np.float32)
    t = np.clip(x, -np.float32(CLAMP), np.float32(CLAMP))
    square = (t * t).astype(np.float32)
    sum_ = np.zeros_like(x)
    for c in q[::-1]:
        sum_ = (sum_ * square + c).astype(np.float32)
    return x * (np.float32(0.5) + (t * sum_).astype(np.float32))


def rounded(x, bits):
    mantissa, exponent = np.frexp(x)
    return np.ldexp(np.rint(np.ldexp(mantissa, bits)), exponent - bits)


def relative(out, reference):
    return np.linalg.norm(out - reference) / np.linalg.norm(reference)


def main():
    q = fit()
    print("c =", CLAMP, " q:", ", ".join(f"{c:.9g}F" for c in q))
    x = np.linspace(-8, 8, 200001)
    print("largest error of gelu:", np.abs(polynomial(q, x) - exact(x)).max(), "tanh form:",
          np.abs(tanh_form(x) - exact(x)).max())
    draw = np.random.default_rng(1)
    for scale in (1, 2):
        x = draw.normal(size=400000) * scale
        for name, bits in (("bf16", 8), ("fp16", 11)):
            y = exact(x)
            print(f"N(0, {scale}) {name}: rounding {relative(rounded(y, bits), y):.3e}, polynomial",
                  f"{relative(rounded(polynomial(q, x), bits), y):.3e}, tanh {relative(rounded(tanh_form(x), bits), y):.3e}")


if __name__ == "__main__":
    main()
