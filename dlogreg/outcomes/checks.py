"""Rows of every outcome, counted in the first pass and judged after it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dlogreg.errors import DataError
from dlogreg.evaluation import Label
from dlogreg.kernel.outcomes import OutcomeCounts
from dlogreg.survey import SurveySums


def check_rows(sums: SurveySums) -> None:
    """Refuse rows of which none is left."""
    if sums.groups:
        return
    if sums.n_dropped:
        raise DataError(
            f"every one of the {sums.n_dropped:,} rows has a missing value in X, the "
            "weights or the offset, so that missing='drop' leaves nothing to fit; "
            "leave out the columns that are missing most"
        )
    raise DataError("there are no rows with a positive weight; nothing to fit")


def count_labels(sums: SurveySums, labels: Sequence[Label]) -> OutcomeCounts:
    """Return the rows of every label and of all others."""
    groups = [sums.groups[label] for label in labels]
    rows = np.array([group.n_rows for group in groups])
    weights = np.array([group.weight for group in groups])
    return OutcomeCounts(
        np.array([rows.sum() - rows, rows]),
        np.array([weights.sum() - weights, weights]),
        np.zeros(len(groups), dtype=np.int64),
    )


def check_both(labels: Sequence[Label], counts: OutcomeCounts) -> None:
    """Refuse outcomes that all rows have, or none."""
    alike = np.flatnonzero((counts.rows == 0).any(axis=0)).tolist()
    if not alike:
        return
    first = alike[0]
    without, with_event = counts.rows[:, first].tolist()
    what = "1 in every row" if with_event else "0 in every row"
    if not (without or with_event):
        what = "missing in every row"
    more = f", and {len(alike) - 1} other outcomes are alike" if len(alike) > 1 else ""
    raise DataError(
        f"outcome {labels[first]!r} is {what}{more}; logistic regression needs rows of "
        "both: leave such outcomes out"
    )
