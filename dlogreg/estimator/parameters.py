"""scikit-learn's parameters that have another name here, and those that are refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SOLVERS = {"auto": "auto", "newton-cholesky": "newton", "lbfgs": "lbfgs"}
REFUSED: dict[str, tuple[Any, str]] = {
    "penalty": ("deprecated", "use C (np.inf for no penalty) and l1_ratio instead"),
    "dual": (False, "only the primal problem is solved; leave dual=False"),
    "intercept_scaling": (1, "the intercept is never penalised; leave it at 1"),
    "n_jobs": (
        None,
        "Dask's threads or workers share the rows; see dask.config num_workers",
    ),
}
"""Parameters of scikit-learn that have no meaning here: default, and what to do."""


def refuse_parameters(given: Mapping[str, Any]) -> None:
    """Raise for what scikit-learn accepts and this face would have to ignore."""
    for name, (default, advice) in REFUSED.items():
        if given[name] != default:
            raise ValueError(f"{name}={given[name]!r} is not supported: {advice}")
    if given["solver"] not in SOLVERS:
        raise ValueError(
            f"solver={given['solver']!r} is not supported: use 'auto', "
            "'newton-cholesky' or 'lbfgs'; all find the same coefficients"
        )
