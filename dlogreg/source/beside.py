"""Columns beside those of X: row-aligned with a source that is laid out already."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dlogreg.errors import DataError
from dlogreg.repeated_name import repeated_name
from dlogreg.source.alignment import (
    CountRows,
    blocks_of,
    check_counts,
    counted,
    cut_like,
)
from dlogreg.source.blocks import ArrayBlocks
from dlogreg.source.frames import (
    as_pandas,
    check_columns,
    check_indexes,
    partition_arrays,
)
from dlogreg.source.graph import Compute
from dlogreg.source.kinds import kind_of
from dlogreg.source.opening import matrix_of_numbers
from dlogreg.source.source import Source


@dataclass(frozen=True, slots=True, eq=False)
class Beside:
    """A source with columns Z that are read along, and their names."""

    source: Source
    names: tuple[str, ...]


def put_beside(
    source: Source, Z: Any, *, compute: Compute, count_rows: CountRows
) -> Beside:
    """Lay Z, of any kind that X may be, or one column of it, beside the rows.

    Where the chunks of X or Z have unknown lengths, they are counted, which reads them
    once.
    """
    Z = as_pandas(Z)
    kind = kind_of(Z)
    if kind in ("csr", "zarr csr"):
        raise DataError("Z is sparse; make its few columns dense, as Z.toarray()")
    one = len(getattr(Z, "shape", ())) == 1 and kind != "numpy"
    if one and kind in ("pandas", "dask dataframe"):
        Z = Z.to_frame()
    elif one and kind == "dask":
        Z = Z[:, None]
    if kind == "numpy":
        Z = _as_matrix(Z)
    if len(Z.shape) != 2:
        raise DataError(
            f"Z must be one or more columns, but has {len(Z.shape)} dimension(s); give "
            "a 2-D array"
        )
    names = _names(Z)
    if kind == "pandas":
        _check_index(source, Z)
    if kind == "dask dataframe":
        check_columns(Z, names)
        (Z,) = partition_arrays(Z, [])
    else:
        Z = matrix_of_numbers(Z, kind, names)
    return Beside(_joined(source, Z, compute, count_rows), names)


def _joined(source: Source, Z: Any, compute: Compute, count_rows: CountRows) -> Source:
    blocks = counted(source.blocks, count_rows)
    fields = {"Z": counted(blocks_of("Z", Z, compute), count_rows)}
    check_counts("X", blocks, fields)
    cut = {name: cut_like(values, blocks) for name, values in fields.items()}
    return replace(source, blocks=blocks, vectors={**source.vectors, **cut})


def _as_matrix(Z: Any) -> Any:
    Z = np.asanyarray(Z)
    return Z[:, None] if Z.ndim == 1 else Z


def _names(Z: Any) -> tuple[str, ...]:
    if hasattr(Z, "columns"):
        names = [str(name) for name in Z.columns]
    else:
        names = [f"z{j + 1}" for j in range(Z.shape[1])]
    if not names:
        raise DataError("Z has no columns; give at least one")
    repeated = repeated_name(names)
    if repeated is not None:
        raise DataError(f"column {repeated!r} occurs twice in Z; names must differ")
    return tuple(names)


def _check_index(source: Source, Z: Any) -> None:
    blocks = source.blocks
    if isinstance(blocks, ArrayBlocks) and hasattr(blocks.values, "iloc"):
        check_indexes(blocks.values, {"Z": Z})
