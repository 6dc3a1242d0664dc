"""fit_formula(): from a formula and a raw table to results."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Unpack, overload

from dlogreg.checkpoint import Checkpoint, with_checkpoint
from dlogreg.evaluation import Label
from dlogreg.formula.design import Design, FormulaTable
from dlogreg.grouped import GroupedResults, fit_groups
from dlogreg.memory import check_read_memory
from dlogreg.options import FitOptions, check_options
from dlogreg.options.keywords import FormulaKeywords
from dlogreg.passes import Progress
from dlogreg.penalty import penalty_rule
from dlogreg.pipeline import alone_with, fit_source
from dlogreg.progress import progress_for
from dlogreg.results import Results
from dlogreg.scheduling import n_threads


@overload
def fit_formula(
    formula: str, data: Any, *, by: None = None, **options: Unpack[FormulaKeywords]
) -> Results: ...
@overload
def fit_formula(
    formula: str, data: Any, *, by: Any, **options: Unpack[FormulaKeywords]
) -> GroupedResults: ...
def fit_formula(
    formula: str,
    data: Any,
    *,
    sample_weight: Any = None,
    offset: Any = None,
    groups: Any = None,
    by: Any = None,
    weight_kind: str = "frequency",
    missing: str = "raise",
    unseen: Any = "error",
    classes: Sequence[Label] | None = None,
    alpha: float = 0.0,
    l1_ratio: float = 0.0,
    penalty_factor: Any = None,
    bounds: Any = None,
    solver: str = "auto",
    tol: float = 1e-4,
    max_passes: int = 100,
    start: Any = None,
    inference: bool = True,
    cov_type: str | None = None,
    firth: bool = False,
    memory_limit: int | str | None = None,
    checkpoint: str | os.PathLike[str] | Checkpoint | None = None,
    storage_options: Mapping[str, Any] | None = None,
    progress: bool | Progress | None = None,
) -> Results | GroupedResults:
    """Fit a logistic regression given by a formula to a raw table.

    One scan of the columns that the formula names finds the levels of categories, in
    sorted order, and the states of transforms, in *all* rows; it counts as data read,
    but not as a pass. Every block of rows is then encoded in the task that reads it.
    Categories stay codes wherever that saves columns: sums over their levels are found
    by counting, and no indicator is formed. A task holds a block of about 4 MiB, and
    the raw columns of one row group or partition.

    Parameters
    ----------
    formula : str
        ``"response ~ terms"`` as in R, patsy and formulaic: ``+ : * / **`` and ``- 1``,
        ``.`` for all other columns, names that are no plain words in backticks.
        Columns of text and categoricals are categories, coded by indicators without
        the first level; ``C(x, Treatment("a"))`` chooses another coding or reference,
        ``C(x, levels=["b", "a"])`` the order. Expressions may use arithmetic in ``I()``
        or braces, comparisons, functions such as ``log``, and of transforms ``center``,
        ``scale``, ``standardize``, ``poly(x, degree)`` and ``bs(x, knots=[...])``. The
        response is a column of labels or an expression such as ``arr_delay > 15`` or
        ``species == "setosa"``. Nothing else is evaluated.
    data : table
        Pandas or dask dataframe, table of pyarrow or polars (converted to pandas),
        pyarrow dataset of Parquet files, or the path of Parquet files: a file, a
        folder, or a pattern, here or at an address such as
        ``s3://bucket/flights-*.parquet``. Only needed columns are read. Or the path or
        address of a Zarr group that ``dlogreg convert`` made, whose columns are those
        of X, its categories, its y (by the name of the target) and, if they are named,
        ``sample_weight``, ``offset`` and ``groups``.
    sample_weight : str or array, optional
        A column, or an expression of columns. With a dataframe also an array or series
        of one weight per row. Rows of weight 0 are left out before anything is found.
    offset : str or array, optional
        The same, added to the linear predictor with coefficient 1, as
        ``offset="log(exposure)"``. One of columns is part of what ``predict`` does.
    groups : str or array, optional
        The same: labels of the clusters of rows, for cluster-robust standard errors.
    by : str or array, optional
        The same: fit one model for every label in it, as ``fit(by=)`` does. Levels of
        categories and states of transforms come from the rows of all groups; a level
        that a group lacks is a column that is dropped there. ``.`` leaves the column
        out. ``predict`` of the result finds it in the table; after an expression it
        needs ``by``. Columns of dates are not taken; convert them to text.
    missing : {"raise", "drop"}
        What to do with rows in which a column that is needed has no value. "raise"
        counts them by column; "drop" leaves them out, and ``n_dropped`` counts them.
        Row numbers that other methods give (residuals, influence) then count the rows
        that are left. As in R, ``center``, ``scale``, ``poly`` and ``bs`` are laid out
        by all rows in which what they are applied to is there, also by those that
        another column leaves out; levels come from the rows that are left.
    storage_options : mapping, optional
        What the file system of an address needs, as in pandas and dask: those of
        ``fsspec``, for example ``{"endpoint_url": ...}``. Secrets are better kept in
        the environment; they are neither shown nor saved.
    unseen : "error", level, or mapping of factor to level
        What ``predict`` does with a level that the fit has not seen: an error that
        names it, or a level that is taken in its place.
    classes, alpha, l1_ratio, penalty_factor, bounds, solver, tol, max_passes, start, \
inference, cov_type, weight_kind, firth, memory_limit, checkpoint, progress
        As in ``fit``. The formula says whether there is an intercept. A checkpoint
        keeps what the scan has found, too.

    Returns
    -------
    LogitResults, MultinomialResults or GroupedResults
        As of ``fit``; ``terms`` has the columns of every term, which ``lr_test`` and
        ``vif`` take together, and ``predict`` takes raw dataframes. ``save`` keeps all
        that is needed for it.

    Raises
    ------
    ValueError
        If the formula cannot be read, or asks for what cannot be found exactly in a
        pass (spline knots at quantiles); it says what to write instead.
    DataError
        If the data cannot be fitted; the message names column, and row or file and row
        group. Also if a file changes while it is read.
    CheckpointError, MemoryLimitError
        As in ``fit``, which also tells the warnings.

    Examples
    --------
    >>> import pandas as pd, dlogreg
    >>> doses = pd.DataFrame({"dose": range(8), "sex": list("ffmmffmm")})
    >>> doses["cured"] = [False, True, False, True, False, True, False, True]
    >>> res = dlogreg.fit_formula("cured ~ dose + sex", doses)
    >>> res.feature_names
    ('dose', 'sex[T.m]')
    """
    beside = {"sample_weight": sample_weight, "offset": offset}
    beside |= {"groups": groups, "by": by}
    options = check_options(
        beside,
        classes=classes,
        penalty=penalty_rule(alpha, l1_ratio, penalty_factor, bounds),
        solver=solver,
        tol=tol,
        max_passes=max_passes,
        start=start,
        inference=inference,
        memory_limit=memory_limit,
        cov_type=cov_type,
        firth=firth,
        weight_kind=weight_kind,
        missing=missing,
        checkpoint=checkpoint,
    )
    asked = FormulaTable.of(formula, data, beside, storage_options)
    options = replace(options, fit_intercept=asked.formula.fit_intercept)
    check_read_memory(asked.table.largest_bytes, n_threads(), options.memory_limit)
    shown = progress_for(progress)
    design = partial(asked.designed, missing, unseen, shown)
    if by is not None:
        return _fit_groups(design(), options, shown, asked.by)
    return with_checkpoint(
        checkpoint, lambda kept: _fit_rows(design(kept), options, shown, kept)
    )


def _fit_rows(
    design: Design, options: FitOptions, shown: Progress, checkpoint: Checkpoint | None
) -> Results:
    """Fit one model to the rows of a design."""
    results = fit_source(
        design.source, options, shown, before=design.records, checkpoint=checkpoint
    )
    return replace(results, n_dropped=design.n_dropped, recipe=design.recipe)


def _fit_groups(
    design: Design, options: FitOptions, shown: Progress, by: str | None
) -> GroupedResults:
    """Fit one model to every group of the rows of a design."""
    models = fit_groups(
        design.source,
        options,
        shown,
        alone_with(options),
        before=design.records,
        recipe=design.recipe,
        by=by,
    )
    return replace(models, n_dropped=design.n_dropped)
