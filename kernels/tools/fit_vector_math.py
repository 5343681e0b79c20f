#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fits the polynomials of cpu/vector_math.hpp: Chebyshev interpolation in high precision, rounded to float.

Run: python3 fit_vector_math.py, with mpmath and numpy installed. Prints coefficients, lowest power first, and the
largest errors that plain float arithmetic then makes.
"""

import mpmath
import numpy as np

mpmath.mp.dps = 40


def fit(function, low, high, degree):
    """Coefficients of the polynomial through the Chebyshev nodes, lowest power first."""
    half, middle = (mpmath.mpf(high) - low) / 2, (mpmath.mpf(high) + low) / 2
    nodes = [middle + half * mpmath.cos(mpmath.pi * (2 * k + 1) / (2 * degree + 2)) for k in range(degree + 1)]
    matrix = mpmath.matrix(degree + 1, degree + 1)
    for i, node in enumerate(nodes):
        for power in range(degree + 1):
            matrix[i, power] = node ** power
    return [float(np.float32(c)) for c in mpmath.lu_solve(matrix, mpmath.matrix([function(n) for n in nodes]))]


def horner(coefficients, x):
    result = np.zeros_like(x)
    for c in reversed(coefficients):
        result = (result * x + np.float32(c)).astype(np.float32)
    return result


def show(name, coefficients):
    print(f"{name}: " + ", ".join(f"{c:.9g}F" for c in coefficients))


def exponential(x):
    rounded = np.rint(x * np.float32(1.44269504)).astype(np.float32)
    r = (x - rounded * np.float32(0.693359375)).astype(np.float32)
    r = (r + rounded * np.float32(2.12194440e-4)).astype(np.float32)
    tail = horner(EXP, r)
    return np.ldexp((np.float32(1) + (r + (r * r).astype(np.float32) * tail).astype(np.float32)).astype(np.float32), rounded.astype(int))


# exp(r) = 1 + r + r^2 p(r) on half an octave either way
half_octave = mpmath.log(2) / 2 * mpmath.mpf("1.01")
EXP = fit(lambda r: (mpmath.exp(r) - 1 - r) / r ** 2 if abs(r) > 1e-12 else mpmath.mpf(1) / 2, -half_octave, half_octave, 4)
# -log(erfc(x)) = x p(x) on [0, 4]
ERF = fit(lambda x: -mpmath.log(mpmath.erfc(x)) / x if x else 2 / mpmath.sqrt(mpmath.pi), 0, 4, 10)

show("exp", EXP)
show("erf", ERF)

x = np.linspace(-87, 88, 400001).astype(np.float32)
exact = np.exp(x.astype(np.float64))
print("exp: relative error", np.max(np.abs(exponential(x) - exact) / exact) * 2 ** 24, "half ulps")
import math
x = np.linspace(0, 5, 200001).astype(np.float32)
t = np.minimum(x, np.float32(4))
result = (np.float32(1) - exponential(-(t * horner(ERF, t)).astype(np.float32))).astype(np.float32)
exact = np.array([math.erf(float(v)) for v in x])
print("erf: absolute error", np.max(np.abs(result - exact)) * 2 ** 24, "in 2^-24")
