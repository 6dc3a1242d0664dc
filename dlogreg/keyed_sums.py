"""Sums over the rows of every group, wherever its rows lie: they add by their keys.

A part of the data knows the sums of the groups that occur in it. Adding two parts
unites their keys; a group that occurs in one of them keeps its sum to the last bit, so
that the fixed tree over the data gives the same bits wherever tasks run.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt

from dlogreg.errors import DataError, MemoryLimitError
from dlogreg.evaluation import FloatArray, Label

Keys = npt.NDArray[Any]
KINDS = {"i": np.int64, "u": np.uint64, "f": np.float64}
NAMES = {
    "b": "bool",
    "i": "int",
    "u": "unsigned int",
    "f": "float",
    "U": "text",
    "M": "dates",
    "m": "durations",
}


@dataclass(frozen=True, slots=True, eq=False)
class KeyedSums:
    """One line of sums for every group."""

    keys: Keys
    """Labels of the groups, sorted, each once, shape (n_groups,)."""
    sums: FloatArray
    """Shape (n_groups, n_sums)."""
    most: int
    """More groups than this are refused."""

    def __post_init__(self) -> None:
        """Refuse more groups than their sums may take memory for."""
        check_number(len(self.keys), self.most)

    @classmethod
    def empty(cls, n_sums: int, most: int) -> KeyedSums:
        """Return the sums over no rows."""
        return cls(np.empty(0), np.empty((0, n_sums)), most)

    def __len__(self) -> int:
        """Return the number of groups."""
        return len(self.keys)

    def __add__(self, other: KeyedSums) -> KeyedSums:
        """Return the sums over the rows of both."""
        if not (len(self) and len(other)):
            return self if len(self) else other
        check_kinds(self.keys, other.keys)
        if np.array_equal(self.keys, other.keys):
            return KeyedSums(self.keys, self.sums + other.sums, self.most)
        keys, places = np.unique(
            np.concatenate([self.keys, other.keys]), return_inverse=True
        )
        sums = np.zeros((len(keys), self.sums.shape[1]))
        sums[places[: len(self)]] = self.sums
        sums[places[len(self) :]] += other.sums
        return KeyedSums(keys, sums, self.most)


def check_number(n_groups: int, most: int) -> None:
    """Refuse more groups than their sums may take memory for."""
    if n_groups > most:
        raise MemoryLimitError(
            f"there are more than {most:,} groups, and the scores of so many do not "
            "fit into the memory set apart for them (memory_limit, or 1 GiB for one "
            "table of groups by coefficients); give coarser groups or fewer columns, "
            "raise memory_limit, or leave groups out and take cov_type='HC1'"
        )


def check_kinds(keys: Keys, others: Keys, what: str = "groups") -> None:
    """Refuse labels of two kinds, which have no common order."""
    kinds = keys.dtype.kind, others.dtype.kind
    if kinds[0] != kinds[1]:
        raise DataError(
            f"{what} holds {NAMES[kinds[0]]} in one block and {NAMES[kinds[1]]} in "
            "another; give all labels one type, for example with astype(str)"
        )


def label_keys(labels: npt.NDArray[Any], what: str = "groups") -> Keys:
    """Return labels as an array that can be sorted, of one of few types.

    ``what`` is the name of the option that they were given as.

    Raises
    ------
    DataError
        If they are of several kinds, or of one that has no order.
    """
    if labels.dtype == object:
        labels = _listed(labels, what)
    kind = labels.dtype.kind
    if kind in KINDS:
        return _complete(labels.astype(KINDS[kind], copy=False), what)
    if kind == "T":
        return _listed(labels.astype(object), what)
    if kind == "S":
        return _decoded(labels, what)
    if kind not in NAMES:
        raise DataError(
            f"{what} holds values of type {labels.dtype}; give int, text, float, bool "
            "or dates"
        )
    return _complete(labels, what)


def _complete(labels: Keys, what: str) -> Keys:
    """Refuse labels that are missing: NaN would be a group of its own."""
    if labels.dtype.kind in "fMm" and np.isnan(labels).any():
        raise DataError(
            f"{what} has a missing label; give every row a group, one of its own if it "
            "belongs to none"
        )
    return labels


def _decoded(labels: Keys, what: str) -> Keys:
    """Return bytes as text."""
    try:
        return np.char.decode(labels, "utf-8")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{what} holds bytes that are no UTF-8, {error.object!r}; decode them "
            "before, for example with np.char.decode(labels, 'latin-1')"
        ) from error


def _listed(labels: npt.NDArray[Any], what: str) -> npt.NDArray[Any]:
    """Return objects as an array of their own type."""
    types = {type(label) for label in labels.tolist()}
    if len(types) > 1:
        names = " and ".join(sorted(kind.__name__ for kind in types)[:2])
        raise DataError(
            f"{what} holds both {names}; give all labels one type, for example with "
            "astype(str)"
        )
    if not types:
        return np.empty(0)
    (kind,) = types
    if issubclass(kind, date):
        return _dates(labels, what)
    if issubclass(kind, timedelta):
        return _exact_times(labels, "m8")
    if hasattr(kind, "__len__") and not issubclass(kind, str | bytes):
        raise DataError(
            f"{what} holds values of type {kind.__name__}, such as {labels[0]!r}; give "
            "one label per row, for example the parts joined into text"
        )
    check_ends(labels, what)
    found = np.array(labels.tolist())
    if issubclass(kind, int) and found.dtype.kind not in "biu":
        raise DataError(
            f"{what} holds integers beyond int64, which would be rounded; give them as "
            "text, for example with astype(str), or as an array of np.uint64"
        )
    return found


def ends_in_nul(label: Any) -> bool:
    """Tell whether it is a text of which numpy would leave out the end."""
    if isinstance(label, bytes):
        return label.endswith(b"\0")
    return isinstance(label, str) and label.endswith("\0")


def check_ends(labels: Iterable[Any], what: str) -> None:
    """Refuse labels that numpy would take for shorter ones."""
    bad = [label for label in labels if ends_in_nul(label)]
    if bad:
        raise DataError(
            f"{what} holds {bad[0]!r}, which ends in a NUL character, and numpy takes "
            "it for the label without that; strip such characters"
        )


def _dates(labels: npt.NDArray[Any], what: str) -> npt.NDArray[Any]:
    """Return dates and times, which have no zone."""
    if any(getattr(label, "tzinfo", None) is not None for label in labels):
        raise DataError(
            f"{what} holds times with a time zone; give them without, for example with "
            "dt.tz_convert('UTC').dt.tz_localize(None)"
        )
    return _exact_times(labels, "M8")


def _exact_times(labels: npt.NDArray[Any], dtype: str) -> npt.NDArray[Any]:
    """Return times or durations, of pandas' with their nanoseconds."""
    return np.array([getattr(label, "asm8", label) for label in labels], dtype=dtype)


def python_dates(keys: Keys, what: str) -> Keys:
    """Return dates and durations in units that Python's own types have.

    Raises
    ------
    DataError
        If some are finer than microseconds, or beyond the years 1 to 9999.
    """
    if keys.dtype.kind not in "Mm":
        return keys
    found = keys
    if np.datetime_data(keys.dtype)[0] in ("ns", "ps", "fs", "as"):
        found = keys.astype(f"{keys.dtype.kind}8[us]")
    if (found != keys).any() or any(isinstance(key, int) for key in found.tolist()):
        raise DataError(
            f"{what} holds {NAMES[keys.dtype.kind]} that Python's datetime has not, "
            "finer than microseconds or too far away; give them as integers, with "
            "astype('int64')"
        )
    return found


def keys_of(levels: Sequence[Label]) -> Keys:
    """Return labels of one type, each once and sorted, as an array again."""
    keys = np.array(levels)
    return label_keys(keys) if keys.dtype == object else keys
