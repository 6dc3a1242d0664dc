"""By-group models as a table with a line for every group."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dlogreg.display import html
from dlogreg.display.coefficients import CoefficientRow, shortened
from dlogreg.display.numerals import (
    count,
    criterion,
    data_size,
    printable,
    significant,
    upper_bound,
)
from dlogreg.display.summary import STRONGEST, Summary, method

if TYPE_CHECKING:
    from dlogreg.evaluation import FloatArray, Label
    from dlogreg.grouped.results import GroupedResults
    from dlogreg.results import LogitResults

MOST_COLUMNS = 6
"""So many coefficients have a column."""


def summarize_groups(results: GroupedResults) -> Summary:
    """Return what there is to say about by-group models."""
    rows = [
        _row(level, model, results.reasons.get(level, ""))
        for level, model in zip(results.levels, results.models, strict=True)
    ]
    fitted = [model for model in results.models if model is not None]
    how = f", {method(fitted[0])}" if fitted else ""
    n_done, n_groups = int(results.converged.sum()), len(results)
    largest = sorted(rows, key=lambda row: -row.strength)[:STRONGEST]
    return Summary(
        title=f"Logistic regressions by group{how}",
        model=(
            ("Groups", count(n_groups)),
            ("Rows", count(float(results.n_rows.sum()))),
            ("Event modeled", printable(repr(results.classes[-1]))),
            ("Coefficients of each", count(len(results.names))),
        ),
        quality=(
            ("Groups converged", count(n_done)),
            ("Groups without a model", count(len(results.reasons))),
            ("Log-likelihood, all", criterion(_total(results.llf))),
            ("Largest error bound", upper_bound(results.error_bound)),
        ),
        status=f"{n_done:,} of {n_groups:,} groups converged",
        columns=("rows", "log-lik", "ends", *results.names[:MOST_COLUMNS]),
        rows=tuple(shortened(rows)),
        notes=tuple(_notes(results)),
        heading="group",
        cost=(
            ("Passes over the data", count(results.n_passes)),
            ("Data read", data_size(results.bytes_read)),
            ("Peak memory", data_size(results.peak_memory)),
        ),
        succeeded=n_done == n_groups,
        strongest=tuple(largest) if n_groups > html.OPEN_ROWS else (),
        n_rows=n_groups,
        strength="largest, by rows",
        ratios=False,
    )


def _row(level: Label, model: LogitResults | None, reason: str) -> CoefficientRow:
    name = printable(str(level))
    if model is None:
        return CoefficientRow(name, remark=f"no model: {reason}")
    values = model.coefficients[:MOST_COLUMNS].tolist()
    cells = (
        count(model.n_rows),
        criterion(model.llf),
        model.status.value.split(":")[0].split(" at ")[0],
        *(significant(value, 5) for value in values),
    )
    return CoefficientRow(name, cells, strength=float(model.n_rows))


def _total(values: FloatArray) -> float:
    """Return the sum of what is known, NaN if nothing is."""
    known = values[~np.isnan(values)]
    return float(known.sum()) if len(known) else float("nan")


def _notes(results: GroupedResults) -> list[str]:
    if len(results.reasons) == len(results):
        return ["no group has a model: reasons tells why of each"]
    notes = ["res[level] is the model of a group with all that fit() tells"]
    hidden = len(results.names) - MOST_COLUMNS
    if hidden > 0:
        notes.append(f"{hidden} coefficients more: to_frame(), or params")
    return notes
