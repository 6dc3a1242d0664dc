"""Arrays that go together, laid in blocks of the same rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import accumulate
from typing import Any

import dask.array as da
import numpy as np

from dlogreg.errors import DataError
from dlogreg.kernel import CSR
from dlogreg.source.blocks import ArrayBlocks, Blocks, even_bounds
from dlogreg.source.graph import Compute, GraphBlocks, graph_blocks
from dlogreg.source.kinds import kind_of
from dlogreg.source.memmap import MappedFile, MemmapBlocks
from dlogreg.source.sparse_store import StoredCSR
from dlogreg.source.zarr_store import ZarrBlocks, checked

CountRows = Callable[[Blocks], tuple[int, ...] | None]
"""Counts the rows of every block, which reads all of them; a plan does not."""


def lay_blocks(
    arrays: Mapping[str, Any], compute: Compute, count_rows: CountRows
) -> tuple[Blocks, dict[str, Blocks]]:
    """Return the blocks of the first array, and of those that are cut otherwise."""
    name, first = next(iter(arrays.items()))
    together = {name: first}
    if isinstance(first, da.Array):
        together = {k: v for k, v in arrays.items() if _aligned(first, v)}
        blocks: Blocks = graph_blocks(together, compute)
    else:
        blocks = blocks_of(name, first, compute)
    apart = {k: v for k, v in arrays.items() if k not in together}
    vectors = {k: blocks_of(k, v, compute) for k, v in apart.items()}
    if vectors:
        blocks = counted(blocks, count_rows)
        vectors = {k: counted(v, count_rows) for k, v in vectors.items()}
        check_counts(name, blocks, vectors)
        vectors = {k: cut_like(v, blocks) for k, v in vectors.items()}
    return blocks, vectors


def cut_like(vector: Blocks, blocks: Blocks) -> Blocks:
    """Cut an array in memory where the blocks of X are cut; others keep their grid."""
    if isinstance(vector, ArrayBlocks) and blocks.row_counts is not None:
        return replace(vector, bounds=(0, *accumulate(blocks.row_counts)))
    return vector


def _aligned(X: da.Array, values: Any) -> bool:
    """Tell whether a field can be computed together with the blocks of X."""
    if not isinstance(values, da.Array) or values.numblocks[0] != X.numblocks[0]:
        return False
    pairs = zip(X.chunks[0], values.chunks[0], strict=True)
    return all(np.isnan(a) or np.isnan(b) or a == b for a, b in pairs)


def blocks_of(name: str, values: Any, compute: Compute) -> Blocks:
    """Return the blocks of one array, in the grid that it has or that suits it."""
    if isinstance(values, da.Array):
        return graph_blocks({name: values}, compute)
    if isinstance(values, StoredCSR):
        return values.blocks()
    if kind_of(values) == "zarr":
        return ZarrBlocks.of(name, checked(name, values))
    row_bytes = int(np.prod(values.shape[1:])) * 8
    if isinstance(values, CSR):
        row_bytes = values.nbytes // len(values)
    bounds = even_bounds(values.shape[0], row_bytes)
    file = MappedFile.of(values)
    if file is not None:
        return MemmapBlocks(name, file, bounds)
    if isinstance(values, np.ndarray):
        values = values.view(np.ndarray)
    return ArrayBlocks(name, values, bounds)


def counted(blocks: Blocks, count_rows: CountRows) -> Blocks:
    """Return the blocks with their rows counted, where they are not known."""
    if blocks.row_counts is not None or not isinstance(blocks, GraphBlocks):
        return blocks
    return blocks.with_row_counts(count_rows(blocks))


def check_counts(name: str, blocks: Blocks, vectors: Mapping[str, Blocks]) -> None:
    """Refuse blocks of other numbers of rows, as far as these are known."""
    n_rows = None if blocks.row_counts is None else sum(blocks.row_counts)
    for other, vector in vectors.items():
        length = None if vector.row_counts is None else sum(vector.row_counts)
        if None not in (n_rows, length) and length != n_rows:
            raise DataError(
                f"{name} has {n_rows} rows but {other} has {length}; give one value "
                "per row"
            )


def check_lengths(X: Any, fields: Mapping[str, Any]) -> None:
    """Refuse arrays of other lengths than X, as far as these are known."""
    n_rows = X.shape[0]
    for name, values in fields.items():
        length = values.shape[0]
        if not (np.isnan(n_rows) or np.isnan(length)) and n_rows != length:
            raise DataError(
                f"X has {n_rows} rows but {name} has {length}; give one value per row"
            )
    if n_rows == 0:
        raise DataError("X has zero rows; there is nothing to fit")
