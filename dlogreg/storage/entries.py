"""Entries of a JSON object, checked as they are read."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from dlogreg.evaluation import FloatArray, Label
from dlogreg.storage.schema import NOT_IN_JSON

T = TypeVar("T")
LARGEST = 10**300
"""Integers beyond it are no counts or labels; a summary could not show them."""


class InvalidError(Exception):
    """What is wrong with a file."""


@dataclass(frozen=True, slots=True)
class Entries:
    """An object whose keys are known and whose values are checked as they are read."""

    entries: dict[str, Any]
    keys: frozenset[str]
    added: frozenset[str] = frozenset()
    """Keys that files of earlier versions lack."""

    def __post_init__(self) -> None:
        """Refuse missing and unknown keys."""
        missing = sorted(self.keys - self.entries.keys())
        unknown = sorted(self.entries.keys() - self.keys - self.added)
        if missing or unknown:
            what, key = ("lacks", missing[0]) if missing else ("has", unknown[0])
            word = "entry" if missing else "unknown entry"
            raise InvalidError(f"it {what} the {word} {shown(key)}")

    def get(self, key: str, check: Callable[[Any], T], added: T | None = None) -> T:
        """Return a value that passes a check; ``added`` where the key is lacking."""
        if key not in self.entries and added is not None:
            return added
        try:
            return check(self.entries[key])
        except InvalidError as error:
            raise InvalidError(f"{key!r} {error}") from None

    def is_null(self, key: str) -> bool:
        """Tell whether there is nothing: null, or no such key."""
        return self.entries.get(key) is None

    def items(self, key: str, check: Callable[[Any], T]) -> list[T]:
        """Return the items of a list, each of which passes a check."""
        values = self.get(key, as_list)
        try:
            return [check(value) for value in values]
        except InvalidError as error:
            raise InvalidError(f"an item of {key!r} {error}") from None

    def vector(self, key: str, length: int) -> FloatArray:
        """Return a list of so many numbers."""
        values = self.get(key, as_list)
        if len(values) != length:
            raise InvalidError(f"{key!r} has {len(values)} numbers instead of {length}")
        return np.array(self.items(key, as_number), dtype=np.float64)


def as_list(value: Any) -> Sequence[Any]:
    """Return a list."""
    return _of_type(value, list, "a list")


def as_object(value: Any) -> dict[str, Any]:
    """Return an object."""
    return _of_type(value, dict, "an object")


def as_text(value: Any) -> str:
    """Return a string."""
    return _encodable(_of_type(value, str, "text"))


def as_flag(value: Any) -> bool:
    """Return a bool."""
    return _of_type(value, bool, "true or false")


def as_size(value: Any) -> int:
    """Return a whole number that is not negative."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise InvalidError(f"must be a whole number from 0, not {shown(value)}")
    size: int = _within_floats(value)
    return size


def _within_floats(value: Any) -> Any:
    """Return a value that is no integer beyond the largest float."""
    if isinstance(value, int) and abs(value) > LARGEST:
        raise InvalidError(f"is too large: {shown(value)}")
    return value


def as_number(value: Any) -> float:
    """Return a float; NaN and infinities are written as strings."""
    if isinstance(value, str) and value in NOT_IN_JSON:
        return float(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise InvalidError(f"must be a number, not {shown(value)}")
    try:
        return float(value)
    except OverflowError:
        raise InvalidError(f"is too large: {shown(value)}") from None


def as_finite(value: Any) -> float:
    """Return a number that is neither NaN nor infinite."""
    number = as_number(value)
    if not math.isfinite(number):
        raise InvalidError(f"must be a finite number, not {shown(value)}")
    return number


def as_label(value: Any) -> Label:
    """Return a class label."""
    if not isinstance(value, (bool, int, float, str)):
        raise InvalidError(f"must be a label, not {shown(value)}")
    if isinstance(value, str):
        return _encodable(value)
    label: Label = _within_floats(value)
    return label


def as_one_of(known: Collection[str]) -> Callable[[Any], str]:
    """Return a check that a word is one of those that are known."""

    def check(value: Any) -> str:
        if not isinstance(value, str) or value not in known:
            raise InvalidError(f"is unknown: {shown(value)}")
        return value

    return check


def as_optional_number(value: Any) -> float | None:
    """Return a float or None."""
    return None if value is None else as_number(value)


def _encodable(text: str) -> str:
    """Return a text that can be written: no half of a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InvalidError(f"holds half a character: {text[:40]!a}") from error
    return text


def _of_type(value: Any, kind: type[T], words: str) -> T:
    if not isinstance(value, kind):
        raise InvalidError(f"must be {words}, not {shown(value)}")
    return value


def shown(value: Any) -> str:
    """Return the start of a value, however large it is."""
    if isinstance(value, int) and abs(value) > 10**20:
        return "a very large integer"
    text = repr(value[:40] if isinstance(value, (str, list)) else value)
    return text if len(text) <= 60 else f"{text[:57]}..."
