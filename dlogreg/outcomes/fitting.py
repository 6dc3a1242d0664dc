"""fit_many(): several outcomes over the same X, in the passes of the slowest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from dlogreg.choice import hessian_fits
from dlogreg.layout import lay_out
from dlogreg.options import FitOptions, check_options
from dlogreg.outcomes.first_look import first_look
from dlogreg.outcomes.problem import OutcomesProblem
from dlogreg.outcomes.results import ManyResults
from dlogreg.passes import Passes, Progress
from dlogreg.penalty import penalty_rule
from dlogreg.pipeline import open_source
from dlogreg.progress import progress_for
from dlogreg.reduction import compute_shared, count_rows
from dlogreg.rows_again import RowsAgain
from dlogreg.source import Source, as_source
from dlogreg.source.outcomes import outcome_names as names_of

OWN_ERRORS = ("model", "HC0", "HC1")
"""Kinds of standard errors that every outcome can have."""


def fit_many(
    X: Any,
    Y: Any = None,
    *,
    one_vs_rest: Any = None,
    outcome_names: Sequence[str] | None = None,
    sample_weight: Any = None,
    offset: Any = None,
    alpha: float = 0.0,
    penalty_factor: Any = None,
    fit_intercept: bool = True,
    feature_names: Sequence[str] | None = None,
    missing: str = "raise",
    tol: float = 1e-4,
    max_passes: int = 100,
    inference: bool = True,
    cov_type: str = "model",
    memory_limit: int | str | None = None,
    progress: bool | Progress | None = None,
) -> ManyResults:
    r"""Fit a logistic regression for each of several outcomes over the same rows of X.

    Each is the fit of ``dlogreg.fit(X, Y[:, j])``, to the same proven distance from its
    own optimum; all are advanced together, so that m outcomes take the passes of the
    slowest. For outcome j with probabilities p_j = sigma(o + b_j0 + X b_j), S the
    weights, one read finds

    .. math:: G = X'S(P - Y), \qquad H_j = X'S\,\mathrm{diag}(p_j (1 - p_j))\,X,

    the gradients of all outcomes by one matrix product, the Hessians, which differ, by
    one each. Beside reading a row, which all share, a pass costs with k coefficients
    and m outcomes that are not done about m (4 k + 300) operations, and k^2 for every
    Hessian that it forms. Every outcome is fitted to some thousand rows beforehand, so
    that the first pass is its first step; most data then take 3 passes, the one of the
    standard errors included. An outcome that has converged drops out; a Hessian is kept
    where that should cost no pass. Memory: m k^2 numbers for every task, a few
    times, and on the driver.

    Parameters
    ----------
    X : array, shape (n_rows, n_features)
        As in ``fit``; up to about 2,900 columns, and the same rows for all outcomes.
    Y : array, shape (n_rows, n_outcomes), optional
        A column of 0 and 1 for every outcome: numpy, ``zarr.Array``, dask array of any
        chunking, or pandas or dask dataframe of numbers or bools, whose columns name
        the outcomes.
    one_vs_rest : array, shape (n_rows,), optional
        In the place of Y: labels, each of which is fitted against all others, as
        scikit-learn's ``OneVsRestClassifier`` does. ``fit`` fits them together, by
        softmax, which is the model of one choice among several.
    outcome_names : sequence of str, optional
        Names of the columns of Y; default a dataframe's own, or ``y1, y2, ...``.
    sample_weight : array, shape (n_rows,), optional
        Frequency weights, the same for all outcomes; 0 leaves a row out.
    offset : array, shape (n_rows,), optional
        As in ``fit``, the same for all outcomes.
    alpha, penalty_factor : float; array, shape (n_features,), or mapping, optional
        Ridge penalty on the mean loss of every outcome, as in ``fit``; then there are
        no standard errors.
    fit_intercept, feature_names, tol, max_passes, inference, progress
        As in ``fit``; ``max_passes`` counts what all outcomes take together.
    cov_type : {"model", "HC0", "HC1"}
        Covariance of standard errors, intervals and tests, as in ``fit``. The robust
        ones take as much arithmetic again as the Hessians, and no pass.
    missing : {"raise", "drop"}
        "drop" leaves a row out of the model of an outcome that is missing in it, and
        out of all where a column, the weight, the offset or a label is missing.
    memory_limit : int or str, optional
        Bytes, or for example "2 GB": refuse what is projected to need more. Without it
        Hessians of more than 4 GiB are refused.

    Returns
    -------
    ManyResults
        Tables of coefficients, standard errors and p-values, a line for each outcome;
        ``[name]`` is the result of one as of ``fit``, with all of its methods; ``save``
        writes all to one file.

    Raises
    ------
    DataError
        As ``fit``; of Y the message names outcome and row. Also if an outcome is 0, or
        1, in all rows.
    MemoryLimitError
        If the Hessians of all outcomes do not fit.

    Warns
    -----
    SeparationWarning
        Names outcomes whose classes a column separates, or seems to; their models end
        (``SEPARATED``, ``SEPARATION_SUSPECTED``), and the others go on. ``fit`` of such
        an outcome alone proves more, and gives the limiting fit.
    CollinearityWarning, ConvergenceWarning, MissingChunkWarning

    Examples
    --------
    >>> import numpy as np, dlogreg
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(500, 2))
    >>> Y = (X @ [[1, 0, -1], [0, 1, 1]] + rng.logistic(size=(500, 3)) > 0).astype(int)
    >>> many = dlogreg.fit_many(X, Y, outcome_names=["a", "b", "c"])
    >>> many.params
              'const'            'x1'            'x2'
    a     -0.00149986          1.0509        -0.03322
    b      -0.0706316       0.0409624        0.975111
    c       -0.122275        -1.03516         1.00405
    >>> float(many["b"].params["x2"].round(3)), many.converged
    (0.975, True)
    """
    _check_outcomes(Y, one_vs_rest, outcome_names, cov_type)
    beside = {"sample_weight": sample_weight, "offset": offset}
    options = check_options(
        beside,
        penalty=penalty_rule(alpha, 0.0, penalty_factor),
        fit_intercept=fit_intercept,
        feature_names=feature_names,
        solver="newton",
        tol=tol,
        max_passes=max_passes,
        inference=inference,
        memory_limit=memory_limit,
        cov_type=cov_type,
        missing=missing,
    )
    if Y is None:
        source = open_source(X, one_vs_rest, options, beside)
        names = None
    else:
        names = names_of(Y, outcome_names)
        source = _open_many(X, Y, options, beside)
    return _fit_source(source, names, options, progress)


def _check_outcomes(
    Y: Any, one_vs_rest: Any, outcome_names: Any, cov_type: Any
) -> None:
    """Refuse options that do not go with several outcomes, or with each other."""
    if (Y is None) == (one_vs_rest is None):
        raise ValueError(
            "fit_many() needs Y, a column of 0 and 1 for every outcome, or "
            "one_vs_rest, labels of which each is fitted against the rest; give one "
            "of them"
        )
    if outcome_names is not None and Y is None:
        raise ValueError(
            "outcome_names name the columns of Y; with one_vs_rest the labels do, "
            "leave outcome_names out"
        )
    if cov_type == "cluster":
        raise ValueError(
            "fit_many() takes no groups, so that there is no cov_type='cluster'; fit "
            "the outcomes one by one with dlogreg.fit(groups=), or take 'HC1'"
        )
    if cov_type not in OWN_ERRORS:
        listed = ", ".join(map(repr, OWN_ERRORS))
        raise ValueError(f"cov_type must be one of {listed}, not {cov_type!r}")


def _open_many(
    X: Any, Y: Any, options: FitOptions, beside: Mapping[str, Any]
) -> Source:
    """Return the source of rows with several outcomes."""
    source = as_source(
        X,
        Y,
        **beside,
        feature_names=options.feature_names,
        several=True,
        compute=compute_shared,
        count_rows=count_rows,
    )
    return replace(source, drops=options.missing == "drop")


def _fit_source(
    source: Source,
    names: tuple[str, ...] | None,
    options: FitOptions,
    progress: bool | Progress | None,
) -> ManyResults:
    """Fit with options that are already checked."""
    options = options.for_columns(source.feature_names)
    _check_width(source.n_features + options.fit_intercept)
    layout = lay_out(source, options)
    passes = Passes(layout.reduction(), progress_for(progress))
    with passes.running():
        look = first_look(layout, passes, options, names)
        problem = OutcomesProblem.posed(look, passes, options)
        problem.solve()
        passes.close_record()
        results = problem.results()
    return ManyResults(
        look.labels,
        results,
        one_vs_rest=names is None,
        outcomes=look.outcomes,
        rows=RowsAgain.of(layout, look.surveys[0]),
    )


def _check_width(n_params: int) -> None:
    if not hessian_fits(n_params):
        raise ValueError(
            f"fit_many() needs the Hessians of {n_params:,} coefficients, which are "
            "too large to be formed; leave columns out, or fit the outcomes one by one "
            "with dlogreg.fit"
        )
