"""Several outcomes over the same X: each is its own fit, in shared passes."""

from __future__ import annotations

import copy
import json
import pickle
import warnings

import dask
import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import scipy.sparse
import statsmodels.api as sm
import zarr
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier

import dlogreg
from dlogreg import (
    CollinearityWarning,
    ConvergenceWarning,
    DataError,
    InferenceError,
    MemoryLimitError,
    MissingValueError,
    SeparationWarning,
    Status,
)
from dlogreg.cli import main
from dlogreg.outcomes import problem as outcomes_problem
from dlogreg.solvers.newton_model import NewtonModel
from dlogreg.storage.schema import checksum
from tests.counting import counted_array, reads

N, D, M = 1500, 4, 5
SHIFTS = np.array([0.0, 1.0, -3.0, 0.0, 2.0])


def drawn(seed=0, n=N, d=D, m=M, steep=0.6):
    """Return X, Y, frequency weights with zeros, and an offset."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d)) + np.arange(d)
    X[:, 0] *= 100
    slopes = steep * rng.normal(size=(d, m))
    slopes[0] /= 100
    offset = rng.normal(size=n) / 2
    eta = (X - X.mean(axis=0)) @ slopes + SHIFTS[:m] + offset[:, None]
    Y = (eta + rng.logistic(size=(n, m)) > 0).astype(np.int64)
    return X, Y, rng.integers(0, 4, n).astype(float), offset


def distances(many, X, Y, **options):
    """Return how far every outcome is from its own tight fit, in standard errors."""
    found = []
    for j, label in enumerate(many):
        one = dlogreg.fit(X, Y[:, j], **{**options, "tol": 1e-9, "inference": False})
        Z = np.column_stack([np.ones((len(X), int(many[label].fit_intercept))), X])
        eta = Z @ one.params
        weight = options.get("sample_weight", np.ones(len(X)))
        p = 1 / (1 + np.exp(-eta - options.get("offset", 0.0)))
        H = (Z * (weight * p * (1 - p))[:, None]).T @ Z
        if "alpha" in options:
            factor = np.asarray(options.get("penalty_factor", np.ones(X.shape[1])))
            first = H.shape[0] - X.shape[1]
            ridge = options["alpha"] * weight.sum() * factor
            H[range(first, len(H)), range(first, len(H))] += ridge
        away = np.asarray(many.params)[j] - one.params
        found.append(np.sqrt(away @ H @ away))
    return np.array(found)


OPTIONS = {
    "plain": {},
    "ridge": {"alpha": 0.01},
    "factors": {"alpha": 0.1, "penalty_factor": [0.0, 1, 2, 0.5]},
    "no intercept": {"fit_intercept": False},
    "weights": {"sample_weight": drawn()[2]},
    "offset": {"offset": drawn()[3]},
    "all": {"sample_weight": drawn()[2], "offset": drawn()[3], "alpha": 1e-3},
}


class TestEquality:
    @pytest.mark.parametrize("name", OPTIONS)
    def test_every_outcome_is_its_own_fit(self, name):
        options = OPTIONS[name]
        X, Y, _, _ = drawn()
        many = dlogreg.fit_many(X, Y, tol=1e-9, **options)
        assert many.converged
        assert (distances(many, X, Y, **options) < 1e-8).all()
        for j, label in enumerate(many):
            one, own = dlogreg.fit(X, Y[:, j], tol=1e-8, **options), many[label]
            assert own.llf == pytest.approx(one.llf, rel=1e-9)
            assert own.llnull == pytest.approx(one.llnull, rel=1e-12)
            assert own.nobs == one.nobs
            assert own.n_rows == one.n_rows
            assert own.alpha == one.alpha
            assert own.class_counts == one.class_counts
            if "alpha" not in options:
                np.testing.assert_allclose(own.bse, one.bse, rtol=2e-4)
                np.testing.assert_allclose(
                    own.cov_params(), one.cov_params(), rtol=1e-3, atol=1e-9
                )

    @settings(max_examples=15)
    @given(
        seed=st.integers(0, 10_000),
        steep=st.floats(0.0, 3.0),
        tol=st.sampled_from([1e-6, 1e-4, 1e-2, 0.3]),
        inference=st.booleans(),
        alpha=st.sampled_from([0.0, 0.01]),
    )
    def test_the_bounds_hold(self, seed, steep, tol, inference, alpha):
        X, Y, _, _ = drawn(seed, n=300, d=3, m=2, steep=steep)
        options = {"alpha": alpha} if alpha else {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            many = dlogreg.fit_many(X, Y, tol=tol, inference=inference, **options)
        good = np.array([many[label].converged for label in many])
        assert (np.asarray(many.error_bound)[good] <= tol).all()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            far = distances(many, X, Y, **options)
        assert (far[good] <= np.asarray(many.error_bound)[good] + 2e-9).all()

    def test_statsmodels(self):
        X, Y, _, _ = drawn(1)
        many = dlogreg.fit_many(X, Y, tol=1e-8)
        for j, label in enumerate(many):
            one = sm.Logit(Y[:, j], sm.add_constant(X)).fit(disp=0, tol=1e-12)
            own = many[label]
            np.testing.assert_allclose(own.params, one.params, rtol=1e-7)
            np.testing.assert_allclose(own.bse, one.bse, rtol=1e-7)
            np.testing.assert_allclose(own.pvalues, one.pvalues, rtol=1e-5, atol=1e-12)
            assert own.llf == pytest.approx(one.llf, rel=1e-10)
            assert own.llnull == pytest.approx(one.llnull, rel=1e-10)
            assert own.prsquared == pytest.approx(one.prsquared, rel=1e-8)
            np.testing.assert_array_equal(np.asarray(many.bse)[j], own.bse)
            np.testing.assert_array_equal(np.asarray(many.pvalues)[j], own.pvalues)
            np.testing.assert_allclose(own.conf_int(), one.conf_int(), rtol=1e-6)

    @pytest.mark.parametrize("labels", [["a", "b", "c"], [3, 1, 2], [0.0, 2.0, 5.0]])
    def test_scikit_learn_one_vs_rest(self, labels):
        X, Y, _, _ = drawn(2)
        X = X / [100, 1, 1, 1]
        y = np.array(labels)[Y[:, 0] + Y[:, 1]]
        C = 3.0
        alpha = 1 / (C * len(y))
        many = dlogreg.fit_many(X, one_vs_rest=y, alpha=alpha, tol=1e-9)
        peer = OneVsRestClassifier(LogisticRegression(C=C, tol=1e-10, max_iter=1000))
        peer.fit(X, y)
        assert list(many) == peer.classes_.tolist() == sorted(labels)
        for one, label in zip(peer.estimators_, many, strict=True):
            expected = np.concatenate([one.intercept_, one.coef_[0]])
            np.testing.assert_allclose(many[label].params, expected, atol=2e-6)
        np.testing.assert_allclose(
            many.predict_proba(X), peer.predict_proba(X), atol=1e-6
        )
        np.testing.assert_array_equal(many.classify(X), peer.predict(X))
        np.testing.assert_allclose(
            many.decision_function(X), peer.decision_function(X), atol=1e-5
        )

    def test_a_label_that_the_pilot_has_not_seen(self, small_blocks):
        X, Y, _, _ = drawn(3, n=6000)
        y = np.where(Y[:, 0] == 1, "one", "two").astype(object)
        y[2900:2930] = "three"  # in none of the four blocks of the pilot
        X = da.from_array(X, chunks=(100, D))
        many = dlogreg.fit_many(X, one_vs_rest=y, tol=1e-8)
        assert list(many) == ["one", "three", "two"]
        for label in many:
            one = dlogreg.fit(X, y == label, tol=1e-8)
            np.testing.assert_allclose(many[label].params, one.params, rtol=1e-6)
            assert many[label].llnull == pytest.approx(one.llnull, rel=1e-12)

    def test_a_start_that_is_unlike_the_rest_is_dropped(self, small_blocks):
        X, Y, _, _ = drawn(4, n=6000, m=2)
        blocks = np.arange(6000) // 100
        picked = np.isin(blocks, np.linspace(0, 59, 4).round())
        Y[picked, 0] = X[picked, 1] > 1 + 0.2 * X[picked, 2]  # the pilot's alone
        X = da.from_array(X, chunks=(100, D))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            many = dlogreg.fit_many(X, Y, tol=1e-8)
        assert many.converged
        for j, label in enumerate(many):
            one = dlogreg.fit(X, Y[:, j], tol=1e-8)
            np.testing.assert_allclose(many[label].params, one.params, rtol=1e-6)


class TestRobust:
    @pytest.mark.parametrize("kind", ["HC0", "HC1"])
    def test_errors_are_those_of_the_separate_fits(self, kind):
        X, Y, weight, _ = drawn(33)
        Y = Y.astype(float)
        Y[::7, 2] = np.nan
        given = {"cov_type": kind, "tol": 1e-8, "missing": "drop"}
        many = dlogreg.fit_many(X, Y, sample_weight=weight, **given)
        for j, label in enumerate(many):
            one = dlogreg.fit(X, Y[:, j], sample_weight=weight, **given)
            own = many[label]
            np.testing.assert_allclose(own.bse, one.bse, rtol=1e-6)
            np.testing.assert_allclose(
                own.cov_params("model"), one.cov_params("model"), rtol=1e-6, atol=1e-12
            )
            assert own.cov_type == kind
            assert own.bse_error_bound < 1e-3
        assert (
            many.n_passes == dlogreg.fit_many(X, Y, tol=1e-8, missing="drop").n_passes
        )

    def test_statsmodels(self):
        X, Y, _, _ = drawn(34)
        many = dlogreg.fit_many(X, Y, cov_type="HC0", tol=1e-8)
        for j, label in enumerate(many):
            one = sm.Logit(Y[:, j], sm.add_constant(X))
            peer = one.fit(disp=0, tol=1e-12, cov_type="HC0")
            np.testing.assert_allclose(many[label].bse, peer.bse, rtol=1e-6)

    def test_what_there_is_not(self):
        X, Y, _, _ = drawn(35)
        with pytest.raises(ValueError, match=r"no groups.*dlogreg\.fit\(groups=\)"):
            dlogreg.fit_many(X, Y, cov_type="cluster")
        with pytest.raises(ValueError, match="a fit with a penalty has none"):
            dlogreg.fit_many(X, Y, cov_type="HC1", alpha=0.1)
        with pytest.raises(
            InferenceError, match="fit again by itself with cov_type='HC1'"
        ):
            dlogreg.fit_many(X, Y)["y1"].cov_params("HC1")


class TestPasses:
    def test_they_are_those_of_the_slowest(self):
        X, Y, _, _ = drawn(5, n=40_000)
        alone = [dlogreg.fit_many(X, Y[:, [j]]).n_passes for j in range(M)]
        many = dlogreg.fit_many(X, Y)
        assert many.n_passes == max(alone) == 3
        np.testing.assert_array_equal(np.asarray(many.error_bound) <= 1e-4, True)

    def test_no_more_than_the_slowest_single_fit_takes(self):
        X, Y, _, _ = drawn(5, n=40_000)
        single = [dlogreg.fit(X, y).n_passes for y in Y.T]
        assert dlogreg.fit_many(X, Y).n_passes <= max(single) + 1

    def test_a_slow_outcome_does_not_make_the_others_slower(self):
        X, Y, _, _ = drawn(6, n=20_000)
        rare = (np.arange(len(X)) % 997 == 0).astype(int)
        slow = dlogreg.fit_many(X, rare[:, None])
        fast = dlogreg.fit_many(X, Y)
        both = dlogreg.fit_many(X, np.column_stack([Y, rare]))
        assert both.n_passes == max(slow.n_passes, fast.n_passes)
        away = both.params[:M] - np.asarray(fast.params)
        assert (np.abs(away) <= 2e-4 * np.asarray(fast.bse)).all()
        np.testing.assert_allclose(both.params[M:], slow.params, rtol=1e-9)

    @pytest.mark.parametrize("inference", [True, False])
    @pytest.mark.parametrize("tol", [1e-2, 1e-4, 1e-6, 1e-8])
    def test_kept_hessians_cost_no_pass(self, inference, tol, monkeypatch):
        X, Y, _, _ = drawn(5, n=40_000)
        plain, formed = outcomes_problem.OutcomesProblem._evaluate, []

        def noted(self, active, thetas, moves, hessian_of):
            formed.append(len(hessian_of) - len(active))
            return plain(self, active, thetas, moves, hessian_of)

        monkeypatch.setattr(outcomes_problem.OutcomesProblem, "_evaluate", noted)
        many = dlogreg.fit_many(X, Y, tol=tol, inference=inference)
        kept = sum(formed)
        monkeypatch.setattr(NewtonModel, "_needs_hessian", lambda *args: True)
        always = dlogreg.fit_many(X, Y, tol=tol, inference=inference)
        assert many.n_passes == always.n_passes
        assert (np.asarray(many.error_bound) <= tol).all()
        if (inference, tol) == (False, 1e-4):
            assert kept < 0
            assert (distances(many, X, Y) <= np.asarray(many.error_bound)).all()

    @pytest.mark.parametrize("inference", [True, False])
    def test_every_block_is_read_once_a_pass(self, inference):
        X, Y, _, _ = drawn(7, n=12_000)
        X = counted_array("many X", X, 1000)
        Y = counted_array("many Y", Y, 1000)
        many = dlogreg.fit_many(X, Y, inference=inference)
        pilot = np.isin(np.arange(12), np.linspace(0, 11, 4).round()).astype(int)
        assert reads("many X") == (many.n_passes + pilot).tolist()
        assert reads("many Y") == (many.n_passes + pilot).tolist()
        assert len(many.trace) == many.n_passes + 1
        assert many.trace[-1].error_bound == max(many.error_bound)

    def test_predictions_read_once_and_the_summary_not_at_all(self):
        X, Y, _, _ = drawn(8, n=4000)
        many = dlogreg.fit_many(X, Y)
        X = counted_array("predicted", X, 500)
        lazy = many.predict_proba(X)
        assert lazy.shape == (4000, M)
        assert reads("predicted") == []
        str(many.summary()), repr(many), many.to_frame(), many._repr_html_()
        assert reads("predicted") == []
        p = lazy.compute()
        assert reads("predicted") == [1] * 8
        for j, label in enumerate(many):
            np.testing.assert_allclose(p[:, j], many[label].predict(X).compute())


def as_zarr(values, chunks):
    array = zarr.create_array(
        zarr.storage.MemoryStore(),
        shape=values.shape,
        chunks=chunks,
        dtype=values.dtype,
    )
    array[:] = values
    return array


NAMES = [f"o{j}" for j in range(M)]
SOURCES = {
    "numpy": lambda X, Y: (X, Y),
    "lists": lambda X, Y: (X.tolist(), Y.tolist()),
    "bools": lambda X, Y: (X, Y.astype(bool)),
    "float32": lambda X, Y: (X, Y.astype("f4")),
    "objects": lambda X, Y: (X, Y.astype(object)),
    "dask": lambda X, Y: (da.from_array(X, (190, 3)), da.from_array(Y, (190, 2))),
    "other chunks": lambda X, Y: (
        da.from_array(X, (190, 4)),
        da.from_array(Y, (77, M)),
    ),
    "zarr": lambda X, Y: (as_zarr(X, (200, 2)), as_zarr(Y, (130, 2))),
    "pandas": lambda X, Y: (pd.DataFrame(X), pd.DataFrame(Y, columns=NAMES)),
    "mixed types": lambda X, Y: (
        X,
        pd.DataFrame(Y, columns=NAMES).astype({"o1": bool, "o2": "Int64"}),
    ),
    "dask dataframe": lambda X, Y: (
        dd.from_pandas(pd.DataFrame(X, columns=list("abcd")), npartitions=4),
        dd.from_pandas(pd.DataFrame(Y, columns=NAMES), npartitions=4),
    ),
    "sparse": lambda X, Y: (scipy.sparse.csr_array(X), Y),
    "unknown row counts": lambda X, Y: (
        da.from_array(X, (190, 4))[da.ones(len(X), chunks=190) > 0],
        da.from_array(Y, (190, M))[da.ones(len(X), chunks=190) > 0],
    ),
}


class TestSources:
    @pytest.mark.parametrize("name", SOURCES)
    def test_the_models_are_the_same(self, name, small_blocks):
        X, Y, _, _ = drawn(9)
        many = dlogreg.fit_many(*SOURCES[name](X, Y), tol=1e-9)
        expected = dlogreg.fit_many(X, Y, tol=1e-9)
        np.testing.assert_allclose(many.params, expected.params, rtol=1e-8, atol=1e-9)
        np.testing.assert_allclose(many.bse, expected.bse, rtol=1e-6)
        named = name in ("pandas", "mixed types", "dask dataframe")
        assert list(many) == (NAMES if named else ["y1", "y2", "y3", "y4", "y5"])

    @settings(max_examples=10)
    @given(rows=st.integers(40, 900), others=st.integers(40, 900))
    def test_chunks_do_not_matter(self, rows, others):
        X, Y, weight, offset = drawn(10)
        many = dlogreg.fit_many(
            da.from_array(X, (rows, D)),
            da.from_array(Y, (others, M)),
            sample_weight=da.from_array(weight, rows),
            offset=offset,
            tol=1e-9,
        )
        expected = dlogreg.fit_many(X, Y, sample_weight=weight, offset=offset, tol=1e-9)
        away = np.asarray(many.params) - np.asarray(expected.params)
        assert (np.abs(away) <= 1e-8 * np.asarray(expected.bse)).all()

    def test_schedulers_give_the_same_bits(self, small_blocks):
        X, Y, weight, _ = drawn(11, n=4000)
        found = []
        for scheduler, workers in (("synchronous", 1), ("threads", 2), ("threads", 5)):
            with dask.config.set(scheduler=scheduler, num_workers=workers):
                found.append(dlogreg.fit_many(X, Y, sample_weight=weight))
        for other in found[1:]:
            np.testing.assert_array_equal(other.params, found[0].params)
            np.testing.assert_array_equal(other.bse, found[0].bse)
            np.testing.assert_array_equal(other.error_bound, found[0].error_bound)

    @pytest.mark.cluster
    def test_a_cluster_gives_the_same_bits(self, client):
        X, Y, weight, _ = drawn(12, n=4000)
        X, Y = da.from_array(X, (500, D)), da.from_array(Y, (700, M))
        there = dlogreg.fit_many(X, Y, sample_weight=weight)
        profile = there["y2"].conf_int(method="profile", names=["x1"])
        with dask.config.set(scheduler="synchronous"):
            here = dlogreg.fit_many(X, Y, sample_weight=weight)
            again = here["y2"].conf_int(method="profile", names=["x1"])
        np.testing.assert_array_equal(there.params, here.params)
        np.testing.assert_array_equal(there.bse, here.bse)
        np.testing.assert_array_equal(profile, again)


class TestMissing:
    def holes(self):
        X, Y, weight, _ = drawn(13)
        Y = Y.astype(float)
        rng = np.random.default_rng(1)
        Y[rng.random(Y.shape) < 0.2] = np.nan
        X[rng.integers(0, N, 9), 2] = np.nan
        return X, Y, weight

    @pytest.mark.parametrize("kind", ["numpy", "dask", "zarr", "pandas"])
    def test_dropped_rows_are_those_of_the_separate_fits(self, kind, small_blocks):
        X, Y, weight = self.holes()
        given = SOURCES[kind](X, Y)
        many = dlogreg.fit_many(*given, sample_weight=weight, missing="drop", tol=1e-9)
        for j, label in enumerate(many):
            one = dlogreg.fit(
                X, Y[:, j], sample_weight=weight, missing="drop", tol=1e-9
            )
            own = many[label]
            np.testing.assert_allclose(own.params, one.params, rtol=1e-7, atol=1e-10)
            np.testing.assert_allclose(own.bse, one.bse, rtol=1e-6)
            assert own.nobs == one.nobs
            assert own.n_rows == one.n_rows
            assert own.n_dropped == one.n_dropped
            assert own.llnull == pytest.approx(one.llnull, rel=1e-12)
            again = own.goodness_of_fit()
            assert again.auc == pytest.approx(one.goodness_of_fit().auc)

    def test_they_are_named_and_counted(self):
        X, Y, _, _ = drawn(14)
        Y = Y.astype(float)
        Y[700, 3] = Y[701, 3] = Y[900, 1] = np.nan
        with pytest.raises(
            MissingValueError,
            match=r"outcome 'y4' is nan in row 700; missing='drop' leaves the row out "
            r"of the model of that outcome\. 3 of 1,500 rows have missing values: 'y4' "
            r"in 2 \(first in row 700\), 'y2' in 1 \(first in row 900\)",
        ):
            dlogreg.fit_many(X, Y)

    @pytest.mark.parametrize("kind", ["numpy", "bools", "dask", "sparse"])
    @pytest.mark.parametrize("what", ["X", "sample_weight", "offset"])
    def test_outcomes_that_cannot_be_missing_beside_what_is(self, kind, what):
        X, Y, weight, offset = drawn(36)
        given = {"sample_weight": weight + 1, "offset": offset}
        if what == "X":
            X[700, 1] = np.nan
        else:
            given[what][700] = np.nan
        name = "x2" if what == "X" else what
        with pytest.raises(
            MissingValueError,
            match=f"1 of 1,500 rows have missing values: '{name}' in 1",
        ):
            dlogreg.fit_many(*SOURCES[kind](X, Y), **given)

    @pytest.mark.parametrize("absent", [None, np.nan, pd.NA])
    def test_objects_that_are_missing(self, absent):
        X, Y, _, _ = drawn(37)
        Y = Y.astype(object)
        Y[700, 3] = absent
        many = dlogreg.fit_many(X, Y, missing="drop")
        assert [fit.n_dropped for fit in many.values()] == [0, 0, 0, 1, 0]

    def test_of_labels(self):
        X, Y, _, _ = drawn(15)
        y = np.array(["a", "b", "c"], dtype=object)[Y[:, 0] + Y[:, 1]]
        y[[3, 800]] = None
        with pytest.raises(MissingValueError, match="y is None in row 3"):
            dlogreg.fit_many(X, one_vs_rest=y)
        many = dlogreg.fit_many(X, one_vs_rest=y, missing="drop", tol=1e-8)
        rows = y != None  # noqa: E711
        expected = dlogreg.fit_many(X[rows], one_vs_rest=y[rows], tol=1e-8)
        np.testing.assert_allclose(many.params, expected.params, rtol=1e-7)
        assert many["a"].n_dropped == 2
        assert np.isfinite(many["a"].goodness_of_fit().auc)

    def test_columns_that_are_aliased_where_an_outcome_is_known(self):
        X, Y, _, _ = drawn(16)
        X[:, 3] = np.arange(N) < 700
        Y = Y.astype(float)
        Y[700:, 2] = np.nan
        with pytest.warns(CollinearityWarning, match=r"outcome 'y3': dropped 'x4'"):
            many = dlogreg.fit_many(X, Y, missing="drop", tol=1e-8)
        assert np.isnan(many.params["y3", "x4"])
        assert np.isfinite(many["y1"].params).all()
        with pytest.warns(CollinearityWarning):
            one = dlogreg.fit(X[:700], Y[:700, 2], tol=1e-8)
        np.testing.assert_allclose(many["y3"].params, one.params, rtol=1e-6)


def sparse_blocks(Y):
    meta = scipy.sparse.csr_array((0, M))
    return da.from_array(Y, chunks=(500, M)).map_blocks(
        scipy.sparse.csr_array, meta=meta
    )


class TestBadInput:
    @pytest.mark.parametrize("kind", ["numpy", "dask", "zarr", "pandas"])
    @pytest.mark.parametrize(("value", "shown"), [(2.0, "2.0"), (np.inf, "inf")])
    def test_values_that_are_no_outcomes(self, kind, value, shown, small_blocks):
        X, Y, _, _ = drawn(17)
        Y = Y.astype(float)
        Y[1234, 2] = value
        name = "o2" if kind == "pandas" else "y3"
        with pytest.raises(
            DataError, match=rf"outcome '{name}' is {shown} in row 1234, and outcomes "
        ):
            dlogreg.fit_many(*SOURCES[kind](X, Y))

    def test_text(self):
        X, Y, _, _ = drawn(18)
        with pytest.raises(DataError, match=r"Y has type <U.*one_vs_rest="):
            dlogreg.fit_many(X, np.where(Y == 1, "yes", "no"))
        frame = pd.DataFrame(Y, columns=NAMES).astype({"o3": str})
        with pytest.raises(DataError, match="outcome 'o3' is not numeric"):
            dlogreg.fit_many(X, frame)
        with pytest.raises(DataError, match="Y has type object"):
            dlogreg.fit_many(X, np.where(Y == 1, "yes", "no").astype(object))
        lazy = da.from_array(np.where(Y == 1, "yes", "no"), 100)
        with pytest.raises(DataError, match=r"Y has type <U"):
            dlogreg.fit_many(X, lazy)

    def test_a_table_of_pyarrow_is_that_of_pandas(self):
        X, Y, _, _ = drawn(43)
        frame = pd.DataFrame(Y[:, :2], columns=["one", "two"])
        found, expected = (
            dlogreg.fit_many(X, table) for table in (pa.Table.from_pandas(frame), frame)
        )
        assert found.labels == ("one", "two")
        np.testing.assert_array_equal(found.params, expected.params)

    def test_shapes_and_names(self):
        X, Y, _, _ = drawn(19)
        with pytest.raises(DataError, match=r"Y must be 2-D.*goes to dlogreg\.fit"):
            dlogreg.fit_many(X, Y[:, 0])
        with pytest.raises(DataError, match=r"y must be 1-D.*dlogreg\.fit_many"):
            dlogreg.fit(X, Y)
        with pytest.raises(DataError, match="X has 1500 rows but y has 1499"):
            dlogreg.fit_many(X, Y[1:])
        with pytest.raises(DataError, match="3 outcome_names for 5 columns"):
            dlogreg.fit_many(X, Y, outcome_names=list("abc"))
        with pytest.raises(DataError, match="outcome name 'a' occurs twice"):
            dlogreg.fit_many(X, Y, outcome_names=list("abcda"))
        with pytest.raises(DataError, match="Y has no columns"):
            dlogreg.fit_many(X, Y[:, :0])
        with pytest.raises(ValueError, match="give one of them"):
            dlogreg.fit_many(X)
        with pytest.raises(ValueError, match="give one of them"):
            dlogreg.fit_many(X, Y, one_vs_rest=Y[:, 0])
        with pytest.raises(ValueError, match="leave outcome_names out"):
            dlogreg.fit_many(X, one_vs_rest=Y[:, 0], outcome_names=["a"])
        with pytest.raises(KeyError, match=r"no outcome is named 'y7'; there are 'y"):
            dlogreg.fit_many(X, Y)["y7"]

    @pytest.mark.parametrize(
        ("values", "what"),
        [(1.0, "1 in every row"), (0.0, "0 in every"), (np.nan, "missing in")],
    )
    def test_outcomes_of_one_kind(self, values, what):
        X, Y, _, _ = drawn(20)
        Y = Y.astype(float)
        Y[:, 1] = values
        with pytest.raises(DataError, match=f"outcome 'y2' is {what}.*; .* leave"):
            dlogreg.fit_many(X, Y, missing="drop")
        Y[:, 3] = values
        with pytest.raises(DataError, match="row, and 1 other outcomes are alike"):
            dlogreg.fit_many(X, Y, missing="drop")

    @pytest.mark.parametrize("kind", ["numpy", "dask", "zarr", "pandas"])
    def test_the_row_and_column_of_a_bad_column_value(self, kind, small_blocks):
        X, Y, _, _ = drawn(21)
        X[900, 1] = np.inf
        column = "1" if kind == "pandas" else "x2"
        with pytest.raises(
            DataError, match=f"column '{column}' holds infinity in row 9"
        ):
            dlogreg.fit_many(*SOURCES[kind](X, Y))

    def test_nothing_left(self):
        X, Y, _, _ = drawn(22)
        with pytest.raises(DataError, match="no rows with a positive weight"):
            dlogreg.fit_many(X, Y, sample_weight=np.zeros(N))
        with pytest.raises(
            DataError, match="every one of the 1,500 rows has a missing"
        ):
            dlogreg.fit_many(X * np.nan, Y, missing="drop")
        with pytest.raises(DataError, match="y has only one class, 3"):
            dlogreg.fit_many(X, one_vs_rest=np.full(N, 3))

    def test_memory(self):
        X, Y, _, _ = drawn(23)
        with pytest.raises(MemoryLimitError, match="the fit needs about"):
            dlogreg.fit_many(X, Y, memory_limit="1 MB")
        dlogreg.fit_many(X, Y, memory_limit="1 GB")
        few = np.zeros((10, 2000))
        many = np.tile([0.0, 1.0], (10, 400))
        with pytest.raises(
            MemoryLimitError,
            match=r"Hessians of 800 outcomes with 2,001 coefficients take 24,4.. MiB.*"
            "at most 134 outcomes at a time",
        ):
            dlogreg.fit_many(few, many)

    @pytest.mark.parametrize(
        ("spoil", "error", "match"),
        [
            (scipy.sparse.csr_array, DataError, r"Y is sparse.*give Y\.toarray\(\)"),
            (sparse_blocks, DataError, r"Y is sparse.*Y\.map_blocks\(lambda block"),
            (
                lambda Y: [*Y[:-1].tolist(), [1]],
                DataError,
                r"row 1499 of Y has 1 value\(s\), and row 0 has 5",
            ),
            (lambda Y: [[0, 1], 1], DataError, r"row 1 of Y has 1 value\(s\)"),
            (lambda Y: [[0, [1]], [1, 0]], DataError, "Y holds lists in the place"),
            (
                lambda Y: {"a": Y[:, 0]},
                DataError,
                r"Y is a dict.*pandas.DataFrame\(Y\)",
            ),
            (
                lambda Y: np.ma.masked_array(Y, Y > 5),
                DataError,
                r"Y is a masked array.*Y\.filled\(np\.nan\)",
            ),
        ],
        ids=["sparse", "sparse blocks", "ragged", "no row", "deep", "dict", "masked"],
    )
    def test_tables_that_are_none(self, spoil, error, match):
        X, Y, _, _ = drawn(40)
        with pytest.raises(error, match=match):
            dlogreg.fit_many(X, spoil(Y))

    @pytest.mark.parametrize(
        ("names", "error", "match"),
        [
            ("abcde", ValueError, "must be a list of names, .* not 'abcde'"),
            (5, ValueError, "must be a list of names, .* not 5"),
            ({"a": 1}, ValueError, "must be a list of names"),
            (set("abcde"), ValueError, "must be a list of names"),
            (["a", None, "c", "d", "e"], ValueError, "has None for column 1 of Y"),
            (["a"], DataError, "there are 1 outcome_names for 5 columns of Y"),
        ],
        ids=["text", "number", "dict", "set", "None", "few"],
    )
    def test_names_that_are_none(self, names, error, match):
        X, Y, _, _ = drawn(41)
        with pytest.raises(error, match=match):
            dlogreg.fit_many(X, Y, outcome_names=names)

    def test_kinds_of_errors_are_its_own(self):
        X, Y, _, _ = drawn(42)
        with pytest.raises(ValueError, match="one of 'model', 'HC0', 'HC1', not 'zz'"):
            dlogreg.fit_many(X, Y, cov_type="zz")

    def test_too_many_columns(self):
        with pytest.raises(ValueError, match=r"3,001 coefficients.*one by one"):
            dlogreg.fit_many(np.zeros((10, 3000)), np.zeros((10, 2)))


class TestSeparation:
    def separated(self):
        X, Y, _, _ = drawn(24)
        X = np.column_stack([X, np.arange(N) % 50 == 0])
        Y[:, 1] |= X[:, 4].astype(int)  # every row of that level has the event
        return X, Y

    def test_it_is_named_and_does_not_stop_the_others(self):
        X, Y = self.separated()
        with pytest.warns(
            SeparationWarning,
            match=r"outcome 'y2': the data are separated \('x5': every row with x5 = 1 "
            r"has y = 1\).*dlogreg\.fit of that outcome alone",
        ):
            many = dlogreg.fit_many(X, Y)
        assert many.statuses["y2"] is Status.SEPARATED
        assert many.separated == {"y2": ("x5",)}
        assert not many.converged
        assert np.isinf(many.error_bound["y2"])
        others = [0, 2, 3, 4]
        alone = dlogreg.fit_many(X, Y[:, others])
        assert alone.converged
        np.testing.assert_allclose(
            np.asarray(many.params)[others], np.asarray(alone.params), rtol=1e-9
        )

    def test_what_no_single_column_tells_is_suspected(self):
        X, Y, _, _ = drawn(25)
        Y[:, 0] = X[:, 1] + X[:, 2] - X[:, 3] > 0.3
        with pytest.warns(SeparationWarning, match="outcome 'y1': the data look sep"):
            many = dlogreg.fit_many(X, Y)
        assert many.statuses["y1"] is Status.SEPARATION_SUSPECTED
        assert set(many.separated["y1"]) == {"x2", "x3", "x4"}
        assert all(many.statuses[name].converged for name in list(many)[1:])
        assert np.isfinite(many.bse["y2"]).all()

    @pytest.mark.parametrize("kind", ["model", "HC0", "HC1"])
    def test_one_of_them_has_no_error_of_what_is_infinite(self, kind):
        X, Y = self.separated()
        with pytest.warns(SeparationWarning):
            one = dlogreg.fit_many(X, Y, cov_type=kind)["y2"]
        with pytest.warns(SeparationWarning):
            alone = dlogreg.fit(X, Y[:, 1], cov_type=kind)
        for found, expected in (
            (one.bse, alone.bse),
            (one.conf_int(), alone.conf_int()),
            (one.cov_params(), alone.cov_params()),
        ):
            # where the fit stopped the others are nearly at their limits
            np.testing.assert_allclose(found, expected, rtol=0.02, atol=1e-5)
        assert np.isnan(one.bse).tolist() == [False] * 5 + [True]

    @pytest.mark.parametrize("kind", ["model", "HC0", "HC1"])
    def test_no_table_has_errors_of_where_a_fit_stopped(self, kind):
        X, Y = self.separated()
        with pytest.warns(SeparationWarning):
            many = dlogreg.fit_many(X, Y, cov_type=kind)
        frame = many.to_frame()
        for table in (many.bse, many.zvalues, many.pvalues):
            assert np.isnan(table[1]).all()
            assert np.isfinite(np.delete(table, 1, axis=0)).all()
        assert frame.drop(columns="coef").loc["y2"].isna().all(axis=None)
        assert not frame.drop("y2").isna().any(axis=None)
        with pytest.warns(SeparationWarning):
            many = dlogreg.fit_many(X, Y[:, [1, 1]], cov_type=kind)
        with pytest.raises(InferenceError, match="separated"):
            _ = many.bse
        assert list(many.to_frame().columns) == ["coef"]

    def test_a_penalty_makes_it_finite(self):
        X, Y = self.separated()
        many = dlogreg.fit_many(X, Y, alpha=0.01)
        assert many.converged

    def test_many_are_counted(self):
        X, Y = self.separated()
        with pytest.warns(
            SeparationWarning, match=r"7 other outcomes too \('y2', .*, \.\.\.\)"
        ):
            dlogreg.fit_many(X, np.repeat(Y[:, [1]], 8, axis=1))


class TestResults:
    def fitted(self):
        X, Y, _, _ = drawn(26)
        return dlogreg.fit_many(X, Y, outcome_names=NAMES), X, Y

    def test_a_mapping_of_ordinary_results(self):
        many, X, Y = self.fitted()
        assert list(many) == NAMES
        assert len(many) == M
        assert "o3" in many
        assert dict(many.items())["o3"].llf == many.llf["o3"]
        own = many["o3"]
        one = dlogreg.fit(X, Y[:, 3])
        assert "Logistic regression" in str(own.summary())
        np.testing.assert_allclose(own.odds_ratios(), one.odds_ratios(), rtol=1e-3)
        np.testing.assert_allclose(own.predict(X), one.predict(X), rtol=1e-3)
        np.testing.assert_allclose(
            own.conf_int(method="profile"), one.conf_int(method="profile"), rtol=1e-3
        )
        ours, theirs = own.bootstrap(B=5), one.bootstrap(B=5)
        np.testing.assert_allclose(ours.params, theirs.params, rtol=0.05, atol=0.02)
        assert own.goodness_of_fit().auc == pytest.approx(
            one.goodness_of_fit().auc, rel=1e-6
        )
        assert own.wald_test("x1, x2").pvalue == pytest.approx(
            one.wald_test("x1, x2").pvalue, rel=1e-3
        )

    def test_what_is_no_outcome_is_told_from_what_is(self):
        X, Y, _, _ = drawn(38)
        many = dlogreg.fit_many(X, one_vs_rest=Y[:, 0] + 5)
        with pytest.raises(KeyError, match="no outcome is named '5'; there are 5, "):
            _ = many["5"]
        assert len({many, many}) == 1
        assert many != dlogreg.fit_many(X, one_vs_rest=Y[:, 0] + 5)

    def test_a_label_reads_the_rows_again(self):
        X, Y, _, _ = drawn(27)
        y = np.array(["a", "b", "c"])[Y[:, 0] + Y[:, 1]]
        own = dlogreg.fit_many(X, one_vs_rest=y)["b"]
        one = dlogreg.fit(X, y == "b")
        np.testing.assert_allclose(
            own.conf_int(method="profile"), one.conf_int(method="profile"), rtol=1e-3
        )

    @pytest.mark.parametrize("kind", ["Y", "labels", "penalised", "separated"])
    def test_what_is_saved_is_loaded_to_the_last_bit(self, kind, tmp_path):
        X, Y, _, _ = drawn(43)
        options = {"alpha": 0.1} if kind == "penalised" else {"cov_type": "HC1"}
        if kind == "labels":
            many = dlogreg.fit_many(X, one_vs_rest=Y[:, 0] + Y[:, 1], **options)
        elif kind == "separated":
            X = np.column_stack([X, np.arange(N) % 50 == 0])
            Y[:, 1] |= X[:, 4].astype(int)
            with pytest.warns(SeparationWarning):
                many = dlogreg.fit_many(X, Y, **options)
        else:
            many = dlogreg.fit_many(X, Y, outcome_names=NAMES, **options)
        path = tmp_path / "many.json"
        many.save(path)
        again = dlogreg.load(path)
        assert type(again) is type(many)
        assert tuple(again) == tuple(many)
        assert again.one_vs_rest == many.one_vs_rest
        assert again.statuses == many.statuses
        assert again.separated == many.separated
        assert again.n_passes == many.n_passes
        assert len(again.trace) == len(many.trace)
        np.testing.assert_array_equal(again.params, many.params)
        np.testing.assert_array_equal(again.predict_proba(X), many.predict_proba(X))
        for name in many:
            ours, theirs = again[name], many[name]
            assert ours.llf == theirs.llf
            assert ours.error_bound == theirs.error_bound
            assert ours.class_counts == theirs.class_counts
            if theirs.covariance is not None:
                np.testing.assert_array_equal(ours.bse, theirs.bse)
                np.testing.assert_array_equal(ours.cov_params(), theirs.cov_params())
        with pytest.raises(FileExistsError, match="overwrite=True"):
            many.save(path)
        many.save(path, overwrite=True)

    @pytest.mark.parametrize(
        ("key", "value", "match"),
        [
            ("labels", ["a"], "'labels' and 'models' do not go together"),
            ("labels", ["o1"] * M, "'labels' and 'models' do not go together"),
            ("models", [{}] * M, "is of kind None, not 'dlogreg.LogitResults'"),
            ("one_vs_rest", 1, "'one_vs_rest'"),
            ("schema", 99, "schema"),
            ("trace", [], "checksum|sha256"),
            ("more", 1, "'more'"),
        ],
    )
    def test_damaged_files_are_refused(self, key, value, match, tmp_path):
        many, _, _ = self.fitted()
        path = tmp_path / "many.json"
        many.save(path)
        entries = json.loads(path.read_text())
        if match != "checksum|sha256":
            entries = {**entries, key: value}
            entries["sha256"] = checksum(entries)
        else:
            entries[key] = value
        path.write_text(json.dumps(entries))
        with pytest.raises(ValueError, match=f"not a model saved by dlogreg.*{match}"):
            dlogreg.load(path)

    def test_commands_refuse_them(self, tmp_path):
        many, _, _ = self.fitted()
        path = tmp_path / "many.json"
        many.save(path)
        shown = CliRunner().invoke(main, ["summary", str(path)])
        assert shown.exit_code == 2
        assert "holds the models of several outcomes" in " ".join(shown.output.split())

    def test_tables_of_labels_that_are_numbers_go_by_label(self):
        X, Y, _, _ = drawn(39)
        y = Y[:, 0] + Y[:, 1]  # 0, 1 and 2
        for shift, keys in ((0, (1, np.int64(1))), (5, (6, 6.0))):
            many = dlogreg.fit_many(X, one_vs_rest=2 * y[::-1].max() - y + shift)
            labels = tuple(many)
            place = labels.index(keys[0]) if keys[0] in labels else 0
            for key in (labels[place], np.int64(labels[place])):
                assert many.llf[key] == many.llf.tolist()[place] == many[key].llf
                np.testing.assert_array_equal(many.bse[key], many[key].bse)
                assert many.params[key, "x2"] == many[key].params["x2"]
            np.testing.assert_array_equal(many.params[:, 1], many.params.of_class("x1"))
            np.testing.assert_array_equal(many.params[list(labels)], many.params)
            assert list(many.nobs.to_dict()) == list(labels)
            assert labels[0] in many.llf
            assert 99 not in many.llf
            with pytest.raises(KeyError, match="no outcome is named 99; there are "):
                many.llf[99]
            with pytest.raises(KeyError, match="no outcome is named 99; there are "):
                many.params[99]
            with pytest.raises(KeyError, match="no coefficient is named 'x77'; there"):
                many.params[labels[0], "x77"]
            again = pickle.loads(pickle.dumps(many.llf))
            assert again[labels[1]] == many.llf[labels[1]]
            table = copy.copy(many.params)
            np.testing.assert_array_equal(table[labels[1]], many.params[labels[1]])
            assert repr(table).splitlines()[1].startswith(f"{labels[0]} ")

    def test_tables(self):
        many, _, Y = self.fitted()
        assert many.params["o2", "x3"] == many["o2"].params["x3"]
        assert many.params.shape == (M, D + 1)
        np.testing.assert_array_equal(many.n_events, Y.sum(axis=0))
        assert many.nobs["o1"] == N
        frame = many.to_frame()
        assert frame.loc[("o2", "x3"), "coef"] == many.params["o2", "x3"]
        np.testing.assert_array_equal(
            frame.loc["o4", ["low", "high"]].to_numpy(), many["o4"].conf_int()
        )
        assert str(many.summary()).count("o") > M
        assert "5 outcomes, 5 coefficients each, 5 converged, " in repr(many)

    def test_without_inference(self):
        X, Y, _, _ = drawn(28)
        many = dlogreg.fit_many(X, Y, inference=False)
        with pytest.raises(InferenceError, match="inference=False"):
            _ = many.bse
        with pytest.raises(InferenceError, match="inference=False"):
            _ = many.pvalues
        assert list(many.to_frame().columns) == ["coef"]
        ridge = dlogreg.fit_many(X, Y, alpha=0.1)
        with pytest.raises(InferenceError, match="penalised"):
            _ = ridge.bse

    def test_pickled_and_saved(self, tmp_path):
        many, _, _ = self.fitted()
        again = pickle.loads(pickle.dumps(many))
        np.testing.assert_array_equal(again.params, many.params)
        assert again["o1"].rows is None
        many["o1"].save(tmp_path / "one.json")
        loaded = dlogreg.load(tmp_path / "one.json")
        np.testing.assert_array_equal(loaded.params, many["o1"].params)

    def test_predictions(self):
        many, X, _ = self.fitted()
        with pytest.raises(ValueError, match=r"take predict_proba\(X\) > 0\.5"):
            many.classify(X)
        frame = pd.DataFrame(X[:, ::-1], columns=["x4", "x3", "x2", "x1"])
        p = many.predict_proba(X)
        np.testing.assert_allclose(many.predict_proba(frame), p, rtol=1e-12)
        store = as_zarr(X, (400, 2))
        np.testing.assert_allclose(many.predict_proba(store).compute(), p, rtol=1e-12)

    def test_an_offset_is_needed_again(self):
        X, Y, _, offset = drawn(29)
        many = dlogreg.fit_many(X, Y, offset=offset)
        with pytest.raises(ValueError, match="needs an offset"):
            many.predict_proba(X)
        p = many.predict_proba(X, offset)
        lazy = many.predict_proba(da.from_array(X, (400, D)), offset)
        np.testing.assert_allclose(lazy.compute(), p, rtol=1e-12)
        for j, label in enumerate(many):
            np.testing.assert_allclose(p[:, j], many[label].predict(X, offset))

    def test_aliased_columns_are_dropped_of_all(self):
        X, Y, _, _ = drawn(30)
        X = np.column_stack([X, X[:, 1] - 2 * X[:, 2] + 1, np.full(N, 3.0)])
        with pytest.warns(CollinearityWarning, match=r"^dropped 'x5'.*'x6'"):
            many = dlogreg.fit_many(X, Y, tol=1e-8)
        expected = dlogreg.fit_many(X[:, :D], Y, tol=1e-8)
        np.testing.assert_allclose(many.params[:, :5], expected.params, rtol=1e-7)
        assert np.isnan(many.params[:, 5:]).all()
        np.testing.assert_allclose(many.bse[:, :5], expected.bse, rtol=1e-6)
        assert many.n_passes == expected.n_passes


class TestEnds:
    def test_too_few_passes(self):
        X, Y, _, _ = drawn(31, steep=2.0)
        with pytest.warns(ConvergenceWarning, match="outcome 'y1': stopped at max_pas"):
            many = dlogreg.fit_many(X, Y, max_passes=2, tol=1e-12)
        assert many.n_passes == 2
        assert not many.converged
        with pytest.raises(ValueError, match="max_passes"):
            dlogreg.fit_many(X, Y, max_passes=1)

    def test_interrupted(self, monkeypatch):
        X, Y, _, _ = drawn(32)

        def stop(*args):
            raise KeyboardInterrupt

        monkeypatch.setattr(outcomes_problem.OutcomesProblem, "_evaluate", stop)
        many = dlogreg.fit_many(X, Y)
        assert set(many.statuses.values()) == {Status.INTERRUPTED}
        far = distances(many, X, Y)
        assert (far <= np.asarray(many.error_bound)).all()
