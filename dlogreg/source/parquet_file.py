"""Parquet and Arrow files in batches of rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dlogreg.errors import DataError
from dlogreg.evaluation import FloatArray
from dlogreg.extras import require
from dlogreg.source.arrow_text import dictionary_values
from dlogreg.source.csv_file import TEXT_ADVICE
from dlogreg.source.files import DataFile
from dlogreg.source.remote import is_of_access, reason


@dataclass(eq=False)
class ParquetFile:
    """A Parquet file, read by pyarrow."""

    file: DataFile
    kind: str = field(default="a Parquet file", init=False)
    _file: Any = field(init=False)
    _arrow: Any = field(init=False)
    _number: int = field(default=0, init=False)
    """Row group that is being read."""

    def __post_init__(self) -> None:
        """Read the file's footer."""
        self._arrow = require("pyarrow", "frames")
        require("pyarrow.parquet", "frames")
        try:
            self._file = self._open()
        except Exception as error:
            raise self._fault(error, f"is not {self.kind}") from error

    def _open(self) -> Any:
        parquet = require("pyarrow.parquet", "frames")
        path = self.file.open() if self.file.is_remote else self.file.path
        return parquet.ParquetFile(path, page_checksum_verification=True)

    def _fault(self, error: Exception, what: str) -> Exception:
        """Return what to raise for an error of pyarrow or of the network."""
        if self.file.is_remote and is_of_access(error):
            return DataError(f"{self.file} cannot be read ({reason(error)})")
        if isinstance(error, self._arrow.ArrowException | OSError):
            return DataError(f"{self.file} {what}: {error}")
        return error

    @property
    def _schema(self) -> Any:
        return self._file.schema_arrow

    def names(self) -> list[str]:
        """Return the names of the columns."""
        return list(self._schema.names)

    def batches(
        self, numeric: Sequence[str], coded: Sequence[str], n_rows: int
    ) -> Iterator[tuple[dict[str, FloatArray], dict[str, Any], float]]:
        """Yield the columns of so many rows at a time."""
        self._check_types(numeric)
        columns = list(dict.fromkeys([*numeric, *coded]))
        try:
            for batch, share in self._pieces(columns, n_rows):
                numbers = {name: self._numbers(batch[name]) for name in numeric}
                labels = {name: self._labels(batch[name], name) for name in coded}
                yield numbers, labels, share
        except Exception as error:
            if isinstance(error, DataError):
                raise
            where = f"in {self._what(numeric, columns)}{self.part} {self._number}"
            raise self._fault(error, f"cannot be read {where}") from error

    def _what(self, numeric: Sequence[str], columns: Sequence[str]) -> str:
        """Return the first column that cannot be read by itself, for a message."""
        for name in columns:
            try:
                column = self._part_of(self._number, [name]).column(0)
                if name in numeric:
                    column.cast(self._arrow.float64())
            except (self._arrow.ArrowException, OSError):
                return f"column {name!r} of "
        return ""

    def _part_of(self, number: int, columns: list[str]) -> Any:
        """Return these columns of a row group."""
        return self._file.read_row_group(number, columns=columns, use_threads=False)

    part = "row group"

    def _pieces(self, columns: list[str], n_rows: int) -> Iterator[tuple[Any, float]]:
        """Yield some rows of a row group, and the share read."""
        metadata = self._file.metadata
        total, row = max(1, metadata.num_rows), 0
        for group in range(metadata.num_row_groups):
            self._number = group
            batches = self._file.iter_batches(
                n_rows, row_groups=[group], columns=columns
            )
            for batch in batches:
                row += batch.num_rows
                yield batch, row / total

    def _check_types(self, numeric: Sequence[str]) -> None:
        types, schema = self._arrow.types, self._schema
        for name in numeric:
            kind = schema.field(name).type
            known = (types.is_integer, types.is_floating, types.is_boolean)
            if not any(is_kind(kind) for is_kind in (*known, types.is_decimal)):
                raise DataError(
                    f"column {name!r} of {self.file} is not numeric (type {kind}); "
                    + TEXT_ADVICE
                )

    def _numbers(self, column: Any) -> FloatArray:
        doubles = column.cast(self._arrow.float64())
        return np.asarray(doubles.to_numpy(zero_copy_only=False), dtype=np.float64)

    def _labels(self, column: Any, name: str) -> Any:
        types = self._arrow.types
        if types.is_null(column.type):
            return (), np.full(len(column), -1)
        if types.is_decimal(column.type):
            column = column.cast(self._arrow.float64())
        if not types.is_dictionary(column.type):
            column = column.dictionary_encode()
        try:
            values = dictionary_values(column.dictionary, name)
        except DataError as error:
            raise DataError(f"{error} (in {self.file})") from error
        if not all(isinstance(value, (bool, int, float, str)) for value in values):
            raise DataError(
                f"column {name!r} of {self.file} has type {column.type.value_type}; "
                "labels must be bool, whole numbers, numbers or text"
            )
        codes = column.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        return values, codes.astype(np.intp)


@dataclass(eq=False)
class ArrowFile(ParquetFile):
    """A file of Arrow's IPC format, Feather too, read by pyarrow."""

    kind: str = field(default="an Arrow file", init=False)
    part = "record batch"

    def _open(self) -> Any:
        ipc = require("pyarrow.ipc", "frames")
        if self.file.is_remote:
            return ipc.open_file(self.file.open())
        return ipc.open_file(self._arrow.memory_map(self.file.path))

    @property
    def _schema(self) -> Any:
        return self._file.schema

    def _pieces(self, columns: list[str], n_rows: int) -> Iterator[tuple[Any, float]]:
        total = self._file.num_record_batches
        for number in range(total):
            self._number = number
            batch = self._part_of(number, columns)
            for low in range(0, batch.num_rows, n_rows):
                yield batch.slice(low, n_rows), (number + 1) / total

    def _part_of(self, number: int, columns: list[str]) -> Any:
        return self._file.get_batch(number).select(columns)
