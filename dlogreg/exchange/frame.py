"""Coefficients as a pandas table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import ndtr

from dlogreg.extras import require
from dlogreg.inference import check_level
from dlogreg.results import MultinomialResults

if TYPE_CHECKING:
    from dlogreg.evaluation import FloatArray
    from dlogreg.results import Results


def to_frame(results: Results, alpha: float, kind: str | None) -> Any:
    """Return one line per coefficient; see ``Exchange``."""
    pandas = require("pandas", "frames")
    check_level(alpha)
    coefficients = results.coefficients.ravel()
    errors, ends = _errors(results, alpha, kind)
    z = coefficients / errors
    with np.errstate(over="ignore"):
        odds, odds_ends = np.exp(coefficients), np.exp(ends)
    columns = {
        "coef": coefficients,
        "std_err": errors,
        "z": z,
        "p_value": 2 * ndtr(-np.abs(z)),
        "conf_low": ends[:, 0],
        "conf_high": ends[:, 1],
        "odds_ratio": odds,
        "odds_low": odds_ends[:, 0],
        "odds_high": odds_ends[:, 1],
    }
    return pandas.DataFrame(columns, index=_index(results, pandas))


def _errors(
    results: Results, alpha: float, kind: str | None
) -> tuple[FloatArray, FloatArray]:
    """Return standard errors and Wald intervals, NaN where a fit has none."""
    n_params = results.coefficients.size
    if results.covariance is None and kind is None:
        return np.full(n_params, np.nan), np.full((n_params, 2), np.nan)
    errors = np.sqrt(np.diagonal(results.cov_params(kind)))
    return errors, results.conf_int(alpha, kind=kind).reshape(n_params, 2)


def _index(results: Results, pandas: Any) -> Any:
    if isinstance(results, MultinomialResults):
        levels = [results.labels, results.names]
        return pandas.MultiIndex.from_product(levels, names=["class", "column"])
    return pandas.Index(results.names, name="column")
