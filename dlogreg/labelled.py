"""A vector whose entries have names."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

import numpy as np

from dlogreg.display.numerals import display_width, elided, padded, printable
from dlogreg.evaluation import Label
from dlogreg.numbered_names import NumberedNames

MAX_SHOWN = 60
"""A longer vector shows its first and last entries."""
MAX_NAME = 40
"""A longer name is shown without its middle."""
NEAREST, SOME = 3, 10
"""Names that a message lists: near ones, or just the first."""
ALWAYS_TEXT = ("coefficient", "column", "term")
"""What is named by text, so that numbers are positions."""
SCALARS = (str, bytes, bool, int, float, np.generic)


class LabelledVector(np.ndarray[Any, np.dtype[np.float64]]):
    """A float64 vector that is also indexed by name: ``params["distance"]``.

    It is read-only, so that no sorting in place parts names from values. Arithmetic
    and slices give plain numpy arrays. Where names are not all text, as labels may be,
    a number is a name too, and no position: positions are then given by slices.
    """

    names: tuple[Label, ...] | None
    what: str
    """What the entries are of, for messages."""

    @classmethod
    def of(
        cls, values: Any, names: Sequence[Label], what: str = "coefficient"
    ) -> LabelledVector:
        """Name the entries of a vector, which are of coefficients or something else."""
        vector = np.array(values, dtype=np.float64).view(cls)
        if vector.shape != (len(names),):
            raise ValueError(f"{len(names)} names for values of shape {vector.shape}")
        vector.names = names if isinstance(names, tuple) else tuple(names)
        vector.what = what
        vector.flags.writeable = False
        return vector

    def __array_finalize__(self, source: Any) -> None:
        """Forget names: a slice or a result has entries of its own."""
        self.names, self.what = None, "coefficient"

    def __array_wrap__(
        self, array: Any, context: Any = None, return_scalar: bool = False
    ) -> Any:
        """Return results of arithmetic as plain arrays and numbers."""
        return array[()] if return_scalar else np.asarray(array)

    def __getitem__(self, key: Any) -> Any:
        """Return the entries of a name or a list of names, or index as numpy."""
        by_name = self._by_name
        if isinstance(key, by_name):
            key = self.position(key)
        elif isinstance(key, list) and key and all(isinstance(k, by_name) for k in key):
            key = [self.position(name) for name in key]
        try:
            return np.asarray(self)[key]
        except IndexError as error:
            raise IndexError(no_index(key, error, self.names, self.what)) from None

    @property
    def _by_name(self) -> tuple[type, ...]:
        """Types of what is looked up among the names."""
        names = self.names
        named = names is None or self.what in ALWAYS_TEXT
        if named or all(isinstance(name, str) for name in names or ()):
            return (str,)
        return SCALARS

    def __contains__(self, item: Any) -> bool:
        """Tell whether there is an entry of a name, or of a value."""
        if isinstance(item, self._by_name):
            return item in (self.names or ())
        return item in np.asarray(self)

    # the method copy() loses names, because np.sort sorts what it returns
    def __copy__(self) -> LabelledVector:
        """Return a copy with the same names."""
        return self.__deepcopy__({})

    def __deepcopy__(self, memo: Any) -> LabelledVector:
        """Return a copy with the same names."""
        if self.names is None:
            return self.copy()
        return LabelledVector.of(self, self.names, self.what)

    def to_dict(self) -> dict[Label, float]:
        """Return the entries by name."""
        if self.names is None:
            raise ValueError("this array comes from a calculation and has no names")
        return dict(zip(self.names, self.tolist(), strict=True))

    def __repr__(self) -> str:
        """Show one entry per line."""
        if self.names is None:
            return repr(np.asarray(self))
        half = MAX_SHOWN // 2
        left_out = len(self) - 2 * half
        shown = [elided(printable(str(name)), MAX_NAME) for name in self.names]
        pairs = list(zip(shown, self.tolist(), strict=True))
        if left_out > 0:
            pairs = [*pairs[:half], *pairs[-half:]]
        width = max((display_width(name) for name, _ in pairs), default=0)
        lines = [f"{padded(name, width)}  {value: .6g}" for name, value in pairs]
        if left_out > 0:
            lines.insert(half, f"... ({left_out:,} more)")
        return "\n".join(lines)

    def __str__(self) -> str:
        """Show one entry per line where there are names."""
        return str(np.asarray(self)) if self.names is None else repr(self)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle values and names."""
        if self.names is None:
            return np.asarray, (np.asarray(self),)
        return LabelledVector.of, (np.asarray(self), self.names, self.what)

    def position(self, name: Label) -> int:
        """Return where the entry of a name stands.

        Raises
        ------
        KeyError
            If there is no such name; the message has the nearest ones.
        """
        return place_of(name, self.names or (), self.what)


def place_of(name: Label, names: Sequence[Label], what: str) -> int:
    """Return where a name stands among others, or raise with the nearest ones."""
    if name in names:
        return names.index(name)
    if not names:
        raise KeyError(f"this array has no names, so none is {name!r}")
    raise KeyError(no_such(what, name, names))


def no_such(what: str, name: Any, names: Sequence[Label]) -> str:
    """Say that no coefficient, or something else, has a name; give the nearest."""
    texts = names if isinstance(names, NumberedNames) else list(map(str, names))
    near = get_close_matches(str(name), texts, n=NEAREST)
    places = [texts.index(text) for text in near] or range(min(len(names), SOME))
    known = ", ".join(repr(names[place]) for place in places)
    more = ", ..." if len(places) < len(names) else ""
    return f"no {what} is named {name!r}; there are {known}{more}"


def no_index(
    key: Any, error: IndexError, names: Sequence[Label] | None, what: str
) -> str:
    """Say what picks entries, where numpy cannot tell what is meant."""
    if not names:
        return str(error)
    if isinstance(key, int | np.integer):
        plural = f"{what}{'es' if what.endswith('s') else 's'}"
        return (
            f"there is no {what} {key}: the {len(names):,} {plural} are counted from "
            f"0, and picked by name too, as [{names[0]!r}]"
        )
    texts = [k for k in key if isinstance(k, str)] if isinstance(key, tuple) else []
    if texts:
        return f"several names are picked by a list of them, as [{texts!r}]"
    return f"{error}; entries are also picked by name, as [{names[0]!r}]"
