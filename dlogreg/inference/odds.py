"""Odds ratios, for one unit of each column or for as many as asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from dlogreg.evaluation import FloatArray


def odds_ratios(
    logs: FloatArray, names: Sequence[str], units: Mapping[str, float] | None
) -> FloatArray:
    """Return exp(units * logs) for coefficients and the ends of their intervals."""
    factors = np.ones(len(names))
    for name, value in (units or {}).items():
        if name not in names:
            raise ValueError(f"units names {name!r}, but no coefficient is called so")
        if not (np.isfinite(value) and value > 0):
            raise ValueError(f"units of {name!r} must be positive, not {value}")
        factors[names.index(name)] = value
    with np.errstate(over="ignore"):
        return np.asarray(np.exp(logs * factors[:, None]))
