"""Parquet files, read row group by row group, the needed columns alone."""

from __future__ import annotations

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
from dlogreg.repeated_name import repeated_name
from dlogreg.source.files import NO_OPTIONS, DataFile, find_files
from dlogreg.source.remote import Options, is_of_access, reason

ENDINGS = (".parquet", ".parq", ".pq")


@dataclass(frozen=True, slots=True, eq=False)
class ParquetTable:
    """Row groups of Parquet files, one block each."""

    files: tuple[DataFile, ...]
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
                    _check_kind(kinds, name, schema.field(name).type, str(file))
            groups += _groups(i, opened.metadata, needed)
        if not sum(n_rows for _, _, n_rows, _ in groups):
            raise DataError(f"{self.files[0]} has zero rows; nothing to fit")
        return ParquetTable(self.files, tuple(groups), tuple(needed))

    def open(self, inputs: tuple[Any, ...]) -> Callable[[int], TableBlock]:
        """Return a function that reads a row group."""
        last: list[tuple[int, Any]] = []

        def load(i: int) -> TableBlock:
            number, group, n_rows, _ = self.groups[i]
            file = self.files[number]
            file.check()

            def read() -> Mapping[str, Column]:
                if not last or last[0][0] != number:
                    last[:] = [(number, _opened(file))]
                opened = last.pop()  # is kept only if all goes well
                columns = _read(opened[1], file, group, self.names, n_rows)
                last.append(opened)
                return columns

            source = f"row group {group} of {file}"
            columns = _guarded(read, file, group, self.names, source)
            return TableBlock(columns, n_rows, source)

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


def _opened(file: DataFile) -> Any:
    """Return an open file of pyarrow, or raise what pyarrow or the network raise."""
    parquet = require("pyarrow.parquet", "frames")
    return parquet.ParquetFile(
        file.open() if file.is_remote else file.path,
        pre_buffer=file.is_remote,  # one request for columns that lie together
        page_checksum_verification=True,
    )


def _open(file: DataFile) -> Any:
    """Return an open file of pyarrow."""
    arrow = require("pyarrow", "frames")
    try:
        return _opened(file)
    except Exception as error:
        if file.is_remote and is_of_access(error):
            raise DataError(f"{file} cannot be read ({reason(error)})") from error
        if not isinstance(error, arrow.ArrowException | OSError):
            raise
        raise DataError(
            f"{file} is not a Parquet file, or is truncated: {error}"
        ) from error


def _guarded(
    read: Callable[[], Mapping[str, Column]],
    file: DataFile,
    group: int,
    names: Sequence[str],
    source: str,
) -> Mapping[str, Column]:
    """Read a row group, and name what cannot be read."""
    arrow = require("pyarrow", "frames")
    try:
        return read()
    except DataError as error:
        raise DataError(f"{error} (in {source})") from error
    except Exception as error:
        if file.is_remote and is_of_access(error):
            raise DataError(f"{source} cannot be read ({reason(error)})") from error
        if not isinstance(error, arrow.ArrowException | OSError):
            raise
        stored = [name for name in names if name not in dict(file.keys)]
        broken = _broken(file, group, stored, arrow)
        raise DataError(
            f"{broken} in {source} cannot be read: it is truncated or corrupt "
            f"({error}); write the file again, or leave it out"
        ) from error


def _read(
    opened: Any, file: DataFile, group: int, names: Sequence[str], n_rows: int
) -> Mapping[str, Column]:
    keys = dict(file.keys)
    stored = [name for name in names if name not in keys]
    table = opened.read_row_group(group, columns=stored, use_threads=False)
    if table.num_rows != n_rows:
        raise OSError(f"{table.num_rows} rows instead of {n_rows}")
    return {
        name: _key(keys[name], n_rows)
        if name in keys
        else arrow_column(table.column(name), name)
        for name in names
    }


def _broken(file: DataFile, group: int, names: Sequence[str], arrow: Any) -> str:
    """Return the first column that cannot be read by itself."""
    for name in names:
        try:
            _opened(file).read_row_group(group, columns=[name], use_threads=False)
        except (arrow.ArrowException, OSError):
            return f"column {name!r}"
    return "some column"


def _key(value: Label, n_rows: int) -> Column:
    """Return a column that is kept in the name of a folder."""
    if isinstance(value, str):
        return Levels(np.zeros(n_rows, dtype=np.intp), (value,))
    return Numbers(np.full(n_rows, value))


def open_path(path: str, options: Options = NO_OPTIONS) -> ParquetTable:
    """Open a Parquet file, a folder of them, or a pattern, here or at an address."""
    return _table(find_files(path, ENDINGS, "Parquet", options))


def open_dataset(dataset: Any) -> ParquetTable:
    """Open a dataset of pyarrow whose files are local Parquet files."""
    arrow = require("pyarrow.dataset", "frames")
    files = []
    for fragment in dataset.get_fragments():
        place = _place(fragment)
        if not isinstance(fragment, arrow.ParquetFileFragment) or place is None:
            raise DataError(
                "the dataset must be of Parquet files, local or on a file system of "
                f"fsspec, unlike {getattr(fragment, 'path', 'its data')}; give the "
                "path or address of such files, or a dask dataframe"
            )
        keys = arrow.get_partition_keys(fragment.partition_expression)
        files.append(DataFile.of(place[0], keys, place[1]))
    if not files:
        raise DataError("the dataset has no files; check its path")
    return _table(files)


def _place(fragment: Any) -> tuple[str, Options] | None:
    """Return the path or address of a part of a dataset, and the options it needs."""
    system = getattr(fragment, "filesystem", None)
    if getattr(system, "type_name", "") == "local":
        return str(Path(fragment.path).absolute()), NO_OPTIONS
    inner = getattr(getattr(system, "handler", None), "fs", None)
    if inner is None:
        return None
    return inner.unstrip_protocol(fragment.path), dict(inner.storage_options)


def _table(files: list[DataFile]) -> ParquetTable:
    """Return all columns of files that have the same ones."""
    first = [*_names(files[0]), *dict(files[0].keys)]
    for file in files[1:]:
        names = [*_names(file), *dict(file.keys)]
        if sorted(names) != sorted(first):
            differing = sorted(set(names) ^ set(first))
            raise DataError(
                f"{file} has other columns than {files[0]}: "
                f"{', '.join(map(repr, differing[:5]))} in one of them only"
            )
    return ParquetTable(tuple(files), (), tuple(first))


def _names(file: DataFile) -> list[str]:
    names = list(_open(file).schema_arrow.names)
    repeated = repeated_name(names)
    if repeated is not None:
        raise DataError(
            f"column name {repeated!r} occurs twice in {file}; names must differ"
        )
    return names
