"""What a fit would cost on a cluster that is not there: counts, bytes and seconds.

The layout is that of a fit, made by the same functions for so many threads. What a
pass sends is what its kernel and its sums pickle to. Seconds follow from rates that are
given, and from the multiply-adds by which ``choice`` counts: for n rows of b bytes, k
coefficients, T tasks, S bytes of sums, and s the share of the busiest worker or thread,

    reading     s n b / (a worker's reading rate)
    computing   s n (products of a row + 15 b) / CORE_PRODUCTS
    scheduling  (T + tasks that add) * (seconds of the scheduler per task)
    sending     what the driver sends / bandwidth

happen at the same time, so the longest of them counts. To it come the levels of the
tree that adds (7 of 8 sums travel, and as many are added) and the solution of the
Newton system, k^3 / 3 multiply-adds on the driver. That is a pass after the first and
before the closing one, which returns the middle of the sandwich too, as much again as
the Hessian; a first pass returns what it learns. Delays of the network, and workers
that differ, do not count.
"""

from __future__ import annotations

import pickle
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import zarr
from zarr.storage import MemoryStore

from dlogreg.choice import READING, row_products, system_products
from dlogreg.errors import DataError
from dlogreg.evaluation import Tally
from dlogreg.kernel import Kernel
from dlogreg.layout import Layout, lay_out
from dlogreg.options import FitOptions, check_options
from dlogreg.penalty import penalty_rule
from dlogreg.planning.advice import advise
from dlogreg.planning.costs import bytes_per_pass, expected_passes
from dlogreg.planning.given import Given, open_given
from dlogreg.planning.scale_advice import on_scale
from dlogreg.planning.scale_report import Cluster, PassSeconds, ScalePlan
from dlogreg.planning.timing import later_kernel
from dlogreg.reduction import FAN_IN
from dlogreg.reduction.placement import WIDE_BYTES, array_bytes
from dlogreg.screen import bytes_text
from dlogreg.source.blocks import BLOCK_BYTES
from dlogreg.source.group_writer import CHUNK_BYTES, VECTOR_ROWS
from dlogreg.standardization import Standardization

CORE_PRODUCTS = 15e9
"""Multiply-adds that a core makes in a second, see ``choice``."""
CORE_SUMS = 1e9
"""Numbers that a core adds to others in a second, as fast as memory gives them."""
LARGEST_MATRIX = 2**33
MOST_BLOCKS = 2**23
"""A driver lists the rows of every block; more take it minutes, and gigabytes."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """Tasks of a pass and the bytes that they move."""

    n_adding: int
    """Tasks that add the sums of others."""
    n_levels: int
    """Levels of the tree of these."""
    kernel_bytes: int
    """A kernel, pickled: the coefficients and what centres the columns."""
    sum_bytes: int
    """The sums that a task returns, pickled."""
    bytes_out: int
    """From the driver: the kernel and each task's recipe."""
    bytes_between: int
    """Sums between workers, if no two that are added lie on the same."""
    bytes_back: int
    """The sum of all, to the driver."""


def adding_tasks(n_tasks: int) -> tuple[int, int]:
    """Return how many tasks add the results of these, and in how many levels."""
    total, levels = 0, 0
    while n_tasks > 1:
        n_tasks = -(-n_tasks // FAN_IN)
        total, levels = total + n_tasks, levels + 1
    return total, levels


def traffic(layout: Layout, kernel: Kernel, n_workers: int) -> Traffic:
    """Return what a pass with this kernel moves.

    A kernel that holds much goes once to every worker, else with every task.
    """
    n_tasks = len(layout.partitions)
    n_adding, n_levels = adding_tasks(n_tasks)
    sums = _pickled((kernel.finish(kernel.start()), Tally(n_tasks=1)))
    given = _pickled(kernel)
    apart = array_bytes(kernel) > WIDE_BYTES
    recipe = _pickled(layout.partitions[n_tasks // 2])
    copies = min(n_workers, n_tasks) if apart else n_tasks
    out = copies * given + n_tasks * recipe
    between = (n_tasks - 1) * sums
    return Traffic(n_adding, n_levels, given, sums, out, between, sums)


def empty_arrays(
    n_rows: int, n_columns: int, dtype: str, chunk_rows: int | None = None
) -> tuple[Any, Any]:
    """Return Zarr arrays X and y of a shape, of which no chunk was ever written.

    Parameters
    ----------
    n_rows, n_columns : int
        The shape of X.
    dtype : str
        Type of a value of X.
    chunk_rows : int, optional
        Rows of a chunk; by default about 12 MiB, as ``dlogreg convert`` writes them.

    Raises
    ------
    DataError
        If there would be more blocks than a driver can list.
    """
    row_bytes = n_columns * np.dtype(dtype).itemsize
    rows = min(n_rows, chunk_rows or max(1, CHUNK_BYTES // row_bytes))
    in_block = rows * max(1, BLOCK_BYTES // (rows * row_bytes))
    if n_rows > MOST_BLOCKS * in_block:
        least = -(-n_rows // MOST_BLOCKS)
        raise DataError(
            f"{n_rows:,} rows in blocks of {in_block:,} are "
            f"{-(-n_rows // in_block):,} blocks, more than the {MOST_BLOCKS:,} that a "
            f"driver can list; give --chunk-rows of at least {least:,}"
        )

    def empty(shape: tuple[int, ...], chunks: tuple[int, ...], kind: str) -> Any:
        return zarr.create_array(MemoryStore(), shape=shape, chunks=chunks, dtype=kind)

    X = empty((n_rows, n_columns), (rows, n_columns), dtype)
    return X, empty((n_rows,), (min(n_rows, VECTOR_ROWS),), "int8")


def plan_scale(
    X: Any,
    y: Any,
    cluster: Cluster,
    *,
    sample_weight: Any = None,
    offset: Any = None,
    groups: Any = None,
    alpha: float = 0.0,
    l1_ratio: float = 0.0,
    penalty_factor: Any = None,
    bounds: Any = None,
    **options: Any,
) -> ScalePlan:
    """Tell what a fit would cost on a cluster, without data and without the cluster.

    Parameters
    ----------
    X, y, sample_weight, offset, groups
        As in ``fit``; only their shapes, types and chunks count.
    cluster : Cluster
        Workers, and what they and their network can do.
    alpha, l1_ratio, penalty_factor, bounds, **options
        The other options of ``fit``.

    Returns
    -------
    ScalePlan

    Raises
    ------
    DataError
        If the data cannot be laid out, or their numbers of rows are not known.

    Notes
    -----
    See the module for the formulas.
    """
    beside = {"sample_weight": sample_weight, "offset": offset, "groups": groups}
    checked = check_options(
        beside,
        penalty=penalty_rule(alpha, l1_ratio, penalty_factor, bounds),
        **options,
    )
    source, given = open_given(X, {"y": y, **beside}, checked.feature_names)
    if source.n_rows is None:
        raise DataError("the number of rows is not known; give arrays of known shape")
    checked = checked.for_columns(source.feature_names)
    layout = lay_out(source, checked, cluster_threads=cluster.n_threads)
    _check_hessian(layout, checked)
    return _planned(layout, checked, cluster, given)


def _check_hessian(layout: Layout, options: FitOptions) -> None:
    """Refuse matrices that no task could hold a dozen of."""
    n_params = options.n_params(layout.source.n_features)
    if layout.solver == "newton" and 8 * n_params**2 > LARGEST_MATRIX:
        raise DataError(
            f"a Hessian of {n_params:,} coefficients takes "
            f"{bytes_text(8 * n_params**2)}, and a task holds a dozen; give --solver "
            "lbfgs or fewer columns"
        )


def _planned(
    layout: Layout, options: FitOptions, cluster: Cluster, given: Given
) -> ScalePlan:
    source, n_params = layout.source, options.n_params(layout.source.n_features)
    moved = traffic(layout, _kernel(layout, options), cluster.n_workers)
    n_bytes = bytes_per_pass(source, given.vectors["y"]) or 0
    n_tasks = len(layout.partitions)
    found = ScalePlan(
        cluster=cluster,
        kind=source.kind,
        dtype=str(source.dtype),
        n_rows=source.n_rows or 0,
        n_features=source.n_features,
        n_params=n_params,
        n_blocks=source.blocks.n_blocks,
        n_leaves=layout.n_leaves,
        n_tasks=n_tasks,
        n_adding=moved.n_adding,
        n_levels=moved.n_levels,
        bytes_per_pass=n_bytes,
        kernel_bytes=moved.kernel_bytes,
        sum_bytes=moved.sum_bytes,
        bytes_out=moved.bytes_out,
        bytes_between=moved.bytes_between,
        bytes_back=moved.bytes_back,
        solver=layout.solver,
        why_solver=layout.choice.reason,
        learns=bool(layout.chains),
        closes=options.inference,
        passes=expected_passes(layout.solver, options, learns=bool(layout.chains)),
        seconds=_seconds(layout, cluster, moved, n_params, n_bytes),
        memory=layout.memory,
        advice=(),
    )
    return replace(found, advice=(*on_scale(found), *advise(layout, options, given)))


def _kernel(layout: Layout, options: FitOptions) -> Kernel:
    """Return the kernel of a pass after the first."""
    n = layout.source.n_features
    first, kind = options.fit_intercept, layout.source.sparse
    std = Standardization(np.zeros(n), np.ones(n), first, kind)
    return later_kernel(layout, options, std, 1)


def _seconds(
    layout: Layout, cluster: Cluster, moved: Traffic, n_params: int, n_bytes: int
) -> PassSeconds:
    """Return what limits a pass, see the module."""
    source, n_tasks = layout.source, len(layout.partitions)
    values = source.row_values if source.sparse else None
    products = row_products(layout.solver, n_params, values) * (source.n_rows or 0)
    products += READING * n_bytes
    level = (FAN_IN - 1) * moved.sum_bytes * (1 / cluster.bandwidth + 1 / 8 / CORE_SUMS)
    solving = system_products(n_params) if layout.solver == "newton" else 0.0
    return PassSeconds(
        reading=busiest(n_tasks, cluster.n_workers) * n_bytes / cluster.read_rate,
        computing=busiest(n_tasks, cluster.n_threads) * products / CORE_PRODUCTS,
        scheduling=(n_tasks + moved.n_adding) * cluster.task_seconds,
        sending=moved.bytes_out / cluster.bandwidth,
        reducing=moved.n_levels * level + moved.bytes_back / cluster.bandwidth,
        solving=solving / CORE_PRODUCTS,
    )


def busiest(n_tasks: int, n_slots: int) -> float:
    """Return the share of the work that falls to the busiest of some slots."""
    return -(-n_tasks // n_slots) / n_tasks


def _pickled(value: Any) -> int:
    """Return the bytes of a pickle; arrays are counted where they lie."""
    apart: list[pickle.PickleBuffer] = []
    text = pickle.dumps(value, protocol=5, buffer_callback=apart.append)
    return len(text) + sum(buffer.raw().nbytes for buffer in apart)
