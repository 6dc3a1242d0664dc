import os
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import zarr
from click.testing import CliRunner

import dlogreg
from dlogreg.cli import COMMANDS, main
from dlogreg.objective import Objective
from dlogreg.source.group import open_data


@pytest.fixture
def table():
    rng = np.random.default_rng(3)
    X = rng.normal(size=(900, 3))
    late = rng.random(900) < 1 / (1 + np.exp(-X @ [1, -0.5, 0.2]))
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    return frame.assign(y=np.where(late, "late", "on time"))


@pytest.fixture
def folder(tmp_path, table, monkeypatch):
    monkeypatch.chdir(tmp_path)
    table.to_csv("t.csv", index=False)
    assert run("convert", "t.csv", "t.zarr", "--target", "y").exit_code == 0
    return tmp_path


def run(*arguments):
    return CliRunner().invoke(main, list(map(str, arguments)))


def refused(done, *texts):
    """Check for one clear line on stderr and nothing else."""
    assert done.exit_code == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("error: ")
    for text in texts:
        assert text in done.stderr
    return True


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from dlogreg.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'dask', 'zarr', 'pandas', 'numpy', 'scipy', 'rich', 'distributed'}\n"
        "sys.exit(str(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    for name, line in COMMANDS.items():
        assert name in done.stdout
        assert line in done.stdout


def test_every_command_has_help():
    for name in COMMANDS:
        done = run(name, "--help")
        assert done.exit_code == 0
        assert "Usage" in done.output
    assert run("nonsense").exit_code == 2
    assert run("--version").output.split()[-1] == dlogreg.__version__


def test_from_csv_to_predictions(folder, table):
    done = run("fit", "t.zarr", "--model", "m.json")
    assert done.exit_code == 0
    assert "late" in done.output
    assert "m.json" in done.output
    X, y = table[["a", "b", "c"]], table["y"]
    direct = dlogreg.fit(X, y)
    saved = dlogreg.load("m.json")
    np.testing.assert_allclose(saved.params, direct.params, rtol=1e-12)
    assert saved.classes == ("late", "on time")

    shown = run("summary", "m.json")
    assert shown.exit_code == 0
    assert shown.stdout.strip() == str(saved.summary()).strip()
    wide, narrow = (run("summary", "m.json", "--alpha", a).stdout for a in (0.01, 0.5))
    assert wide != narrow

    done = run("predict", "m.json", "t.zarr", "p.zarr", "--threshold", 0.7)
    assert done.exit_code == 0
    group = zarr.open_group("p.zarr", mode="r")
    np.testing.assert_allclose(group["probability"][:], direct.predict(X), rtol=1e-12)
    labels = np.array(group["label"].attrs["labels"])[group["label"][:]]
    expected = np.where(direct.predict(X) > 0.7, "on time", "late")
    np.testing.assert_array_equal(labels, expected)
    assert group.attrs["event"] == "on time"
    assert group.attrs["threshold"] == 0.7


def test_where_the_time_went_is_shown_on_demand(folder):
    plain = run("fit", "t.zarr", "--model", "m.json")
    assert "waiting" not in plain.stdout
    done = run("fit", "t.zarr", "--model", "m.json", "--overwrite", "--trace")
    trace = str(dlogreg.load("m.json").trace)
    assert "waiting" in trace
    assert trace in done.stdout
    assert trace in run("summary", "m.json", "--trace").stdout
    assert trace not in run("summary", "m.json").stdout


def test_evaluate(folder, table):
    run("fit", "t.zarr", "--model", "m.json")
    done = run("evaluate", "m.json", "t.zarr")
    assert done.exit_code == 0, done.output
    direct = dlogreg.fit(table[["a", "b", "c"]], table["y"])
    report = dlogreg.evaluate(direct, table[["a", "b", "c"]], table["y"])
    assert done.stdout == f"{report}\n"
    assert "'on time'" in done.stdout

    done = run(
        "evaluate", "m.json", "t.zarr", "--in-sample", "--groups", 4,
        "--threshold", 0.7, "--cost-fp", 1, "--cost-fn", 4, "--prior", 0.1, "--quiet",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "chi2(2) = " in done.stdout
    assert "p > 0.7:" in done.stdout
    best = report.best_threshold(1, 4, prior=0.1)
    assert f"Least cost at p > {best.threshold:.6g}: {best.cost:.6g}" in done.stdout
    assert "10.0000% are events" in done.stdout

    for wrong in (["--cost-fp", 1], ["--prior", 0.1], ["--groups", 1]):
        done = run("evaluate", "m.json", "t.zarr", *wrong)
        assert done.exit_code == 2
        assert wrong[0] in done.stderr


def test_evaluate_on_other_rows(folder, table):
    run("fit", "t.zarr", "--model", "m.json")
    saved = dlogreg.load("m.json")
    late = table[table["y"] == "late"][["c", "b", "a", "y"]]
    late.to_csv("late.csv", index=False)
    run("convert", "late.csv", "late.zarr", "--target", "y")
    done = run("evaluate", "m.json", "late.zarr")  # one class, columns in other order
    assert done.exit_code == 0, done.output
    loss = -np.log1p(-saved.predict(late)).mean()
    assert f"{loss:.5g}" in done.stdout

    table.assign(y=table["y"].replace("late", "never")).to_csv("u.csv", index=False)
    run("convert", "u.csv", "u.zarr", "--target", "y")
    message = "'never', but the model knows 'late' and 'on time'"
    assert refused(run("evaluate", "m.json", "u.zarr"), "u.zarr", message)
    table[["a", "b", "y"]].to_csv("less.csv", index=False)
    run("convert", "less.csv", "less.zarr", "--target", "y")
    assert refused(run("evaluate", "m.json", "less.zarr"), "lacks 1", "'c'")
    zarr.open_group("t.zarr", mode="r+")["X"][5, 0] = np.nan
    assert refused(run("evaluate", "m.json", "t.zarr"), "'a'", "row 5")
    del zarr.open_group("t.zarr", mode="r+")["y"]
    assert refused(run("evaluate", "m.json", "t.zarr"), "no array y")
    assert refused(run("evaluate", "no.json", "u.zarr"), "no model at no.json")


def test_three_classes_from_csv_to_predictions(folder, table):
    third = table.assign(y=table["y"].mask(table["c"] > 0.8, "cancelled"))
    third.loc[:60, "y"] = "late"
    third.loc[61:120, "y"] = "cancelled"
    third.to_csv("k.csv", index=False)
    assert run("convert", "k.csv", "k.zarr", "--target", "y").exit_code == 0
    done = run("fit", "k.zarr", "--model", "k.json")
    assert done.exit_code == 0, done.output
    assert "log-odds of 'late' against 'cancelled'" in done.output
    direct = dlogreg.fit(third[["a", "b", "c"]], third["y"])
    assert dlogreg.load("k.json").classes == ("cancelled", "late", "on time")
    assert "against 'cancelled'" in run("summary", "k.json").stdout
    done = run("predict", "k.json", "k.zarr", "p.zarr")
    assert "probability of 3 classes for 900 rows" in done.output
    group = zarr.open_group("p.zarr", mode="r")
    expected = direct.predict(third[["a", "b", "c"]])
    np.testing.assert_allclose(group["probability"][:], expected, rtol=1e-9)
    assert group.attrs["classes"] == ["cancelled", "late", "on time"]
    done = run("predict", "k.json", "k.zarr", "q.zarr", "--threshold", 0.7)
    assert refused(done, "--threshold is for two classes", "k.json has 3")
    done = run("evaluate", "k.json", "k.zarr", "--in-sample")
    assert done.exit_code == 0, done.output
    report = dlogreg.evaluate(
        direct, third[["a", "b", "c"]], third["y"], in_sample=True
    )
    assert done.stdout == f"{report}\n"
    assert "'cancelled'" in done.stdout
    done = run("evaluate", "k.json", "k.zarr", "--threshold", 0.7)
    assert refused(done, "--threshold is for two classes", "k.json has 3")
    done = run("fit", "k.zarr", "--model", "r.json", "--cov-type", "HC1")
    assert done.exit_code == 0, done.output
    assert dlogreg.load("r.json").cov_type == "HC1"


def test_options_of_fit_act(folder, table):
    done = run(
        "fit", "t.zarr", "--model", "m.json", "--alpha", 0.1, "--tol", 1e-9,
        "--no-intercept", "--no-inference", "--solver", "lbfgs", "--quiet",
        "--max-passes", 90, "--memory", "1 GB",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    saved = dlogreg.load("m.json")
    direct = dlogreg.fit(
        table[["a", "b", "c"]], table["y"], alpha=0.1, tol=1e-9, fit_intercept=False
    )
    np.testing.assert_allclose(saved.params, direct.params, rtol=1e-7)
    assert (saved.solver, saved.alpha, saved.tol) == ("lbfgs", 0.1, 1e-9)
    assert not saved.fit_intercept


def test_penalties_of_single_columns_act(folder, table):
    done = run(
        "fit", "t.zarr", "--model", "m.json", "--alpha", 0.02, "--l1-ratio", 0.8,
        "--penalty-factor", "a=0", "--bounds", "b=0:", "--bounds", "c=-0.1:0.1",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    direct = dlogreg.fit(
        table[["a", "b", "c"]],
        table["y"],
        alpha=0.02,
        l1_ratio=0.8,
        penalty_factor={"a": 0},
        bounds={"b": (0, None), "c": (-0.1, 0.1)},
    )
    np.testing.assert_array_equal(dlogreg.load("m.json").params, direct.params)
    done = run("fit", "t.zarr", "--model", "n.json", "--bounds", "z=0:1")
    assert refused(done, "bounds names the column 'z'")


def test_weights_in_the_store_are_used(tmp_path, monkeypatch, table):
    monkeypatch.chdir(tmp_path)
    table = table.assign(w=np.arange(len(table)) % 3)
    table.to_parquet("t.parquet")
    run("convert", "t.parquet", "t.zarr", "--target", "y", "--sample-weight", "w")
    assert run("fit", "t.zarr", "--model", "m.json").exit_code == 0
    repeated = table.loc[table.index.repeat(table["w"])]
    direct = dlogreg.fit(repeated[["a", "b", "c"]], repeated["y"])
    np.testing.assert_allclose(dlogreg.load("m.json").bse, direct.bse, rtol=1e-7)


def test_plan(folder):
    done = run("plan", "t.zarr")
    assert done.exit_code == 0
    assert "900 rows x 3 columns" in done.output
    assert " per pass, " in done.output
    assert "\ntimed " in done.output
    assert "measure=False" in run("plan", "t.zarr", "--no-measure").output
    done = run("plan", "t.zarr", "--memory", "10 kB")
    assert done.exit_code == 2
    assert "above memory_limit" in " ".join(done.output.split())
    assert "Traceback" not in done.output


def test_what_is_wrong_is_one_line_and_code_2(folder, table):
    assert refused(
        run("fit", "no.zarr", "--model", "m.json"), "no.zarr", "no Zarr store"
    )
    assert refused(run("plan", "no.zarr"), "no.zarr")
    assert refused(run("summary", "no.json"), "no.json")
    assert refused(run("convert", "no.csv", "o.zarr", "--target", "y"), "no.csv")
    assert refused(run("convert", "t.csv", "t.zarr", "--target", "y"), "--overwrite")
    assert refused(
        run("convert", "t.csv", "o.zarr", "--target", "z"), "'z'", "'a', 'b'"
    )
    message = run("convert", "t.csv", "o.zarr", "--target", "a", "--features", "b")
    assert refused(message, "continuous")
    message = run("fit", "t.zarr", "--model", "m.json", "--memory", "10 kB")
    assert refused(message, "above memory_limit")
    assert refused(run("fit", "t.zarr", "--model", "no/m.json"), "folder")
    (folder / "m.json").write_text("{}")
    assert refused(run("fit", "t.zarr", "--model", "m.json"), "exists already")
    assert refused(run("summary", "m.json"), "not a model saved by dlogreg")
    assert refused(run("predict", "m.json", "t.zarr", "o.zarr"), "not a model")
    assert sorted(os.listdir(folder)) == ["m.json", "t.csv", "t.zarr"]


@pytest.mark.parametrize(
    "option",
    [
        ("--tol", "0"),
        ("--tol", "nan"),
        ("--alpha", "-1"),
        ("--alpha", "nan"),
        ("--alpha", "inf"),
        ("--max-passes", "1"),
        ("--solver", "sag"),
        ("--memory", "plenty"),
        ("--l1-ratio", "1.5"),
        ("--penalty-factor", "a"),
        ("--penalty-factor", "a=much"),
        ("--bounds", "a=1"),
        ("--bounds", "=0:1"),
        ("--memory", "-5"),
    ],
)
def test_wrong_options_are_usage_errors(folder, option):
    done = run("fit", "t.zarr", "--model", "m.json", *option)
    assert done.exit_code == 2
    assert option[0] in done.stderr
    assert "Traceback" not in done.stderr
    assert not (folder / "m.json").exists()


@pytest.mark.parametrize(
    "options",
    [
        "--firth --alpha 1",
        "--l1-ratio 1",
        "--firth --solver lbfgs",
        "--no-inference --cov-type HC1",
        "--weight-kind probability",
    ],
)
def test_options_that_do_not_agree_are_one_line(folder, options):
    names = options.split()
    assert refused(run("fit", "t.zarr", "--model", "m.json", *names))
    assert refused(run("plan", "t.zarr", *names))
    assert not (folder / "m.json").exists()


def test_an_error_of_a_library_keeps_its_traceback(folder, monkeypatch):
    def broken(*args, **options):
        return np.zeros(2).reshape(3)

    monkeypatch.setattr("dlogreg.cli.fit.fit_stored", broken)
    monkeypatch.setattr("dlogreg.cli.fit.open_data", lambda path, options: None)
    done = run("fit", "t.zarr", "--model", "m.json")
    assert isinstance(done.exception, ValueError)


def test_nan_in_the_store_names_column_and_row(folder):
    zarr.open_group("t.zarr", mode="r+")["X"][17, 1] = np.nan
    assert refused(run("fit", "t.zarr", "--model", "m.json"), "'b'", "row 17")
    assert not (folder / "m.json").exists()


def test_a_fit_that_does_not_converge_ends_with_1(folder):
    done = run("fit", "t.zarr", "--model", "m.json", "--max-passes", 2, "--tol", 1e-12)
    assert done.exit_code == 1
    assert done.stderr.startswith("warning: stopped at max_passes")
    assert "Warning" not in done.stderr
    assert not dlogreg.load("m.json").converged


def test_separated_data_end_with_1_and_a_clean_warning(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pd.DataFrame({"x": [1, 2, 3, 4, 5, 6], "y": [0, 0, 0, 1, 1, 1]}).to_csv("s.csv")
    (tmp_path / "s.csv").write_text("x,y\n1,0\n2,0\n3,0\n4,1\n5,1\n6,1\n")
    run("convert", "s.csv", "s.zarr", "--target", "y")
    done = run("fit", "s.zarr", "--model", "m.json")
    assert done.exit_code == 1
    assert done.stderr.startswith("warning: the data are separated ('x'")
    assert done.stderr.count("\n") == 1
    assert dlogreg.load("m.json").separated == ("x",)


def test_ctrl_c_saves_the_best_point(folder, monkeypatch):
    evaluate, calls = Objective.__call__, []

    def interrupted(self, *arguments, **options):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return evaluate(self, *arguments, **options)

    monkeypatch.setattr(Objective, "__call__", interrupted)
    done = run("fit", "t.zarr", "--model", "m.json", "--tol", 1e-10)
    assert done.exit_code == 130
    saved = dlogreg.load("m.json")
    assert saved.status is dlogreg.Status.INTERRUPTED
    assert np.abs(np.asarray(saved.params)).max() > 0.1
    assert "interrupted" in done.output


SIGNALLED = """
import os, signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in background jobs
from dlogreg.cli import main
from dlogreg.{room} import {kernel}
add = {kernel}.add
def signalled(self, *arguments):
    os.kill(os.getpid(), signal.SIGINT)
    return add(self, *arguments)
{kernel}.add = signalled
main(['fit', 't.zarr', '--model', 'm.json'])
"""


@pytest.mark.parametrize(
    ("room", "kernel", "saves"),
    [("kernel", "LossKernel", True), ("survey", "SurveyKernel", False)],
)
def test_a_real_signal(folder, room, kernel, saves):
    code = SIGNALLED.format(room=room, kernel=kernel)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 130, done.stderr
    assert "Traceback" not in done.stderr
    assert (folder / "m.json").exists() == saves
    if not saves:
        assert done.stderr == "interrupted; nothing was written\n"


def test_the_module_can_be_run(folder):
    command = [sys.executable, "-m", "dlogreg", "fit", "no.zarr", "--model", "m.json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == "error: there is no Zarr store at no.zarr; check the path\n"


def test_columns_are_matched_by_name(folder, table):
    run("fit", "t.zarr", "--model", "m.json")
    other = table[["c", "a", "b", "y"]].assign(extra=1.0)
    other.to_csv("other.csv", index=False)
    run("convert", "other.csv", "other.zarr", "--target", "y")
    assert run("predict", "m.json", "other.zarr", "p.zarr").exit_code == 0
    found = zarr.open_group("p.zarr", mode="r")["probability"][:]
    expected = dlogreg.load("m.json").predict(table[["a", "b", "c"]])
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    table[["a", "b", "y"]].to_csv("less.csv", index=False)
    run("convert", "less.csv", "less.zarr", "--target", "y")
    assert refused(run("predict", "m.json", "less.zarr", "q.zarr"), "'c'")
    assert refused(run("predict", "m.json", "t.zarr", "p.zarr"), "exists already")
    done = run("predict", "m.json", "t.zarr", "p.zarr", "--overwrite")
    assert done.exit_code == 0


def test_predictions_are_written_block_by_block(folder, table, monkeypatch):
    run("convert", "t.csv", "small.zarr", "--target", "y", "--chunk", "240")
    run("fit", "small.zarr", "--model", "m.json")
    assert open_data("small.zarr").X.nchunks == 90
    assert run("predict", "m.json", "small.zarr", "p.zarr").exit_code == 0
    found = zarr.open_group("p.zarr", mode="r")["probability"][:]
    expected = dlogreg.load("m.json").predict(table[["a", "b", "c"]])
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_rows_without_a_value_get_no_probability_and_no_label(folder):
    run("fit", "t.zarr", "--model", "m.json")
    zarr.open_group("t.zarr", mode="r+")["X"][5, 0] = np.nan
    done = run("predict", "m.json", "t.zarr", "p.zarr")
    assert done.exit_code == 0
    assert "1 rows have no probability" in done.stderr
    found = zarr.open_group("p.zarr", mode="r")["probability"][:]
    assert np.flatnonzero(np.isnan(found)).tolist() == [5]
    done = run("predict", "m.json", "t.zarr", "q.zarr", "--threshold", 0.5)
    assert refused(done, "row 5")
    assert not (folder / "q.zarr").exists()


def test_columns_by_option(folder):
    names = ["--features", "c, a"]
    assert run("convert", "t.csv", "u.zarr", "--target", "y", *names).exit_code == 0
    assert open_data("u.zarr").feature_names == ("c", "a")
    (folder / "v.csv").write_text('"x, in m",y\n1,0\n2,1\n')
    one = ["--feature", "x, in m", "--dtype", "float32"]
    assert run("convert", "v.csv", "v.zarr", "--target", "y", *one).exit_code == 0
    assert open_data("v.zarr").feature_names == ("x, in m",)
    assert open_data("v.zarr").X.dtype == "float32"


def test_no_scheduler_there(folder):
    done = run("fit", "t.zarr", "--model", "m.json", "--scheduler", "nonsense://there")
    assert refused(done, "no Dask scheduler answers at nonsense://there")


@pytest.mark.cluster
def test_a_cluster_by_its_address(folder):
    from distributed import LocalCluster

    done = run("fit", "t.zarr", "--model", "here.json")
    assert done.exit_code == 0, done.output
    with LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=":0", processes=True
    ) as cluster:
        address = cluster.scheduler_address
        planned = run("plan", "t.zarr", "--scheduler", address)
        assert "2 workers with 2 threads" in planned.output
        done = run("fit", "t.zarr", "--model", "there.json", "--scheduler", address)
        assert done.exit_code == 0, done.output
        done = run("predict", "there.json", "t.zarr", "p.zarr", "--scheduler", address)
        assert done.exit_code == 0, done.output
        scored = run("evaluate", "there.json", "t.zarr", "--scheduler", address)
        assert scored.stdout == run("evaluate", "here.json", "t.zarr").stdout
    here, there = dlogreg.load("here.json"), dlogreg.load("there.json")
    np.testing.assert_array_equal(here.params, there.params)


@pytest.fixture
def files(table, tmp_path):
    """Parquet files of the table, and a column of weights."""
    pytest.importorskip("formulaic")
    frame = table[["y", "a", "b"]].copy()
    frame["w"] = 1.0 + (frame.index % 2)
    frame.loc[7, "b"] = np.nan
    frame[:400].to_parquet(tmp_path / "1.parquet")
    frame[400:].to_parquet(tmp_path / "2.parquet")
    return frame, tmp_path


def test_fit_a_formula_about_parquet_files(files):
    frame, folder = files
    arguments = ["fit", folder / "*.parquet", "--model", folder / "m.json", "--quiet"]
    arguments += ["--formula", "y ~ a + bs(b, knots=[0])"]
    refused(
        run(*arguments), "'b' in 1 (first in row 7 of row group 0", "missing='drop'"
    )
    done = run(*arguments, "--missing", "drop", "--weights", "w")
    assert done.exit_code == 0, done.stderr
    model = dlogreg.load(folder / "m.json")
    same = dlogreg.fit_formula(
        "y ~ a + bs(b, knots=[0])", frame, sample_weight="w", missing="drop"
    )
    np.testing.assert_allclose(model.params, same.params, atol=1e-8)
    assert model.n_dropped == 1
    arguments[-1] = "y ~ a +"
    refused(run(*arguments, "--overwrite"), "cannot be read")
    refused(run(*arguments, "--overwrite", "--no-intercept"), 'write "- 1"')
    alone = ["fit", folder, "--model", folder / "n.json", "--weights", "w"]
    refused(run(*alone), "--weights is for --formula")


def test_models_of_formulas_are_used_on_files_and_stores(files, monkeypatch):
    frame, folder = files
    monkeypatch.chdir(folder)
    path = str(folder / "*.parquet")
    arguments = ["--model", "f.json", "--formula", "y ~ a + b", "--weights", "w"]
    done = run("fit", path, *arguments, "--missing", "drop", "--quiet")
    assert done.exit_code == 0, done.output
    res = dlogreg.load("f.json")
    done = run("predict", "f.json", path, "p.zarr", "--quiet")
    assert "1 rows have no probability (NaN)" in done.output
    found = zarr.open_group("p.zarr")["probability"][:]
    np.testing.assert_allclose(found, res.predict(frame), rtol=1e-12)
    refused(run("evaluate", "f.json", path), "1 of 900 rows have missing values")
    arguments = ["--weights", "w", "--missing", "drop", "--in-sample", "--quiet"]
    done = run("evaluate", "f.json", path, *arguments)
    kept = frame.dropna()
    same = dlogreg.evaluate(res, kept, kept["y"], kept["w"], in_sample=True)
    assert done.stdout == f"{same.summary()}\n"
    frame[["a", "y"]].to_parquet(folder / "few.parq")
    for command in (["predict", "f.json", "few.parq", "q.zarr"],):
        refused(run(*command), "the data lack 1 of the 2 columns", "'b'")
    refused(run("evaluate", "f.json", "few.parq"), "the data lack 1 of the 3 columns")
    done = run("convert", "1.parquet", "1.zarr", "--target", "y", "--quiet")
    assert done.exit_code == 2  # a missing value
    kept.to_parquet(folder / "kept.parquet")
    arguments = ["--target", "y", "--sample-weight", "w", "--quiet"]
    done = run("convert", "kept.parquet", "k.zarr", *arguments)
    assert done.exit_code == 0, done.output
    done = run("evaluate", "f.json", "k.zarr", "--in-sample", "--quiet")
    assert done.stdout == f"{same.summary()}\n"
    assert run("predict", "f.json", "k.zarr", "r.zarr", "--quiet").exit_code == 0
    found = zarr.open_group("r.zarr")["probability"][:]
    np.testing.assert_allclose(found, res.predict(kept), rtol=1e-12)


@pytest.mark.parametrize(
    "command",
    [
        "predict m.json t.zarr t.zarr",
        "predict m.json group.zarr/t.zarr group.zarr",
        "predict m.json ./link.zarr t.zarr",
        "fit t.parquet --formula y~a --model t.parquet",
        "report m.json --out m.json",
        "convert group.zarr/t.csv group.zarr --target y",
    ],
)
def test_what_is_read_is_never_replaced(folder, table, command):
    table.to_parquet("t.parquet")
    run("fit", "t.zarr", "--model", "m.json")
    os.symlink("t.zarr", "link.zarr")
    zarr.create_group("group.zarr")
    shutil.copytree("t.zarr", "group.zarr/t.zarr")
    shutil.copy("t.csv", "group.zarr")
    done = run(*command.split(), "--overwrite")
    assert refused(done, "which is read; choose another name")
    assert open_data("group.zarr/t.zarr").X.shape == open_data("t.zarr").X.shape
    pd.testing.assert_frame_equal(pd.read_parquet("t.parquet"), table)
    assert dlogreg.load("m.json").n_rows == len(table)
