"""LogitResults put together by hand, to test what is computed and shown of them."""

import numpy as np

from dlogreg import LogitResults, Status
from dlogreg.evaluation import PassRecord, Tally


def make_results(coefficients=(-1.0, 0.5, 2.0), **changes):
    """Return results of a small model; ``changes`` replace fields."""
    n_params = len(coefficients)
    first = int(changes.get("fit_intercept", True))
    fields = {
        "feature_names": tuple(f"x{j}" for j in range(1, n_params - first + 1)),
        "classes": (0, 1),
        "class_counts": {0: 60, 1: 40},
        "fit_intercept": True,
        "coefficients": np.array(coefficients, dtype=float),
        "covariance": 0.04 * np.eye(n_params),
        "llf": -50.0,
        "llnull": -67.30116670092565,
        "nobs": 100.0,
        "n_rows": 100,
        "alpha": 0.0,
        "status": Status.CONVERGED,
        "error_bound": 1.23e-7,
        "bse_error_bound": 4.5e-9,
        "tol": 1e-4,
        "solver": "newton",
        "n_passes": 4,
        "bytes_read": 123_456_789,
        "peak_memory": 200 * 2**20,
        "trace": (PassRecord(1, "survey", 0.25, Tally(100, 1, 2400, 1, 2**20)),),
    }
    return LogitResults(**{**fields, **changes})
