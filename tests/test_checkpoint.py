"""Checkpoints: a fit that is cut goes on where it was, to the same bits."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

import dask.array as da
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import zarr
from click.testing import CliRunner
from distributed import Client

import dlogreg
from dlogreg import CheckpointError, CheckpointWarning, Status
from dlogreg.checkpoint import disk, kept_in
from dlogreg.checkpoint.digest import digest
from dlogreg.checkpoint.folder import Checkpoint
from dlogreg.cli import main
from dlogreg.reduction import Reduction


class Cut(Exception):  # noqa: N818 - what ends the process, not an error of it
    """The fit ends here."""


@pytest.fixture
def sums(monkeypatch):
    """Count the reductions by name; ``sums["cut"]`` of them end the fit midway."""
    whole, counts = Reduction.sum, {"made": [], "cut": 0}

    def cut(self, kernel):
        if kernel.name != "pilot":
            counts["made"].append(kernel.name)
            if len(counts["made"]) == counts["cut"]:
                raise Cut
        return whole(self, kernel)

    monkeypatch.setattr(Reduction, "sum", cut)
    return counts


def saved(results, tmp_path):
    """Return all that a result holds, but how long it took."""
    results.save(tmp_path / "model.json", overwrite=True)
    entries = json.loads((tmp_path / "model.json").read_text())
    for entry in ("trace", "peak_memory", "sha256"):
        assert entries.pop(entry) is not None
    return entries


def rows(n=3000, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 4)) * [1, 3, 0.2, 1] + [0, 5, 0, 0]
    X[:, 3] = rng.random(n) < 0.2
    eta = X @ [1.0, -0.5, 2.0, 0.7] + 2
    return X, (rng.random(n) < 1 / (1 + np.exp(-eta))).astype(int)


X, Y = rows()
N = len(Y)
RNG = np.random.default_rng(5)
SEPARATED = np.where(X[:, 3] > 0, 1, Y)
ALONG = (X[:, 0] + X[:, 2] > 0.1).astype(int)
THREE = np.where(X[:, 0] > 0.6, 2, Y)
SPARSE = scipy.sparse.random_array((N, 30), density=0.1, rng=RNG, format="csr")
WEIGHTS = RNG.integers(0, 4, N).astype(float)

FITS = {
    "newton": lambda **o: dlogreg.fit(X, Y, **o),
    "lbfgs": lambda **o: dlogreg.fit(X, Y, solver="lbfgs", **o),
    "ridge": lambda **o: dlogreg.fit(X, Y, alpha=0.01, solver="lbfgs", **o),
    "start": lambda **o: dlogreg.fit(X, Y, start=np.zeros(5), **o),
    "firth": lambda **o: dlogreg.fit(X, SEPARATED, firth=True, **o),
    "a column separates": lambda **o: dlogreg.fit(X, SEPARATED, **o),
    "columns separate": lambda **o: dlogreg.fit(X[:, [0, 2]], ALONG, **o),
    "three classes": lambda **o: dlogreg.fit(X, THREE, **o),
    "three, ridge": lambda **o: dlogreg.fit(X, THREE, alpha=0.1, **o),
    "three, lbfgs": lambda **o: dlogreg.fit(X, THREE, solver="lbfgs", **o),
    "sparse": lambda **o: dlogreg.fit(SPARSE, Y, **o),
    "sparse lbfgs": lambda **o: dlogreg.fit(SPARSE, Y, solver="lbfgs", alpha=0.1, **o),
    "offset": lambda **o: dlogreg.fit(X, Y, offset=X[:, 1] / 5, **o),
    "holdout": lambda **o: dlogreg.fit(X, Y, offset=X[:, 1], holdout=0.3, **o),
    "groups": lambda **o: dlogreg.fit(X, Y, groups=np.arange(N) % 40, **o),
    "names": lambda **o: dlogreg.fit(
        X, np.array(["no", "yes"])[Y], groups=(np.arange(N) % 40).astype(str), **o
    ),
    "weights": lambda **o: dlogreg.fit(
        X, Y, sample_weight=WEIGHTS, weight_kind="probability", **o
    ),
    "trials": lambda **o: dlogreg.fit(X, Y * 2, trials=np.full(N, 3), **o),
    "formula": lambda **o: dlogreg.fit_formula("y ~ a + C(g) + scale(b)", TABLE, **o),
}
TABLE = pd.DataFrame(
    {"y": Y, "a": X[:, 0], "b": X[:, 1], "g": list("abcde") * (N // 5)}
)
WARNS = {"a column separates", "columns separate"}


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.filterwarnings("ignore::dlogreg.SeparationWarning")
@pytest.mark.parametrize("name", FITS)
def test_cut_in_every_pass(name, sums, tmp_path):
    """Each process makes one pass and dies in the next; no pass is made twice."""
    fit, path = FITS[name], tmp_path / "kept"
    undisturbed = saved(fit(progress=False), tmp_path)
    expected, sums["made"] = sums["made"], []
    assert len(expected) >= 2
    made = []
    for number in range(len(expected)):
        sums["made"], sums["cut"] = [], 2
        if number == len(expected) - 1:
            sums["cut"] = 0
            results = fit(progress=False, checkpoint=path)
            made += sums["made"]
        else:
            with pytest.raises(Cut):
                fit(progress=False, checkpoint=path)
            made += sums["made"][:1]
            assert len(list(path.glob("*.pass"))) == number + 1
    assert made == expected
    assert saved(results, tmp_path) == undisturbed
    assert results.n_passes == undisturbed["n_passes"]
    assert not path.exists()


def test_without_a_cut_nothing_changes_and_nothing_stays(sums, tmp_path):
    undisturbed = saved(dlogreg.fit(X, Y, progress=False), tmp_path)
    made, sums["made"] = sums["made"], []
    results = dlogreg.fit(X, Y, progress=False, checkpoint=tmp_path / "kept")
    assert saved(results, tmp_path) == undisturbed
    assert sums["made"] == made
    assert os.listdir(tmp_path) == ["model.json"]


@pytest.fixture
def cut(sums, tmp_path):
    """Leave a checkpoint with one pass, made with these arguments; return its path."""

    def run(*given, after=2, fit=dlogreg.fit, **options):
        path = tmp_path / "kept"
        sums["made"], sums["cut"] = [], after
        with pytest.raises(Cut):
            fit(*given, progress=False, checkpoint=path, **options)
        sums["made"], sums["cut"] = [], 0
        return path

    return run


def test_only_its_user_reads_it(cut):
    path = cut(X, Y)
    assert stat.S_IMODE(path.stat().st_mode) == 0o700
    files = list(path.iterdir())
    assert len(files) == 3
    for file in files:
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def other(array, index, value):
    changed = array.copy()
    changed[index] = value
    return changed


REFUSED = {
    "alpha was 0.0 and is 0.5": lambda p: dlogreg.fit(X, Y, alpha=0.5, checkpoint=p),
    "tol was 0.0001 and is 0.01": lambda p: dlogreg.fit(X, Y, tol=0.01, checkpoint=p),
    "fit_intercept was True and is False": lambda p: dlogreg.fit(
        X, Y, fit_intercept=False, checkpoint=p
    ),
    "start was not given and is 'array": lambda p: dlogreg.fit(
        X, Y, start=np.zeros(5), checkpoint=p
    ),
    "the number of rows was 3000 and is 2000": lambda p: dlogreg.fit(
        X[:2000], Y[:2000], checkpoint=p
    ),
    "the number of columns was 4 and is 3": lambda p: dlogreg.fit(
        X[:, :3], Y, checkpoint=p
    ),
    "the column names was .*'x1'.* and is .*'a'": lambda p: dlogreg.fit(
        X, Y, feature_names=list("abcd"), checkpoint=p
    ),
    "the values of X was": lambda p: dlogreg.fit(
        other(X, (1234, 2), 0.1), Y, checkpoint=p
    ),
    "the values of y was": lambda p: dlogreg.fit(
        X, other(Y, 77, 1 - Y[77]), checkpoint=p
    ),
    "the type of X was 'float64' and is 'float32'": lambda p: dlogreg.fit(
        X.astype("f4"), Y, checkpoint=p
    ),
    "the number of blocks of offset was not given": lambda p: dlogreg.fit(
        X, Y, offset=np.zeros(N), checkpoint=p
    ),
    "the kind of data was 'numpy' and is 'dask'": lambda p: dlogreg.fit(
        da.from_array(X), Y, checkpoint=p
    ),
}


@pytest.mark.parametrize("difference", REFUSED)
def test_another_fit_is_refused_with_the_difference_named(difference, cut):
    path = cut(X, Y)
    with pytest.raises(CheckpointError, match=f"of another fit: .*{difference}") as e:
        REFUSED[difference](path)
    assert "or remove the folder" in str(e.value)
    dlogreg.fit(X, Y, checkpoint=path)
    assert not path.exists()


def test_a_plan_compares_and_leaves_it(cut, tmp_path):
    path = cut(X, Y)
    dlogreg.plan(X, Y, checkpoint=path)
    dlogreg.plan(X, Y, checkpoint=tmp_path / "none")
    assert not (tmp_path / "none").exists()
    with pytest.raises(CheckpointError, match=r"alpha was 0\.0 and is 2\.0"):
        dlogreg.plan(X, Y, alpha=2.0, checkpoint=path)
    with kept_in(path) as kept, pytest.raises(CheckpointError, match="tol was"):
        dlogreg.plan(X, Y, tol=0.1, checkpoint=kept)
    assert len(list(path.glob("*.pass"))) == 1


def test_another_version_is_refused(cut, monkeypatch):
    path = cut(X, Y)
    monkeypatch.setattr("dlogreg.checkpoint.fingerprint.__version__", "9.9")
    with pytest.raises(CheckpointError, match=r"version of dlogreg .* and is '9\.9'"):
        dlogreg.fit(X, Y, checkpoint=path)


def stored(path, values, chunk=500):
    group = zarr.create_group(path, overwrite=True)
    for name, array in values.items():
        chunks = (chunk, *array.shape[1:])
        group.create_array(name, data=array, chunks=chunks)
    return group


def test_a_store_that_changed_is_refused(cut, tmp_path):
    group = stored(tmp_path / "rows.zarr", {"X": X, "y": Y})
    path = cut(group["X"], group["y"])
    before = (tmp_path / "rows.zarr/X/c/3/0").stat()
    group["X"][1700, 1] = 3.0
    with pytest.raises(CheckpointError, match="the last change of X was '20"):
        dlogreg.fit(group["X"], group["y"], checkpoint=path)
    group["X"][1700, 1] = X[1700, 1]
    times = before.st_atime_ns, before.st_mtime_ns
    os.utime(tmp_path / "rows.zarr/X/c/3/0", ns=times)
    dlogreg.fit(group["X"], group["y"], checkpoint=path)


def test_compressed_rows_that_changed_are_refused(cut, tmp_path):
    group, rows = zarr.create_group(tmp_path / "rows.zarr"), scipy.sparse.csr_array(X)
    inside = group.create_group("X", attributes={"shape": list(X.shape)})
    for name in ("indptr", "indices", "data"):
        inside.create_array(name, data=getattr(rows, name))
    path = cut(inside, Y)
    dlogreg.fit(inside, Y, checkpoint=path)
    path = cut(inside, Y)
    inside["data"][7] = rows.data[7] + 1.0
    with pytest.raises(CheckpointError, match="the stored arrays of X was"):
        dlogreg.fit(inside, Y, checkpoint=path)


def test_dask_arrays_of_other_values_are_refused(cut):
    """A graph does not say what it will make; the rows that are read first do."""
    lazy = da.from_array(X, chunks=(500, 4))
    path = cut(lazy, Y)
    with pytest.raises(CheckpointError, match="checkpoint of other data: the first"):
        dlogreg.fit(lazy + 1e-9, Y, checkpoint=path)
    with pytest.raises(CheckpointError, match="number of blocks of X was 6 and is 3"):
        dlogreg.fit(lazy.rechunk((1000, 4)), Y, checkpoint=path)
    dlogreg.fit(lazy, Y, checkpoint=path)


def test_formulas_and_files_are_told_apart(cut, tmp_path, sums):
    file = tmp_path / "rows.parquet"
    TABLE.to_parquet(file, row_group_size=700)
    path = cut("y ~ a + g", str(file), fit=dlogreg.fit_formula)
    with pytest.raises(CheckpointError, match="the formula was '"):
        dlogreg.fit_formula("y ~ a + C(g)", str(file), checkpoint=path)
    dlogreg.fit_formula("y ~ a + g", str(file), checkpoint=path)
    assert "scan" not in sums["made"]
    path = cut("y ~ a + g", str(file), fit=dlogreg.fit_formula)
    TABLE.to_parquet(file, row_group_size=700)
    with pytest.raises(CheckpointError, match="the last change of the table was"):
        dlogreg.fit_formula("y ~ a + g", str(file), checkpoint=path)
    shutil.rmtree(path)
    path = cut("y ~ a + g", TABLE, fit=dlogreg.fit_formula, after=1)
    changed = TABLE.assign(g=other(TABLE["g"].to_numpy(), 5, "z"))
    with pytest.raises(CheckpointError, match="the values of the table was"):
        dlogreg.fit_formula("y ~ a + g", changed, checkpoint=path)


@pytest.mark.usefixtures("small_blocks")
def test_another_cluster_goes_on(cut, process_cluster, sums, tmp_path):
    """Threads, then two workers: another number of tasks, the same leaves."""
    group = stored(tmp_path / "rows.zarr", {"X": X, "y": Y}, chunk=60)
    undisturbed = saved(dlogreg.fit(group["X"], group["y"]), tmp_path)
    total = len(sums["made"])
    path = cut(group["X"], group["y"])
    with Client(process_cluster):
        results = dlogreg.fit(group["X"], group["y"], checkpoint=path)
    assert saved(results, tmp_path) == undisturbed
    assert len(sums["made"]) == total - 1


def test_max_passes_may_rise(sums, tmp_path):
    path, options = tmp_path / "kept", {"solver": "lbfgs", "progress": False}
    whole = saved(dlogreg.fit(X, Y, **options), tmp_path)
    n_passes = len(sums["made"])
    with pytest.warns(dlogreg.ConvergenceWarning):
        res = dlogreg.fit(X, Y, max_passes=4, checkpoint=path, **options)
    assert res.status is Status.MAX_PASSES
    assert len(list(path.glob("*.pass"))) == 4
    sums["made"] = []
    res = dlogreg.fit(X, Y, checkpoint=path, **options)
    assert saved(res, tmp_path) == whole
    assert n_passes - 4 <= len(sums["made"]) < n_passes
    assert not path.exists()


def test_ctrl_c_keeps_it(tmp_path, monkeypatch, sums):
    path, whole = tmp_path / "kept", Reduction.sum
    undisturbed = saved(dlogreg.fit(X, Y, solver="lbfgs"), tmp_path)

    def interrupted(self, kernel):
        if len(sums["made"]) == 4:
            raise KeyboardInterrupt
        return whole(self, kernel)

    sums["made"] = []
    monkeypatch.setattr(Reduction, "sum", interrupted)
    res = dlogreg.fit(X, Y, solver="lbfgs", checkpoint=path)
    assert res.status is Status.INTERRUPTED
    monkeypatch.setattr(Reduction, "sum", whole)
    sums["made"] = []
    res = dlogreg.fit(X, Y, solver="lbfgs", checkpoint=path)
    assert saved(res, tmp_path) == undisturbed
    assert len(sums["made"]) == undisturbed["n_passes"] - 4


KILLED = """
import os, signal, sys
import numpy as np, zarr, dlogreg
from dlogreg.checkpoint import Checkpoint

keep, left = Checkpoint.keep, int(sys.argv[3])
def kept(self, *given):
    global left
    keep(self, *given)
    left -= 1
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)
Checkpoint.keep = kept
group = zarr.open_group(sys.argv[1], mode="r")
res = dlogreg.fit(group["X"], group["y"], checkpoint=sys.argv[2], tol=1e-9)
sys.stdout.write(res.params.tobytes().hex() + res.cov_params().tobytes().hex())
"""


def test_a_driver_that_was_killed(tmp_path):
    store, path = tmp_path / "rows.zarr", tmp_path / "kept"
    group = stored(store, {"X": X, "y": Y})
    res = dlogreg.fit(group["X"], group["y"], tol=1e-9)
    command = [sys.executable, "-c", KILLED, str(store), str(path)]
    first = subprocess.run([*command, "2"], check=False, capture_output=True)
    assert first.returncode == -signal.SIGKILL, first.stderr
    assert len(list(path.glob("*.pass"))) == 2
    (path / ".00003-cut.pass.pass").write_bytes(b"what a write leaves that is cut")
    done = subprocess.run([*command, "0"], check=True, capture_output=True, text=True)
    bits = res.params.tobytes().hex() + res.cov_params().tobytes().hex()
    assert done.stdout == bits
    assert not path.exists()


FULL = """
import resource, sys, warnings
import numpy as np, dlogreg

rng = np.random.default_rng(0)
X = rng.normal(size=(3000, 40))
y = (X[:, 0] + rng.logistic(size=3000) > 0).astype(int)
bits = dlogreg.fit(X, y).params.tobytes()
limit = int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
import signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    res = dlogreg.fit(X, y, checkpoint=sys.argv[1], max_passes=2)
    assert res.status.name == "MAX_PASSES", res.status
messages = [str(w.message) for w in caught if w.category is dlogreg.CheckpointWarning]
print(len(messages), *messages)
"""


def test_a_disk_that_is_full_does_not_lose_the_fit(tmp_path):
    """The kernel refuses to write: what is in the folder stays as it was."""
    path = tmp_path / "kept"
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(path), "6000"],
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.startswith("1 a pass could not be written to the checkpoint")
    assert "File too large" in done.stdout
    assert "free space on the disk" in done.stdout
    assert sorted(os.listdir(path)) == ["checkpoint.json", "lock"]


def test_a_folder_that_cannot_be_written_is_refused_before_anything_is_read(
    tmp_path, monkeypatch, sums
):
    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CheckpointError, match=r"cannot be written \(.*No space left"):
        dlogreg.fit(X, Y, checkpoint=tmp_path / "kept")
    assert not sums["made"]
    with pytest.raises(CheckpointError, match=r"cannot be made .*No such file"):
        dlogreg.fit(X, Y, checkpoint=tmp_path / "no" / "folder")
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match="is a file, and a checkpoint is a"):
        dlogreg.fit(X, Y, checkpoint=tmp_path / "file")
    with pytest.raises(CheckpointError, match="folder of other things than"):
        dlogreg.fit(X, Y, checkpoint=tmp_path)
    assert (tmp_path / "file").exists()
    with pytest.raises(CheckpointError, match="'s3://a/b' must be a folder on a disk"):
        dlogreg.fit(X, Y, checkpoint="s3://a/b")


def test_one_fit_at_a_time(tmp_path):
    first = Checkpoint(tmp_path / "kept")
    with pytest.raises(CheckpointError, match="another fit is using the checkpoint"):
        Checkpoint(tmp_path / "kept")
    first.close()
    Checkpoint(tmp_path / "kept").close()
    assert not (tmp_path / "kept").exists()


@pytest.mark.parametrize("place", [0.0, 0.05, 0.5, 0.999, "cut", "longer"])
def test_a_damaged_pass_is_made_again(place, cut, sums, tmp_path):
    undisturbed = saved(dlogreg.fit(X, Y), tmp_path)
    path = cut(X, Y, after=3)
    file = sorted(path.glob("*.pass"))[0]
    content = bytearray(file.read_bytes())
    if place == "cut":
        content = content[: len(content) // 2]
    elif place == "longer":
        content += b"0"
    else:
        content[int(place * len(content))] ^= 4
    file.write_bytes(content)
    with pytest.warns(CheckpointWarning, match="is damaged .*; its pass is made again"):
        results = dlogreg.fit(X, Y, checkpoint=path)
    assert saved(results, tmp_path) == undisturbed
    assert len(sums["made"]) == undisturbed["n_passes"] - 1


def sealed(header, data=b"", length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    size = (len(text) if length is None else length).to_bytes(8, "little")
    body = b"dlogreg pass 1\n" + size + text + data
    return body + hashlib.blake2b(body, digest_size=32).digest()


ARRAY = {"dtype": "<f8", "shape": [2], "order": "C", "half": False}
LIES = {
    "header is longer": sealed({}, length=2**40),
    "header cannot be read": sealed(b"{"),
    "header cannot be read .*recursion": sealed(b"[" * 100_000),
    "not of the sizes": sealed({"arrays": [{**ARRAY, "shape": [2**40]}], "sums": None}),
    "shape .*-1": sealed({"arrays": [{**ARRAY, "shape": [-1, -1]}], "sums": None}),
    "type 'O'": sealed({"arrays": [{**ARRAY, "dtype": "O"}], "sums": None}),
    "half of shape": sealed({"arrays": [{**ARRAY, "half": True}], "sums": None}),
    "unknown kind 'eval'": sealed({"arrays": [], "sums": {"eval": "1"}}),
    "TypeError": sealed({"arrays": [], "sums": {"record": "Path", "fields": {}}}),
    "missing|unexpected": sealed(
        {"arrays": [], "sums": {"record": "Evaluation", "fields": {"los": 1}}}
    ),
    "of another pass": sealed({"arrays": [], "sums": None, "key": "x"}),
    "lacks something": sealed({"arrays": [], "sums": None, "key": "KEY"}),
    "does not begin": b"short",
}


@pytest.mark.parametrize("reason", LIES)
def test_files_that_lie(reason, cut):
    """Sizes are checked before memory is taken, types come from a list."""
    path = cut(X, Y)
    file = next(path.glob("*.pass"))
    key = file.stem.partition("-")[2].encode()
    content = LIES[reason]
    if b'"KEY"' in content:
        content = sealed({"arrays": [], "sums": None, "key": key.decode()})
    file.write_bytes(content)
    with pytest.warns(CheckpointWarning, match=reason):
        dlogreg.fit(X, Y, checkpoint=path)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[]", "is damaged"),
        ("{", "is damaged"),
        ("[" * 50_000, "is damaged"),
        (" " * (2**24 + 1), "is damaged"),
        ('{"format": "dlogreg checkpoint 7"}', "of format 'dlogreg checkpoint 7'"),
        ('{"format": "dlogreg checkpoint 1"}', "is damaged"),
    ],
)
def test_manifests_that_lie(text, reason, cut):
    path = cut(X, Y)
    (path / "checkpoint.json").write_text(text)
    with pytest.raises(CheckpointError, match=f"{reason}.* remove the folder"):
        dlogreg.fit(X, Y, checkpoint=path)


def test_symmetric_matrices_take_half_the_room(cut):
    wide = np.random.default_rng(3).normal(size=(N, 100))
    path = cut(wide, Y)
    size = next(path.glob("*.pass")).stat().st_size
    assert size < 8 * 101**2 + 20_000


def test_a_pass_that_cannot_be_kept_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr("dlogreg.checkpoint.encoding.ROOMS", {})
    with pytest.warns(CheckpointWarning, match="could not be written .*SurveySums"):
        res = dlogreg.fit(X, Y, checkpoint=tmp_path / "kept")
    assert res.converged


def test_digests_tell_values_apart():
    values = [
        0, 0.0, -0.0, False, None, "", b"", (), [], (0,), ((0,),), (0, 0), {0: 1},
        {1: 0}, frozenset("ab"), np.zeros(2), np.zeros(2, "f4"), np.zeros((1, 2)),
        np.array(["a", None], object), np.float64(0), float, np.exp, np.dtype("f8"),
        Status.STALLED,
    ]  # fmt: skip
    assert len({digest(value) for value in values}) == len(values)
    assert digest(np.zeros((3, 2))[::2]) == digest(np.zeros((2, 2)))
    assert digest(frozenset("abcdefgh")) == digest(frozenset("hgfedcba"))
    with pytest.raises(TypeError, match="object has no digest"):
        digest(object())


def test_digests_are_the_same_in_every_process():
    code = textwrap.dedent("""
        import numpy as np
        from dlogreg.checkpoint.digest import digest
        print(digest(frozenset("abcdefgh"), {"b": 1.5}, np.arange(3.0), np.exp))
    """)
    here = digest(frozenset("abcdefgh"), {"b": 1.5}, np.arange(3.0), np.exp)
    seed = "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"  # not that of here
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONHASHSEED": seed},
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == str(here)


def test_command_line(tmp_path, sums, monkeypatch):
    store, model = str(tmp_path / "rows.zarr"), tmp_path / "model.json"
    stored(store, {"X": X, "y": Y})
    given = ["--checkpoint", str(tmp_path / "kept"), "--quiet"]
    command = ["fit", store, "--model", str(model), *given]
    sums["cut"] = 2
    assert isinstance(CliRunner().invoke(main, command).exception, Cut)
    done = CliRunner().invoke(main, [*command, "--alpha", "1"])
    assert done.exit_code == 2
    assert "alpha was 0.0 and is 1.0" in done.output
    sums["made"], sums["cut"] = [], 0

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("dlogreg.storage.writing.tempfile.mkstemp", full)
        done = CliRunner().invoke(main, command)
    assert done.exit_code == 2
    assert "No space left" in done.output
    assert (tmp_path / "kept").exists()
    made, sums["made"] = sums["made"], []
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 0, done.output
    assert not sums["made"]
    assert made
    assert not (tmp_path / "kept").exists()
    assert model.exists()


def test_what_a_cut_write_left_is_cleared(cut):
    path = cut(X, Y)
    left = path / f".00002-x{disk.ENDING}"
    left.write_bytes(b"")
    Checkpoint(path).close()
    assert not left.exists()
    assert Path(path / "checkpoint.json").exists()
