"""Checks every row and sums what the first pass is to tell."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from dlogreg.chain import ChainStart, Estimate
from dlogreg.errors import DataError
from dlogreg.evaluation import FloatArray, Label
from dlogreg.kernel import Rows, Slab
from dlogreg.kernel.dense import row_weights
from dlogreg.standardization import Standardization
from dlogreg.survey.labels import (
    MAX_LABELS,
    check_labels,
    check_weights,
    label_masks,
    too_many_labels,
)
from dlogreg.survey.sums import Group, SurveySums


@dataclass(slots=True, eq=False)
class _Open:
    second_moments: FloatArray
    groups: dict[Label, Group] = field(default_factory=dict)
    max_norm: float = 0.0
    estimate: Estimate | None = None


@dataclass(frozen=True, slots=True, eq=False)
class SurveyKernel:
    """Checks every row and sums what Newton's first step needs."""

    standardization: Standardization
    feature_names: tuple[str, ...]
    order: int = 2
    class_weight: tuple[tuple[Label, float], ...] = ()
    chain: ChainStart | None = None
    """If given, each leaf is a chain that learns as it goes."""

    @property
    def name(self) -> str:
        """What the dashboard shows."""
        return "survey"

    def open(self) -> Slab:
        """Return the slab's buffers."""
        std = self.standardization
        return Slab(std.mean, fit_intercept=std.fit_intercept)

    def start(self) -> _Open:
        """Return empty sums."""
        k = self.standardization.n_params
        sums = _Open(np.zeros((k, k) if self.order == 2 else k))
        sums.estimate = None if self.chain is None else self.chain.open()
        return sums

    def add(self, sums: _Open, rows: Rows, buffers: Slab) -> None:
        """Check a block and add it, slab by slab."""
        check_weights(rows)
        check_labels(rows.positive())
        with np.errstate(invalid="ignore", over="ignore"):  # named by _refuse
            for slab in rows.slabs(buffers.length):
                self._add_slab(sums, slab.positive(), buffers)
            if self.chain is not None and sums.estimate is not None:
                sums.estimate = self.chain.renew(sums.estimate, rows, buffers)

    def _add_slab(self, sums: _Open, rows: Rows, buffers: Slab) -> None:
        if not len(rows):
            return
        z = buffers.load(rows.X)
        weight = row_weights(rows, self.class_weight)
        self._add_groups(sums, rows, z, weight)
        squares = buffers.squares(z)
        norms = self.standardization.units**2 @ squares
        sums.max_norm = max(sums.max_norm, float(norms.max()))
        if self.order == 2:
            if weight is not None:
                np.multiply(z, np.sqrt(weight), out=z)
            buffers.add_gram(sums.second_moments, z)
        else:
            ones = np.ones(len(rows)) if weight is None else weight
            sums.second_moments += squares @ ones

    def _add_groups(
        self, sums: _Open, rows: Rows, z: FloatArray, weight: FloatArray | None
    ) -> None:
        for label, mask in label_masks(rows.y, tuple(sums.groups)):
            share = mask.astype(float) if weight is None else mask * weight
            z_sum = z @ share
            if not np.isfinite(z_sum).all():
                self._refuse(rows)
            inside = rows.X[mask]
            group = Group(
                int(mask.sum()),
                float(share.sum()),
                z_sum,
                inside.min(axis=0).astype(float),
                inside.max(axis=0).astype(float),
            )
            known = sums.groups.get(label)
            sums.groups[label] = group if known is None else known + group
        if len(sums.groups) > MAX_LABELS:
            raise DataError(too_many_labels(sums.groups))

    def _refuse(self, rows: Rows) -> None:
        bad = ~np.isfinite(rows.X)
        if not bad.any():
            column = self.feature_names[int(np.abs(rows.X).max(axis=0).argmax())]
            message = f"column {column!r} has values so large that their sum overflows"
            raise DataError(f"{message}; divide it by its largest value first")
        row, column_index = np.argwhere(bad)[0]
        kind = "NaN" if np.isnan(rows.X[row, column_index]) else "infinity"
        raise DataError(
            f"column {self.feature_names[column_index]!r} holds {kind} in "
            f"{rows.place(int(row))} of X; remove or fill such rows before fitting"
        )

    def finish(self, sums: _Open) -> SurveySums:
        """Return the sums."""
        chains = None
        if self.chain is not None and sums.estimate is not None:
            chains = self.chain.sums(sums.estimate)
        return SurveySums(sums.groups, sums.second_moments, sums.max_norm, chains)
