"""Files on this machine or at an address, found by name, folder or pattern.

A file keeps the stamp it had when it was found, so that one that changes while it is
read again and again is noticed.
"""

from __future__ import annotations

import glob
import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from dlogreg.errors import DataError
from dlogreg.evaluation import Label
from dlogreg.source.remote import (
    Options,
    is_url,
    naming_faults,
    open_filesystem,
    reason,
    shown,
    stamp_of,
    with_retries,
)

READ_AHEAD = 2**23
"""Bytes that are fetched at once of a file that is read from beginning to end."""
NO_OPTIONS: Options = {}
NO_KEYS: Mapping[str, Label] = {}


@dataclass(frozen=True, slots=True)
class DataFile:
    """A file as it was when the fit began."""

    path: str
    """Absolute, or an address."""
    stamp: tuple[str, ...] = ()
    keys: tuple[tuple[str, Label], ...] = ()
    """Columns that are kept in the names of its folders."""
    options: Options = field(default_factory=dict, repr=False)
    """Of the file system; they may hold secrets."""

    @classmethod
    def of(
        cls,
        path: str,
        keys: Mapping[str, Label] = NO_KEYS,
        options: Options = NO_OPTIONS,
    ) -> DataFile:
        """Take the stamp of a file."""
        file = cls(path, (), tuple(keys.items()), options)
        try:
            with naming_faults(path):
                return replace(file, stamp=file._stamp())
        except OSError as error:
            message = f"{file} cannot be read ({file._reason(error)})"
            raise DataError(message) from error

    def __str__(self) -> str:
        """Return the path as messages show it."""
        return shown(self.path)

    @property
    def name(self) -> str:
        """Last part of the path, in small letters."""
        return _last_part(self.path)

    @property
    def changed(self) -> int:
        """Nanoseconds of its last change; 0 at an address, which has a checksum."""
        return 0 if self.is_remote else int(self.stamp[1])

    @property
    def is_remote(self) -> bool:
        """Whether it is read through a file system of fsspec."""
        return is_url(self.path)

    def open(self, *, in_order: bool = False) -> Any:
        """Open it for reading bytes, here and there unless ``in_order``."""
        if not self.is_remote:
            return open(self.path, "rb")
        system, path = open_filesystem(self.path, self.options)
        how: dict[str, Any] = {"cache_type": "none"}  # else far more is fetched
        if in_order:
            how = {"cache_type": "readahead", "block_size": READ_AHEAD}
        handle = PatientHandle(with_retries(lambda: system.open(path, "rb", **how)))
        return io.BufferedReader(handle, 2**20) if in_order else handle

    def check(self) -> None:
        """Refuse a file that is not the same any more."""
        try:
            stamp = self._stamp()
        except OSError as error:
            raise DataError(
                f"{self} cannot be read any more ({self._reason(error)}); keep the "
                "files in place until the fit is done"
            ) from error
        if stamp != self.stamp:
            raise DataError(
                f"{self} has changed since the fit began, so that its passes "
                "would not see the same rows; fit again when nobody writes to it"
            )

    def _stamp(self) -> tuple[str, ...]:
        if not self.is_remote:
            state = os.stat(self.path)
            return (str(state.st_size), str(state.st_mtime_ns))
        system, path = open_filesystem(self.path, self.options)

        def ask() -> tuple[str, ...]:
            system.invalidate_cache()
            return stamp_of(system.info(path))

        return with_retries(ask)

    def _reason(self, error: OSError) -> str:
        return reason(error) if self.is_remote else str(error.strerror)


class PatientHandle(io.RawIOBase):
    """An open file at an address; parts that fail for a moment are read again."""

    def __init__(self, handle: Any) -> None:
        self._handle = handle

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer as far as the file goes."""
        found = with_retries(lambda: self._handle.read(len(buffer)))
        buffer[: len(found)] = found
        return len(found)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to a position."""
        return int(self._handle.seek(offset, whence))

    def tell(self) -> int:
        """Return the position."""
        return int(self._handle.tell())

    def readable(self) -> bool:
        """Say yes."""
        return True

    def seekable(self) -> bool:
        """Say yes."""
        return True

    def close(self) -> None:
        """Close the file."""
        if not self.closed:
            self._handle.close()
        super().close()


def _last_part(path: str) -> str:
    where = urlsplit(path).path if is_url(path) else path
    return where.rstrip("/").rpartition("/")[2].lower()


def find_files(
    path: str, endings: Sequence[str], what: str, options: Options = NO_OPTIONS
) -> list[DataFile]:
    """Return a file, those of a folder, or those that match a pattern, in order.

    Parameters
    ----------
    path : str
        A local path or an address, with ``*`` for a pattern.
    endings : sequence of str
        What names of files may end in; others in a folder are left aside.
    what : str
        What such files are called in messages, such as "Parquet".
    options
        Of the file system.
    """
    if is_url(path):
        found, is_folder = _find_remote(path, endings, options)
    else:
        found, is_folder = _find_local(path, endings)
    where = shown(path)
    if is_folder:
        if not found:
            raise DataError(f"folder {where} holds no {what} files")
        for file in found:
            inside = file.removeprefix(path.rstrip("/")).strip("/").split("/")
            keys = [part for part in inside[:-1] if "=" in part]
            if keys:
                raise DataError(
                    f"{where} keeps column {keys[0].partition('=')[0]!r} in the names "
                    "of its folders, which are not read; write it into the files, or "
                    f"give fit_formula pyarrow.dataset.dataset({where!r}, "
                    'partitioning="hive")'
                )
    elif not found:
        raise DataError(f"there is no file {where}; check the path")
    for file in found:
        if not _last_part(file).endswith(tuple(endings)):
            raise DataError(
                f"{shown(file)} is not {what} by its name; it must end in one of "
                + ", ".join(endings)
            )
    absolute = [file if is_url(file) else str(Path(file).absolute()) for file in found]
    return [DataFile.of(file, options=options) for file in absolute]


def _find_local(path: str, endings: Sequence[str]) -> tuple[list[str], bool]:
    if not Path(path).is_dir():
        return ([path] if Path(path).exists() else sorted(glob.glob(path))), False
    inside = sorted(file for file in Path(path).rglob("*") if file.is_file())
    return [str(f) for f in inside if f.name.lower().endswith(tuple(endings))], True


def _find_remote(
    path: str, endings: Sequence[str], options: Options
) -> tuple[list[str], bool]:
    system, inside = open_filesystem(path, options)
    pattern = "*" in path
    if not pattern and _last_part(path).endswith(tuple(endings)):
        return [path], False
    try:
        with naming_faults(path):
            find = system.glob if pattern else system.find
            listed = with_retries(lambda: find(inside))
    except OSError as error:
        raise DataError(f"{shown(path)} cannot be read ({reason(error)})") from error
    full = [f if is_url(f) else system.unstrip_protocol(f) for f in sorted(listed)]
    if pattern:
        return full, False
    return [f for f in full if _last_part(f).endswith(tuple(endings))], True
