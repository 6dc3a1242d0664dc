"""Ranges of columns by label are exact where labels do not overlap."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from dlogreg.kernel import CSR, Rows
from dlogreg.row_kind import RowKind
from dlogreg.standardization import Standardization
from dlogreg.survey import SurveyKernel
from dlogreg.survey.ranges import FIRST_ROWS, RangesInProgress, extremes
from dlogreg.tree_sum import TreeSum, add_pairwise


def masks_of(y):
    return [(label, y == label) for label in np.unique(y).tolist()]


def ranges_of(X, y, bounds):
    total = None
    for leaf in np.split(np.arange(len(y)), bounds[::2]):
        found = RangesInProgress(X.shape[1])
        for rows in np.array_split(leaf, 3):
            if len(rows):
                found.add(X[rows], masks_of(y[rows]))
        ranges = found.finish()
        total = ranges if total is None else total + ranges
    return total


def separated(low, high, one, other):
    return high[one] <= low[other], high[other] <= low[one]


@settings(deadline=None, max_examples=150)
@given(st.integers(0, 2**32), st.integers(1, 4), st.integers(2, 4))
def test_separation_by_ranges_is_that_of_all_rows(seed, n_levels, n_labels):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 3 * FIRST_ROWS))
    X = rng.integers(-n_levels, n_levels + 1, (n, 4)).astype(rng.choice(["f8", "i4"]))
    y = np.minimum(rng.integers(0, n_labels, n), rng.integers(0, n_labels, n))
    if rng.random() < 0.7:  # one column that separates, touching at most
        X[:, 2] = np.where(y > 0, np.maximum(X[:, 2], 0), np.minimum(X[:, 2], 0))
    if rng.random() < 0.5:
        order = np.argsort(y, kind="stable")
        X, y = X[order], y[order]
    bounds = np.sort(rng.integers(0, n + 1, 4))
    found = ranges_of(X, y, bounds)
    np.testing.assert_array_equal(found.low, X.min(axis=0))
    np.testing.assert_array_equal(found.high, X.max(axis=0))
    labels = np.unique(y).tolist()
    assert sorted(found.by_label) == labels
    low = {label: found.by_label[label][0] for label in labels}
    high = {label: found.by_label[label][1] for label in labels}
    true_low = {label: X[y == label].min(axis=0) for label in labels}
    true_high = {label: X[y == label].max(axis=0) for label in labels}
    for one in labels:
        for other in labels:
            if one < other:
                claimed = separated(low, high, one, other)
                truth = separated(true_low, true_high, one, other)
                if len(labels) == 2:
                    np.testing.assert_array_equal(claimed, truth)
                else:  # never a separation that is not there
                    assert not np.any(np.array(claimed) & ~np.array(truth))


@settings(deadline=None)
@given(st.integers(1, 300), st.integers(1, 5), st.sampled_from("CF"))
def test_extremes_are_those_of_numpy(n, d, order):
    X = np.asarray(np.random.default_rng(n).normal(size=(n, d)), order=order)
    before = X.copy()
    low, high = extremes(X)
    np.testing.assert_array_equal(low, X.min(axis=0))
    np.testing.assert_array_equal(high, X.max(axis=0))
    np.testing.assert_array_equal(X, before)


def survey_of(X, y, kind, seed):
    std = Standardization(np.zeros(X.shape[1]), np.ones(X.shape[1]), True, kind)
    names = tuple(f"x{j}" for j in range(X.shape[1]))
    kernel = SurveyKernel(std, names, 1 + seed % 2, by_label=seed % 3 > 0)
    sums = kernel.start()
    rows = CSR.of(X) if kind else X
    kernel.add(sums, Rows(rows, y), kernel.open())
    return kernel.finish(sums)


def numbers(sums):
    """Return all that the first pass sums, as bytes."""
    ranges, groups = sums.ranges, sums.groups
    found = {"low": ranges.low, "high": ranges.high, "squares": sums.second_moments}
    for label in sorted(groups):
        found |= {f"z{label}": groups[label].z_sum, f"n{label}": groups[label].n_rows}
        if label in ranges.by_label:
            low, high = ranges.by_label[label]
            found |= {f"low{label}": low, f"high{label}": high}
    return {name: np.asarray(v).astype("f8").tobytes() for name, v in found.items()}


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32), st.sampled_from(["f8", "f4", "i2"]), st.booleans())
def test_sums_that_are_absorbed_are_those_that_are_added(seed, dtype, sparse):
    """Bit for bit; and what is only lent, as on a cluster, stays as it is."""
    rng = np.random.default_rng(seed)
    X = (10 * rng.normal(size=(60, 5)) * (rng.random((60, 5)) < 0.4)).astype(dtype)
    y = rng.integers(0, 3, 60) * (np.arange(60) > 30)  # one label, then three
    types = [dtype, "f8" if sparse else dtype]
    kind = RowKind.COMPRESSED if sparse else RowKind.DENSE

    def parts():
        cuts = slice(0, 20), slice(20, 40), slice(40, 60)
        return [
            survey_of(X[cut].astype(types[i % 2]), y[cut], kind, seed)
            for i, cut in enumerate(cuts)
        ]

    lent = parts()
    expected = numbers(add_pairwise(lent))
    assert list(map(numbers, lent)) == list(map(numbers, parts()))
    own = TreeSum()
    for part in parts():
        own.push(part)
    assert numbers(own.total()) == expected
    if sparse and dtype == "f4":
        assert lent[0].ranges.low.dtype == np.float32
    least = X.min(axis=0).astype("f8")
    np.testing.assert_array_equal(np.frombuffer(expected["low"]), least)
