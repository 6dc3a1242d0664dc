"""What a row counts in models that are fitted to some parts of the rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from dlogreg.evaluation import FloatArray, Label
from dlogreg.kernel.block import Rows
from dlogreg.kernel.dense import row_weights
from dlogreg.kernel.parts import Parts


@dataclass(frozen=True, slots=True, eq=False)
class PartWeights:
    """The weight of a row in the models whose rows its part belongs to, else 0."""

    parts: Parts
    rows_of: FloatArray
    """1 for each part of the rows of a model, shape (n_models, n_parts)."""
    class_weight: tuple[tuple[Label, float], ...] = ()

    def weights(
        self, rows: Rows, models: range, type_: npt.DTypeLike
    ) -> npt.NDArray[Any]:
        """Return the weights of the rows in these models, (n_models, n_rows)."""
        own = self.rows_of[models.start : models.stop].astype(type_)
        counts = own.take(self.parts.of(rows), axis=1, mode="clip")  # unchecked: faster
        weight = row_weights(rows, self.class_weight)
        return counts if weight is None else counts * weight.astype(counts.dtype)
