"""Passes, bytes and seconds that a fit is expected to take."""

from __future__ import annotations

import math
from typing import Any

from dlogreg.layout import Layout
from dlogreg.options import FitOptions
from dlogreg.planning.timing import BlockTime
from dlogreg.source import Source

NEWTON_PASSES = (3, 9)
"""From the null model; the survey included, a closing pass not."""
LEARNING_PASSES = (2, 6)
"""The same where the survey learns."""
LBFGS_PASSES = (10, 60)


def expected_passes(
    solver: str, options: FitOptions, *, learns: bool
) -> tuple[int, int]:
    """Return the range of passes that well-posed data take."""
    few = LEARNING_PASSES if learns else NEWTON_PASSES
    low, high = few if solver == "newton" else LBFGS_PASSES
    low, high = low + (options.start is not None), high + (options.start is not None)
    if options.has_offset and options.start is None and not learns:
        low, high = low + 1, high + 1  # the first pass is no evaluation
    high += options.inference  # a closing pass, unless the last one serves
    return min(low, options.max_passes), min(high, options.max_passes)


def bytes_per_pass(source: Source, y: Any) -> int | None:
    """Return the decoded bytes of X, y and weights; None where rows are unknown."""
    if source.n_rows is None:
        return None
    label = getattr(getattr(y, "dtype", None), "itemsize", 8)
    n_fields = len(source.vectors) + len(source.blocks.fields)
    weights = 8 * (n_fields - 2)
    row = source.row_bytes + label + weights
    return int(source.n_rows * row)


def seconds_of_passes(block: BlockTime, layout: Layout) -> tuple[float, float]:
    """Return the seconds of the first pass, and of a later one.

    The block's time is scaled by rows, or by blocks where their rows are not known,
    and spread over the threads in whole tasks.
    """
    source = layout.source
    if source.n_rows is None:
        scale = source.blocks.n_blocks / block.n_blocks
    else:
        scale = source.n_rows / block.n_rows
    first = scale * (block.reading + block.first)
    later = scale * (block.reading + block.later)
    n_first = len(layout.chains or layout.partitions)
    n_later = len(layout.partitions)
    return first * _longest(n_first, layout), later * _longest(n_later, layout)


def _longest(n_tasks: int, layout: Layout) -> float:
    """Return the share of the work that falls to the busiest thread."""
    threads = 1 if layout.inline else layout.n_threads
    return math.ceil(n_tasks / threads) / n_tasks
