"""What a pass over dense columns and categories cannot do without.

Reading the row groups, tabmat's products of their rows (linear predictor, gradient and
Hessian), and the functions of a row's linear predictor in numpy. Row groups are shared
by the threads, where numpy works; tabmat's products have as many threads of their own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import tabmat
from category_data import LEVELS, NUMBERS

from dlogreg.loss import loss_residual_weight_rows

SLAB_ROWS = 16_384
"""Rows of which linear predictors stay in the cache."""
KEPT = 4
"""Row groups whose rows are held and multiplied again and again."""


def read_seconds(path: Path, threads: int) -> float:
    """Time reading all row groups as numbers and codes."""
    groups = range(pq.ParquetFile(path).num_row_groups)
    return _shared(lambda i: read_group(path, i), groups, threads)


def read_group(path: Path, group: int) -> tuple[np.ndarray, list[np.ndarray]]:
    """Return the numbers and the codes of a row group."""
    columns = [*NUMBERS, *LEVELS, "y"]
    file = pq.ParquetFile(path)
    table = file.read_row_group(group, columns=columns, use_threads=False)
    numbers = np.column_stack([table[name].to_numpy() for name in NUMBERS])
    chunks = [table[name].combine_chunks() for name in LEVELS]
    chunks = [c.chunk(0) if hasattr(c, "chunk") else c for c in chunks]
    return numbers, [chunk.indices.to_numpy() for chunk in chunks]


def product_seconds(path: Path) -> float:
    """Time tabmat's products of all rows, made of a few row groups repeatedly."""
    file = pq.ParquetFile(path)
    groups = [read_group(path, i) for i in range(min(KEPT, file.num_row_groups))]
    rows = sum(len(numbers) for numbers, _ in groups)
    rng, spent = np.random.default_rng(0), 0.0
    for numbers, codes in groups:
        parts = [tabmat.DenseMatrix(np.asfortranarray(numbers))]
        for own, size in zip(codes, LEVELS.values(), strict=True):
            levels = np.arange(size)
            parts.append(_category(own, levels))
        X = tabmat.SplitMatrix(parts)
        b, w = rng.normal(size=X.shape[1]), rng.random(len(numbers))
        X.sandwich(w)  # what is made once
        began = time.perf_counter()
        X.matvec(b)
        X.transpose_matvec(w)
        X.sandwich(w)
        spent += time.perf_counter() - began
    return spent * file.metadata.num_rows / rows


def _category(codes: np.ndarray, levels: np.ndarray) -> tabmat.CategoricalMatrix:
    """Return the indicators of all levels but the first."""
    import pandas as pd

    values = pd.Categorical.from_codes(codes, levels)
    return tabmat.CategoricalMatrix(values, drop_first=True)


def row_seconds(rows: int, threads: int) -> float:
    """Time loss, residual and curvature of all rows."""
    margin = np.random.default_rng(0).normal(size=SLAB_ROWS)
    slabs = range(-(-rows // SLAB_ROWS))
    return _shared(lambda _: loss_residual_weight_rows(margin), slabs, threads)


def _shared(work: Callable[[int], object], items: Iterable[int], threads: int) -> float:
    def done(item: int) -> None:
        work(item)

    with ThreadPoolExecutor(threads) as pool:
        began = time.perf_counter()
        for _ in pool.map(done, items):
            pass
        return time.perf_counter() - began
