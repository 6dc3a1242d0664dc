"""Rows from which L-BFGS learns how columns are correlated; the pilot reads them."""

from __future__ import annotations

import numpy as np

from dlogreg.choice import sample_size
from dlogreg.evaluation import FloatArray, Label
from dlogreg.kernel import Rows, as_dense
from dlogreg.kernel.dense import row_weights
from dlogreg.solvers.metric import Float32Array
from dlogreg.source import Source
from dlogreg.standardization import Standardization
from dlogreg.survey import PILOT_BLOCKS

COPIED_VALUES = 2**20


def pilot_shape(source: Source, n_params: int) -> tuple[int, int]:
    """Return how many blocks the pilot of an L-BFGS fit reads, and rows from each.

    At least four blocks, or all; more where these have fewer rows than the sample
    wants.
    """
    rows, there = source.n_rows, source.blocks.n_blocks
    wanted, few = sample_size(rows, n_params), max(1, min(PILOT_BLOCKS, there))
    if rows is None or not rows:
        return few, -(-wanted // few)
    mean_rows = max(1, rows // there)
    n_blocks = max(PILOT_BLOCKS, -(-wanted // mean_rows))
    if n_blocks == PILOT_BLOCKS:
        return few, -(-wanted // few)
    return n_blocks, source.largest_block or mean_rows


def standardized_sample(
    rows: Rows,
    standardization: Standardization,
    class_weight: tuple[tuple[Label, float], ...],
) -> Float32Array:
    """Return the rows in the solver's coordinates, times the root of their weights.

    Shape (n_rows, n_params), the intercept's column of them first.
    """
    std, first = standardization, int(standardization.fit_intercept)
    sample = np.empty((len(rows), std.n_params), dtype=np.float32)
    root = root_weights(rows, class_weight)
    step = max(1, COPIED_VALUES // std.n_params)
    with np.errstate(all="ignore"):  # the survey has named NaN and infinity
        for low in range(0, len(rows), step):
            piece = slice(low, low + step)
            z = (as_dense(rows.X[piece]) - std.mean) / std.scale
            sample[piece, first:] = z * root[piece, None]
    sample[:, :first] = root[:, None]
    return sample


def root_weights(
    rows: Rows, class_weight: tuple[tuple[Label, float], ...]
) -> FloatArray:
    """Return the root of every row's weight over their mean, shape (n_rows,)."""
    weight = row_weights(rows, class_weight)
    if weight is None or not len(rows):
        return np.ones(len(rows))
    return np.asarray(np.sqrt(weight / weight.mean()))
