"""Offsets: R's and statsmodels' values, every source, what they shift, bad input."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import zarr
from click.testing import CliRunner
from distributed import Client
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

import dlogreg
from dlogreg import DataError
from dlogreg.cli import main
from dlogreg.kernel import Rows
from dlogreg.kernel.beside import BesideKernel
from dlogreg.kernel.dense import LossKernel
from dlogreg.survey import NullKernel, NullModel, find_null, guess_null
from dlogreg.survey.offset import NullGrid
from tests.counting import counted_array, reads

ODD = [(1, 5999), (997,) * 6 + (18,), (3000, 0, 3000), (17, 4000, 983, 1000)]
VALUES = Path(__file__).parent / "reference_values" / "offset.json"


def fitted(X, y, offset, **options):
    options = {"tol": 1e-10, "progress": False, **options}
    return dlogreg.fit(X, y, offset=offset, **options)


@pytest.fixture(scope="module")
def births():
    """Return what R found, and the data."""
    values = json.loads(VALUES.read_text())
    data = pd.DataFrame(values["data"])
    return values, data[["age", "lwt", "smoke", "ht", "ui"]], data


@pytest.mark.parametrize("weighted", [False, True])
def test_r_glm_with_an_offset(births, weighted):
    values, X, data = births
    weight = data["times"].astype(float) if weighted else None
    res = fitted(X, data["low"], data["known"], sample_weight=weight)
    reference = values["weighted" if weighted else "plain"]
    np.testing.assert_allclose(res.params, reference["coef"], rtol=1e-9)
    np.testing.assert_allclose(res.cov_params(), reference["cov"], rtol=1e-7)
    assert res.deviance == pytest.approx(reference["deviance"], rel=1e-12)
    assert res.null_deviance == pytest.approx(reference["null_deviance"], rel=1e-12)
    assert res.aic == pytest.approx(reference["aic"], rel=1e-12)
    tests = res.lr_test()
    np.testing.assert_allclose(tests.statistics, reference["lrt"], rtol=1e-7)
    ends = res.conf_int(method="profile")
    # R interpolates its profiles by splines
    np.testing.assert_allclose(ends, reference["profile"], rtol=1e-3, atol=1e-3)
    p = res.predict(X, offset=data["known"])
    np.testing.assert_allclose(p[:5], reference["p"], rtol=1e-9)


def test_r_glm_through_zero(births):
    values, X, data = births
    res = fitted(X, data["low"], data["known"], fit_intercept=False)
    reference = values["through_zero"]
    np.testing.assert_allclose(res.params, reference["coef"], rtol=1e-9)
    assert res.deviance == pytest.approx(reference["deviance"], rel=1e-12)
    # the null model has an intercept even so
    assert res.null_deviance == pytest.approx(values["plain"]["null_deviance"])


@pytest.fixture(scope="module")
def known(binary_data):
    """Rows of varied scale with weights and offsets, and statsmodels' fit."""
    X, y, weight = binary_data
    offset = np.random.default_rng(5).normal(size=len(y)) * 2 - 1
    family = sm.families.Binomial()
    model = sm.GLM(
        y, sm.add_constant(X), family=family, offset=offset, freq_weights=weight
    )
    return X, y, weight, offset, model.fit(tol=1e-14, tol_criterion="params")


def assert_agrees(res, reference):
    bse = np.asarray(reference.bse)
    np.testing.assert_allclose(res.params / bse, reference.params / bse, atol=1e-8)
    np.testing.assert_allclose(res.bse, bse, rtol=1e-8)
    assert res.llf == pytest.approx(reference.llf, rel=1e-11)
    assert res.llnull == pytest.approx(reference.llnull, rel=1e-11)
    assert res.has_offset


@pytest.mark.parametrize("solver", ["newton", "lbfgs"])
def test_numpy_and_both_solvers(known, solver):
    X, y, weight, offset, reference = known
    res = fitted(X, y, offset, sample_weight=weight, solver=solver)
    assert_agrees(res, reference)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("chunks", ODD)
def test_dask_arrays_of_odd_chunks(known, chunks):
    X, y, weight, offset, reference = known
    rows = da.from_array(X, chunks=(chunks, (1, 3)))
    beside = da.from_array(offset, chunks=1013)
    res = fitted(rows, y, beside, sample_weight=weight)
    assert_agrees(res, reference)
    p = res.predict(rows, offset=beside)
    assert p.chunks[0] == rows.chunks[0]
    expected = reference.predict(sm.add_constant(X), offset=offset)
    np.testing.assert_allclose(p.compute(), expected, rtol=1e-9)


@pytest.mark.usefixtures("small_blocks")
def test_zarr_and_two_workers_give_the_same_bits(known, process_cluster, tmp_path):
    X, y, weight, offset, reference = known
    group = zarr.create_group(str(tmp_path / "rows.zarr"))
    for name, values, rows in (
        ("X", X, 700),
        ("y", y, 1100),
        ("sample_weight", weight, 6000),
        ("offset", offset, 900),
    ):
        group.create_array(name, data=values, chunks=(rows, *values.shape[1:]))
    beside = group["offset"]
    given = {"sample_weight": group["sample_weight"], "offset": beside}
    here = fitted(group["X"], group["y"], **given)
    assert_agrees(here, reference)
    with Client(process_cluster):
        there = fitted(group["X"], group["y"], **given)
    for name in ("params", "llf", "llnull", "covariance"):
        np.testing.assert_array_equal(getattr(there, name), getattr(here, name))
    lazy = here.predict(group["X"], offset=beside)
    plain = here.predict(X, offset=offset)
    np.testing.assert_allclose(lazy.compute(), plain, rtol=1e-14)
    report = dlogreg.evaluate(
        here, group["X"], group["y"], group["sample_weight"], offset=beside
    )
    assert report.llf == pytest.approx(here.llf, rel=1e-12)
    assert report.llnull == pytest.approx(here.llnull, rel=1e-12)


def test_columns_of_dataframes(known):
    X, y, weight, offset, reference = known
    frame = pd.DataFrame(X, columns=list("abcd"))
    frame["offset"], frame["y"], frame["w"] = offset, y, weight
    columns = list("abcd")
    res = fitted(frame[columns], frame["y"], frame["offset"], sample_weight=frame["w"])
    assert_agrees(res, reference)
    lazy = dd.from_pandas(frame, npartitions=7)
    far = fitted(lazy[columns], lazy["y"], lazy["offset"], sample_weight=lazy["w"])
    assert_agrees(far, reference)
    expected = res.predict(frame[columns], offset=frame["offset"])
    p = far.predict(lazy[columns], offset=lazy["offset"])
    np.testing.assert_allclose(p.compute(), expected, rtol=1e-12)
    backwards = frame["offset"].iloc[::-1]
    for use in (
        lambda: fitted(frame[columns], frame["y"], backwards),
        lambda: res.predict(frame[columns], offset=backwards),
    ):
        with pytest.raises(DataError, match="X and offset have different indexes"):
            use()


@settings(max_examples=15)
@given(seed=st.integers(0, 2**32 - 1), shift=st.floats(-2000, 2000))
def test_a_constant_offset_shifts_the_intercept(seed, shift):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(400, 2))
    y = rng.random(400) < expit(X @ [1, -1] - 0.5)
    plain = dlogreg.fit(X, y, tol=1e-10, progress=False)
    moved = fitted(X, y, np.full(400, shift))
    bse = np.asarray(plain.bse)
    expected = np.asarray(plain.params) - [shift, 0, 0]
    np.testing.assert_allclose(moved.params / bse, expected / bse, atol=1e-8)
    np.testing.assert_allclose(moved.bse, bse, rtol=1e-7)
    assert moved.llnull == pytest.approx(plain.llnull, rel=1e-10)


@settings(max_examples=10)
@given(seed=st.integers(0, 2**32 - 1), size=st.floats(0.1, 8))
def test_a_column_as_offset_is_that_column_less_one(seed, size):
    """With x_j as offset its coefficient is less by one; nothing else changes."""
    rng = np.random.default_rng(seed)
    X = size * rng.normal(size=(500, 3))
    y = rng.random(500) < expit(X @ [0.5, -0.2, 0.1] / size)
    plain = dlogreg.fit(X, y, tol=1e-10, progress=False)
    less = fitted(X, y, X[:, 1])
    bse = np.asarray(plain.bse)
    expected = np.asarray(plain.params) - [0, 0, 1, 0]
    np.testing.assert_allclose(less.params / bse, expected / bse, atol=1e-8)
    assert less.llf == pytest.approx(plain.llf, rel=1e-12)


def test_a_test_of_one_against_its_value_is_the_likelihood_ratio(known):
    """The model whose coefficient is the offset's, fixed, is nested in the full one."""
    X, y, _, _, _ = known
    full = dlogreg.fit(X, y, tol=1e-10, progress=False)
    fixed = fitted(X[:, 1:], y, 0.3 * X[:, 0])
    reference = sm.GLM(
        y,
        sm.add_constant(X[:, 1:]),
        family=sm.families.Binomial(),
        offset=0.3 * X[:, 0],
    ).fit(tol=1e-14)
    assert fixed.llf == pytest.approx(reference.llf, rel=1e-12)
    with pytest.raises(dlogreg.InferenceError, match="other weights or offsets"):
        full.lr_test(fixed)


def learnable(seed=0, n_rows=80_000):
    """Return rows of which the first pass learns."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_rows, 3))
    offset = 2 * rng.normal(size=n_rows) - 4
    y = (rng.random(n_rows) < expit(offset + X @ [1, -0.5, 0.2] + 1)).astype(int)
    return X, y, offset


def test_passes():
    """Small data take a pass more than without an offset, learning data do not."""
    X, y, offset = learnable(n_rows=3000)
    rows = counted_array("rows", X, 500)
    beside = counted_array("beside", offset, 500)
    res = fitted(rows, da.from_array(y, chunks=500), beside, tol=1e-4)
    kinds = [record.kind for record in res.trace]
    assert kinds[:3] == ["pilot", "survey", "loss_gradient_hessian"]
    assert res.n_passes == len(kinds) - 1
    pilot = np.bincount([0, 2, 3, 5], minlength=6)
    assert reads("rows") == reads("beside") == (res.n_passes + pilot).tolist()
    X, y, offset = learnable()
    few = fitted(X, y, offset, tol=1e-2, inference=False)
    plain = dlogreg.fit(X, y, tol=1e-2, inference=False, progress=False)
    assert few.n_passes == plain.n_passes == 2
    assert "null_model" not in [record.kind for record in few.trace]


def test_sorted_rows_may_take_a_pass_for_the_null_model():
    """The pilot sees other shares of events and offsets; only passes suffer."""
    X, y, offset = learnable()
    X[:, 0] += 3 * y
    offset -= 6 * (np.arange(len(y)) % 1000 > 4)
    order = np.lexsort((offset, y))
    shuffled = fitted(X, y, offset)
    found = fitted(X[order], y[order], offset[order])
    assert found.llnull == pytest.approx(shuffled.llnull, rel=1e-12)
    bse = np.asarray(shuffled.bse)
    np.testing.assert_allclose(found.params / bse, shuffled.params / bse, atol=1e-8)


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**32 - 1),
    guess=st.floats(-3000, 3000),
    spread=st.sampled_from([0.0, 1.0, 30.0, 3000.0]),
    share=st.sampled_from([0.001, 0.1, 0.5, 0.99]),
)
def test_the_null_model_is_found_from_any_guess(seed, guess, spread, share):
    rng = np.random.default_rng(seed)
    n = 1000
    offset = np.clip(spread * rng.normal(size=n), -9000, 9000)
    weight = rng.integers(1, 4, n).astype(float)
    y = rng.random(n) < share
    y[:2] = [False, True]
    rows = Rows(np.zeros((n, 0)), y, weight, offset=offset)

    def run(kernel):
        sums = kernel.start()
        kernel.add(sums, rows, None)
        return kernel.finish(sums)

    grid = NullGrid(guess)
    sums = run(NullKernel(grid, (False, True)))
    null = find_null(sums, grid, (False, True), run)
    eta = offset + null.intercept
    loss = weight @ (np.logaddexp(0, eta) - y * eta)
    assert null.loss == pytest.approx(loss, rel=1e-9, abs=1e-9)
    p = expit(eta)
    assert weight @ p == pytest.approx(weight @ y, rel=1e-9)
    assert null.variance == pytest.approx(weight @ (p * (1 - p)), rel=1e-6, abs=1e-8)
    at_zero = weight @ (np.logaddexp(0, offset) - y * offset)
    assert null.loss_at_zero == pytest.approx(at_zero, rel=1e-9)


def test_the_null_model_of_one_read_has_all_digits():
    rng = np.random.default_rng(1)
    n = 20_000
    offset = rng.normal(size=n)
    y = rng.random(n) < expit(offset + 0.3)
    rows = Rows(np.zeros((n, 0)), y, None, offset=offset)
    exact = sm.GLM(y, np.ones(n), family=sm.families.Binomial(), offset=offset)
    reference = exact.fit(tol=1e-15)
    for guess in (-0.6, 0.0, 0.3, 1.2):
        kernel = NullKernel(NullGrid(guess), (False, True))
        sums = kernel.start()
        kernel.add(sums, rows, None)
        null = NullGrid(guess).solve(kernel.finish(sums), True)
        assert isinstance(null, NullModel)
        assert null.loss == pytest.approx(-reference.llf, rel=1e-14)
        assert null.intercept == pytest.approx(reference.params[0], rel=1e-11)
    assert guess_null(rows, None, True).guess == pytest.approx(0.3, abs=0.05)


def test_robust_and_chosen_errors_and_scores(known):
    X, y, weight, offset, _ = known
    res = fitted(X, y, offset, sample_weight=weight, cov_type="HC1")
    times = weight.astype(int)
    Z = sm.add_constant(X.repeat(times, axis=0))
    t, o = y.repeat(times), offset.repeat(times)
    p = expit(o + Z @ res.params)
    inverse = np.linalg.inv(Z.T @ (Z * (p * (1 - p))[:, None]))
    meat = Z.T @ (Z * ((t - p) ** 2)[:, None])
    n, k = Z.shape
    expected = np.sqrt(np.diagonal(inverse @ meat @ inverse) * n / (n - k))
    np.testing.assert_allclose(res.bse, expected, rtol=1e-7)
    chosen = res.errors_of(["x2"])
    np.testing.assert_allclose(chosen.bse, np.sqrt(inverse[2, 2]), rtol=1e-4)
    candidate = np.random.default_rng(2).normal(size=len(y))
    test = res.score_test(candidate)
    z = candidate.repeat(times)
    w = p * (1 - p)
    inside = (Z * w[:, None]).T @ z
    V = z @ (w * z) - inside @ inverse @ inside
    assert test.tests[0].statistic == pytest.approx((z @ (t - p)) ** 2 / V, rel=1e-7)


def test_kernels_add_the_offset():
    rng = np.random.default_rng(7)
    X, y = rng.normal(size=(50, 2)), rng.integers(0, 2, 50)
    offset, Z = rng.normal(size=50), rng.normal(size=(50, 1))
    params = np.array([0.2, -1, 0.5, 0.3])
    kernel = BesideKernel(LossKernel(params, np.zeros(3), 1), ("z",))
    sums = kernel.start()
    kernel.add(sums, Rows(X, y, beside=Z, offset=offset), kernel.open())
    eta = offset + params[0] + np.column_stack([X, Z]) @ params[1:]
    loss = (np.logaddexp(0, eta) - y * eta).sum()
    assert kernel.finish(sums).loss == pytest.approx(loss, rel=1e-13)


def test_saved_models_ask_for_their_offset(births, tmp_path):
    _, X, data = births
    res = fitted(X, data["low"], data["known"])
    path = tmp_path / "model.json"
    res.save(path)
    loaded = dlogreg.load(path)
    assert loaded.has_offset
    assert "Offset" in str(loaded.summary())
    rows = {"X": X, "y": data["low"]}
    message = "needs an offset, because the model was fitted with one"
    for use in (
        lambda: loaded.predict(X),
        lambda: loaded.decision_function(X),
        lambda: loaded.classify(X),
        lambda: dlogreg.evaluate(loaded, X, data["low"]),
        lambda: loaded.lr_test(**rows),
        lambda: loaded.errors_of(["age"], **rows),
        lambda: loaded.conf_int(method="profile", **rows),
    ):
        with pytest.raises(ValueError, match=message):
            use()
    again = loaded.lr_test(**rows, offset=data["known"])
    np.testing.assert_allclose(again.statistics, res.lr_test().statistics, rtol=1e-9)
    with pytest.raises(DataError, match="X, y, sample_weight and offset as they were"):
        loaded.lr_test(**rows, offset=data["known"] + 0.1)
    eta = loaded.decision_function(X, data["known"])
    labels = loaded.classify(X, offset=data["known"])
    np.testing.assert_array_equal(labels, (np.asarray(eta) > 0).astype(int))
    plain = dlogreg.fit(X, data["low"], progress=False)
    assert "Offset" not in str(plain.summary())
    with pytest.raises(ValueError, match="which had no offset; leave it out"):
        plain.lr_test(**rows, offset=data["known"])
    entries = json.loads(path.read_text())
    del entries["has_offset"], entries["sha256"]
    path.write_text(json.dumps(entries))
    assert not dlogreg.load(path).has_offset


def refused(match, X, y, offset, **options):
    with pytest.raises(DataError, match=match):
        fitted(X, y, offset, **options)


def test_bad_offsets(known):
    X, y, weight, offset, _ = known
    bad = offset.copy()
    bad[4321] = np.nan
    refused("offset is nan in row 4321; offsets must be finite", X, y, bad)
    unused = weight.copy()
    unused[4321] = 0
    fitted(X, y, bad, sample_weight=unused)
    bad[4321] = -np.inf
    refused("offset is -inf in row 4321", X, y, bad)
    bad[4321] = 12345
    refused(r"offset is 12345 in row 4321, beyond 10000: .* logarithm", X, y, bad)
    refused("X has 6000 rows but offset has 5999", X, y, offset[1:])
    refused("offset must be 1-D", X, y, offset[:, None])
    refused("offset must be numbers, not <U", X, y, offset.astype(str))
    texts = da.from_array(np.array([None, *offset[1:]], dtype=object), chunks=1000)
    refused("offset is nan in row 0; offsets must be finite", X, y, texts)
    three = np.arange(6000) % 3
    message = "offset is for two classes only, and there are 3"
    refused(message, X, three, offset)
    refused(message, X, three, offset, classes=(0, 1, 2))
    with pytest.raises(ValueError, match="max_passes must be a whole number of at"):
        fitted(X, y, offset, max_passes=1, inference=False)
    res = fitted(X, y, offset)
    for wrong, message in (
        (offset[1:], "X has 6000 rows but offset has shape"),
        ([*offset.astype(str).tolist()[:-1], "x"], "offset holds could not convert"),
    ):
        with pytest.raises(DataError, match=message):
            res.predict(X, offset=wrong)
    bad[7] = np.nan
    with pytest.raises(DataError, match="offset is nan in row 7"):
        dlogreg.evaluate(res, X, y, offset=bad)
    p = res.predict(X, offset=bad)
    assert np.isnan(p[7])
    rows = da.from_array(X, chunks=(1000, 4))
    with pytest.raises(DataError, match="X has 6000 rows but offset has shape"):
        res.predict(rows, offset=offset[1000:])
    unknown = rows[rows[:, 0] > -np.inf]
    with pytest.raises(DataError, match="chunks of X have unknown lengths"):
        res.predict(unknown, offset=offset)
    same = da.from_array(offset, chunks=1000)[rows[:, 0] > -np.inf]
    np.testing.assert_array_equal(
        res.predict(unknown, offset=same).compute(), res.predict(rows, offset).compute()
    )
    frame = dd.from_pandas(pd.DataFrame(X, columns=["x1", "x2", "x3", "x4"]), 3)
    with pytest.raises(DataError, match="must be a column of as many partitions"):
        res.predict(frame, offset=offset)


@pytest.mark.usefixtures("small_blocks")
def test_all_events_of_one_kind_in_an_evaluation(known):
    X, y, _, offset, _ = known
    res = fitted(X, y, offset)
    report = dlogreg.evaluate(res, X[y == 1], y[y == 1], offset=offset[y == 1])
    assert report.llnull == 0
    held = y == 1
    assert report.n_events == held.sum()


def test_plan_counts_the_offset(known):
    X, y, _, offset, _ = known
    planned = dlogreg.plan(X, y, offset=offset)
    plain = dlogreg.plan(X, y)
    assert planned.bytes_per_pass == plain.bytes_per_pass + 8 * len(y)
    assert planned.passes == tuple(n + 1 for n in plain.passes)


@pytest.mark.parametrize("penalty", [0.0, 0.01])
def test_losses_below_log_2_prove_nothing_with_an_offset(penalty):
    """Every row is on its right side by its offset, and yet no column separates."""
    rng = np.random.default_rng(3)
    X = rng.normal(size=(300, 2))
    y = rng.integers(0, 2, 300)
    offset = np.where(y == 1, 8.0, -8.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        newton = fitted(X, y, offset, alpha=penalty, tol=1e-6)
        lbfgs = fitted(X, y, offset, alpha=penalty, solver="lbfgs", tol=1e-6)
    assert newton.llf > -np.log(2)
    np.testing.assert_allclose(lbfgs.params, newton.params, rtol=1e-4, atol=1e-6)


def run(*arguments, code=0):
    found = CliRunner().invoke(main, [*map(str, arguments)])
    assert found.exit_code == code, found.output
    return found.output


def test_command_line(known, tmp_path):
    X, y, weight, offset, reference = known
    table = pd.DataFrame(X, columns=list("abcd")).assign(y=y, w=weight, o=offset)
    source, store = tmp_path / "rows.csv", tmp_path / "rows.zarr"
    model, out = tmp_path / "model.json", tmp_path / "out.zarr"
    table.to_csv(source, index=False)
    convert = ["convert", source, store, "--target", "y", "--offset", "o", "--quiet"]
    run(*convert, "--sample-weight", "w")
    run("plan", store)
    shown = run("fit", store, "--model", model, "--tol", "1e-9", "--quiet")
    assert "Offset" in shown
    res = dlogreg.load(model)
    bse = np.asarray(reference.bse)
    np.testing.assert_allclose(res.params / bse, reference.params / bse, atol=1e-7)
    run("predict", model, store, out, "--quiet")
    p = zarr.open_group(out)["probability"][:]
    np.testing.assert_allclose(p, res.predict(X, offset=offset), rtol=1e-10)
    shown = run("evaluate", model, store, "--quiet")
    report = dlogreg.evaluate(res, X, y, weight, offset=offset)
    assert shown == f"{report}\n"
    del zarr.open_group(store)["offset"]
    message = "has no array offset, but the model was fitted with one"
    assert message in run("predict", model, store, tmp_path / "other.zarr", code=2)
    assert message in run("evaluate", model, store, code=2)
    table.loc[5, "o"] = 1e6
    table.to_csv(source, index=False)
    shown = run(*convert, "--overwrite", code=2)
    assert "offset 'o' is 1e+06 in data row 5" in shown
