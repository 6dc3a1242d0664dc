"""Compiled loops: the same sums as numpy's slabs make, and a fit that uses them."""

import os
import platform
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import dask
import dask.array as da
import mpmath
import numpy as np
import pytest

import dlogreg
from dlogreg import choice
from dlogreg.checkpoint import fingerprint
from dlogreg.choice import TILED_COLUMNS
from dlogreg.evaluation import PRODUCT_ROWS, SINGLE_ROUNDING
from dlogreg.kernel import (
    CompiledSlab,
    LossKernel,
    Rows,
    RowSlab,
    TrialPointsKernel,
    open_slab,
)
from dlogreg.kernel.row_slab import ROWS_FROM
from dlogreg.memory import COMPILING, check_workers
from dlogreg.source import as_source
from dlogreg.standardization import Standardization
from dlogreg.survey import SurveyKernel
from tests.test_kernel import evaluate, written_out

pytest.importorskip("numba")
compiling = pytest.importorskip("dlogreg.kernel.compiling")
loops = pytest.importorskip("dlogreg.kernel.loops")
row_loops = pytest.importorskip("dlogreg.kernel.row_loops")
product_loops = pytest.importorskip("dlogreg.kernel.product_loops")
sweeps = pytest.importorskip("dlogreg.kernel.sweeps")


def rows_of(n, d, dtype="f8", weighted=True, seed=0):
    rng = np.random.default_rng(seed)
    scale = 10.0 ** rng.uniform(-2, 2, d)
    X = rng.normal(size=(n, d)) * scale + rng.normal(size=d)
    params = rng.normal(size=d + 1) / np.r_[1.0, scale] / np.sqrt(d)
    y = (rng.random(n) < 0.4).astype(int)
    weight = rng.integers(0, 3, n).astype(float) if weighted else None
    return X.clip(-30_000, 30_000).astype(dtype), y, weight, params


def within(found, X, y, weight, params, centre, fit_intercept=True, atol=1e-12):
    loss, gradient, hessian = written_out(X, y, weight, params, centre, fit_intercept)
    size = np.sqrt(np.maximum(np.diagonal(hessian), 1e-9))
    assert found.loss == pytest.approx(loss, rel=1e-12)
    np.testing.assert_allclose(found.gradient / size, gradient / size, atol=1e-9)
    unit = size * size[:, None]
    np.testing.assert_allclose(found.hessian / unit, hessian / unit, atol=atol)
    np.testing.assert_array_equal(found.hessian, found.hessian.T)


@pytest.mark.parametrize("d", [1, 2, 3, 4, 7, 8, 9, 16, 27, 33, 101, 129, 257, 1025])
@pytest.mark.parametrize("n", [1, 383, 384, 3001])
def test_sums_of_any_shape_are_those_of_the_formulas(n, d):
    X, y, weight, params = rows_of(n, d)
    centre = X.mean(axis=0)
    kernel = LossKernel(params, centre, 1, compiled=True)
    assert isinstance(kernel.open(), CompiledSlab)
    within(evaluate(kernel, Rows(X, y, weight)), X, y, weight, params, centre)


SHORT_VECTORS = """
from tests.test_compiled_slab import *
from dlogreg.kernel.vectors import VECTOR_BYTES

assert VECTOR_BYTES == 32
for d in (1, 3, 4, 9, 101):
    for n in (1, 3001):
        X, y, weight, params = rows_of(n, d)
        centre = X.mean(axis=0)
        kernel = LossKernel(params, centre, 1, compiled=True)
        within(evaluate(kernel, Rows(X, y, weight)), X, y, weight, params, centre)
"""


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="x86-64")
def test_sums_on_a_processor_with_shorter_vectors():
    short = {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": "+avx,+avx2,+fma"}
    command = [sys.executable, "-c", SHORT_VECTORS]
    subprocess.run(command, check=True, env={**os.environ, **short})


def test_products_are_of_no_more_rows_than_their_rounding_allows():
    assert product_loops.MULTIPLIED_ROWS <= PRODUCT_ROWS


@pytest.mark.parametrize("dtype", ["f8", "f4", "f2", "i2", "i8", "?", ">f8"])
@pytest.mark.parametrize("order", ["C", "F", "strided"])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_rows_of_any_type_and_order(dtype, order, fit_intercept):
    X, y, weight, params = rows_of(1500, 30, weighted=order == "F")
    X = X.astype(dtype)
    given = np.repeat(X, 2, axis=1)[:, ::2] if order == "strided" else X.copy(order)
    centre = X.mean(axis=0, dtype=float) * fit_intercept
    params = params if fit_intercept else params[1:] / 100  # eta not beyond rounding
    kernel = LossKernel(params, centre, 1, fit_intercept, compiled=True)
    found = evaluate(kernel, Rows(given, y, weight))
    within(found, X, y, weight, params, centre, fit_intercept)


def unaligned(X):
    raw = np.frombuffer(b"x" + X.tobytes(), np.uint8)[1:]
    return raw.view(X.dtype).reshape(X.shape)


def mapped(X, path):
    X.tofile(path)
    return np.memmap(path, X.dtype, "r", shape=X.shape)


def test_rows_that_may_not_be_written_to_are_compiled_for_once(tmp_path):
    X, y, weight, params = rows_of(1000, 30, weighted=False)  # a weight 0 copies rows
    locked = X.copy()
    locked.flags.writeable = False
    kernel = LossKernel(params, X.mean(axis=0), 1, compiled=True)
    for given in (X, locked, mapped(X, tmp_path / "X"), unaligned(X)):
        found = evaluate(kernel, Rows(given, y, weight))
        within(found, X, y, weight, params, X.mean(axis=0))
    doubles = {
        rows for rows, *_ in loops.evaluate.signatures if rows.dtype.bitwidth == 64
    }
    assert len(doubles) == 1  # whatever the type of products
    assert X.flags.writeable


@pytest.mark.parametrize("d", [60, TILED_COLUMNS + 10])
def test_mixed_rounds_the_hessian_alone_and_within_its_bound(d):
    X, y, weight, params = rows_of(9000, d)
    known = params, X.mean(axis=0), 1
    double, mixed = (
        evaluate(
            LossKernel(*known, precision=precision, compiled=True), Rows(X, y, weight)
        )
        for precision in ("double", "mixed")
    )
    assert mixed.loss == double.loss
    assert mixed.gradient == pytest.approx(double.gradient, rel=1e-12)
    size = np.sqrt(np.diagonal(double.hessian))
    off = np.abs(mixed.hessian - double.hessian) / (size * size[:, None])
    assert mixed.rounding == SINGLE_ROUNDING
    assert 1e-10 < off.max() < SINGLE_ROUNDING


@pytest.mark.parametrize("precision", ["closing", "single", "measures"])
def test_other_passes_find_what_they_find_without(precision):
    X, y, weight, params = rows_of(5000, 40)
    order = 1 if precision == "measures" else 2
    kernel = LossKernel(
        params,
        X.mean(axis=0),
        1,
        order=order,
        direction=params / 3,
        step_lengths=(0.5, 1.0),
        precision=precision,
    )
    rows = Rows(X, y, weight, offset=np.linspace(-1, 1, len(y)))
    plain, found = (
        evaluate(replace(kernel, compiled=compiled), rows) for compiled in (False, True)
    )
    near = {"rtol": 1e-3 if precision == "single" else 1e-10, "atol": 1e-7}
    assert found.loss == pytest.approx(plain.loss, rel=near["rtol"])
    np.testing.assert_allclose(found.trial_losses, plain.trial_losses, **near)
    size = 1.0
    if order == 2:
        size = np.sqrt(np.diagonal(plain.hessian))
        unit = size * size[:, None]
        np.testing.assert_allclose(found.hessian / unit, plain.hessian / unit, **near)
    gradients = found.gradient / size, plain.gradient / size
    np.testing.assert_allclose(*gradients, rtol=near["rtol"], atol=1e-3)
    if precision == "closing":
        unit = np.abs(plain.meat).max()
        np.testing.assert_allclose(found.meat / unit, plain.meat / unit, atol=1e-12)
        ours, theirs = found.closing.columns, plain.closing.columns
        np.testing.assert_allclose(ours.bend, theirs.bend, rtol=1e-8, atol=1e-6)
        np.testing.assert_allclose(ours.observed, theirs.observed, rtol=1e-8)


def test_the_largest_norm_squares_and_ranges_are_those_of_the_rows():
    X, _, weight, _ = rows_of(2000, 33)
    centre, units = X.mean(axis=0), np.r_[1.0, 1 / X.std(axis=0)]
    slab = open_slab(centre, fit_intercept=True, compiled=True)
    slab.load(X)
    norm, squares, (low, high) = slab.describe(units, weight)
    Z = np.column_stack([np.ones(len(X)), X - centre])
    exact = ((Z * units) ** 2).sum(axis=1).max()
    assert exact * (1 - 1e-15) <= norm <= exact * (1 + 1e-12)
    np.testing.assert_allclose(squares, weight @ Z**2, rtol=1e-12)
    np.testing.assert_array_equal(low, X.min(axis=0))
    np.testing.assert_array_equal(high, X.max(axis=0))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("row", [0, 700, 1999])
def test_what_is_not_a_number_is_found_and_named(value, row):
    X, y, weight, _ = rows_of(2000, 33, weighted=False)
    X[row, 7] = value
    std = Standardization(np.zeros(33), np.ones(33), True, compiled=True)
    names = tuple(f"x{j}" for j in range(33))
    kind = "NaN" if np.isnan(value) else "infinity"
    with pytest.raises(dlogreg.DataError, match=f"'x7' holds {kind} in row {row} "):
        evaluate(SurveyKernel(std, names), Rows(X, y, weight, start=0))


def test_points_and_groups_are_those_of_centred_rows():
    X, _, _, _ = rows_of(500, 26)
    rng = np.random.default_rng(1)
    centre, params = X.mean(axis=0), rng.normal(size=(27, 3))
    plain = RowSlab(centre, fit_intercept=True)
    compiled = CompiledSlab(centre, fit_intercept=True)
    found = []
    for slab in (plain, compiled):
        slab.load(X)
        out = np.empty((27, 3))
        eta = slab.predict_points(params)
        found.append((eta, slab.project_points(eta, out)))
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("dtype", ["f4", "f8", "i2"])
@pytest.mark.parametrize(("n", "d"), [(1, 1), (7, 3), (1000, 30), (515, 2050)])
@pytest.mark.parametrize("n_points", [1, 2, 3, 4])
def test_points_of_a_line_are_those_of_numpy(n_points, n, d, dtype, fit_intercept):
    X, y, weight, params = rows_of(n, d, dtype, weighted=n_points % 2 == 0)
    centre = X.mean(axis=0, dtype=float) * fit_intercept
    line = np.column_stack([params, params[::-1] / 10])[1 - fit_intercept :]
    line *= 1 if fit_intercept else 1e-3
    mixing = np.array([np.ones(n_points), np.arange(n_points) / 2.0])
    bends = fit_intercept * (n_points - 1)
    rows = Rows(X, y, weight, offset=np.linspace(-1, 1, n) if n_points > 2 else None)
    plain, found = (
        evaluate(
            TrialPointsKernel(
                line, centre, 1, fit_intercept, bends, mixing=mixing, compiled=compiled
            ),
            rows,
        )
        for compiled in (False, True)
    )
    np.testing.assert_allclose(found.losses, plain.losses, rtol=1e-12)
    size = np.abs(X - centre).sum(axis=0) + 1
    size = np.r_[n, size][1 - fit_intercept :, None]
    np.testing.assert_allclose(
        found.gradients / size, plain.gradients / size, atol=1e-13
    )
    assert (found.intercept_curvatures is None) is (bends == 0)
    if bends:
        ours, theirs = found.intercept_curvatures, plain.intercept_curvatures
        np.testing.assert_allclose(ours / size, theirs / size, atol=1e-13)


@pytest.fixture
def always(monkeypatch):
    monkeypatch.setattr(choice, "COMPILED_FROM", 1)


def fitted(X, y, **options):
    with dask.config.set({"dlogreg.compiled": options.pop("compiled", True)}):
        return dlogreg.fit(X, y, progress=False, **options)


@pytest.mark.parametrize("d", [3, 40])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_a_fit_is_that_of_numpy_in_as_many_passes(always, d, dtype):
    X, y, weight, _ = rows_of(30_000, d, dtype)
    X, y = da.from_array(X, chunks=(500, -1)), da.from_array(y, chunks=700)
    options = {"sample_weight": weight, "tol": 1e-9, "cov_type": "HC1"}
    numpy = fitted(X, y, compiled=False, **options)
    ours = fitted(X, y, **options)
    assert ours.n_passes == numpy.n_passes
    np.testing.assert_allclose(ours.params, numpy.params, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(ours.bse, numpy.bse, rtol=1e-9)
    assert ours.llf == pytest.approx(numpy.llf, rel=1e-12)


@pytest.mark.parametrize("d", [3, 40])
def test_lbfgs_is_that_of_numpy_in_as_many_passes(always, d):
    X, y, weight, _ = rows_of(30_000, d)
    X, y = da.from_array(X, chunks=(500, -1)), da.from_array(y, chunks=700)
    options = {"sample_weight": weight, "solver": "lbfgs", "alpha": 1e-3, "tol": 1e-6}
    numpy = fitted(X, y, compiled=False, **options)
    ours = fitted(X, y, **options)
    assert ours.n_passes == numpy.n_passes
    np.testing.assert_allclose(ours.params, numpy.params, rtol=1e-7, atol=1e-9)
    assert ours.llf == pytest.approx(numpy.llf, rel=1e-12)


def test_threads_and_chunks_do_not_matter(always):
    X, y, _, _ = rows_of(20_000, 30)
    known = fitted(da.from_array(X, chunks=(250, -1)), y)
    with dask.config.set(scheduler="synchronous"):
        again = fitted(da.from_array(X, chunks=(250, -1)), y)
    np.testing.assert_array_equal(known.params, again.params)
    np.testing.assert_array_equal(known.bse, again.bse)
    other = fitted(da.from_array(X, chunks=(999, -1)), y)
    assert np.abs((known.params - other.params) / known.bse).max() < 2e-4


def test_a_checkpoint_is_of_the_version_that_compiled_it(always, monkeypatch, tmp_path):
    X, y, _, _ = rows_of(3000, 30)
    large, small = tmp_path / "large", tmp_path / "small"
    with pytest.warns(dlogreg.ConvergenceWarning):
        fitted(X, y, checkpoint=large, max_passes=2, tol=1e-12)
    monkeypatch.setattr(choice, "COMPILED_FROM", X.size + 1)
    with pytest.warns(dlogreg.ConvergenceWarning):
        fitted(X, y, checkpoint=small, max_passes=2, tol=1e-12)
    monkeypatch.setattr(fingerprint, "numba_version", lambda: "0.1")
    assert fitted(X, y, checkpoint=small, tol=1e-12).status.name == "CONVERGED"
    monkeypatch.setattr(choice, "COMPILED_FROM", 1)
    with pytest.raises(dlogreg.CheckpointError, match="the version of numba was"):
        fitted(X, y, checkpoint=large, tol=1e-12)


def test_which_rows_are_compiled(monkeypatch):
    X, y, _, _ = rows_of(3000, 30)
    assert not dlogreg.plan(X, y, measure=False).compiled
    monkeypatch.setattr(choice, "COMPILED_FROM", X.size)
    assert dlogreg.plan(X, y, measure=False).compiled
    assert not dlogreg.plan(X[1:], y[1:], measure=False).compiled
    assert dlogreg.plan(X, y, solver="lbfgs", measure=False).compiled
    with dask.config.set({"dlogreg.compiled": False}):
        assert not dlogreg.plan(X, y, measure=False).compiled
    assert choice.worth_compiling(-(-X.size // 4096), 1024)
    assert not choice.worth_compiling(-(-X.size // 4096), 1025)


def test_small_data_are_compiled_where_that_is_asked_for(monkeypatch):
    X, y, _, _ = rows_of(3000, 30)
    with dask.config.set({"dlogreg.compiled": "always"}):
        plan = dlogreg.plan(X, y, measure=False)
    assert "compiled by numba" in plan.loops
    found, plain = fitted(X, y, compiled="always"), fitted(X, y, compiled=False)
    np.testing.assert_allclose(found.params, plain.params, rtol=1e-8)
    assert found.params.tobytes() != plain.params.tobytes()  # sums in another order
    rows = da.from_array(X[np.isfinite(X[:, 0])], chunks=(500, 30))
    unknown = rows[da.from_array(X[:, 0], chunks=500) > -np.inf]
    again = fitted(unknown, y, compiled="always")
    np.testing.assert_allclose(again.params, plain.params, rtol=1e-8)
    with pytest.raises(ValueError, match=r"is 'ever'; it may be True, False or"):
        fitted(X, y, compiled="ever")
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")
    with pytest.raises(ImportError, match="NUMBA_DISABLE_JIT is set: unset it"):
        fitted(X, y, compiled="always")
    monkeypatch.delenv("NUMBA_DISABLE_JIT")
    monkeypatch.setattr("dlogreg.scheduling.numba_version", lambda: None)
    with pytest.raises(ImportError, match=r'run pip install "dlogreg\[numba\]"'):
        fitted(X, y, compiled="always")


def test_a_plan_says_which_passes_are_compiled(always):
    X, y, _, _ = rows_of(3000, 30)
    where = {
        None: ", in the first pass alone if there are more than two classes",
        (0, 1): "",
        (0, 1, 2): " in the first pass",
    }
    for classes, text in where.items():
        plan = dlogreg.plan(X, y, classes=classes, measure=False)
        line = f"compiled by numba{text}, with 160 MiB of memory"
        assert ("loops", line) in plan.rows()


def test_of_three_classes_the_first_pass_alone_is_compiled(always, monkeypatch):
    X, y, _, _ = rows_of(3000, 30)
    described, describe = [], sweeps.describe
    monkeypatch.setattr(loops, "evaluate", None)
    monkeypatch.setattr(
        sweeps, "describe", lambda *rows: described.append(1) or describe(*rows)
    )
    assert fitted(X, y + (X[:, 0] > 1)).status.name == "CONVERGED"
    assert described


def test_without_numba_the_plan_names_it_and_a_fit_goes_without(always, monkeypatch):
    X, y, _, _ = rows_of(3000, 30)
    for module in ("dlogreg.layout", "dlogreg.planning.advice"):
        monkeypatch.setattr(f"{module}.numba_version", lambda: None)
    plan = dlogreg.plan(X, y, measure=False)
    assert not plan.compiled
    advice = r'rows of two classes of up .* pip install "dlogreg\[numba\]", on all'
    assert any(re.search(advice, text) for text in plan.advice)
    plan = dlogreg.plan(X, y, classes=(0, 1, 2), measure=False)
    assert not any("numba" in text for text in plan.advice)
    assert fitted(X, y).status.name == "CONVERGED"


def test_a_worker_without_numba_is_told_what_to_install(always, monkeypatch):
    X, y, _, _ = rows_of(3000, 30)
    monkeypatch.setitem(sys.modules, "numba", None)
    message = r'not installed; run pip install "dlogreg\[numba\]", on every worker, or'
    with pytest.raises(ImportError, match=message):
        fitted(X, y)


def test_where_numba_is_told_to_compile_nothing_a_fit_goes_without(always, monkeypatch):
    X, y, _, _ = rows_of(3000, 30)
    monkeypatch.setattr("numba.config.DISABLE_JIT", 1)  # as on a worker
    message = r"where NUMBA_DISABLE_JIT is set: unset it, on every worker, or fit"
    with pytest.raises(ImportError, match=message):
        fitted(X, y)
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")
    assert not dlogreg.plan(X, y, measure=False).compiled
    assert fitted(X, y).status.name == "CONVERGED"


BROKEN = {
    "numpy is too new": 'raise ImportError("Numba needs NumPy 2.4 or less")',
    "a part is missing": "import a_package_that_is_not_there",
    "a part does not fit": "import math; math.no_such_function()",
}


@pytest.mark.parametrize("code", BROKEN.values(), ids=BROKEN)
def test_a_numba_that_cannot_be_imported_is_named_with_the_way_around_it(
    always, monkeypatch, tmp_path, code
):
    (tmp_path / "numba.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "numba")
    X, y, _, _ = rows_of(3000, 30)
    message = (
        r"numba, which is installed but cannot be .*\({\"dlogreg.compiled\": False}\)"
    )
    with pytest.raises(ImportError, match=message):
        fitted(X, y)
    assert fitted(X, y, compiled=False).status.name == "CONVERGED"


def test_means_beyond_float32_are_no_matter(always):
    X, y, _, _ = rows_of(3000, 3)
    far = fitted(X * 1e60, y)  # an overflow would be a warning, which fails the test
    near = fitted(X, y)
    np.testing.assert_allclose(far.params[1:] * 1e60, near.params[1:], rtol=1e-6)
    assert far.n_passes == near.n_passes


def test_few_columns_are_in_float64_whatever_is_asked():
    few, more = (
        open_slab(np.zeros(d), fit_intercept=True, precision="single", compiled=True)
        for d in (ROWS_FROM - 1, ROWS_FROM)
    )
    assert few.rounding == 0
    assert few.load(np.ones((2, ROWS_FROM - 1))).dtype == np.float64
    assert few.predict(np.ones(ROWS_FROM)).dtype == np.float64
    assert more.rounding == SINGLE_ROUNDING


WITHOUT_NUMBA = """
import sys
sys.modules["sparse"] = None  # of which dask looks for, and which loads numba
import numpy as np, dlogreg, dlogreg.cli
dlogreg.fit(np.arange(100.0)[:, None] % 7, np.arange(100) % 2)
sys.exit("numba" in sys.modules)
"""


def test_a_fit_that_compiles_nothing_does_not_load_numba():
    subprocess.run([sys.executable, "-c", WITHOUT_NUMBA], check=True)


UNWRITABLE = """
import numpy as np, numba.core.caching as caching

def nowhere(cls, py_func, py_file):
    return None

for locator in caching.CacheImpl._locator_classes:
    locator.from_function = classmethod(nowhere)
from dlogreg.kernel import sweeps
sums, total = np.arange(4.0).reshape(2, 2), np.ones((2, 2))
sweeps.add_symmetric(sums, total)
assert total.tolist() == [[1, 2], [2, 4]]
assert not sweeps.add_symmetric.stats.cache_path
"""


def test_what_is_kept_on_disk_is_of_all_sources():
    folder = Path(compiling.__file__).parent
    loops = {path.name for path in folder.glob("*loops.py")}
    assert {*loops, "vectors.py", "sweeps.py", "compiling.py"} == set(compiling.SOURCES)
    assert compiling.DIGEST in row_loops.row_terms.py_func.__qualname__
    names = [path.name for path in Path(row_loops.row_terms.stats.cache_path).iterdir()]
    assert any(f"evaluate_{compiling.DIGEST}" in name for name in names)


def test_loops_are_compiled_where_nothing_can_be_written():
    subprocess.run([sys.executable, "-c", UNWRITABLE], check=True)


def test_memory_for_compiling_counts_once_in_every_process(always):
    X, y, _, _ = rows_of(3000, 30)
    memory = dlogreg.plan(X, y, measure=False).memory
    with dask.config.set({"dlogreg.compiled": False}):
        plain = dlogreg.plan(X, y, measure=False).memory
    assert memory.total == plain.total + COMPILING
    assert memory.of_worker(2) == plain.of_worker(2) + COMPILING
    limit = plain.total + COMPILING // 2
    message = r"160 MiB to compile loops\), .* compile none \(.*compiled\": False}\)\)"
    with pytest.raises(dlogreg.MemoryLimitError, match=message):
        fitted(X, y, memory_limit=limit)
    assert fitted(X, y, memory_limit=limit, compiled=False).n_passes
    source = as_source(X, y, compute=None, count_rows=None)
    with pytest.raises(dlogreg.MemoryLimitError, match="the worker at a has"):
        check_workers(memory, {"a": (1, limit - plain.driver)}, source)


MEASURE = """
import sys
import dask, numpy as np
import dlogreg
from dlogreg import choice
from dlogreg.choice import TILED_COLUMNS
from dlogreg.checkpoint import fingerprint
from dlogreg.scheduling import peak_memory

rng = np.random.default_rng(0)
n, d = map(int, sys.argv[1:])
X = rng.standard_normal((n, d), "f4")
y = (X[:, 0] + rng.logistic(size=len(X)) > 0).astype(int)
with dask.config.set(num_workers=2):
    dlogreg.fit(X[:20_000, :3], y[:20_000])  # imports, pools
    choice.COMPILED_FROM = 1
    projected = dlogreg.plan(X, y, measure=False).memory.total
    before = peak_memory()
    dlogreg.fit(X, y)
    print(peak_memory() - before, projected, "numba" in sys.modules)
"""


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(60_000, 30), (6000, 1000)])
def test_measured_memory_with_compiling_stays_under_the_projection(tmp_path, shape):
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, *map(str, shape)],
        env={**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    growth, projected, loaded = done.stdout.split()
    assert loaded == "True"
    assert any(tmp_path.rglob("*.nbc"))
    assert 0 < int(growth) <= int(projected)


def exact_terms(eta, event):
    """Loss, miss and curvature of a row, so that nothing is lost where they cancel."""
    with mpmath.workprec(2500):
        margin = mpmath.mpf(float(eta)) * (1 if event else -1)
        miss = 1 / (1 + mpmath.exp(margin))
        return mpmath.log(1 + mpmath.exp(-margin)), miss, miss * (1 - miss)


def test_terms_of_a_row_are_right_to_some_units_in_the_last_place():
    rng = np.random.default_rng(0)
    ends = [0.0, -0.0, 1e-300, 0.3465, 0.3466, 0.8813, 0.8814, 36.8, 708.3, 1e-17]
    sizes = np.r_[rng.random(300) * 2, rng.random(300) * 40, rng.random(100) * 708]
    eta = np.r_[ends, sizes, 10.0 ** rng.uniform(-300, 0, 100)]
    eta = np.r_[eta, -eta]
    event = rng.random(len(eta)) < 0.5
    slab = CompiledSlab(np.zeros(1), fit_intercept=False)
    slab.load(eta[:, None])
    for row in range(len(eta)):  # by itself, so that its loss is seen
        slab.load(eta[row : row + 1, None])
        terms = slab.evaluate(
            np.ones(1), event[row : row + 1], None, None, np.zeros((1, 1)), []
        )
        known = terms.loss, terms.miss[0], terms.curvature[0]
        for found, true in zip(known, exact_terms(eta[row], event[row]), strict=True):
            assert abs(found - true) <= 4 * np.spacing(float(true))


def test_margins_beyond_all_floats_and_no_numbers():
    eta = np.array([800.0, -800, 1e5, -1e5, 1e308, -1e308, np.inf, -np.inf, np.nan])
    slab = CompiledSlab(np.zeros(1), fit_intercept=False)
    slab.load(np.zeros((len(eta), 1)))
    event = np.ones(len(eta), dtype=bool)
    found = slab.evaluate(np.ones(1), event, None, eta, np.zeros((1, 1)), [])
    np.testing.assert_array_equal(found.miss, [0, 1, 0, 1, 0, 1, 0, 1, np.nan])
    np.testing.assert_array_equal(found.curvature, [0] * 8 + [np.nan])
    assert np.isnan(found.loss)
    for row, loss in enumerate([0, 800, 0, 1e5, 0, 1e308, 0, np.inf, np.nan]):
        slab.load(np.zeros((1, 1)))
        one = slice(row, row + 1)
        found = slab.evaluate(
            np.ones(1), event[one], None, eta[one], np.zeros((1, 1)), []
        )
        np.testing.assert_equal(found.loss, loss)
