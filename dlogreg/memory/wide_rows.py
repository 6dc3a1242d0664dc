"""Projected memory of the sums over wide compressed rows: vectors of all columns."""

from __future__ import annotations

import numpy as np

from dlogreg.source import Source

LINE_VECTORS = 3
"""Gradients at two points of a line, and the Hessian times the intercept at one."""
SEARCH_VECTORS = 18
"""What L-BFGS and its problem hold between passes, beside the curvature pairs."""


def wide_sums(
    source: Source, n_params: int, n_tasks: int, n_leaves: int
) -> tuple[int, int, int]:
    """Return the bytes of a task's sums, of those that wait, and of all but tasks.

    Of two classes and L-BFGS. What waits are the nodes of a tree whose leaves come
    about in their order. The first pass sums z of either class and their ranges, which
    are as long as the values, and z^2 of both; it needs counts and squared units
    besides. Nothing else is held then, unlike in later passes.
    """
    vector = 8 * n_params
    n_waiting = int(np.ceil(np.log2(n_leaves))) + n_tasks - 1
    short = source.dtype.kind == "f" and source.dtype.itemsize <= 4
    ranges = 0.5 if short else 1.0
    first, first_waiting = 3 + 4 * ranges + 2, n_waiting * (3 + 6 * ranges)
    later, later_waiting = LINE_VECTORS, n_waiting * LINE_VECTORS
    in_first = n_tasks * (first - later) + first_waiting
    driver = max(in_first, later_waiting + SEARCH_VECTORS)
    waiting = max(first_waiting, later_waiting)
    return later * vector, int(waiting * vector), int(driver * vector)
