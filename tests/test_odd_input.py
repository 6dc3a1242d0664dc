"""Bad and odd input to paths, validations, bootstraps and pictures: what is told."""

import dask.array as da
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import dlogreg
from dlogreg import DataError, LogisticRegressionCV

N = 300


def sample():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N, 3))
    return X, (X[:, 0] + rng.logistic(size=N) > 0).astype(int)


X, Y = sample()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_alphas": 10**7}, "n_alphas must be a whole number .* up to 10,000"),
        ({"alphas": np.arange(1.0, 20_000.0)}, "alphas holds 19,999 penalties"),
        ({"max_passes": 1}, "max_passes must be a whole number of at least 2, not 1"),
        ({"max_passes": "many"}, "max_passes must be a whole number .*'many'"),
    ],
    ids=str,
)
def test_paths(options, message):
    with pytest.raises(ValueError, match=message):
        dlogreg.path(X, Y, **options)


def test_a_path_whose_first_pass_learns_takes_three():
    rng = np.random.default_rng(1)
    many = rng.normal(size=(200_000, 2))
    y = many[:, 0] + rng.logistic(size=200_000) > 0
    with pytest.raises(ValueError, match=r"max_passes=2 are used up.* of at least 3"):
        dlogreg.path(many, y, n_alphas=3, max_passes=2)


def test_a_path_knows_its_models():
    found = dlogreg.path(X, Y, n_alphas=3)
    assert found[np.int64(-1)].alpha == found.alphas[-1]
    assert [res.alpha for res in found] == list(found.alphas)
    for index in (1.5, "a", slice(0, 2), True, None):
        with pytest.raises(ValueError, match=r"is indexed by one whole number.*at\("):
            found[index]
    for index in (3, -4):
        with pytest.raises(IndexError, match=f"has 3 models, and none at {index}"):
            found[index]
    for alpha in ("a", None, [0.1], np.nan):
        with pytest.raises(ValueError, match="alpha must be one number, not"):
            found.at(alpha)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scoring": 5}, "scoring must name 'log_loss'.* not 5"),
        ({"scoring": None}, "scoring must name .* not None"),
        ({"seed": "a"}, "seed must be a whole number, not 'a'"),
        ({"seed": 1.5}, "seed must be a whole number, not 1.5"),
        ({"seed": None}, "seed must be a whole number, not None"),
        ({"max_passes": "a"}, "max_passes must be at least 4, a whole number, not 'a'"),
        ({"l1_ratio": [0, 1]}, r"l1_ratio must be a number from 0 to 1, not \[0, 1\]"),
        ({"l1_ratio": "a"}, "l1_ratio must be a number from 0 to 1, not 'a'"),
    ],
    ids=str,
)
def test_validations(options, message):
    with pytest.raises(ValueError, match=message):
        dlogreg.cross_validate(X, Y, **options)


def test_folds_of_one_class_have_no_auc():
    y = (np.arange(N) < 3).astype(int)
    options = {"n_alphas": 3, "folds": "stratified"}
    message = "fold . has no row with y = 1 to score, so that it has no AUC"
    for scoring in ("auc", ("log_loss", "auc")):
        with pytest.raises(DataError, match=message):
            dlogreg.cross_validate(X, y, scoring=scoring, **options)
    found = dlogreg.cross_validate(X, y, scoring="log_loss", **options)
    assert np.isfinite(found.scores).all()
    late = (np.arange(N) % 60 > 0).astype(int)
    blocks = da.from_array(X, chunks=(100, 3))
    estimator = LogisticRegressionCV(Cs=2, cv=20, scoring="roc_auc")
    with pytest.raises(DataError, match="to score, so that it has no AUC"):
        estimator.fit(blocks, late)


def test_missing_groups_are_no_group():
    groups = np.where(np.arange(N) % 9 == 4, np.nan, np.arange(N) % 50)
    options = {"folds": "group", "n_folds": 2, "n_alphas": 3}
    with pytest.raises(DataError, match="groups is nan in row 4; give every row a"):
        dlogreg.cross_validate(X, Y, groups=groups, **options)
    given = ~np.isnan(groups)
    dropped = dlogreg.cross_validate(X, Y, groups=groups, missing="drop", **options)
    without = dlogreg.cross_validate(
        X[given], Y[given], groups=groups[given], **options
    )
    np.testing.assert_allclose(dropped.scores, without.scores, rtol=1e-6)
    weight = given.astype(float)
    weighed = dlogreg.cross_validate(
        X, Y, groups=groups, sample_weight=weight, **options
    )
    np.testing.assert_allclose(weighed.scores, without.scores, rtol=1e-6)
    res = dlogreg.fit(X, Y)
    with pytest.raises(DataError, match="groups has a missing label; give every row"):
        res.bootstrap(4, X=X, y=Y, groups=groups, by="groups")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"B": 2.5}, "B of at least 2, a whole number of replicates, not 2.5"),
        ({"B": "a"}, "B of at least 2, .* not 'a'"),
        ({"B": None}, "B of at least 2, .* not None"),
        ({"B": True}, "B of at least 2, .* not True"),
        ({"seed": "a"}, "seed must be a whole number, not 'a'"),
        ({"seed": 1.5}, "seed must be a whole number, not 1.5"),
        ({"tol": "a"}, "tol must be positive, a number .* not 'a'"),
        ({"tol": np.nan}, "tol must be positive, .* not nan"),
        ({"max_passes": "a"}, "at least 2 passes: .* not 'a'"),
        ({"max_passes": 2.5}, "at least 2 passes: .* not 2.5"),
    ],
    ids=str,
)
def test_bootstraps(options, message):
    res = dlogreg.fit(X, Y)
    with pytest.raises(ValueError, match=message):
        res.bootstrap(**options)


@pytest.mark.parametrize("alpha", ["a", None, 0, 1, np.nan, [0.05]])
def test_levels(alpha):
    res = dlogreg.fit(X, Y)
    with pytest.raises(ValueError, match="alpha must lie between 0 and 1, not"):
        res.conf_int(alpha)


def test_a_series_of_factors_is_matched_by_name():
    table = pd.DataFrame(X, columns=["a", "b", "c"])
    given = pd.Series({"c": 3.0, "b": 2.0, "a": 1.0})
    named = dlogreg.fit(table, Y, alpha=0.1, l1_ratio=0.5, penalty_factor=given)
    listed = dlogreg.fit(table, Y, alpha=0.1, l1_ratio=0.5, penalty_factor=[1, 2, 3])
    np.testing.assert_array_equal(named.params, listed.params)
    numbered = pd.Series([1.0, 2.0, 3.0])
    by_place = dlogreg.fit(table, Y, alpha=0.1, l1_ratio=0.5, penalty_factor=numbered)
    np.testing.assert_array_equal(by_place.params, listed.params)
    bounds = pd.Series({"c": (0, 0), "a": (0, 1), "b": (None, None)})
    bounded = dlogreg.fit(table, Y, bounds=bounds)
    assert bounded.params["c"] == 0 != bounded.params["a"]
    with pytest.raises(ValueError, match="penalty_factor names the column 'q'"):
        dlogreg.fit(table, Y, alpha=0.1, penalty_factor=pd.Series({"q": 1.0}))
    twice = pd.Series([1.0, 2.0, 3.0], index=["a", "a", "b"])
    with pytest.raises(ValueError, match="penalty_factor names a column twice"):
        dlogreg.fit(table, Y, alpha=0.1, penalty_factor=twice)


@pytest.mark.parametrize(
    ("cv", "message"),
    [
        ([], "cv holds no folds; give pairs"),
        ([5], "fold 0 of cv must be a pair .train, test."),
        ([(np.arange(9),)], "fold 0 of cv must be a pair"),
        ([("a", "b")], "fold 0 of cv must be two lists"),
        ([(np.arange(9.0), np.arange(3.0))], "lists.* one is of type float64"),
        ([(np.ones(10, bool), np.ones(10, bool))], "of 300 True and False"),
        ([(np.arange(200), np.arange(200, 400))], "names row 300, .* from 0 to 299"),
        ([(np.arange(-5, 100), np.arange(100, 200))], "fold 0 of cv names row -5"),
    ],
    ids=str,
)
def test_folds_given_to_scikit_learns_face(cv, message):
    with pytest.raises(ValueError, match=message):
        LogisticRegressionCV(Cs=2, cv=cv).fit(X, Y)


def test_grids_given_to_scikit_learns_face():
    with pytest.raises(ValueError, match=r"Cs must be positive numbers, not \['a'\]"):
        LogisticRegressionCV(Cs=["a"]).fit(X, Y)
    with pytest.raises(ValueError, match=r"l1_ratios must be .*, not \['a'\]"):
        LogisticRegressionCV(l1_ratios=["a"]).fit(X, Y)
    marks = np.arange(N) % 3 > 0
    found = LogisticRegressionCV(Cs=2, cv=[(marks, ~marks)]).fit(X, Y)
    places = [(np.flatnonzero(marks), np.flatnonzero(~marks))]
    same = LogisticRegressionCV(Cs=2, cv=places).fit(X, Y)
    np.testing.assert_array_equal(found.coef_, same.coef_)


@pytest.mark.parametrize("place", [5, "", ["a"], True, b"a"])
def test_checkpoints_that_are_no_path(place):
    with pytest.raises(dlogreg.CheckpointError, match="must be the path of a folder"):
        dlogreg.fit(X, Y, checkpoint=place)


def test_axes_that_are_none():
    pytest.importorskip("matplotlib").use("Agg")
    found = dlogreg.fit(X, Y)
    for plot in (found.plot.roc, dlogreg.path(X, Y, n_alphas=3).plot):
        with pytest.raises(ValueError, match=r"ax must be matplotlib Axes, .* not 5"):
            plot(ax=5)


def test_columns_of_lists():
    table = pd.DataFrame({"y": Y, "a": [None] + [[1]] * (N - 1)})
    with pytest.raises(DataError, match="column 'a' has values of type list"):
        dlogreg.fit_formula("y ~ a", table)


def table_with_a_late_level():
    rare = ["u"] * 150 + ["v"] * 130 + ["w", "v"] * 10
    return pd.DataFrame({"y": Y, "a": X[:, 0], "g": rare})


def test_empty_row_groups_and_files_and_a_level_in_the_last(tmp_path):
    table = table_with_a_late_level()
    rows = pa.Table.from_pandas(table)
    with pq.ParquetWriter(tmp_path / "a.parquet", rows.schema) as writer:
        for piece in (rows[:0], rows[:280], rows[:0]):
            writer.write_table(piece, row_group_size=100)
    pq.write_table(rows[280:], tmp_path / "b.parquet")
    pq.write_table(rows[:0], tmp_path / "c.parquet")
    found = dlogreg.fit_formula("y ~ a + g", str(tmp_path))
    same = dlogreg.fit_formula("y ~ a + g", table)
    assert found.names == same.names == ("const", "a", "g[T.v]", "g[T.w]")
    np.testing.assert_allclose(found.params, same.params, rtol=1e-8)


def test_a_changed_byte_is_found_where_pages_have_checksums(tmp_path):
    path = tmp_path / "t.parquet"
    rows = pa.Table.from_pandas(table_with_a_late_level())
    pq.write_table(rows, path, row_group_size=100, write_page_checksum=True)
    whole = path.read_bytes()
    column = pq.ParquetFile(path).metadata.row_group(1).column(1)
    start = column.dictionary_page_offset or column.data_page_offset
    end = start + column.total_compressed_size
    for place in range(end - 300, end - 1, 140):
        changed = bytearray(whole)
        changed[place] ^= 0xFF
        path.write_bytes(changed)
        message = r"column 'a' in row group 1 of .*t.parquet cannot be read"
        with pytest.raises(DataError, match=message):
            dlogreg.fit_formula("y ~ a", str(path))
