"""The options of a fit, checked before any data are read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from dask.utils import parse_bytes

from dlogreg.evaluation import Label
from dlogreg.penalty import PenaltyRule

MAX_NEWTON_PARAMS = 2000
"""Above, solver="auto" takes L-BFGS: the product for the Hessian would cost more than
the passes it saves. A function of the number of columns alone, never of the machine."""


@dataclass(frozen=True, slots=True, eq=False)
class FitOptions:
    """Validated options of ``fit``; see there for their meaning."""

    classes: tuple[Label, ...] | None = None
    penalty: PenaltyRule = field(default_factory=PenaltyRule)
    fit_intercept: bool = True
    feature_names: tuple[str, ...] | None = None
    solver: str = "auto"
    tol: float = 1e-4
    max_passes: int = 100
    start: Any = None
    inference: bool = True
    memory_limit: int | None = None
    class_weight: Any = None
    """None, "balanced" or a mapping of labels to weights (scikit-learn's face)."""

    def solver_for(self, n_params: int) -> str:
        """Return "newton" or "lbfgs"."""
        if self.solver != "auto":
            return self.solver
        return "newton" if n_params <= MAX_NEWTON_PARAMS else "lbfgs"


def check_options(
    *,
    classes: Sequence[Label] | None,
    penalty: PenaltyRule,
    fit_intercept: bool,
    feature_names: Sequence[str] | None,
    solver: str,
    tol: float,
    max_passes: int,
    start: Any,
    inference: bool,
    memory_limit: int | str | None,
    class_weight: Any = None,
) -> FitOptions:
    """Return the options, or raise with what is wrong."""
    if solver not in ("auto", "newton", "lbfgs"):
        raise ValueError(f"solver must be 'auto', 'newton' or 'lbfgs', not {solver!r}")
    if not (np.isfinite(penalty.alpha) and penalty.alpha >= 0):
        raise ValueError(f"alpha must be finite and not negative, not {penalty.alpha}")
    if not (np.isfinite(tol) and tol > 0):
        raise ValueError(f"tol must be positive (in standard errors), not {tol}")
    least = 1 + bool(inference)
    if int(max_passes) < least:
        raise ValueError(f"max_passes must be at least {least}, not {max_passes}")
    if classes is not None and len(classes) != 2:
        raise ValueError(f"classes must be two labels, (other, event), not {classes!r}")
    return FitOptions(
        None if classes is None else tuple(classes),
        penalty,
        bool(fit_intercept),
        None if feature_names is None else tuple(map(str, feature_names)),
        solver,
        float(tol),
        int(max_passes),
        start,
        bool(inference),
        None if memory_limit is None else int(parse_bytes(memory_limit)),
        class_weight,
    )
