"""The first pass learns: few passes on all kinds of data, no harm where it fails."""

import dask
import dask.array as da
import numpy as np
import pytest
import zarr

import dlogreg
from dlogreg import Status, layout
from dlogreg.chain import pilot_chain
from dlogreg.kernel import LossKernel, Rows
from dlogreg.partition import MIN_PIECES, piece_rows
from dlogreg.penalty import PenaltyRule, Ridge
from dlogreg.row_kind import RowKind
from dlogreg.standardization import Standardization
from dlogreg.survey import PilotRows, Survey, label_masks
from dlogreg.survey.labels import SORTED_ROWS
from tests.reference import exact_optimum

N, D = 250_000, 4
KINDS = ["easy", "shifted", "steep", "heavy", "dummies", "rare", "sorted", "drifting"]
PASSES = dict.fromkeys(KINDS, 2) | {
    "steep": 3,
    "dummies": 3,
    "rare": 4,
    "sorted": 4,
}


def generate(kind, n=N, d=D, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_t(3, size=(n, d)) if kind == "heavy" else rng.normal(size=(n, d))
    slope, constant = rng.normal(size=d) / np.sqrt(d), -0.3
    if kind == "steep":
        slope *= 20 / np.abs(X @ slope).max()
    if kind == "rare":
        constant = -7.2
    if kind == "dummies":
        X[:, :2] = rng.random((n, 2)) < [0.01, 0.3]
        X[:, 2] = np.exp(1.5 * X[:, 2])
    eta = X @ slope + constant
    y = (rng.random(n) < 1 / (1 + np.exp(-eta))).astype(int)
    if kind == "shifted":
        X = X * 10.0 ** rng.uniform(-3, 3, d) + 100 * rng.normal(size=d)
    order = {"sorted": y, "drifting": X[:, 0]}.get(kind)
    if order is not None:
        order = np.argsort(order, kind="stable")
        X, y = X[order], y[order]
    return X, y


@pytest.mark.parametrize(
    ("kind", "seed"),
    [*((kind, 0) for kind in KINDS), ("dummies", 2), ("dummies", 5), ("heavy", 1)],
)
def test_passes_to_a_certified_bound(kind, seed):
    X, y = generate(kind, seed=seed)
    res = dlogreg.fit(X, y, tol=0.01, inference=False)
    assert res.n_passes <= PASSES[kind]
    assert res.error_bound <= 0.01
    tight = dlogreg.fit(X, y, tol=1e-6, inference=False)
    assert tight.n_passes <= PASSES[kind] + 1
    params, bse, _ = exact_optimum(X, y)
    for fitted in (res, tight):
        truth = np.abs((np.asarray(fitted.params) - params) / bse).max()
        assert truth <= fitted.error_bound


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("alpha", [0.0, 1e-4, 0.1])
def test_weights_and_penalty_are_learned_too(alpha, fit_intercept):
    X, y = generate("easy", n=120_000)
    weight = np.random.default_rng(1).integers(0, 4, len(y)).astype(float)
    res = dlogreg.fit(
        X, y, sample_weight=weight, alpha=alpha, fit_intercept=fit_intercept, tol=1e-8
    )
    params, bse, _ = exact_optimum(X, y, weight, alpha * weight.sum(), fit_intercept)
    assert np.abs((np.asarray(res.params) - params) / bse).max() <= res.error_bound
    assert res.n_passes <= 5


def test_chains_gather_the_information_of_all_rows_once():
    X, y = generate("easy", n=20_000)
    std = Standardization.from_moments(X.mean(0), X.var(0), fit_intercept=True)
    kernel = LossKernel(np.zeros(D + 1), std.mean, 1)
    ridge = Ridge.of(PenaltyRule(), 1.0, std)
    start = pilot_chain(Rows(X[:4000], y[:4000]), kernel, std, ridge, 1000)
    slab = kernel.open()
    sums = None
    for half in (slice(0, 10_000), slice(10_000, 20_000)):
        estimate = start.open()
        for piece in Rows(X[half], y[half]).slabs(start.piece):
            estimate = start.renew(estimate, piece, slab)
        chain = start.sums(estimate)
        sums = chain if sums is None else sums + chain
    theta = start.merged(sums, np.arange(D + 1))
    params, bse, _ = exact_optimum(X, y)
    assert np.abs((std.to_params(theta) - params) / bse).max() < 0.2
    found = sums.information
    slab_sums = kernel.start()
    at = LossKernel(theta * std.units, std.mean, 1)
    at.add(slab_sums, Rows(X, y), slab)
    exact = slab_sums.hessian * std.units * std.units[:, None]
    np.testing.assert_allclose(np.diag(found), np.diag(exact), rtol=0.05)


def test_a_start_above_the_null_model_is_thrown_away(monkeypatch):
    X, y = generate("easy", n=120_000)
    plain = dlogreg.fit(X, y, tol=1e-8)
    far = np.full(D + 1, 30.0)
    monkeypatch.setattr(Survey, "learned_theta", lambda self, kept: far)
    res = dlogreg.fit(X, y, tol=1e-8)
    assert res.status is Status.CONVERGED
    gap = np.abs((np.asarray(res.params) - plain.params) / plain.bse).max()
    assert gap <= res.error_bound + plain.error_bound
    assert res.n_passes > plain.n_passes


def test_a_label_that_the_pilot_did_not_see_does_no_harm():
    n = 200_000
    X = np.random.default_rng(0).normal(size=(n, 2))
    y = np.zeros(n, dtype=int)
    y[1::1024][:60] = 1
    y[:4096] = y[-4096:] = 0
    blocks = da.from_array(X, chunks=(1000, 2))
    res = dlogreg.fit(blocks, y, tol=1e-8)
    params, bse, _ = exact_optimum(X, y)
    assert np.abs((np.asarray(res.params) - params) / bse).max() <= res.error_bound


def test_aliased_columns_are_found_by_a_pass_that_learns():
    X, y = generate("easy", n=120_000)
    wide = np.column_stack([X, X[:, 0] - 2 * X[:, 1], np.ones(len(X))])
    with pytest.warns(dlogreg.CollinearityWarning, match="x5.*x6"):
        res = dlogreg.fit(wide, y, tol=1e-8)
    plain = dlogreg.fit(X, y, tol=1e-8)
    assert set(res.dropped) == {"x5", "x6"}
    gap = np.abs((np.asarray(res.params)[: D + 1] - plain.params) / plain.bse).max()
    assert gap <= res.error_bound + plain.error_bound
    assert res.n_passes == plain.n_passes


def test_separated_data_are_still_named():
    X, y = generate("easy", n=120_000)
    level = ((y == 1) & (np.arange(len(y)) % 50 == 0)).astype(float)
    with pytest.warns(dlogreg.SeparationWarning, match="'x5'"):
        res = dlogreg.fit(np.column_stack([X, level]), y)
    assert res.status is Status.SEPARATED
    assert res.separated == ("x5",)


def test_pieces_depend_on_rows_and_columns_alone():
    assert piece_rows(50 * 1024, 5) == 1024
    assert piece_rows(10**9, 5) == 16384
    assert piece_rows(None, 5) == 4096
    assert piece_rows(10**6, 1000) == 8000
    assert piece_rows(10**6, 20, RowKind.MIXED) == 3906
    assert piece_rows(10**6, 1000, RowKind.MIXED) == 583_333
    assert MIN_PIECES == 50


def test_nan_is_named_also_where_the_pass_learns():
    X, y = generate("easy", n=120_000)
    X[77_777, 2] = np.nan
    with pytest.raises(dlogreg.DataError, match="'x3' holds NaN in row 77777"):
        dlogreg.fit(X, y)
    X[77_777, 2] = 0
    X[0, 1] = np.inf  # a row that the pilot reads
    with pytest.raises(dlogreg.DataError, match="'x2' holds infinity in row 0"):
        dlogreg.fit(X, y)


@pytest.mark.parametrize("scale", [1e-3, 1e4])
def test_a_penalty_on_the_mean_starts_alike_at_any_scale_of_weights(scale):
    X, y = generate("easy", n=60_000)
    weight = np.random.default_rng(1).random(len(y))
    starts = []
    for factor in (1.0, scale):
        res = dlogreg.fit(
            X, y, sample_weight=factor * weight, alpha=1.0, inference=False
        )
        first = next(r.decrement for r in res.trace if r.decrement is not None)
        starts.append(first / np.sqrt(factor))
    assert starts[1] <= 2 * starts[0]


class _InterruptedAt:
    """Progress that stands for Ctrl-C at the start of a pass."""

    def __init__(self, number):
        self.number = number

    def pass_started(self, number, kind, n_tasks):
        if number == self.number:
            raise KeyboardInterrupt

    def task_done(self, tally):
        pass

    def pass_ended(self, record):
        pass

    def close(self):
        pass


@pytest.mark.parametrize("number", [2, 3])
def test_an_interrupt_after_the_first_pass_returns_what_is_known(number):
    X, y = generate("easy", n=60_000)
    res = dlogreg.fit(X, y, tol=1e-9, progress=_InterruptedAt(number))
    assert res.status is Status.INTERRUPTED
    assert res.n_passes == number - 1
    assert np.isfinite(res.llf)
    assert np.isinf(res.error_bound) == (number == 2)
    if number == 2:
        with pytest.raises(dlogreg.InferenceError, match="interrupted before"):
            _ = res.bse


SOURCES = ["numpy", "zarr", "dask"]


@pytest.fixture(scope="module")
def learning_store(tmp_path_factory):
    X, y = generate("drifting", n=60_000)
    group = zarr.create_group(tmp_path_factory.mktemp("learning") / "data.zarr")
    group.create_array("X", data=X, chunks=(700, D))
    group.create_array("y", data=y, chunks=(9000,))
    return group


def fit_learning(store, kind):
    X, y = store["X"], store["y"]
    if kind == "numpy":
        X, y = X[:], y[:]
    elif kind == "dask":
        X, y = da.from_array(X[:], chunks=(700, 3)), da.from_array(y[:], chunks=500)
    return dlogreg.fit(X, y)


def bits(res):
    return np.asarray(res.params).tobytes() + res.cov_params().tobytes()


@pytest.fixture(scope="module")
def known():
    return {}


@pytest.fixture
def expected(small_blocks, learning_store, known):
    """What one thread finds, from blocks that are small as everywhere, once."""
    if not known:
        with dask.config.set(scheduler="synchronous"):
            for kind in SOURCES:
                known[kind] = bits(fit_learning(learning_store, kind))
    return known


@pytest.mark.parametrize(
    ("n_workers", "per_thread"), [(1, 8), (2, 1), (2, 8), (7, 1), (7, 64)]
)
def test_what_is_learned_does_not_depend_on_the_threads(
    small_blocks, learning_store, expected, monkeypatch, n_workers, per_thread
):
    monkeypatch.setattr(layout, "TASKS_PER_THREAD", per_thread)
    with dask.config.set(scheduler="threads", num_workers=n_workers):
        for kind in SOURCES:
            res = fit_learning(learning_store, kind)
            assert bits(res) == expected[kind]
            assert res.n_passes <= 4


@pytest.mark.cluster
def test_what_is_learned_does_not_depend_on_the_cluster(
    small_blocks, learning_store, expected, client
):
    for kind in SOURCES:
        assert bits(fit_learning(learning_store, kind)) == expected[kind]


@pytest.mark.cluster
def test_persisted_data_learn_the_same(small_blocks, learning_store, expected, client):
    X, y = learning_store["X"][:], learning_store["y"][:]
    X = da.from_array(X, chunks=(700, 3)).persist()
    y = da.from_array(y, chunks=500).persist()
    assert bits(dlogreg.fit(X, y)) == expected["dask"]


def test_blocks_are_read_once_also_by_a_pass_that_learns(learning_store):
    reads = []

    def load(block, block_info=None):
        reads.append(block_info[0]["chunk-location"][0])
        return block

    X, y = learning_store["X"][:], learning_store["y"][:]
    lazy = da.from_array(X, chunks=(700, D)).map_blocks(load, dtype=X.dtype)
    with dask.config.set(scheduler="synchronous"):
        reads.clear()
        res = dlogreg.fit(lazy, y)
    n_blocks = lazy.numblocks[0]
    assert len(reads) == n_blocks * res.n_passes + 4
    counts = np.bincount(reads, minlength=n_blocks)
    assert set(counts) <= {res.n_passes, res.n_passes + 1}


@pytest.mark.parametrize("kind", ["int", "text", "object"])
def test_labels_that_come_late_are_found(kind):
    y = np.zeros(5 * SORTED_ROWS, dtype=int)
    y[2 * SORTED_ROWS] = 7
    y[2 * SORTED_ROWS + 1 :] = np.arange(len(y) - 2 * SORTED_ROWS - 1) % 2
    y[-1] = -3
    y = y.astype({"int": "i8", "text": "U2", "object": object}[kind])
    masks = label_masks(y, (y[0],))
    assert sorted(str(label) for label, _ in masks) == ["-3", "0", "1", "7"]
    for label, mask in masks:
        assert mask.tolist() == [one == label for one in y.tolist()]


@pytest.mark.parametrize("labels", [(0, 1), (0.0, 1.0), ("a", "b"), (False, True)])
@pytest.mark.parametrize("known", [(), (0,), (1, 0), (0, 1)])
def test_what_is_known_of_labels_changes_no_mask(labels, known):
    y = np.array(labels)[np.random.default_rng(3).integers(0, 2, 50)]
    known = tuple(y.dtype.type(labels[i]).item() for i in known)
    for rows in (y, y[y == labels[1]], y[:0]):
        masks = dict(label_masks(rows, known))
        assert set(masks) == set(rows.tolist())
        for label, mask in masks.items():
            assert mask.tolist() == [one == label for one in rows.tolist()]


def test_of_labels_that_are_known_none_is_missed_beside_nan():
    masks = dict(label_masks(np.array([0.0, np.nan, 2.0, 1.0]), (0.0, 1.0)))
    assert {label: mask.tolist().index(True) for label, mask in masks.items()} == {
        0.0: 0,
        1.0: 3,
        2.0: 2,
    }


def test_labels_that_equal_nothing_are_left_to_those_who_refuse_them():
    y = np.r_[np.full(3 * SORTED_ROWS, np.nan), 1.0]
    ((label, mask),) = label_masks(y, ())
    assert label == 1
    assert mask.sum() == 1


@pytest.mark.parametrize("dtype", ["f8", "f4", "i2"])
def test_means_and_scales_of_the_pilot_are_those_of_its_rows(dtype):
    rng = np.random.default_rng(2)
    X = (rng.normal(size=(3000, 4)) * [1, 10, 1e3, 0] + [1e4, 0, 5, 3]).astype(dtype)
    parts = tuple(Rows(X[i::3], np.zeros(1000)) for i in range(3))
    std = PilotRows(parts).standardization(fit_intercept=True)
    np.testing.assert_allclose(std.mean, X.astype(float).mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(std.scale[:3], X[:, :3].astype(float).std(axis=0), 1e-8)
    assert std.scale[3] == 1  # a column of one value
    through = PilotRows(parts).standardization(fit_intercept=False)
    sizes = np.sqrt((X.astype(float) ** 2).mean(axis=0))
    np.testing.assert_allclose(through.scale, sizes, rtol=1e-8)
    assert not through.mean.any()
