"""What commands do with a store: fit it, or plan it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from dlogreg.errors import DataError
from dlogreg.evaluation import Label
from dlogreg.pipeline import fit
from dlogreg.planning import Plan, plan
from dlogreg.results import LogitResults
from dlogreg.source.group import StoredData


def fit_stored(data: StoredData, **options: Any) -> LogitResults:
    """Fit a store; the results speak of its labels, not of their numbers."""
    results = fit(data.X, data.y, **_described(data), **options)
    return results if data.labels is None else relabelled(results, data.labels)


def plan_stored(data: StoredData, **options: Any) -> Plan:
    """Plan the fit of a store."""
    return plan(data.X, data.y, **_described(data), **options)


def _described(data: StoredData) -> dict[str, Any]:
    return {
        "sample_weight": data.sample_weight,
        "feature_names": data.feature_names,
        "classes": _stored_classes(data),
    }


def _stored_classes(data: StoredData) -> tuple[Label, ...] | None:
    """Return the classes as they stand in y."""
    if data.classes is None:
        return None
    if len(data.classes) != 2:
        listed = ", ".join(repr(label) for label in data.classes)
        raise DataError(
            f"y of {data.path} has {len(data.classes)} class(es) ({listed}); exactly "
            "two are supported: convert a column that says one against the rest"
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


def relabelled(results: LogitResults, labels: tuple[str, ...]) -> LogitResults:
    """Replace the numbers that stand for labels by the labels."""
    counts = {labels[int(code)]: n for code, n in results.class_counts.items()}
    classes = tuple(labels[int(code)] for code in results.classes)
    return replace(results, classes=classes, class_counts=counts)
