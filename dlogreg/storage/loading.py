"""A file to the fields of results, every one checked."""

from __future__ import annotations

import json
import math
import os
import stat
from collections.abc import Mapping
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from dlogreg.evaluation import FloatArray, Label, PassRecord, Tally
from dlogreg.inference.sandwich import COV_TYPES
from dlogreg.kernel.closing_sums import ColumnSums
from dlogreg.solvers import Status
from dlogreg.storage.entries import (
    Entries,
    InvalidError,
    as_flag,
    as_label,
    as_list,
    as_number,
    as_object,
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
    GROUPED,
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


def read_model(path: str | os.PathLike[str]) -> tuple[str, dict[str, Any]]:
    """Return the kind and the fields of the results in a file, every one checked."""
    source = Path(path)
    try:
        entries = _parse(source)
        if entries.get("kind") == GROUPED:
            return GROUPED, import_module("dlogreg.storage.groups").decode_groups(
                entries
            )
        return str(entries.get("kind")), decode(entries)
    except InvalidError as error:
        raise ValueError(f"{source} is not a model saved by dlogreg: {error}") from None


def _parse(source: Path) -> dict[str, Any]:
    """Return the object in a JSON file."""
    if not source.exists():
        raise FileNotFoundError(f"there is no model at {source}; check the path")
    if source.is_dir():
        raise InvalidError("it is a directory")
    with open(source, "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise InvalidError("it is not a regular file")
        start = file.read(64)
        # a table of many gigabytes, given by mistake, is not read to its end
        if not start.lstrip().startswith(b"{"):
            raise InvalidError("it does not begin with '{', as a JSON object does")
        content = start + file.read()
    try:
        entries = json.loads(content.decode("utf-8"), parse_constant=_refuse_constant)
    except RecursionError:
        raise InvalidError("it is nested too deeply") from None
    except ValueError as error:
        raise InvalidError(f"it is not valid JSON ({error})") from None
    assert isinstance(entries, dict)
    return entries


def _refuse_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is not JSON")


def decode(entries: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of LogitResults or MultinomialResults."""
    kind = entries.get("kind")
    if kind not in (KIND, MULTINOMIAL):
        raise InvalidError(f"'kind' is {shown(kind)}, not {KIND!r} or {MULTINOMIAL!r}")
    check_schema(entries)
    found = Entries(entries, KEYS, ADDED_KEYS)
    names = tuple(found.items("feature_names", as_text))
    shape: tuple[int, ...] = (len(names) + found.get("fit_intercept", as_flag),)
    if kind == MULTINOMIAL:
        shape = (_n_lines(found), *shape)
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
        "coefficients": found.vector("coefficients", math.prod(shape)).reshape(shape),
        "covariance": _covariance(found, "covariance", math.prod(shape)),
        "cov_type": found.get("cov_type", _cov_type, "model"),
        "weight_kind": found.get("weight_kind", _weight_kind, "frequency"),
        "has_offset": found.get("has_offset", as_flag, False),
        "robust_covariance": _covariance(found, "robust_covariance", math.prod(shape)),
        "column_sums": _column_sums(found, math.prod(shape)),
        "indicators": _indicators(found),
        "firth": found.get("firth", as_flag, False),
        "l1_ratio": found.get("l1_ratio", as_number, 0.0),
        "bounded": found.get("bounded", as_flag, False),
        "has_penalty_factor": found.get("has_penalty_factor", as_flag, False),
        "separation": found.get("separation", _separation, ""),
        "limit_error_bound": found.get("limit_error_bound", as_number, float("nan")),
        **{key: _vector(found, key, math.prod(shape)) for key in VECTORS},
        "cluster_covariance": _covariance(
            found, "cluster_covariance", math.prod(shape)
        ),
        "n_groups": found.get("n_groups", as_size, 0),
        "n_dropped": found.get("n_dropped", as_size, 0),
        "recipe": stored_recipe(found, names),
    }
    _check_kind(fields, binary=kind == KIND)
    _check_names(fields, binary=kind == KIND)
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
    if found.entries.get("formula") is None:
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


def _check_names(fields: Mapping[str, Any], *, binary: bool) -> None:
    """Refuse entries that contradict each other."""
    names = set(fields["feature_names"])
    if len(names) != len(fields["feature_names"]):
        raise InvalidError("a name occurs twice in 'feature_names'")
    for key in ("dropped", "separated", "indicators"):
        unknown = [name for name in fields[key] or () if name not in names]
        if unknown:
            raise InvalidError(
                f"{key!r} names {shown(unknown[0])}, which is no feature"
            )
    classes, counts = fields["classes"], fields["class_counts"]
    right = len(classes) == 2 if binary else len(classes) > 2
    if not right or len(set(classes)) != len(classes):
        wanted = "two" if binary else "three or more"
        raise InvalidError(f"'classes' must be {wanted} different labels")
    if set(counts) != set(classes):
        raise InvalidError("'class_counts' must count the rows of every class")


def _check_kind(fields: Mapping[str, Any], *, binary: bool) -> None:
    """Refuse standard errors of a kind that the file lacks, or that cannot be."""
    kind, robust = fields["cov_type"], fields["robust_covariance"]
    if not binary and fields["has_offset"]:
        raise InvalidError("'has_offset' must be false for three or more classes")
    vectors = [fields[key] for key in VECTORS]
    separated = bool(fields["separation"])
    if any((vector is not None) is not separated for vector in vectors) or (
        separated and not binary
    ):
        raise InvalidError(
            "'separation', of two classes, must come with 'limit_coefficients' and "
            "'limit_direction', and they with it"
        )
    if not binary and fields["column_sums"] is not None:
        raise InvalidError("'column_sums' must be null for three or more classes")
    grouped = fields["cluster_covariance"]
    if not binary and (grouped is not None or fields["n_groups"]):
        raise InvalidError(
            "'cluster_covariance' and 'n_groups' must be null and 0 for three or more "
            "classes"
        )
    if grouped is not None and fields["n_groups"] < 2:
        raise InvalidError("'n_groups' must be 2 or more with 'cluster_covariance'")
    if kind == "cluster" and grouped is None and fields["covariance"] is not None:
        raise InvalidError("'cov_type' is 'cluster', and 'cluster_covariance' is null")
    if kind != "model" and robust is None and fields["covariance"] is not None:
        raise InvalidError(f"'cov_type' is {kind!r}, and 'robust_covariance' is null")


def _cov_type(value: Any) -> str:
    if value not in COV_TYPES:
        raise InvalidError(f"is unknown: {shown(value)}")
    return str(value)


def _weight_kind(value: Any) -> str:
    if value not in WEIGHT_KINDS:
        raise InvalidError(f"is unknown: {shown(value)}")
    return str(value)


def _separation(value: Any) -> str:
    if value not in ("", "complete", "quasi-complete"):
        raise InvalidError(f"is unknown: {shown(value)}")
    return str(value)


def _vector(found: Entries, key: str, n_params: int) -> FloatArray | None:
    if found.entries.get(key) is None:
        return None
    return found.vector(key, n_params)


def _covariance(found: Entries, key: str, n_params: int) -> FloatArray | None:
    if found.entries.get(key) is None:
        return None
    triangle = found.vector(key, n_params * (n_params + 1) // 2)
    full = np.zeros((n_params, n_params))
    full[np.tril_indices(n_params)] = triangle
    return full + np.tril(full, -1).T


def _column_sums(found: Entries, n_params: int) -> ColumnSums | None:
    if found.entries.get("column_sums") is None:
        return None
    keys = frozenset((*COLUMN_SUMS, *COLUMN_SCALARS))
    sums = Entries(found.get("column_sums", as_object), keys)
    vectors = {key: sums.vector(key, n_params) for key in COLUMN_SUMS}
    scalars = {key: sums.get(key, as_number) for key in COLUMN_SCALARS}
    fields: dict[str, Any] = {**vectors, **scalars}
    return ColumnSums(**fields)


def _indicators(found: Entries) -> tuple[str, ...] | None:
    if found.entries.get("indicators") is None:
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
