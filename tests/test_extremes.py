"""Data at the borders of what can be fitted: the numbers and what is told."""

import numpy as np
import pytest
from scipy.sparse import csr_array

import dlogreg
from dlogreg import DataError, SeparationWarning

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
