"""Blocks that load nothing, a kernel that sums nothing: what a pass costs besides."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from dlogreg.evaluation import Evaluation
from dlogreg.kernel.information import information_sums
from dlogreg.row_kind import RowKind
from dlogreg.source import Source


@dataclass(frozen=True)
class NothingBlocks:
    """A recipe of blocks of 1,000 rows that share one array."""

    n_blocks: int
    fields: tuple = ("X", "y")
    inputs: tuple = ()

    @property
    def row_counts(self):
        return (1000,) * self.n_blocks

    def take(self, start, stop):
        return replace(self, n_blocks=stop - start)

    def open(self, inputs):
        block = {"X": np.zeros((1000, 100), "f4"), "y": np.zeros(1000)}
        return lambda i: block


@dataclass(frozen=True)
class CountKernel:
    """Counts blocks."""

    name: str = "count"

    def open(self):
        return None

    def start(self):
        return [0]

    def add(self, sums, rows, buffers):
        sums[0] += 1

    def finish(self, sums):
        return Evaluation(float(sums[0]), np.zeros(1))


@dataclass(frozen=True)
class ZerosKernel:
    """Returns a loss, gradient and Hessian of zeros, of their true size."""

    n_params: int
    name: str = "zeros"

    def open(self):
        return None

    def start(self):
        return information_sums(self.n_params, RowKind.DENSE)

    def add(self, sums, rows, buffers): ...

    def finish(self, sums):
        return Evaluation(0.0, np.zeros(self.n_params), sums)


def nothing_source(n_blocks):
    names = tuple(f"x{j}" for j in range(100))
    return Source(NothingBlocks(n_blocks), {}, names, np.dtype("f4"))
