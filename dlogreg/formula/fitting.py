"""fit_formula(): from a formula and a raw table to results."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, overload

import numpy as np

from dlogreg.checkpoint import Checkpoint, with_checkpoint
from dlogreg.checkpoint.fingerprint import of_scan
from dlogreg.errors import DataError
from dlogreg.evaluation import Label, PassRecord
from dlogreg.formula.encoding import Encoder
from dlogreg.formula.expression import Expression, FormulaError, parse_expression
from dlogreg.formula.parquet import ParquetTable
from dlogreg.formula.recipe import Recipe
from dlogreg.formula.resolving import check_missing, resolve, transforms_of
from dlogreg.formula.scan import Found, Rule, ScanKernel, warn_of_levels
from dlogreg.formula.source import DesignBlocks, RawBlocks
from dlogreg.formula.store import columns_beside
from dlogreg.formula.tables import (
    FrameTable,
    Table,
    open_data,
    open_table,
    table_columns,
)
from dlogreg.formula.terms import Formula, read_formula
from dlogreg.grouped import GroupedResults, check_by_options, fit_groups
from dlogreg.memory import check_read_memory
from dlogreg.options import check_options
from dlogreg.partition import partition_rows
from dlogreg.passes import Passes, Progress
from dlogreg.penalty import penalty_rule
from dlogreg.pipeline import alone_with, fit_source
from dlogreg.progress import progress_for
from dlogreg.reduction import (
    INLINE_BYTES,
    TASKS_PER_THREAD,
    Reduction,
    compute_shared,
)
from dlogreg.results import Results
from dlogreg.scheduling import active_client, n_threads
from dlogreg.source import Source
from dlogreg.source.frames import check_indexes
from dlogreg.source.group import StoredData
from dlogreg.source.kinds import kind_of
from dlogreg.weights import check_weight_kind

GIVEN = "({})"
"""Name of a column that was given beside the table."""


@overload
def fit_formula(
    formula: str, data: Any, *, by: None = None, **options: Any
) -> Results: ...
@overload
def fit_formula(
    formula: str, data: Any, *, by: Any, **options: Any
) -> GroupedResults: ...
def fit_formula(  # type: ignore[misc]  # the options are written down once, here
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
    check_weight_kind(weight_kind, given=sample_weight is not None)
    data = open_data(data, storage_options)
    available = table_columns(data)
    if by is not None:
        check_by_options(
            groups=groups,
            l1_ratio=l1_ratio,
            bounds=bounds,
            firth=firth,
            solver=solver,
            start=start,
            cov_type=cov_type,
            weight_kind=weight_kind,
            checkpoint=checkpoint,
        )
    column = _column_of(by) if isinstance(by, str) else None
    parsed = read_formula(formula, [name for name in available if name != column])
    options = check_options(
        classes=classes,
        penalty=penalty_rule(alpha, l1_ratio, penalty_factor, bounds),
        fit_intercept=parsed.fit_intercept,
        feature_names=None,
        solver=solver,
        tol=tol,
        max_passes=max_passes,
        start=start,
        inference=inference,
        memory_limit=memory_limit,
        cov_type=cov_type,
        firth=firth,
        weight_kind=weight_kind,
        has_offset=offset is not None,
        has_groups=groups is not None,
        missing=missing,
    )
    beside = {"sample_weight": sample_weight, "offset": offset}
    beside |= {"groups": groups, "by": by}
    data, given = _with_columns(data, beside)
    more = columns_beside(data) if isinstance(data, StoredData) else ()
    rule = _rule(parsed, given, available, more)
    shown = progress_for(progress)
    table = open_table(data, rule.needed, compute_shared)
    check_read_memory(table.largest_bytes, n_threads(), options.memory_limit)
    if by is not None:
        design = _design(parsed, table, rule, missing, unseen, shown, None)
        models = fit_groups(
            design.source,
            options,
            shown,
            alone_with(options),
            before=design.records,
            recipe=design.recipe,
            by=column,
        )
        return replace(models, n_dropped=design.n_dropped)

    def run(kept: Checkpoint | None) -> Results:
        design = _design(parsed, table, rule, missing, unseen, shown, kept)
        before = design.records
        results = fit_source(
            design.source, options, shown, before=before, checkpoint=kept
        )
        return replace(results, n_dropped=design.n_dropped, recipe=design.recipe)

    return with_checkpoint(checkpoint, run)


@dataclass(frozen=True, slots=True, eq=False)
class _Design:
    """What the scan has made of a formula and a table."""

    source: Source
    recipe: Recipe
    n_dropped: int
    records: tuple[PassRecord, ...]


def _design(
    formula: Formula,
    table: Table,
    rule: Rule,
    missing: str,
    unseen: Any,
    progress: Progress,
    checkpoint: Checkpoint | None,
) -> _Design:
    """Scan the table and lay out its rows as those of the design."""
    found, records = scan(formula, table, rule, progress, checkpoint)
    n_dropped = check_missing(found, rule.needed, missing)
    warn_of_levels(found)
    recipe = resolve(formula, found, unseen)
    if rule.offset is not None and rule.offset.text != _quoted("offset"):
        recipe = replace(recipe, offset=rule.offset.text)
    blocks = DesignBlocks.of(table, recipe, rule, found)
    in_memory = isinstance(table, FrameTable)
    names, dtype = recipe.feature_names, np.dtype(np.float64)
    columns = Encoder(recipe).columns
    source = Source(
        blocks,
        {},
        names,
        dtype,
        in_memory,
        "formula",
        sparse=blocks.kind,
        stored_values=columns.row_values,
    )
    return _Design(source, recipe, n_dropped, records)


def _with_columns(
    data: Any, beside: Mapping[str, Any]
) -> tuple[Any, dict[str, Expression]]:
    """Return the data, with what was given beside them as columns of them."""
    expressions = {}
    for name, given in beside.items():
        if given is None:
            continue
        expressions[name] = parse_expression(
            given if isinstance(given, str) else _quoted(name)
        )
        if not isinstance(given, str):
            data = _joined(data, name, given)
    return data, expressions


def _column_of(text: str) -> str:
    """Return the column that an expression is, or its text if it is more than one."""
    columns = tuple(parse_expression(text).columns)
    alone = len(columns) == 1 and text.strip() in (columns[0], f"`{columns[0]}`")
    return columns[0] if alone else text


def _quoted(name: str) -> str:
    return f"`{GIVEN.format(name)}`"


def _joined(data: Any, name: str, given: Any) -> Any:
    """Return a dataframe with one more column."""
    on_disk = isinstance(data, ParquetTable | StoredData)
    kind = "" if on_disk else kind_of(data)
    if kind == "dask dataframe" and kind_of(given) == "dask dataframe":
        return data.assign(**{GIVEN.format(name): given})
    if kind != "pandas":
        raise DataError(
            f"with these data, {name} must be the name of a column, or an expression "
            f"of columns, not {type(given).__name__}"
        )
    values = np.asarray(given)
    if values.shape != (len(data),):
        raise DataError(
            f"{name} has shape {values.shape}, and data {len(data)} rows; give one "
            "value per row, or the name of a column"
        )
    if hasattr(given, "iloc"):
        check_indexes(data, {name: given})
    return data.assign(**{GIVEN.format(name): values})


def _rule(
    formula: Formula,
    given: Mapping[str, Expression],
    available: Sequence[str],
    more: Sequence[str],
) -> Rule:
    """Return the columns that are needed, all of which there must be."""
    beside = [name for expression in given.values() for name in expression.columns]
    needed = dict.fromkeys([*formula.response.columns, *formula.columns, *beside])
    joined = [GIVEN.format(name) for name in given]
    unknown = [name for name in needed if name not in (*available, *joined, *more)]
    if unknown:
        have = ", ".join(map(repr, available[:10])) + ", ..." * (len(available) > 10)
        raise DataError(
            f"the formula names {unknown[0]!r}, which is no column of the data; they "
            f"have {have}"
        )
    if not needed:
        raise FormulaError("the formula names no column of the data")
    return Rule(
        tuple(needed),
        given.get("sample_weight"),
        given.get("offset"),
        given.get("groups", given.get("by")),
    )


def scan(
    formula: Formula,
    table: Table,
    rule: Rule,
    progress: Progress,
    checkpoint: Checkpoint | None = None,
) -> tuple[Found, tuple[PassRecord, ...]]:
    """Read the columns once and return what is found in all rows."""
    categories = {
        text: factor.expression
        for text, factor in formula.factors.items()
        if factor.is_category or factor.is_column
    }
    arguments = {
        text: (expression, transform.order)
        for text, (expression, transform) in transforms_of(formula).items()
    }
    return run_scan(
        ScanKernel(rule, categories, arguments), table, progress, checkpoint
    )


def run_scan(
    kernel: ScanKernel,
    table: Table,
    progress: Progress,
    checkpoint: Checkpoint | None = None,
) -> tuple[Found, tuple[PassRecord, ...]]:
    """Read the columns once and return what a kernel finds."""
    rule = kernel.rule
    raw = Source(RawBlocks(table), {}, (), np.dtype(np.float64))
    rows = raw.n_rows
    small = isinstance(table, FrameTable) and 8 * len(rule.needed) * (rows or 0)
    inline = bool(small) and small <= INLINE_BYTES and active_client() is None
    reduction = Reduction(
        partition_rows(raw, 1, TASKS_PER_THREAD * n_threads()), inline
    )
    if checkpoint is not None:
        checkpoint.begin("scan", of_scan(raw, kernel))
    passes = Passes(reduction, progress, journal=checkpoint)
    try:
        found: Found = passes.run_pilot(kernel, reduction)
        passes.close_record()
    except BaseException:
        progress.close()
        raise
    return found, tuple(passes.trace)
