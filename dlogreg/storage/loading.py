"""A file to the fields of results, every one checked."""

from __future__ import annotations

import json
import math
import os
import stat
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

from dlogreg.storage.decoding import decode
from dlogreg.storage.entries import InvalidError
from dlogreg.storage.schema import GROUPED, MANY


def read_model(path: str | os.PathLike[str]) -> tuple[str, dict[str, Any]]:
    """Return the kind and the fields of the results in a file, every one checked."""
    source = Path(path)
    try:
        entries = _parse(source)
        kind = str(entries.get("kind"))
        if kind == GROUPED:
            room = import_module("dlogreg.storage.groups")
            return kind, room.decode_groups(entries)
        if kind == MANY:
            return kind, import_module("dlogreg.storage.outcomes").decode_many(entries)
        return kind, decode(entries)
    except InvalidError as error:
        raise ValueError(f"{source} is not a model saved by dlogreg: {error}") from None


def _parse(source: Path) -> dict[str, Any]:
    """Return the object in a JSON file."""
    if not source.exists():
        raise FileNotFoundError(f"there is no model at {source}; check the path")
    if source.is_dir():
        raise InvalidError("it is a directory")
    with open(source, "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise InvalidError("it is not a regular file")
        start = file.read(64)
        # a table of many gigabytes, given by mistake, is not read to its end
        if not start.lstrip().startswith(b"{"):
            raise InvalidError("it does not begin with '{', as a JSON object does")
        content = start + file.read()
    try:
        entries = json.loads(
            content.decode("utf-8"), parse_constant=_refuse, parse_float=_number
        )
    except RecursionError:
        raise InvalidError("it is nested too deeply") from None
    except ValueError as error:
        raise InvalidError(f"it is not valid JSON ({error})") from None
    assert isinstance(entries, dict)
    return entries


def _number(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else _refuse(text)  # 1e999 would be inf


def _refuse(word: str) -> NoReturn:
    raise ValueError(f"{word} is not JSON")
