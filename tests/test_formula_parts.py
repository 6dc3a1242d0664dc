"""Moments that add, expressions, columns of every type, and blocks of the design."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import dlogreg
from dlogreg.formula.calls import read_transform
from dlogreg.formula.columns import Levels, arrow_column, series_column
from dlogreg.formula.evaluation import evaluate
from dlogreg.formula.expression import FormulaError, parse_expression
from dlogreg.formula.moments import Moments
from dlogreg.formula.tables import frame_block
from dlogreg.scheduling import n_threads

NUMBERS = st.lists(
    st.floats(-1e3, 1e3, allow_nan=False).map(lambda v: round(v, 3)),
    min_size=1,
    max_size=60,
)


@given(values=NUMBERS, cuts=st.lists(st.integers(0, 60), max_size=4))
def test_moments_of_parts_are_those_of_the_whole(values, cuts):
    x = np.array(values)
    total = Moments.of(x[:0], 6)
    for part in np.split(x, sorted(cut for cut in cuts if cut <= len(x))):
        total = total + Moments.of(part, 6)
    assert (total.n, total.low, total.high) == (len(x), x.min(), x.max())
    away = x - x.mean()
    scale = max(np.abs(away).max(), 1e-6 * np.abs(x).max(), 1e-6)
    assert total.mean == pytest.approx(x.mean(), abs=1e-12 * (1 + np.abs(x).max()))
    for k in range(2, 7):
        found = total.central[k - 2] / scale**k
        assert found == pytest.approx((away**k).sum() / scale**k, abs=1e-8 * len(x))


@given(values=NUMBERS, degree=st.integers(1, 4))
def test_polynomials_are_orthonormal_over_all_rows(values, degree):
    x = np.array(values)
    call = parse_expression(f"poly(x, {degree})").calls()[0]
    transform = read_transform(call)
    half = len(x) // 2
    moments = Moments.of(x[:half], transform.order) + Moments.of(
        x[half:], transform.order
    )
    spread = np.ptp(x)
    far = len({round(v / spread, 2) for v in values}) if spread else 1
    if far <= degree + 2:
        return  # too few different values to hold it to digits
    P = transform.apply(x, transform.resolve(moments))
    whole = np.column_stack([np.ones(len(x)) / np.sqrt(len(x)), P])
    np.testing.assert_allclose(whole.T @ whole, np.eye(degree + 1), atol=1e-4)


@pytest.mark.parametrize(
    ("text", "known"),
    {
        "x + 2 * k - 1": lambda t: t.x + 2 * t.k - 1,
        "x ** 2 / k": lambda t: t.x**2 / t.k,
        "k % 2": lambda t: t.k % 2,
        "k // 2 + f": lambda t: t.k // 2 + t.f,
        "-x": lambda t: -t.x,
        "x > 0.5": lambda t: t.x > 0.5,
        "0.2 < x <= 0.8": lambda t: (t.x > 0.2) & (t.x <= 0.8),
        "(x > 0.5) & ~f | (k == 3)": lambda t: (t.x > 0.5) & ~t.f | (t.k == 3),
        'g == "b"': lambda t: t.g == "b",
        '"b" != g': lambda t: t.g != "b",
        'g >= "b"': lambda t: t.g >= "b",
        'c == "v"': lambda t: t.c == "v",
        "g == 'not there'": lambda t: t.g == "not there",
        "np.log1p(x) + sqrt(k)": lambda t: np.log1p(t.x) + np.sqrt(t.k),
        "where(x > 0.5, x, 0)": lambda t: np.where(t.x > 0.5, t.x, 0),
        "minimum(x, 0.5)": lambda t: np.minimum(t.x, 0.5),
        "`a b` + Q('a b')": lambda t: 2 * t["a b"],
        "k * 9000000000 * 9000000000": lambda t: t.k * 81e18,
        "I(x)": lambda t: t.x,
        "3": lambda t: np.full(len(t), 3),
    }.items(),
)
def test_expressions_are_those_of_pandas(text, known):
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "x": rng.random(50),
            "k": rng.integers(1, 5, 50),
            "f": rng.random(50) < 0.5,
            "g": rng.choice(list("abc"), 50),
            "c": pd.Categorical(rng.choice(["u", "v"], 50)),
            "a b": rng.random(50),
        }
    )
    found = evaluate(parse_expression(text), frame_block(table))
    np.testing.assert_allclose(
        np.asarray(found, dtype=float), np.asarray(known(table), dtype=float)
    )


@given(text=st.text("abx+-*/()[]{}.,'\"`=<>&|~@:;!% \\1 0\n", max_size=40))
def test_any_text_is_an_expression_or_refused(text):
    try:
        expression = parse_expression(text)
        names = expression.columns
    except FormulaError:
        return
    frame = pd.DataFrame({name: [1.0, 2.0] for name in names}, index=[0, 1])
    try:
        found = evaluate(expression, frame_block(frame))
    except FormulaError:
        return
    assert len(found.codes if isinstance(found, Levels) else found) == 2


COLUMNS = {
    "float": (pd.Series([1.0, np.nan, 3.0]), [1.0, None, 3.0]),
    "int": (pd.Series([1, 2, 3]), [1, 2, 3]),
    "nullable": (pd.Series([1, None, 3], dtype="Int64"), [1, None, 3]),
    "nullable float": (pd.Series([1.5, None], dtype="Float32"), [1.5, None]),
    "bool": (pd.Series([True, False]), [True, False]),
    "nullable bool": (pd.Series([True, None], dtype="boolean"), [True, None]),
    "objects": (pd.Series(["b", None, "a"], dtype=object), ["b", None, "a"]),
    "text": (pd.Series(["b", None, "a"], dtype="string"), ["b", None, "a"]),
    "category": (pd.Series(["b", None, "a"], dtype="category"), ["b", None, "a"]),
    "objects that are numbers": (
        pd.Series([1, 2.5, None], dtype=object),
        [1, 2.5, None],
    ),
    "objects that are truth": (pd.Series([True, None], dtype=object), [True, None]),
    "arrow": (pd.Series(["b", None], dtype=pd.ArrowDtype(pa.string())), ["b", None]),
    "arrow int": (pd.Series([2, None], dtype=pd.ArrowDtype(pa.int16())), [2, None]),
}


def listed(column):
    if isinstance(column, Levels):
        return [None if code < 0 else column.values[code] for code in column.codes]
    missing = column.missing
    gone = np.zeros(len(column.values), bool) if missing is None else missing
    pairs = zip(column.values.tolist(), gone, strict=True)
    return [None if absent else value for value, absent in pairs]


@pytest.mark.parametrize("name", COLUMNS)
def test_columns_of_pandas(name):
    series, known = COLUMNS[name]
    assert listed(series_column(series, "x")) == known
    column = series_column(series, "x").take(slice(1, None))
    assert listed(column) == known[1:]


ARROW = {
    "double": pa.array([1.0, None, float("nan")]),
    "int": pa.array([1, None, 3], pa.int32()),
    "bool": pa.array([True, None]),
    "text": pa.array(["b", None, "a", "b"]),
    "large text": pa.array(["b", None], pa.large_string()),
    "coded": pa.array(["b", None, "a"]).dictionary_encode(),
    "decimal": pa.array([None, 2], pa.decimal128(5, 2)),
    "nothing": pa.array([None, None]),
}


@pytest.mark.parametrize("name", ARROW)
def test_columns_of_arrow(name):
    array = ARROW[name]
    known = [None if v is None or v != v else v for v in array.to_pylist()]
    chunked = pa.chunked_array([array[:1], array[1:]])
    assert listed(arrow_column(chunked, "x")) == known
    assert listed(arrow_column(pa.chunked_array([array[:0]]), "x")) == []


@pytest.mark.parametrize(
    "kind", [pa.timestamp("s"), pa.list_(pa.int8()), pa.binary(), pa.date32()], ids=str
)
def test_columns_of_other_types_are_refused(kind):
    with pytest.raises(dlogreg.DataError, match="'x' has values of type"):
        arrow_column(pa.chunked_array([pa.array([None], kind)]), "x")
    series = pd.Series(pa.array([None], kind), dtype=pd.ArrowDtype(kind))
    with pytest.raises(dlogreg.DataError, match="'x' has values of type"):
        series_column(series, "x")


def test_memory_counts_what_is_read(tmp_path):
    pytest.importorskip("formulaic")
    rng = np.random.default_rng(0)
    n = 50_000
    table = pd.DataFrame({"x": rng.normal(size=n), "z": rng.normal(size=n)})
    table["y"] = rng.random(n) < 0.5
    table.to_parquet(tmp_path / "t.parquet", row_group_size=n)
    path = str(tmp_path / "t.parquet")
    read = 16 * n  # x and y; the latter counts 8 bytes, too
    needed = 4 * read * n_threads()
    with pytest.raises(dlogreg.MemoryLimitError, match="with smaller row groups"):
        dlogreg.fit_formula("y ~ x", path, memory_limit=needed - 1)
    with pytest.raises(dlogreg.MemoryLimitError, match="the fit needs about"):
        dlogreg.fit_formula("y ~ x", path, memory_limit=2 * needed)
    res = dlogreg.fit_formula("y ~ x", path, memory_limit="1 GB")
    assert res.n_rows == n


MEASURE = """
import sys
import dask, numpy as np, pandas as pd
import dlogreg
from dlogreg import layout
from dlogreg.scheduling import peak_memory

projected, project = [], layout.project_memory
def seen(*given, **named):
    projected.append(project(*given, **named))
    return projected[-1]

layout.project_memory = seen
with dask.config.set(num_workers=2):
    dlogreg.fit_formula("y ~ x + g", sys.argv[1])  # imports, pools
    before = peak_memory()
    dlogreg.fit_formula("y ~ x + z + w + g", sys.argv[2])
    print(peak_memory() - before, projected[-1].total)
"""


@pytest.mark.slow
@pytest.mark.parametrize("n_levels", [50, 1000])
def test_measured_memory_stays_under_the_projection(tmp_path, n_levels):
    pytest.importorskip("formulaic")
    rng = np.random.default_rng(0)
    n = 2_000_000
    table = pd.DataFrame({name: rng.normal(size=n) for name in "xzw"})
    table["g"] = rng.choice([f"level {i}" for i in range(n_levels)], n)
    table["y"] = rng.random(n) < 1 / (1 + np.exp(-table["x"]))
    paths = [str(tmp_path / name) for name in ("small.parquet", "big.parquet")]
    table[:5000].to_parquet(paths[0])
    table.to_parquet(paths[1], row_group_size=n // 4)
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, *paths],
        capture_output=True,
        text=True,
        check=True,
    )
    measured, projected = map(int, done.stdout.split())
    assert measured <= projected
