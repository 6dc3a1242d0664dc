"""A vector whose entries have names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


class LabelledVector(np.ndarray[Any, np.dtype[np.float64]]):
    """A float64 vector that is also indexed by name: ``params["distance"]``.

    Arithmetic and slices give plain numpy arrays.
    """

    names: tuple[str, ...] | None

    @classmethod
    def of(cls, values: Any, names: Sequence[str]) -> LabelledVector:
        """Name the entries of a vector."""
        vector = np.array(values, dtype=np.float64).view(cls)
        if vector.shape != (len(names),):
            raise ValueError(f"{len(names)} names for values of shape {vector.shape}")
        vector.names = tuple(names)
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
        """Return the entry of a name, or index as numpy does."""
        if isinstance(key, str):
            if self.names is None or key not in self.names:
                known = ", ".join(self.names or ())
                raise KeyError(f"no coefficient is named {key!r}; there are: {known}")
            key = self.names.index(key)
        return np.asarray(self)[key]

    def to_dict(self) -> dict[str, float]:
        """Return the entries by name."""
        return dict(zip(self.names or (), self.tolist(), strict=True))

    def __repr__(self) -> str:
        """Show one entry per line."""
        if self.names is None:
            return repr(np.asarray(self))
        width = max(map(len, self.names))
        pairs = zip(self.names, self.tolist(), strict=True)
        return "\n".join(f"{name:<{width}}  {value: .6g}" for name, value in pairs)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle values and names."""
        return LabelledVector.of, (np.asarray(self), self.names or ())
