"""Blocks: consecutive rows that are loaded together, described by a recipe.

A recipe is small, travels to the task that needs it, and is opened there. Values
that are large or already lie on a cluster are not part of the recipe: they are its
``inputs`` and reach the task beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol, Self

from dlogreg.source.frames import Array, frame_to_numpy

__all__ = [
    "BLOCK_BYTES",
    "Array",
    "ArrayBlocks",
    "Blocks",
    "Bounded",
    "Load",
    "even_bounds",
    "frame_to_numpy",
]

Load = Callable[[int], Mapping[str, Array]]

BLOCK_BYTES = 2**22
"""Bytes of a block of data in memory, where the grid of blocks is ours to choose."""


class Blocks(Protocol):
    """One or several row-aligned arrays, in blocks of consecutive rows."""

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of the arrays that a block holds: "X", "y", "sample_weight"."""
        ...

    @property
    def n_blocks(self) -> int:
        """Number of blocks."""
        ...

    @property
    def row_counts(self) -> tuple[int, ...] | None:
        """Rows of every block; None if only loading them would tell."""
        ...

    @property
    def inputs(self) -> tuple[Any, ...]:
        """Values, or futures of values, that travel beside the recipe."""
        ...

    def take(self, start: int, stop: int) -> Self:
        """Return the recipe of these blocks alone, with the inputs they need."""
        ...

    def open(self, inputs: tuple[Any, ...]) -> Load:
        """Return a function that loads block i; called inside the task."""
        ...


def even_bounds(n_rows: int, row_bytes: int) -> tuple[int, ...]:
    """Return the borders of blocks of about BLOCK_BYTES, from the shape alone."""
    length = min(max(BLOCK_BYTES // max(row_bytes, 1), 256), 2**17)
    return (*range(0, n_rows, length), n_rows) if n_rows else (0, 0)


class Bounded:
    """Blocks of known borders: block i has the rows bounds[i] to bounds[i + 1]."""

    __slots__ = ()
    bounds: tuple[int, ...]

    @property
    def n_blocks(self) -> int:
        """Number of blocks."""
        return len(self.bounds) - 1

    @property
    def row_counts(self) -> tuple[int, ...]:
        """Rows of every block."""
        return tuple([high - low for low, high in pairwise(self.bounds)])


@dataclass(frozen=True, slots=True, eq=False)
class ArrayBlocks(Bounded):
    """Rows of an array or dataframe in memory, used where they lie."""

    field: str
    values: Any
    """A numpy array, or a pandas dataframe of numeric columns."""
    bounds: tuple[int, ...]

    @property
    def fields(self) -> tuple[str, ...]:
        """The one array."""
        return (self.field,)

    @property
    def inputs(self) -> tuple[Any, ...]:
        """The array itself."""
        return (self.values,)

    def take(self, start: int, stop: int) -> ArrayBlocks:
        """Return these blocks as a view."""
        first = self.bounds[start]
        bounds = tuple(b - first for b in self.bounds[start : stop + 1])
        cut = slice(first, self.bounds[stop])
        frame = hasattr(self.values, "iloc")
        values = self.values.iloc[cut] if frame else self.values[cut]
        return ArrayBlocks(self.field, values, bounds)

    def open(self, inputs: tuple[Any, ...]) -> Load:
        """Return a function that gives views of the blocks."""
        (values,) = inputs
        field, bounds = self.field, self.bounds

        def load(i: int) -> Mapping[str, Array]:
            cut = slice(bounds[i], bounds[i + 1])
            if hasattr(values, "iloc"):
                return {field: frame_to_numpy(values.iloc[cut])}
            return {field: values[cut]}

        return load

    def __getstate__(self) -> dict[str, Any]:
        """Pickle the recipe alone: the values are inputs and travel apart."""
        return {"field": self.field, "values": None, "bounds": self.bounds}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore the recipe."""
        for name, value in state.items():
            object.__setattr__(self, name, value)
