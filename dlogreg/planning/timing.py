"""What one block takes: read and put through the kernels of a fit, on one thread."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any

import numpy as np

from dlogreg.evaluation import Label
from dlogreg.first_pass import survey_kernel
from dlogreg.kernel import (
    Kernel,
    LossKernel,
    Rows,
    SoftmaxKernel,
    SoftmaxPointsKernel,
    TrialPointsKernel,
)
from dlogreg.layout import Layout
from dlogreg.options import FitOptions
from dlogreg.partition import join_blocks
from dlogreg.reduction import Reduction
from dlogreg.row_kind import RowKind
from dlogreg.solvers.lbfgs import FEW_LENGTHS, LENGTHS
from dlogreg.source.graph import GraphBlocks
from dlogreg.standardization import Standardization
from dlogreg.stopwatch import Stopwatch
from dlogreg.survey import PILOT_ROWS, PilotKernel, PilotRows

ENOUGH_BYTES = 2**20
"""Blocks are timed until they hold so much: less is gone before a clock can tell."""
MOST_BLOCKS = 8
MOST_LOADS = 4
"""Times its fair share of all data: a block that is made of more is not computed."""


@dataclass(frozen=True, slots=True)
class BlockTime:
    """Seconds that blocks took on one thread; several where they are small."""

    n_rows: int
    n_bytes: int
    """Decoded bytes, labels and weights included."""
    n_blocks: int
    reading: float
    """Loading and decoding; next to nothing for arrays in memory and memory maps."""
    first: float
    """In the kernel of the first pass."""
    later: float
    """In the kernel of a later pass, in float64; passes in float32 take less."""

    def __add__(self, other: BlockTime) -> BlockTime:
        """Return the time of the blocks of both."""
        return BlockTime(
            self.n_rows + other.n_rows,
            self.n_bytes + other.n_bytes,
            self.n_blocks + other.n_blocks,
            self.reading + other.reading,
            self.first + other.first,
            self.later + other.later,
        )


@dataclass(frozen=True, slots=True, eq=False)
class TimedKernels:
    """Puts every block through two kernels and takes the time of each.

    The first block warms up: it fills the buffers that later ones use again. Its own
    time counts only where they hold much fewer rows.
    """

    first: Kernel
    later: Kernel

    @property
    def name(self) -> str:
        """What the dashboard shows."""
        return "plan"

    def open(self) -> _Buffers:
        """Return the buffers of both."""
        return _Buffers(self.first.open(), self.later.open(), Stopwatch())

    def start(self) -> _Sums:
        """Return empty sums of both."""
        return _Sums(self.first.start(), self.later.start(), [])

    def add(self, sums: _Sums, rows: Rows, buffers: _Buffers) -> None:
        """Add a block to the sums of both, one after the other."""
        watch = buffers.watch
        reading = watch.lap()
        self.first.add(sums.first, rows, buffers.first)
        first = watch.lap()
        self.later.add(sums.later, rows, buffers.later)
        later = watch.lap()
        sums.times.append(BlockTime(len(rows), rows.n_bytes, 1, reading, first, later))

    def finish(self, sums: _Sums) -> BlockTime:
        """Return the time of the blocks after the first; the sums are let go."""
        cold, *warm = sums.times
        enough = 2 * sum(time.n_rows for time in warm) >= cold.n_rows
        return reduce(add, warm if warm and enough else sums.times)


@dataclass(slots=True, eq=False)
class _Buffers:
    first: Any
    later: Any
    watch: Stopwatch


@dataclass(slots=True, eq=False)
class _Sums:
    first: Any
    later: Any
    times: list[BlockTime]


def why_not_timed(layout: Layout, n_shared: int, refusal: str) -> str:
    """Return why no block should be read only to take its time; empty if one can."""
    source = layout.source
    if refusal:
        return "the fit would be refused"
    if n_shared:
        return (
            f"{n_shared} intermediate result(s) that most blocks use would have to be "
            "computed first"
        )
    counts = [vector.row_counts for vector in source.vectors.values()]
    if counts and None in (source.blocks.row_counts, *counts):
        return "the rows of X and y cannot be matched before they are counted"
    blocks = source.blocks
    if isinstance(blocks, GraphBlocks) and _share_of_data(blocks) > MOST_LOADS:
        return "making one block takes reading many, as after a shuffle of the rows"
    return ""


def _share_of_data(blocks: GraphBlocks) -> float:
    """Return the pieces of data that make the first block over a fair share of all."""
    distinct: set[Any] = set().union(*(block.loads for block in blocks.blocks))
    return len(blocks.blocks[0].loads) * blocks.n_blocks / max(1, len(distinct))


def time_block(layout: Layout, options: FitOptions) -> BlockTime | None:
    """Read one block, after another that warms up, and time what a fit does with it.

    It runs where the tasks of a fit would: on a cluster, on a worker. Blocks that
    cannot be read or fitted raise as in ``fit``. None if they hold no rows.
    """
    source = layout.source
    start, stop = _choose(layout)
    n_kept = max(PILOT_ROWS, 4 * (source.n_features + 1))
    warm_up = Reduction((join_blocks(source, start, start + 1),), layout.inline)
    pilot: PilotRows = warm_up.sum(PilotKernel(n_kept))[0]
    if not pilot.n_rows:
        return None
    first = survey_kernel(layout, options, pilot, ())
    std = first.standardization
    later = later_kernel(layout, options, std, pilot.pooled().y[0])
    timed = Reduction((join_blocks(source, start, stop),), layout.inline)
    found: BlockTime = timed.sum(TimedKernels(first, later))[0]
    return found if found.n_rows else None


def later_kernel(
    layout: Layout, options: FitOptions, std: Standardization, event: Label
) -> Kernel:
    """Return the kernel of the passes after the first."""
    classes, first = options.classes, std.fit_intercept
    zeros = np.zeros((options.n_equations, std.n_params))
    if layout.solver == "lbfgs":
        lengths = FEW_LENGTHS if std.sparse == RowKind.COMPRESSED else LENGTHS
        line, mixing = np.zeros((2, zeros.size)).T, np.zeros((2, len(lengths)))
        if classes is None or len(classes) == 2:
            return TrialPointsKernel(
                line,
                std.mean,
                event,
                first,
                sparse=std.sparse,
                mixing=mixing,
                compiled=std.compiled,
            )
        return SoftmaxPointsKernel(line @ mixing, std.mean, classes, first)
    if classes is None or len(classes) == 2:
        order = 1 if layout.solver == "working-set" else 2
        return LossKernel(
            zeros[0],
            std.mean,
            event,
            first,
            order,
            sparse=std.sparse,
            compiled=std.compiled,
        )
    return SoftmaxKernel(zeros, std.mean, classes, first)


def _choose(layout: Layout) -> tuple[int, int]:
    """Return the borders of consecutive blocks, the first of them to warm up."""
    source = layout.source
    counts = source.blocks.row_counts
    if counts is None:
        return 0, min(2, source.blocks.n_blocks)
    row_bytes = max(1, source.row_bytes)
    start = next((i for i, count in enumerate(counts) if count), 0)
    stop, rows = min(start + 1, len(counts)), 0
    while stop < len(counts) and stop - start <= MOST_BLOCKS:
        if rows * row_bytes >= ENOUGH_BYTES:
            break
        rows += counts[stop]
        stop += 1
    return start, stop
