"""How loops are compiled by numba: ``pip install "dlogreg[numba]"``."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from importlib.resources import files
from typing import Any, TypeVar

import numba

from dlogreg.kernel.kept_code import keep

F = TypeVar("F", bound=Callable[..., Any])

IN_ANY_ORDER = {"contract", "nsz", "reassoc"}
"""Sums may be taken in any order, which lets the compiler use vectors; NaN and infinity
are kept."""
AS_WRITTEN = {"contract", "nsz"}
SOURCES = (
    "compiling.py",
    "row_loops.py",
    "vectors.py",
    "product_loops.py",
    "loops.py",
    "point_loops.py",
    "sweeps.py",
)


def _digest() -> str:
    """Return a digest of all sources of compiled loops, where their constants are too.

    Empty where they are not there, as in a program that is frozen.
    """
    folder = files("dlogreg.kernel")
    try:
        texts = [folder.joinpath(name).read_bytes() for name in SOURCES]
    except OSError:
        return ""
    return hashlib.sha256(b"".join(texts)).hexdigest()[:12]


DIGEST = _digest()
"""In the names of numba's files: numba itself looks for changes only in the source of
the function that it has kept, and not of those that are part of it."""


def compiled(function: F) -> F:
    """Compile a function when it is first called; keep it on disk where that can be."""
    return _compiled(function, IN_ANY_ORDER)


def inlined(function: F) -> F:
    """As ``compiled``, a part of whatever calls it: calls would count references."""
    return _compiled(function, IN_ANY_ORDER, forceinline=True)


def compiled_as_written(function: F) -> F:
    """Compile a function whose sums must be taken in the order given."""
    return _compiled(function, AS_WRITTEN)


def _compiled(function: F, fastmath: set[str], **more: Any) -> F:
    function.__qualname__ = f"{function.__qualname__}_{DIGEST}"
    compiling = numba.njit(nogil=True, error_model="numpy", fastmath=fastmath, **more)
    made: F = compiling(function)
    if DIGEST:
        keep(made)
    return made
