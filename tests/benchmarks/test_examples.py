"""The benchmarks of examples/ run, on data so small that their figures mean nothing."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[2] / "examples" / "benchmarks"


def run(script, tmp_path, *options):
    """Return what a benchmark prints; it must leave nothing behind."""
    command = [sys.executable, BENCHMARKS / script, "--folder", tmp_path, *options]
    done = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
    assert not list(tmp_path.glob("dlogreg-benchmark-*"))
    return done.stdout


def table(text):
    """Return the cells of a Markdown table by their line's name and column's."""
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in text.splitlines()
        if line.startswith("|")
    ]
    names, *lines = rows[0], *rows[2:]
    return {line[0]: dict(zip(names, line, strict=True)) for line in lines}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["zarr", "memory"])
def test_peers(tmp_path, kind):
    options = ["--rows", "3000", "--columns", "4", "--rounds", "1", "--markdown"]
    chosen = ["--peers", "tol=0.01,scikit-learn lbfgs,Logit,chunk files"]
    lines = table(run("peers.py", tmp_path, kind, *options, *chosen))
    fits = ["dlogreg tol=0.01 inference=False", "scikit-learn lbfgs"]
    fits += ["statsmodels Logit"]
    reading = ["read only: chunk files"] if kind == "zarr" else []
    assert set(lines) == {*fits, *reading}
    assert all(float(lines[name]["SE from optimum"]) <= 0.01 for name in fits)
    assert all(float(line["seconds"]) > 0 for line in lines.values())
    assert (lines["scikit-learn lbfgs"]["MB read"] == "-") == (kind == "memory")


@pytest.mark.slow
def test_peers_on_more_rows_than_the_sample(tmp_path):
    options = ["--rows", "400000", "--columns", "2", "--rounds", "1", "--markdown"]
    chosen = ["--peers", "tol=0.01,scikit-learn lbfgs"]
    lines = table(run("peers.py", tmp_path, "memory", *options, *chosen))
    assert float(lines["scikit-learn lbfgs"]["SE from optimum"]) <= 0.01
    assert float(lines["scikit-learn lbfgs"]["tol"]) <= 0.1


@pytest.mark.slow
def test_peers_that_cannot_end_in_time(tmp_path):
    options = ["--rows", "3000", "--limit", "0.05", "--peers", "scikit-learn lbfgs"]
    text = run("peers.py", tmp_path, "memory", *options)
    assert "scikit-learn lbfgs: did not end in 0.05 s" in text


@pytest.mark.slow
def test_floors(tmp_path):
    options = ["--cases", "narrow,lbfgs", "--scale", "0.001", "--rounds", "1"]
    text = run("floors.py", tmp_path, *options)
    for name in ("narrow, zarr", "narrow, memory", "lbfgs, zarr", "lbfgs, memory"):
        assert f"{name}  " in text
    assert "loss_gradient_hessian" in text
    assert "2-8 loss_gradient" in text
    assert text.count("whole fit") == 6


@pytest.mark.slow
def test_scheduling(tmp_path):
    options = ["--rows", "5000", "--columns", "4", "--rounds", "1", "--markdown"]
    lines = table(run("scheduling.py", tmp_path, *options))
    assert set(lines) >= {"threads", "2 workers x 1 thread", "1 worker x 2 threads"}
    # the second table's names are those of the first, its lines come after
    tasks = [int(lines[n]["pass s"]) for n in ("100", "1,000", "10,000")]
    assert max(tasks) <= 16


@pytest.mark.slow
def test_scaling(tmp_path):
    options = ["--scale", "0.001", "--rounds", "1", "--columns", "10,100,200"]
    text = run("scaling.py", tmp_path, *options)
    for what in ("rows", "columns", "chunks"):
        assert f"cost against {what}: exponent" in text
    assert len([line for line in text.splitlines() if "newton  " in line]) == 11


@pytest.mark.slow
def test_categories(tmp_path):
    pytest.importorskip("tabmat")
    options = ["--rows", "20000", "--rounds", "1", "--markdown"]
    lines = table(run("categories.py", tmp_path, *options))
    passes = {"read", "tabmat's products", "functions of a row", "pass: survey"}
    assert set(lines) >= {*passes, "pass: closing", "codes", "dense indicators"}
    assert float(lines["pass: survey"]["seconds"]) > 0


def test_the_optimum_is_checked(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    from generated import Data
    from optimum import check_optimum, distance, find_optimum

    data = Data.of(tmp_path, "memory", 2000, 3, chunk=700)
    data.write()
    optimum = find_optimum(data)
    checked = check_optimum(data, optimum)
    assert checked["distance"] < 1e-8
    assert checked["bse_gap"] < 1e-8
    off = np.array(optimum["params"]) + np.array([0, 0, 0.5, 0]) * optimum["bse"]
    wrong = {**optimum, "params": list(off)}
    assert distance(wrong, optimum) == pytest.approx(0.5)
    assert check_optimum(data, wrong)["distance"] > 0.4


def test_parquet_holds_the_rows_of_the_store(tmp_path, monkeypatch):
    parquet = pytest.importorskip("pyarrow.parquet")
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    from generated import Data

    data = Data.of(tmp_path, "zarr", 500, 3, chunk=200)
    data.write()
    data.write_parquet()
    X, y = data.open()
    rows = parquet.read_table(tmp_path / "data.parquet")
    assert rows["features"].to_pylist() == X[:].tolist()
    assert rows["label"].to_pylist() == y[:].tolist()
    loaded, labels = data.loader()()
    assert loaded.dtype == np.float64
    assert loaded.tolist() == X[:].tolist()
    assert labels.tolist() == y[:].tolist()


@pytest.fixture
def settled(monkeypatch):
    """Return what settles a program on a sample's tolerance and given distances."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import comparison
    from fits import Peer
    from generated import Data

    def settle(gaps, at, *, arrives=True):
        """Settle; a distance of None is a run that fails."""

        class Known(comparison.Comparison):
            def _settle_on_sample(self, line):
                line.tol = at
                return arrives

            def fit(self, line):
                gap = gaps[line.tol]
                run = {"tol": line.tol, "seconds": 1.0, "params": [gap]}
                return {"error": "too slow"} if gap is None else run

        data = Data.of(Path(), "memory", 10, 1)
        runs = Known(data, 1, 1.0, slow=0.5, sample=data)
        runs.optimum = {"params": [0.0], "bse": [1.0]}
        line = comparison.Line(Peer("program", "numpy", None, tuple(gaps)))
        runs.settle(line)
        return line

    return settle


def test_a_tolerance_is_loosened_as_far_as_it_can_be(settled):
    line = settled({0.1: 0.5, 0.01: 0.009, 1e-3: 0.009, 1e-4: 1e-6}, at=1e-4)
    assert line.tol == 0.01
    assert line.enough
    assert [run["tol"] for run in line.runs] == [0.01]


def test_a_tolerance_is_tightened_past_one_that_brings_nothing(settled):
    assert settled({0.1: 0.5, 0.01: 0.5, 1e-3: 0.005}, at=0.1).tol == 1e-3


def test_tightening_ends_where_nothing_is_gained(settled):
    gaps = {0.1: 0.5, 0.01: 0.3, 1e-3: 0.3, 1e-4: 0.3, 1e-5: 1e-9}
    line = settled(gaps, at=0.1)
    assert line.tol == 0.01
    assert line.runs[0]["params"] == [0.3]
    assert settled(gaps, at=0.1, arrives=False).tol == 0.1


def test_a_tolerance_that_fails_is_told(settled):
    line = settled({0.1: 0.5, 0.01: None, 1e-3: 1e-9}, at=0.1)
    assert line.tol == 0.1
    assert not line.failed
    assert line.remarks == ["tol=1e-02: too slow"]
    nothing = settled({0.1: None}, at=0.1)
    assert nothing.failed
    assert not nothing.runs


@pytest.mark.slow
def test_many_models(tmp_path):
    options = ["--rows", "4000", "--columns", "4", "--rounds", "1", "--markdown"]
    more = ["--replicates", "12", "--refits", "12", "--alphas", "3", "--folds", "3"]
    lines = table(run("many_models.py", tmp_path, *options, *more))
    own = ["cross-validation, ridge", "cross-validation, lasso", "bootstrap"]
    assert set(lines) >= {"one fit", *own, "12 replicates refitted"}
    assert all(float(lines[name]["worst SE"]) <= 0.01 for name in own)
    assert float(lines["12 replicates refitted"]["worst SE"]) <= 0.01
    theirs = [name for name in lines if name.startswith("scikit-learn newton-cholesky")]
    assert float(lines[theirs[-1]]["worst SE"]) <= 0.02


@pytest.mark.slow
def test_hashed(tmp_path):
    sizes = ["--rows", "4000", "--columns", "300", "--subset", "3000", "--values", "10"]
    lines = table(run("hashed.py", tmp_path, *sizes, "--rounds", "1", "--markdown"))
    value = {name: line["value"] for name, line in lines.items()}
    assert value["status"].startswith("CONVERGED")
    assert float(value["pass / floor"]) > 0
    assert abs(float(value["gap to the long fit, relative"])) < 1e-4
    assert float(value["proven gap of the long fit, relative"]) < 1e-4
    assert abs(float(value["gap to scikit-learn on 3,000 rows, relative"])) < 1e-4
