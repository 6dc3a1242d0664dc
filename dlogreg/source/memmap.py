"""Rows of a memory-mapped file: the task maps the file again."""

from __future__ import annotations

import mmap
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dlogreg.source.blocks import Array, Bounded, Load


@dataclass(frozen=True, slots=True)
class MappedFile:
    """An array in a file: what it takes to map it again, in any process."""

    path: str
    dtype: np.dtype[Any]
    offset: int
    """Where the first element lies in the file, in bytes."""
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    @classmethod
    def of(cls, values: Any) -> MappedFile | None:
        """Describe a memory map or a view of one; None if it is not on file."""
        if not isinstance(values, np.memmap) or values.dtype.hasobject:
            return None
        root: Any = values
        while isinstance(root.base, np.ndarray):
            root = root.base
        if not isinstance(root, np.memmap) or not isinstance(root.base, mmap.mmap):
            return None
        if root.filename is None or root.mode == "c":  # changes stay in this process
            return None
        offset = root.offset + _address(values) - _address(root)
        shape, strides = tuple(values.shape), tuple(values.strides)
        return cls(str(root.filename), values.dtype, offset, shape, strides)

    def map(self) -> Array:
        """Return the array, read-only."""
        with open(self.path, "rb") as file:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        return np.ndarray(self.shape, self.dtype, mapped, self.offset, self.strides)


def _address(values: Array) -> int:
    return int(values.__array_interface__["data"][0])


@dataclass(frozen=True, slots=True)
class MemmapBlocks(Bounded):
    """Rows of a memory-mapped file, mapped again in every task."""

    field: str
    file: MappedFile
    bounds: tuple[int, ...]

    @property
    def fields(self) -> tuple[str, ...]:
        """The one array."""
        return (self.field,)

    @property
    def inputs(self) -> tuple[Any, ...]:
        """Nothing: the file is the input."""
        return ()

    def take(self, start: int, stop: int) -> MemmapBlocks:
        """Return the recipe of these blocks alone."""
        return replace(self, bounds=self.bounds[start : stop + 1])

    def open(self, inputs: tuple[Any, ...]) -> Load:
        """Map the file and return a function that gives views of its blocks."""
        mapped = self.file.map()

        def load(i: int) -> Mapping[str, Array]:
            return {self.field: mapped[self.bounds[i] : self.bounds[i + 1]]}

        return load
