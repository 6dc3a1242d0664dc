"""fit(): from the user's arrays to LogitResults."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Unpack, overload

from dlogreg.checkpoint import Checkpoint, with_checkpoint
from dlogreg.evaluation import Label
from dlogreg.grouped import GroupedResults, fit_groups
from dlogreg.options import check_options
from dlogreg.options.keywords import FitKeywords
from dlogreg.passes import Progress
from dlogreg.penalty import penalty_rule
from dlogreg.pipeline import alone_with, fit_source, open_source
from dlogreg.results import Results


@overload
def fit(
    X: Any, y: Any, *, by: None = None, **options: Unpack[FitKeywords]
) -> Results: ...
@overload
def fit(
    X: Any, y: Any, *, by: Any, **options: Unpack[FitKeywords]
) -> GroupedResults: ...
def fit(
    X: Any,
    y: Any,
    *,
    sample_weight: Any = None,
    weight_kind: str = "frequency",
    offset: Any = None,
    groups: Any = None,
    by: Any = None,
    trials: Any = None,
    holdout: Any = None,
    classes: Sequence[Label] | None = None,
    alpha: float = 0.0,
    l1_ratio: float = 0.0,
    penalty_factor: Any = None,
    bounds: Any = None,
    firth: bool = False,
    fit_intercept: bool = True,
    feature_names: Sequence[str] | None = None,
    missing: str = "raise",
    solver: str = "auto",
    tol: float = 1e-4,
    max_passes: int = 100,
    start: Any = None,
    inference: bool = True,
    cov_type: str | None = None,
    memory_limit: int | str | None = None,
    checkpoint: str | os.PathLike[str] | Checkpoint | None = None,
    progress: bool | Progress | None = None,
) -> Results | GroupedResults:
    r"""Fit a logistic regression by maximum likelihood, reading the data in few passes.

    The model is ``log(p_i / (1 - p_i)) = o_i + b_0 + x_i'b`` for the probability p_i of
    the last of the two classes, o_i its offset, 0 unless given. The result minimizes

    .. math:: \sum_i s_i \log(1 + e^{-m_i}) + \alpha \sum_i s_i \sum_j f_j
              \left(r |b_j| + \tfrac{1 - r}{2} b_j^2\right)

    with margins m_i = +-(o_i + b_0 + x_i'b), r = ``l1_ratio``, f = ``penalty_factor``,
    and b within ``bounds``. The intercept is never penalised.

    Where a combination of columns separates the two classes, there is no maximum. From
    the third pass on, as long as a finite one is not proven, Newton's passes keep a
    bounded number of rows, over which a linear programme finds candidates, and count
    the rows that a candidate is wrong about. Separation is so proven or refuted within
    five passes, at no further pass (``UNDECIDED`` if not; up to 100 coefficients), and
    the limiting fit follows: see ``LogitResults``.

    Three or more classes are fitted together by softmax regression, never one against
    the rest: ``log(p_ik / p_i0) = b_k0 + x_i'b_k`` for every class k but the first,
    the reference, as in statsmodels' ``MNLogit``. With a penalty all classes have
    coefficients, which sum to zero over the classes, as in scikit-learn. The first
    pass does not learn then, so that a fit takes a few passes more.

    Parameters
    ----------
    X : array, shape (n_rows, n_features)
        Numpy array or memmap, ``zarr.Array``, dask array of any chunking (unknown row
        counts and several column chunks included), pandas or dask dataframe of numeric
        columns, or table of pyarrow or polars (converted to pandas). Or sparse rows,
        whose zeros cost nothing: a scipy sparse array or matrix (CSR is used where it
        lies, other formats are converted), a dask array whose blocks are such, with a
        sparse ``meta``, or a Zarr group of the arrays ``indptr``, ``indices`` and
        ``data`` with the attribute ``shape``.
    y : array, shape (n_rows,)
        Labels: bool, int, float, string or categorical; any of the kinds above,
        chunked in any way. At most 200 different ones.
    sample_weight : array, shape (n_rows,), optional
        Not negative; 0 leaves a row out.
    weight_kind : {"frequency", "probability", "analytic"}
        What the weights mean. "frequency": everything equals repeating the row.
        "probability": a row stands for as many of the population as its weight, the
        inverse of its probability of selection; rows count once, standard errors are
        by default HC1, and there are no likelihood-ratio tests and criteria.
        "analytic": a row is as exact as its weight says, relative to the others. The
        latter two are rescaled to mean 1, which changes no coefficient.
    offset : array, shape (n_rows,), optional
        A part of the log-odds that is known and gets no coefficient, such as the
        logarithm of the odds by an earlier model, or of the ratio by which cases were
        sampled; at most 1e4 in size. For two classes. ``llnull`` is then that of an
        intercept beside the offset, as in R's ``glm``; it comes exactly from the first
        pass, or from one more where the few rows read before are unlike the rest. The
        first pass cannot serve as Newton's first step, so that small data take a pass
        more.
    groups : array, shape (n_rows,), optional
        Labels of the clusters within which rows may depend on each other, such as
        persons or schools: int, text, float, bool or dates, in any order. For
        ``cov_type="cluster"`` and ``cov_params("cluster")``, from the closing pass. A
        line of scores is kept for every group, at most 1 GiB of them or what
        ``memory_limit`` leaves; more are refused in the first pass. For two classes.
    by : array, shape (n_rows,), optional
        Fit one model for every label in it, all of them in shared passes: the first
        finds the labels, and each further one advances every model that has not
        converged, as if it were fitted to its own rows alone. Labels are int, text,
        float, bool or dates, in any order. Groups whose classes are separated have
        their rows brought together in one more pass (256 MiB of them at a time) and are
        fitted by themselves; a group of one class, or of fewer rows than coefficients,
        has no model, and stops no other. The Hessians of all models are held together,
        at most 256 MiB of them or what ``memory_limit`` leaves: 8 G k^2 bytes for G
        groups and k coefficients, in a few copies for every task. For two classes, by
        Newton's method, with ``sample_weight`` (not "probability"), ``offset``,
        ``alpha`` and ``penalty_factor``; other options raise.
    trials : array, shape (n_rows,), optional
        Grouped rows: y counts the successes (class 1) among so many trials, or holds
        their shares of the trials. Everything equals one row for each trial: ``nobs``
        is the number of trials, log-likelihoods and deviances are those of single
        trials, without binomial coefficients, and HC0 and HC1 take each trial for
        itself (``groups`` numbering the rows takes the trials of a row together). R's
        residual deviance is less by that of the saturated model, the same for all
        models. ``n_rows`` counts a row once for either outcome that it has, and a
        result that was loaded takes the rows so too: X twice, with y 1 and 0, and the
        counts as ``sample_weight``. Whether y holds shares is decided once: if it is of
        floats, and a fraction between 0 and 1 is found before the first pass, in all of
        it where it is in memory, else in the y of a few blocks spread over the data.
        Shares lie from 0 to 1, and times trials they are whole to 1e-6, relative; that
        of 0 trials may be NaN. A y of nothing but 0 and 1 holds counts.
    holdout : float or bool array, shape (n_rows,), optional
        Rows to leave out of the fit and to score: ``res.holdout`` tells how well they
        fit, from the closing pass that the fit makes anyway. Either True for such rows,
        of any of the kinds above; or their share, above 0 and below 0.9. Of a share f
        row i, counted from 0, is held out if SplitMix64 of i, seeded with 1, is below f
        times 2**64: about so many, and the same ones however the rows are cut. Nothing
        but ``holdout`` depends on these rows, nor is it checked before they are scored
        whether they can be. For two classes.
    classes : sequence of labels, optional
        Order of the labels. Two: (other, event); the event's probability is modelled.
        More: the first is the reference. Default: sorted.
    alpha : float
        Penalty on the *mean* loss, of coefficients of the columns as they are given;
        ``1 / (C * sum of weights)`` in the words of scikit-learn, ``lambda`` in those
        of glmnet with ``standardize=FALSE``. With a penalty there are no standard
        errors.
    l1_ratio : float
        Share of absolute values in the penalty: 0 ridge, 1 lasso, between an elastic
        net. Above 0 by proximal Newton, which needs the Hessian: of all columns, or
        above about 2,900 of a working set of at most 1,000 that holds those that are
        not 0, while every pass checks all others. Coefficients are exactly 0 or not.
        ``error_bound`` is proven for those that are not 0, and by the same proof the
        others are 0; NaN where the Hessian of these is singular.
    penalty_factor : array, shape (n_features,), or mapping, optional
        What multiplies ``alpha`` in every column, or in those named; 0 leaves a column
        without a penalty. Taken as they are: glmnet rescales its factors to mean 1.
    bounds : sequence of (low, high), or mapping, optional
        Smallest and largest coefficient of every column, of those named, or, one pair,
        of all; None where there is none. ``(0, None)`` keeps them from being negative.
        With bounds there are no standard errors.
    firth : bool
        Reduce the bias as Firth (1993) does: maximize the likelihood times the root of
        det H, whose maximum is finite even where the classes are separated. A pass
        takes the leverages from the Hessian of the pass before, so that a step is one
        read, or two while that is not exact enough, and one more for each time that it
        is halved because the penalised likelihood does not rise. It ends where the
        exact penalised score is proven to be within ``tol``, after 4 to 7 passes in all
        on large data, 10 to 20 where levels have one outcome or rows are few, and 50 to
        100 where the classes are separated completely. ``error_bound`` is NaN. For two
        classes, by Newton's method, without another penalty, and with standard errors
        of the model.
    fit_intercept : bool
        Whether the model has an intercept, ``const``.
    feature_names : sequence of str, optional
        Names of the columns; default a dataframe's own, or ``x1, x2, ...``.
    missing : {"raise", "drop"}
        "drop" leaves out rows in which a column, the label, the weight or the offset is
        missing (NaN, None), block by block as they are read, and ``n_dropped`` counts
        them; "raise" names the first, and counts all of them by column, which reads the
        rows once more. With ``trials`` only "raise".
    solver : {"auto", "newton", "lbfgs"}
        "auto" takes Newton's method up to about 2,000 coefficients (three or more
        classes: of all of them but one together) and L-BFGS beyond, by a rule of rows,
        columns and their type (``plan`` says why). L-BFGS by itself proves a
        distance to the optimum only for two classes with a ridge penalty on every
        column. Otherwise it estimates one, and up to 2,896 coefficients looks again:
        without a penalty the closing pass of ``inference=True`` proves a bound; else
        the rows that were read before the first pass tell it, at no pass, or prove it
        where they are all rows, and where they do not, Newton's method goes on for a
        pass or more to a proven bound. Beyond, fewer than eight rows per coefficient
        with a penalty on every column end only at a proof; the rest is an estimate,
        which nearly collinear columns can make wrong, and a warning says so. An
        estimate has ``error_bound`` NaN and the status ``CONVERGED_UNCERTIFIED``.
    tol : float
        Largest allowed distance of any coefficient from the exact optimum, in units of
        its own standard error.
    max_passes : int
        Most passes over the data.
    start : array, shape (n_params,), optional
        Coefficients to start from, in the layout of ``params``, intercept first; costs
        one pass, and is dropped where the model without columns has a smaller loss.
    inference : bool
        Give standard errors; where the last pass was not close enough for them to be
        exact to a relative ``min(tol, 1e-4)``, make one more, the closing pass, and go
        on while they are not exact to 1e-4, as where weights are tiny.
    cov_type : {"model", "HC0", "HC1", "cluster"}, optional
        Covariance by which the result gives standard errors, intervals and Wald tests.
        "model" trusts the model (inverse Hessian); "HC0" and "HC1" are robust: the
        sandwich, HC1 with the factor n / (n - k), n the sum of weights. All of them are
        sums of the same pass, so that any fit has ``cov_params(kind)`` of all. The
        robust ones are exact to ``bse_error_bound``. "cluster", for two classes only,
        is the sandwich of scores summed over ``groups``, with the factor
        G / (G - 1) * (n - 1) / (n - k) for G groups. Default: "model", "HC1" with
        probability weights, and "cluster" with groups.
    memory_limit : int or str, optional
        Bytes, or for example "2 GB": refuse the fit if it is projected to need more
        beyond the interpreter and the arrays given. It never changes the result.
    checkpoint : path, optional
        A folder in which the sums of every pass are kept, readable by the user alone.
        If the fit is cut, in whatever way, the same call goes on after the last whole
        pass, and its result has the same bits as if nothing had happened; ``n_passes``
        and ``bytes_read`` count what both have read. Cluster, threads, ``max_passes``
        and ``memory_limit`` may be others; anything else, the data and the versions
        included, is refused with the difference named. Of data on a cluster or in
        remote stores a change is found in the few rows that are read beforehand, in
        local files by their sizes and times too, and in memory everywhere. The folder
        is removed when the fit has ended by itself, but not where it was interrupted
        or stopped at ``max_passes``. A pass that forms the Hessian takes 4 bytes per
        pair of coefficients, one of L-BFGS about 40 per coefficient.
    progress : bool, optional
        Show a line for every pass; default: on a terminal and in a notebook.

    Returns
    -------
    LogitResults
        Or ``MultinomialResults`` for three or more classes, or with ``by``
        ``GroupedResults``, a model for every group.

    Raises
    ------
    DataError
        If the data cannot be fitted; the message names column, row or chunk. Also if
        there are three or more classes, and ``groups`` or ``offset`` are given.
    MemoryLimitError
        If the projected memory is above ``memory_limit``: before the first pass, or
        after it where only that shows that there are more than two classes, or groups
        beyond number.
    CheckpointError
        If ``checkpoint`` is of another fit, in use, or cannot be written.

    Warns
    -----
    SeparationWarning, CollinearityWarning, ConvergenceWarning, MissingChunkWarning
    CheckpointWarning
        If a pass cannot be written to the checkpoint, or read from it; the fit goes on.

    Examples
    --------
    >>> import numpy as np, dlogreg
    >>> x = np.arange(8.0)[:, None]
    >>> res = dlogreg.fit(x, [0, 0, 1, 0, 1, 0, 1, 1], feature_names=["dose"])
    >>> print(res.params.round(4))
    [-2.0793  0.5941]
    """
    if isinstance(by, str):
        raise TypeError(
            f"by is an array, one label per row, and not a name such as {by!r}; "
            f"give X[{by!r}] and leave that column out of X, or take fit_formula"
        )
    beside = {"sample_weight": sample_weight, "offset": offset, "groups": groups}
    beside |= {"by": by, "trials": trials, "holdout": holdout}
    options = check_options(
        beside,
        classes=classes,
        penalty=penalty_rule(alpha, l1_ratio, penalty_factor, bounds),
        fit_intercept=fit_intercept,
        feature_names=feature_names,
        solver=solver,
        tol=tol,
        max_passes=max_passes,
        start=start,
        inference=inference,
        memory_limit=memory_limit,
        cov_type=cov_type,
        weight_kind=weight_kind,
        missing=missing,
        firth=firth,
        checkpoint=checkpoint,
    )
    source = open_source(X, y, options, beside)
    if by is not None:
        return fit_groups(source, options, progress, alone_with(options))
    return with_checkpoint(
        checkpoint, lambda kept: fit_source(source, options, progress, checkpoint=kept)
    )
