"""Rows drawn at random by a hash of their number, whatever blocks they come in."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from dlogreg.errors import DataError
from dlogreg.kernel.block import Rows
from dlogreg.keyed_sums import label_keys

Index = npt.NDArray[np.uint64]


def hashed(numbers: Index, seed: int) -> Index:
    """Return 64 random bits for every number.

    SplitMix64 (Steele, Lea and Flood 2014, OOPSLA, 453-472), entered at ``number``
    steps after a start that the seed gives.
    """
    golden, wrap = 0x9E3779B97F4A7C15, 2**64 - 1
    start = (seed * golden ^ 0xD1B54A32D192ED03) & wrap
    bits = np.multiply(numbers, np.uint64(golden), dtype=np.uint64)
    bits += np.uint64(start)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        bits ^= bits >> np.uint64(shift)
        bits *= np.uint64(factor)
    bits ^= bits >> np.uint64(31)
    return bits


def hashed_labels(labels: npt.NDArray[Any]) -> Index:
    """Return 64 bits for every label, the same wherever and beside whatever it stands.

    Numbers that are equal get the same bits whatever their type; of text every
    character counts.
    """
    keys = label_keys(np.asarray(labels))
    if keys.dtype.kind == "U":
        codes = np.ascontiguousarray(keys).view(np.uint32).reshape(len(keys), -1)
        bits = np.zeros(len(keys), dtype=np.uint64)
        for column in codes.T:  # a short text is filled up with zeros
            bits = np.where(column > 0, hashed(bits ^ column, 1), bits)
        return bits
    if keys.dtype.kind in "iu":
        return keys.astype(np.uint64)
    if keys.dtype.kind in "mM":
        return keys.astype(np.int64).astype(np.uint64)
    whole = keys.astype(np.float64)
    small = np.abs(whole) < 2.0**53
    exact = small & (whole == np.rint(whole))
    numbers = np.where(exact, whole, 0.0).astype(np.int64).astype(np.uint64)
    return np.where(exact, numbers, hashed(whole.view(np.uint64), 2))


def row_numbers(rows: Rows) -> Index:
    """Return the position of every row in the data."""
    return drawn_numbers(rows) // np.uint64(rows.copies)


def drawn_numbers(rows: Rows) -> Index:
    """Return the same, where rows that stand for one row have numbers of their own."""
    if rows.start is None:
        raise DataError(
            "rows cannot be drawn by their numbers, because the chunks of X have "
            "unknown lengths; call compute_chunk_sizes() on it first"
        )
    inside = np.arange(len(rows)) if rows.kept is None else rows.kept
    return (rows.start + inside).astype(np.uint64)
