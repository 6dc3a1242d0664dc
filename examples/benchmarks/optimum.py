"""The exact optimum, by which every program is judged, and its independent check."""

from __future__ import annotations

from typing import Any

import numpy as np
from generated import Data

CERTIFIED = 1e-7


def find_optimum(data: Data) -> dict[str, Any]:
    """Fit with dlogreg to a proven distance of at most 1e-7 standard errors."""
    import dlogreg

    res = dlogreg.fit(*data.open(), tol=CERTIFIED / 10)
    if not res.error_bound <= CERTIFIED:
        raise ValueError(f"certified to {res.error_bound:.1e} only: {res.status.value}")
    return {
        "params": list(res.params),
        "bse": list(res.bse),
        "bound": res.error_bound,
    }


def check_optimum(data: Data, optimum: dict[str, Any]) -> dict[str, Any]:
    """Evaluate the gradient at the optimum by plain numpy, without dlogreg.

    ``sqrt(g' H^-1 g)`` of gradient g and Hessian H is the length of the Newton step
    in standard errors, which no coefficient can be farther from the optimum than, to
    first order.
    """
    X, y = data.open()
    params = np.array(optimum["params"])
    gradient, hessian = np.zeros(len(params)), np.zeros((len(params), len(params)))
    labels, step = y[:], data.rows_per_chunk
    for low in range(0, data.rows, step):
        block = X[low : low + step].astype(float)
        Z = np.column_stack([np.ones(len(block)), block])
        p = 1 / (1 + np.exp(-(Z @ params)))
        gradient += Z.T @ (p - labels[low : low + step])
        hessian += (Z * (p * (1 - p))[:, None]).T @ Z
    bse = np.sqrt(np.diag(np.linalg.inv(hessian)))
    return {
        "distance": float(np.sqrt(gradient @ np.linalg.solve(hessian, gradient))),
        "bse_gap": float(np.max(np.abs(bse / optimum["bse"] - 1))),
    }


def distance(result: dict[str, Any], optimum: dict[str, Any]) -> float:
    """Return the largest distance of a coefficient, in its standard error."""
    gap = np.subtract(result["params"], optimum["params"]) / optimum["bse"]
    return float(np.max(np.abs(gap)))
