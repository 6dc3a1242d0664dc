"""Columns of labels and categories: numbered as they appear, named at the end."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from dlogreg.errors import DataError
from dlogreg.evaluation import Label
from dlogreg.source.group import CATEGORIES
from dlogreg.source.group_writer import GroupWriter
from dlogreg.source.tables import Batch
from dlogreg.survey import MAX_LABELS, sort_labels

CODES = "y_codes"
"""Array of the labels' numbers in order of appearance, until all labels are known."""
MOST_LEVELS = 2**20
"""Levels of a category: they are kept in memory and in the group's metadata."""
WHOLE = re.compile(r"[+-]?\d{1,18}")
BOOLEANS = {"True": True, "TRUE": True, "true": True} | {
    "False": False,
    "FALSE": False,
    "false": False,
}


@dataclass(slots=True, eq=False)
class Labels:
    """Numbers the labels in order of appearance, until all of them are known."""

    name: str
    _codes: dict[Label, int] = field(default_factory=dict)

    def encode(self, batch: Batch) -> npt.NDArray[np.uint8]:
        """Return the numbers of a batch's labels."""
        found = batch.coded[self.name]
        missing = [v is None or v != v for v in found.values]
        bad = np.isin(found.codes, [-1, *np.flatnonzero(missing).tolist()])
        if bad.any():
            row = int(np.flatnonzero(bad)[0])
            raise DataError(
                f"the target {self.name!r} has no value in {batch.place(row)}; "
                "remove rows without an outcome first"
            )
        if len(found.values) > MAX_LABELS or len(self._codes) > MAX_LABELS:
            raise DataError(self._too_many(found.values))
        for value in found.values:
            self._codes.setdefault(value, len(self._codes))
        if len(self._codes) > MAX_LABELS:
            raise DataError(self._too_many(self._codes))
        lookup = np.array([self._codes[v] for v in found.values], dtype=np.uint8)
        return lookup[found.codes]

    def _too_many(self, values: Any) -> str:
        some = ", ".join(map(repr, list(values)[:3]))
        return (
            f"the target {self.name!r} has more than {MAX_LABELS} distinct values "
            f"({some}, ...): it looks continuous; logistic regression needs labels"
        )

    def store(self, out: GroupWriter, *, typed: bool) -> list[Label]:
        """Write y in the labels' own type, or text as numbers; return the classes."""
        values = list(self._codes) if typed else parse_labels(list(self._codes))
        classes = sort_labels(set(values))
        attributes: dict[str, Any] = {}
        if isinstance(values[0], str):
            attributes["labels"] = classes
            values = [classes.index(value) for value in values]
            lookup = np.array(values, dtype=np.int8)
        else:
            lookup = np.array(values)
        out.translate(CODES, "y", lookup, attributes)
        return classes


@dataclass(slots=True, eq=False)
class Category:
    """Numbers the levels of a column in order of appearance."""

    name: str
    _codes: dict[Label, int] = field(default_factory=dict)

    @property
    def path(self) -> str:
        """Where its codes are in the group."""
        return f"{CATEGORIES}/{self.name}"

    def encode(self, batch: Batch) -> npt.NDArray[np.int32]:
        """Return the numbers of a batch's levels; -1 where there is no value."""
        found = batch.coded[self.name]
        absent = [value is None or value != value for value in found.values]
        for value, without in zip(found.values, absent, strict=True):
            if not without:
                self._codes.setdefault(value, len(self._codes))
        if len(self._codes) > MOST_LEVELS:
            raise DataError(
                f"column {self.name!r} has more than {MOST_LEVELS:,} levels by "
                f"{batch.place(0)}: it looks like an identifier; leave it out"
            )
        lookup = [
            -1 if without else self._codes[value]
            for value, without in zip(found.values, absent, strict=True)
        ]
        return np.array([*lookup, -1], dtype=np.int32)[found.codes]

    def store(self, out: GroupWriter, *, typed: bool) -> None:
        """Write what the codes stand for."""
        if not self._codes:
            raise DataError(
                f"column {self.name!r} has no value in any row; leave it out"
            )
        levels = list(self._codes)
        parsed = levels if typed else parse_labels(levels)
        # text such as 01 and 1 stays apart
        out.attributes(self.path)["levels"] = (
            parsed if len(set(parsed)) == len(levels) else levels
        )


def parse_labels(texts: Sequence[str]) -> list[Label]:
    """Return labels as bool, int or float if all of them are such, else as text."""
    if all(text in BOOLEANS for text in texts):
        return [BOOLEANS[text] for text in texts]
    if all(WHOLE.fullmatch(text) for text in texts):
        return [int(text) for text in texts]
    numbers = [_number(text) for text in texts]
    known = [number for number in numbers if number is not None]
    return list(texts) if len(known) < len(numbers) else known


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) and "_" not in text else None
