"""Score tests of columns outside the model, against statsmodels."""

from __future__ import annotations

import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import zarr
from scipy import stats

import dlogreg
from dlogreg import DataError
from tests.counting import counted_array, forget, reads
from tests.test_likelihood_ratio import easy


@pytest.fixture(scope="module")
def data():
    X, y = easy(n=4000, d=5, seed=3)
    weight = np.random.default_rng(1).integers(0, 3, len(y)).astype(float)
    Z = np.column_stack([X[:, 3] * 1000 + 1e5, X[:, 4], X[:, 0] ** 2])
    return X[:, :3], y, weight, Z


def expected_score(X, y, weight, Z):
    model = sm.GLM(
        y, sm.add_constant(X), family=sm.families.Binomial(), freq_weights=weight
    )
    fitted = model.fit(tol=1e-14)
    found = fitted.model.score_test(fitted.params, exog_extra=Z)
    return float(np.squeeze(found[0]))


def by_definition(X, y, weight, Z):
    """Return the statistic from scores and information, summed over rows."""
    rows = np.repeat(np.arange(len(y)), weight.astype(int))
    X, y, Z = sm.add_constant(X)[rows], y[rows], Z[rows]
    Z = (Z - Z.mean(axis=0)) / Z.std(axis=0)
    fitted = sm.Logit(y, X).fit(disp=False, tol=1e-14)
    p = fitted.predict()
    W = (p * (1 - p))[:, None]
    u = Z.T @ (y - p)
    across = np.linalg.solve(X.T @ (W * X), X.T @ (W * Z))
    V = Z.T @ (W * Z) - (X.T @ (W * Z)).T @ across
    return float(u @ np.linalg.solve(V, u))


def test_statistics_are_those_of_the_definition(data):
    X, y, weight, Z = data
    res = dlogreg.fit(X, y, sample_weight=weight, tol=1e-8, progress=False)
    table = res.score_test(Z)
    assert table.terms == ("z1", "z2", "z3")
    for j, name in enumerate(table.terms):
        wanted = by_definition(X, y, weight, Z[:, [j]])
        assert table[name].statistic == pytest.approx(wanted, rel=1e-8)
        assert table[name].df == 1
        assert table[name].pvalue == pytest.approx(stats.chi2.sf(wanted, 1), rel=1e-6)
    wanted = by_definition(X, y, weight, Z)
    assert table.joint.statistic == pytest.approx(wanted, rel=1e-8)
    assert table.joint.df == 3
    assert "all of them" in str(table)
    assert "error bound" not in str(table)


def test_statistics_are_those_of_statsmodels(data):
    X, y, _, Z = data
    ones = np.ones(len(y))
    res = dlogreg.fit(X, y, tol=1e-8, progress=False)
    single = expected_score(X, y, ones, Z[:, [1]])
    assert res.score_test(Z[:, 1])["z1"].statistic == pytest.approx(single, rel=1e-6)
    joint = expected_score(X, y, ones, Z[:, 1:])
    assert res.score_test(Z[:, 1:]).joint.statistic == pytest.approx(joint, rel=1e-6)


def test_one_pass_over_rows_and_candidates(data):
    X, y, weight, Z = data
    res = dlogreg.fit(counted_array("rows", X, 250), y, sample_weight=weight)
    candidates = counted_array("candidates", Z, 330)
    forget("rows", "candidates")
    table = res.score_test(candidates)
    assert table.n_passes == 1
    # four blocks are read before, for the scale of the candidates
    assert sum(reads("rows")) == 16 + 4
    assert len(reads("rows")) == 16
    assert len(reads("candidates")) == 13
    assert sum(reads("candidates")) <= 13 + 8 + table.n_passes * 16


def candidates(Z, folder):
    frame = pd.DataFrame(Z, columns=["u", "v", "w"])
    yield da.from_array(Z, chunks=(333, 2))
    yield da.from_array(Z, chunks=((1, 3998, 1), 1))
    blocks = da.from_array(Z, chunks=(400, 3))
    yield blocks[da.from_array(np.ones(len(Z), bool), chunks=400)]
    yield Z.tolist()
    yield frame
    yield frame.assign(v=frame["v"].astype("Float64"))
    yield dd.from_pandas(frame, npartitions=7)
    for chunks in ((190, 2), (4000, 3)):
        store = zarr.storage.LocalStore(folder / f"{chunks[0]}")
        stored = zarr.create_array(store, shape=Z.shape, chunks=chunks, dtype="f8")
        stored[:] = Z
        yield stored


def test_candidates_of_any_kind(data, small_blocks, tmp_path):
    X, y, weight, Z = data
    res = dlogreg.fit(X, y, sample_weight=weight, tol=1e-8)
    wanted = res.score_test(Z)
    for given in candidates(Z, tmp_path):
        table = res.score_test(given)
        np.testing.assert_allclose(table.statistics, wanted.statistics, rtol=1e-8)
        assert table.joint.statistic == pytest.approx(wanted.joint.statistic, rel=1e-8)
    one = pd.Series(Z[:, 1], name="height")
    for given in (one, dd.from_pandas(one.to_frame(), npartitions=3)["height"]):
        table = res.score_test(given)
        assert table.terms == ("height",)
        assert table["height"].statistic == pytest.approx(wanted["z2"].statistic)
    column = res.score_test(da.from_array(Z[:, 1], chunks=70))
    assert column["z1"].statistic == pytest.approx(wanted["z2"].statistic)


def test_rows_of_unknown_number_are_counted(data):
    X, y, _, Z = data
    blocks = da.from_array(X, chunks=(400, 3))
    kept = da.from_array(np.ones(len(X), bool), chunks=400)
    res = dlogreg.fit(blocks[kept], da.from_array(y, chunks=400)[kept], tol=1e-8)
    wanted = dlogreg.fit(X, y, tol=1e-8).score_test(Z)
    found = res.score_test(da.from_array(Z, chunks=(777, 3)))
    np.testing.assert_allclose(found.statistics, wanted.statistics, rtol=1e-7)


def test_columns_that_add_nothing(data):
    X, y, _, Z = data
    res = dlogreg.fit(X, y, tol=1e-8)
    nothing = np.column_stack([X[:, 0] * 3 - X[:, 1], np.full(len(y), 7.0), Z, Z[:, 1]])
    table = res.score_test(nothing)
    assert table.df.tolist() == [0, 0, 1, 1, 1, 1]
    assert np.isnan(table.pvalues[:2]).all()
    assert table.joint.df == 3
    wanted = res.score_test(Z)
    np.testing.assert_allclose(table.statistics[2:5], wanted.statistics, rtol=1e-8)
    assert table.joint.statistic == pytest.approx(wanted.joint.statistic, rel=1e-6)
    alone = res.score_test(nothing[:, :2])
    assert alone.joint.df == 0
    assert np.isnan(alone.joint.pvalue)


def test_bad_candidates(data):
    X, y, weight, Z = data
    res = dlogreg.fit(X, y, sample_weight=weight)
    holed = Z.copy()
    row = int(np.flatnonzero(weight > 0)[100])
    holed[row, 2] = np.nan
    with pytest.raises(DataError, match=f"'z3' holds NaN in row {row} of Z"):
        res.score_test(holed)
    holed[row, 2] = -np.inf
    with pytest.raises(DataError, match=f"'z3' holds infinity in row {row} of Z"):
        res.score_test(da.from_array(holed, chunks=(300, 3)))
    with pytest.raises(DataError, match="X has 4000 rows but Z has 3999"):
        res.score_test(Z[1:])
    with pytest.raises(DataError, match="Z must be one or more columns"):
        res.score_test(Z[None])
    with pytest.raises(DataError, match="Z has no columns"):
        res.score_test(Z[:, :0])
    named = pd.DataFrame(Z[:, :2], columns=["a", "a"])
    with pytest.raises(DataError, match="column 'a' occurs twice in Z"):
        res.score_test(named)
    text = pd.DataFrame({"a": ["x"] * len(y)})
    with pytest.raises(DataError, match="'a' is not numeric"):
        res.score_test(text)
    lazy = da.from_array(Z, chunks=(500, 3)).map_blocks(
        lambda block: block.astype("U9"), dtype=float, meta=np.empty((0, 3))
    )
    with pytest.raises(DataError, match="of Z has 3 columns of type <U9"):
        res.score_test(lazy)
    moved = pd.DataFrame(Z, index=np.arange(len(y))[::-1])
    mixed = pd.DataFrame({"a": X[:, 0], "b": (X[:, 1] > 0).astype("i1")})
    with pytest.raises(DataError, match="different indexes"):
        dlogreg.fit(mixed, y).score_test(moved)
