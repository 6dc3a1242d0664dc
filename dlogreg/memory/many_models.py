"""Projected memory of passes for many models, checked before any data are read.

Beside what a pass of one model needs, a task holds buffers of values by row and model,
and as many sums as its tree over the leaves has levels; the driver holds the sums of
all partitions, and what the models keep between passes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from dlogreg.errors import MemoryLimitError
from dlogreg.kernel import held_parts, nearby, part_sums
from dlogreg.kernel.held_parts import CURVE_CAPACITY
from dlogreg.kernel.score_rows import ROW_BYTES, counting_bytes, held_bytes
from dlogreg.kernel.scores import BATCHES
from dlogreg.memory.limits import check_memory, check_workers
from dlogreg.memory.projected import ProjectedMemory
from dlogreg.partition import Partition
from dlogreg.scheduling import active_client, machine_memory
from dlogreg.solvers.replicates import MEMORY
from dlogreg.source import Source
from dlogreg.waiting import living_workers

LEVELS = 4
"""Sums that a task holds beside those of its tree."""
ROW_ARRAYS = 8
"""Values by row and model that a kernel holds: margins, losses, what they are of."""
SLABS = 4
"""Slabs that live at once: rows in order, standardized, rounded, and scaled."""
VECTORS = 8
"""Of every model: where it is, gradients, and steps."""


@dataclass(frozen=True, slots=True)
class PassBytes:
    """What a pass adds to the memory of one model."""

    sums: int
    """Of what it returns."""
    buffers: int
    """Of a task beside its sums."""


def models_memory(
    memory: ProjectedMemory,
    partitions: Sequence[Partition],
    passes: Sequence[PassBytes],
    held: int,
) -> ProjectedMemory:
    """Return the memory of the fit of many models.

    Parameters
    ----------
    memory
        Of the fit of one.
    partitions
        Of the data.
    passes
        The kinds of passes that there will be.
    held
        Bytes that the driver keeps between passes.
    """
    n_leaves = max(len(partition.leaves) for partition in partitions)
    levels = int(np.ceil(np.log2(max(2, n_leaves)))) + LEVELS
    return replace(
        memory,
        per_task=memory.per_task + max(p.buffers + levels * p.sums for p in passes),
        driver=memory.driver + max(p.sums for p in passes) * len(partitions) + held,
    )


@dataclass(frozen=True, slots=True)
class ManyPasses:
    """The passes over some data that many models share, and the bytes they take."""

    n_params: int
    n_rows: int | None
    largest_block: int | None

    @classmethod
    def over(cls, source: Source, n_params: int) -> ManyPasses:
        """Return those over a source."""
        return cls(n_params, source.n_rows, source.largest_block)

    def parts(self, n_parts: int, n_points: int, values: int) -> PassBytes:
        """Return what sums by part at points take; ``values`` are in Hessians."""
        sums = values + n_points * n_parts * (self.n_params + 1)
        length = part_sums.slab_length(self.n_params)
        return PassBytes(8 * sums, self._slab(length, n_points))

    def shifts(
        self, n_models: int, n_bases: int, values: int, n_parts: int = 1
    ) -> PassBytes:
        """Return what changes of gradients take; ``values`` are in Hessians.

        ``n_parts``: in the order of which rows may be put, as copies.
        """
        sums = values + n_models * (self.n_params + 3)
        length = nearby.slab_length(self.n_params)
        points = 8 * self.n_params * (n_models + n_bases)
        together = min(n_models, nearby.GROUP) + n_bases
        ordered = nearby.sorted_length(self.n_params, n_parts)
        copied = min(ordered, self.largest_block or ordered) * self.n_params
        return PassBytes(8 * sums, points + 8 * copied + self._slab(length, together))

    def scores(self, n_folds: int, n_alphas: int, *, curves: bool) -> PassBytes:
        """Return what scores out of fold take; ``curves``: for AUCs too."""
        n_models = n_folds * n_alphas
        length = held_parts.slab_length(self.n_params)
        sums = 8 * (4 * n_models + n_alphas)
        buffers = 8 * self.n_params * n_models + self._slab(length, n_alphas)
        if curves:
            n_rows = self.n_rows
            batch = BATCHES * CURVE_CAPACITY
            batch = batch if n_rows is None else min(batch, n_rows)
            sums += held_bytes(CURVE_CAPACITY, n_rows) * n_models
            buffers += ROW_BYTES * batch * n_models
            buffers += counting_bytes(CURVE_CAPACITY, n_rows)
        return PassBytes(sums, buffers)

    def _slab(self, length: int, n_models: int) -> int:
        """Return the bytes of rows, and of what is computed from them."""
        length = min(length, self.largest_block or length)
        return 8 * length * (SLABS * self.n_params + ROW_ARRAYS * n_models)


def replicates_memory(
    memory: ProjectedMemory,
    partitions: Sequence[Partition],
    passes: ManyPasses,
    n_replicates: int,
    n_together: int,
    hessians: int,
    max_passes: int,
) -> ProjectedMemory:
    """Return the memory of a bootstrap.

    ``n_together`` replicates share passes, each of which forms up to ``hessians``.
    """
    n_params = passes.n_params
    square = n_params**2
    one = passes.shifts(n_together, 1, min(n_together, hessians) * square)
    own = min(n_together, max_passes * hessians) * square
    each = n_params * (VECTORS + 2 * MEMORY)
    held = 8 * (own + n_together * each + n_replicates * n_params)
    return models_memory(memory, partitions, [one], held)


def check_room(
    memory_of: Callable[[int], ProjectedMemory],
    count: int,
    what: str,
    limit: int | None,
    source: Source,
    *,
    least: int = 1,
) -> None:
    """Refuse more models than there is memory for, here and in a cluster's workers.

    Parameters
    ----------
    memory_of
        The memory that so many take.
    count
        How many are wanted.
    what
        What they are called in the error, which tells how many would fit.
    limit
        ``memory_limit``, bytes; None: what the machine has.
    source
        The data.
    least
        How few there may be.

    Raises
    ------
    MemoryLimitError
    """
    client = active_client()
    limits = {} if client is None else living_workers(client).limits

    def check(n: int) -> None:
        memory = memory_of(n)
        check_memory(memory, limit, source)
        check_workers(memory, limits, source)
        if limit is None:
            _check_machine(memory.driver if limits else memory.total)

    try:
        check(count)
    except MemoryLimitError as error:
        fits = _most_that_fit(check, least, count)
        if fits is None:
            raise
        raise MemoryLimitError(f"{error}; or take at most {fits:,} {what}") from None


def _check_machine(needed: int) -> None:
    """Refuse what this machine, or its container, has no memory for at all."""
    there = machine_memory()
    if needed > there:
        raise MemoryLimitError(
            f"this needs about {needed / 2**20:,.0f} MiB, and the machine has "
            f"{there / 2**20:,.0f} MiB; use a larger one"
        )


def _most_that_fit(check: Callable[[int], None], least: int, over: int) -> int | None:
    """Return the largest number below ``over`` that passes, None if there is none."""
    low, high = least - 1, over
    while high - low > 1:
        middle = (low + high) // 2
        try:
            check(middle)
            low = middle
        except MemoryLimitError:
            high = middle
    return low if low >= least else None
