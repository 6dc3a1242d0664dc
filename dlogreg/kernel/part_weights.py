"""What a row counts in models that are fitted to some parts of the rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from dlogreg.evaluation import FloatArray, Label
from dlogreg.kernel.block import Rows
from dlogreg.kernel.dense import row_weights
from dlogreg.kernel.parts import Parts, in_order

FEW_PARTS = 16
"""Up to which rows are put in their order."""


@dataclass(frozen=True, slots=True, eq=False)
class PartWeights:
    """The weight of a row in the models whose rows its part belongs to, else 0."""

    parts: Parts
    sets: FloatArray
    """1 for each part of a set of rows, shape (n_sets, n_parts)."""
    set_of: npt.NDArray[np.intp]
    """The rows of every model, by position."""
    class_weight: tuple[tuple[Label, float], ...] = ()

    @classmethod
    def of(
        cls,
        parts: Parts,
        rows_of: FloatArray,
        class_weight: tuple[tuple[Label, float], ...] = (),
    ) -> PartWeights:
        """Return those of models with 1 for each part of their rows, by models."""
        sets, set_of = np.unique(rows_of, axis=0, return_inverse=True)
        return cls(parts, sets, set_of.ravel(), class_weight)

    @property
    def n_kinds(self) -> int:
        """Number of parts, if rows are told apart by them."""
        return self.parts.n_parts if self.parts.n_parts <= FEW_PARTS else 1

    def alike(self, rows: Rows) -> Iterator[tuple[Rows, npt.NDArray[np.intp]]]:
        """Return the rows part by part, and the models that are fitted to a part.

        Of many parts, all rows with all models: so few are left out by each that to
        put rows in order costs more.
        """
        if self.n_kinds == 1:
            yield rows, np.arange(len(self.set_of))
            return
        order, counts = in_order(self.parts, rows)
        ordered = rows if counts.max() == len(rows) else rows.chosen(order)
        ends = counts.cumsum().tolist()
        for part, (low, high) in enumerate(pairwise([0, *ends])):
            if low < high:
                models = np.flatnonzero(self.sets[self.set_of, part])
                yield ordered.between(slice(low, high)), models

    def weights(
        self, rows: Rows, models: npt.NDArray[np.intp], type_: npt.DTypeLike
    ) -> npt.NDArray[Any] | None:
        """Return the weights of the rows in these models, None if all are 1."""
        weight = row_weights(rows, self.class_weight)
        if self.n_kinds > 1:
            return None if weight is None else weight.astype(type_)[None]
        own = self.sets.astype(type_).take(self.parts.of(rows), axis=1)
        if weight is not None:
            own *= weight.astype(own.dtype)
        return own[self.set_of[models]]
