"""CSV, Parquet, Arrow, svmlight -> a Zarr group that is fast to fit, in one read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dlogreg.convert.compressed import copy_compressed
from dlogreg.convert.dense import Columns, copy_table
from dlogreg.errors import DataError
from dlogreg.repeated_name import repeated_name
from dlogreg.screen import WorkBar
from dlogreg.source.files import find_files
from dlogreg.source.group import StoredData, open_data
from dlogreg.source.group_writer import CHUNK_BYTES, GroupWriter
from dlogreg.source.remote import is_url, shown
from dlogreg.source.svmlight import ENDINGS, SvmlightText
from dlogreg.source.tables import Table

DTYPES = ("float64", "float32")


def convert(
    source_path: str | Path,
    target_path: str | Path,
    *,
    target: str | None = None,
    features: Sequence[str] | None = None,
    categories: Sequence[str] = (),
    sample_weight: str | None = None,
    offset: str | None = None,
    chunk_bytes: int = CHUNK_BYTES,
    dtype: str = "float64",
    zero_based: bool = False,
    overwrite: bool = False,
    storage_options: Mapping[str, Any] | None = None,
    progress: bool | None = None,
) -> StoredData:
    """Write columns of files of text, Parquet or Arrow to a Zarr group, reading once.

    The group holds ``X`` in chunks of whole rows, ``y``, and ``sample_weight`` and
    ``offset`` if asked for; categories as codes of their levels, which formulas about
    the group can name (``source.group`` describes it all). Of svmlight text X is a
    group of compressed rows. It is written beside its place and moved there when it is
    complete, so that nothing half-written stays after an error. Memory does not grow
    with the data.

    Parameters
    ----------
    source_path : path
        A ``.csv``, ``.csv.gz``, ``.parquet`` or ``.arrow`` (``.feather``) file, a
        folder of Parquet files, or a pattern such as ``flights-*.csv``; or an address
        of such. CSV files have names in the first line. Or text of svmlight's and
        LIBSVM's form, ``label column:value ...``, ``.svm``, ``.svmlight`` or
        ``.libsvm``, plain or gzipped.
    target_path : path
        Where the group goes.
    target : str
        Column of the labels: bool, numbers or text, at most 200 different ones. Not
        for svmlight, where they begin the lines.
    features : sequence of str, optional
        Columns of X, in this order; default all that have no other role.
    categories : sequence of str
        Columns of text, numbers or truth values to keep as codes of their levels. A
        row without a value is kept, with the code -1.
    sample_weight : str, optional
        Column of the weights.
    offset : str, optional
        Column of the offsets.
    chunk_bytes : int
        Decoded bytes of a chunk of X; 8-16 MiB are read fastest.
    dtype : {"float64", "float32"}
        Type of X in the store.
    zero_based : bool
        Whether columns of svmlight text are counted from 0 instead of 1.
    overwrite : bool
        Replace a Zarr store that is there already.
    storage_options : mapping, optional
        What the file system of an address needs; see ``fit_formula``.
    progress : bool, optional
        Show a bar; default: on a terminal and in a notebook.

    Returns
    -------
    StoredData
        The arrays, not yet read.

    Raises
    ------
    DataError
        If a column is missing or not numeric, or a value is missing or infinite.
    """
    _check_target(target_path, dtype, chunk_bytes)
    source, options = str(source_path), dict(storage_options or {})
    as_rows = source.lower().endswith(ENDINGS)
    given = (target, features, categories or None, sample_weight, offset)
    if as_rows and any(name is not None for name in given):
        raise ValueError(
            "svmlight text has no named columns: target, features, categories, "
            "sample_weight and offset are for other files"
        )
    with (
        GroupWriter(target_path, overwrite=overwrite, chunk_bytes=chunk_bytes) as out,
        WorkBar(f"converting {Path(shown(source)).name}", progress) as bar,
    ):
        if as_rows:
            files = tuple(find_files(source, ENDINGS, "svmlight", options))
            text = SvmlightText(files, np.dtype(dtype), int(not zero_based))
            attributes = copy_compressed(text, out, bar)
        else:
            table = Table.open(source, options)
            roles = (target, features, categories, sample_weight, offset)
            columns = _choose(table.names, *roles)
            attributes = copy_table(table, columns, out, np.dtype(dtype), bar)
        if not attributes:
            raise DataError(f"{shown(source)} has no rows")
        out.commit(**attributes)
    return open_data(target_path)


def _check_target(path: str | Path, dtype: str, chunk_bytes: int) -> None:
    """Refuse to write what cannot be written there."""
    if dtype not in DTYPES:
        raise ValueError(f"dtype must be 'float64' or 'float32', not {dtype!r}")
    if chunk_bytes < 1:
        raise ValueError(f"chunk_bytes must be positive, not {chunk_bytes}")
    if is_url(path):
        raise DataError(
            f"{shown(path)} is an address, and stores are written to a path "
            "here; copy the finished folder there"
        )


def _choose(
    names: Sequence[str],
    target: str | None,
    features: Sequence[str] | None,
    categories: Sequence[str],
    sample_weight: str | None,
    offset: str | None,
) -> Columns:
    if target is None:
        raise ValueError("target must name the column of the labels")
    special = [n for n in (target, sample_weight, offset) if n is not None]
    special += categories
    if features is None:
        features = [name for name in names if name not in special]
    chosen = (*special, *features)
    for name in chosen:
        if name not in names:
            held = ", ".join(map(repr, names[:10])) + (", ..." if names[10:] else "")
            raise DataError(f"there is no column {name!r}; the columns are {held}")
    twice = repeated_name(chosen)
    if twice is not None:
        raise DataError(
            f"column {twice!r} is named twice among target, weights, offset, "
            "categories and features; it can be only one of them"
        )
    if not features and not categories:
        raise DataError(f"there is no column besides {target!r} to predict it from")
    return Columns(target, tuple(features), tuple(categories), sample_weight, offset)
