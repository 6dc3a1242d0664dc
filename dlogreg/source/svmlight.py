"""Text of svmlight's and LIBSVM's form, in batches of compressed rows.

A line is ``label column:value column:value ... # comment``, the columns rising; those
that are not named are 0. All lines of a batch are parsed at once by numpy, and one by
one only to find the line that is wrong.
"""

from __future__ import annotations

import gzip
import os
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dlogreg.errors import DataError
from dlogreg.evaluation import FloatArray
from dlogreg.source.files import DataFile
from dlogreg.source.remote import is_of_access, reason

ENDINGS = tuple(
    name + packed for name in (".svm", ".svmlight", ".libsvm") for packed in ("", ".gz")
)
BATCH_BYTES = 2**22
"""Bytes of text that are parsed at once; it takes some ten times as much memory."""
MOST_COLUMNS = 2**31 - 1
NUMBER = rb"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
LINE = re.compile(rb"\s*" + NUMBER + rb"(?:\s+\d+:" + NUMBER + rb")*\s*")


@dataclass(frozen=True, slots=True, eq=False)
class CompressedRows:
    """Consecutive rows, of which only what is not 0 is stored."""

    labels: FloatArray
    counts: npt.NDArray[np.int64]
    """Stored values of every row."""
    columns: npt.NDArray[np.int32]
    values: npt.NDArray[Any]
    share: float
    """How much of the text has been read."""


@dataclass(frozen=True, slots=True, eq=False)
class SvmlightText:
    """Files of such text, one after the other."""

    files: tuple[DataFile, ...]
    dtype: np.dtype[Any]
    first_column: int = 1

    def batches(self) -> Iterator[CompressedRows]:
        """Read everything once, in bounded memory."""
        for position, file in enumerate(self.files):
            line = 0
            for lines, share in _read(file):
                done = (position + share) / len(self.files)
                kept = [text.partition(b"#")[0] for text in lines]
                if any(text.strip() for text in kept):
                    yield self._parsed(kept, file, line, done)
                line += len(lines)

    def _parsed(
        self, lines: list[bytes], file: DataFile, first: int, share: float
    ) -> CompressedRows:
        """Parse lines, of which ``first`` came before in the file."""
        numbers = [first + i for i, text in enumerate(lines) if text.strip()]
        kept = [text for text in lines if text.strip()]
        for number, text in zip(numbers, kept, strict=True):
            if LINE.fullmatch(text) is None:
                raise DataError(_malformed(text, f"line {number + 1} of {file}"))
        counts = np.array([text.count(b":") for text in kept], dtype=np.int64)
        parsed = np.array(b" ".join(kept).replace(b":", b" ").split(), dtype=bytes)
        every = parsed.astype(np.float64)
        starts = np.concatenate([[0], np.cumsum(1 + 2 * counts)[:-1]])
        is_label = np.zeros(len(every), dtype=bool)
        is_label[starts] = True
        pairs = every[~is_label].reshape(-1, 2)
        columns = pairs[:, 0] - self.first_column
        with np.errstate(over="ignore"):
            values = pairs[:, 1].astype(self.dtype)
        rows = np.repeat(np.arange(len(kept)), counts)

        def where(bad: npt.NDArray[np.bool_]) -> str:
            row = int(rows[np.flatnonzero(bad)[0]])
            return f"line {numbers[row] + 1} of {file}"

        self._check(columns, values, rows, where)
        return CompressedRows(
            every[is_label], counts, columns.astype(np.int32), values, share
        )

    def _check(
        self, columns: FloatArray, values: FloatArray, rows: Any, where: Any
    ) -> None:
        if (columns < 0).any():
            raise DataError(
                f"{where(columns < 0)} names column 0, and columns are counted from "
                "1; give zero_based=True (--zero-based) if they begin at 0"
            )
        if (columns >= MOST_COLUMNS).any():
            raise DataError(
                f"{where(columns >= MOST_COLUMNS)} names a column beyond "
                f"{MOST_COLUMNS:,}; hash the columns into fewer"
            )
        falls = np.zeros(len(columns), dtype=bool)
        falls[1:] = (np.diff(columns) <= 0) & (np.diff(rows) == 0)
        if falls.any():
            raise DataError(
                f"{where(falls)} names a column twice, or not in rising order; sort "
                "the columns of every line, and add up those that are the same"
            )
        if not np.isfinite(values).all():
            raise DataError(
                f"{where(~np.isfinite(values))} has a value too large for "
                f"{values.dtype}; divide the column, or use float64"
            )


def _malformed(text: bytes, place: str) -> str:
    """Say what is wrong with a line."""
    shown = text.strip()[:60].decode("utf-8", "replace")
    if b"qid:" in text:
        return f"{place} has a qid, which is for ranking; remove it"
    if "," in shown.split(" ")[0]:
        return f"{place} has several labels ({shown!r}); keep one"
    return (
        f"{place} is not of the form 'label column:value ...' with finite numbers "
        f"and columns that are whole: {shown!r}"
    )


def _read(file: DataFile) -> Iterator[tuple[list[bytes], float]]:
    """Yield whole lines and the share that is read."""
    try:
        with file.open(in_order=True) as handle:
            size = max(1, handle.seek(0, os.SEEK_END))
            handle.seek(0)
            packed = file.name.endswith(".gz")
            text: Any = gzip.GzipFile(fileobj=handle) if packed else handle
            while lines := text.readlines(BATCH_BYTES):
                yield lines, min(1.0, handle.tell() / size)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{file} cannot be read: {error}") from error
    except Exception as error:
        if not file.is_remote or not is_of_access(error):
            raise
        raise DataError(f"{file} cannot be read ({reason(error)})") from error
