"""The arithmetic that a pass of a fit cannot do without, told by its kernel."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest import mock

import numpy as np
from bare import gradient_products, hessian_products

from dlogreg.evaluation import PassRecord
from dlogreg.kernel import Kernel
from dlogreg.reduction import Reduction


@dataclass(frozen=True)
class Work:
    """Products of all rows with themselves, or with vectors."""

    what: str
    """hessian: z'z. gradient: linear predictors and gradients."""
    count: int
    """Products z'z, or vectors."""

    @classmethod
    def of(cls, kernel: Kernel) -> Work:
        """Return what a kernel does with a row.

        A first pass that learns has about two products; the closing pass has two, one
        of them of the scores.
        """
        if getattr(kernel, "chain", None) is not None or kernel.name == "closing":
            return cls("hessian", 2)
        if getattr(kernel, "order", 1) == 2:
            return cls("hessian", 1)
        params = np.asarray(getattr(kernel, "params", 0.0))
        return cls("gradient", params.shape[1] if params.ndim == 2 else 1)

    def seconds(self, rows: int, columns: int, dtype: str, threads: int) -> float:
        """Time it, bare."""
        if self.what == "hessian":
            return self.count * hessian_products(rows, columns, dtype, threads)
        return gradient_products(rows, columns, self.count, dtype, threads)


@dataclass(frozen=True)
class Pass:
    """A pass of a fit."""

    number: int
    kind: str
    work: Work
    dtype: str
    """Type of its products."""

    @classmethod
    def of(cls, record: PassRecord, kernel: Kernel) -> Pass:
        """Return the pass that a kernel has made."""
        work = Work.of(kernel)
        single = work.what == "hessian" and kernel.open().rounding > 0
        dtype = "float32" if single else "float64"
        return cls(record.number, record.kind, work, dtype)

    @property
    def traits(self) -> tuple[str, Work, str]:
        """What passes in one line of a table have in common."""
        return self.kind, self.work, self.dtype


@contextmanager
def kernels_noted() -> Iterator[list[Kernel]]:
    """Take note of the kernel of every pass, the pilot's included."""
    noted: list[Kernel] = []
    original = Reduction.sum

    def noting(reduction: Reduction, kernel: Kernel) -> Any:
        noted.append(kernel)
        return original(reduction, kernel)

    with mock.patch.object(Reduction, "sum", noting):
        yield noted
