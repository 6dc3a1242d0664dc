"""The entries of a file to the fields of results."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from dlogreg.evaluation import FloatArray, Label, PassRecord, Tally
from dlogreg.inference.sandwich import COV_TYPES
from dlogreg.kernel.closing_sums import ColumnSums
from dlogreg.solvers import Status
from dlogreg.storage.consistency import check_kind, check_names
from dlogreg.storage.entries import (
    Entries,
    InvalidError,
    as_flag,
    as_label,
    as_list,
    as_number,
    as_object,
    as_one_of,
    as_optional_number,
    as_size,
    as_text,
    shown,
)
from dlogreg.storage.schema import (
    ADDED_KEYS,
    ADDED_PASS_KEYS,
    CHECKSUM,
    COLUMN_SCALARS,
    COLUMN_SUMS,
    COSTS,
    COVARIANCES,
    INTEGERS,
    KEYS,
    KIND,
    LEARNED,
    MULTINOMIAL,
    NUMBERS,
    PASS_KEYS,
    READABLE,
    TEXTS,
    TIMES,
    VECTORS,
    checksum,
)
from dlogreg.weights import WEIGHT_KINDS

if TYPE_CHECKING:
    from dlogreg.formula.recipe import Recipe

ADDED: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "cov_type": (as_one_of(COV_TYPES), "model"),
    "weight_kind": (as_one_of(WEIGHT_KINDS), "frequency"),
    "separation": (as_one_of(("", "complete", "quasi-complete")), ""),
    "limit_error_bound": (as_number, math.nan),
    "has_offset": (as_flag, False),
    "n_groups": (as_size, 0),
    "n_dropped": (as_size, 0),
    "firth": (as_flag, False),
    "l1_ratio": (as_number, 0.0),
    "bounded": (as_flag, False),
    "has_penalty_factor": (as_flag, False),
}
"""How entries are read that files of earlier versions lack, and what is meant then."""


def decode(entries: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of LogitResults or MultinomialResults."""
    kind = entries.get("kind")
    if kind not in (KIND, MULTINOMIAL):
        raise InvalidError(f"'kind' is {shown(kind)}, not {KIND!r} or {MULTINOMIAL!r}")
    check_schema(entries)
    binary = kind == KIND
    found = Entries(entries, KEYS, ADDED_KEYS)
    names = tuple(found.items("feature_names", as_text))
    shape: tuple[int, ...] = (len(names) + found.get("fit_intercept", as_flag),)
    if not binary:
        shape = (_n_lines(found), *shape)
    n_params = math.prod(shape)
    counts = found.items("class_counts", _label_count)
    fields = {
        **{key: found.get(key, as_number) for key in NUMBERS},
        **{key: found.get(key, as_size) for key in INTEGERS},
        **{key: found.get(key, as_text) for key in TEXTS},
        "feature_names": names,
        "separated": tuple(found.items("separated", as_text)),
        "classes": tuple(found.items("classes", as_label)),
        "class_counts": dict(counts),
        "fit_intercept": found.get("fit_intercept", as_flag),
        "status": found.get("status", _status),
        "dropped": found.get("dropped", _reasons),
        "trace": tuple(found.items("trace", read_pass)),
        "coefficients": found.vector("coefficients", n_params).reshape(shape),
        **{key: found.get(key, check, usual) for key, (check, usual) in ADDED.items()},
        **{key: _covariance(found, key, n_params) for key in COVARIANCES},
        **{key: _vector(found, key, n_params) for key in VECTORS},
        "column_sums": _column_sums(found, n_params),
        "indicators": _indicators(found),
        "recipe": stored_recipe(found, names),
    }
    check_kind(fields, binary=binary)
    check_names(fields, binary=binary)
    check_sum(found)
    return fields


def check_schema(entries: Mapping[str, Any]) -> None:
    """Refuse files of a schema that this version does not read."""
    schema = entries.get("schema")
    if schema not in READABLE or isinstance(schema, bool):
        raise InvalidError(
            f"its schema is {shown(schema)}, and this version of dlogreg reads schema "
            f"{' and '.join(map(str, READABLE))}; install the version that saved it"
        )


def check_sum(found: Entries) -> None:
    """Refuse entries that are not those saved, however valid they look."""
    if CHECKSUM not in found.entries:  # earlier versions wrote none
        return
    if found.get(CHECKSUM, as_text) != checksum(found.entries):
        raise InvalidError(
            "its entries are not those that were saved: it was damaged, or changed by "
            f"hand; restore it, or remove the entry {CHECKSUM!r} if that was meant"
        )


def stored_recipe(found: Entries, names: tuple[str, ...]) -> Recipe | None:
    """Return the recipe of a formula; its room is entered where there is one."""
    if found.is_null("formula"):
        return None
    intercept = found.get("fit_intercept", as_flag)
    read = import_module("dlogreg.formula.stored").read_recipe
    recipe: Recipe = found.get("formula", partial(read, fit_intercept=intercept))
    if recipe.feature_names != names:
        raise InvalidError("'formula' makes other columns than 'feature_names'")
    return recipe


def _n_lines(found: Entries) -> int:
    """Return how many classes have coefficients: all of them under a penalty."""
    n_classes = len(found.get("classes", as_list))
    return max(0, n_classes - (found.get("alpha", as_number) == 0))


def _vector(found: Entries, key: str, n_params: int) -> FloatArray | None:
    return None if found.is_null(key) else found.vector(key, n_params)


def _covariance(found: Entries, key: str, n_params: int) -> FloatArray | None:
    """Return a symmetric matrix, of which the lower triangle is written."""
    if found.is_null(key):
        return None
    triangle = found.vector(key, n_params * (n_params + 1) // 2)
    full = np.zeros((n_params, n_params))
    full[np.tril_indices(n_params)] = triangle
    return full + np.tril(full, -1).T


def _column_sums(found: Entries, n_params: int) -> ColumnSums | None:
    if found.is_null("column_sums"):
        return None
    keys = frozenset((*COLUMN_SUMS, *COLUMN_SCALARS))
    sums = Entries(found.get("column_sums", as_object), keys)
    vectors = {key: sums.vector(key, n_params) for key in COLUMN_SUMS}
    scalars = {key: sums.get(key, as_number) for key in COLUMN_SCALARS}
    fields: dict[str, Any] = {**vectors, **scalars}
    return ColumnSums(**fields)


def _indicators(found: Entries) -> tuple[str, ...] | None:
    if found.is_null("indicators"):
        return None
    return tuple(found.items("indicators", as_text))


def _label_count(value: Any) -> tuple[Label, int]:
    pair = as_list(value)
    if len(pair) != 2:
        raise InvalidError(f"must be a label and a count, not {shown(value)}")
    return as_label(pair[0]), as_size(pair[1])


def _status(value: Any) -> Status:
    name = as_text(value)
    if name not in Status.__members__:
        raise InvalidError(f"is unknown: {shown(value)}")
    return Status[name]


def _reasons(value: Any) -> dict[str, str]:
    reasons = as_object(value)
    return {name: as_text(reason) for name, reason in reasons.items()}


def read_pass(value: Any) -> PassRecord:
    """Return what a pass did and cost."""
    found = Entries(as_object(value), PASS_KEYS, ADDED_PASS_KEYS)
    costs: dict[str, Any] = {key: found.get(key, as_size) for key in COSTS}
    costs.update((key, found.get(key, as_number, 0.0)) for key in TIMES)
    costs["n_retries"] = found.get("n_retries", as_size, 0)
    learned = {key: found.get(key, as_optional_number) for key in LEARNED}
    return PassRecord(
        found.get("number", as_size),
        found.get("kind", as_text),
        found.get("seconds", as_number),
        Tally(**costs),
        **learned,
        n_threads=found.get("n_threads", as_size, 0),
    )
