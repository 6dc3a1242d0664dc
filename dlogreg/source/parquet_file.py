"""A Parquet file in batches of rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from dlogreg.errors import DataError
from dlogreg.evaluation import FloatArray
from dlogreg.extras import require
from dlogreg.source.csv_file import TEXT_ADVICE


@dataclass(eq=False)
class ParquetFile:
    """A Parquet file, read by pyarrow."""

    path: Path
    _file: Any = field(init=False)
    _arrow: Any = field(init=False)

    def __post_init__(self) -> None:
        """Read the file's footer."""
        parquet = require("pyarrow.parquet", "frames")
        self._arrow = require("pyarrow", "frames")
        try:
            self._file = parquet.ParquetFile(self.path)
        except self._arrow.ArrowException as error:
            raise DataError(f"{self.path} is not a Parquet file: {error}") from error

    def names(self) -> list[str]:
        """Return the names of the columns."""
        return list(self._file.schema_arrow.names)

    def batches(
        self, numeric: Sequence[str], label: str, n_rows: int
    ) -> Iterator[tuple[dict[str, FloatArray], Any, float]]:
        """Yield the columns of so many rows at a time."""
        self._check_types(numeric)
        total, row = max(1, self._file.metadata.num_rows), 0
        columns = list(dict.fromkeys([*numeric, label]))
        batches = self._file.iter_batches(n_rows, columns=columns)
        try:
            for batch in batches:
                numbers = {name: self._numbers(batch[name]) for name in numeric}
                row += batch.num_rows
                yield numbers, self._labels(batch[label], label), row / total
        except (self._arrow.ArrowException, OSError) as error:
            raise DataError(f"{self.path} cannot be read: {error}") from error

    def _check_types(self, numeric: Sequence[str]) -> None:
        types, schema = self._arrow.types, self._file.schema_arrow
        for name in numeric:
            kind = schema.field(name).type
            known = (types.is_integer, types.is_floating, types.is_boolean)
            if not any(is_kind(kind) for is_kind in (*known, types.is_decimal)):
                raise DataError(
                    f"column {name!r} of {self.path} is not numeric (type {kind}); "
                    + TEXT_ADVICE
                )

    def _numbers(self, column: Any) -> FloatArray:
        doubles = column.cast(self._arrow.float64())
        return np.asarray(doubles.to_numpy(zero_copy_only=False), dtype=np.float64)

    def _labels(self, column: Any, name: str) -> Any:
        types = self._arrow.types
        if types.is_decimal(column.type):
            column = column.cast(self._arrow.float64())
        if not types.is_dictionary(column.type):
            column = column.dictionary_encode()
        values = column.dictionary.to_pylist()
        if not all(isinstance(value, (bool, int, float, str)) for value in values):
            raise DataError(
                f"column {name!r} of {self.path} has type {column.type.value_type}; "
                "labels must be bool, whole numbers, numbers or text"
            )
        codes = column.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        return tuple(values), codes.astype(np.intp)
