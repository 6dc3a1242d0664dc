import pickle
from dataclasses import replace

import dask.array as da
import numpy as np
import pytest
import zarr
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import random_array

from dlogreg.choice import choose_solver
from dlogreg.cli import main
from dlogreg.errors import DataError
from dlogreg.evaluation import Tally
from dlogreg.kernel import LossKernel, Rows
from dlogreg.kernel.trial_points import TrialPointsKernel
from dlogreg.layout import lay_out
from dlogreg.memory import COMPILING
from dlogreg.options import check_options
from dlogreg.partition import leaf_bounds, partition_rows
from dlogreg.penalty import penalty_rule
from dlogreg.planning import Cluster, empty_arrays, plan_scale
from dlogreg.planning.scale import adding_tasks, busiest
from dlogreg.reduction import Reduction
from dlogreg.source import as_source

FIT = {
    "fit_intercept": True,
    "solver": "auto",
    "tol": 1e-4,
    "max_passes": 100,
    "inference": True,
    "memory_limit": None,
}


def planned(n_workers, n_rows, n_columns, chunk_rows=None, dtype="float32", **others):
    names = ("threads_per_worker", "bandwidth", "read_rate", "task_seconds")
    cluster = Cluster(n_workers, **{k: others.pop(k) for k in names if k in others})
    X, y = empty_arrays(n_rows, n_columns, dtype, chunk_rows)
    return plan_scale(X, y, cluster, **{**FIT, **others})


class Submitting:
    """Stands for a client: takes tasks, and says how many inputs they add."""

    def __init__(self):
        self.added = []

    def get(self, graph, keys, sync):
        for key in keys:
            if graph[key].func.__name__ == "add_nodes":
                self.added.append(len(graph[key].args[0]))
        return list(keys)


@pytest.mark.parametrize("n_columns", [3, 40, 300])
@pytest.mark.parametrize(("n_workers", "threads"), [(1, 1), (3, 2), (7, 4), (100, 1)])
@pytest.mark.parametrize(("n_rows", "chunk"), [(900_000, 60_000), (4_000_000, 30_000)])
def test_tasks_are_those_of_a_real_reduction(
    n_rows, chunk, n_workers, threads, n_columns
):
    plan = planned(n_workers, n_rows, n_columns, chunk, threads_per_worker=threads)
    arrays = empty_arrays(n_rows, n_columns, "float32", chunk)
    source = as_source(*arrays, compute=None, count_rows=None)
    parts = partition_rows(source, n_columns + 1, int(3.5 * n_workers * threads))
    counts = source.blocks.row_counts
    assert plan.n_blocks == len(counts)
    assert plan.n_leaves == len(leaf_bounds(len(counts), counts, n_columns + 1)) - 1
    assert plan.n_tasks == len(parts)
    client, running = Submitting(), []
    files = [replace(p, blocks=replace(p.blocks, inputs=()), vectors=()) for p in parts]
    kernel = LossKernel(np.zeros(n_columns + 1), np.zeros(n_columns), 1)
    Reduction(files)._tree(kernel, client, {"tcp://a": 1}, running)
    assert plan.n_tasks + plan.n_adding == len(running)
    assert sum(n - 1 for n in client.added) * plan.sum_bytes == plan.bytes_between


@given(st.integers(1, 5000))
@settings(max_examples=50, deadline=None)
def test_the_tree_has_the_levels_of_its_tasks(n_tasks):
    total, levels = adding_tasks(n_tasks)
    assert 8**levels >= n_tasks > (8 ** (levels - 1) if levels else 0)
    assert total >= levels


@pytest.mark.parametrize("n_columns", [5, 60, 400])
@pytest.mark.parametrize("solver", ["newton", "lbfgs"])
def test_bytes_are_those_of_a_real_evaluation(n_columns, solver):
    plan = planned(4, 1_000_000, n_columns, 20_000, solver=solver)
    rng = np.random.default_rng(0)
    X = rng.normal(size=(500, n_columns)).astype("f4")
    y = (rng.random(500) < 0.5).astype("i1")
    params, centre = rng.normal(size=n_columns + 1) / 50, X.mean(axis=0, dtype=float)
    kernel = LossKernel(params, centre, 1)
    if solver == "lbfgs":
        line, mixing = np.stack([params] * 2, axis=1), np.ones((2, 4))
        kernel = TrialPointsKernel(line, centre, 1, mixing=mixing)
    sums = kernel.start()
    kernel.add(sums, Rows(X, y), kernel.open())
    tally = Tally(250_000, 13, 10**9, 1, 10**9, 1.5, 2.5, 0.25)
    node = pickle.dumps((kernel.finish(sums), tally), protocol=5)
    assert plan.sum_bytes == pytest.approx(len(node), rel=0.05, abs=60)
    sent = len(pickle.dumps(kernel, protocol=5))
    assert plan.kernel_bytes == pytest.approx(sent, rel=0.03, abs=30)
    assert plan.bytes_back == plan.sum_bytes
    least = 8 * (n_columns + 1) * (n_columns + 2 if solver == "newton" else 4)
    assert least <= plan.sum_bytes <= 1.02 * least + 1000


def test_a_wide_kernel_goes_once_to_every_worker():
    narrow, wide = (planned(5, 8_000_000, n, 40_000) for n in (50, 1000))
    assert narrow.bytes_out > narrow.n_tasks * narrow.kernel_bytes
    assert wide.n_tasks > 5
    wide_lbfgs = planned(5, 2_000_000, 8000, solver="lbfgs")
    assert wide_lbfgs.kernel_bytes > 100_000
    assert wide_lbfgs.n_tasks > 5
    rest = wide_lbfgs.bytes_out - 5 * wide_lbfgs.kernel_bytes
    assert 0 < rest < wide_lbfgs.kernel_bytes


def test_memory_and_solver_are_those_of_the_layout():
    for columns in (30, 2500):
        plan = planned(3, 2_000_000, columns, threads_per_worker=2)
        arrays = empty_arrays(2_000_000, columns, "float32")
        source = as_source(*arrays, compute=None, count_rows=None)
        given = {**FIT, "classes": None, "feature_names": None, "start": None}
        options = check_options(penalty=penalty_rule(0.0), **given)
        layout = lay_out(source, options, cluster_threads=6)
        assert plan.memory == layout.memory
        assert layout.compiled is (columns == 2500)
        compiling = COMPILING * layout.compiled
        assert plan.memory_per_worker == 2 * layout.memory.per_task + compiling
        chosen = choose_solver(2_000_000, columns + 1, 4)
        assert (plan.solver, plan.why_solver) == (chosen.solver, chosen.reason)
        assert plan.bytes_per_pass == 2_000_000 * (4 * columns + 1)


def test_seconds_follow_from_the_rates():
    plan = planned(8, 16_000_000, 100, 20_000, read_rate=1e6, bandwidth=1e7)
    seconds, share = plan.seconds, busiest(plan.n_tasks, 8)
    assert share >= 1 / 8
    assert seconds.bottleneck == "reading"
    assert seconds.reading == pytest.approx(share * plan.bytes_per_pass / 1e6)
    products = 16e6 * 101**2 / 2 + 15 * plan.bytes_per_pass
    assert seconds.computing == pytest.approx(share * products / 15e9)
    assert seconds.scheduling == pytest.approx((plan.n_tasks + plan.n_adding) / 1e3)
    assert seconds.sending == pytest.approx(plan.bytes_out / 1e7)
    level = 7 * plan.sum_bytes * (1 / 1e7 + 1 / 8e9)
    assert seconds.reducing == pytest.approx(
        plan.n_levels * level + plan.sum_bytes / 1e7
    )
    assert seconds.solving == pytest.approx(101**3 / 3 / 15e9)
    assert seconds.total == pytest.approx(
        seconds.reading + seconds.reducing + seconds.solving
    )


def test_more_rows_take_longer_and_more_workers_less():
    rows = [planned(16, n, 50, 20_000).seconds.total for n in (10**7, 10**8, 10**9)]
    assert rows == sorted(rows)
    assert rows[-1] > 5 * rows[0]
    plans = [planned(n, 10**9, 50, 20_000, read_rate=1e7) for n in (1, 8, 64, 512)]
    parts = [plan.seconds.reading for plan in plans]
    assert parts == sorted(parts, reverse=True)
    assert [p.n_tasks for p in plans] == sorted(p.n_tasks for p in plans)
    assert [p.seconds.scheduling for p in plans] == sorted(
        p.seconds.scheduling for p in plans
    )
    assert len({plan.n_leaves for plan in plans}) == 1  # whatever the cluster


@pytest.mark.parametrize(
    ("arguments", "texts"),
    [
        ((50, 400_000, 100, 20_000), ("threads stay idle", "every block is a leaf")),
        ((10_000, 5 * 10**9, 20), ("at most 4,096 leaves",)),
        ((1000, 10**6, 1500, 2000), ("threads stay idle", "8 rows for each of 1,501")),
        ((800, 10**9, 50), ("3 rounds of 800 threads", "663 threads would be as fast")),
        ((2000, 10**7, 3), ("stay idle",)),
        ((500, 10**8, 4), ("the scheduler takes",)),
        ((64, 10**6, 1800, 4000), ("adding sums of 24.8 MiB", "solving for 1,801")),
        ((4, 10**8, 100, 300_000), ("chunks of 114 MiB of rows are large",)),
        ((4, 10**8, 10, 1000), ("chunks of 39.1 KiB are small",)),
    ],
)
def test_advice(arguments, texts):
    found = " ".join(planned(*arguments).advice)
    for text in texts:
        assert text in found


def test_recipes_that_take_longest_are_named():
    plan = planned(4, 10**8, 10, 500_000, bandwidth=1e3)
    assert plan.seconds.bottleneck == "sending"
    assert "in every pass" in " ".join(plan.advice)


def test_fewer_threads_make_as_few_rounds():
    some, fewer = (planned(n, 10**9, 50) for n in (800, 663))
    assert some.n_tasks == fewer.n_tasks
    assert some.seconds.computing == fewer.seconds.computing
    assert some.seconds.reading == fewer.seconds.reading
    reading = planned(100, 10**9, 300, threads_per_worker=4)
    assert reading.seconds.bottleneck == "reading"  # which fewer workers would slow
    assert "rounds" not in " ".join(reading.advice)
    computing = planned(100, 10**9, 300, threads_per_worker=4, read_rate=1e10)
    assert "332 threads would be as fast" in " ".join(computing.advice)


def test_blocks_that_cannot_be_listed_are_refused():
    with pytest.raises(DataError, match=r"give --chunk-rows of at least 119,210"):
        empty_arrays(10**12, 1000, "float32")


def run(*arguments):
    return CliRunner().invoke(main, ["plan", *map(str, arguments)])


def test_a_hessian_that_no_task_could_hold_is_refused():
    done = run(
        "--workers", 2, "--rows", "1e6", "--columns", "5e4", "--solver", "newton"
    )
    assert done.exit_code == 2
    assert done.stderr.startswith("error: a Hessian of 50,001 coefficients takes 18.6")
    assert "--solver lbfgs" in done.stderr


def test_rows_that_are_not_known_are_refused():
    X = da.ones((100, 2), chunks=(10, -1))
    with pytest.raises(DataError, match="the number of rows is not known"):
        plan_scale(X[X[:, 0] > 0], np.ones(100), Cluster(2), **FIT)


def test_other_models_and_rows():
    X, y = np.random.default_rng(0).normal(size=(20_000, 5)), np.arange(20_000) % 3
    three = plan_scale(X, y, Cluster(3), classes=(0, 1, 2), **FIT)
    assert three.n_params == 12
    assert three.sum_bytes == pytest.approx(8 * (12**2 + 12), abs=700)
    firth = plan_scale(X, y % 2, Cluster(3), **{**FIT, "firth": True})
    assert firth.passes == (4, 30)
    rows = random_array((20_000, 5000), density=0.001, format="csr", rng=0)
    sparse = plan_scale(rows, y % 2, Cluster(3), **FIT)
    assert sparse.solver == "lbfgs"
    assert sparse.bytes_per_pass < 2**21
    assert "steps of the solver" in str(sparse)
    assert "1 block " in str(sparse)


SHAPE = ("--workers", 20, "--rows", "1e9", "--columns", 100)


def test_the_command_plans_without_data():
    done = run(*SHAPE, "--threads-per-worker", 2, "--bandwidth", "2 GB/s")
    assert done.exit_code == 0, done.output
    text = " ".join(done.output.split())
    plan = planned(20, 10**9, 100, threads_per_worker=2, bandwidth=2e9)
    assert text == " ".join(str(plan).split())
    assert "20 workers with 2 threads each" in text
    assert "2 to 7: the first one learns a start, Newton steps, a closing" in text
    assert repr(plan) == str(plan)
    wide = run(*SHAPE, "--solver", "lbfgs", "--chunk-rows", "5e4", "--dtype", "float64")
    assert "lbfgs: as asked for" in wide.output
    assert "float64; 20,000 blocks" in wide.output
    slow = run(*SHAPE, "--task-overhead", 1000, "--read-rate", "900 MB/s")
    assert "limited by scheduling" in " ".join(slow.output.split())


def test_the_command_plans_a_store_on_another_cluster(tmp_path):
    group = zarr.open_group(tmp_path / "a.zarr", mode="w")
    X = np.random.default_rng(0).normal(size=(5000, 3))
    for name, values in {"X": X, "y": np.arange(5000) % 2}.items():
        group.create_array(name, data=values, chunks=(500, *values.shape[1:]))
    done = run(tmp_path / "a.zarr", "--workers", 3)
    assert done.exit_code == 0, done.output
    assert "5,000 rows x 3 columns" in done.output
    assert "3 workers with 1 thread each" in done.output


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((), "give a STORE, or --workers, --rows and --columns"),
        (("--rows", 10, "--columns", 2), "--rows and --columns need --workers"),
        (("s.zarr", "--bandwidth", "1 GB/s"), "--bandwidth needs --workers"),
        (("s.zarr", "--workers", 2, "--rows", 10), "--rows does not go with STORE"),
        (("--workers", 2, "--columns", 3), "needs --rows too"),
        (("--workers", 2), "needs --rows and --columns too"),
        ((*SHAPE, "--no-measure"), "--measure/--no-measure does not go with --workers"),
        ((*SHAPE, "--scheduler", "tcp://a:1"), "--scheduler does not go with"),
        ((*SHAPE, "--memory", "1 GB"), "--memory does not go with --workers"),
        ((*SHAPE, "--storage-option", "a=b"), "--storage-option needs a STORE"),
        (("--workers", 0), "'0' is not a whole number such as 1000 or 1e11"),
        (("--workers", "many"), "'many' is not a whole number"),
        (("--rows", "1.5"), "'1.5' is not a whole number"),
        (("--rows", "nan"), "'nan' is not a whole number"),
        (("--bandwidth", "fast"), "'fast' is not a rate such as '1 GB/s'"),
        (("--read-rate", "0"), "'0' is not a rate"),
        (("--read-rate", "inf"), "'inf' is not a rate"),
        (("--rows", "1e300"), "1e300 is more than 1,000,000,000,000,000"),
        (("--columns", "1e7"), "1e7 is more than 1,048,576"),
    ],
)
def test_options_that_do_not_agree_are_usage_errors(arguments, text):
    done = run(*arguments)
    assert done.exit_code == 2
    assert text in " ".join(done.stderr.replace("│", " ").split())
    assert "Traceback" not in done.stderr
