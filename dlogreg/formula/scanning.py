"""Runs the scan: one read of the columns that a formula names."""

from __future__ import annotations

import numpy as np

from dlogreg.checkpoint import Checkpoint
from dlogreg.checkpoint.fingerprint import of_scan
from dlogreg.evaluation import PassRecord
from dlogreg.formula.resolving import transforms_of
from dlogreg.formula.scan import Found, Rule, ScanKernel
from dlogreg.formula.source import RawBlocks
from dlogreg.formula.tables import FrameTable, Table
from dlogreg.formula.terms import Formula
from dlogreg.partition import partition_rows
from dlogreg.passes import Passes, Progress
from dlogreg.reduction import INLINE_BYTES, TASKS_PER_THREAD, Reduction
from dlogreg.scheduling import active_client, n_threads
from dlogreg.source import Source


def scan(
    formula: Formula,
    table: Table,
    rule: Rule,
    progress: Progress,
    checkpoint: Checkpoint | None = None,
) -> tuple[Found, tuple[PassRecord, ...]]:
    """Read the columns once and return what is found in all rows."""
    categories = {
        text: factor.expression
        for text, factor in formula.factors.items()
        if factor.is_category or factor.is_column
    }
    arguments = {
        text: (expression, transform.order)
        for text, (expression, transform) in transforms_of(formula).items()
    }
    return run_scan(
        ScanKernel(rule, categories, arguments), table, progress, checkpoint
    )


def run_scan(
    kernel: ScanKernel,
    table: Table,
    progress: Progress,
    checkpoint: Checkpoint | None = None,
) -> tuple[Found, tuple[PassRecord, ...]]:
    """Read the columns once and return what a kernel finds."""
    rule = kernel.rule
    raw = Source(RawBlocks(table), {}, (), np.dtype(np.float64))
    rows = raw.n_rows
    small = isinstance(table, FrameTable) and 8 * len(rule.needed) * (rows or 0)
    inline = bool(small) and small <= INLINE_BYTES and active_client() is None
    reduction = Reduction(
        partition_rows(raw, 1, TASKS_PER_THREAD * n_threads()), inline
    )
    if checkpoint is not None:
        checkpoint.begin("scan", of_scan(raw, kernel))
    passes = Passes(reduction, progress, journal=checkpoint)
    try:
        found: Found = passes.run_pilot(kernel, reduction)
        passes.close_record()
    except BaseException:
        progress.close()
        raise
    return found, tuple(passes.trace)
