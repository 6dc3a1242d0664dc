"""Compressed rows to the arrays of a group, batch by batch."""

from __future__ import annotations

from typing import Any

import numpy as np

from dlogreg.errors import DataError
from dlogreg.screen import WorkBar, bytes_text, count_text
from dlogreg.source.group_writer import GroupWriter
from dlogreg.source.sparse_store import ENCODING
from dlogreg.source.svmlight import SvmlightText
from dlogreg.survey import MAX_LABELS


def copy_compressed(
    text: SvmlightText, out: GroupWriter, bar: WorkBar
) -> dict[str, Any]:
    """Write the rows of a text; return the group's attributes, none without rows.

    Labels that are whole numbers in all rows are stored as such.
    """
    inside = out.group("X")
    labels: set[float] = set()
    n_rows = n_stored = n_columns = 0
    out.append(**{"X/indptr": np.zeros(1, dtype=np.int64)})
    for batch in text.batches():
        labels |= set(np.unique(batch.labels).tolist())
        if len(labels) > MAX_LABELS:
            raise DataError(
                f"{text.files[0]} has more than {MAX_LABELS} distinct labels: they "
                "look continuous; logistic regression needs labels"
            )
        borders = n_stored + np.cumsum(batch.counts)
        columns = {"X/indices": batch.columns, "X/data": batch.values}
        out.append(**{"X/indptr": borders, **columns, "y_numbers": batch.labels})
        n_rows, n_stored = n_rows + len(borders), n_stored + len(batch.values)
        n_columns = max(n_columns, int(batch.columns.max(initial=-1)) + 1)
        size = batch.values.itemsize + batch.columns.itemsize
        note = f"{count_text(n_rows)} rows, {bytes_text(n_stored * size)}"
        bar.reached(batch.share, note)
    if not n_rows:
        return {}
    if not n_stored:
        raise DataError(f"{text.files[0]} has labels and no values at all")
    whole = all(label == int(label) for label in labels)
    out.retype("y_numbers", "y", np.dtype(np.int64 if whole else np.float64))
    inside.attrs.update({"shape": [n_rows, n_columns], "encoding-type": ENCODING})
    classes = sorted(labels)
    return {"classes": [int(c) for c in classes] if whole else classes}
