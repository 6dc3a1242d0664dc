"""What is wrong with a formula or a table, said by name."""

from __future__ import annotations

import json
import os
import re
import sys

import dask
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

import dlogreg
from dlogreg.convert import convert
from dlogreg.passes import Silent

pytest.importorskip("formulaic")


@pytest.fixture
def table():
    rng = np.random.default_rng(5)
    n = 600
    return pd.DataFrame(
        {
            "g": rng.choice(list("abc"), n),
            "g[T.b]": rng.normal(size=n),
            "x": rng.uniform(1, 4, n),
            "z": rng.normal(size=n),
            "k": rng.integers(0, 3, n),
            "y": rng.random(n) < 0.5,
        }
    )


@pytest.fixture
def files(table, tmp_path):
    """Two files of three row groups each."""
    table[:300].to_parquet(tmp_path / "a.parquet", row_group_size=100)
    table[300:].to_parquet(tmp_path / "b.parquet", row_group_size=100)
    return tmp_path


@pytest.mark.parametrize(
    ("formula", "message"),
    {
        "y ~ nope": "names 'nope', which is no column of the data; they have 'g'",
        "nope ~ x": "names 'nope', which is no column",
        "y": "must have a response and one tilde",
        "~ x": "must have a response and one tilde",
        "y ~ x ~ z": "must have a response and one tilde",
        "y ~ x + )": "cannot be read",
        "y ~ x | z": "several right sides|cannot be read",
        "y ~ 1": "no columns besides the intercept",
        "y ~ g + `g[T.b]`": r"makes the column 'g\[T.b\]' twice; leave one",
        "y ~ x + 2:x": "cannot be read: Term already seen",
        "y ~ bs(x, df=7)": r"knots would be quantiles.*write bs\(x, knots=\[...\]\)",
        "y ~ bs(x, df=7, knots=[2])": "df or knots must be given, not both",
        "y ~ bs(x, knots=[9])": "a knot at 9, outside of the values, which go from 1",
        "y ~ bs(x, knots=[2], extrapolation='no')": "extrapolation must be 'raise'",
        "y ~ bs(x, knots=['u'])": "'u' must be a number",
        "y ~ bs(x, shape=2)": "unexpected keyword argument 'shape'",
        "y ~ poly(x, 9)": "above degree 5 cannot be found exactly enough",
        "y ~ poly(x, 'a')": "'a' must be a whole number",
        "y ~ poly(k, 3)": r"poly\(k, 3\): .*needs more than 3 different values",
        "y ~ poly(center(x), 2)": "transforms what is transformed already",
        "y ~ I(poly(x, 2) + 1)": "several columns and cannot stand inside",
        "y ~ C(scale(x))": "makes a category of a transform",
        "y ~ cr(x, df=3)": r"cr\(\) is not available.*write bs\(x, knots",
        "y ~ lag(x)": "rows have no order here",
        "y ~ hashed(g, levels=9)": "hash the values",
        "y ~ C(g, Trick)": "'Trick' is none of Treatment, Sum",
        "y ~ C(g, Treatment('q'))": "'q' is none of the levels 'a', 'b', 'c'",
        "y ~ C(g, levels=3)": "levels must be a list of different values",
        "y ~ C(g, reference='a')": r"C\(\) has no option 'reference'",
        "y ~ I(C(g))": "'C' in .* is not a function",
        "y ~ center(g)": r"center\(g\): 'g' holds text",
        "y ~ log(g)": "'g' is text, where a number is needed",
        "y ~ I(g < 2)": "compares text with something else",
        "y ~ I(x & z)": "'x' is neither true nor false",
        "y ~ I(1 // 0) + x": "division by zero|zero",
        "y ~ x.mean()": "is not a function that formulas know",
        "y ~ __import__('os')": "is not a function that formulas know",
        "y ~ I(x[0])": r"holds 'x\[0\]', which formulas do not take",
        "y ~ I((lambda: 1)())": "is not a function that formulas know",
        "y ~ I([v for v in x])": "which formulas do not take",
        "y ~ np.linalg.inv(x)": "is not a function that formulas know",
        "y ~ np.save(x)": "is not a function that formulas know",
        "y ~ log(x, z)": r"log\(\) in .* takes 1 argument",
        "center(z) > 0 ~ x": "the response .* must not be transformed over rows",
        "z ~ x": "y has more than 200 distinct values.*looks continuous",
        "x > 0 ~ z": "only one class, True",
    }.items(),
)
def test_formulas_that_cannot_be_fitted(table, formula, message):
    with pytest.raises(ValueError, match=message):
        dlogreg.fit_formula(formula, table)


@pytest.mark.parametrize(
    "option",
    [
        {"missing": "ignore"},
        {"unseen": "zebra"},
        {"unseen": {"g": "zebra"}},
        {"unseen": {"q": "a"}},
        {"sample_weight": [1.0, 2.0]},
        {"sample_weight": "g"},
        {"sample_weight": "nope"},
        {"offset": "log(g)"},
        {"offset": pd.Series([1.0])},
    ],
    ids=str,
)
def test_options_that_cannot_be(table, option):
    with pytest.raises(
        ValueError, match=r"missing|unseen|sample_weight|nope|offset|text"
    ):
        dlogreg.fit_formula("y ~ g", table, **option)


def test_the_extra_is_named_where_it_is_missing(table, monkeypatch):
    monkeypatch.setitem(sys.modules, "formulaic", None)
    with pytest.raises(ImportError, match=r'pip install "dlogreg\[formula\]"'):
        dlogreg.fit_formula("y ~ x", table)


def test_values_that_are_not_finite_are_named_with_their_row(table):
    table.loc[17, "x"] = 0.0
    with pytest.raises(dlogreg.DataError, match=r"log\(x\) is infinity in row 17;"):
        dlogreg.fit_formula("y ~ log(x)", table)
    lazy = dd.from_pandas(table, npartitions=6)
    with pytest.raises(dlogreg.DataError, match="in row 17 of partition 0"):
        dlogreg.fit_formula("y ~ log(x)", lazy)
    with pytest.raises(dlogreg.DataError, match=r"log\(x\) is infinity in row 17"):
        dlogreg.fit_formula("y ~ center(log(x))", table)
    table.loc[17, "x"] = np.inf
    with pytest.raises(dlogreg.DataError, match="x is infinity in row 17;"):
        dlogreg.fit_formula("y ~ x", table)


def test_missing_values_are_counted_by_column(table, tmp_path):
    table.loc[[3, 40, 599], "x"] = np.nan
    table.loc[[40, 350], "g"] = None
    message = (
        r"4 of 600 rows have missing values: 'g' in 2 \(first in row 40\), 'x' in 3 "
        r"\(first in row 3\); fill them, or give missing='drop'"
    )
    with pytest.raises(dlogreg.DataError, match=message):
        dlogreg.fit_formula("y ~ g + x", table)
    path = tmp_path / "t.parquet"
    table.to_parquet(path, row_group_size=100)
    message = r"'g' in 2 \(first in row 40 of row group 0 of .*t.parquet\)"
    with pytest.raises(dlogreg.DataError, match=message):
        dlogreg.fit_formula("y ~ g", str(path))
    whole = dlogreg.fit_formula("y ~ g + x", table.dropna())
    for data in (table, dd.from_pandas(table, npartitions=7), str(path)):
        res = dlogreg.fit_formula("y ~ g + x", data, missing="drop")
        assert res.n_dropped == 4
        assert res.n_rows == 596
        np.testing.assert_allclose(res.params, whole.params, atol=1e-8)
    assert re.search(r"Rows with missing values: +4 dropped", str(res.summary()))
    complete = dlogreg.fit_formula("y ~ z", table)
    assert complete.n_dropped == 0
    assert "missing" not in str(complete.summary())


def test_a_response_that_is_missing_is_neither_true_nor_false(table):
    table.loc[:99, "z"] = np.nan
    res = dlogreg.fit_formula("z > 0 ~ x", table, missing="drop")
    assert (res.n_rows, res.n_dropped) == (500, 100)


def test_columns_that_are_missing_everywhere(table, tmp_path):
    for empty in (np.nan, None):
        table["x"] = pd.Series([empty] * 600)
        table.to_parquet(tmp_path / "t.parquet")
        for data in (table, str(tmp_path / "t.parquet")):
            for missing in ("raise", "drop"):
                with pytest.raises(
                    dlogreg.DataError, match="'x' is missing in all 600"
                ):
                    dlogreg.fit_formula("y ~ x", data, missing=missing)
    table["x"] = 1.0
    table.loc[::2, "x"] = np.nan
    table.loc[1::2, "z"] = np.nan
    with pytest.raises(dlogreg.DataError, match="every one of the 600 rows"):
        dlogreg.fit_formula("y ~ x + z", table, missing="drop")


def test_tables_without_rows(table, tmp_path):
    table[:0].to_parquet(tmp_path / "t.parquet")
    lazy = dd.from_pandas(table, npartitions=2)
    for data in (table[:0], str(tmp_path / "t.parquet"), lazy[lazy.x > 9]):
        with pytest.raises(dlogreg.DataError, match=r"zero rows|no rows"):
            dlogreg.fit_formula("y ~ x", data)


def test_names_that_occur_twice(table, tmp_path):
    twice = table.rename(columns={"z": "x"})
    with pytest.raises(dlogreg.DataError, match="'x' occurs twice in the data"):
        dlogreg.fit_formula("y ~ x", twice)
    column = pa.array([1.0, 2.0])
    pq.write_table(pa.table([column, column], ["x", "x"]), tmp_path / "t.parquet")
    with pytest.raises(dlogreg.DataError, match=r"'x' occurs twice in .*t.parquet"):
        dlogreg.fit_formula("y ~ x", str(tmp_path / "t.parquet"))
    res = dlogreg.fit_formula("y ~ x", table)
    with pytest.raises(dlogreg.DataError, match="'x' occurs twice"):
        res.predict(twice)


def test_types_that_differ_between_files_and_partitions(table, files):
    table[300:].astype({"x": str}).to_parquet(files / "b.parquet")
    message = r"'x' has type double in .*a.parquet, but .*string in .*b.parquet"
    for data in (str(files), ds.dataset(files)):
        with pytest.raises(dlogreg.DataError, match=message):
            dlogreg.fit_formula("y ~ x", data)
    parts = [table[:300].astype(object), table[300:].astype({"x": str}).astype(object)]
    with dask.config.set({"dataframe.convert-string": False}):
        lazy = dd.from_map(lambda i: parts[i], [0, 1], meta=parts[0][:0]).persist()
    message = "'x' holds numbers in partition 0, but text in partition 1"
    with pytest.raises(dlogreg.DataError, match=message):
        dlogreg.fit_formula("y ~ x", lazy)
    mixed = table.astype({"x": object})
    mixed.loc[7, "x"] = "seven"
    with pytest.raises(dlogreg.DataError, match=r"'x' mixes text \('seven'\) with"):
        dlogreg.fit_formula("y ~ x", mixed)
    table["when"] = pd.Timestamp("2013-01-01")
    with pytest.raises(dlogreg.DataError, match="'when' has values of type datetime"):
        dlogreg.fit_formula("y ~ when", table)


def test_numbers_of_different_width_in_files_are_numbers(table, files):
    table[300:].astype({"k": "int8", "x": "float32"}).to_parquet(files / "b.parquet")
    res = dlogreg.fit_formula("y ~ C(k) + x", str(files))
    narrow = table.assign(x=np.where(table.index < 300, table.x, table.x.astype("f4")))
    same = dlogreg.fit_formula("y ~ C(k) + x", narrow)
    assert res.feature_names == same.feature_names
    np.testing.assert_allclose(res.params, same.params, atol=1e-8)


def test_columns_that_differ_between_files(table, files):
    table[300:].drop(columns="z").to_parquet(files / "b.parquet")
    with pytest.raises(dlogreg.DataError, match=r"b.parquet has other columns.*'z'"):
        dlogreg.fit_formula("y ~ x", str(files))


def test_a_corrupt_row_group_is_named(table, files):
    path = files / "b.parquet"
    group = pq.ParquetFile(path).metadata.row_group(1)
    place = next(
        group.column(j).data_page_offset
        for j in range(group.num_columns)
        if group.column(j).path_in_schema == "x"
    )
    content = bytearray(path.read_bytes())
    content[place : place + 40] = b"\xff" * 40
    path.write_bytes(content)
    message = r"column 'x' in row group 1 of .*b.parquet cannot be read"
    with pytest.raises(dlogreg.DataError, match=message):
        dlogreg.fit_formula("y ~ z + x", str(files))
    assert dlogreg.fit_formula("y ~ z", str(files)).n_rows == 600
    path.write_bytes(content[:-100])
    with pytest.raises(dlogreg.DataError, match=r"b.parquet is not a Parquet file, or"):
        dlogreg.fit_formula("y ~ z", str(files))


class Meddler(Silent):
    """Does something when the scan is over."""

    def __init__(self, act):
        self.act = act

    def pass_ended(self, record):
        if record.kind == "scan":
            self.act()


def test_a_file_that_changes_between_passes_is_refused(files):
    path = files / "a.parquet"

    def touch():
        os.utime(path, (1, 1))

    with pytest.raises(dlogreg.DataError, match=r"a.parquet has changed since the fit"):
        dlogreg.fit_formula("y ~ x", str(files), progress=Meddler(touch))
    with pytest.raises(dlogreg.DataError, match=r"a.parquet cannot be read any more"):
        dlogreg.fit_formula("y ~ x", str(files), progress=Meddler(path.unlink))


def test_rows_that_change_between_passes_are_refused(table):
    parts = [table[:300], table[300:]]
    data = dd.from_map(lambda i: parts[i], [0, 1], meta=table[:0])

    def spoil():
        parts[1] = parts[1][1:]

    message = "partition 1 had 300 complete rows when the fit began, and 299 now"
    with pytest.raises(dlogreg.DataError, match=message):
        dlogreg.fit_formula("y ~ x", data, progress=Meddler(spoil))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("nowhere.parquet", "there is no file"),
        ("nothing://bucket/table.parquet", "cannot be opened: ValueError; check"),
        ([1, 2], "data must be a pandas or dask dataframe.*not list"),
        (np.ones(3), "not ndarray"),
        (pd.Series([1.0]), "not Series"),
    ],
    ids=str,
)
def test_what_is_no_table(data, message):
    with pytest.raises(dlogreg.DataError, match=message):
        dlogreg.fit_formula("y ~ x", data)


def test_places_without_parquet_files(table, tmp_path):
    with pytest.raises(dlogreg.DataError, match="holds no Parquet files"):
        dlogreg.fit_formula("y ~ x", tmp_path)
    table.to_csv(tmp_path / "t.csv")
    with pytest.raises(dlogreg.DataError, match="is not Parquet by its name"):
        dlogreg.fit_formula("y ~ x", tmp_path / "t.csv")
    with pytest.raises(dlogreg.DataError, match="must be of Parquet files, local or"):
        dlogreg.fit_formula("y ~ x", ds.dataset(tmp_path / "t.csv", format="csv"))


def test_levels_that_the_fit_has_not_seen(table):
    new = table.head(4).assign(g=["a", "q", "r", "b"])
    res = dlogreg.fit_formula("y ~ g * x", table)
    with pytest.raises(
        dlogreg.DataError, match=r"g has the level 'q' \(and 1 more\) in"
    ):
        res.predict(new)
    with pytest.raises(dlogreg.DataError, match="in row 1, which the fit"):
        res.predict(new)
    for unseen in ("b", {"g": "b"}):
        res = dlogreg.fit_formula("y ~ g * x", table, unseen=unseen)
        known = res.predict(new.assign(g=list("abbb")))
        np.testing.assert_array_equal(res.predict(new), known)
    with pytest.raises(dlogreg.DataError, match=r"C\(g, .*has the level 'c'"):
        dlogreg.fit_formula("y ~ C(g, levels=['a', 'b'])", table)
    res = dlogreg.fit_formula("y ~ g", table)
    with pytest.raises(dlogreg.DataError, match="has the level 0"):
        res.predict(table.assign(g=0))
    res = dlogreg.fit_formula("y ~ x", table)
    with pytest.raises(dlogreg.DataError, match="x holds text where numbers"):
        res.predict(table.assign(x="one"))


def test_a_spline_outside_of_its_range(table):
    new = table.head(2).assign(x=[2.0, 99.0])
    res = dlogreg.fit_formula("y ~ bs(x, knots=[2])", table)
    with pytest.raises(dlogreg.DataError, match="the value 99 lies outside"):
        res.predict(new)
    for way in ("extend", "clip", "zero"):
        formula = f'y ~ bs(x, knots=[2], extrapolation="{way}")'
        res = dlogreg.fit_formula(formula, table)
        assert np.isfinite(res.predict(new)).all()


def test_columns_that_a_new_table_lacks(table):
    res = dlogreg.fit_formula("y ~ g + log(x)", table)
    with pytest.raises(
        dlogreg.DataError, match="X lacks 1 of the 2 columns of the form"
    ):
        res.predict(table[["g", "z"]])
    with pytest.raises(dlogreg.DataError, match="X has 2 columns, but the model"):
        res.predict(np.ones((3, 2)))


SAVED = {
    "a call": ("factors", 1, "inside", "__import__('os').system('true')"),
    "an attribute": ("factors", 1, "inside", "x.__class__"),
    "a lambda": ("factors", 1, "inside", "(lambda: 1)()"),
    "a walrus": ("factors", 1, "inside", "(x := 1)"),
    "a long text": ("factors", 1, "inside", "x" * 20_000),
    "a deep text": ("factors", 1, "inside", "(" * 5000 + "x" + ")" * 5000),
    "deep signs": ("factors", 1, "inside", "-" * 5000 + "x"),
    "response": ("response", "open('/etc/passwd')"),
    "levels": ("factors", 0, "levels", ["a", "a", "b"]),
    "reference": ("factors", 0, "reference", 7),
    "widths": ("factors", 0, "levels", ["a", "b"]),
    "basis": ("factors", 1, "basis", True),
    "knots": ("states", "bs(z, knots=[0.0])", "knots", [1.0] * 9),
    "order of knots": ("states", "bs(z, knots=[0.0])", "knots", [*range(9)][::-1]),
    "numbers": ("states", "bs(z, knots=[0.0])", "knots", ["nan"] * 9),
    "no state": ("states", {}),
    "unknown state": ("states", "center(q)", {"center": [0.0], "scale": [1.0]}),
    "unknown factor": ("terms", 0, "parts", 0, "factors", 0, "q"),
    "names": ("terms", 0, "columns", ["p", "q"]),
    "coding": ("factors", 0, "coding", [[1.0], [2.0]]),
    "numbers of a coding": ("factors", 0, "coding", [["inf"], [0.0]]),
    "scale": ("terms", 0, "parts", 0, "scale", "nan"),
    "unseen": ("unseen", [["g"]]),
    "offset": ("offset", "eval('1')"),
}


@pytest.mark.parametrize("what", SAVED)
def test_a_model_file_with_another_formula_is_refused(table, tmp_path, what):
    *path, last, value = SAVED[what]
    res = dlogreg.fit_formula("y ~ g + log(x) + bs(z, knots=[0.0])", table)
    res.save(tmp_path / "model.json")
    entries = json.loads((tmp_path / "model.json").read_text())
    place = entries["formula"]
    for key in path:
        place = place[key]
    place[last] = value
    del entries["sha256"]  # which would tell that something was changed
    (tmp_path / "model.json").write_text(json.dumps(entries))
    if what == "order of knots":  # as many as the rule wants, in the wrong order
        assert len(value) == len(res.recipe.states["bs(z, knots=[0.0])"]["knots"])
    with pytest.raises(ValueError, match="is not a model saved by dlogreg"):
        dlogreg.load(tmp_path / "model.json")


def test_text_that_is_not_utf8(table, tmp_path):
    """Which pyarrow writes, and reads, without a look."""
    lengths, letters = (
        np.arange(0, 2 * len(table) + 2, 2, dtype="i4"),
        "ab\xe5b".encode("latin-1"),
    )
    buffers = [None, pa.py_buffer(lengths), pa.py_buffer(letters * (len(table) // 2))]
    text = pa.Array.from_buffers(pa.string(), len(table), buffers)
    columns = pa.table({"y": pa.array(table.y), "town": text})
    pq.write_table(columns, tmp_path / "t.parquet", row_group_size=100)
    message = r"'town' holds text that is not UTF-8 .*in .*t.parquet"
    with pytest.raises(dlogreg.DataError, match=message):
        dlogreg.fit_formula("y ~ town", str(tmp_path / "t.parquet"))
    with pytest.raises(dlogreg.DataError, match=message):
        convert(
            tmp_path / "t.parquet", tmp_path / "t.zarr", target="y", categories=["town"]
        )
    assert not (tmp_path / "t.zarr").exists()
