"""Compiled loops read and write nothing but their rows, and forget those before."""

import os
import subprocess
import sys

import numpy as np
import pytest

from dlogreg.evaluation import SINGLE_ROUNDING
from dlogreg.kernel import CompiledSlab, Rows, TrialPointsKernel, compiled_slab
from dlogreg.loss import loss_residual_weight_rows
from tests.test_kernel import evaluate

pytest.importorskip("numba")

FENCE = 64
"""Values on both sides of an array: those of a vector and more."""


class Fences:
    """Makes arrays that lie between values which nothing may use or change."""

    def __init__(self):
        self._whole = []

    def zeros(self, shape, dtype=float):
        size = int(np.prod(shape))
        whole = np.full(size + 2 * FENCE, np.nan, dtype)
        self._whole.append(whole)
        inside = whole[FENCE : FENCE + size].reshape(shape)
        inside[...] = 0.0
        return inside

    def copy(self, values):
        values = np.asarray(values)
        inside = self.zeros(values.shape, values.dtype)
        inside[...] = values
        return inside

    def whole(self):
        ends = [(whole[:FENCE], whole[-FENCE:]) for whole in self._whole]
        return bool(np.isnan(ends).all())


def terms_of(eta, event, weight):
    """What ``CompiledSlab.evaluate`` projects of the rows, in its order."""
    _, miss, curvature = loss_residual_weight_rows(np.where(event, eta, -eta))
    p = np.where(event, 1 - miss, miss)
    information = weight * curvature
    return np.array(
        [
            weight * (p - event),
            information,
            weight,
            weight * event,
            information * (1 - 2 * p),
            weight * miss**2,
        ]
    )


@pytest.fixture
def fences(monkeypatch):
    fences = Fences()
    monkeypatch.setattr(compiled_slab, "aligned_zeros", fences.zeros)
    return fences


@pytest.mark.parametrize("n", [0, 1, 33, 97])
@pytest.mark.parametrize(
    "d", [1, 2, 7, 8, 9, 15, 16, 17, 24, 31, 40, 63, 65, 100, 320, 1000, 1023, 1024]
)
def test_nothing_beside_the_rows_and_the_buffers_is_read_or_written(fences, d, n):
    rng = np.random.default_rng(d)
    X = fences.copy(rng.normal(size=(n, d)).astype("f4" if d % 2 else "f8"))
    centre, params = rng.normal(size=d), rng.normal(size=d + 1) / np.sqrt(d)
    event, weight = rng.random(n) < 0.4, fences.copy(rng.integers(1, 4, n) * 1.0)
    offset, values = (fences.copy(rng.normal(size=n)) for _ in range(2))
    precision = "mixed" if d >= 24 else "double"
    slab = CompiledSlab(centre, fit_intercept=True, precision=precision)
    slab.load(X)
    lines, products = np.zeros((6, d + 1)), np.zeros((2, d + 1, d + 1))
    slab.evaluate(params, event, weight, offset, lines, list(products))
    moments = np.zeros((d + 1, d + 1))
    slab.add_information(moments, weight)
    eta, sums = slab.predict(params), slab.project(values)
    assert fences.whole()
    Z = np.column_stack([np.ones(n), X - centre])
    terms = terms_of(Z @ params + offset, event, weight)
    np.testing.assert_allclose(eta, Z @ params, atol=1e-12)
    np.testing.assert_allclose(sums, values @ Z, atol=1e-12)
    np.testing.assert_allclose(lines, terms @ Z, atol=1e-11)
    for found, squared in zip([*products, moments], terms[[1, 5, 2]], strict=True):
        exact = (Z * squared[:, None]).T @ Z
        size = np.sqrt(np.diagonal(exact)) + 1e-100
        off = np.abs(found - exact) / (size * size[:, None])
        assert off.max() < (SINGLE_ROUNDING if d >= 24 else 1e-13)


def sums_of(slab, X, event, weight):
    """Everything that loops sum of rows, in an array."""
    k, slabs = slab.n_params, []
    slab.load(X)
    params = np.linspace(-1, 1, k) / k
    lines, products = np.zeros((6, k)), np.zeros((3, k, k))
    terms = slab.evaluate(params, event, weight, None, lines, list(products[:2]))
    slab.add_information(products[2], weight)
    slabs += [lines, products, slab.project(weight), terms.loss, terms.eta]
    slabs += [terms.miss, terms.residual, terms.curvature, slab.predict(params)]
    return np.concatenate([np.ravel(found) for found in slabs])


@pytest.mark.parametrize("precision", ["double", "mixed"])
@pytest.mark.parametrize("d", [3, 8, 30, 65, 1025])
def test_rows_that_are_no_numbers_leave_nothing_behind(d, precision):
    rng = np.random.default_rng(0)
    X, event, weight = rng.normal(size=(200, d)), rng.random(200) < 0.4, np.ones(200)
    centre, options = np.full(d, 0.1), {"fit_intercept": True, "precision": precision}
    used = CompiledSlab(centre, **options)
    for n in (1, 7, 33, 97, 191):
        for value in (np.nan, np.inf):
            sums_of(used, np.full_like(X, value), event, weight)
        rows = X[:n], event[:n], weight[:n]
        new = CompiledSlab(centre, **options)
        known = sums_of(new, *rows)
        assert np.isfinite(known).all()
        np.testing.assert_array_equal(sums_of(used, *rows), known)


def test_flags_of_events_may_lie_apart():
    rng = np.random.default_rng(0)
    X, events = rng.normal(size=(40, 3)), rng.random((40, 2)) < 0.5
    slab, params = CompiledSlab(np.zeros(3), fit_intercept=True), np.ones(4)
    slab.load(X)
    for event in (events[:, 1], events[::-1, 0]):
        assert not event.flags.c_contiguous
        lines = np.zeros((1, 4))
        slab.evaluate(params, event, None, None, lines, [])
        Z = np.column_stack([np.ones(40), X])
        residual = terms_of(Z @ params, event, np.ones(40))[0]
        np.testing.assert_allclose(lines[0], residual @ Z, rtol=1e-12, atol=1e-12)


def test_points_forget_rows_that_are_no_numbers():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(500, 9)), rng.integers(0, 2, 500)
    kernel = TrialPointsKernel(
        rng.normal(size=(10, 3)), np.zeros(9), 1, intercept_curvatures=2, compiled=True
    )
    used, rows = kernel.open(), Rows(X[:33], y[:33])
    kernel.add(kernel.start(), Rows(np.full_like(X, np.nan), y), used)
    found, known = kernel.start(), evaluate(kernel, rows)
    kernel.add(found, rows, used)
    np.testing.assert_array_equal(found.losses, known.losses)
    np.testing.assert_array_equal(found.gradients, known.gradients)
    ours, theirs = found.intercept_curvatures, known.intercept_curvatures
    np.testing.assert_array_equal(ours, theirs)


def test_vectors_are_no_longer_than_numba_may_use():
    code = "from dlogreg.kernel import vectors; assert vectors.VECTOR_BYTES == 32"
    without = {**os.environ, "NUMBA_ENABLE_AVX": "0"}
    subprocess.run([sys.executable, "-c", code], check=True, env=without)
