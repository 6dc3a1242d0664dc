"""Sums as a tree of plain values, and the arrays in it; nothing is ever unpickled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from importlib import import_module
from typing import Any

import numpy as np

ROOMS = {
    "Adjustment": "kernel.leverages",
    "Binned": "kernel.binning",
    "ChainSums": "chain",
    "ClassScores": "kernel.class_scores",
    "ClosingSums": "kernel.closing_sums",
    "ColumnSums": "kernel.closing_sums",
    "Counts": "kernel.extreme_rows",
    "Evaluation": "evaluation",
    "ExtremeRows": "kernel.extreme_rows",
    "Extremes": "kernel.extreme_rows",
    "Found": "formula.scan",
    "Group": "survey.sums",
    "HessianProducts": "evaluation",
    "KeyedSums": "keyed_sums",
    "LevelSet": "formula.scan",
    "Lowest": "kernel.extreme_rows",
    "ManyEvaluation": "evaluation",
    "Moments": "formula.moments",
    "NullSums": "survey.offset",
    "Ranges": "survey.ranges",
    "ScoreRows": "kernel.score_rows",
    "ScoreSums": "kernel.scores",
    "Sums": "kernel.together",
    "SurveySums": "survey.sums",
    "TrialPoints": "evaluation",
}
"""All types that a checkpoint may hold, and the modules that define them."""
TUPLE, LIST, DICT, SET, BYTES = "tuple", "list", "dict", "set", "bytes"
ARRAY, OBJECTS, SCALAR, RECORD = "array", "objects", "scalar", "record"


WRONG = (LookupError, TypeError, ValueError, AttributeError, RecursionError)
"""What a tree that ``encode`` did not make may raise."""


class DamagedError(ValueError):
    """What was read is not what dlogreg writes."""


def encode(value: Any, arrays: list[np.ndarray[Any, Any]]) -> Any:
    """Return a value for JSON; its arrays are appended to the list.

    Raises
    ------
    TypeError
        If a value is of a type that is not kept.
    """
    if isinstance(value, np.ndarray | np.generic):
        return _encode_array(value, arrays)
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, bytes):
        return {BYTES: value.hex()}
    if isinstance(value, tuple | list):
        kind = TUPLE if isinstance(value, tuple) else LIST
        return {kind: [encode(item, arrays) for item in value]}
    if isinstance(value, frozenset):
        return {SET: [encode(item, arrays) for item in sorted(value, key=repr)]}
    if isinstance(value, Mapping):
        pairs = value.items()
        return {DICT: [[encode(k, arrays), encode(v, arrays)] for k, v in pairs]}
    name = type(value).__name__
    if is_dataclass(value) and type(value) is _kind(name):
        names = [field.name for field in fields(value)]
        content = {key: encode(getattr(value, key), arrays) for key in names}
        return {RECORD: name, "fields": content}
    raise TypeError(f"values of type {name} are not kept")


def _encode_array(value: Any, arrays: list[np.ndarray[Any, Any]]) -> Any:
    if value.dtype.hasobject:
        items = [encode(item, arrays) for item in np.asarray(value).ravel().tolist()]
        return {OBJECTS: items, "shape": list(value.shape)}
    arrays.append(np.asarray(value))
    kind = SCALAR if isinstance(value, np.generic) else ARRAY
    return {kind: len(arrays) - 1}


def decode(tree: Any, arrays: Sequence[np.ndarray[Any, Any]]) -> Any:
    """Return the value of a tree.

    Raises
    ------
    DamagedError
        If the tree is none that ``encode`` makes.
    """
    try:
        return _decode(tree, arrays)
    except WRONG as error:
        raise DamagedError(f"{type(error).__name__}: {error}") from error


def _decode(tree: Any, arrays: Sequence[np.ndarray[Any, Any]]) -> Any:
    if tree is None or isinstance(tree, bool | int | float | str):
        return tree
    kind, content = next(iter(tree.items()))
    if kind in (TUPLE, LIST, SET):
        items = [_decode(item, arrays) for item in content]
        return {TUPLE: tuple, LIST: list, SET: frozenset}[kind](items)
    if kind == DICT:
        return {_decode(k, arrays): _decode(v, arrays) for k, v in content}
    if kind == BYTES:
        return bytes.fromhex(content)
    if kind in (ARRAY, SCALAR):
        found = arrays[content]
        return found if kind == ARRAY else found[()]
    if kind == OBJECTS:
        values = np.empty(len(content), dtype=object)
        values[:] = [_decode(item, arrays) for item in content]
        return values.reshape(tree["shape"])
    if kind != RECORD:
        raise DamagedError(f"unknown kind {kind!r}")
    made = _kind(content)
    given = {k: _decode(v, arrays) for k, v in tree["fields"].items()}
    return made(**given)  # type: ignore[misc]


def _kind(name: str) -> type | None:
    """Return a type that may be kept; None for any other name."""
    room = ROOMS.get(name)
    if room is None:
        return None
    kind: type = getattr(import_module(f"dlogreg.{room}"), name)
    return kind
