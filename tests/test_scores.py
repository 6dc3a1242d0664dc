"""Measures of fit from sums of scores: exact where they fit, within bounds elsewhere.

References: scikit-learn and statsmodels, computed here, and definitions written out.
"""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.special import expit, logit
from sklearn import metrics

from dlogreg import DataError
from dlogreg.inference.goodness import GoodnessOfFit
from dlogreg.inference.recalibration import calibration_line
from dlogreg.kernel.scores import BATCHES, CAPACITY, ScoreCollector, ScoreSums


def draw(n_rows=3000, seed=0, spread=1.5, centre=-1.0, digits=None):
    rng = np.random.default_rng(seed)
    eta = centre + spread * rng.normal(size=n_rows)
    if digits is not None:
        eta = eta.round(digits)
    event = rng.random(n_rows) < expit(0.8 * eta + 0.1)
    return eta, event, rng.integers(0, 4, n_rows).astype(float)


def report(eta, event, weight=None, capacity=2**14, in_sample=True):
    sums = ScoreSums.of(eta, event, weight, capacity)
    return GoodnessOfFit.of(sums, (0, 1), in_sample=in_sample)


def repeated(eta, event, weight):
    rows = np.repeat(np.arange(len(eta)), weight.astype(int))
    return eta[rows], event[rows]


CASES = {
    "plain": {},
    "few scores": {"digits": 1},
    "rare": {"centre": -6.0, "n_rows": 9000},
    "weak": {"spread": 0.01},
}


@pytest.fixture(params=CASES.values(), ids=CASES)
def case(request):
    return draw(**request.param)


def test_exact_measures_are_those_of_scikit_learn(case):
    eta, event, weight = case
    p = expit(eta)
    for w in (None, weight):
        found = report(eta, event, w)
        assert found.exact
        assert found.auc_error == found.average_precision_error == 0
        kept = slice(None) if w is None else w > 0
        options = {"sample_weight": None if w is None else w[kept]}
        rows = event[kept], eta[kept]
        auc = metrics.roc_auc_score(*rows, **options)
        assert found.auc == pytest.approx(auc, rel=1e-12)
        precision = metrics.average_precision_score(*rows, **options)
        assert found.average_precision == pytest.approx(precision, rel=1e-12)
        brier = metrics.brier_score_loss(event[kept], p[kept], **options)
        assert found.brier == pytest.approx(brier, rel=1e-12)
        log_loss = metrics.log_loss(event[kept], p[kept], **options)
        assert found.log_loss == pytest.approx(log_loss, rel=1e-12)
        assert found.nobs == (len(eta) if w is None else w.sum())
        assert found.n_rows == len(eta[kept])


def test_exact_curves_are_those_of_scikit_learn(case):
    eta, event, weight = case
    kept = weight > 0
    rows = event[kept], eta[kept]
    found = report(eta, event, weight)
    fpr, tpr, cuts = metrics.roc_curve(
        *rows, sample_weight=weight[kept], drop_intermediate=False
    )
    np.testing.assert_allclose(found.roc().fpr, fpr, rtol=1e-12)
    np.testing.assert_allclose(found.roc().tpr, tpr, rtol=1e-12)
    assert found.roc().thresholds[0] == 1
    assert found.roc().thresholds[-1] == 0
    # scikit-learn calls a row an event from the score on, and here above the threshold
    assert (logit(found.roc().thresholds[1:-1]) < cuts[1:-1]).all()
    assert (logit(found.roc().thresholds[1:-1]) > cuts[2:]).all()
    precision, recall, _ = metrics.precision_recall_curve(
        *rows, sample_weight=weight[kept]
    )
    np.testing.assert_allclose(found.precision_recall().precision, precision[::-1])
    np.testing.assert_allclose(found.precision_recall().recall, recall[::-1])


def test_sums_by_definition(case):
    eta, event, weight = case
    p = expit(eta)
    found = report(eta, event, weight)
    mean = [np.average(p[event == k], weights=weight[event == k]) for k in (0, 1)]
    assert found.tjur == pytest.approx(mean[1] - mean[0], rel=1e-11)
    assert found.n_events == weight[event].sum()
    assert found.expected_events == pytest.approx(weight @ p, rel=1e-12)
    share = found.n_events / found.nobs
    null = found.nobs * (share * np.log(share) + (1 - share) * np.log(1 - share))
    assert found.null_deviance == pytest.approx(-2 * null, rel=1e-12)
    assert found.deviance == pytest.approx(2 * found.log_loss * found.nobs, rel=1e-12)
    assert found.prsquared == pytest.approx(1 - found.deviance / -2 / null, rel=1e-9)


def delong(eta, event):
    """DeLong's standard error, pair by pair."""
    x, y = eta[event][:, None], eta[~event][None]
    psi = (x > y) + 0.5 * (x == y)
    by_event, by_other = psi.mean(axis=1), psi.mean(axis=0)
    return psi.mean(), np.sqrt(
        by_event.var(ddof=1) / len(by_event) + by_other.var(ddof=1) / len(by_other)
    )


def test_the_error_of_auc_is_that_of_delong():
    eta, event, weight = draw(600, digits=1)
    for w in (np.ones(600), weight):
        found = report(eta, event, w)
        area, error = delong(*repeated(eta, event, w))
        assert found.auc == pytest.approx(area, rel=1e-12)
        assert found.auc_bse == pytest.approx(error, rel=1e-10)
        low, high = found.auc_conf_int(0.1)
        half = stats.norm.ppf(0.95) * error
        assert (low, high) == pytest.approx((area - half, area + half), rel=1e-9)
    with pytest.raises(ValueError, match="alpha must lie"):
        found.auc_conf_int(0)
    perfect = report(np.arange(4.0), np.arange(4) > 1)
    assert perfect.auc_conf_int() == (1, 1)
    assert np.isnan(report(np.arange(4.0), np.arange(4) > 2).auc_bse)


def hoslem(p, y, g):
    """R's ResourceSelection::hoslem.test, line by line; also the groups."""
    borders = np.unique(np.quantile(p, np.arange(g + 1) / g))
    group = np.maximum(np.searchsorted(borders, p, side="left"), 1)
    statistic, table = 0.0, []
    for k in range(1, len(borders)):
        inside = group == k
        o, e, n = y[inside].sum(), p[inside].sum(), inside.sum()
        statistic += (o - e) ** 2 / e + (n - o - (n - e)) ** 2 / (n - e)
        table.append((n, o, e))
    return statistic, np.array(table)


@pytest.mark.parametrize("groups", [3, 7, 10, 20])
def test_hosmer_and_lemeshow_by_definition(case, groups):
    eta, event, weight = case
    for w in (np.ones(len(eta)), weight):
        rows, y = repeated(eta, event, w)
        found = report(eta, event, w).hosmer_lemeshow(groups)
        statistic, table = hoslem(expit(rows), y, groups)
        assert found.statistic == pytest.approx(statistic, rel=1e-9)
        np.testing.assert_array_equal(found.table.weight, table[:, 0])
        np.testing.assert_array_equal(found.table.events, table[:, 1])
        np.testing.assert_allclose(found.table.expected, table[:, 2], rtol=1e-11)
        assert found.df == len(table) - 2
        assert found.pvalue == pytest.approx(stats.chi2.sf(statistic, found.df))
        new = report(eta, event, w, in_sample=False).hosmer_lemeshow(groups)
        assert (new.statistic, new.df) == (found.statistic, len(table))
        assert found.table.border_error == 0


def test_ties_make_groups_as_in_r():
    # many rows at the smallest probability: R's borders, made unique, join them to the
    # next group; many at the largest close the last group early
    eta = np.array([-2.0] * 35 + [-1.0, 0.0, 0.5] * 10 + [1.0] * 35)
    event = np.arange(100) % 3 == 0
    statistic, table = hoslem(expit(eta), event, 10)
    found = report(eta, event).hosmer_lemeshow(10)
    np.testing.assert_array_equal(found.table.weight, table[:, 0])
    assert found.statistic == pytest.approx(statistic, rel=1e-12)
    assert len(found.table) == 4
    assert found.df == 2
    np.testing.assert_allclose(found.table.low[1:], expit([0, 0.5, 1.0]), rtol=1e-9)


def test_calibration_is_that_of_scikit_learn():
    from sklearn.calibration import calibration_curve

    eta, event, _ = draw(5000)
    table = report(eta, event).calibration(8)
    share, mean = calibration_curve(event, expit(eta), n_bins=8, strategy="quantile")
    # scikit-learn puts a row that equals a border in the group above it
    np.testing.assert_allclose(table.event_share, share, atol=2e-3)
    np.testing.assert_allclose(table.mean_probability, mean, atol=2e-3)


@pytest.mark.parametrize("groups", [1, 0, -3, 2.5, True])
def test_groups_are_checked(groups):
    with pytest.raises(ValueError, match="groups must be a whole number from 2"):
        report(*draw(50)).hosmer_lemeshow(groups)


def test_too_few_groups_are_refused():
    event = np.arange(20) % 2 == 0
    with pytest.raises(DataError, match=r"only 1 group\(s\)"):
        report(np.zeros(20), event).hosmer_lemeshow()
    with pytest.raises(DataError, match=r"only 2 group\(s\)"):
        report(np.arange(20) % 3.0, event).hosmer_lemeshow()


def test_certain_groups_are_no_zero_by_zero():
    eta = np.repeat([-800.0, -790.0, 0.0, 1.0, 790.0, 800.0], 50)
    event = eta + np.arange(300) % 2 > 0.5
    found = report(eta, event).hosmer_lemeshow(6)
    assert np.isfinite(found.statistic)
    event[0] = True
    assert report(eta, event).hosmer_lemeshow(6).statistic == np.inf
    assert report(eta, event).hosmer_lemeshow(6).pvalue == 0


@pytest.mark.parametrize("threshold", [0, 1e-3, 0.2, 0.5, 0.83, 1])
def test_classification_by_definition(case, threshold):
    eta, event, weight = case
    called = expit(eta) > threshold
    for capacity in (2**14, 300):
        table = report(eta, event, weight, capacity).classification_table(threshold)
        if capacity == 2**14 or threshold in (0, 0.5, 1):
            assert table.threshold == threshold
        called = expit(eta) > table.threshold
        cells = [weight[called == a][event[called == a] == b].sum() for a, b in CELLS]
        found = (
            table.true_positives,
            table.false_positives,
            table.true_negatives,
            table.false_negatives,
        )
        assert found == tuple(cells)
        assert table.accuracy == pytest.approx(np.average(called == event, 0, weight))


CELLS = ((True, True), (True, False), (False, False), (False, True))


def test_a_threshold_is_moved_by_at_most_half_a_bin():
    eta, event, _ = draw(5000)
    found = report(eta, event, capacity=100)
    width = (found.sums.upper - found.sums.lower).max()
    for threshold in np.linspace(0.02, 0.9, 50):
        moved = found.classification_table(threshold).threshold
        assert abs(logit(moved) - logit(threshold)) <= width / 2 + 1e-9


def test_a_score_that_equals_the_threshold_is_not_above_it():
    eta = np.repeat(logit([0.2, 0.3, 0.4]), 5)
    table = report(eta, np.arange(15) % 2 == 0).classification_table(0.3)
    assert table.true_positives + table.false_positives == 5
    assert table.threshold == 0.3


def test_shares_of_a_table():
    eta, event, _ = draw(2000)
    table = report(eta, event).classification_table(0.4)
    called = expit(eta) > 0.4
    assert table.sensitivity == pytest.approx(metrics.recall_score(event, called))
    assert table.precision == pytest.approx(metrics.precision_score(event, called))
    assert table.f1 == pytest.approx(metrics.f1_score(event, called))
    specificity = metrics.recall_score(~event, ~called)
    assert table.specificity == pytest.approx(specificity)
    value = metrics.precision_score(~event, ~called)
    assert table.negative_predictive_value == pytest.approx(value)
    assert np.isnan(report(eta, event).classification_table(1).precision)


@pytest.mark.parametrize("threshold", [-0.1, 1.1, np.nan])
def test_thresholds_are_checked(threshold):
    with pytest.raises(ValueError, match="threshold must lie between 0 and 1"):
        report(*draw(20)).classification_table(threshold)


@pytest.mark.parametrize("prior", [None, 0.02])
@pytest.mark.parametrize("costs", [(1, 1), (1, 20), (3, 0.5)])
@pytest.mark.parametrize("capacity", [2**14, 200])
def test_no_threshold_costs_less(costs, prior, capacity):
    eta, event, weight = draw(1500)
    found = report(eta, event, weight, capacity)
    best = found.best_threshold(*costs, prior)
    share = np.average(event, weights=weight) if prior is None else prior
    assert best.prior == pytest.approx(share, rel=1e-12)

    def cost(threshold):
        called = expit(eta) > threshold
        rates = [np.average(called[event == k], 0, weight[event == k]) for k in (0, 1)]
        return costs[1] * share * (1 - rates[1]) + costs[0] * (1 - share) * rates[0]

    assert best.cost == pytest.approx(cost(best.threshold), rel=1e-9)
    others = [cost(threshold) for threshold in found.roc().thresholds]
    assert best.cost == pytest.approx(min(others), rel=1e-9)
    assert best.table.threshold == best.threshold


def test_costs_are_checked():
    found = report(*draw(50))
    for costs, message in [
        ((0, 1), "cost_fp must be finite and positive"),
        ((1, -1), "cost_fn must be finite and positive"),
        ((1, np.nan), "cost_fn must be finite and positive"),
        ((1, 1, 0), "prior must lie between 0 and 1"),
        ((1, 1, 1), "prior must lie between 0 and 1"),
    ]:
        with pytest.raises(ValueError, match=message):
            found.best_threshold(*costs)


def cox_line(eta, event, weight):
    """Logistic regression of the outcome on the score, by statsmodels."""
    model = sm.GLM(
        event.astype(float),
        sm.add_constant(eta),
        family=sm.families.Binomial(),
        freq_weights=weight,
    )
    return model.fit(tol=1e-14)


def test_the_calibration_line_is_a_regression_on_the_score(case):
    eta, event, weight = case
    expected = cox_line(eta, event, weight)
    exact = calibration_line(ScoreSums.of(eta, event, weight))
    found = exact.intercept, exact.slope
    np.testing.assert_allclose(found, expected.params, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(exact.covariance, expected.cov_params(), rtol=1e-6)
    assert exact.error == 0
    for capacity in (2000, 100, 10):
        line = calibration_line(ScoreSums.of(eta, event, weight, capacity))
        off = (np.array([line.intercept, line.slope]) - found) / expected.bse
        assert np.abs(off).max() <= line.error + 1e-6


def test_the_bound_of_the_calibration_line_is_of_use():
    eta, event, _ = draw(50_000)
    found = report(eta, event)
    assert not found.exact
    assert found.calibration_line.error < 1e-4


@pytest.mark.parametrize(
    ("eta", "event", "slope"),
    [
        ([-1, 0, 1, 2], [0, 0, 1, 1], np.inf),
        ([-1, 0, 0, 2], [0, 0, 1, 1], np.inf),
        ([2, 1, 0, -1], [0, 0, 1, 1], -np.inf),
        ([1, 1, 1, 1], [0, 0, 1, 1], np.nan),
        ([1, 2, 3, 4], [1, 1, 1, 1], np.nan),
    ],
)
def test_lines_that_do_not_exist(eta, event, slope):
    line = report(np.array(eta, float), np.array(event, bool)).calibration_line
    np.testing.assert_equal(line.slope, slope)
    assert np.isnan([line.intercept, *line.bse]).all()


def test_one_class_has_a_loss_but_no_ranking():
    eta = draw(100)[0]
    for held in (True, False):
        found = report(eta, np.full(100, held))
        p = expit(eta if held else -eta)
        assert found.log_loss == pytest.approx(-np.log(p).mean(), rel=1e-12)
        assert np.isnan([found.auc, found.auc_bse, found.tjur, found.prsquared]).all()
        assert np.isnan(found.prsquared_nagelkerke)
        for method in (found.roc, found.precision_recall):
            with pytest.raises(DataError, match="rows of both classes"):
                method()
        with pytest.raises(DataError, match="rows of both classes"):
            found.best_threshold(1, 1)
        assert "AUC" in str(found)


def same(left, right):
    """Check for the same bins and counts to the bit, and the same sums to rounding."""
    assert left.level == right.level
    assert left.n_rows == right.n_rows
    np.testing.assert_array_equal(left.bins, right.bins)
    np.testing.assert_array_equal(left.sums[:2], right.sums[:2])
    np.testing.assert_allclose(left.sums[2:], right.sums[2:], rtol=1e-10, atol=1e-10)
    for name in ("loss", "squared_error", "event_probability", "event_score"):
        expected = pytest.approx(getattr(right, name), rel=1e-12, abs=1e-9)
        assert getattr(left, name) == expected


@given(
    seed=st.integers(0, 10**6),
    sizes=st.lists(st.integers(0, 150), min_size=1, max_size=6),
    capacity=st.integers(1, 400),
    spread=st.sampled_from([0.0, 1e-8, 1e-3, 1.0, 50.0, 900.0]),
    digits=st.sampled_from([None, 0, 1]),
)
def test_order_and_blocks_do_not_matter(seed, sizes, capacity, spread, digits):
    n_rows = sum(sizes)
    eta, event, weight = draw(n_rows, seed, spread, digits=digits)
    whole = ScoreSums.of(eta, event, weight, capacity)
    assert len(whole.bins) <= capacity
    cuts = np.cumsum(sizes)[:-1]
    parts = [
        ScoreSums.of(*rows, capacity)
        for rows in zip(*(np.split(v, cuts) for v in (eta, event, weight)), strict=True)
    ]
    left = parts[0]
    for part in parts[1:]:
        left = left + part
    right = parts[-1]
    for part in parts[-2::-1]:
        right = part + right
    same(whole, left)
    same(whole, right)
    shuffled = np.random.default_rng(seed).permutation(n_rows)
    same(whole, ScoreSums.of(*(v[shuffled] for v in (eta, event, weight)), capacity))
    same(whole, ScoreSums.of(eta, event, weight, capacity, level=whole.level))


@given(
    rows=st.lists(
        st.tuples(st.integers(-40, 40), st.booleans(), st.integers(0, 3)),
        min_size=2,
        max_size=80,
    ),
    scale=st.sampled_from([1e-9, 1e-3, 0.25, 10.0]),
    capacity=st.integers(1, 30),
)
def test_stated_errors_always_hold(rows, scale, capacity):
    score, event, weight = (np.array(v) for v in zip(*rows, strict=True))
    eta, event, weight = score * scale, event.astype(bool), weight.astype(float)
    kept = weight > 0
    if len(set(event[kept].tolist())) < 2:
        return
    found = report(eta, event, weight, capacity)
    auc = metrics.roc_auc_score(event[kept], eta[kept], sample_weight=weight[kept])
    assert abs(found.auc - auc) <= found.auc_error + 1e-12
    precision = metrics.average_precision_score(
        event[kept], eta[kept], sample_weight=weight[kept]
    )
    error = abs(found.average_precision - precision)
    assert error <= found.average_precision_error + 1e-12
    assert found.exact == (len(set(score[kept].tolist())) <= capacity)
    table = found.calibration(5)
    assert table.weight.sum() == weight.sum()
    assert table.events.sum() == weight[event].sum()
    sorted_rows = np.sort(np.repeat(score, weight.astype(int)))
    places = (len(sorted_rows) - 1) * np.arange(6) // 5
    borders = np.searchsorted(sorted_rows, sorted_rows[places], side="right")
    reached = np.cumsum(table.weight)[:-1, None]
    off = np.abs(reached - borders).min(axis=1, initial=np.inf) / weight.sum()
    assert (off <= table.border_error + 1e-12).all()


def test_precision_may_be_far_less_than_at_the_end_of_a_bin():
    # 100 others, then a bin in which each event gains its own, smaller precision
    eta = np.concatenate([np.full(100, 10.0), np.linspace(0.3, 0.301, 101)])
    event = (eta < 1) & (eta > 0.3)
    found = report(eta, event, capacity=2)
    exact = metrics.average_precision_score(event, eta)
    assert found.average_precision - exact > 0.1
    assert found.average_precision - exact <= found.average_precision_error < 0.2
    assert type(found.average_precision) is float


def test_the_stated_error_of_auc_is_of_use():
    eta, event, _ = draw(100_000)
    found = report(eta, event)
    assert not found.exact
    assert 0 < found.auc_error < 2e-4
    exact = metrics.roc_auc_score(event, eta)
    assert found.auc == pytest.approx(exact, abs=1e-6)
    weak = report(*draw(100_000, spread=0.01)[:2])
    assert weak.auc_error < 2e-4  # bins are as narrow as the scores are close


def test_weights_are_repeated_rows():
    eta, event, weight = draw(2000, digits=2)
    whole = ScoreSums.of(*repeated(eta, event, weight))
    found = ScoreSums.of(eta, event, weight)
    np.testing.assert_array_equal(found.bins, whole.bins)
    np.testing.assert_array_equal(found.sums[:2], whole.sums[:2])
    np.testing.assert_allclose(found.sums[2:], whole.sums[2:], rtol=1e-11)
    assert found.n_rows == (weight > 0).sum()


def test_scores_far_out_count_as_the_largest():
    eta = np.array([-1e300, -2000.0, -1024.0, 0.0, 1024.0, 3000.0, 1e300])
    found = report(eta, np.array([0, 1, 0, 1, 1, 0, 1], bool))
    assert len(found.sums.bins) == 3
    assert found.sums.weights.tolist() == [3, 1, 3]
    assert found.log_loss == pytest.approx((2000 + 3000 + np.log(2)) / 7)


def test_rounding_does_not_part_equal_scores():
    eta = np.array([0.0, 1e-16, -1e-16, 0.5, 0.5 + 1e-15, 1e-8])
    assert len(ScoreSums.of(eta, eta > 0).bins) == 3


@pytest.mark.parametrize("weighted", [False, True])
def test_a_collector_sums_rows_however_they_are_handed_over(weighted):
    eta, event, weight = draw(2 * BATCHES * CAPACITY + 1000)
    given_weight = weight if weighted else None
    whole = ScoreSums.of(eta, event, given_weight)
    for length in (2 * BATCHES * CAPACITY + 1000, 30_011, 1000):
        collector = ScoreCollector()
        for low in range(0, len(eta), length):
            cut = slice(low, low + length)
            buffer = eta[cut].copy()
            part = given_weight[cut] if weighted else None
            collector.add(buffer, event[cut], part)
            buffer[:] = np.nan  # buffers are used again
        found = collector.sums()
        same(collector.sums(), found)
        same(whole, found)
    wide = ScoreCollector(capacity=64)
    spread = np.concatenate([eta, eta * 500])
    wide.add(spread, np.concatenate([event, event]))
    same(wide.sums(), ScoreSums.of(spread, np.concatenate([event, event]), None, 64))
    assert ScoreCollector().sums().n_rows == 0
