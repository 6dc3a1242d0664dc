"""What codes of pyarrow stand for."""

from __future__ import annotations

from typing import Any

from dlogreg.errors import DataError


def dictionary_values(dictionary: Any, name: str) -> tuple[Any, ...]:
    """Return the values of a dictionary of pyarrow.

    Raises
    ------
    DataError
        If they are text that is not UTF-8, which pyarrow reads unseen.
    """
    try:
        return tuple(dictionary.to_pylist())
    except UnicodeDecodeError as error:
        raise DataError(
            f"column {name!r} holds text that is not UTF-8 ({error}); write the file "
            "again"
        ) from error
