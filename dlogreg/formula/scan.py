"""The scan: levels, states, missing values and kinds of columns, found in all rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np

from dlogreg.errors import DataError, ManyLevelsWarning
from dlogreg.evaluation import Label
from dlogreg.formula.columns import Index, Levels, TableBlock, Values
from dlogreg.formula.encoding import check_finite
from dlogreg.formula.evaluation import evaluate
from dlogreg.formula.expression import Expression
from dlogreg.formula.moments import Moments
from dlogreg.kernel import Rows
from dlogreg.user_warning import warn_user

MOST_LEVELS = 20_000
"""Levels of one category, all of which the recipe keeps."""
MANY_LEVELS = 1000
SOME_LEVELS, MUCH = 100, 0.05
"""More levels than these warn, and more than some that are such a share of the rows."""
LONG_TEXT = 200
"""Characters of a level, beyond which it is taken for free text."""


@dataclass(frozen=True, slots=True, eq=False)
class LevelSet:
    """Levels that occur, in the order of the user's categories where they have one."""

    seen: frozenset[Label]
    order: tuple[Label, ...] | None
    """None: not known, or not the same everywhere."""

    def __add__(self, other: LevelSet) -> LevelSet:
        """Return the levels of both."""
        order = self.order if self.order == other.order else None
        return LevelSet(self.seen | other.seen, order)


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """What a scan adds up, block after block."""

    rows: tuple[tuple[int, int, int, int], ...] = ()
    """Number of every block, its rows, those with a positive weight, and those of them
    that are kept."""
    kinds: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Kind of every column, and where it was first found."""
    levels: Mapping[str, LevelSet] = field(default_factory=dict)
    moments: Mapping[str, Moments] = field(default_factory=dict)
    missing: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    """Rows in which a column is missing, and the first of them."""

    def __add__(self, other: Found) -> Found:
        """Return what was found in both parts; the other one comes later."""
        for name, (kind, place) in other.kinds.items():
            before, first = self.kinds.get(name, (kind, place))
            if before != kind:
                raise DataError(
                    f"column {name!r} holds {before} in {first}, but {kind} in "
                    f"{place}; give it one type everywhere"
                )
        counts = dict(self.missing)
        for name, (count, place) in other.missing.items():
            before_count, first = counts.get(name, (0, place))
            counts[name] = (before_count + count, first)
        levels = _merged(self.levels, other.levels)
        for text, found in levels.items():
            check_count(text, found)
        return Found(
            self.rows + other.rows,
            {**other.kinds, **self.kinds},
            levels,
            _merged(self.moments, other.moments),
            counts,
        )

    @property
    def n_rows(self) -> int:
        """Number of rows with a positive weight, the incomplete ones included."""
        return sum(n for _, _, n, _ in self.rows)

    @property
    def n_kept(self) -> int:
        """Number of rows that are complete."""
        return sum(kept for *_, kept in self.rows)


def _merged(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    total = dict(one)
    for name, value in other.items():
        total[name] = total[name] + value if name in total else value
    return total


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """Which rows count: those of positive weight without a missing value."""

    needed: tuple[str, ...]
    """Columns that the formula uses, response and weights included."""
    weight: Expression | None = None
    offset: Expression | None = None
    groups: Expression | None = None

    def weighted(self, block: TableBlock) -> tuple[TableBlock, Values | None]:
        """Return the rows whose weight is not zero, with the weights."""
        if self.weight is None:
            return block, None
        missing = block.missing(self.weight.columns)
        value = evaluate(self.weight, block)
        if isinstance(value, Levels):
            raise DataError(f"sample_weight {self.weight.text!r} is text, not numbers")
        weight = value.astype(np.float64)
        for mask in missing.values():
            weight[mask] = np.nan
        if (weight != 0).all():
            return block, weight
        rows = np.flatnonzero(weight != 0)
        return block.take(rows), weight[rows]

    def kept(self, block: TableBlock) -> Index | None:
        """Return the rows without a missing value; None: all."""
        masks = list(block.missing(self.needed).values())
        if not masks:
            return None
        return np.flatnonzero(~np.logical_or.reduce(masks))


@dataclass(slots=True, eq=False)
class _Open:
    found: Found = field(default_factory=Found)


@dataclass(frozen=True, slots=True, eq=False)
class ScanKernel:
    """Finds what the recipe needs to know of all rows."""

    rule: Rule
    categories: Mapping[str, Expression]
    """Factors that are, or may be, categories."""
    arguments: Mapping[str, tuple[Expression, int]]
    """Of every transform, what it is applied to, and the order of moments it needs."""

    @property
    def name(self) -> str:
        """What the dashboard shows."""
        return "scan"

    def open(self) -> None:
        """Need no buffers."""

    def start(self) -> _Open:
        """Return an empty sum."""
        return _Open()

    def add(self, sums: _Open, rows: Rows, buffers: None) -> None:
        """Add a block."""
        block = cast("TableBlock", rows.beside)
        sums.found = sums.found + self.of_block(block, rows.index)

    def finish(self, sums: _Open) -> Found:
        """Return the sum."""
        return sums.found

    def of_block(self, block: TableBlock, index: int) -> Found:
        """Return what one block tells."""
        n_read = len(block)
        block, _ = self.rule.weighted(block)
        kinds = {
            name: (column.kind, block.source or "the first rows")
            for name, column in block.columns.items()
            if len(block) and not _is_empty(column)
        }
        missing = {
            name: (int(mask.sum()), block.place(int(np.flatnonzero(mask)[0])))
            for name, mask in block.missing(self.rule.needed).items()
        }
        n_rows, kept = len(block), self.rule.kept(block)
        moments = self._moments(block)  # of rows that other columns leave out, too
        if kept is not None:
            block = block.take(kept)
        rows = ((index, n_read, n_rows, len(block)),)
        if not len(block):
            return Found(rows, kinds, moments=moments, missing=missing)
        levels = {
            text: _levels(text, evaluate(expression, block), block)
            for text, expression in self.categories.items()
            if _may_be_category(expression, block, text)
        }
        return Found(rows, kinds, levels, moments, missing)

    def _moments(self, block: TableBlock) -> dict[str, Moments]:
        found = {}
        whole = block
        for text, (expression, order) in self.arguments.items():
            block, masks = whole, list(whole.missing(expression.columns).values())
            if masks:
                block = whole.take(np.flatnonzero(~np.logical_or.reduce(masks)))
            if not len(block):
                continue
            value = evaluate(expression, block)
            if isinstance(value, Levels):
                raise DataError(
                    f"{text}: {expression.text!r} holds {value.kind}, where numbers "
                    "are needed"
                )
            x = np.asarray(value, dtype=np.float64)
            check_finite(expression.text, x[:, None], block)
            found[text] = Moments.of(x, order)
        return found


def _is_empty(column: Any) -> bool:
    """Tell whether all values are missing, which says nothing about their kind."""
    missing = column.missing
    return missing is not None and bool(missing.all())


def _may_be_category(expression: Expression, block: TableBlock, text: str) -> bool:
    """Tell whether a factor is C() or a column of text."""
    if text.startswith("C("):
        return True
    name = expression.column()
    return name is not None and isinstance(block.columns[name], Levels)


def _levels(text: str, value: Values | Levels, block: TableBlock) -> LevelSet:
    if isinstance(value, Levels):
        used = np.unique(value.codes).tolist()
        seen = frozenset(value.values[code] for code in used)
        order = value.values if value.ordered else None
    else:
        check_finite(text, np.asarray(value, dtype=np.float64)[:, None], block)
        seen, order = frozenset(np.unique(value).tolist()), None
    found = LevelSet(seen, order)
    check_count(text, found)
    return found


def warn_of_levels(found: Found) -> None:
    """Warn of categories that look like text or identifiers."""
    for text, level_set in found.levels.items():
        seen, n_rows = level_set.seen, max(1, found.n_kept)
        share = len(seen) / n_rows
        longest = max((len(v) for v in seen if isinstance(v, str)), default=0)
        many = len(seen) > MANY_LEVELS or (len(seen) > SOME_LEVELS and share > MUCH)
        if not many and longest <= LONG_TEXT:
            continue
        what = f"{len(seen):,} levels in {n_rows:,} rows"
        if longest > LONG_TEXT:
            what += f", the longest of {longest:,} characters"
        warn_user(
            f"{text} has {what}: it looks like an identifier or free text, and every "
            "level is a coefficient; leave it out, group its levels, or give a "
            "penalty, alpha > 0",
            ManyLevelsWarning,
        )


def check_count(text: str, found: LevelSet) -> None:
    """Refuse more levels than a recipe keeps."""
    if len(found.seen) > MOST_LEVELS:
        raise DataError(
            f"{text} has more than {MOST_LEVELS:,} levels: it looks like an identifier "
            "or a measurement; leave it out, or group its values"
        )
