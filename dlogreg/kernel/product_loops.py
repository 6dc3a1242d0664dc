"""Products of rows, compiled: of centred rows in a buffer that stays in the cache.

A tile of a product, some lines by some vectors of columns, stays in registers while all
rows of the buffer are added to it (``kernel/vectors.py``). On one core that reaches the
processor's peak, where BLAS multiplies few columns with themselves at a fraction of it.
"""

from __future__ import annotations

from typing import Any

import numpy.typing as npt

from dlogreg.evaluation import FloatArray
from dlogreg.kernel.compiling import inlined
from dlogreg.kernel.row_loops import MOST_ROWS
from dlogreg.kernel.vectors import (
    LANES,
    VECTOR_BYTES,
    add_dots,
    add_tile,
    prefetch,
    scale_vector,
    subtract_vector,
)

Values = npt.NDArray[Any]

FOUR = 4 * LANES
LINES = LANES
"""Lines of a tile. With three vectors of columns they take 24 of 32 registers, or 12 of
16, and leave room for what is multiplied."""
MULTIPLIED_ROWS = 96
"""Rows of scaled values that are multiplied at once, before the sums are added in
float64."""
FEWEST_ROWS = LANES
NEAR_VALUES = 2560
"""Values of centred rows that stay in the nearest cache beside what is made of them."""

_one, _two, _three = (add_tile(LINES, n) for n in (1, 2, 3))
_line, _pair = add_tile(1, 4), add_tile(2, 4)
_line_end, _pair_end = add_tile(1, 1), add_tile(2, 1)


def centred_rows(n_columns: int) -> int:
    """Return how many rows of so many columns are centred at a time."""
    rows = NEAR_VALUES // max(1, n_columns) // FEWEST_ROWS * FEWEST_ROWS
    return max(FEWEST_ROWS, min(MOST_ROWS, rows))


def padded(n_columns: int, itemsize: int) -> int:
    """Return the width of a buffer for so many columns: of whole vectors."""
    lanes = VECTOR_BYTES // itemsize
    return -(-n_columns // lanes) * lanes


@inlined
def centre_rows(
    X: Values, first: int, n_rows: int, centre: FloatArray, z: FloatArray
) -> None:
    """Set z_ij to x_first+i,j - centre_j; further columns of z stay as they are.

    Shapes (at least first + n_rows, n_columns), (n_columns,) and (at least n_rows,
    width), as ``padded`` says of float64. Slices would be counted references, which
    take longer than some rows.
    """
    n_columns, width = X.shape[1], z.shape[1]
    if n_columns < LANES:
        for i in range(n_rows):
            for j in range(n_columns):
                z[i, j] = X[first + i, j] - centre[j]
    else:
        for v in range(0, n_columns, LANES):
            j = min(v, n_columns - LANES)  # some columns once more
            for i in range(n_rows):
                at = (first + i) * n_columns + j
                prefetch(X, at + MOST_ROWS * n_columns)
                subtract_vector(X, at, centre, j, z, i * width + j)


@inlined
def predict_rows(
    z: FloatArray, slopes: FloatArray, constant: float, eta: FloatArray
) -> None:
    """Add constant + z_i' slopes to eta_i for all rows of z; slopes (width,)."""
    n_rows, width = z.shape
    for i in range(0, n_rows, LANES):
        add_dots(z, i * width, width, slopes, eta, i)
    for i in range(n_rows):
        eta[i] += constant


@inlined
def project_rows(
    z: FloatArray,
    n_rows: int,
    values: FloatArray,
    first: int,
    line: int,
    total: FloatArray,
) -> None:
    """Add sum_i values_i z_i to every line of total, z_i0 = 1; shape (n, 1 + width).

    The values of line k begin at the place first + k line.
    """
    width, n_lines = z.shape[1], len(total)
    across, even = 1 + width, n_lines - n_lines % 2
    fours = width // FOUR * FOUR
    for k in range(0, even, 2):
        at, to = first + k * line, k * across + 1
        for j in range(0, fours, FOUR):
            _pair(values, at, line, 1, z, j, width, n_rows, total, to + j, across)
        for j in range(fours, width, LANES):
            _pair_end(values, at, line, 1, z, j, width, n_rows, total, to + j, across)
    for k in range(even, n_lines):
        at, to = first + k * line, k * across + 1
        for j in range(0, fours, FOUR):
            _line(values, at, line, 1, z, j, width, n_rows, total, to + j, across)
        for j in range(fours, width, LANES):
            _line_end(values, at, line, 1, z, j, width, n_rows, total, to + j, across)
    for k in range(n_lines):
        constant = 0.0
        for i in range(n_rows):
            constant += values[first + k * line + i]
        total[k, 0] += constant


@inlined
def scale_rows(
    z: FloatArray,
    n_rows: int,
    factors: FloatArray,
    first: int,
    scaled: Values,
    k: int,
    to: int,
) -> None:
    """Set scaled_k,to+i to factors_first+i times z_i.

    Shapes (at least n_rows, width) and (n_products, ``MULTIPLIED_ROWS``, width), widths
    as ``padded`` says of the types; columns beyond those of z stay as they are.
    """
    wide, width = z.shape[1], scaled.shape[2]
    start = (k * MULTIPLIED_ROWS + to) * width
    for j in range(0, wide, LANES):
        for i in range(n_rows):
            place = start + i * width + j
            scale_vector(z, i * wide + j, factors, first + i, scaled, place)


@inlined
def multiply_rows(scaled: Values, k: int, n_rows: int, sums: FloatArray) -> None:
    """Add the sum over so many rows s of scaled_k of s s' at and above the diagonal.

    Shapes (n_products, ``MULTIPLIED_ROWS``, width) and (n_products, width, width); they
    are summed in the type of ``scaled``.
    """
    width, lanes = scaled.shape[2], VECTOR_BYTES // scaled.itemsize
    low, base = k * MULTIPLIED_ROWS * width, k * width * width
    for j in range(0, width, LINES):
        v, at, to = j // lanes * lanes, low + j, base + j * width
        while v + 3 * lanes <= width:
            given = scaled, at, 1, width, scaled, low + v, width, n_rows
            _three(*given, sums, to + v, width)
            v += 3 * lanes
        given = scaled, at, 1, width, scaled, low + v, width, n_rows
        if v + 2 * lanes <= width:
            _two(*given, sums, to + v, width)
        elif v < width:
            _one(*given, sums, to + v, width)
