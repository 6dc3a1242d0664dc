"""What a checkpoint is of: data, partitions, options and versions, each by name.

The first rows of the pilot's blocks are compared besides, as the pilot reads them
anyway.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import scipy
from zarr.storage import LocalStore

from dlogreg import __version__
from dlogreg.checkpoint.digest import digest
from dlogreg.choice import numba_version
from dlogreg.formula.parquet import ParquetTable
from dlogreg.formula.source import DesignBlocks, RawBlocks
from dlogreg.formula.store import StoreTable
from dlogreg.formula.tables import FrameTable
from dlogreg.options import FitOptions
from dlogreg.scheduling import compiles
from dlogreg.source import Source
from dlogreg.source.blocks import ArrayBlocks, Blocks
from dlogreg.source.memmap import MemmapBlocks
from dlogreg.source.sparse_store import SparseStoreBlocks
from dlogreg.source.zarr_store import ZarrBlocks

MAY_CHANGE = ("max_passes", "memory_limit", "feature_names")
"""Options that a resumed fit may have otherwise; names are compared as the source's."""
HASHED_BYTES = 2**30
"""Values in memory that are compared; of more, blocks spread over them."""
MOST_FILES = 2**16
"""Files of a store that are looked at; of more, some spread over them."""
SHOWN = 60


def of_fit(source: Source, options: FitOptions) -> dict[str, Any]:
    """Return the fingerprint of a fit, by the names that a message would use."""
    return {**_versions(source), **of_source(source), **_of_options(options)}


def of_scan(source: Source, what: Any) -> dict[str, Any]:
    """Return that of a scan of raw columns, which looks for what the kernel says."""
    return {**_versions(source), **of_source(source), "the formula": digest(what)}


def differences(known: Mapping[str, Any], fresh: Mapping[str, Any]) -> str:
    """Say what is not the same: the first two things, and how many more."""
    names = dict.fromkeys([*known, *fresh])
    unlike = [name for name in names if known.get(name) != fresh.get(name)]
    told = [
        f"{name} was {_shown(known.get(name))} and is {_shown(fresh.get(name))}"
        for name in unlike[:2]
    ]
    rest = f" (and {len(unlike) - 2} differences more)" if len(unlike) > 2 else ""
    return ", ".join(told) + rest


def _shown(value: Any) -> str:
    text = "not given" if value is None else repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def _versions(source: Source) -> dict[str, Any]:
    loops = not source.sparse and compiles(source.n_rows, source.n_features)
    return {
        "the version of dlogreg": __version__,
        "the version of numpy": np.__version__,
        "the version of scipy": scipy.__version__,
        "the version of numba": numba_version() if loops else None,
    }


def _of_options(options: FitOptions) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for field in fields(options):
        if field.name in MAY_CHANGE:
            continue
        value = getattr(options, field.name)
        if is_dataclass(value) and not isinstance(value, type):
            parts = {part.name: getattr(value, part.name) for part in fields(value)}
        else:
            parts = {field.name: value}
        found.update({name: _plain(part) for name, part in parts.items()})
    return found


def _plain(value: Any) -> Any:
    """Return a value for JSON: itself, or its text and, if need be, a digest."""
    if value is None or type(value) in (bool, int, float, str):
        return value
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}... ({digest(value)[:8]})"


def of_source(source: Source) -> dict[str, Any]:
    """Return what is known of the data without reading what is stored."""
    found = {
        "the number of rows": source.n_rows,
        "the number of columns": source.n_features,
        "the column names": _plain(source.feature_names),
        "the type of X": str(source.dtype),
        "the kind of data": source.kind,
        "missing rows dropped": source.drops,
        "y holds shares": source.shares,
        "the share held out": source.held_share,
    }
    raw = isinstance(source.blocks, RawBlocks)
    first = "the table" if raw else " and ".join(source.blocks.fields)
    laid = {first: source.blocks, **source.vectors}
    for name, blocks in laid.items():
        found[f"the number of blocks of {name}"] = blocks.n_blocks
        found[f"the blocks of {name}"] = digest(blocks.row_counts)[:8]
        for what, value in _identity(blocks).items():
            found[f"{what} of {name}"] = value
    return found


def _identity(blocks: Blocks) -> dict[str, Any]:
    """Return by what blocks are known again; of dask collections there is nothing."""
    if isinstance(blocks, ZarrBlocks):
        if blocks.array is None:
            return _values(blocks)
        return _of_array(blocks.array)
    if isinstance(blocks, SparseStoreBlocks):
        if blocks.arrays is None:
            return _values(blocks)
        parts = [_of_array(array) for array in blocks.arrays]
        return {"the stored arrays": digest(parts)[:8]}
    if isinstance(blocks, MemmapBlocks):
        place = blocks.file.offset, blocks.file.strides
        return {**_of_files([Path(blocks.file.path)]), "the place": digest(place)[:8]}
    if isinstance(blocks, RawBlocks | DesignBlocks):
        return _of_table(blocks.table)
    return _values(blocks) if isinstance(blocks, ArrayBlocks) else {}


def _values(blocks: Blocks) -> dict[str, Any]:
    """Return the digest of values in memory."""
    load, n_blocks = blocks.open(blocks.inputs), blocks.n_blocks
    field = blocks.fields[0]
    size = int(load(0)[field].nbytes) if n_blocks else 0
    most = max(2, HASHED_BYTES // max(1, size))
    spread = np.linspace(0, n_blocks - 1, min(n_blocks, most)).round().astype(int)
    return {"the values": digest(*(digest(load(int(i))[field]) for i in spread))}


def _of_table(table: Any) -> dict[str, Any]:
    if isinstance(table, ParquetTable):
        stamps = [(str(file), file.stamp) for file in table.files]
        return {
            "the number of files": len(stamps),
            "the last change": _time(max((f.changed for f in table.files), default=0)),
            "the files": digest(stamps)[:8],
        }
    if isinstance(table, StoreTable):
        X = {} if table.X is None else _identity(table.X)
        parts = [X, *(_of_array(array) for array in table.vectors.values())]
        return {"the stored arrays": digest(parts)[:8]}
    if not isinstance(table, FrameTable):
        return {}
    load = table.open(table.inputs)
    return {"the values": digest(*(digest(load(i)) for i in range(table.n_blocks)))}


def _of_array(array: Any) -> dict[str, Any]:
    """Return by what a stored array is known: its files, or the sizes of its chunks."""
    metadata = digest(str(array.metadata.to_dict()))[:8]
    store = array.store
    if not isinstance(store, LocalStore):
        chunks = digest(sorted(getattr(store, "stamps", {}).items()))[:8]
        address = str(array.store_path)
        return {"the metadata": metadata, "the address": address, "the chunks": chunks}
    return {"the metadata": metadata, **_of_files(_chunk_files(store, array.path))}


def _chunk_files(store: LocalStore, path: str) -> list[Path]:
    """Return the files of an array but those of its metadata, in order."""
    found = []
    for folder, _, names in os.walk(Path(store.root) / path):
        here = [Path(folder) / n for n in names if not n.startswith((".z", "zarr."))]
        found += here
    return sorted(found)


def _of_files(files: list[Path]) -> dict[str, Any]:
    stamps = list(_stamps(files))
    return {
        "the number of files": len(files),
        "the last change": _time(max((changed for *_, changed in stamps), default=0)),
        "the files": digest(stamps)[:8],
    }


def _stamps(files: list[Path]) -> Iterator[tuple[str, int, int]]:
    for file in islice(files, None, None, max(1, -(-len(files) // MOST_FILES))):
        state = file.stat()
        yield file.name, state.st_size, state.st_mtime_ns


def _time(nanoseconds: int) -> str:
    return datetime.fromtimestamp(nanoseconds / 1e9, UTC).isoformat(" ", "microseconds")
