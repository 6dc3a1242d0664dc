"""Parquet files, read row group by row group, the needed columns alone."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from dlogreg.errors import DataError
from dlogreg.evaluation import Label
from dlogreg.extras import require
from dlogreg.formula.columns import (
    Column,
    Levels,
    Numbers,
    TableBlock,
    arrow_column,
    arrow_kind,
)

ENDINGS = (".parquet", ".parq", ".pq")


@dataclass(frozen=True, slots=True)
class StampedFile:
    """A file as it was when the fit began."""

    path: str
    size: int
    changed: int
    """Nanoseconds."""
    keys: tuple[tuple[str, Label], ...] = ()
    """Columns that are kept in the names of its folders."""

    @classmethod
    def of(cls, path: str, keys: Mapping[str, Label]) -> StampedFile:
        """Take the stamp of a file."""
        state = os.stat(path)
        return cls(path, state.st_size, state.st_mtime_ns, tuple(keys.items()))

    def check(self) -> None:
        """Refuse a file that is not the same any more."""
        try:
            state = os.stat(self.path)
        except OSError as error:
            raise DataError(
                f"{self.path} cannot be read any more ({error.strerror}); keep the "
                "files in place until the fit is done"
            ) from error
        if (state.st_size, state.st_mtime_ns) != (self.size, self.changed):
            raise DataError(
                f"{self.path} has changed since the fit began, so that its passes "
                "would not see the same rows; fit again when nobody writes to it"
            )


@dataclass(frozen=True, slots=True, eq=False)
class ParquetTable:
    """Row groups of Parquet files, one block each."""

    files: tuple[StampedFile, ...]
    groups: tuple[tuple[int, int, int, int], ...]
    """File, row group in it, rows, and bytes of the needed columns."""
    names: tuple[str, ...]
    inputs: tuple[Any, ...] = ()

    @property
    def n_blocks(self) -> int:
        """Number of row groups."""
        return len(self.groups)

    @property
    def row_counts(self) -> tuple[int, ...]:
        """Rows of every row group."""
        return tuple(n_rows for _, _, n_rows, _ in self.groups)

    @property
    def largest_bytes(self) -> int:
        """Decoded bytes of the largest row group, 8 for every value at least."""
        return max((size for *_, size in self.groups), default=0)

    def take(self, start: int, stop: int) -> ParquetTable:
        """Return the recipe of these row groups alone."""
        groups = self.groups[start:stop]
        used = sorted({file for file, *_ in groups})
        place = {file: i for i, file in enumerate(used)}
        return replace(
            self,
            files=tuple(self.files[file] for file in used),
            groups=tuple((place[file], g, n, size) for file, g, n, size in groups),
        )

    def narrowed(self, needed: Sequence[str]) -> ParquetTable:
        """Return the needed columns, of the same kind in all files."""
        kinds: dict[str, tuple[str, Any, str]] = {}
        groups = []
        for i, file in enumerate(self.files):
            opened = _open(file)
            schema = opened.schema_arrow
            for name in needed:
                if name not in dict(file.keys):
                    _check_kind(kinds, name, schema.field(name).type, file.path)
            groups += _groups(i, opened.metadata, needed)
        if not sum(n_rows for _, _, n_rows, _ in groups):
            raise DataError(f"{self.files[0].path} has zero rows; nothing to fit")
        return ParquetTable(self.files, tuple(groups), tuple(needed))

    def open(self, inputs: tuple[Any, ...]) -> Callable[[int], TableBlock]:
        """Return a function that reads a row group."""
        last: list[tuple[int, Any]] = []

        def load(i: int) -> TableBlock:
            number, group, n_rows, _ = self.groups[i]
            file = self.files[number]
            file.check()
            if not last or last[0][0] != number:
                last[:] = [(number, _open(file))]
            source = f"row group {group} of {file.path}"
            return _read(last[0][1], file, group, self.names, source, n_rows)

        return load


def _check_kind(
    kinds: dict[str, tuple[str, Any, str]], name: str, found: Any, path: str
) -> None:
    """Refuse a column that is text in one file and numbers in another."""
    try:
        kind = arrow_kind(found, name)
    except DataError as error:
        raise DataError(f"{error} (in {path})") from None
    if kind == "nothing":
        return
    first_kind, first_type, first_path = kinds.setdefault(name, (kind, found, path))
    if first_kind != kind:
        raise DataError(
            f"column {name!r} has type {first_type} in {first_path}, but {found} in "
            f"{path}; write it with one type in all files"
        )


def _groups(file: int, metadata: Any, needed: Sequence[str]) -> list[Any]:
    groups = []
    for g in range(metadata.num_row_groups):
        group = metadata.row_group(g)
        columns = [group.column(j) for j in range(group.num_columns)]
        named = [c for c in columns if c.path_in_schema in needed]
        size = sum(max(c.total_uncompressed_size, 8 * group.num_rows) for c in named)
        groups.append((file, g, group.num_rows, size))
    return groups


def _open(file: StampedFile) -> Any:
    """Return an open file of pyarrow."""
    parquet = require("pyarrow.parquet", "frames")
    arrow = require("pyarrow", "frames")
    try:
        return parquet.ParquetFile(file.path, page_checksum_verification=True)
    except (arrow.ArrowException, OSError) as error:
        raise DataError(
            f"{file.path} is not a Parquet file, or is truncated: {error}"
        ) from error


def _read(
    opened: Any,
    file: StampedFile,
    group: int,
    names: Sequence[str],
    source: str,
    n_rows: int,
) -> TableBlock:
    arrow = require("pyarrow", "frames")
    keys = dict(file.keys)
    stored = [name for name in names if name not in keys]
    try:
        table = opened.read_row_group(group, columns=stored, use_threads=False)
        if table.num_rows != n_rows:
            raise OSError(f"{table.num_rows} rows instead of {n_rows}")
        columns = {
            name: _key(keys[name], n_rows)
            if name in keys
            else arrow_column(table.column(name), name)
            for name in names
        }
    except (arrow.ArrowException, OSError) as error:
        broken = _broken(opened, group, stored, arrow)
        raise DataError(
            f"{broken} in {source} cannot be read: it is truncated or corrupt "
            f"({error}); write the file again, or leave it out"
        ) from error
    return TableBlock(columns, n_rows, source)


def _broken(opened: Any, group: int, names: Sequence[str], arrow: Any) -> str:
    """Return the first column that cannot be read by itself."""
    for name in names:
        try:
            opened.read_row_group(group, columns=[name], use_threads=False)
        except (arrow.ArrowException, OSError):
            return f"column {name!r}"
    return "some column"


def _key(value: Label, n_rows: int) -> Column:
    """Return a column that is kept in the name of a folder."""
    if isinstance(value, str):
        return Levels(np.zeros(n_rows, dtype=np.intp), (value,))
    return Numbers(np.full(n_rows, value))


def open_path(path: str) -> ParquetTable:
    """Open a Parquet file, a folder of them, or a pattern."""
    if "://" in path:
        raise DataError(
            f"{path} is not a local path; open it with dask, or copy it here"
        )
    if Path(path).is_dir():
        found = sorted(
            str(file)
            for file in Path(path).rglob("*")
            if file.name.lower().endswith(ENDINGS) and file.is_file()
        )
        if not found:
            raise DataError(f"folder {path} holds no Parquet files (*.parquet)")
        for file in found:
            keys = [p for p in Path(file).relative_to(path).parts[:-1] if "=" in p]
            if keys:
                raise DataError(
                    f"{path} keeps column {keys[0].partition('=')[0]!r} in the names "
                    f"of its folders; give pyarrow.dataset.dataset({path!r}, "
                    'partitioning="hive")'
                )
    else:
        found = [path] if Path(path).exists() else sorted(glob.glob(path))
        if not found:
            raise DataError(f"there is no file {path}; check the path")
        for file in found:
            if not file.lower().endswith(ENDINGS):
                raise DataError(
                    f"{file} is not Parquet by its name (*.parquet); read other files "
                    "with pandas or dask, or turn them into Parquet"
                )
    return _table([StampedFile.of(str(Path(file).absolute()), {}) for file in found])


def open_dataset(dataset: Any) -> ParquetTable:
    """Open a dataset of pyarrow whose files are local Parquet files."""
    arrow = require("pyarrow.dataset", "frames")
    files = []
    for fragment in dataset.get_fragments():
        local = getattr(getattr(fragment, "filesystem", None), "type_name", "")
        if not isinstance(fragment, arrow.ParquetFileFragment) or local != "local":
            raise DataError(
                "the dataset must be of local Parquet files, which is not the case for "
                f"{getattr(fragment, 'path', 'its data')}; give a dask dataframe"
            )
        keys = arrow.get_partition_keys(fragment.partition_expression)
        files.append(StampedFile.of(str(Path(fragment.path).absolute()), keys))
    if not files:
        raise DataError("the dataset has no files; check its path")
    return _table(files)


def _table(files: list[StampedFile]) -> ParquetTable:
    """Return all columns of files that have the same ones."""
    first = [*_names(files[0]), *dict(files[0].keys)]
    for file in files[1:]:
        names = [*_names(file), *dict(file.keys)]
        if sorted(names) != sorted(first):
            differing = sorted(set(names) ^ set(first))
            raise DataError(
                f"{file.path} has other columns than {files[0].path}: "
                f"{', '.join(map(repr, differing[:5]))} in one of them only"
            )
    return ParquetTable(tuple(files), (), tuple(first))


def _names(file: StampedFile) -> list[str]:
    names = list(_open(file).schema_arrow.names)
    repeated = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if repeated:
        raise DataError(
            f"column name {repeated[0]!r} occurs twice in {file.path}; names must "
            "differ"
        )
    return names
