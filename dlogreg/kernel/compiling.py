"""How functions are compiled by numba: ``pip install "dlogreg[numba]"``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba

F = TypeVar("F", bound=Callable[..., Any])

IN_ANY_ORDER = {"contract", "nsz", "reassoc"}
"""Sums may be taken in any order, which lets the compiler use vectors; NaN and infinity
are kept."""
AS_WRITTEN = {"contract", "nsz"}


def compiled(function: F) -> F:
    """Compile a function when it is first called; keep it on disk where that can be."""
    return _compiled(function, IN_ANY_ORDER)


def compiled_as_written(function: F) -> F:
    """Compile a function whose sums must be taken in the order given."""
    return _compiled(function, AS_WRITTEN)


def _compiled(function: F, fastmath: set[str]) -> F:
    options: dict[str, Any] = {
        "nogil": True,
        "error_model": "numpy",
        "fastmath": fastmath,
    }
    try:
        made: F = numba.njit(cache=True, **options)(function)
    except RuntimeError:  # nowhere to write
        made = numba.njit(**options)(function)
    return made
