"""The solver is chosen from rows, columns and their type by a rule of costs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import dlogreg
from dlogreg.choice import (
    LARGEST_HESSIAN,
    SAMPLE_VALUES,
    SAMPLE_WORK,
    choose_solver,
    hessian_fits,
    sample_size,
)


def largest_newton(n_rows, itemsize):
    """Return the most coefficients for which Newton is chosen."""
    return max(
        k
        for k in range(2, 3500, 10)
        if choose_solver(n_rows, k, itemsize).solver == "newton"
    )


@pytest.mark.parametrize(
    ("n_rows", "itemsize", "expected"),
    [(10**8, 4, 1900), (10**8, 8, 2890), (None, 4, 1900), (10**6, 2, 1000)],
)
def test_the_switch_for_many_rows(n_rows, itemsize, expected):
    assert largest_newton(n_rows, itemsize) == pytest.approx(expected, rel=0.1)


@given(st.integers(1, 10**9), st.integers(1, 10**5), st.sampled_from([1, 2, 4, 8]))
def test_the_rule_is_monotonic_in_columns_and_bytes(n_rows, n_params, itemsize):
    chosen = choose_solver(n_rows, n_params, itemsize)
    assert chosen.reason
    if chosen.solver == "newton":
        assert hessian_fits(n_params)
        assert choose_solver(n_rows, max(1, n_params // 2), itemsize).solver == "newton"
        assert choose_solver(n_rows, n_params, 2 * itemsize).solver == "newton"


def test_a_hessian_that_is_too_large_is_never_chosen():
    first = int(np.sqrt(LARGEST_HESSIAN / 8)) + 1
    assert not hessian_fits(first)
    assert hessian_fits(first - 1)
    chosen = choose_solver(1, first, 8)
    assert chosen.solver == "lbfgs"
    assert "a task would hold a dozen" in chosen.reason


def test_reasons_state_the_projected_cost():
    assert "0.32 times the cost" in choose_solver(10**7, 100, 4).reason
    wide = choose_solver(10**7, 2500, 4)
    assert wide.solver == "lbfgs"
    assert "projected at 3.9 times its cost" in wide.reason
    assert choose_solver(2000, 2500, 4).reason.startswith("so few data")


def test_plan_states_the_reason_and_an_asked_for_solver_is_kept():
    X, y = np.zeros((40, 4)), np.arange(40) % 2
    planned = dlogreg.plan(X, y)
    assert planned.why_solver == choose_solver(40, 5, 8).reason
    assert planned.why_solver in " ".join(str(planned).split())
    assert dlogreg.plan(X, y, solver="lbfgs").why_solver == "as asked for"


@given(st.integers(1, 10**9), st.integers(2, 10**6), st.sampled_from([2, 4, 8]))
def test_samples_are_bounded_in_memory_and_work(n_rows, n_params, itemsize):
    size = sample_size(n_rows, n_params)
    assert 1 <= size <= n_rows
    assert size * n_params <= max(SAMPLE_VALUES, n_params)
    work = size * n_params * min(size, n_params) / 2
    assert size == 1 or work <= SAMPLE_WORK * n_rows * n_params
    assert size <= sample_size(None, n_params)


def test_samples_have_eight_rows_per_coefficient_where_that_is_cheap():
    assert sample_size(10**7, 20) == 4096
    assert sample_size(10**7, 1000) == 8000
    assert sample_size(50_000, 20_001) == SAMPLE_VALUES // 20_001
