"""plan(): the stages of fit() up to the first pass."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from dlogreg.checkpoint import Checkpoint, compare_checkpoint
from dlogreg.checkpoint.fingerprint import of_fit
from dlogreg.errors import MemoryLimitError
from dlogreg.evaluation import Label
from dlogreg.layout import Layout, lay_out
from dlogreg.memory import check_memory
from dlogreg.options import FitOptions, check_options
from dlogreg.options.values import check_flag
from dlogreg.passes import Progress
from dlogreg.penalty import penalty_rule
from dlogreg.planning.advice import advise, warn
from dlogreg.planning.costs import (
    bytes_per_pass,
    expected_passes,
    seconds_of_passes,
)
from dlogreg.planning.given import Given, open_given
from dlogreg.planning.report import Plan
from dlogreg.planning.timing import BlockTime, time_block, why_not_timed
from dlogreg.problem import check_start
from dlogreg.problem.softmax import check_starts
from dlogreg.scheduling import active_client, single_threaded_blas
from dlogreg.screen import bytes_text
from dlogreg.shares import with_shares


def plan(
    X: Any,
    y: Any,
    *,
    sample_weight: Any = None,
    weight_kind: str = "frequency",
    offset: Any = None,
    groups: Any = None,
    trials: Any = None,
    holdout: Any = None,
    classes: Sequence[Label] | None = None,
    alpha: float = 0.0,
    l1_ratio: float = 0.0,
    penalty_factor: Any = None,
    bounds: Any = None,
    firth: bool = False,
    fit_intercept: bool = True,
    feature_names: Sequence[str] | None = None,
    missing: str = "raise",
    solver: str = "auto",
    tol: float = 1e-4,
    max_passes: int = 100,
    start: Any = None,
    inference: bool = True,
    cov_type: str | None = None,
    memory_limit: int | str | None = None,
    checkpoint: str | os.PathLike[str] | Checkpoint | None = None,
    progress: bool | Progress | None = None,
    measure: bool = True,
) -> Plan:
    """Tell what ``fit`` with the same arguments would do and cost, without doing it.

    The arguments are those of ``fit`` and are checked as there. Unless ``classes``
    names more, y is taken to have two classes. A plan makes no pass, so ``progress``
    has nothing to show; a fit that would be refused for its memory is planned, and
    says so in ``refusal``. A ``checkpoint`` that exists is compared, not used.

    Parameters
    ----------
    measure : bool
        Read one block (after another that warms up, and several where they are
        smaller than 1 MiB), put it through the kernels of the fit, and tell from that
        how many seconds a pass takes; on a cluster a worker does it. False reads
        nothing. Nothing is read either where that could cost much more than a block:
        where blocks share intermediate results; ``why_not_timed`` then says so.

    Returns
    -------
    Plan

    Raises
    ------
    CheckpointError
        If ``checkpoint`` is of another fit.
    DataError
        If the data cannot be laid out, or the block that is timed cannot be read or
        fitted; the message is that of ``fit``.

    Examples
    --------
    >>> import numpy as np, dlogreg
    >>> p = dlogreg.plan(np.ones((1000, 3)), np.arange(1000) % 2)
    >>> p.solver, p.passes, p.bytes_per_pass
    ('newton', (3, 10), 32000)
    >>> p.seconds_per_pass < 10
    True
    """
    beside = {"sample_weight": sample_weight, "offset": offset, "groups": groups}
    beside |= {"trials": trials, "holdout": holdout}
    options = check_options(
        beside,
        classes=classes,
        penalty=penalty_rule(alpha, l1_ratio, penalty_factor, bounds),
        fit_intercept=fit_intercept,
        feature_names=feature_names,
        solver=solver,
        tol=tol,
        max_passes=max_passes,
        start=start,
        inference=inference,
        memory_limit=memory_limit,
        cov_type=cov_type,
        weight_kind=weight_kind,
        missing=missing,
        firth=firth,
    )
    measure = check_flag("measure", measure)
    source, given = open_given(X, {"y": y, **beside}, options.feature_names)
    options = options.for_columns(source.feature_names)
    layout = lay_out(source, options)
    if checkpoint is not None and source.n_rows is not None:
        compare_checkpoint(checkpoint, of_fit(with_shares(source, y), options))
    _check_start(options, source.n_features)
    return _plan(layout, options, given, measure=measure)


def _check_start(options: FitOptions, n_features: int) -> None:
    """Refuse a start that does not fit the model, where its classes are known."""
    start, n_names = options.start, n_features + options.fit_intercept
    if start is None:
        return
    if options.n_equations > 1:
        check_starts(start, (options.n_equations, n_names))
    elif np.ndim(start) != 2:
        check_start(start, n_names)


def _plan(layout: Layout, options: FitOptions, given: Given, *, measure: bool) -> Plan:
    source, client = layout.source, active_client()
    refusal = _refusal(layout, options)
    block, why_not = None, "measure=False"
    if measure:
        block, why_not = _timed(layout, options, given, refusal)
    first, later = seconds_of_passes(block, layout) if block else (None, None)
    return Plan(
        kind=source.kind,
        dtype=str(source.dtype),
        n_rows=source.n_rows,
        n_features=source.n_features,
        n_params=options.n_params(source.n_features),
        n_blocks=source.blocks.n_blocks,
        n_leaves=layout.n_leaves,
        n_tasks=len(layout.partitions),
        n_threads=layout.n_threads,
        n_workers=None if client is None else len(client.nthreads()),
        bytes_per_pass=bytes_per_pass(source, given.vectors["y"]),
        solver=layout.solver,
        why_solver=layout.choice.reason,
        loops=_loops(layout, options),
        passes=expected_passes(layout.solver, options, learns=bool(layout.chains)),
        block=block,
        why_not_timed=why_not,
        seconds_first_pass=first,
        seconds_per_pass=later,
        memory=layout.memory,
        memory_limit=options.memory_limit,
        refusal=refusal,
        warnings=warn(layout, options),
        advice=advise(layout, options, given),
    )


def _loops(layout: Layout, options: FitOptions) -> str:
    """Say which passes are compiled: classes are counted in the first one."""
    if not layout.compiled:
        return ""
    where = ", in the first pass alone if there are more than two classes"
    if options.classes is not None:
        where = " in the first pass" if options.n_equations > 1 else ""
    memory = bytes_text(layout.memory.compiling)
    return f"compiled by numba{where}, with {memory} of memory"


def _timed(
    layout: Layout, options: FitOptions, given: Given, refusal: str
) -> tuple[BlockTime | None, str]:
    """Return what a block takes, or None and why none was timed."""
    why_not = why_not_timed(layout, given.n_shared, refusal)
    if why_not:
        return None, why_not
    with single_threaded_blas:
        source = with_shares(layout.source, given.vectors["y"])
        block = time_block(replace(layout, source=source), options)
    return block, "" if block else "the first block holds no rows of positive weight"


def _refusal(layout: Layout, options: FitOptions) -> str:
    try:
        check_memory(layout.memory, options.memory_limit, layout.source)
    except MemoryLimitError as error:
        return str(error)
    return ""
