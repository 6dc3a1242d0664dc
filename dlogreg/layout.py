"""How a source will be read: partitions, tasks, threads and the memory they need."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from dlogreg.choice import Choice, numba_version
from dlogreg.errors import MissingValueError
from dlogreg.memory import COMPILING, ProjectedMemory, project_memory
from dlogreg.missing import MissingKernel
from dlogreg.options import FitOptions
from dlogreg.partition import Partition, leaves_per_chain, partition_rows
from dlogreg.reduction import INLINE_BYTES, TASKS_PER_THREAD, Reduction
from dlogreg.scheduling import active_client, compiles, n_threads
from dlogreg.source import Source

CLUSTER_TASKS_PER_THREAD = 3.5
"""At most, so that with the tasks that add there are 4: each costs the scheduler a
millisecond or two, one after the other, and returns sums over the network."""
WIDE = 2**16
WIDE_TASKS_PER_THREAD = 2
"""On a cluster, of compressed rows of so many columns: each task returns vectors of all
of them."""
WIDE_TASKS_HERE = 64
"""In this process, where siblings are added at once: a leaf of such rows is work enough
for a task, and one that holds a single leaf holds no sums but one."""


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """What is fixed before the first pass; ``fit`` follows it and ``plan`` shows it."""

    source: Source
    choice: Choice
    """The solver, and why."""
    n_threads: int
    memory: ProjectedMemory
    partitions: tuple[Partition, ...]
    chains: tuple[Partition, ...]
    """The same rows in runs that a first pass learns from; empty where it does not."""
    inline: bool
    """The calling thread does the work: a scheduler would cost more than it saves."""
    compiled: bool = False
    """Rows are multiplied by compiled loops."""

    @property
    def solver(self) -> str:
        """Name of the solver."""
        return self.choice.solver

    @property
    def n_leaves(self) -> int:
        """Number of sums that are added along the tree."""
        return sum(len(partition.leaves) - 1 for partition in self.partitions)

    def reduction(self) -> Reduction:
        """Return what sums kernels over all rows."""
        return Reduction(self.partitions, self.inline)

    @contextmanager
    def counting_missing(self, kernel: MissingKernel) -> Iterator[None]:
        """Where the first missing value ends a pass, read on to count all there are."""
        try:
            yield
        except MissingValueError as error:
            counts = self.reduction().sum(kernel)[0]
            raise MissingValueError(f"{error}. {counts}") from error


def lay_out(
    source: Source,
    options: FitOptions,
    n_equations: int | None = None,
    *,
    cluster_threads: int | None = None,
) -> Layout:
    """Cut the source into partitions and project the memory; reads no data.

    Without ``n_equations``, as many are assumed as the options name classes, or one.
    ``cluster_threads`` lays out for a cluster that is not there, with so many threads.
    """
    n_equations = n_equations or options.n_equations
    n_params = n_equations * (source.n_features + options.fit_intercept)
    values = source.row_values if source.sparse else None
    choice = options.choice(source.n_rows, n_params, source.dtype.itemsize, values)
    solver, threads = choice.solver, cluster_threads or n_threads()
    there = active_client() is not None or cluster_threads is not None
    options.check_robust(solver, n_params)
    order = 2 if options.ends_with_hessian(solver, n_params) else 1
    learns = bool(solver == "newton" and n_equations == 1)
    run = leaves_per_chain(source, n_params) if learns else None
    memory = project_memory(
        source,
        n_params,
        order,
        threads,
        n_equations,
        learns=run is not None,
        solver=solver,
        searches=learns and not (options.penalty or options.firth),
        firth=options.firth,
        may_go_on=options.may_go_on(solver, n_params),
    )
    n_tasks = _most_tasks(source, n_params, threads, on_cluster=there)
    partitions = partition_rows(source, n_params, n_tasks, order=order)
    chains: tuple[Partition, ...] = ()
    if run is not None:
        chains = _chains(source, n_params, n_tasks, run, partitions)
    inline = not there and memory.block is not None and _is_small(source)
    compiled = _compiles(source)
    if compiled:
        memory = replace(memory, compiling=COMPILING)
    return Layout(source, choice, threads, memory, partitions, chains, inline, compiled)


def _chains(
    source: Source,
    n_params: int,
    n_tasks: int,
    run: int,
    partitions: tuple[Partition, ...],
) -> tuple[Partition, ...]:
    """Return the rows in runs of leaves; partitions that fit are shared, not cut."""
    laid = partition_rows(source, n_params, n_tasks, run)
    same = [p.leaves for p in laid] == [p.leaves for p in partitions]
    return tuple(p.grouped(run) for p in (partitions if same else laid))


def _is_small(source: Source) -> bool:
    """Tell whether a pass over rows in memory is over before tasks would be sent."""
    return source.in_memory and (source.n_rows or 0) * source.row_bytes <= INLINE_BYTES


def _compiles(source: Source) -> bool:
    """Tell whether compiled loops multiply these rows."""
    return (
        not source.sparse
        and compiles(source.n_rows, source.n_features)
        and numba_version() is not None
    )


def _most_tasks(
    source: Source, n_params: int, threads: int, *, on_cluster: bool
) -> int:
    """Return how many partitions a pass may have."""
    wide = source.sparse and n_params >= WIDE
    if not on_cluster:
        return threads * (WIDE_TASKS_HERE if wide else TASKS_PER_THREAD)
    if wide:
        return threads * WIDE_TASKS_PER_THREAD
    return max(1, int(threads * min(CLUSTER_TASKS_PER_THREAD, TASKS_PER_THREAD)))
