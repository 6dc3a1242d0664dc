"""path(): one model for every penalty, from the largest down, in shared passes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dlogreg.choice import hessian_fits
from dlogreg.errors import ConvergenceWarning
from dlogreg.evaluation import Label
from dlogreg.layout import lay_out
from dlogreg.options import check_options
from dlogreg.passes import Passes, Progress
from dlogreg.penalty import penalty_rule
from dlogreg.pipeline import open_source
from dlogreg.progress import progress_for
from dlogreg.scalars import is_number
from dlogreg.selection.alphas import check_grid
from dlogreg.selection.path_problem import PathProblem
from dlogreg.selection.path_results import PathResults
from dlogreg.selection.room import check_path_room
from dlogreg.user_warning import warn_user

N_ALPHAS = 100
"""Unless the user says another number."""


def path(
    X: Any,
    y: Any,
    *,
    l1_ratio: float = 1.0,
    n_alphas: int | None = None,
    alphas: Any = None,
    alpha_min_ratio: float | None = None,
    penalty_factor: Any = None,
    bounds: Any = None,
    sample_weight: Any = None,
    offset: Any = None,
    classes: Sequence[Label] | None = None,
    fit_intercept: bool = True,
    feature_names: Sequence[str] | None = None,
    missing: str = "raise",
    tol: float = 1e-4,
    max_passes: int = 100,
    memory_limit: int | str | None = None,
    progress: bool | Progress | None = None,
) -> PathResults:
    """Fit a model for every penalty of a path, all of them in shared passes.

    The first pass is that of ``fit``. Where it learns, one more finds Hessians at the
    model without columns and at the one without a penalty; then all models are advanced
    together, a gradient of its own for each, and a Hessian for a few, which neighbours
    share (see ``solvers/penalized_models``). That takes about 4 to 8 passes for 100
    penalties, each with the arithmetic of so many gradients. Wide data, of which a pass
    has no room for enough Hessians, are taken in several runs of penalties.

    Parameters
    ----------
    X, y, penalty_factor, bounds, sample_weight, offset, classes, fit_intercept, \
feature_names, missing, tol, max_passes, memory_limit, progress
        As in ``fit``, for two classes. Up to about 2,900 columns.
    l1_ratio : float
        As in ``fit``: 1 lasso, 0 ridge.
    n_alphas : int, optional
        Number of penalties, evenly spread on the scale of logarithms; default 100.
    alphas : array, optional
        In the place of ``n_alphas``: the penalties themselves, positive and in any
        order.
    alpha_min_ratio : float, optional
        Smallest penalty by the largest, which is the least that leaves all penalised
        coefficients at 0; default 1e-4, or 1e-2 with fewer rows than columns.

    Returns
    -------
    PathResults
        Coefficients, degrees of freedom, deviance ratios and criteria along the path;
        ``at(alpha)`` and ``[i]`` are results as of ``fit``.

    Raises
    ------
    ValueError, DataError, MemoryLimitError
        As in ``fit``.

    Warns
    -----
    ConvergenceWarning
        If some models have not come within ``tol``.

    Examples
    --------
    >>> import numpy as np, dlogreg
    >>> x = np.random.default_rng(0).normal(size=(200, 3))
    >>> found = dlogreg.path(x, x[:, 0] + x[:, 1] > 0.3, n_alphas=5)
    >>> found.df.tolist()
    [0, 2, 3, 3, 3]
    """
    grid = check_grid(alphas, n_alphas, alpha_min_ratio, N_ALPHAS)
    if not (is_number(max_passes) and max_passes >= 2):
        raise ValueError(
            f"max_passes must be a whole number of at least 2, not {max_passes!r}"
        )
    beside = {"sample_weight": sample_weight, "offset": offset}
    options = check_options(
        beside,
        classes=classes,
        penalty=penalty_rule(1.0, l1_ratio, penalty_factor, bounds),
        fit_intercept=fit_intercept,
        feature_names=feature_names,
        solver="newton",
        tol=tol,
        max_passes=max_passes,
        inference=False,
        memory_limit=memory_limit,
        missing=missing,
    )
    source = open_source(X, y, options, beside)
    options = options.for_columns(source.feature_names)
    _check_width(source.n_features + options.fit_intercept)
    layout = lay_out(source, options)
    check_path_room(layout, options, grid.n_alphas)
    passes = Passes(layout.reduction(), progress_for(progress))
    with passes.running():
        problem = PathProblem.posed(layout, passes, options)
        found = problem.solved(grid)
        passes.close_record()
    _warn(found)
    return found


def _check_width(n_params: int) -> None:
    if not hessian_fits(n_params):
        raise ValueError(
            f"path() needs the Hessian of {n_params:,} coefficients, which is too "
            "large to be formed; leave columns out, or fit single penalties, with "
            "l1_ratio=0"
        )


def _warn(found: PathResults) -> None:
    late = [
        a for a, s in zip(found.alphas, found.statuses, strict=True) if not s.converged
    ]
    if late:
        warn_user(
            f"{len(late)} of {len(found.alphas)} models have not come within tol = "
            f"{found.tol:g} standard errors, that of alpha = {late[0]:.6g} among them; "
            "raise max_passes or tol, or leave out the smallest alphas",
            ConvergenceWarning,
        )
