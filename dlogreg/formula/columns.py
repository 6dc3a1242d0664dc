"""Raw columns of a table, one block at a time: numbers, or codes of levels."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from dlogreg.errors import DataError
from dlogreg.evaluation import Label
from dlogreg.extras import require
from dlogreg.source.arrow_text import dictionary_values

Values = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]
Index = npt.NDArray[np.intp]
Codes = npt.NDArray[np.signedinteger[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class Numbers:
    """A column of numbers or truth values."""

    values: Values
    missing: Mask | None = None

    def take(self, rows: slice | Index) -> Numbers:
        """Return some rows."""
        missing = None if self.missing is None else self.missing[rows]
        return Numbers(self.values[rows], missing)

    @property
    def kind(self) -> str:
        """What messages call it."""
        return "truth values" if self.values.dtype.kind == "b" else "numbers"

    @property
    def nbytes(self) -> int:
        """Bytes in memory."""
        return int(self.values.nbytes)


@dataclass(frozen=True, slots=True, eq=False)
class Levels:
    """A column of labels: a code for every row, and what the codes stand for."""

    codes: Codes
    """-1 where the value is missing; as they are stored."""
    values: tuple[Label, ...]
    ordered: bool = False
    """The order of ``values`` is the user's: that of a pandas categorical."""

    def take(self, rows: slice | Index) -> Levels:
        """Return some rows."""
        return replace(self, codes=self.codes[rows])

    @property
    def missing(self) -> Mask | None:
        """Where the value is missing."""
        missing = self.codes < 0
        return missing if missing.any() else None

    @property
    def kind(self) -> str:
        """What messages call it."""
        return "text" if all(isinstance(v, str) for v in self.values) else "categories"

    @property
    def nbytes(self) -> int:
        """Bytes of the codes."""
        return int(self.codes.nbytes)


Column = Numbers | Levels


@dataclass(frozen=True, slots=True, eq=False)
class TableBlock:
    """Consecutive rows of a table, the needed columns alone."""

    columns: Mapping[str, Column]
    n_rows: int
    source: str = ""
    """Where the rows lie: "partition 3", "row group 0 of flights.parquet"."""
    first_row: int = 0
    """Position of the first row there."""
    kept: Index | None = field(default=None)
    """Positions of the rows before some were left out."""

    def __len__(self) -> int:
        """Return the number of rows."""
        return self.n_rows

    @property
    def nbytes(self) -> int:
        """Bytes of all columns."""
        return sum(column.nbytes for column in self.columns.values())

    def take(self, rows: slice | Index) -> TableBlock:
        """Return some rows, which still know their places."""
        columns = {name: column.take(rows) for name, column in self.columns.items()}
        if isinstance(rows, slice):
            low, high, _ = rows.indices(self.n_rows)
            kept = None if self.kept is None else self.kept[rows]
            first = self.first_row + (low if kept is None else 0)
            return TableBlock(columns, max(0, high - low), self.source, first, kept)
        kept = rows if self.kept is None else self.kept[rows]
        return TableBlock(columns, len(rows), self.source, self.first_row, kept)

    def place(self, row: int) -> str:
        """Name a row for an error message."""
        row = row if self.kept is None else int(self.kept[row])
        text = f"row {self.first_row + row}"
        return f"{text} of {self.source}" if self.source else text

    def missing(self, names: tuple[str, ...]) -> dict[str, Mask]:
        """Return where the named columns are missing, of those that are."""
        found = {}
        for name in names:
            mask = self.columns[name].missing
            if mask is not None and mask.any():
                found[name] = mask
        return found


def series_column(series: Any, name: str) -> Column:
    """Return a pandas series as a column."""
    dtype = series.dtype
    if hasattr(dtype, "pyarrow_dtype"):
        return _arrow_series(series, name)
    if hasattr(dtype, "categories"):
        return _categories(series, name)
    if isinstance(dtype, np.dtype):
        if dtype.kind in "biu":
            return Numbers(series.to_numpy())
        if dtype.kind == "f":
            return _floats(series.to_numpy())
        if dtype.kind != "O":
            raise _unsuitable(name, dtype)
    elif dtype.kind in "biuf":
        return _masked_numbers(series)
    elif dtype.kind not in "OU":
        raise _unsuitable(name, dtype)
    try:
        codes, values = require("pandas", "frames").factorize(series)
    except TypeError:  # of values without a hash, as lists
        first = next(v for v in series if not isinstance(v, Hashable))
        raise _unsuitable(name, type(first).__name__) from None
    return _objects(np.asarray(codes, np.intp), tuple(map(_plain, values)), name)


def _arrow_series(series: Any, name: str) -> Column:
    arrow = require("pyarrow", "frames")
    array = arrow.array(series)
    chunked = isinstance(array, arrow.ChunkedArray)
    return arrow_column(array if chunked else arrow.chunked_array([array]), name)


def _categories(series: Any, name: str) -> Levels:
    categories = series.dtype.categories
    values = tuple(map(_plain, categories))
    if not all(isinstance(value, bool | int | float | str) for value in values):
        raise _unsuitable(name, categories.dtype)
    return Levels(series.cat.codes.to_numpy(), values, ordered=True)


def _masked_numbers(series: Any) -> Numbers:
    """Return numbers of one of pandas' own types, which may lack some."""
    missing = np.asarray(series.isna(), dtype=bool)
    plain = {"b": np.bool_, "f": np.float64}.get(series.dtype.kind, np.int64)
    values = series.to_numpy(dtype=plain, na_value=plain(0))
    return Numbers(np.asarray(values), missing if missing.any() else None)


def _floats(values: Values) -> Numbers:
    missing = np.isnan(values)
    return Numbers(values, missing if missing.any() else None)


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _objects(codes: Index, values: tuple[Any, ...], name: str) -> Column:
    """Return a column of Python objects: text, or numbers after all."""
    if all(isinstance(value, str) for value in values):
        return Levels(codes, values)
    if all(isinstance(value, bool | int | float) for value in values):
        numbers = np.array([*map(float, values), 0.0])
        if all(isinstance(value, bool) for value in values):
            numbers = numbers.astype(bool)
        missing = codes < 0
        return Numbers(numbers[codes], missing if missing.any() else None)
    text = next((v for v in values if isinstance(v, str)), None)
    other = next(v for v in values if not isinstance(v, str))
    if text is None:
        raise _unsuitable(name, type(other).__name__)
    raise DataError(
        f"column {name!r} mixes text ({text!r}) with values of type "
        f"{type(other).__name__} ({other!r}); make them one type, for example with "
        "astype(str)"
    )


def _unsuitable(name: str, kind: Any) -> DataError:
    return DataError(
        f"column {name!r} has values of type {kind}, and a formula takes numbers, "
        "truth values, text and categories; convert it first"
    )


def arrow_kind(arrow_type: Any, name: str) -> str:
    """Return "numbers", "truth values", "text" or "nothing" for a type of pyarrow."""
    types = require("pyarrow", "frames").types
    if types.is_dictionary(arrow_type):
        return arrow_kind(arrow_type.value_type, name)
    if types.is_boolean(arrow_type):
        return "truth values"
    numeric = (types.is_integer, types.is_floating, types.is_decimal)
    if any(test(arrow_type) for test in numeric):
        return "numbers"
    text = (types.is_string, types.is_large_string, types.is_string_view)
    if any(test(arrow_type) for test in text):
        return "text"
    if types.is_null(arrow_type):
        return "nothing"
    raise _unsuitable(name, arrow_type)


def arrow_column(array: Any, name: str) -> Column:
    """Return a chunked array of pyarrow as a column."""
    arrow = require("pyarrow", "frames")
    types, kind = arrow.types, arrow_kind(array.type, name)
    coded = types.is_dictionary(array.type)
    if kind == "nothing":
        n_rows = len(array)
        return Numbers(np.zeros(n_rows), np.ones(n_rows, dtype=bool))
    if kind == "text" and not coded and not len(array):
        # before version 25 pyarrow makes no dictionary of no large texts
        return Levels(np.empty(0, dtype=np.intp), ())
    if kind == "text" or coded:
        return _dictionary(array if coded else array.dictionary_encode(), name)
    if types.is_decimal(array.type):
        array = array.cast(arrow.float64())
    missing = None
    if array.null_count:
        missing = array.is_null().to_numpy()
        array = array.fill_null(False if kind == "truth values" else 0)
    values = array.to_numpy()
    if values.dtype.kind == "f":
        undefined = np.isnan(values)
        if undefined.any():
            missing = undefined if missing is None else missing | undefined
    return Numbers(values, missing)


def _dictionary(array: Any, name: str) -> Levels:
    """Return a chunked array of codes and what they stand for."""
    array = array.unify_dictionaries().combine_chunks()
    if hasattr(array, "chunks"):  # older versions combine to one chunk
        array = array.chunk(0) if array.num_chunks else array.type
    indices = array.indices.fill_null(-1) if array.null_count else array.indices
    codes = indices.to_numpy(zero_copy_only=False)
    if codes.dtype.kind != "i":  # the last code must be -1
        codes = codes.astype(np.intp)
    return Levels(codes, dictionary_values(array.dictionary, name))
