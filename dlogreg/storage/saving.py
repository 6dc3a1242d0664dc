"""Results to a file."""

from __future__ import annotations

import json
import math
import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from dlogreg.evaluation import FloatArray, Label, PassRecord
from dlogreg.storage.schema import (
    CHECKSUM,
    COLUMN_SCALARS,
    COLUMN_SUMS,
    COSTS,
    INTEGERS,
    KIND,
    LEARNED,
    MULTINOMIAL,
    NAMES,
    NUMBERS,
    SCHEMA,
    TEXTS,
    TIMES,
    VECTORS,
    checksum,
)
from dlogreg.storage.writing import check_target, write_whole

if TYPE_CHECKING:
    from dlogreg.formula.recipe import Recipe
    from dlogreg.kernel.closing_sums import ColumnSums
    from dlogreg.results.fitted import FittedModel


def write_model(
    results: FittedModel, path: str | os.PathLike[str], *, overwrite: bool
) -> None:
    """Write results to a file that did not exist, or replace it if told to."""
    write_entries(encode(results), path, overwrite=overwrite)


def write_entries(
    entries: dict[str, Any], path: str | os.PathLike[str], *, overwrite: bool
) -> None:
    """Write entries with their checksum, a line for each."""
    check_target(path, overwrite=overwrite)
    entries[CHECKSUM] = checksum(entries)
    lines = ",\n".join(
        f"  {json.dumps(key)}: {json.dumps(value, allow_nan=False)}"
        for key, value in entries.items()
    )
    write_whole(path, f"{{\n{lines}\n}}\n", overwrite=overwrite)


def encode(results: FittedModel) -> dict[str, Any]:
    """Return results as what JSON can hold."""
    coefficients = results.coefficients
    counts = results.class_counts.items()
    return {
        "kind": KIND if coefficients.ndim == 1 else MULTINOMIAL,
        "schema": SCHEMA,
        "status": results.status.name,
        "classes": [plain_label(label) for label in results.classes],
        "class_counts": [[plain_label(label), int(count)] for label, count in counts],
        "fit_intercept": bool(results.fit_intercept),
        **{key: _number(getattr(results, key)) for key in NUMBERS},
        **{key: int(getattr(results, key)) for key in INTEGERS},
        **{key: getattr(results, key) for key in TEXTS},
        **{key: list(getattr(results, key)) for key in NAMES},
        "dropped": dict(results.dropped),
        "trace": [encode_pass(record) for record in results.trace],
        "coefficients": [_number(value) for value in coefficients.ravel().tolist()],
        "covariance": _triangle(results.covariance),
        "cov_type": results.cov_type,
        "weight_kind": results.weight_kind,
        "has_offset": bool(results.has_offset),
        "cluster_covariance": _triangle(results.cluster_covariance),
        "n_groups": int(results.n_groups),
        "robust_covariance": _triangle(results.robust_covariance),
        "column_sums": _encode_columns(results.column_sums),
        "indicators": None if results.indicators is None else list(results.indicators),
        "firth": results.firth,
        "l1_ratio": _number(results.l1_ratio),
        "bounded": bool(results.bounded),
        "has_penalty_factor": bool(results.has_penalty_factor),
        "separation": results.separation,
        "limit_error_bound": _number(results.limit_error_bound),
        **{key: _vector(getattr(results, key)) for key in VECTORS},
        "n_dropped": int(results.n_dropped),
        "formula": formula_entries(results.recipe),
    }


def _encode_columns(sums: ColumnSums | None) -> dict[str, Any] | None:
    if sums is None:
        return None
    vectors = {key: getattr(sums, key).tolist() for key in COLUMN_SUMS}
    return {
        **{key: [_number(x) for x in vector] for key, vector in vectors.items()},
        **{key: _number(getattr(sums, key)) for key in COLUMN_SCALARS},
    }


def _vector(values: FloatArray | None) -> list[float | str] | None:
    return None if values is None else [_number(value) for value in values.tolist()]


def formula_entries(recipe: Recipe | None) -> dict[str, Any] | None:
    """Return the recipe as what JSON can hold; its room is entered where it is one."""
    if recipe is None:
        return None
    room = import_module("dlogreg.formula.stored")
    entries: dict[str, Any] = room.recipe_entries(recipe)
    return entries


def _triangle(covariance: FloatArray | None) -> list[float | str] | None:
    if covariance is None:
        return None
    lower = covariance[np.tril_indices(len(covariance))]
    return [_number(value) for value in lower.tolist()]


def encode_pass(record: PassRecord) -> dict[str, Any]:
    """Return what a pass did and cost as what JSON can hold."""
    costs = {key: int(getattr(record.tally, key)) for key in COSTS}
    learned = {key: getattr(record, key) for key in LEARNED}
    return {
        "number": int(record.number),
        "kind": record.kind,
        "seconds": _number(record.seconds),
        "n_threads": int(record.n_threads),
        "n_retries": int(record.tally.n_retries),
        **{key: _number(getattr(record.tally, key)) for key in TIMES},
        **costs,
        **{k: None if v is None else _number(v) for k, v in learned.items()},
    }


def _number(value: float) -> float | str:
    """Return a float, or its name where JSON has no word for it."""
    value = float(value)
    return value if math.isfinite(value) else str(value)


def plain_label(label: Label) -> bool | int | float | str:
    """Return a label as what JSON can hold, or raise TypeError."""
    value = label.item() if isinstance(label, np.generic) else label
    if not isinstance(value, (bool, int, float, str)):
        kind = type(value).__name__
        raise TypeError(
            f"the label {value!r} is of type {kind}, and only bool, int, float and str "
            "labels can be saved; fit with such labels"
        )
    return value
