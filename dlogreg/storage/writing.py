"""Files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import NoReturn


def check_target(path: str | os.PathLike[str], *, overwrite: bool) -> None:
    """Refuse a place where nothing can be written, or a file that is there."""
    target = Path(path)
    if not overwrite and os.path.lexists(target):
        _refuse_to_replace(target)
    if not target.parent.is_dir():
        raise FileNotFoundError(f"there is no directory {target.parent} to save in")


def write_whole(path: str | os.PathLike[str], content: str, *, overwrite: bool) -> None:
    """Write a file of its owner alone, then give it its name."""
    target = Path(path)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name[:50]}.")
    try:
        with open(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if not overwrite and _linked(name, target):
            return
        os.replace(name, target)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)


def _linked(name: str, target: Path) -> bool:
    """Give a file a second name, unless it is taken; tell whether that is possible."""
    try:
        os.link(name, target)
    except FileExistsError:
        _refuse_to_replace(target)
    except OSError:  # a file system without hard links
        return False
    return True


def _refuse_to_replace(target: Path) -> NoReturn:
    raise FileExistsError(
        f"{target} exists already; choose another name, or save with overwrite=True"
    )
