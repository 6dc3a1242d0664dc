"""Data at the borders of what can be fitted: the numbers and what is told."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from scipy.sparse import csr_array

import dlogreg
from dlogreg import CheckpointError, DataError, SeparationWarning

N = 400


def sample():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(N, 3))
    p = 1 / (1 + np.exp(-X @ [0.5, -0.4, 0.2] - 0.3))
    return X, (rng.random(N) < p).astype(int)


X, Y = sample()


@pytest.mark.parametrize("tiny", [1e-3, 1e-6, 1e-9])
def test_standard_errors_where_one_class_weighs_next_to_nothing(tiny):
    """A step of tol standard errors is a long way there."""
    weight = np.where(Y == 1, 1.0, tiny)
    res = dlogreg.fit(X, Y, sample_weight=weight)
    rows = np.column_stack([np.ones(N), X])
    p = 1 / (1 + np.exp(-rows @ res.params))
    information = (rows.T * (weight * p * (1 - p))) @ rows
    assert res.bse == pytest.approx(
        np.sqrt(np.diagonal(np.linalg.inv(information))), rel=1e-6
    )
    assert res.bse_error_bound < 1e-4


@pytest.mark.parametrize("border", [0, 5000])
def test_compressed_rows_that_do_not_follow_each_other(border):
    matrix = csr_array(X)
    matrix.indptr[3] = border
    with pytest.raises(DataError, match=r"indptr must rise from 0 to the 1200 stored"):
        dlogreg.fit(matrix, Y)


@pytest.mark.parametrize(("sign", "says"), [(1, "<= 0"), (-1, ">= 0")])
def test_a_level_of_one_outcome_at_either_end_of_a_column(sign, says):
    column = sign * 2.5 * (np.arange(N) < 3)
    with pytest.warns(
        SeparationWarning, match=f"'x4': y = 0 only where x4 {says}, else y = 1"
    ):
        dlogreg.fit(np.column_stack([X, column]), np.where(column != 0, 1, Y))


def first_batch(table):
    return table.to_batches()[0]


class Polars:
    """What a dataframe of polars shows of itself."""

    def __init__(self, table):
        self._table, self.columns = table, table.column_names
        self.shape = table.shape

    def __array__(self, dtype=None, copy=None):
        return np.column_stack([column.to_numpy() for column in self._table.columns])

    def __arrow_c_stream__(self, requested_schema=None):
        return self._table.__arrow_c_stream__(requested_schema)


@pytest.mark.parametrize("kind", [lambda table: table, Polars, first_batch])
def test_columns_of_arrow_are_found_by_name(kind):
    table = pa.table({"y": Y, "c": X[:, 2], "a": X[:, 0], "b": X[:, 1]})
    res = dlogreg.fit(kind(table.select(["a", "b", "c"])), pa.array(Y))
    assert res.feature_names == ("a", "b", "c")
    assert res.classes == (0, 1)
    other, known = kind(table), res.predict(X)
    np.testing.assert_allclose(res.predict(other), known, rtol=1e-12)
    found = dlogreg.evaluate(res, other, table["y"])
    assert found.log_loss == pytest.approx(-res.llf / N)
    np.testing.assert_allclose(res.residuals(X=other, y=Y), res.residuals(X=X, y=Y))
    by_formula = dlogreg.fit_formula("y ~ a + b + c", other)
    assert by_formula.params == pytest.approx(res.params, rel=1e-6)
    np.testing.assert_allclose(by_formula.predict(other), known, rtol=1e-6)
    grouped = dlogreg.fit(kind(table.select(["a", "b", "c"])), Y, by=Y * 0)
    np.testing.assert_allclose(grouped.predict(other, by=Y * 0), known, rtol=1e-6)
    with pytest.raises(DataError, match=r"X lacks 1 of the 3 columns .* 'b'"):
        res.predict(kind(table.select(["a", "c"])))


def test_the_index_of_an_arrow_table_does_not_count():
    frame = pd.DataFrame(X, columns=list("abc"), index=range(5, N + 5))
    table = pa.Table.from_pandas(frame)
    y = pd.Series(Y, index=range(9, N + 9))
    want = dlogreg.fit(X, Y).params
    np.testing.assert_array_equal(dlogreg.fit(table, y).params, want)


@pytest.mark.parametrize("y", [dict(enumerate(Y)), set(range(N))], ids=["dict", "set"])
def test_labels_without_rows(y):
    with pytest.raises(DataError, match=r"y is a (dict|set); give a list or an array"):
        dlogreg.fit(X, y)


@pytest.mark.parametrize("path", ["a" * 300, "a\0b"])
def test_checkpoints_at_paths_that_cannot_be(path, tmp_path):
    with pytest.raises(CheckpointError, match="cannot be made"):
        dlogreg.fit(X, Y, checkpoint=tmp_path / path)


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        ("y ~ a + offset(b)", r"offset\(\) is not available .*: give the argument off"),
        ("y ~ __import__('os').system('id')", "cannot be read: invalid syntax"),
    ],
)
def test_formulas_that_are_not_taken(formula, message):
    data = pd.DataFrame(X, columns=list("abc")).assign(y=Y)
    with pytest.raises(ValueError, match=message):
        dlogreg.fit_formula(formula, data)


def test_a_constant_of_minus_zero():
    with pytest.warns(dlogreg.CollinearityWarning, match=r"constant \(0 in every row"):
        dlogreg.fit(np.column_stack([X, np.full(N, -0.0)]), Y)
