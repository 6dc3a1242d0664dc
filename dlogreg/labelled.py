"""A vector whose entries have names."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

import numpy as np

from dlogreg.display.numerals import display_width, elided, padded, printable

MAX_SHOWN = 60
"""A longer vector shows its first and last entries."""
MAX_NAME = 40
"""A longer name is shown without its middle."""


class LabelledVector(np.ndarray[Any, np.dtype[np.float64]]):
    """A float64 vector that is also indexed by name: ``params["distance"]``.

    It is read-only, so that no sorting in place parts names from values. Arithmetic
    and slices give plain numpy arrays.
    """

    names: tuple[str, ...] | None

    @classmethod
    def of(cls, values: Any, names: Sequence[str]) -> LabelledVector:
        """Name the entries of a vector."""
        vector = np.array(values, dtype=np.float64).view(cls)
        if vector.shape != (len(names),):
            raise ValueError(f"{len(names)} names for values of shape {vector.shape}")
        vector.names = names if isinstance(names, tuple) else tuple(names)
        vector.flags.writeable = False
        return vector

    def __array_finalize__(self, source: Any) -> None:
        """Forget names: a slice or a result has entries of its own."""
        self.names = None

    def __array_wrap__(
        self, array: Any, context: Any = None, return_scalar: bool = False
    ) -> Any:
        """Return results of arithmetic as plain arrays and numbers."""
        return array[()] if return_scalar else np.asarray(array)

    def __getitem__(self, key: Any) -> Any:
        """Return the entries of a name or a list of names, or index as numpy."""
        if isinstance(key, str):
            key = self.position(key)
        elif isinstance(key, list) and key and all(isinstance(k, str) for k in key):
            key = [self.position(name) for name in key]
        return np.asarray(self)[key]

    def __contains__(self, item: Any) -> bool:
        """Tell whether there is an entry of a name, or of a value."""
        if isinstance(item, str):
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
        return LabelledVector.of(self, self.names)

    def to_dict(self) -> dict[str, float]:
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
        shown = [elided(printable(name), MAX_NAME) for name in self.names]
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
        return LabelledVector.of, (np.asarray(self), self.names)

    def position(self, name: str) -> int:
        """Return where the entry of a name stands."""
        names = self.names or ()
        if name in names:
            return names.index(name)
        if not names:
            raise KeyError(f"this array has no names, so none is {name!r}")
        near = get_close_matches(name, names, n=3) or names[:10]
        known = ", ".join(repr(known) for known in near)
        more = ", ..." if len(near) < len(names) else ""
        raise KeyError(f"no coefficient is named {name!r}; there are {known}{more}")
