"""Bare work: what the arithmetic of a pass costs if nothing else is done.

Every thread has one BLAS thread and a slab of its own, of the kernel's size, which
stays in the cache; the product is repeated until all rows of the data are counted.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from threadpoolctl import threadpool_limits

from dlogreg.kernel import slab_rows
from dlogreg.kernel.slab import CACHE_VALUES

Work = Callable[[], None]


def seconds(work: Work) -> float:
    """Return how long it takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def in_threads(works: Sequence[Work]) -> float:
    """Run one function per thread, with one BLAS thread each; return the seconds."""
    with (
        threadpool_limits(1, user_api="blas"),
        ThreadPoolExecutor(len(works)) as pool,
    ):
        list(pool.map(lambda wait: wait(), [_nothing] * len(works)))
        return seconds(lambda: list(pool.map(lambda work: work(), works)))


def _nothing() -> None:
    """Start a thread."""


def hessian_products(rows: int, columns: int, dtype: str, threads: int) -> float:
    """Time the symmetric products ``z' z`` of all rows of a pass."""
    length = slab_rows(columns + 1)

    def work(n_slabs: int) -> Work:
        z = np.random.default_rng(0).normal(size=(length, columns)).astype(dtype)
        out = np.empty((columns, columns), dtype)

        def products() -> None:
            for _ in range(n_slabs):
                np.matmul(z.T, z, out=out)

        return products

    return in_threads([work(n) for n in _shares(rows, length, threads)])


def gradient_products(
    rows: int, columns: int, points: int, dtype: str, threads: int
) -> float:
    """Time linear predictors and gradients of all rows at so many points.

    Slabs are shorter than the kernel's where those do not fit the cache.
    """
    length = int(np.clip(CACHE_VALUES // columns, 8, slab_rows(columns + 1)))

    def work(n_slabs: int) -> Work:
        rng = np.random.default_rng(0)
        z = rng.normal(size=(length, columns)).astype(dtype)
        b, r = (rng.normal(size=(n, points)).astype(dtype) for n in (columns, length))
        eta, gradient = np.empty_like(r), np.empty_like(b)

        def products() -> None:
            for _ in range(n_slabs):
                np.matmul(z, b, out=eta)
                np.matmul(z.T, r, out=gradient)

        return products

    return in_threads([work(n) for n in _shares(rows, length, threads)])


def sweep(X: np.ndarray, threads: int) -> float:
    """Time one sweep through an array in memory."""
    pieces = np.array_split(X.reshape(-1), threads)
    return in_threads([lambda piece=piece: np.dot(piece, piece) for piece in pieces])


def _shares(rows: int, length: int, threads: int) -> list[int]:
    """Return the slabs of every thread."""
    n_slabs = -(-rows // length)
    return [n_slabs // threads + (i < n_slabs % threads) for i in range(threads)]
