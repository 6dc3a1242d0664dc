"""A matrix with a named line for every coefficient and a column for every class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dlogreg.display.numerals import display_width, elided, padded, printable
from dlogreg.evaluation import Label
from dlogreg.labelled import (
    MAX_NAME,
    MAX_SHOWN,
    SCALARS,
    LabelledVector,
    no_index,
    no_such,
    place_of,
)

MAX_CLASSES = 12
"""A wider matrix shows its first columns."""
MAX_LABEL = 14


class LabelledMatrix(np.ndarray[Any, np.dtype[np.float64]]):
    """A float64 matrix that is also indexed by names: ``params["age", "Democrat"]``.

    ``params["age"]`` is the line of a coefficient, ``params["age", label]`` one number,
    ``params.of_class(label)`` the labelled vector of a class. It is read-only;
    arithmetic and slices give plain numpy arrays. Where the names of lines are not all
    text, as those of outcomes, a number is a name too, and no position.
    """

    names: tuple[Label, ...] | None
    labels: tuple[Label, ...]
    what: tuple[str, str]
    """What lines and columns are of, for messages."""

    @classmethod
    def of(
        cls,
        values: Any,
        names: Sequence[Label],
        labels: Sequence[Label],
        what: tuple[str, str] = ("coefficient", "class"),
    ) -> LabelledMatrix:
        """Name the lines and the columns of a matrix, and what they are of."""
        matrix = np.array(values, dtype=np.float64).view(cls)
        if matrix.shape != (len(names), len(labels)):
            raise ValueError(
                f"{len(names)} names and {len(labels)} labels for values of shape "
                f"{matrix.shape}"
            )
        matrix.names, matrix.labels = tuple(names), tuple(labels)
        matrix.what = what
        matrix.flags.writeable = False
        return matrix

    def __array_finalize__(self, source: Any) -> None:
        """Forget names: a slice or a result has entries of its own."""
        self.names, self.labels, self.what = None, (), ("coefficient", "class")

    def __array_wrap__(
        self, array: Any, context: Any = None, return_scalar: bool = False
    ) -> Any:
        """Return results of arithmetic as plain arrays and numbers."""
        return array[()] if return_scalar else np.asarray(array)

    def __getitem__(self, key: Any) -> Any:
        """Return a line by name, an entry by name and label, or index as numpy."""
        first = key[0] if isinstance(key, tuple) and len(key) == 2 else key
        by_name, values = self._by_name, np.asarray(self)
        if isinstance(first, by_name):
            line = values[self._line_of(first)]
            return line if first is key else line[self._column_of(key[1])]
        if isinstance(key, list) and key and all(isinstance(k, by_name) for k in key):
            return values[[self._line_of(name) for name in key]]
        try:
            return values[key]
        except IndexError as error:
            raise IndexError(no_index(key, error, self.names, self.what[0])) from None

    @property
    def _by_name(self) -> tuple[type, ...]:
        """Types of what is looked up among the names of the lines."""
        some = self.names or ()
        return (str,) if all(isinstance(n, str) for n in some) else SCALARS

    def _line_of(self, name: Label) -> int:
        return place_of(name, self.names or (), self.what[0])

    def _column_of(self, label: Label) -> int:
        if label not in self.labels:
            raise KeyError(no_such(self.what[1], label, self.labels))
        return self.labels.index(label)

    def of_class(self, label: Label) -> LabelledVector:
        """Return a column, as the coefficients of a class, by name."""
        column = np.asarray(self)[:, self._column_of(label)]
        return LabelledVector.of(column, self.names or (), self.what[0])

    def to_dict(self) -> dict[Label, dict[Label, float]]:
        """Return the entries by label and name."""
        if self.names is None:
            raise ValueError("this array comes from a calculation and has no names")
        return {label: self.of_class(label).to_dict() for label in self.labels}

    def __copy__(self) -> LabelledMatrix:
        """Return a copy with the same names."""
        return self.__deepcopy__({})

    def __deepcopy__(self, memo: Any) -> LabelledMatrix:
        """Return a copy with the same names."""
        if self.names is None:
            return self.copy()
        return LabelledMatrix.of(self, self.names, self.labels, self.what)

    def __repr__(self) -> str:
        """Show one coefficient per line, one class per column."""
        if self.names is None:
            return repr(np.asarray(self))
        half = MAX_SHOWN // 2
        lines = [self._line(i) for i in range(len(self))]
        left_out = len(lines) - 2 * half
        if left_out > 0:
            lines[half:-half] = [[f"... ({left_out:,} more)"]]
        more = ["..."] if len(self.labels) > MAX_CLASSES else []
        shown = [printable(repr(label)) for label in self.labels[:MAX_CLASSES]]
        table = [["", *(elided(text, MAX_LABEL) for text in shown), *more], *lines]
        first = max(display_width(line[0]) for line in table)
        return "\n".join(
            padded(line[0], first)
            + "".join("  " + " " * (MAX_LABEL - display_width(c)) + c for c in line[1:])
            for line in table
        )

    def __str__(self) -> str:
        """Show one coefficient per line where there are names."""
        return str(np.asarray(self)) if self.names is None else repr(self)

    def _line(self, position: int) -> list[str]:
        """Return the name and the values of a line as text."""
        assert self.names is not None
        name = elided(printable(str(self.names[position])), MAX_NAME)
        values = np.asarray(self)[position, :MAX_CLASSES].tolist()
        return [name, *(f"{value: .6g}" for value in values)]

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle values, names and labels."""
        if self.names is None:
            return np.asarray, (np.asarray(self),)
        names = self.names, self.labels, self.what
        return LabelledMatrix.of, (np.asarray(self), *names)
