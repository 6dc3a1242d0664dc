"""Folds: which parts of the rows a model is fitted to, and which it is scored on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dlogreg.errors import DataError
from dlogreg.evaluation import FloatArray, Label
from dlogreg.kernel import Kernel
from dlogreg.kernel.parts import (
    CellCountKernel,
    CellCounts,
    GroupParts,
    Parts,
    RandomParts,
    StratifiedParts,
    TimeParts,
)
from dlogreg.source import Source

KINDS = ("random", "stratified", "group", "time")
MOST_FOLDS = 100


@dataclass(frozen=True, slots=True, eq=False)
class Folding:
    """Parts of the rows, and what each fold does with them."""

    parts: Parts
    trains: FloatArray
    """1 for every part that a fold is fitted to, shape (n_folds, n_parts)."""
    tests: npt.NDArray[np.bool_]
    """Whether a fold is scored on a part, shape (n_folds, n_parts)."""

    @classmethod
    def leaving_out(cls, parts: Parts) -> Folding:
        """Return the folds of which each is fitted to all parts but one."""
        one = np.eye(parts.n_parts, dtype=bool)
        return cls(parts, (~one).astype(np.float64), one)

    @classmethod
    def forward(cls, parts: Parts) -> Folding:
        """Return the folds of which each is scored on the part that comes next."""
        n = parts.n_parts - 1
        fold, part = np.arange(n)[:, None], np.arange(n + 1)
        return cls(parts, (part <= fold).astype(np.float64), part == fold + 1)

    @property
    def n_folds(self) -> int:
        """Number of folds."""
        return len(self.trains)

    def check(self, totals: FloatArray, classes: tuple[Label, ...]) -> None:
        """Refuse folds without rows, or without one of the classes where it is needed.

        ``totals`` are rows, their weight and that of the events by part.

        Raises
        ------
        DataError
        """
        rows, weight, events = totals
        for fold, (train, test) in enumerate(zip(self.trains, self.tests, strict=True)):
            fitted, of_event = float(train @ weight), float(train @ events)
            missing = classes[1] if of_event <= 0 else classes[0]
            if not 0 < of_event < fitted:
                raise DataError(
                    f"fold {fold} has no row with y = {missing!r} to fit to; take "
                    "fewer folds, or folds='stratified'"
                )
            if not rows[test].sum():
                raise DataError(
                    f"fold {fold} has no row to score; take fewer folds, or another "
                    "seed"
                )


def check_folds(kind: Any, n_folds: Any, groups: Any) -> None:
    """Refuse folds that there are not.

    Raises
    ------
    ValueError
    """
    if kind not in KINDS:
        raise ValueError(
            f"folds must be 'random', 'stratified', 'group' or 'time', not {kind!r}"
        )
    whole = isinstance(n_folds, int | np.integer) and not isinstance(n_folds, bool)
    if not whole or not 2 <= n_folds <= MOST_FOLDS:
        raise ValueError(
            f"n_folds must be a whole number from 2 to {MOST_FOLDS}, not {n_folds!r}"
        )
    if (groups is not None) != (kind == "group"):
        raise ValueError(
            "groups= goes with folds='group', and with no other folds: rows of a group "
            "then stay together"
        )


def fold_rows(
    kind: str,
    n_folds: int,
    seed: int,
    source: Source,
    event: Label,
    run: Callable[[Kernel], Any],
) -> Folding:
    """Return the folds; only stratified ones read the rows, once."""
    if kind == "random":
        return Folding.leaving_out(RandomParts(n_folds, seed))
    if kind == "group":
        return Folding.leaving_out(GroupParts(n_folds, seed))
    if kind == "stratified":
        counts: CellCounts = run(CellCountKernel(event, seed))
        cut = StratifiedParts.of_counts(n_folds, seed, event, counts.counts)
        return Folding.leaving_out(cut)
    return Folding.forward(_in_order(source.n_rows, n_folds))


def _in_order(n_rows: int | None, n_folds: int) -> TimeParts:
    """Return parts of equal size in the order of rows; the first takes what is over."""
    if n_rows is None:
        raise DataError(
            "folds='time' needs the number of rows, and chunks of X have unknown "
            "lengths; call compute_chunk_sizes() on it first"
        )
    size = n_rows // (n_folds + 1)
    if not size:
        raise DataError(
            f"folds='time' with n_folds={n_folds} needs at least {n_folds + 1} rows, "
            f"and there are {n_rows}; take fewer folds"
        )
    return TimeParts(tuple(n_rows - size * (n_folds - i) for i in range(n_folds)))
