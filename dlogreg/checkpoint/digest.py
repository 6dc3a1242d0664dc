"""Digests of values: equal values, also of two processes, have equal digests."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import fields, is_dataclass
from enum import Enum
from types import BuiltinFunctionType, FunctionType
from typing import Any

import numpy as np

from dlogreg.kernel import Kernel
from dlogreg.partition import Partition

LIMITS = ("most_groups",)
"""Fields that may refuse, but change no sum; they follow the memory that is free."""


def digest(*values: Any) -> str:
    """Return 128 bits in hexadecimal digits.

    Raises
    ------
    TypeError
        If a value is of a type whose contents are not known.
    """
    hashed = hashlib.blake2b(digest_size=16)
    for value in values:
        _feed(hashed, value)
    return hashed.hexdigest()


def pass_key(kernel: Kernel, partitions: Sequence[Partition]) -> str:
    """Return the digest of what a pass sums: the kernel, and the leaves it runs over.

    Into how many partitions these are cut does not matter.
    """
    leaves = [
        (part.first_block + low, part.first_block + high)
        for part in partitions
        for low, high in zip(part.leaves[:-1], part.leaves[1:], strict=True)
    ]
    return digest(kernel, leaves)


def _feed(hashed: Any, value: Any) -> None:
    hashed.update(f"{type(value).__name__}:".encode())
    if isinstance(value, np.ndarray | np.generic):
        _feed_array(hashed, np.asarray(value))
    elif value is None or isinstance(value, bool | int | float | complex | str | bytes):
        hashed.update(f"{value!r};".encode())
    elif isinstance(value, Enum):
        hashed.update(f"{value.name};".encode())
    elif is_dataclass(value) and not isinstance(value, type):
        names = [f.name for f in fields(value) if f.name not in LIMITS]
        _feed_all(hashed, [(name, getattr(value, name)) for name in names])
    elif isinstance(value, Mapping):
        _feed_all(hashed, value.items())
    elif isinstance(value, Set):
        _feed_all(hashed, sorted(map(digest, value)))
    elif isinstance(value, list | tuple):
        _feed_all(hashed, value)
    elif isinstance(value, ast.AST):
        _feed(hashed, ast.dump(value))
    elif isinstance(value, type | FunctionType | BuiltinFunctionType | np.ufunc):
        place = getattr(value, "__module__", None), value.__name__
        _feed_all(hashed, place)
    elif isinstance(value, np.dtype | slice | range):
        hashed.update(f"{value!r};".encode())
    else:
        raise TypeError(f"{type(value).__name__} has no digest")


def _feed_all(hashed: Any, values: Iterable[Any]) -> None:
    count = 0
    for value in values:
        _feed(hashed, value)
        count += 1
    hashed.update(f"{count};".encode())


def _feed_array(hashed: Any, values: np.ndarray[Any, Any]) -> None:
    hashed.update(f"{values.dtype.str}{values.shape}".encode())
    if values.dtype.hasobject:
        _feed_all(hashed, values.ravel().tolist())
    else:
        hashed.update(np.ascontiguousarray(values).view(np.uint8).data)
