"""What is missing is counted by column, with its first row, wherever the data lie."""

import json
import re
from pathlib import Path

import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
import zarr
from scipy.sparse import csr_array

import dlogreg
from dlogreg.errors import ManyLevelsWarning, MissingValueError

N = 1000
COUNTS = (
    "4 of 1,000 rows have missing values: 'a' in 3 (first in row 700), "
    "'c' in 1 (first in row 17), 'y' in 1 (first in row 950)"
)


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(2)
    X = rng.normal(size=(N, 3))
    X[[700, 701, 950], 0] = np.nan
    X[17, 2] = np.nan
    y = (rng.random(N) < 0.5).astype(float)
    y[950] = np.nan
    return X, y


KINDS = {
    "numpy": lambda X, y: (X, y),
    "dask": lambda X, y: (da.from_array(X, (300, 3)), da.from_array(y, 300)),
    "zarr": lambda X, y: (zarr.array(X, chunks=(300, 3)), zarr.array(y, chunks=(90,))),
    "csr": lambda X, y: (csr_array(X), y),
    "pandas": lambda X, y: (pd.DataFrame(X, columns=list("abc")), y),
    "frames": lambda X, y: (
        dd.from_pandas(pd.DataFrame(X, columns=list("abc")), npartitions=4),
        dd.from_pandas(pd.Series(y), npartitions=4),
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_missing_values_are_counted_in_every_source(rows, kind, small_blocks):
    X, y = KINDS[kind](*rows)
    names = None if kind in ("pandas", "frames") else list("abc")
    with pytest.raises(MissingValueError) as caught:
        dlogreg.fit(X, y, feature_names=names)
    said = str(caught.value)
    if kind == "frames":  # whose partitions do not know their first rows
        said = re.sub(r" of block \d+", "", said)
        assert "4 of 1,000 rows have missing values: 'a' in 3 (first in row" in said
        return
    assert COUNTS in said
    assert said.endswith("; missing='drop' leaves them out")
    assert dlogreg.fit(X, y, feature_names=names, missing="drop").n_dropped == 4


def test_weights_offsets_and_groups(rows):
    X = np.nan_to_num(rows[0])
    y = np.nan_to_num(rows[1])
    weight, offset = np.ones(N), np.zeros(N)
    weight[:10], weight[20], offset[[5, 30]] = 0, np.nan, np.nan
    with pytest.raises(MissingValueError) as caught:
        dlogreg.fit(X, y, sample_weight=weight, offset=offset)
    assert "2 of 990 rows have missing" in str(caught.value)  # weight 0 is no row
    assert "'sample_weight' in 1 (first in row 20)" in str(caught.value)
    assert "'offset' in 1 (first in row 30)" in str(caught.value)
    groups = np.array(["u"] * N, dtype=object)
    groups[3] = None
    with pytest.raises(MissingValueError, match=r"'groups' in 1 \(first in row 3\)"):
        dlogreg.fit(X, y, groups=groups)


def test_infinity_is_not_counted_as_missing(rows):
    X = np.nan_to_num(rows[0])
    X[3, 1] = np.inf
    with pytest.raises(dlogreg.DataError, match="'x2' holds infinity") as caught:
        dlogreg.fit(X, np.nan_to_num(rows[1]))
    assert not isinstance(caught.value, MissingValueError)


def test_many_missing_columns_are_summed_up():
    X = np.full((50, 8), np.nan)
    with pytest.raises(MissingValueError, match=r"and 3 more; missing='drop'"):
        dlogreg.fit(X, np.arange(50) % 2)


@pytest.fixture(scope="module")
def table():
    i = np.arange(200)
    frame = pd.DataFrame({"x": np.sin(i) + i / 100, "z": np.cos(3 * i)})
    frame["y"] = (i * 7 + i // 11) % 3 == 0
    frame.loc[i < 50, "z"] = np.nan
    frame.loc[60, "x"] = np.nan
    return frame


@pytest.mark.parametrize(
    ("name", "formula"),
    [("scale", "y ~ scale(x) + z"), ("bs", "y ~ bs(x, knots=[1]) + z")],
)
@pytest.mark.parametrize("partitions", [0, 7])
def test_transforms_are_laid_out_as_in_r(table, name, formula, partitions):
    file = Path(__file__).parent / "reference_values" / "dropped_rows.json"
    expected = json.loads(file.read_text())[name]
    data = dd.from_pandas(table, npartitions=partitions) if partitions else table
    res = dlogreg.fit_formula(formula, data, missing="drop", tol=1e-8)
    assert res.nobs == expected["nobs"]
    np.testing.assert_allclose(res.params, expected["params"], rtol=1e-8)
    np.testing.assert_allclose(res.bse, expected["bse"], rtol=1e-8)


@pytest.mark.parametrize(
    ("levels", "n", "message"),
    [
        ([f"id{i}" for i in range(1001)], 30_000, "g has 1,001 levels in 30,000 rows"),
        ([f"id{i}" for i in range(101)], 2000, "g has 101 levels in 2,000 rows: it lo"),
        (["a", "b" * 201], 400, "2 levels in 400 rows, the longest of 201 characters"),
        ([f"id{i}" for i in range(100)], 1000, None),
        ([f"id{i}" for i in range(101)], 2500, None),
    ],
)
def test_levels_like_identifiers_or_text_are_warned_of(levels, n, message):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"g": np.resize(levels, n), "x": rng.normal(size=n)})
    frame["y"] = rng.random(n) < 0.5
    options = {"alpha": 1.0, "inference": False, "solver": "lbfgs", "tol": 1.0}
    if message is None:
        dlogreg.fit_formula("y ~ g + x", frame, **options)
        return
    with pytest.warns(ManyLevelsWarning, match=message):
        dlogreg.fit_formula("y ~ g + x", frame, **options)
