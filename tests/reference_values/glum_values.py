"""Penalised fits of birthwt by glum, in the cases of its own golden master.

Those are ridge, half of it, elastic net, lasso by columns, bounds and no intercept,
each with and without weights and offset (``tests/glm/test_golden_master.py``, BSD-3).
Run in this directory with glum installed: ``python glum_values.py``.
"""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path

import numpy as np

CASES = {
    "ridge": {"alpha": 1.0},
    "half": {"alpha": 0.5},
    "elastic net": {"alpha": 0.05, "l1_ratio": 0.5},
    "lasso by columns": {"alpha": 0.02, "l1_ratio": 1.0, "P1": np.arange(8) / 3},
    "bounds": {
        "alpha": 0.01,
        "lower_bounds": np.zeros(8),
        "upper_bounds": np.full(8, 0.4),
    },
    "no intercept": {"alpha": 0.1, "fit_intercept": False},
}


def given() -> tuple[np.ndarray, ...]:
    """Return X in units of its largest values, y, weights and offsets."""
    data = json.loads(Path("birthwt.json").read_text())["data"]
    X = np.array(data["X"], dtype=float).T
    row = np.arange(len(X))
    weight, offset = 0.5 + row * 7 % 11 / 11, (row * 5 % 9 - 4) / 10
    return X / X.max(axis=0), np.array(data["y"], dtype=float), weight, offset


def main() -> None:
    """Write the coefficients, the intercept first."""
    from glum import GeneralizedLinearRegressor  # not there when tests are collected

    X, y, weight, offset = given()
    found = []
    for name, options in CASES.items():
        for weighted in (True, False):
            for shifted in (True, False):
                model = GeneralizedLinearRegressor(
                    family="binomial",
                    gradient_tol=1e-11,
                    step_size_tol=None,
                    max_iter=10_000,
                    scale_predictors=False,
                    **options,
                )
                model.fit(
                    X,
                    y,
                    sample_weight=weight if weighted else None,
                    offset=offset if shifted else None,
                )
                line = [model.intercept_, *model.coef_.tolist()]
                found.append([name, weighted, shifted, line])
    head = {"program": "glum_values.py", "versions": {"glum": version("glum")}}
    Path("glum.json").write_text(json.dumps({**head, "cases": found}, indent=1))


if __name__ == "__main__":
    main()
