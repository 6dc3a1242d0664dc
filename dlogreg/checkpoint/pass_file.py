"""The file of one pass: a header in JSON, the arrays, and a digest of both.

The first line names the format, eight bytes tell the length of the header, and 32 at
the end are the digest. Symmetric matrices are stored by their lower half. All sizes
are checked against that of the file before memory is taken for them.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from dlogreg.checkpoint.encoding import DamagedError, decode, encode

MAGIC = b"dlogreg pass 1\n"
LENGTH_BYTES = 8
DIGEST_BYTES = 32
HALVED_FROM = 16
"""Rows from which a symmetric matrix is stored by half."""
DTYPE = re.compile(r"[<>|]([biufcSU]\d{1,6}|[mM]8(\[\d{0,9}[A-Za-z]{1,7}\])?)")
MOST_DIMENSIONS = 8

Array = np.ndarray[Any, Any]


def pass_content(value: Any, beside: dict[str, Any]) -> Iterator[bytes]:
    """Return the bytes of a pass's file, piece by piece.

    Parameters
    ----------
    value : Any
        What the pass has summed.
    beside : dict
        Plain values that go into the header.
    """
    arrays: list[Array] = []
    tree = encode(value, arrays)
    entries = [_described(array) for array in arrays]
    header = {**beside, "sums": tree, "arrays": entries}
    text = json.dumps(header).encode("ascii")
    hashed = hashlib.blake2b(digest_size=DIGEST_BYTES)
    start = (MAGIC, len(text).to_bytes(LENGTH_BYTES, "little"), text)
    pairs = zip(arrays, entries, strict=True)
    for piece in chain(start, *(_stored(array, entry) for array, entry in pairs)):
        hashed.update(piece)
        yield piece
    yield hashed.digest()


def _described(array: Array) -> dict[str, Any]:
    """Return how an array is stored; its order in memory is kept.

    It decides in which order the solver's BLAS adds.
    """
    by_columns = array.flags.f_contiguous and not array.flags.c_contiguous
    return {
        "dtype": array.dtype.str,
        "shape": list(array.shape),
        "order": "F" if by_columns else "C",
        "half": _is_symmetric(array),
    }


def _stored(array: Array, entry: dict[str, Any]) -> Iterator[bytes]:
    if entry["half"]:
        for i in range(len(array)):
            yield array[i, : i + 1].tobytes()
    else:
        yield array.tobytes(order=entry["order"])


def _is_symmetric(array: Array) -> bool:
    """Tell whether both halves of a matrix have the same bits."""
    square = array.ndim == 2 and array.shape[0] == array.shape[1] >= HALVED_FROM
    if not square or array.dtype != np.float64:
        return False
    bits = np.ascontiguousarray(array).view(np.int64)
    return bool((bits == bits.T).all())


def read_pass(path: Path) -> tuple[dict[str, Any], Any]:
    """Return the header of a pass's file, and what the pass has summed.

    Raises
    ------
    DamagedError
        If the file is not as it was written.
    OSError
        If it cannot be read.
    """
    content = memoryview(path.read_bytes())
    start = len(MAGIC) + LENGTH_BYTES
    body, seal = content[:-DIGEST_BYTES], content[-DIGEST_BYTES:]
    if len(body) < start or bytes(content[: len(MAGIC)]) != MAGIC:
        raise DamagedError("it does not begin as such files do")
    if hashlib.blake2b(body, digest_size=DIGEST_BYTES).digest() != bytes(seal):
        raise DamagedError("its digest is not that of its content")
    length = int.from_bytes(body[len(MAGIC) : start], "little")
    if length > len(body) - start:
        raise DamagedError("its header is longer than the file")
    try:
        header = json.loads(bytes(body[start : start + length]))
        entries = list(header["arrays"])
        tree = header["sums"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DamagedError(f"its header cannot be read ({error})") from error
    return header, decode(tree, _arrays(entries, body[start + length :]))


def _arrays(entries: list[Any], data: memoryview) -> list[Array]:
    """Return the arrays, whose sizes must be those of the data."""
    try:
        sizes = [_stored_bytes(entry) for entry in entries]
    except (KeyError, TypeError, ValueError) as error:
        raise DamagedError(f"an array is described wrongly ({error})") from error
    if sum(sizes) != len(data):
        raise DamagedError("its arrays are not of the sizes that it says")
    found, low = [], 0
    for entry, size in zip(entries, sizes, strict=True):
        found.append(_restored(entry, data[low : low + size]))
        low += size
    return found


def _stored_bytes(entry: dict[str, Any]) -> int:
    """Return the bytes of an array in the file, after checking what it claims to be."""
    dtype, shape, order = entry["dtype"], entry["shape"], entry["order"]
    if not (isinstance(dtype, str) and DTYPE.fullmatch(dtype)):
        raise ValueError(f"type {str(dtype)[:40]!r}")
    sizes_fit = all(type(n) is int and 0 <= n < 2**48 for n in shape)
    if not sizes_fit or len(shape) > MOST_DIMENSIONS or order not in ("C", "F"):
        raise ValueError(f"shape {str(shape)[:40]}")
    n_values = math.prod(shape)
    if entry["half"]:
        if len(shape) != 2 or shape[0] != shape[1]:
            raise ValueError(f"half of shape {shape}")
        n_values = shape[0] * (shape[0] + 1) // 2
    return int(n_values * np.dtype(dtype).itemsize)


def _restored(entry: dict[str, Any], data: memoryview) -> Array:
    dtype, shape, order = np.dtype(entry["dtype"]), entry["shape"], entry["order"]
    if not entry["half"]:
        return np.ndarray(shape, dtype, data, order=order).copy(order="K")
    n = shape[0]
    values: Array = np.ndarray(n * (n + 1) // 2, dtype, data)
    whole = np.empty(shape, dtype, order=order)
    for i in range(n):
        low = i * (i + 1) // 2
        whole[i, : i + 1] = whole[: i + 1, i] = values[low : low + i + 1]
    return whole
