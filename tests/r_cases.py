"""Public data sets and what R found on them; see reference_values/*.R."""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dlogreg

FOLDER = Path(__file__).parent / "reference_values"
KINDS = ("model", "HC0", "HC1")
ROWS = ["birthwt", "bacteria", "infert", "quakes", "pima"]
COUNTS = ["esoph", "titanic", "downs", "menarche"]
ALL = [*ROWS, *COUNTS]
"""Data sets of two classes that have every value that R gives for any."""


@dataclass(frozen=True, eq=False)
class Case:
    """One data set, as rows of single trials: counts stand in ``weights``."""

    name: str
    X: np.ndarray
    y: np.ndarray
    columns: tuple[str, ...]
    weights: np.ndarray | None
    offset: np.ndarray | None
    groups: np.ndarray | None
    trials: np.ndarray | None
    """Trials of every cell, if the data came as counts; half as long as y."""
    data: dict[str, Any]
    values: dict[str, Any]

    @property
    def options(self) -> dict[str, Any]:
        """What fit takes besides X and y; only what the data have."""
        given = {"sample_weight": self.weights, "offset": self.offset}
        return {key: value for key, value in given.items() if value is not None}


@cache
def load(name: str) -> Case:
    """Return a data set; cells of counts become rows of events and of others."""
    case = json.loads((FOLDER / f"{name}.json").read_text())
    data = case["data"]
    X, columns = np.array(data["X"], dtype=float).T, list(data["columns"])
    if "levels" in data:
        level = np.array(data["level"])[:, None]
        X = np.hstack([X, level == np.arange(2, len(data["levels"]) + 2)])
        columns += [f"class_{name}" for name in data["levels"]]
    y = np.array(data["y"])
    weights, offset, groups, trials = (
        np.array(data[key]) if key in data else None
        for key in ("weights", "offset", "groups", "trials")
    )
    if trials is not None:
        X, weights = np.vstack([X, X]), np.concatenate([y, trials - y])
        y = np.repeat([1, 0], len(y))
        offset, groups = (
            None if each is None else np.tile(each, 2) for each in (offset, groups)
        )
    if weights is not None:
        weights = weights.astype(float)
    return Case(
        name,
        X,
        y,
        tuple(columns),
        weights,
        offset,
        groups,
        trials,
        data,
        case["values"],
    )


@cache
def fitted(name: str, **options: Any) -> Any:
    """Return dlogreg's fit of a data set in memory, made once for all tests."""
    case = load(name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dlogreg.CollinearityWarning)
        return dlogreg.fit(
            case.X,
            case.y,
            feature_names=case.columns,
            tol=1e-9,
            progress=False,
            **case.options,
            **options,
        )


def assert_covariance(found: Any, expected: Any, rtol: float = 1e-7) -> None:
    """Compare entries on the scale of their two standard errors."""
    expected = np.array(expected, dtype=float)
    bse = np.sqrt(np.diagonal(expected))
    scale = np.outer(bse, bse)
    np.testing.assert_allclose(np.asarray(found) / scale, expected / scale, atol=rtol)
    np.testing.assert_allclose(np.diagonal(found), bse**2, rtol=2 * rtol)


def close(expected: Any, rtol: float = 1e-7) -> Any:
    """Return what equals a value of R to a relative difference."""
    return pytest.approx(expected, rel=rtol, abs=1e-300)
