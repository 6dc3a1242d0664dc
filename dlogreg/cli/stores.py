"""What commands do with a store: plan and fit it, or put a model to it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import dask.array as da

from dlogreg.errors import DataError
from dlogreg.evaluation import Label
from dlogreg.fitting import fit
from dlogreg.formula.expression import FormulaError
from dlogreg.formula.fitting import fit_formula
from dlogreg.formula.store import columns_beside
from dlogreg.inference.class_goodness import ClassGoodness
from dlogreg.inference.goodness import GoodnessOfFit
from dlogreg.planning import Cluster, Plan, ScalePlan, plan, plan_scale
from dlogreg.results import Results
from dlogreg.scoring import evaluate
from dlogreg.source.group import StoredData
from dlogreg.source.sparse_store import StoredCSR


def fit_stored(data: StoredData, **options: Any) -> Results:
    """Fit a store; the results speak of its labels, not of their numbers.

    One with categories is fitted by the formula of all its columns.
    """
    if data.categories:
        return fit_columns(data, **options)
    given = {**_described(data), **_grouped(data, options)}
    results = cast("Results", fit(data.X, data.y, **given))
    return results if data.labels is None else relabelled(results, data.labels)


def fit_columns(data: StoredData, **options: Any) -> Results:
    """Fit all columns of a store, its categories too, with what lies beside them."""
    if not options.pop("fit_intercept", True):
        raise DataError(
            f"{data.path} has categories, so that it is fitted by a formula; give "
            f'--formula "{_quoted(data.target)} ~ . - 1" instead of --no-intercept'
        )
    options |= {name: name for name in columns_beside(data)} | {"classes": data.classes}
    if not _grouped(data, options).get("groups"):
        options.pop("groups", None)
    formula = f"{_quoted(data.target)} ~ ."
    return cast("Results", fit_formula(formula, data, **options))


def fit_files(
    path: str, formula: str, *, fit_intercept: bool, **options: Any
) -> Results:
    """Fit a formula about Parquet files."""
    if not fit_intercept:
        raise DataError('with --formula, write "- 1" in it instead of --no-intercept')
    try:
        return cast("Results", fit_formula(formula, path, **options))
    except FormulaError as error:
        raise DataError(str(error)) from error


def plan_stored(data: StoredData, **options: Any) -> Plan:
    """Plan the fit of a store."""
    _check_plannable(data)
    return plan(data.X, data.y, **_described(data), **_grouped(data, options))


def scale_stored(data: StoredData, cluster: Cluster, **options: Any) -> ScalePlan:
    """Plan the fit of a store on a cluster that is not there."""
    _check_plannable(data)
    given = {**_described(data), **_grouped(data, options)}
    return plan_scale(data.X, data.y, cluster, **given)


def _check_plannable(data: StoredData) -> None:
    if data.categories:
        raise DataError(
            f"{data.path} has categories, so that a formula is fitted to it, which "
            "needs a read to find the columns; fit it, it tells what it costs"
        )


def evaluate_stored(
    results: Results, data: StoredData, **options: Any
) -> GoodnessOfFit | ClassGoodness:
    """Evaluate a model on a store; the report speaks of labels, not of numbers."""
    model = results if data.labels is None else _coded(results, data)
    X, y, weight = matched_columns(results, data), data.y, data.sample_weight
    offset = stored_offset(results, data)
    report: GoodnessOfFit | ClassGoodness = evaluate(
        model, X, y, weight, offset=offset, **options
    )
    return replace(report, classes=results.classes)


def matched_columns(results: Results, data: StoredData) -> Any:
    """Return X with the columns of the model, in its order."""
    names, wanted = data.feature_names, results.feature_names
    if names is None or names == wanted:
        return data.X
    missing = [name for name in wanted if name not in names]
    if missing:
        listed = ", ".join(map(repr, missing[:5])) + ", ..." * (len(missing) > 5)
        raise DataError(
            f"{data.path} lacks {len(missing)} of the {len(wanted)} columns of the "
            f"model: {listed}; convert data that have them"
        )
    if isinstance(data.X, StoredCSR):
        raise DataError(
            f"{data.path} has the columns of the model in another order, or more of "
            "them, and its rows are compressed; store its columns as they were fitted"
        )
    return da.from_zarr(data.X)[:, [names.index(name) for name in wanted]]


def stored_offset(results: Results, data: StoredData) -> Any:
    """Return the offset of a store, which must have one if the model had."""
    if results.has_offset and data.offset is None:
        raise DataError(
            f"{data.path} has no array offset, but the model was fitted with one; add "
            "the array (zeros for rows without)"
        )
    if data.offset is not None and len(results.classes) > 2:
        raise DataError(
            f"{data.path} has an array offset, which is for two classes, and the model "
            f"has {len(results.classes)}; remove the array"
        )
    return data.offset


def _described(data: StoredData) -> dict[str, Any]:
    return {
        "sample_weight": data.sample_weight,
        "offset": data.offset,
        "feature_names": data.feature_names,
        "classes": _stored_classes(data),
    }


def _grouped(data: StoredData, options: dict[str, Any]) -> dict[str, Any]:
    """Return the options with the groups of a store, where errors go by them.

    They are read only if they are asked for, or nothing else is.
    """
    shrunk = options.get("alpha") or options.get("bounds")
    without = shrunk or not options.get("inference", True)
    kind = options.get("cov_type")
    if without or kind not in (None, "cluster"):
        return options
    if kind == "cluster" and data.groups is None:
        raise DataError(
            f"{data.path} has no array groups, by which --cov-type cluster would go; "
            "add the array, or take --cov-type HC1"
        )
    return {**options, "groups": data.groups}


def _stored_classes(data: StoredData) -> tuple[Label, ...] | None:
    """Return the classes as they stand in y."""
    if data.classes is None:
        return None
    if len(data.classes) < 2:
        listed = ", ".join(repr(label) for label in data.classes)
        raise DataError(
            f"y of {data.path} has only one class, {listed}; logistic regression needs "
            "rows of two or more"
        )
    if data.labels is None:
        return data.classes
    unknown = set(data.classes) - set(data.labels)
    if unknown:
        raise DataError(
            f"{data.path} lists class {unknown.pop()!r} that y's labels lack; convert "
            "the data again"
        )
    return tuple(data.labels.index(label) for label in data.classes)


def relabelled(results: Results, labels: tuple[str, ...]) -> Results:
    """Replace the numbers that stand for labels by the labels."""
    counts = {labels[int(code)]: n for code, n in results.class_counts.items()}
    classes = tuple(labels[int(code)] for code in results.classes)
    return replace(results, classes=classes, class_counts=counts)


def _coded(results: Results, data: StoredData) -> Results:
    """Replace the labels of a model by the numbers that stand for them in y."""
    labels = data.labels or ()
    unknown = [label for label in labels if label not in results.classes]
    if unknown:
        known = " and ".join(map(repr, results.classes))
        raise DataError(
            f"y of {data.path} has the label {unknown[0]!r}, but the model knows "
            f"{known}; convert data with these labels"
        )
    # a label that does not occur gets a number that stands for none
    codes = tuple(
        labels.index(label) if label in labels else -1 - k
        for k, label in enumerate(results.classes)
    )
    counts = dict(zip(codes, results.class_counts.values(), strict=True))
    return replace(results, classes=codes, class_counts=counts)


def _quoted(name: str) -> str:
    """Return a name as it stands in a formula."""
    return name if name.isidentifier() else f"`{name}`"
