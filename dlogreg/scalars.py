"""Numbers that options must be."""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import Any


def is_number(value: Any) -> bool:
    """Tell whether this is one finite number."""
    is_real = isinstance(value, Real) and not isinstance(value, bool)
    return is_real and math.isfinite(value)


def is_whole(value: Any) -> bool:
    """Tell whether this is one integer, of Python or numpy."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def check_seed(seed: Any) -> int:
    """Return the seed of a hash, or raise where it is no whole number."""
    if not is_whole(seed):
        raise ValueError(
            f"seed must be a whole number, not {seed!r}; the same seed draws the same"
        )
    return int(seed)
