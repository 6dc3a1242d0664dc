"""The folder of a checkpoint on disk: of one user, for one fit at a time."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from dlogreg.errors import CheckpointError

LOCK = "lock"
ENDING = ".pass"
"""Of the names of passes' files, and of all that is being written."""


def own_folder(path: Any) -> Path:
    """Return the folder, which is made if need be, for the user alone."""
    text = str(path) if isinstance(path, str | os.PathLike) else ""
    if not text:
        raise CheckpointError(
            f"checkpoint must be the path of a folder, as text or Path, not {path!r}"
        )
    if "://" in text:
        raise CheckpointError(
            f"checkpoint={text!r} must be a folder on a disk that the driver sees, not "
            "an address"
        )
    folder = Path(text).absolute()
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
    except FileExistsError as error:
        raise CheckpointError(
            f"{folder} is a file, and a checkpoint is a folder; give another name"
        ) from error
    except (OSError, ValueError) as error:  # ValueError: a null byte
        raise CheckpointError(
            f"the checkpoint {folder} cannot be made ({error}); give a place in a "
            "folder that exists and can be written to"
        ) from error
    return folder


def locked(folder: Path) -> int | None:
    """Lock the folder for this process; None where the file system knows no locks."""
    try:
        handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise CheckpointError(
            f"the checkpoint {folder} cannot be written ({error}); give another place"
        ) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(handle)
        raise CheckpointError(
            f"another fit is using the checkpoint {folder}; wait for it, end it, or "
            "give another place"
        ) from error
    except OSError:
        os.close(handle)
        return None
    return handle


def write_beside(target: Path, pieces: Iterable[bytes]) -> None:
    """Write a file of its owner alone beside its place, and rename it when it is whole.

    The name ends as that of a pass, so that what a cut write left is found.
    """
    beside = target.parent / f".{target.name}{ENDING}"
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with open(handle, "wb") as file:
            for piece in pieces:
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, target)
    except BaseException:
        with suppress(OSError):
            beside.unlink()
        raise
    with suppress(OSError):  # some file systems cannot sync a folder
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
