"""Rows that cannot be scored, refused with their place."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from dlogreg.errors import DataError
from dlogreg.evaluation import FloatArray, Label
from dlogreg.kernel import Rows, as_dense
from dlogreg.survey import check_labels, check_weights


def scorable(rows: Rows) -> Rows:
    """Return the rows of positive weight, with weights and labels checked."""
    check_weights(rows)
    rows = rows.positive()
    check_labels(rows)
    return rows


def class_positions(rows: Rows, classes: Sequence[Label]) -> npt.NDArray[np.intp]:
    """Return where every row's label stands among the classes."""
    own = np.full(len(rows), -1, dtype=np.intp)
    for k, label in enumerate(classes):
        own[np.asarray(rows.y == label)] = k
    unknown = np.flatnonzero(own < 0)
    if len(unknown):
        row = int(unknown[0])
        known = " and ".join(map(repr, classes[:5])) + ", ..." * (len(classes) > 5)
        label = rows.y[row : row + 1].tolist()[0]
        raise DataError(
            f"y is {label!r} in {rows.place(row)}, but the model knows {known}; "
            "leave such rows out, or give them weight 0"
        )
    return own


def check_scores(eta: FloatArray, rows: Rows, feature_names: Sequence[str]) -> None:
    """Refuse rows whose linear predictors, a line or one for every class, overflow."""
    finite = np.isfinite(eta)
    bad = np.flatnonzero(~(finite if eta.ndim == 1 else finite.all(axis=1)))
    if not len(bad):
        return
    row = int(bad[0])
    values = as_dense(rows.X[row : row + 1])[0].astype(float)
    columns = np.flatnonzero(~np.isfinite(values)).tolist()
    if not columns:
        raise DataError(
            f"{rows.place(row)} of X has values so large that its linear predictor "
            "overflows; scale them as they were for the fit"
        )
    kind = "NaN" if np.isnan(values[columns[0]]) else "infinity"
    raise DataError(
        f"column {feature_names[columns[0]]!r} holds {kind} in "
        f"{rows.place(row)} of X; remove or fill such rows, or give them weight 0"
    )
