"""Several kernels in one pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dlogreg.evaluation import Summable
from dlogreg.kernel.block import Kernel, Rows


@dataclass(frozen=True, slots=True, eq=False)
class Sums:
    """What each kernel has summed, in their order."""

    parts: tuple[Any, ...]

    def __add__(self, other: Sums) -> Sums:
        """Return the sums over the rows of both."""
        pairs = zip(self.parts, other.parts, strict=True)
        return Sums(tuple(a + b for a, b in pairs))


@dataclass(frozen=True, slots=True, eq=False)
class Together:
    """Runs kernels side by side over every block, so that it is read once."""

    kernels: tuple[Kernel, ...]

    @property
    def name(self) -> str:
        """What the dashboard shows: the name of the last one."""
        return self.kernels[-1].name

    def open(self) -> tuple[Any, ...]:
        """Return the buffers of each."""
        return tuple(kernel.open() for kernel in self.kernels)

    def start(self) -> tuple[Any, ...]:
        """Return the empty sums of each."""
        return tuple(kernel.start() for kernel in self.kernels)

    def add(self, sums: tuple[Any, ...], rows: Rows, buffers: tuple[Any, ...]) -> None:
        """Add a block to each."""
        for kernel, own, slab in zip(self.kernels, sums, buffers, strict=True):
            kernel.add(own, rows, slab)

    def finish(self, sums: tuple[Any, ...]) -> Summable:
        """Return the sums of each."""
        pairs = zip(self.kernels, sums, strict=True)
        return Sums(tuple(kernel.finish(own) for kernel, own in pairs))
