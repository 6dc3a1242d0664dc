"""Formulas whose categories are codes against the same formulas on dense columns."""

from itertools import pairwise

import dask
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest

import dlogreg
from dlogreg.errors import ManyLevelsWarning
from dlogreg.formula import mixing
from dlogreg.formula.encoding import Encoder
from dlogreg.formula.tables import frame_block
from dlogreg.kernel import Mixed
from dlogreg.memory import project_memory
from dlogreg.row_kind import RowKind

FORMULAS = {
    "codes": "y ~ a + x + b + z",
    "no intercept": "y ~ 0 + b + z",
    "crossed": "y ~ a:b + x",
    "slopes": "y ~ a*x + b + x:z",
    "splines": "y ~ bs(x, knots=[1, 2, 3]):a + C(b, Treatment('l3'))",
    "sums": "y ~ C(a, Sum) + b:log(w) + C(k, levels=[3, 2, 1, 0])",
}


def made(n=4000, seed=0):
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "a": rng.choice(list("abcd"), n, p=[0.1, 0.2, 0.3, 0.4]),
            "b": rng.choice([f"l{i}" for i in range(20)], n),
            "k": rng.integers(0, 4, n),
            "x": rng.normal(2, 1, n),
            "z": rng.normal(50, 20, n),
            "w": rng.integers(1, 4, n).astype(float),
            "g": rng.integers(0, 90, n),
        }
    )
    eta = 0.3 * table.x - 0.01 * table.z + 0.3 * (table.a == "c") + 0.1 * table.k
    table["y"] = rng.random(n) < 1 / (1 + np.exp(0.3 - eta))
    table["three"] = np.where(rng.random(n) < 0.3, "other", table.y.map(str))
    return table.astype({"a": "category"})


@pytest.fixture(scope="module")
def table():
    return made()


@pytest.fixture
def both(monkeypatch):
    """Return a function that makes a fit from mixed rows and one from dense ones."""

    def fits(*args, **options):
        found = []
        for fewest, kind in ((0, RowKind.MIXED), (10**9, RowKind.DENSE)):
            monkeypatch.setattr(mixing, "FEWEST_SAVED", fewest)
            found.append(dlogreg.fit_formula(*args, **{"tol": 1e-10, **options}))
            rows = getattr(found[-1], "rows", None)
            assert rows is None or rows.source.sparse == kind
        return found

    return fits


def agree(found, expected, rtol=1e-8):
    """Agree, numbers of size 0 to what is lost beside the largest."""
    found, expected = np.asarray(found, float), np.asarray(expected, float)
    size = np.abs(expected[np.isfinite(expected)]).max(initial=1e-300)
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=1e-10 * size)


@pytest.mark.parametrize("formula", FORMULAS.values(), ids=FORMULAS.keys())
def test_every_formula_gives_the_same_fit(both, table, formula):
    mixed, dense = both(formula, table)
    assert mixed.names == dense.names
    agree(mixed.params, dense.params)
    for kind in ("model", "HC0", "HC1"):
        agree(mixed.cov_params(kind), dense.cov_params(kind))
    agree([mixed.llf, mixed.llnull, mixed.nobs], [dense.llf, dense.llnull, dense.nobs])
    assert mixed.error_bound < 1e-6
    agree(mixed.predict(table[:50]), dense.predict(table[:50]))


@pytest.mark.parametrize("formula", FORMULAS.values(), ids=FORMULAS.keys())
def test_mixed_rows_are_those_of_the_design(table, formula):
    res = dlogreg.fit_formula(formula, table)
    encoder, block = Encoder(res.recipe), frame_block(table)
    mixed = encoder.mixed(block)
    assert isinstance(mixed, Mixed)
    np.testing.assert_array_equal(mixed.toarray(), encoder.design(block))
    stored = (mixed.toarray() != 0).sum(axis=1).max()
    assert stored <= encoder.columns.row_values < len(res.feature_names)


OPTIONS = {
    "frequency": {"sample_weight": "w"},
    "probability": {"sample_weight": "w", "weight_kind": "probability"},
    "analytic": {"sample_weight": "w", "weight_kind": "analytic"},
    "offset": {"offset": "log(w)"},
    "clusters": {"groups": "g"},
    "ridge": {"alpha": 0.01},
    "firth": {"firth": True, "tol": 1e-8},
    "lbfgs": {"alpha": 0.01, "solver": "lbfgs", "tol": 1e-8, "inference": False},
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS.keys())
def test_every_option_gives_the_same_fit(both, table, options):
    mixed, dense = both("y ~ a + b + x + b:z", table, **options)
    tol = 1e-6 if "tol" in options else 1e-8
    if options.get("inference", True) and "alpha" not in options:
        agree(mixed.params / dense.bse, dense.params / dense.bse, tol)
        agree(mixed.bse, dense.bse, tol)
    else:
        np.testing.assert_allclose(mixed.params, dense.params, atol=1e-6)
    assert mixed.status == dense.status


def test_three_classes(both, table):
    mixed, dense = both("three ~ a + b + x", table)
    agree(mixed.params, dense.params)
    agree(mixed.bse, dense.bse)
    agree(mixed.cov_params("HC1"), dense.cov_params("HC1"))
    agree(mixed.predict(table[:20]), dense.predict(table[:20]))


def test_everything_that_reads_the_rows_again(both, table):
    table = table[:1500]
    mixed, dense = both("y ~ a + b + x", table)
    agree(mixed.lr_test().statistics, dense.lr_test().statistics, 1e-7)
    Z = table[["z"]].to_numpy()
    agree(mixed.score_test(Z).statistics, dense.score_test(Z).statistics)
    names = ["x", "a[T.c]"]
    ends = [res.conf_int(method="profile", names=names) for res in (mixed, dense)]
    agree(*ends, 1e-7)
    effects = [res.marginal_effects(dummy=True) for res in (mixed, dense)]
    agree(effects[0].effects, effects[1].effects)
    agree(effects[0].bse, effects[1].bse)
    agree(mixed.influence(5).distances, dense.influence(5).distances)
    agree(mixed.residuals(), dense.residuals())
    agree(*(res.errors_of(names, tol=1e-9).bse for res in (mixed, dense)))
    agree(mixed.goodness_of_fit().brier, dense.goodness_of_fit().brier)
    agree(mixed.vif(), dense.vif())
    agree(mixed.wald_test("x = 0").statistic, dense.wald_test("x = 0").statistic)
    reports = [dlogreg.evaluate(res, table, table["y"]) for res in (mixed, dense)]
    agree(reports[0].brier, reports[1].brier)


def test_levels_of_one_outcome_are_named(both, table):
    table = table.copy()
    table.loc[table.b == "l7", "y"] = True
    table.loc[(table.b == "l4").to_numpy().nonzero()[0][1:], "b"] = "l5"
    table.loc[table.b == "l4", "y"] = False
    with pytest.warns(dlogreg.SeparationWarning, match=r"b\[T\.l4\].*b\[T\.l7\]"):
        mixed, dense = both("y ~ a + b + x", table)
    signs = [mixed.params["b[T.l4]"], mixed.params["b[T.l7]"]]
    assert signs == [-np.inf, np.inf]
    agree(mixed.params, dense.params)
    agree(mixed.bse, dense.bse)
    assert mixed.status == dense.status
    assert mixed.separation == dense.separation


def test_levels_that_are_aliased_are_dropped(both, table):
    table = table.assign(same=table["b"].str.upper(), half=table["x"] / 2)
    with pytest.warns(dlogreg.CollinearityWarning, match="15 more"):
        mixed, dense = both("y ~ b + x + same + half", table)
    assert mixed.dropped.keys() == dense.dropped.keys()
    assert len(mixed.dropped) == 20
    agree(mixed.params, dense.params)


def test_a_column_that_is_no_number_in_some_row_is_named(both, table):
    table = table.assign(q=np.where(np.arange(len(table)) == 777, 0.0, 2.0))
    with pytest.raises(dlogreg.DataError, match=r"log\(q\) is infinity in row 777"):
        both("y ~ b + log(q)", table)


def test_sources_and_chunkings_give_the_same_answer(tmp_path):
    table = made(60_000, seed=2)
    formula = "y ~ a + b + x + b:z"
    reference = dlogreg.fit_formula(formula, table, tol=1e-10)
    assert reference.rows.source.sparse == RowKind.MIXED
    table.to_parquet(tmp_path / "whole.parquet", row_group_size=7001)
    bounds = [0, 1, 5000, 5001, 31_234, 60_000]
    parts = [table[low:high] for low, high in pairwise(bounds)]
    odd = dd.concat([dd.from_pandas(part, npartitions=1) for part in parts])
    for data in (str(tmp_path / "whole.parquet"), odd):
        res = dlogreg.fit_formula(formula, data, tol=1e-10)
        agree(res.params / res.bse, reference.params / reference.bse, 1e-9)
        agree(res.bse, reference.bse)


def test_tasks_and_threads_do_not_change_a_bit(tmp_path):
    table = made(60_000, seed=3)
    path = str(tmp_path / "rows.parquet")
    table.to_parquet(path, row_group_size=3000)
    found = []
    for options in (
        {"scheduler": "synchronous"},
        {"scheduler": "threads", "num_workers": 2},
        {"scheduler": "threads", "num_workers": 7},
    ):
        with dask.config.set(**options):
            found.append(dlogreg.fit_formula("y ~ a + b + x + b:z", path, groups="g"))
    for other in found[1:]:
        np.testing.assert_array_equal(other.params, found[0].params)
        np.testing.assert_array_equal(other.bse, found[0].bse)


def test_ten_thousand_levels():
    rng = np.random.default_rng(5)
    n, n_levels = 120_000, 10_000
    codes = np.concatenate([np.arange(n_levels), rng.integers(0, n_levels, n)])
    effect = rng.normal(size=n_levels) / 2
    x = rng.normal(size=len(codes))
    y = rng.random(len(codes)) < 1 / (1 + np.exp(-effect[codes] - 0.5 * x))
    levels = [f"id{i:05d}" for i in range(n_levels)]
    table = pd.DataFrame({"id": pd.Categorical.from_codes(codes, levels), "x": x})
    table["y"] = y
    with pytest.warns(ManyLevelsWarning, match="id has 10,000 levels in 130,000 rows"):
        res = dlogreg.fit_formula(
            "y ~ id + x", table, alpha=1e-4, inference=False, memory_limit="500 MB"
        )
    assert res.converged
    assert len(res.params) == n_levels + 1
    p = res.predict(table[:20_000])
    eta = np.log(p / (1 - p))
    slopes = np.asarray(res.params)[1:-1]
    own = np.where(codes == 0, 0.0, slopes[codes - 1])[:20_000]
    expected = res.params["const"] + own + res.params["x"] * x[:20_000]
    agree(eta, expected)
    # the gradient of the penalised mean loss vanishes
    whole = res.params["const"] + np.where(codes == 0, 0.0, slopes[codes - 1])
    miss = 1 / (1 + np.exp(-whole - res.params["x"] * x)) - y
    sums = np.bincount(codes, miss, n_levels)[1:] / len(y) + 1e-4 * slopes
    assert np.abs(sums).max() < 1e-5


def test_memory_of_mixed_rows_is_projected(both, table, tmp_path):
    found = both("y ~ a + b + C(g) + x", table)
    mixed, dense = (
        project_memory(res.rows.source, len(res.params), 2, 2) for res in found
    )
    assert mixed.block * 10 < dense.block
    assert mixed.driver == dense.driver
    with pytest.raises(dlogreg.MemoryLimitError, match="the fit needs about"):
        dlogreg.fit_formula("y ~ a + b + C(g) + x", table, memory_limit="1 MB")
