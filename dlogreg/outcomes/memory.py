"""Whether the sums of several outcomes fit into memory, before the first pass."""

from __future__ import annotations

import math
from dataclasses import replace

from dlogreg.errors import MemoryLimitError
from dlogreg.kernel import slab_rows
from dlogreg.layout import Layout
from dlogreg.memory import check_memory, check_workers
from dlogreg.options import FitOptions
from dlogreg.reduction import active_client
from dlogreg.waiting import living_workers

LARGEST_SUM = 2**32
"""Bytes of the Hessians of all outcomes, unless a memory limit says what there is."""
SIGN_ARRAYS = 4
"""Arrays of a number for every row of a slab and outcome that live at once."""
DRIVER_COPIES = 5
"""Hessians of every outcome on the driver: of this pass and the best, penalised, and
the covariances."""


def check_outcome_memory(layout: Layout, options: FitOptions, n_outcomes: int) -> None:
    """Refuse so many outcomes that their Hessians do not fit.

    Raises
    ------
    MemoryLimitError
        Before the first pass, with what is needed and what to do.
    """
    n_params = layout.source.n_features + options.fit_intercept
    robust = options.cov_type != "model"
    each = (1 + robust) * 8 * n_outcomes * n_params**2
    if options.memory_limit is None and each > LARGEST_SUM:
        raise MemoryLimitError(
            f"the Hessians of {n_outcomes:,} outcomes with {n_params:,} coefficients "
            f"take {each / 2**20:,.0f} MiB, and every task holds several times that; "
            f"fit at most {max(1, n_outcomes * LARGEST_SUM // each):,} outcomes at a "
            "time, or give memory_limit if there is room"
        )
    leaves = max(2, layout.n_leaves / layout.n_threads)
    in_task = math.ceil(math.log2(leaves)) + 4
    rows = SIGN_ARRAYS * 8 * n_outcomes * slab_rows(n_params)
    memory = replace(
        layout.memory,
        per_task=layout.memory.per_task + in_task * each + rows,
        driver=layout.memory.driver + DRIVER_COPIES * each,
    )
    check_memory(memory, options.memory_limit, layout.source)
    client = active_client()
    if client is not None:
        check_workers(memory, living_workers(client).limits, layout.source)
