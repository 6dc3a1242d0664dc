"""Options of a wrong type or value: one clear message, before anything is read."""

import inspect
from typing import get_overloads

import numpy as np
import pandas as pd
import pytest

import dlogreg
from dlogreg.options import check_options
from dlogreg.options.keywords import FitKeywords, FormulaKeywords
from dlogreg.penalty import PenaltyRule

X = np.arange(16.0).reshape(8, 2) % 5
Y = np.array([0, 1, 1, 0, 1, 0, 0, 1])
WRONG = {
    "alpha": ["1", None, -1, np.nan, np.inf, True, [1], 1j],
    "tol": ["a", None, 0, -1, np.nan, np.inf, True, [1e-4]],
    "max_passes": ["3", None, 2.5, 1, np.nan, np.inf, True],
    "memory_limit": ["abc", "", "-1 GB", "0", 0, -5, np.nan, True, [1]],
    "solver": [None, "LBFGS", 3, ["newton"]],
    "fit_intercept": ["False", "no", None, 2],
    "inference": ["no", None],
    "cov_type": ["HC2", "hc1", 0, ["HC0"]],
    "weight_kind": ["sampling", None, 3, ["analytic"]],
    "classes": ["01", {0, 1}, {0: 1, 1: 2}, (0,), (0, 1, 1), 5, ([0], [1])],
    "feature_names": ["ab", 5],
    "start": ["a", ["a"] * 3, [None, "b"], {"a": 1}],
}


@pytest.mark.parametrize("option", WRONG)
@pytest.mark.parametrize("run", [dlogreg.fit, dlogreg.plan])
def test_the_option_and_the_value_are_named(run, option):
    for value in WRONG[option]:
        with pytest.raises(ValueError, match=rf"^{option} must be") as caught:
            run(X, Y, **{option: value})
        assert repr(value) in str(caught.value)


@pytest.mark.parametrize("value", ["yes", 3, object()])
def test_progress_must_be_something_that_can_be_told(value):
    with pytest.raises(ValueError, match=r"progress must be True, False or None"):
        dlogreg.fit(X, Y, progress=value)


PLAIN = {
    "classes": None,
    "penalty": PenaltyRule(),
    "fit_intercept": True,
    "feature_names": None,
    "solver": "auto",
    "tol": 1e-4,
    "max_passes": 100,
    "start": None,
    "inference": True,
    "memory_limit": None,
}


@pytest.mark.parametrize(
    ("option", "given", "kept"),
    [
        ("penalty", PenaltyRule(np.float32(0.5)), PenaltyRule(0.5)),
        ("tol", np.float32(0.5), 0.5),
        ("tol", 1, 1.0),
        ("max_passes", 3.0, 3),
        ("max_passes", np.int64(2), 2),
        ("max_passes", 10**20, 10**20),
        ("memory_limit", "10 kB", 10_000),
        ("memory_limit", "10000", 10_000),
        ("memory_limit", np.int32(10_000), 10_000),
        ("memory_limit", 1e4, 10_000),
        ("fit_intercept", np.False_, False),
        ("classes", [1, 0], (1, 0)),
        ("classes", np.array([1, 0]), (1, 0)),
        ("classes", pd.Index([1, 0]), (1, 0)),
        ("feature_names", np.array(["a", "b"]), ("a", "b")),
        ("feature_names", iter("ab"), ("a", "b")),
    ],
)
def test_numbers_and_sequences_of_any_kind_do(option, given, kept):
    assert getattr(check_options(**{**PLAIN, option: given}), option) == kept


@pytest.mark.parametrize("kind", [list, tuple, np.float32, pd.Series])
def test_a_start_of_any_kind_does(kind):
    start = check_options(**{**PLAIN, "start": kind([0.5, 1, 2])}).start
    np.testing.assert_array_equal(start, [0.5, 1, 2])


def test_coefficients_of_a_fit_may_be_the_start():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 2))
    y = rng.random(200) < 0.5
    res = dlogreg.fit(X, y)
    again = dlogreg.fit(X, y, start=res.params)
    gap = np.asarray(again.params) - np.asarray(res.params)
    assert np.abs(gap / np.asarray(res.bse)).max() <= 2e-4


@pytest.mark.parametrize(
    ("function", "keywords"),
    [(dlogreg.fit, FitKeywords), (dlogreg.fit_formula, FormulaKeywords)],
)
def test_type_checkers_know_every_option_of_the_overloads(function, keywords):
    parameters = inspect.signature(function).parameters.values()
    options = {
        p.name: p.annotation
        for p in parameters
        if p.kind == p.KEYWORD_ONLY and p.name != "by"
    }
    known = {
        name: getattr(kind, "__forward_arg__", kind)
        for name, kind in keywords.__annotations__.items()
    }
    assert known == options
    for overload in get_overloads(function):
        last = list(inspect.signature(overload).parameters.values())[-1]
        assert last.annotation == f"Unpack[{keywords.__name__}]"
    assert len(get_overloads(function)) == 2
