"""The fits of several outcomes to a file and back: entries of each, and their trace."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dlogreg.results import LogitResults
from dlogreg.storage.decoding import check_schema, check_sum, decode, read_pass
from dlogreg.storage.entries import (
    Entries,
    InvalidError,
    as_flag,
    as_label,
    as_object,
    shown,
)
from dlogreg.storage.saving import encode, encode_pass, plain_label, write_entries
from dlogreg.storage.schema import KIND, MANY, MANY_KEYS, SCHEMA

if TYPE_CHECKING:
    from dlogreg.outcomes.results import ManyResults


def write_many(
    results: ManyResults, path: str | os.PathLike[str], *, overwrite: bool
) -> None:
    """Write the fits to a file that did not exist, or replace it if told to."""
    entries = {
        "kind": MANY,
        "schema": SCHEMA,
        "labels": [plain_label(label) for label in results.labels],
        "one_vs_rest": results.one_vs_rest,
        "trace": [encode_pass(record) for record in results.trace],
        "models": [encode(replace(fit, trace=())) for fit in results.fits],
    }
    write_entries(entries, path, overwrite=overwrite)


def decode_many(entries: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of ManyResults, every one checked."""
    check_schema(entries)
    found = Entries(entries, MANY_KEYS)
    labels = tuple(found.items("labels", as_label))
    models = tuple(found.items("models", _model))
    if not len(labels) == len(models) == len(set(labels)) or not labels:
        raise InvalidError("'labels' and 'models' do not go together")
    if len({(one.feature_names, one.fit_intercept) for one in models}) > 1:
        raise InvalidError("'models' have not all the same columns")
    check_sum(found)
    trace = tuple(found.items("trace", read_pass))
    return {
        "labels": labels,
        "fits": tuple(replace(one, trace=trace) for one in models),
        "one_vs_rest": found.get("one_vs_rest", as_flag),
    }


def _model(value: Any) -> LogitResults:
    entries = as_object(value)
    if entries.get("kind") != KIND:
        raise InvalidError(f"is of kind {shown(entries.get('kind'))}, not {KIND!r}")
    return LogitResults(**decode(entries))
