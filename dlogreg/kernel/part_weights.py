"""What a row counts in models that are fitted to some parts of the rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dlogreg.evaluation import FloatArray, Label
from dlogreg.kernel.block import Rows
from dlogreg.kernel.dense import row_weights
from dlogreg.kernel.parts import Parts


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

    def weights(
        self, rows: Rows, models: range, type_: npt.DTypeLike
    ) -> npt.NDArray[Any]:
        """Return the weights of the rows in these models, (n_models, n_rows)."""
        own = self.sets.astype(type_).take(self.parts.of(rows), axis=1)
        weight = row_weights(rows, self.class_weight)
        if weight is not None:
            own *= weight.astype(own.dtype)
        return own[self.set_of[models.start : models.stop]]
