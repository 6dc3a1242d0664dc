"""Categories, Arrow files, svmlight text, and conversions that are cut off."""

import gzip
import os
import signal
import subprocess
import sys
import time
import tracemalloc

import numpy as np
import pandas as pd
import pyarrow.feather as feather
import pytest
import zarr
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import random_array

import dlogreg
from dlogreg.cli import main
from dlogreg.cli.stores import fit_stored
from dlogreg.convert import convert
from dlogreg.errors import DataError
from dlogreg.formula import store
from dlogreg.source import svmlight, tables
from dlogreg.source.group import open_data


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(8)
    n = 2500
    frame = pd.DataFrame(
        {
            "dose": rng.normal(size=n),
            "town": rng.choice(["Rome", "Oslo", "Åre, N"], n),
            "month": rng.integers(1, 5, n),
            "w": rng.integers(0, 3, n).astype(float),
        }
    )
    frame.loc[n - 60 :, "town"] = "Zug"
    eta = frame.dose - (frame.town == "Oslo")
    frame["cured"] = np.where(rng.random(n) < 1 / (1 + np.exp(-eta)), "yes", "no")
    return frame


@pytest.fixture(autouse=True)
def small_batches(monkeypatch):
    monkeypatch.setattr(tables, "BATCH_BYTES", 1)
    monkeypatch.setattr(svmlight, "BATCH_BYTES", 3000)
    monkeypatch.setattr(store, "ROWS", 700)


def written(table, folder, kind):
    path = folder / f"t.{kind}"
    if kind == "parquet":
        table.astype({"town": "category"}).to_parquet(path, row_group_size=600)
    elif kind == "arrow":
        feather.write_feather(table, path, chunksize=600)
    else:
        table.to_csv(path, index=False)
    return path


def converted(table, folder, kind="csv", **options):
    options = {"target": "cured", "categories": ["town", "month"], **options}
    path = written(table, folder, kind)
    return convert(path, folder / "o.zarr", chunk_bytes=8000, **options)


@pytest.mark.parametrize("kind", ["csv", "csv.gz", "parquet", "arrow"])
def test_categories_are_kept_as_codes(table, tmp_path, kind):
    data = converted(table, tmp_path, kind, sample_weight="w")
    assert data.feature_names == ("dose",)
    assert data.target == "cured"
    np.testing.assert_array_equal(data.X[:, 0], table.dose)
    for name in ("town", "month"):
        codes = data.categories[name]
        levels = np.array(codes.attrs["levels"], dtype=object)
        np.testing.assert_array_equal(levels[codes[:]], table[name])
        assert codes.dtype == "int32"


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_formula_about_the_store_is_that_about_the_table(table, tmp_path, kind):
    formula = "cured ~ dose * town + C(month)"
    path = converted(table, tmp_path, kind, sample_weight="w").path
    for weight in (None, "w"):
        stored = None if weight is None else "sample_weight"
        res = dlogreg.fit_formula(formula, path, sample_weight=stored)
        same = dlogreg.fit_formula(formula, table, sample_weight=weight)
        assert res.feature_names == same.feature_names
        assert res.classes == same.classes == ("no", "yes")
        np.testing.assert_allclose(res.params, same.params, atol=1e-9)
        np.testing.assert_allclose(res.bse, same.bse, rtol=1e-8)
    probability = res.predict(table)
    np.testing.assert_allclose(probability, same.predict(table), atol=1e-9)
    with pytest.raises(DataError, match="no column of the data; they have 'cured'"):
        dlogreg.fit_formula("cured ~ nothing", path)


def test_all_columns_of_a_store_with_categories_are_fitted(table, tmp_path):
    data = converted(table, tmp_path, sample_weight="w")
    res = fit_stored(data)
    same = dlogreg.fit_formula(
        "cured ~ dose + town + C(month)", table, sample_weight="w"
    )
    np.testing.assert_allclose(res.params, same.params, atol=1e-9)
    model = str(tmp_path / "m.json")
    found = CliRunner().invoke(main, ["fit", data.path, "--model", model, "--quiet"])
    assert found.exit_code == 0, found.output
    np.testing.assert_array_equal(dlogreg.load(model).params, res.params)
    arguments = ["fit", data.path, "--model", model, "--overwrite", "--no-intercept"]
    found = CliRunner().invoke(main, arguments)
    assert found.exit_code == 2
    assert 'give --formula "cured ~ . - 1"' in found.output
    found = CliRunner().invoke(main, ["plan", data.path])
    assert found.exit_code == 2
    assert "has categories, so that a formula is fitted" in found.output


def test_a_store_of_categories_alone(table, tmp_path):
    data = converted(table, tmp_path, features=[])
    assert data.X.shape == (2500, 0)
    res = dlogreg.fit_formula("cured ~ town", data.path)
    same = dlogreg.fit_formula("cured ~ town", table)
    np.testing.assert_allclose(res.params, same.params, atol=1e-9)


@pytest.mark.parametrize("kind", ["csv", "parquet", "arrow"])
def test_rows_without_a_level_are_missing(table, tmp_path, kind):
    table = table.astype({"town": object})
    table.loc[[7, 1200], "town"] = None
    path = converted(table, tmp_path, kind).path
    with pytest.raises(DataError, match=r"'town' in 2 \(first in row 7 of .*o.zarr"):
        dlogreg.fit_formula("cured ~ town", path)
    res = dlogreg.fit_formula("cured ~ town", path, missing="drop")
    assert res.n_dropped == 2
    table["town"] = None
    with pytest.raises(DataError, match="column 'town' has no value in any row"):
        converted(table, tmp_path, kind, overwrite=True)


def test_levels_that_look_like_numbers_and_differ_as_text(table, tmp_path):
    text = table.month.map({1: "1", 2: "01", 3: "2", 4: "3"})
    levels = converted(table.assign(month=text), tmp_path).categories["month"].attrs
    assert sorted(levels["levels"]) == ["01", "1", "2", "3"]


def test_groups_whose_categories_are_not_there(table, tmp_path):
    path = converted(table, tmp_path).path
    group = zarr.open_group(path, mode="r+")
    group["categories/town"][3] = 9
    with pytest.raises(DataError, match="holds 9 and 0, but it names 4 levels"):
        dlogreg.fit_formula("cured ~ town", path)
    del group["categories/town"]
    with pytest.raises(DataError, match="'town', but categories/town is no 1-D array"):
        open_data(path)
    group.attrs["categories"] = []
    del group.attrs["feature_names"]
    with pytest.raises(DataError, match="does not say how its columns are called"):
        dlogreg.fit_formula("cured ~ town", path)


def test_choices_that_cannot_be(table, tmp_path):
    path = written(table, tmp_path, "csv")
    with pytest.raises(DataError, match=r"'town' is text .*--categories"):
        convert(path, tmp_path / "o.zarr", target="cured")
    for options, message in [
        ({"target": None}, "target must name"),
        ({"categories": ["cured"]}, "'cured' is named twice"),
        ({"categories": ["no"]}, "there is no column 'no'"),
    ]:
        with pytest.raises(ValueError, match=message):
            convert(path, tmp_path / "o.zarr", **{"target": "cured", **options})
    with pytest.raises(DataError, match=r"s3://b/o.zarr is an address, and stores"):
        convert(path, "s3://b/o.zarr", target="cured")
    assert os.listdir(tmp_path) == ["t.csv"]


def text_of(X, y, first=1):
    lines = []
    for i in range(X.shape[0]):
        row = slice(X.indptr[i], X.indptr[i + 1])
        pairs = zip(X.indices[row], X.data[row], strict=True)
        stored = " ".join(f"{j + first}:{float(v)!r}" for j, v in pairs)
        lines.append(f"{y[i]:+d} {stored}")
    return "\n".join([*lines, "", "# the end", ""])


@pytest.mark.parametrize("kind", ["svm", "svmlight.gz", "libsvm"])
@pytest.mark.parametrize("zero_based", [False, True])
def test_svmlight_text_becomes_compressed_rows(tmp_path, kind, zero_based):
    rng = np.random.default_rng(1)
    X = random_array((600, 50), density=0.1, rng=rng).tocsr()
    X.sort_indices()
    y = np.where(rng.random(600) < 0.4, 1, -1)
    path = tmp_path / f"t.{kind}"
    text = text_of(X, y, int(not zero_based)).encode()
    path.write_bytes(gzip.compress(text) if kind.endswith("gz") else text)
    data = convert(path, tmp_path / "o.zarr", zero_based=zero_based, chunk_bytes=2000)
    for name in ("indptr", "indices", "data"):
        np.testing.assert_array_equal(data.X.group[name][:], getattr(X, name))
    assert data.X.shape == X.shape
    assert data.classes == (-1, 1)
    np.testing.assert_array_equal(data.y[:], y)
    res = fit_stored(data, alpha=0.01)
    np.testing.assert_allclose(
        res.params, dlogreg.fit(X, y, alpha=0.01).params, atol=1e-8
    )
    assert os.listdir(tmp_path) in ([path.name, "o.zarr"], ["o.zarr", path.name])


@settings(max_examples=25)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([0, 1]),
            st.dictionaries(
                st.integers(1, 40), st.floats(-1e30, 1e30), min_size=0, max_size=6
            ),
        ),
        min_size=2,
        max_size=30,
    )
)
def test_any_rows_survive_svmlight_text(tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("svm")
    lines = [
        f"{label} " + " ".join(f"{j}:{v!r}" for j, v in sorted(row.items()))
        for label, row in rows
    ]
    (folder / "t.svm").write_text("\n".join(lines))
    if not any(row for _, row in rows):
        with pytest.raises(DataError, match="labels and no values"):
            convert(folder / "t.svm", folder / "o.zarr")
        return
    data = convert(folder / "t.svm", folder / "o.zarr")
    width = max(j for _, row in rows for j in row)
    dense = np.zeros((len(rows), width))
    for i, (_, row) in enumerate(rows):
        for j, value in row.items():
            dense[i, j - 1] = value
    parts = data.X.group
    found = np.zeros_like(dense)
    borders = parts["indptr"][:]
    which = np.repeat(np.arange(len(rows)), np.diff(borders))
    found[which, parts["indices"][:]] = parts["data"][:]
    np.testing.assert_array_equal(found, dense)
    np.testing.assert_array_equal(data.y[:], [label for label, _ in rows])


LINES = "1 1:2\n" * 300
TEXT_FAULTS = {
    "zero": (LINES + "0 0:1\n", r"line 301 of .*t.svm names column 0"),
    "falling": (LINES + "0 3:1 2:1\n", "line 301 of .* not in rising order"),
    "twice": (LINES + "0 3:1 3:1\n", "line 301 of .* names a column twice"),
    "no pair": (LINES + "0 3 1\n", "line 301 of .* is not of the form"),
    "two colons": (LINES + "0 3:1:1\n", "line 301 of .* is not of the form"),
    "nan": (LINES + "0 3:nan\n", "with finite numbers"),
    "huge": (LINES + "0 3:1e999\n", "value too large for float64"),
    "column": (LINES + "0 3.5:1\n", "columns that are whole"),
    "far": (LINES + f"0 {2**40}:1\n", "a column beyond 2,147,483,647"),
    "qid": (LINES + "0 qid:3 1:1\n", "has a qid"),
    "labels": (LINES + "0,1 1:1\n", "several labels"),
    "text": ("hello\n", "line 1 of .* is not of the form"),
    "comment": ("# 1\n\n", "has no rows"),
    "empty": ("", "has no rows"),
    "continuous": ("".join(f"{i}.5 1:1\n" for i in range(250)), "more than 200 dist"),
}


@pytest.mark.parametrize("name", TEXT_FAULTS)
def test_faults_of_svmlight_text_are_named_and_leave_nothing(tmp_path, name):
    text, message = TEXT_FAULTS[name]
    (tmp_path / "t.svm").write_text(text)
    with pytest.raises(DataError, match=message):
        convert(tmp_path / "t.svm", tmp_path / "o.zarr")
    assert os.listdir(tmp_path) == ["t.svm"]


def test_named_columns_are_refused_for_svmlight_text(tmp_path):
    (tmp_path / "t.svm").write_text(LINES)
    with pytest.raises(ValueError, match="svmlight text has no named columns"):
        convert(tmp_path / "t.svm", tmp_path / "o.zarr", target="y")
    packed = gzip.compress(LINES.encode())
    (tmp_path / "t.svm.gz").write_bytes(packed[:-20])
    with pytest.raises(DataError, match=r"t.svm.gz cannot be read"):
        convert(tmp_path / "t.svm.gz", tmp_path / "o.zarr")


@pytest.mark.parametrize("kind", ["svm", "csv"])
def test_memory_does_not_grow_with_the_text(tmp_path, kind, monkeypatch):
    monkeypatch.setattr(tables, "BATCH_BYTES", 2**16)
    monkeypatch.setattr(svmlight, "BATCH_BYTES", 2**16)
    line = "1 1:0.25 7:3.5\n0 2:1 3:1\n" if kind == "svm" else "1,a,2\n0,b,3\n"
    head = "" if kind == "svm" else "y,g,x\n"
    options = {} if kind == "svm" else {"target": "y", "categories": ["g"]}
    peaks = []
    for size in (2_000, 20_000):
        path = tmp_path / f"{size}.{kind}"
        path.write_text(head + line * size)
        tracemalloc.start()
        convert(path, tmp_path / f"{size}.zarr", chunk_bytes=2**15, **options)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # y and categories have chunks of 2**17 rows, of which the short file fills less
    assert peaks[1] < peaks[0] + 2**17 * (8 + 8 + 4 + 1)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_leaves_nothing_half_written(tmp_path, number):
    pipe = tmp_path / "t.csv"
    pipe.write_text("a,y\n" + "1.5,0\n2.5,1\n" * 400_000)
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler);"
        "from dlogreg.source import tables; tables.BATCH_BYTES = 1;"
        "from dlogreg.cli import main;"
        f"main(['convert', {str(pipe)!r}, {str(tmp_path / 'o.zarr')!r},"
        "'--target', 'y', '--quiet'])"
    )
    running = subprocess.Popen(
        [sys.executable, "-c", code], stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 60
    while len(os.listdir(tmp_path)) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    assert any(name.startswith(".o.zarr") for name in os.listdir(tmp_path))
    running.send_signal(number)
    _, said = running.communicate(timeout=60)
    assert running.returncode == 130
    assert "interrupted; nothing was written" in said
    assert os.listdir(tmp_path) == ["t.csv"]


def test_the_command_line_converts_categories_and_text(table, tmp_path):
    path = written(table, tmp_path, "csv")
    arguments = ["--target", "cured", "--categories", "town, month", "--quiet"]
    out = str(tmp_path / "o.zarr")
    found = CliRunner().invoke(main, ["convert", str(path), out, *arguments])
    assert found.exit_code == 0, found.output
    assert "2,500 rows x 2 columns and 2 categories, classes no, yes" in found.output
    (tmp_path / "t.svm").write_text("0 0:1\n1 4:1\n")
    arguments = [str(tmp_path / "t.svm"), str(tmp_path / "s.zarr"), "--zero-based"]
    found = CliRunner().invoke(main, ["convert", *arguments, "--quiet"])
    assert "2 rows x 5 columns, classes 0, 1" in found.output
