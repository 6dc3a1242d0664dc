"""Runs kernels over the data, one pass each; counts them and says what they cost."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypedDict

from dlogreg.checkpoint.digest import pass_key
from dlogreg.checkpoint.journal import Journal
from dlogreg.evaluation import PassRecord as PassRecord
from dlogreg.evaluation import Tally
from dlogreg.kernel import Kernel
from dlogreg.partition import Partition
from dlogreg.reduction import Reduction
from dlogreg.scheduling import single_threaded_blas

PILOT = "pilot"
"""Name of the kernel that reads a few rows before the first pass."""


class Progress(Protocol):
    """Is told about every pass while the fit runs."""

    def pass_started(self, number: int, kind: str, n_tasks: int) -> None:
        """Take note that a pass begins."""
        ...

    def task_done(self, tally: Tally) -> None:
        """Take note of a finished task; called from any thread."""
        ...

    def pass_ended(self, record: PassRecord) -> None:
        """Take note of a finished pass, with what the solver learned from it."""
        ...

    def close(self) -> None:
        """Stop showing anything."""
        ...


class Silent:
    """Shows nothing."""

    def pass_started(self, number: int, kind: str, n_tasks: int) -> None:
        """Show nothing."""

    def task_done(self, tally: Tally) -> None:
        """Show nothing."""

    def pass_ended(self, record: PassRecord) -> None:
        """Show nothing."""

    def close(self) -> None:
        """Have nothing to stop."""


class Costs(TypedDict):
    """What the passes of a fit have cost, in the words of its results."""

    n_passes: int
    bytes_read: int
    peak_memory: int


@dataclass(eq=False)
class Passes:
    """The passes of one fit."""

    reduction: Reduction
    progress: Progress = field(default_factory=Silent)
    clock: Callable[[], float] = time.perf_counter
    trace: list[PassRecord] = field(default_factory=list)
    journal: Journal | None = None
    """Knows the sums of passes that were made before, and keeps those of new ones."""
    _open: bool = False

    def __post_init__(self) -> None:
        """Let the progress follow the tasks."""
        self.reduction.on_task = self.progress.task_done

    @contextmanager
    def running(self) -> Iterator[None]:
        """Keep BLAS at one thread while they run, and show nothing more at the end."""
        try:
            with single_threaded_blas:
                yield
        finally:
            self.progress.close()

    @property
    def n_passes(self) -> int:
        """Number of times that every block was read for the model."""
        return sum(record.kind not in (PILOT, "scan") for record in self.trace)

    @property
    def tally(self) -> Tally:
        """What all passes cost together, the pilot included."""
        total = Tally()
        for record in self.trace:
            total = total + record.tally
        return total

    @property
    def costs(self) -> Costs:
        """What results tell of the passes."""
        tally = self.tally
        return {
            "n_passes": self.n_passes,
            "bytes_read": tally.n_bytes,
            "peak_memory": tally.peak_memory,
        }

    def run(self, kernel: Kernel, partitions: Sequence[Partition] = ()) -> Any:
        """Read every block once and return the kernel's sum.

        Other partitions than those of the fit must cut the same data.
        """
        reduction = self.reduction.over(partitions) if partitions else self.reduction
        return self._run(kernel, reduction, self.n_passes + 1)

    def run_pilot(self, kernel: Kernel, reduction: Reduction) -> Any:
        """Read a few blocks, or some columns; counted apart from the passes."""
        reduction.on_task = self.progress.task_done
        return self._run(kernel, reduction, 0)

    def _run(self, kernel: Kernel, reduction: Reduction, number: int) -> Any:
        self.close_record()
        self.progress.pass_started(number, kernel.name, len(reduction.partitions))
        result, record = self._recalled(kernel, reduction, number)
        self.trace.append(record)
        self._open = True
        return result

    def _recalled(
        self, kernel: Kernel, reduction: Reduction, number: int
    ) -> tuple[Any, PassRecord]:
        """Return what a pass sums and costs, from the journal if that knows it.

        The pilot is always read: its rows are many bytes and few reads, and tell
        whether the data are those of the journal.
        """
        journal = self.journal
        if journal is None:
            return self._made(kernel, reduction, number)
        key = pass_key(kernel, reduction.partitions)
        if kernel.name == PILOT:
            made = self._made(kernel, reduction, number)
            journal.compare(key, made[0])
            return made
        known = journal.recall(key)
        if known is None:
            known = self._made(kernel, reduction, number)
            journal.keep(key, *known)
        result, record = known
        return result, replace(record, number=number)

    def _made(
        self, kernel: Kernel, reduction: Reduction, number: int
    ) -> tuple[Any, PassRecord]:
        began = self.clock()
        result, tally = reduction.sum(kernel)
        seconds, threads = self.clock() - began, reduction.n_threads
        record = PassRecord(number, kernel.name, seconds, tally, n_threads=threads)
        return result, record

    def annotate(self, **learned: float) -> None:
        """Add to the last pass what the solver learned from it."""
        self.trace[-1] = replace(self.trace[-1], **learned)  # type: ignore[arg-type]

    def close_record(self) -> None:
        """Show the last pass, now that all is known about it."""
        if self._open:
            self._open = False
            self.progress.pass_ended(self.trace[-1])
