"""A million hashed columns: in little memory, and at the optimum."""

import json
import subprocess
import sys
import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.special import expit
from sklearn.linear_model import LogisticRegression as SkLogisticRegression

import dlogreg
from dlogreg import Status

MILLION = 10**6

FIT = """
import json, resource, sys
import numpy as np
import scipy.sparse as sp
import dlogreg
from tests.test_sparse_wide import hashed, objective

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

X, y = hashed(50_000, 10**6)
dlogreg.fit(X[:500, :50], y[:500], alpha=0.1, solver="lbfgs")  # loads what is lazy
before = peak()
fit = dlogreg.fit(X, y, alpha=1e-6, tol=0.1, max_passes=150)
used = peak() - before
reached = objective(X, y, np.asarray(fit.params), 1e-6)
plan = dlogreg.plan(X, y, alpha=1e-6, measure=False)
print(json.dumps([used, plan.memory.total, reached]))
"""


def hashed(n, d, seed=0, n_words=40):
    """Return rows of words that were hashed to columns, and labels.

    Words are as unevenly frequent as those of texts, and have mostly small effects.
    """
    rng = np.random.default_rng(seed)
    words = np.minimum(d * rng.random(n * n_words) ** 3, d - 1).astype(np.int64)
    slopes = rng.normal(size=d)
    borders = np.arange(0, n * n_words + 1, n_words)
    X = sp.csr_array((np.ones(n * n_words), words, borders), shape=(n, d))
    X.sum_duplicates()
    eta = X @ slopes / 3 - 0.5
    return X, (rng.random(n) < expit(eta)).astype(int)


def objective(X, y, params, alpha):
    """Return the mean loss plus the penalty."""
    eta = params[0] + X @ params[1:]
    penalty = alpha / 2 * float(params[1:] @ params[1:])
    return float((np.logaddexp(0, eta) - y * eta).mean() + penalty)


def gradient(X, y, params, alpha):
    """Return the gradient of the mean loss plus the penalty."""
    miss = (expit(params[0] + X @ params[1:]) - y) / len(y)
    return np.concatenate([[miss.sum()], X.T @ miss + alpha * params[1:]])


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_million_columns_are_fitted_in_the_memory_of_some_vectors():
    """Of those 12 are the curvature pairs, and 4 or 8 every sum over rows."""
    found = subprocess.run(
        [sys.executable, "-c", FIT], capture_output=True, text=True, check=True
    )
    used, projected, reached = json.loads(found.stdout)
    assert used < 60 * 8 * MILLION  # a dense block of 9,000 rows would be 72 GB
    assert used < projected
    X, y = hashed(50_000, MILLION)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dlogreg.ConvergenceWarning)
        longer = dlogreg.fit(X, y, alpha=1e-6, tol=1e-2, max_passes=250)
    best = objective(X, y, np.asarray(longer.params), 1e-6)
    assert reached - best < 1e-4 * best


def test_a_wide_penalised_fit_is_at_scikit_learn_s_optimum():
    X, y = hashed(1500, 60_000)
    alpha = 1e-3
    fit = dlogreg.fit(X, y, alpha=alpha, tol=1e-4)
    assert fit.solver == "lbfgs"
    assert fit.status is Status.CONVERGED
    assert fit.error_bound <= 1e-4
    params = np.asarray(fit.params)
    used = np.flatnonzero(np.diff(X.tocsc().indptr))
    assert not np.delete(params[1:], used).any()
    theirs = SkLogisticRegression(C=1 / (alpha * 1500), tol=1e-10, max_iter=10**4)
    theirs.fit(X[:, used], y)
    expected = np.concatenate([theirs.intercept_, theirs.coef_[0]])
    inside = np.concatenate([params[:1], params[1:][used]])
    np.testing.assert_allclose(inside, expected, rtol=1e-3, atol=1e-4)
    mine, other = objective(X, y, params, alpha), theirs
    best = objective(X[:, used], y, np.append(other.intercept_, other.coef_[0]), alpha)
    assert mine <= best * (1 + 1e-9)
    steepness = np.abs(gradient(X, y, params, alpha)).max()
    assert steepness < 1e-6 * np.abs(gradient(X, y, 0 * params, alpha)).max()


def test_the_bound_of_a_wide_fit_holds():
    X, y = hashed(2000, 60_000, seed=3)
    exact = dlogreg.fit(X, y, alpha=1e-3, tol=1e-7)
    rough = dlogreg.fit(X, y, alpha=1e-3, tol=1e-2)
    assert rough.n_passes < exact.n_passes
    away = np.asarray(rough.params) - np.asarray(exact.params)
    weight = expit(exact.decision_function(X))
    weight *= 1 - weight
    moved = away[0] + X @ away[1:]
    distance = np.sqrt(weight @ moved**2 + 1e-3 * 2000 * (away[1:] @ away[1:]))
    assert distance <= rough.error_bound + exact.error_bound


def test_nearly_separated_rows_end_at_a_proof():
    """Two points about the expected length took 500 passes, and an estimate 11."""
    X, y = hashed(400, 3000)
    res = dlogreg.fit(X, y, alpha=1e-5, tol=0.1, max_passes=300)
    assert res.solver == "lbfgs"
    assert res.status is Status.CONVERGED
    assert res.error_bound <= 0.1
    assert res.n_passes <= 220


def test_without_a_proof_few_rows_are_not_called_converged():
    X, y = hashed(400, 3000)
    with pytest.warns(dlogreg.ConvergenceWarning, match="stopped at max_passes"):
        res = dlogreg.fit(X, y, alpha=1e-7, tol=0.1, max_passes=60)
    assert res.status is Status.MAX_PASSES


def test_three_classes_of_many_columns_are_refused():
    X, _ = hashed(300, 20_000)
    message = r"at most 16,384 columns .* y == label"
    with pytest.raises(dlogreg.DataError, match=message):
        dlogreg.fit(X, np.arange(300) % 3, alpha=0.1)
