"""Data that are separated completely, quasi-completely or not at all, as is known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

N_ROWS = 100_000


@dataclass
class Case:
    """Rows, the verdict, and the columns (and their signs) that are to be named."""

    X: np.ndarray
    y: np.ndarray
    verdict: str
    signs: dict
    """Position of every infinite coefficient, the intercept 0, and its sign."""


def normal(rng, d):
    mix = np.eye(d) + 0.3 * rng.normal(size=(d, d))
    return rng.normal(size=(N_ROWS, d)) @ mix


def levels(codes, n):
    return (codes[:, None] == np.arange(1, n)).astype(float)


def drawn(rng, eta):
    return rng.random(N_ROWS) < expit(eta)


def none_easy(rng):
    X = normal(rng, 6)
    return Case(X, drawn(rng, X @ rng.normal(size=6)), "", {})


def none_steep(rng):
    X = normal(rng, 5)
    return Case(X, drawn(rng, 12 * X @ rng.normal(size=5)), "", {})


def none_rare(rng):
    X = normal(rng, 6)
    return Case(X, drawn(rng, X @ rng.normal(size=6) * 0.7 - 7), "", {})


def none_shifted(rng):
    """Scales over nine orders of magnitude, means a thousand deviations away."""
    scale = 10.0 ** np.array([-4, -2, 0, 3, 5])
    Z = normal(rng, 5)
    X = (Z + 1000) * scale
    return Case(X, drawn(rng, 5 * Z @ rng.normal(size=5)), "", {})


def none_rare_levels(rng):
    """Levels of 30 rows, each with one row of the other outcome."""
    codes = rng.integers(9, 20, N_ROWS)
    codes[:20] = 0
    for level in range(1, 9):
        codes[30 * level : 30 * level + 30] = level
    X = np.column_stack([normal(rng, 3), levels(codes, 20)])
    y = drawn(rng, X[:, 0] - 0.5)
    for level in range(1, 9):
        rows = np.flatnonzero(codes == level)
        y[rows] = level % 2
        y[rows[level]] = 1 - level % 2
    return Case(X, y, "", {})


def none_but_a_few(rng):
    """Only a few rows overlap, pairwise at the same place."""
    X = normal(rng, 5)
    eta = X @ [2.0, -1.0, 0.5, 0.1, 1.0] + 0.3
    y = eta > 0
    pairs = rng.choice(N_ROWS, 2 * 40, replace=False).reshape(40, 2)
    X[pairs[:, 1]] = X[pairs[:, 0]]
    y[pairs[:, 1]] = ~y[pairs[:, 0]]
    return Case(X, y, "", {})


def complete_plane(rng):
    X = normal(rng, 6)
    eta = X @ [2.0, -1.0, 0.5, 0, 0, 0] - 0.2
    eta += 0.05 * np.sign(eta)
    X[:, 0] = (eta + 0.2 - X[:, 1:3] @ [-1.0, 0.5]) / 2
    return Case(X, eta > 0, "complete", {1: 1, 2: -1, 3: 1})


def complete_shifted(rng):
    case = complete_plane(rng)
    scale = 10.0 ** np.array([-3, 4, 0, 2, -2, 1])
    case.X = (case.X + 100) * scale
    return case


def complete_one_column(rng):
    X = normal(rng, 5)
    y = X[:, 3] < 0.1
    X[:, 3] += np.where(y, -1e-3, 1e-3)
    return Case(X, y, "complete", {4: -1})


def quasi_level(rng):
    codes = rng.integers(0, 6, N_ROWS)
    codes[:40] = 6
    codes = rng.permutation(codes)
    X = np.column_stack([normal(rng, 4), levels(codes, 7)])
    y = drawn(rng, X[:, 0] + 0.2 * codes - 1)
    y[codes == 6] = 0
    return Case(X, y, "quasi-complete", {10: -1})


def quasi_two_levels(rng):
    codes = rng.integers(0, 10, N_ROWS)
    X = np.column_stack([normal(rng, 2), levels(codes, 10)])
    y = drawn(rng, X[:, 0] - 0.5)
    y[codes == 4], y[codes == 7] = 1, 0
    return Case(X, y, "quasi-complete", {6: 1, 9: -1})


def quasi_reference(rng):
    """The level without a column has one outcome: all the others move against it."""
    codes = rng.integers(0, 5, N_ROWS)
    X = np.column_stack([normal(rng, 2), levels(codes, 5)])
    y = drawn(rng, X[:, 1] + 0.3)
    y[codes == 0] = 1
    return Case(X, y, "quasi-complete", {0: 1, 3: -1, 4: -1, 5: -1, 6: -1})


def quasi_cell(rng):
    """One cell of two factors with their interaction has one outcome."""
    a, b = rng.integers(0, 4, N_ROWS), rng.integers(0, 3, N_ROWS)
    A, B = levels(a, 4), levels(b, 3)
    AB = (A[:, :, None] * B[:, None, :]).reshape(N_ROWS, 6)
    X = np.column_stack([A, B, AB, normal(rng, 2)])
    y = drawn(rng, X[:, -1] + 0.3 * a - 0.4 * b)
    y[(a == 0) & (b == 2)] = 1
    # only the effect of b = 2 in the reference level of a, and what undoes it
    return Case(X, y, "quasi-complete", {5: 1, 7: -1, 9: -1, 11: -1})


def quasi_hidden(rng):
    """Columns are mixed, so that no single one shows the level with one outcome."""
    rare = rng.random(N_ROWS) < 0.003
    other = rng.integers(0, 2, N_ROWS)
    X = normal(rng, 4)
    y = drawn(rng, X[:, 0] - X[:, 1])
    y[rare & (other == 0)] = 1
    mixed = np.column_stack([rare + 2.0 * other, other, rare * other])
    return Case(np.column_stack([X, mixed]), y, "quasi-complete", {5: 1, 6: -1, 7: -1})


def quasi_nested(rng):
    """A cell that is separated only where another level is left out."""
    a = rng.integers(0, 2, N_ROWS).astype(float)
    b = rng.integers(0, 2, N_ROWS).astype(float)
    X = np.column_stack([a, b, a * b, normal(rng, 2)])
    y = drawn(rng, X[:, 3])
    y[(a == 1) & (b == 0)] = 1
    y[(a == 1) & (b == 1)] = 0
    return Case(X, y, "quasi-complete", {1: 1, 3: -1})


CASES = [
    *[(none_easy, 0), (none_steep, 1), (none_rare, 2), (none_shifted, 3)],
    *[(none_rare_levels, 4), (none_but_a_few, 5), (none_steep, 6), (none_but_a_few, 7)],
    *[(complete_plane, 8), (complete_shifted, 9), (complete_one_column, 10)],
    *[(complete_plane, 11), (quasi_level, 12), (quasi_two_levels, 13)],
    *[(quasi_reference, 14), (quasi_cell, 15), (quasi_hidden, 16), (quasi_nested, 17)],
    *[(quasi_reference, 18), (quasi_cell, 19)],
]


def cases():
    """Yield the twenty cases."""
    for make, seed in CASES:
        yield f"{make.__name__}-{seed}", make(np.random.default_rng(seed))
