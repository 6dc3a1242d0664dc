"""Folds: which parts of the rows a model is fitted to, and which it is scored on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
    GivenParts,
    GroupParts,
    Parts,
    RandomParts,
    StratifiedParts,
    TimeParts,
)
from dlogreg.scalars import check_seed
from dlogreg.source import Source

KINDS = ("random", "stratified", "group", "time")
MOST_FOLDS = 100
MOST_PARTS = 1000
"""Sets of rows that all folds treat alike, where the folds are given."""


@dataclass(frozen=True, slots=True)
class FoldRule:
    """How rows are to fall into folds."""

    kind: str
    """"random", "stratified", "group" or "time"."""
    n_folds: int
    seed: int

    @property
    def n_parts(self) -> int:
        """Number of parts of the rows; in time the first is never scored."""
        return self.n_folds + (self.kind == "time")


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

    def check_ranked(self, totals: FloatArray, classes: tuple[Label, ...]) -> None:
        """Refuse folds that are scored on rows of one class: these have no AUC.

        Raises
        ------
        DataError
        """
        _, weight, events = totals
        for fold, test in enumerate(self.tests):
            of_event, scored = float(events[test].sum()), float(weight[test].sum())
            if not 0 < of_event < scored:
                missing = classes[1] if of_event <= 0 else classes[0]
                raise DataError(
                    f"fold {fold} has no row with y = {missing!r} to score, so that it "
                    "has no AUC; take fewer folds, folds='stratified' or "
                    "scoring='log_loss'"
                )


def check_folds(kind: Any, n_folds: Any, groups: Any, seed: Any) -> FoldRule:
    """Return the rule of the folds, or raise where there are none such.

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
    seed = check_seed(seed)
    if seed and kind == "time":
        raise ValueError("folds='time' draws nothing, so that seed= would do nothing")
    return FoldRule(kind, n_folds, seed)


def fold_rows(
    rule: FoldRule,
    source: Source,
    classes: tuple[Label, ...],
    run: Callable[[Kernel], Any],
) -> Folding:
    """Return the folds; only stratified ones read the rows, once."""
    n_folds, seed = rule.n_folds, rule.seed
    if rule.kind == "random":
        return Folding.leaving_out(RandomParts(n_folds, seed))
    if rule.kind == "group":
        return Folding.leaving_out(GroupParts(n_folds, seed))
    if rule.kind == "stratified":
        counts: CellCounts = run(CellCountKernel(classes, seed))
        cut = StratifiedParts.of_counts(n_folds, seed, classes, counts.counts)
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


def check_pairs(splits: Sequence[Any]) -> None:
    """Refuse folds that are no pairs.

    Raises
    ------
    ValueError
    """
    for fold, pair in enumerate(splits):
        if not isinstance(pair, list | tuple | np.ndarray) or len(pair) != 2:
            raise ValueError(
                f"fold {fold} of cv must be a pair (train, test) of lists of rows, not "
                f"a {type(pair).__name__}"
            )


def _places(chosen: Any, fold: int, n_rows: int) -> npt.NDArray[np.intp]:
    """Return the rows that a fold names, by their numbers or by marks."""
    places = np.asarray(chosen)
    marks = places.dtype == bool
    if marks and places.shape == (n_rows,):
        return np.flatnonzero(places)
    if places.ndim != 1 or marks or (len(places) and places.dtype.kind not in "iu"):
        raise ValueError(
            f"fold {fold} of cv must be two lists, of rows to fit to and of rows to "
            f"score, each of whole numbers or of {n_rows} True and False, and one is "
            f"of type {places.dtype} and shape {places.shape}"
        )
    wrong = places[(places < 0) | (places >= n_rows)]
    if len(wrong):
        raise ValueError(
            f"fold {fold} of cv names row {wrong[0]}, and rows are numbered from 0 to "
            f"{n_rows - 1}"
        )
    return places.astype(np.intp)


def given_folds(
    splits: Sequence[tuple[Any, Any]], n_rows: int
) -> tuple[Folding, npt.NDArray[np.intp]]:
    """Return the folds, and the part of every row: rows that all folds treat alike.

    Raises
    ------
    ValueError
        If there are too many such parts, or a fold takes a row twice.
    """
    if not splits:
        raise ValueError("cv holds no folds; give pairs of (train, test) indices")
    lines = np.zeros((2 * len(splits), n_rows), dtype=bool)
    for fold, pair in enumerate(splits):
        for line, chosen in zip(lines[2 * fold :], pair, strict=False):
            places = _places(chosen, fold, n_rows)
            if len(np.unique(places)) < len(places):
                raise ValueError(
                    f"fold {fold} of cv holds a row more than once; give such rows "
                    "sample_weight instead"
                )
            line[places] = True
    patterns, codes = np.unique(lines, axis=1, return_inverse=True)
    if patterns.shape[1] > MOST_PARTS:
        raise ValueError(
            f"the folds of cv part the rows into {patterns.shape[1]:,} sets, more than "
            f"{MOST_PARTS:,}; take fewer folds, or folds that do not overlap"
        )
    parts = GivenParts(patterns.shape[1])
    return Folding(parts, patterns[::2].astype(float), patterns[1::2]), codes.ravel()
