"""Single options of a fit: each returned as it is used, or refused with its value."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Set
from contextlib import suppress
from typing import Any

import numpy as np
from dask.utils import parse_bytes

from dlogreg.evaluation import FloatArray, Label
from dlogreg.scalars import is_number


def check_flag(name: str, value: object) -> bool:
    """Return True or False; text such as "False" would count as true."""
    if not isinstance(value, bool | np.bool_):
        raise ValueError(f"{name} must be True or False, not {value!r}")
    return bool(value)


def check_solver(solver: Any) -> str:
    """Return the name of the solver."""
    if solver not in ("auto", "newton", "lbfgs"):
        raise ValueError(f"solver must be 'auto', 'newton' or 'lbfgs', not {solver!r}")
    return str(solver)


def check_tol(tol: Any) -> float:
    """Return the largest allowed distance from the optimum."""
    if not (is_number(tol) and tol > 0):
        raise ValueError(
            f"tol must be a positive number (of standard errors), not {tol!r}"
        )
    return float(tol)


def check_max_passes(max_passes: Any, least: int) -> int:
    """Return the most passes, which must suffice for a fit."""
    if not (is_number(max_passes) and max_passes == int(max_passes) >= least):
        raise ValueError(
            f"max_passes must be a whole number of at least {least}, not {max_passes!r}"
        )
    return int(max_passes)


def class_order(classes: Any) -> tuple[Label, ...]:
    """Return the labels in order; it matters, so a set will not do."""
    ordered = hasattr(classes, "__getitem__") and not isinstance(classes, str | dict)
    labels = tuple(classes) if ordered else ()
    hashable = all(isinstance(label, Hashable) for label in labels)
    if not hashable or len(set(labels)) != len(labels) or len(labels) < 2:
        raise ValueError(
            "classes must be different labels in order, (other, event) or three or "
            f"more with the reference first, not {classes!r}"
        )
    return labels


def column_names(feature_names: Any) -> tuple[str, ...]:
    """Return the names, one for every column."""
    unordered = isinstance(feature_names, str | bytes | Mapping | Set)
    if unordered or not np.iterable(feature_names):
        raise ValueError(
            f"feature_names must be a list of names, one per column, not "
            f"{feature_names!r}"
        )
    return tuple(map(str, feature_names))


def start_coefficients(start: Any) -> FloatArray:
    """Return the coefficients to start from; which data they fit is seen later."""
    try:
        return np.array(start, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(
            "start must be numbers, one per coefficient and intercept first, not "
            f"{start!r}"
        ) from error


def byte_limit(memory_limit: Any) -> int:
    """Return the number of bytes that a number or text such as "2 GB" says."""
    limit = memory_limit
    if isinstance(limit, str) and limit.strip():  # dask takes "" for one byte
        with suppress(ValueError):
            limit = parse_bytes(limit)
    if not (is_number(limit) and limit > 0):
        raise ValueError(
            "memory_limit must be a positive number of bytes, or text such as "
            f"'500 MB' or '2 GB', not {memory_limit!r}"
        )
    return int(limit)
