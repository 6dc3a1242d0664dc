"""By-group models to a file and back: entries of every model, and what they share."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from dlogreg.results import LogitResults
from dlogreg.storage.decoding import (
    check_schema,
    check_sum,
    decode,
    read_pass,
    stored_recipe,
)
from dlogreg.storage.entries import (
    Entries,
    InvalidError,
    as_flag,
    as_label,
    as_number,
    as_object,
    as_size,
    as_text,
    shown,
)
from dlogreg.storage.saving import (
    encode,
    encode_pass,
    formula_entries,
    plain_label,
    write_entries,
)
from dlogreg.storage.schema import (
    GROUP_FLAGS,
    GROUP_KEYS,
    GROUP_SIZES,
    GROUPED,
    KIND,
    SCHEMA,
)

if TYPE_CHECKING:
    from dlogreg.grouped.results import GroupedResults


def write_groups(
    results: GroupedResults, path: str | os.PathLike[str], *, overwrite: bool
) -> None:
    """Write by-group models to a file that did not exist, or replace it if told to."""
    places = {level: i for i, level in enumerate(results.levels)}
    entries = {
        "kind": GROUPED,
        "schema": SCHEMA,
        "levels": [plain_label(level) for level in results.levels],
        "by": results.by,
        "n_rows": results.n_rows.tolist(),
        "classes": [plain_label(label) for label in results.classes],
        "feature_names": list(results.feature_names),
        "tol": results.tol,
        **{key: bool(getattr(results, key)) for key in GROUP_FLAGS},
        **{key: int(getattr(results, key)) for key in GROUP_SIZES},
        "trace": [encode_pass(record) for record in results.trace],
        "formula": formula_entries(results.recipe),
        "reasons": {str(places[level]): t for level, t in results.reasons.items()},
        "models": [None if m is None else _encoded(m) for m in results.models],
    }
    write_entries(entries, path, overwrite=overwrite)


def _encoded(model: LogitResults) -> dict[str, Any]:
    return encode(replace(model, recipe=None, trace=()))


def decode_groups(entries: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of GroupedResults, every one checked."""
    check_schema(entries)
    found = Entries(entries, GROUP_KEYS)
    levels = tuple(found.items("levels", as_label))
    names = tuple(found.items("feature_names", as_text))
    classes = tuple(found.items("classes", as_label))
    recipe = stored_recipe(found, names)
    read = partial(_model, names=names, classes=classes)
    models = found.items("models", read)
    n_rows = found.items("n_rows", as_size)
    reasons = found.get("reasons", as_object)
    without = [str(i) for i, model in enumerate(models) if model is None]
    if not len(levels) == len(models) == len(n_rows) == len(set(levels)):
        raise InvalidError("'levels', 'models' and 'n_rows' do not go together")
    if list(reasons) != without:
        raise InvalidError("'reasons' are not those of the groups without a model")
    check_sum(found)
    by = entries["by"]
    return {
        "levels": levels,
        "models": tuple(m and replace(m, recipe=recipe) for m in models),
        "reasons": {levels[int(i)]: as_text(text) for i, text in reasons.items()},
        "n_rows": np.array(n_rows, dtype=np.int64),
        "classes": classes,
        "feature_names": names,
        "tol": found.get("tol", as_number),
        **{key: found.get(key, as_flag) for key in GROUP_FLAGS},
        **{key: found.get(key, as_size) for key in GROUP_SIZES},
        "trace": tuple(found.items("trace", read_pass)),
        "recipe": recipe,
        "by": None if by is None else found.get("by", as_text),
    }


def _model(
    value: Any, names: tuple[str, ...], classes: tuple[Any, ...]
) -> LogitResults | None:
    if value is None:
        return None
    entries = as_object(value)
    if entries.get("kind") != KIND:
        raise InvalidError(f"is of kind {shown(entries.get('kind'))}, not {KIND!r}")
    model = LogitResults(**decode(entries))
    if (model.feature_names, model.classes) != (names, classes):
        raise InvalidError("has other columns or classes than the others")
    return model
