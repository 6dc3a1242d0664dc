"""Names of columns that have none: x1, x2, ..."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Any, SupportsIndex

MANY = 2**16
"""Columns from which names are made when they are asked for."""


def numbered_names(n_columns: int) -> tuple[str, ...]:
    """Return x1, x2, ... for so many columns."""
    if n_columns < MANY:
        return tuple(f"x{j + 1}" for j in range(n_columns))
    return NumberedNames(n_columns)


def with_intercept(columns: tuple[str, ...]) -> tuple[str, ...]:
    """Return names of coefficients, ``const`` or ``(const)`` first."""
    intercept = "const"
    while intercept in columns:
        intercept = f"({intercept})"
    if isinstance(columns, NumberedNames):
        return columns.after(intercept)
    return (intercept, *columns)


class NumberedNames(tuple[str, ...]):  # noqa: SLOT001 - tuples have no room for slots
    """The same as a tuple that holds nothing: a million names take 70 MB.

    It equals the tuple of these names. Slices and sums are plain tuples.
    """

    n_columns: int
    before: tuple[str, ...]
    """Names that stand before x1."""

    def __new__(cls, n_columns: int, before: Sequence[str] = ()) -> NumberedNames:
        """Hold the number alone."""
        names = super().__new__(cls)
        names.n_columns, names.before = n_columns, tuple(before)
        return names

    def after(self, *names: str) -> NumberedNames:
        """Return the same with other names before them."""
        return NumberedNames(self.n_columns, (*names, *self.before))

    def __len__(self) -> int:
        """Return the number of names."""
        return len(self.before) + self.n_columns

    def __getitem__(self, key: SupportsIndex | slice) -> Any:
        """Return a name, or a tuple of some."""
        places = range(len(self))[key]
        if isinstance(places, range):
            return tuple(map(self._name, places))
        return self._name(places)

    def __iter__(self) -> Iterator[str]:
        """Make one name after the other."""
        return map(self._name, range(len(self)))

    def _name(self, place: int) -> str:
        first = len(self.before)
        return self.before[place] if place < first else f"x{place - first + 1}"

    def _place(self, name: object) -> int | None:
        if name in self.before:
            return self.before.index(str(name))
        digits = name[1:] if isinstance(name, str) else ""
        if not (digits.isascii() and digits.isdecimal()):
            return None
        number = int(digits)
        inside = name == f"x{number}" and 1 <= number <= self.n_columns
        return len(self.before) + number - 1 if inside else None

    def __contains__(self, name: object) -> bool:
        """Tell whether this is one of the names."""
        return self._place(name) is not None

    def index(
        self, name: Any, start: SupportsIndex = 0, stop: SupportsIndex = sys.maxsize
    ) -> int:
        """Return where a name stands."""
        place = self._place(name)
        if place is None or place not in range(len(self))[start:stop]:
            raise ValueError(f"{name!r} is none of the names")
        return place

    def count(self, name: Any) -> int:
        """Return how often a name occurs."""
        numbered = NumberedNames(self.n_columns)._place(name) is not None
        return self.before.count(name) + numbered

    def __eq__(self, other: object) -> bool:
        """Tell whether another tuple holds the same names."""
        if isinstance(other, NumberedNames) and self.before == other.before:
            return self.n_columns == other.n_columns
        if not isinstance(other, tuple) or len(self) != len(other):
            return False
        return all(a == b for a, b in zip(self, other, strict=True))

    def __ne__(self, other: object) -> bool:
        """Tell whether it does not."""
        return not self == other

    def __hash__(self) -> int:
        """Return the hash of the tuple that this equals."""
        return hash(tuple(self))

    def __add__(self, other: Any) -> tuple[Any, ...]:
        """Return the names and others as a tuple."""
        return (*self, *other)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the number alone."""
        return NumberedNames, (self.n_columns, self.before)

    def __repr__(self) -> str:
        """Show the first and the last."""
        return f"({', '.join(map(repr, self[:2]))}, ..., {self[-1]!r})"
