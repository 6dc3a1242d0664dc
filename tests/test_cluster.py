"""Cluster-robust covariances: R and statsmodels, sources, bounds, bad input."""

from __future__ import annotations

import json
from dataclasses import replace
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
from dlogreg import DataError, InferenceError, MemoryLimitError
from dlogreg.cli import main
from dlogreg.evaluation import ClusterMeat
from dlogreg.inference.sandwich import cluster_error
from dlogreg.keyed_sums import KeyedSums, label_keys
from tests.counting import counted_array, reads
from tests.handmade import make_results

ODD = [(1, 5999), (997,) * 6 + (18,), (3000, 0, 3000), (17, 4000, 983, 1000)]
VALUES = Path(__file__).parent / "reference_values" / "cluster.json"


def fitted(X, y, groups, **options):
    options = {"tol": 1e-10, "progress": False, **options}
    return dlogreg.fit(X, y, groups=groups, **options)


def assert_equal_covariances(found, expected, atol=1e-8):
    unit = np.sqrt(np.diagonal(expected))
    scale = np.outer(unit, unit)
    np.testing.assert_allclose(found / scale, expected / scale, atol=atol)


@pytest.fixture(scope="module")
def bacteria():
    """Return what R's sandwich found, and the data."""
    values = json.loads(VALUES.read_text())
    return values, pd.DataFrame(values["data"])


@pytest.mark.parametrize("name", ["child", "week", "repeated", "single"])
def test_r_sandwich(bacteria, name):
    values, data = bacteria
    reference = values[name]
    columns = ["drug", "strong"] + ["week"] * (name != "week")
    groups = {"week": "week", "single": "row"}.get(name, "child")
    weight = data["times"].astype(float) if name == "repeated" else None
    res = fitted(data[columns], data["y"], data[groups], sample_weight=weight)
    np.testing.assert_allclose(res.params, reference["coef"], rtol=1e-9)
    assert_equal_covariances(res.cov_params(), np.array(reference["cov"]))
    assert res.cov_type == "cluster"
    assert res.n_groups == reference["n_groups"]
    test = res.wald_test()
    assert test.df == reference["df"]
    assert test.statistic == pytest.approx(reference["statistic"], rel=1e-7)


def expected_covariance(X, y, weight, groups, kind="frequency"):
    """Return the covariance by its definition, at statsmodels' optimum."""
    kept = weight > 0
    Z, t, s, g = sm.add_constant(X[kept]), y[kept], weight[kept], groups[kept]
    if kind != "frequency":
        s = s * len(s) / s.sum()
    model = sm.GLM(t, Z, family=sm.families.Binomial(), freq_weights=s)
    params = model.fit(tol=1e-14, maxiter=30, tol_criterion="params").params
    p = expit(Z @ params)
    inverse = np.linalg.inv(Z.T @ (Z * (s * p * (1 - p))[:, None]))
    scores = pd.DataFrame(Z * (s * (t - p))[:, None]).groupby(g).sum().to_numpy()
    n, k, G = s.sum(), Z.shape[1], len(scores)
    factor = G / (G - 1) * (n - 1) / (n - k)
    return factor * inverse @ (scores.T @ scores) @ inverse


@pytest.fixture(scope="module")
def grouped(binary_data):
    """Rows with weights in 300 groups spread over all of them, and the covariance."""
    X, y, weight = binary_data
    groups = np.random.default_rng(8).integers(0, 300, len(y)) * 7 - 40
    return X, y, weight, groups, expected_covariance(X, y, weight, groups)


def test_statsmodels(grouped):
    """Statsmodels has the same factor, where it corrects as Stata does."""
    X, y, _, groups, _ = grouped
    model = sm.Logit(y, sm.add_constant(X))
    codes = np.unique(groups, return_inverse=True)[1]
    kwds = {"groups": codes, "use_correction": True, "df_correction": False}
    reference = model.fit(
        method="newton", disp=0, tol=1e-14, cov_type="cluster", cov_kwds=kwds
    )
    res = fitted(X, y, groups)
    assert_equal_covariances(res.cov_params("cluster"), reference.cov_params(), 1e-7)
    np.testing.assert_allclose(res.pvalues, reference.pvalues, rtol=1e-5)
    np.testing.assert_allclose(res.conf_int(), reference.conf_int(), rtol=1e-6)


LABELS = {
    "int": lambda g: g,
    "float": lambda g: g / 4,
    "text": lambda g: np.char.add("group ", g.astype(str)),
    "objects": lambda g: np.array([f"g{v}" for v in g], dtype=object),
    "dates": lambda g: np.datetime64("2020-01-01") + g.astype("m8[D]"),
    "unsigned": lambda g: (g + 40).astype(np.uint16),
    "bytes": lambda g: g.astype("S"),
}


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("kind", LABELS)
def test_labels_of_every_type(grouped, kind):
    X, y, weight, groups, expected = grouped
    res = fitted(X, y, LABELS[kind](groups), sample_weight=weight)
    assert_equal_covariances(res.cov_params(), expected)


def test_two_groups_by_a_flag(grouped):
    X, y, weight, groups, _ = grouped
    flag = groups % 2 == 0
    res = fitted(X, y, flag, sample_weight=weight)
    expected = expected_covariance(X, y, weight, flag)
    assert_equal_covariances(res.cov_params(), expected, 1e-5)
    assert res.n_groups == 2


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("solver", ["newton", "lbfgs"])
@pytest.mark.parametrize("kind", ["frequency", "probability", "analytic"])
def test_weights_of_every_kind(grouped, kind, solver):
    X, y, weight, groups, _ = grouped
    expected = expected_covariance(X, y, weight, groups, kind)
    res = fitted(
        X, y, groups, sample_weight=weight, weight_kind=kind, solver=solver, tol=1e-9
    )
    assert res.cov_type == "cluster"
    assert_equal_covariances(res.cov_params(), expected, 1e-7)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("chunks", ODD)
def test_dask_arrays_of_odd_chunks(grouped, chunks):
    X, y, weight, groups, expected = grouped
    rows = da.from_array(X, chunks=(chunks, (1, 3)))
    res = fitted(rows, y, da.from_array(groups, chunks=1013), sample_weight=weight)
    assert_equal_covariances(res.cov_params(), expected)
    same = da.from_array(groups, chunks=(chunks,))
    again = fitted(rows, y, same, sample_weight=weight)
    np.testing.assert_array_equal(again.cov_params(), res.cov_params())


def test_wide_rows(grouped):
    """From 24 columns on slabs lie by rows."""
    _, y, weight, groups, _ = grouped
    X = np.random.default_rng(4).normal(size=(len(y), 40))
    for intercept in (True, False):
        res = fitted(X, y, groups, sample_weight=weight, fit_intercept=intercept)
        if intercept:
            expected = expected_covariance(X, y, weight, groups)
            assert_equal_covariances(res.cov_params(), expected)


@pytest.mark.usefixtures("small_blocks")
def test_zarr_threads_and_two_workers_give_the_same_bits(
    grouped, process_cluster, tmp_path
):
    X, y, weight, groups, expected = grouped
    group = zarr.create_group(str(tmp_path / "rows.zarr"))
    for name, values, rows in (
        ("X", X, 700),
        ("y", y, 1100),
        ("sample_weight", weight, 6000),
        ("groups", groups, 900),
    ):
        group.create_array(name, data=values, chunks=(rows, *values.shape[1:]))
    given = {"sample_weight": group["sample_weight"], "solver": "lbfgs"}
    here = fitted(group["X"], group["y"], group["groups"], **given)
    assert_equal_covariances(here.cov_params(), expected, 1e-7)
    with Client(process_cluster):
        there = fitted(group["X"], group["y"], group["groups"], **given)
    np.testing.assert_array_equal(there.cov_params(), here.cov_params())


def test_columns_of_dataframes(bacteria):
    values, data = bacteria
    lazy = dd.from_pandas(data, npartitions=5)
    columns = ["drug", "strong", "week"]
    res = fitted(lazy[columns], lazy["y"], lazy["child"])
    assert_equal_covariances(res.cov_params(), np.array(values["child"]["cov"]))
    category = data["child"].astype("category")
    res = fitted(data[columns], data["y"], category)
    assert_equal_covariances(res.cov_params(), np.array(values["child"]["cov"]))
    with pytest.raises(DataError, match="X and groups have different indexes"):
        fitted(data[columns], data["y"], data["child"].iloc[::-1])


@settings(max_examples=15)
@given(seed=st.integers(0, 2**32 - 1))
def test_groups_of_one_row_are_hc1(seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(200, 3))
    y = rng.random(200) < expit(X @ [1, -1, 0.5])
    res = fitted(X, y, rng.permutation(200))
    assert_equal_covariances(res.cov_params("cluster"), res.cov_params("HC1"), 1e-10)
    labels = rng.integers(0, 20, 200)
    some = fitted(X, y, labels)
    other = fitted(X[::-1], y[::-1], (labels[::-1] * 31 + 5).astype(str))
    assert_equal_covariances(some.cov_params(), other.cov_params(), 1e-9)


def test_everything_goes_by_groups(grouped):
    X, y, _, groups, _ = grouped
    res = fitted(X, y, groups, tol=1e-4)
    plain = dlogreg.fit(X, y, progress=False)
    assert res.n_passes == plain.n_passes
    np.testing.assert_array_equal(res.cov_params("HC1"), plain.cov_params("HC1"))
    np.testing.assert_array_equal(res.bse, np.sqrt(np.diagonal(res.cov_params())))
    text = " ".join(str(res.summary()).split())
    assert "robust, cluster" in text
    assert "Groups: 300" in text or "Groups 300" in text
    assert "rows of a group depend on each other" in text
    assert str(res.wald_test("x1")).startswith("Wald test (cluster): chi2(1)")
    by_model = fitted(X, y, groups, tol=1e-4, cov_type="model")
    np.testing.assert_array_equal(by_model.bse, plain.bse)
    np.testing.assert_array_equal(by_model.cov_params("cluster"), res.cov_params())
    assert str(by_model.wald_test("x1", kind="cluster")) == str(res.wald_test("x1"))
    with pytest.raises(InferenceError, match="the fit was given no groups"):
        plain.cov_params("cluster")


def test_passes(grouped):
    """Groups are read with the rows and cost no pass."""
    X, y, _, groups, _ = grouped
    labels = counted_array("labels", groups, 500)
    rows = counted_array("rows", X, 500)
    res = fitted(rows, da.from_array(y, chunks=500), labels)
    plain = dlogreg.fit(X, y, tol=1e-10, progress=False)
    assert res.n_passes == plain.n_passes
    pilot = np.isin(np.arange(12), [0, 4, 7, 11])
    assert reads("rows") == reads("labels") == (res.n_passes + pilot).tolist()


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**32 - 1),
    size=st.sampled_from([1, 5, 60]),
    away=st.floats(1e-6, 0.5),
    squared=st.booleans(),
)
def test_the_error_bound_holds(seed, size, away, squared):
    """Standard errors at a point near the optimum are as exact as is proven."""
    rng = np.random.default_rng(seed)
    n = 300
    Z = sm.add_constant(rng.normal(size=(n, 2)))
    groups = np.arange(n) // size
    weight = rng.gamma(1, 1, n) + 0.1
    y = rng.random(n) < expit(
        Z @ [0.3, 1, -1] + rng.normal(size=len(set(groups)))[groups]
    )

    def sums(params):
        p = expit(Z @ params)
        H = Z.T @ (Z * (weight * p * (1 - p))[:, None])
        squares = weight**2 if squared else weight
        M = Z.T @ (Z * (squares * (y - p) ** 2)[:, None])
        u = pd.DataFrame(Z * (weight * (y - p))[:, None]).groupby(groups).sum()
        u = u.to_numpy()
        return np.linalg.inv(H), M, u.T @ u

    params = rng.normal(size=3)
    move = away * rng.normal(size=3)
    inverse, M, B = sums(params)
    exact_inverse, _, exact_B = sums(params + move)
    bse = np.sqrt(np.diagonal(inverse @ B @ inverse))
    exact = np.sqrt(np.diagonal(exact_inverse @ exact_B @ exact_inverse))
    counted = np.ones(n) if squared else weight
    heaviest = float(np.bincount(groups, counted).max())
    reach = float(np.abs(Z @ move).max())
    ratio = np.sqrt(np.diagonal(inverse)) / bse
    bound = cluster_error(inverse, M, ClusterMeat(B, 0, heaviest), ratio, reach)
    assert (np.abs(exact - bse) <= bound * bse * (1 + 1e-9)).all()


def test_the_error_bound_holds_where_residuals_cancel():
    """Scores of groups are then small, and change by more than any residual does."""
    y = np.tile(np.arange(60) % 2, 5)
    y[0] = 1
    u, move, n = np.array([[1.0], [0], [0], [0], [0]]), 0.1, len(y)
    p = expit(move)
    exact = (y.reshape(5, 60) - p).sum(axis=1)
    inverse, M = np.array([[4.0 / n]]), np.array([[n / 4.0]])
    bse = float(inverse[0, 0])
    truth = np.sqrt(exact @ exact) / (n * p * (1 - p))
    ratio = np.sqrt(np.diagonal(inverse)) / bse
    bound = cluster_error(inverse, M, ClusterMeat(u.T @ u, 5, 60.0), ratio, move)
    assert 1 < abs(truth / bse - 1) <= bound


def test_a_fit_that_stops_early_says_how_exact_its_errors_are(grouped):
    X, y, _, groups, _ = grouped
    exact = fitted(X, y, groups)
    rough = fitted(X, y, groups, tol=0.3, max_passes=100)
    found = np.abs(np.asarray(rough.bse) / np.asarray(exact.bse) - 1).max()
    assert found <= rough.bse_error_bound
    assert exact.bse_error_bound < 1e-6


def test_saved_models(grouped, tmp_path):
    X, y, _, groups, _ = grouped
    res = fitted(X, y, groups)
    path = tmp_path / "model.json"
    res.save(path)
    loaded = dlogreg.load(path)
    np.testing.assert_array_equal(loaded.cov_params("cluster"), res.cov_params())
    assert loaded.n_groups == 300
    entries = json.loads(path.read_text())
    del entries["sha256"]
    for changes, message in (
        ({"cluster_covariance": None}, "'cluster_covariance' is null"),
        ({"n_groups": 1}, "'n_groups' must be 2 or more"),
    ):
        path.write_text(json.dumps({**entries, **changes}))
        with pytest.raises(ValueError, match=message):
            dlogreg.load(path)
    for key in ("cluster_covariance", "n_groups"):
        del entries[key]
    entries["cov_type"] = "HC1"
    path.write_text(json.dumps(entries))
    assert dlogreg.load(path).n_groups == 0


def refused(error, match, X, y, groups, **options):
    with pytest.raises(error, match=match):
        fitted(X, y, groups, **options)


def test_bad_groups(grouped):
    X, y, weight, groups, _ = grouped
    labels = groups.astype(float)
    labels[4321] = np.nan
    refused(DataError, "groups is nan in row 4321; give every row", X, y, labels)
    unused = weight.copy()
    unused[4321] = 0
    fitted(X, y, labels, sample_weight=unused)
    texts = groups.astype(object)
    texts[17] = None
    refused(DataError, "groups is None in row 17", X, y, texts)
    texts[17] = "a"
    refused(DataError, "groups holds both int and str; give all", X, y, texts)
    dates = np.full(6000, np.datetime64("2020-01-01"))
    dates[9] = np.datetime64("NaT")
    refused(DataError, "groups is NaT in row 9", X, y, dates)
    refused(DataError, "all rows are in one group, 'a', and one", X, y, ["a"] * 6000)
    one = np.where(weight > 0, 3, groups)
    refused(DataError, "in one group, 3", X, y, one, sample_weight=weight)
    refused(DataError, "X has 6000 rows but groups has 5999", X, y, groups[1:])
    refused(DataError, "groups must be 1-D", X, y, groups[:, None])
    refused(DataError, "values of type complex", X, y, groups * 1j)
    refused(DataError, "groups are for .* two classes", X, np.arange(6000) % 3, groups)
    refused(ValueError, "groups asks for .*alpha=0", X, y, groups, alpha=0.1)
    refused(ValueError, "groups asks for .*inference", X, y, groups, inference=False)
    message = "cov_type='cluster' needs groups="
    refused(ValueError, message, X, y, None, cov_type="cluster")
    halves = [groups[:3000].astype(object), groups[3000:].astype(str).astype(object)]
    mixed = da.concatenate([da.from_array(half, chunks=3000) for half in halves])
    rows = da.from_array(X, chunks=(3000, 4))
    refused(DataError, "groups holds int in one block and text", rows, y, mixed)


def test_few_groups_test_few_coefficients(grouped):
    X, y, _, groups, _ = grouped
    res = fitted(X, y, groups % 3)
    with pytest.raises(InferenceError, match="4 constraints cannot be tested by 3 "):
        res.wald_test()
    assert res.wald_test("x1, x2").df == 2
    assert res.wald_test(kind="HC1").df == 4


def test_more_groups_than_memory(grouped, monkeypatch):
    X, y, _, _, _ = grouped
    many = np.arange(6000)
    limit = dlogreg.plan(X, y, groups=many).memory.total + 2**20
    refused(
        MemoryLimitError,
        "there are more than .* groups",
        X,
        y,
        many,
        memory_limit=limit,
    )
    fitted(X, y, many // 100, memory_limit=limit)
    monkeypatch.setattr("dlogreg.memory.group_tables.GROUP_BYTES", 8 * 6 * 5999)
    refused(MemoryLimitError, "more than 5,999 groups", X, y, many)
    monkeypatch.setattr("dlogreg.memory.group_tables.GROUP_BYTES", 8 * 6 * 6000)
    assert fitted(X, y, many).n_groups == 6000


def test_without_a_hessian(monkeypatch):
    monkeypatch.setattr(
        "dlogreg.options.fit_options.hessian_fits", lambda n_params: False
    )
    X = np.random.default_rng(0).normal(size=(100, 2))
    y, groups = np.arange(100) % 2, np.arange(100) // 2
    message = "need the Hessian, and L-BFGS does not form it for 3 coefficients"
    refused(ValueError, message, X, y, groups, solver="lbfgs")


def test_more_coefficients_than_weight():
    X = np.random.default_rng(0).normal(size=(100, 2))
    y = np.random.default_rng(1).integers(0, 2, 100)
    res = fitted(X, y, np.arange(100) // 4, sample_weight=np.full(100, 0.02))
    with pytest.raises(InferenceError, match=r"cluster divides by the sum of weights"):
        res.cov_params()
    made = make_results(cluster_covariance=np.eye(3), n_groups=5, nobs=2.0)
    with pytest.raises(InferenceError, match="a clustered covariance divides by"):
        made.cov_params("cluster")


def test_keyed_sums_add_in_any_grouping():
    parts = [
        KeyedSums(np.array(keys), np.array(sums)[:, None], 10)
        for keys, sums in (([1, 3], [0.1, 0.2]), ([2, 3], [0.3, 0.4]), ([1], [0.7]))
    ]
    total = parts[0] + parts[1] + parts[2]
    assert total.keys.tolist() == [1, 2, 3]
    np.testing.assert_array_equal(total.sums[:, 0], [0.1 + 0.7, 0.3, 0.2 + 0.4])
    empty = KeyedSums.empty(1, 10)
    assert (empty + total) is total
    assert (total + empty) is total
    with pytest.raises(MemoryLimitError, match="more than 2 groups"):
        replace(parts[0], most=2) + parts[1]
    assert label_keys(np.array([True, False])).dtype == bool
    assert len(label_keys(np.empty(0, dtype=object))) == 0


def test_command_line(grouped, tmp_path):
    X, y, weight, groups, expected = grouped
    store, model = str(tmp_path / "rows.zarr"), str(tmp_path / "model.json")
    group = zarr.create_group(store)
    arrays = {"X": X, "y": y, "sample_weight": weight, "groups": groups}
    for name, values in arrays.items():
        group.create_array(name, data=values, chunks=(2000, *values.shape[1:]))

    def run(*options, code=0):
        shared = ["--model", model, "--overwrite", "--quiet", "--tol", "1e-9"]
        found = CliRunner().invoke(main, ["fit", store, *shared, *options])
        assert found.exit_code == code, found.output
        return found.output

    assert "robust, cluster" in run()
    assert_equal_covariances(dlogreg.load(model).cov_params(), expected, 1e-7)
    assert "robust" not in run("--cov-type", "model")
    assert dlogreg.load(model).n_groups == 0
    run("--alpha", "0.1")
    assert CliRunner().invoke(main, ["plan", store]).exit_code == 0
    del group["groups"]
    assert "has no array groups" in run("--cov-type", "cluster", code=2)
