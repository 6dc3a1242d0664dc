"""CSV or Parquet -> a Zarr group that is fast to fit, in one streaming read."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dlogreg.errors import DataError
from dlogreg.evaluation import Label
from dlogreg.screen import WorkBar, bytes_text, count_text
from dlogreg.source.group import CHUNK_BYTES, GroupWriter, StoredData, open_data
from dlogreg.source.tables import Batch, Table
from dlogreg.survey import LARGEST_OFFSET, MAX_LABELS, sort_labels

CODES = "y_codes"
"""Array of the labels' numbers in order of appearance, until all labels are known."""
DTYPES = ("float64", "float32")
WHOLE = re.compile(r"[+-]?\d{1,18}")
BOOLEANS = {"True": True, "TRUE": True, "true": True} | {
    "False": False,
    "FALSE": False,
    "false": False,
}


def convert(
    source_path: str | Path,
    target_path: str | Path,
    *,
    target: str,
    features: Sequence[str] | None = None,
    sample_weight: str | None = None,
    offset: str | None = None,
    chunk_bytes: int = CHUNK_BYTES,
    dtype: str = "float64",
    overwrite: bool = False,
    progress: bool | None = None,
) -> StoredData:
    """Write numeric columns of CSV or Parquet files to a Zarr group, reading once.

    The group holds ``X`` in chunks of whole rows, ``y``, and ``sample_weight`` and
    ``offset`` if asked for. It is written beside its place and moved there when it is
    complete, so that nothing half-written stays after an error. Memory does not grow
    with the data.

    Parameters
    ----------
    source_path : path
        A ``.csv``, ``.csv.gz`` or ``.parquet`` file, a folder of Parquet files, or a
        pattern such as ``flights-*.csv``. CSV files have names in the first line.
    target_path : path
        Where the group goes.
    target : str
        Column of the labels: bool, numbers or text, at most 100 different ones.
    features : sequence of str, optional
        Columns of X, in this order; default all but target, weights and offset.
    sample_weight : str, optional
        Column of the weights.
    offset : str, optional
        Column of the offsets.
    chunk_bytes : int
        Decoded bytes of a chunk of X; 8-16 MiB are read fastest.
    dtype : {"float64", "float32"}
        Type of X in the store.
    overwrite : bool
        Replace a Zarr store that is there already.
    progress : bool, optional
        Show a bar; default: on a terminal and in a notebook.

    Returns
    -------
    StoredData
        The arrays, not yet read.

    Raises
    ------
    DataError
        If a column is missing or not numeric, or a value is missing or infinite.
    """
    if dtype not in DTYPES:
        raise ValueError(f"dtype must be 'float64' or 'float32', not {dtype!r}")
    if chunk_bytes < 1:
        raise ValueError(f"chunk_bytes must be positive, not {chunk_bytes}")
    with GroupWriter(target_path, overwrite=overwrite, chunk_bytes=chunk_bytes) as out:
        table = Table.open(source_path)
        columns = _choose(table.names, target, features, sample_weight, offset)
        labels = _Labels(target)
        with WorkBar(f"converting {Path(source_path).name}", progress) as bar:
            n_rows = _copy(table, columns, labels, out, np.dtype(dtype), bar)
        if not n_rows:
            raise DataError(f"{source_path} has no rows below its names")
        classes = labels.store(out, typed=table.typed)
        out.commit(feature_names=list(columns.features), classes=classes)
    return open_data(target_path)


@dataclass(frozen=True, slots=True)
class _Columns:
    target: str
    features: tuple[str, ...]
    sample_weight: str | None
    offset: str | None = None

    @property
    def numeric(self) -> tuple[str, ...]:
        beside = (self.sample_weight, self.offset)
        return *self.features, *(name for name in beside if name is not None)


def _choose(
    names: Sequence[str],
    target: str,
    features: Sequence[str] | None,
    sample_weight: str | None,
    offset: str | None = None,
) -> _Columns:
    special = [n for n in (target, sample_weight, offset) if n is not None]
    if features is None:
        features = [name for name in names if name not in special]
    for name in (*special, *features):
        if name not in names:
            held = ", ".join(map(repr, names[:10])) + (", ..." if names[10:] else "")
            raise DataError(f"there is no column {name!r}; the columns are {held}")
    chosen = (*special, *features)
    twice = [name for name in dict.fromkeys(chosen) if chosen.count(name) > 1]
    if twice:
        raise DataError(
            f"column {twice[0]!r} is named twice among target, weights, offset "
            "and features; it can be only one of them"
        )
    if not features:
        raise DataError(f"there is no column besides {target!r} to predict it from")
    return _Columns(target, tuple(features), sample_weight, offset)


def _copy(
    table: Table,
    columns: _Columns,
    labels: _Labels,
    out: GroupWriter,
    dtype: np.dtype[Any],
    bar: WorkBar,
) -> int:
    n_rows = 0
    for batch in table.batches(columns.numeric, columns.target):
        X = _matrix(batch, columns.features, dtype)
        fields = {"X": X, CODES: labels.encode(batch)}
        if columns.sample_weight is not None:
            fields["sample_weight"] = _weights(batch, columns.sample_weight)
        if columns.offset is not None:
            fields["offset"] = _offsets(batch, columns.offset)
        out.append(**fields)
        n_rows += len(X)
        note = f"{count_text(n_rows)} rows, {bytes_text(n_rows * X[:1].nbytes)}"
        bar.reached(batch.share, note)
    return n_rows


def _matrix(
    batch: Batch, features: Sequence[str], dtype: np.dtype[Any]
) -> npt.NDArray[Any]:
    X = np.empty((len(batch.codes), len(features)), dtype=dtype)
    with np.errstate(over="ignore"):
        for j, name in enumerate(features):
            X[:, j] = batch.numbers[name]
    bad = ~np.isfinite(X)
    if bad.any():
        row, column = np.argwhere(bad)[0].tolist()
        value = float(batch.numbers[features[column]][row])
        raise DataError(_bad_value(batch, features[column], row, value, dtype))
    return X


def _bad_value(
    batch: Batch, name: str, row: int, value: float, dtype: np.dtype[Any]
) -> str:
    where = f"in {_place(batch, row)}"
    if math.isnan(value):
        return f"column {name!r} has no value {where}; remove or fill such rows first"
    if math.isinf(value):
        return f"column {name!r} is infinite {where}; remove or fill such rows first"
    return f"column {name!r} is {value:g} {where}, too large for {dtype}; use float64"


def _place(batch: Batch, row: int) -> str:
    return f"data row {batch.first_row + row} (counted from 0) of {batch.file}"


def _weights(batch: Batch, name: str) -> npt.NDArray[np.float64]:
    weights = batch.numbers[name]
    bad = ~(np.isfinite(weights) & (weights >= 0))
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise DataError(
            f"weight {name!r} is {weights[row]:g} in {_place(batch, row)}; weights "
            "must be finite and not negative"
        )
    return weights


def _offsets(batch: Batch, name: str) -> npt.NDArray[np.float64]:
    offsets = batch.numbers[name]
    bad = ~(np.abs(offsets) <= LARGEST_OFFSET)
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise DataError(
            f"offset {name!r} is {offsets[row]:g} in {_place(batch, row)}; offsets are "
            f"added to the log-odds and must be at most {LARGEST_OFFSET:g} in size"
        )
    return offsets


@dataclass(slots=True, eq=False)
class _Labels:
    """Numbers the labels in order of appearance, until all of them are known."""

    name: str
    _codes: dict[Label, int] = field(default_factory=dict)

    def encode(self, batch: Batch) -> npt.NDArray[np.uint8]:
        """Return the numbers of a batch's labels."""
        missing = [v is None or v != v for v in batch.values]
        bad = np.isin(batch.codes, [-1, *np.flatnonzero(missing).tolist()])
        if bad.any():
            row = int(np.flatnonzero(bad)[0])
            raise DataError(
                f"the target {self.name!r} has no value in {_place(batch, row)}; "
                "remove rows without an outcome first"
            )
        if len(batch.values) > MAX_LABELS or len(self._codes) > MAX_LABELS:
            raise DataError(self._too_many(batch.values))
        for value in batch.values:
            self._codes.setdefault(value, len(self._codes))
        if len(self._codes) > MAX_LABELS:
            raise DataError(self._too_many(self._codes))
        lookup = np.array([self._codes[v] for v in batch.values], dtype=np.uint8)
        return lookup[batch.codes]

    def _too_many(self, values: Any) -> str:
        some = ", ".join(map(repr, list(values)[:3]))
        return (
            f"the target {self.name!r} has more than {MAX_LABELS} distinct values "
            f"({some}, ...): it looks continuous; logistic regression needs labels"
        )

    def store(self, out: GroupWriter, *, typed: bool) -> list[Label]:
        """Write y in the labels' own type, or text as numbers; return the classes."""
        values = list(self._codes) if typed else parse_labels(list(self._codes))
        classes = sort_labels(set(values))
        attributes: dict[str, Any] = {}
        if isinstance(values[0], str):
            attributes["labels"] = classes
            values = [classes.index(value) for value in values]
            lookup = np.array(values, dtype=np.int8)
        else:
            lookup = np.array(values)
        out.translate(CODES, "y", lookup, attributes)
        return classes


def parse_labels(texts: Sequence[str]) -> list[Label]:
    """Return labels as bool, int or float if all of them are such, else as text."""
    if all(text in BOOLEANS for text in texts):
        return [BOOLEANS[text] for text in texts]
    if all(WHOLE.fullmatch(text) for text in texts):
        return [int(text) for text in texts]
    numbers = [_number(text) for text in texts]
    known = [number for number in numbers if number is not None]
    return list(texts) if len(known) < len(numbers) else known


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) and "_" not in text else None
