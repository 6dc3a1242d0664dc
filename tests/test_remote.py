"""Zarr and Parquet at addresses, read from a server that speaks S3 and misbehaves."""

import asyncio
import io
import json
import pickle

import numpy as np
import pandas as pd
import pytest
import zarr
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from zarr.storage import FsspecStore

import dlogreg
from dlogreg.cli import main
from dlogreg.convert import convert
from dlogreg.errors import DataError, MissingChunkWarning
from dlogreg.progress import Silent
from dlogreg.source import remote
from dlogreg.source.group import open_data
from dlogreg.source.remote import is_transient, reason, shown, with_retries
from tests.object_store import ObjectStore

for module in ("moto.server", "s3fs", "aiohttp", "flask_cors"):
    pytest.importorskip(module)

pytestmark = pytest.mark.filterwarnings(
    # of moto and of sessions that s3fs and aiohttp leave to the end of the process
    "ignore::DeprecationWarning",
    "ignore::ResourceWarning",
    "ignore::pytest.PytestUnraisableExceptionWarning",
)

N = 1200


@pytest.fixture(scope="module")
def server():
    store = ObjectStore()
    yield store
    store.close()


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(4)
    X = rng.normal(size=(N, 3))
    y = (rng.random(N) < 1 / (1 + np.exp(0.5 - X[:, 0]))).astype(int)
    return X, y


@pytest.fixture(scope="module")
def table(rows):
    return pd.DataFrame(rows[0], columns=list("abc")).assign(y=rows[1])


@pytest.fixture(scope="module")
def filled(server, rows, table):
    system = remote.open_filesystem("s3://data", server.options)[0]
    system.mkdir("data")
    group = zarr.open_group(
        "s3://data/s.zarr", mode="w", storage_options=server.options
    )
    group.create_array("X", data=rows[0], chunks=(300, 3))
    group.create_array("y", data=rows[1], chunks=(500,))
    for i in range(2):
        part = io.BytesIO()
        half = slice(i * N // 2, (i + 1) * N // 2)
        table[half].to_parquet(part, row_group_size=300)
        system.pipe_file(f"data/tables/{i}.parquet", part.getvalue())
    return system


@pytest.fixture
def s3(server, filled, small_blocks, monkeypatch):
    """The filled store, well behaved; what is tried again is so at once."""
    monkeypatch.setattr(remote, "WAITS", (0.01, 0.01))
    server.faults.clear()
    server.requests.clear()
    yield server
    server.faults.clear()


def tried(server, name):
    """How often content with this name was asked for."""
    return sum(method == "GET" and name in path for method, path in server.requests)


def test_a_store_on_s3_gives_the_bits_of_a_store_in_memory(s3, rows):
    data = open_data("s3://data/s.zarr", options=s3.options)
    res = dlogreg.fit(data.X, data.y)
    cuts = ((300, 3), (500,))
    local = [zarr.array(a, chunks=cut) for a, cut in zip(rows, cuts, strict=True)]
    np.testing.assert_array_equal(res.params, dlogreg.fit(*local).params)
    assert dlogreg.plan(data.X, data.y).n_rows == N
    probability = res.predict(data.X).compute()
    np.testing.assert_allclose(probability, res.predict(rows[0]), atol=1e-15)
    report = dlogreg.evaluate(res, data.X, data.y)
    assert report.auc == dlogreg.evaluate(res, *rows).auc


def test_every_chunk_is_read_once_a_pass(s3):
    data = open_data("s3://data/s.zarr", options=s3.options)
    s3.requests.clear()
    res = dlogreg.fit(data.X, data.y)
    for i in range(N // 300):
        pilot = tried(s3, f"X/c/{i}/0") - res.n_passes
        assert pilot in (0, 1)


@pytest.mark.cluster
def test_workers_of_a_cluster_read_from_s3(s3, client, rows):
    data = open_data("s3://data/s.zarr", options=s3.options)
    res = dlogreg.fit(data.X, data.y)
    np.testing.assert_allclose(res.params, dlogreg.fit(*rows).params, atol=1e-6)


def test_an_array_opened_by_the_user_is_read_with_the_same_patience(s3, rows):
    store = FsspecStore.from_url("s3://data/s.zarr", storage_options=s3.options)
    X = zarr.open_group(store, mode="r")["X"]
    s3.misbehave("X/c/2/0", 503, times=2, methods=("GET",))
    np.testing.assert_allclose(
        dlogreg.fit(X, rows[1]).params, dlogreg.fit(*rows).params, atol=1e-6
    )


@pytest.mark.parametrize("fault", [500, 503, "reset", "truncate"])
def test_what_fails_for_a_moment_is_tried_again(s3, rows, fault):
    for name in ("X/c/3/0", "y/c/1", "s.zarr/zarr.json", "X/zarr.json"):
        s3.misbehave(name, fault, times=2)
    data = open_data("s3://data/s.zarr", options=s3.options)
    res = dlogreg.fit(data.X, data.y, inference=False)
    np.testing.assert_allclose(res.params, dlogreg.fit(*rows).params, atol=1e-6)
    assert [left for _, _, left, _ in s3.faults] == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (404, "FileNotFoundError: it was there when the fit began; put it back"),
        (403, "PermissionError: Forbidden; check that the credentials"),
        (503, "3 times; try again later"),
    ],
)
def test_what_fails_for_good_is_named(s3, fault, message):
    data = open_data("s3://data/s.zarr", options=s3.options)
    s3.misbehave("X/c/3/0", fault, methods=("GET",))
    where = r"rows 900 to 1199 of X .*: chunk c/3/0 of s3://data/s.zarr/X is unreach"
    with pytest.raises(DataError, match=where) as caught:
        dlogreg.fit(data.X, data.y)
    assert message in str(caught.value)
    assert tried(s3, "X/c/3/0") == (3 if fault == 503 else 1)


def test_a_store_that_cannot_be_opened(s3):
    with pytest.raises(DataError, match=r"s3://data/none.zarr is not a Zarr group"):
        open_data("s3://data/none.zarr", options=s3.options)
    with pytest.raises(
        DataError, match=r"s3://data/s.zarr/y is not a Zarr group|no arr"
    ):
        open_data("s3://data/s.zarr/y", options=s3.options)
    s3.misbehave("s.zarr/zarr.json", 403)
    with pytest.raises(DataError, match=r"cannot be opened: zarr.json .*credentials"):
        open_data("s3://data/s.zarr", options=s3.options)
    s3.faults.clear()
    data = open_data("s3://data/s.zarr", options=s3.options)
    s3.misbehave("list-type", 403)
    with pytest.raises(DataError, match=r"s.zarr/X cannot be listed .*credentials"):
        dlogreg.fit(data.X, data.y)


class Meddler(Silent):
    """Does something when the first pass is over."""

    def __init__(self, act):
        self.act = act

    def pass_ended(self, record):
        if record.kind == "survey":
            self.act()


@pytest.mark.parametrize("deleted", [False, True])
def test_a_chunk_that_changes_between_passes_is_refused(s3, filled, deleted):
    data = open_data("s3://data/s.zarr", options=s3.options)
    place = "data/s.zarr/X/c/2/0"
    content = filled.cat_file(place)
    other = filled.cat_file("data/s.zarr/X/c/3/0")

    def act():
        filled.rm_file(place) if deleted else filled.pipe_file(place, other)

    message = "unreachable .*put it back" if deleted else "has changed since the fit"
    try:
        with pytest.raises(DataError, match=rf"chunk c/2/0 of .* {message}|{message}"):
            dlogreg.fit(data.X, data.y, progress=Meddler(act), tol=1e-9)
    finally:
        filled.pipe_file(place, content)


def test_chunks_that_were_never_written(s3, filled, rows):
    options = {"storage_options": s3.options}
    group = zarr.open_group("s3://data/gaps.zarr", mode="w", **options)
    X = group.create_array("X", data=rows[0], chunks=(300, 3))
    group.create_array("y", data=rows[1])
    filled.rm_file("data/gaps.zarr/X/c/1/0")
    data = open_data("s3://data/gaps.zarr", options=s3.options)
    filled_in = np.where((np.arange(N) // 300 == 1)[:, None], 0, rows[0])
    with pytest.warns(MissingChunkWarning, match=r"chunk c/1/0 \(the first of 1 miss"):
        res = dlogreg.fit(data.X, data.y)
    expected = dlogreg.fit(filled_in, rows[1]).params
    np.testing.assert_allclose(res.params, expected, atol=1e-6)
    X.attrs["dlogreg_complete"] = True
    data = open_data("s3://data/gaps.zarr", options=s3.options)
    with pytest.raises(DataError, match=r"s3://data/gaps.zarr/X was deleted: X cannot"):
        dlogreg.fit(data.X, data.y)
    filled.pipe_file("data/gaps.zarr/X/c/1/0", b"short")
    data = open_data("s3://data/gaps.zarr", options=s3.options)
    with pytest.raises(DataError, match=r"chunk c/1/0 of .* truncated, corrupt"):
        dlogreg.fit(data.X, data.y)


def test_compressed_rows_on_s3(s3):
    from scipy.sparse import random_array

    sparse = random_array((400, 30), density=0.1, rng=np.random.default_rng(1)).tocsr()
    y = np.arange(400) % 3 == 0
    options = {"storage_options": s3.options}
    group = zarr.open_group("s3://data/csr.zarr", mode="w", **options)
    inner = group.create_group("X", attributes={"shape": [400, 30]})
    for name in ("indptr", "indices", "data"):
        values = getattr(sparse, name)
        inner.create_array(name, data=values, chunks=(300,))
    group.create_array("y", data=y)
    data = open_data("s3://data/csr.zarr", options=s3.options)
    s3.misbehave("indices/c/1", 503, times=1)
    res = dlogreg.fit(data.X, data.y, alpha=0.01)
    expected = dlogreg.fit(sparse, y, alpha=0.01)
    np.testing.assert_allclose(res.params, expected.params, atol=1e-6)
    np.testing.assert_allclose(
        res.predict(data.X).compute(), expected.predict(sparse), atol=1e-6
    )


PATHS = ["s3://data/tables", "s3://data/tables/*.parquet"]


@pytest.mark.parametrize("path", PATHS)
def test_formulas_about_parquet_on_s3(s3, table, path):
    res = dlogreg.fit_formula("y ~ a * b", path, storage_options=s3.options)
    same = dlogreg.fit_formula("y ~ a * b", table)
    np.testing.assert_allclose(res.params, same.params, atol=1e-9)
    assert res.nobs == N


def test_only_the_needed_columns_are_fetched(s3, filled):
    rng = np.random.default_rng(0)
    wide = pd.DataFrame(rng.normal(size=(2000, 40))).add_prefix("x")
    wide["y"] = rng.random(2000) < 0.5
    part = io.BytesIO()
    wide.to_parquet(part, compression="none")
    filled.pipe_file("data/wide.parquet", part.getvalue())
    s3.requests.clear()
    s3.sent = 0
    dlogreg.fit_formula("y ~ x1", "s3://data/wide.parquet", storage_options=s3.options)
    per_read = s3.sent / tried(s3, "wide.parquet")
    assert per_read < part.tell() / 4


@pytest.mark.parametrize("fault", [503, "reset", "truncate"])
def test_row_groups_that_fail_for_a_moment(s3, table, fault):
    s3.misbehave("1.parquet", fault, times=2, methods=("GET",))
    res = dlogreg.fit_formula("y ~ a", PATHS[0], storage_options=s3.options)
    same = dlogreg.fit_formula("y ~ a", table)
    np.testing.assert_allclose(res.params, same.params, atol=1e-9)
    assert s3.faults[0][2] == 0


@pytest.mark.parametrize(
    ("fault", "message"), [(404, "FileNotFoundError"), (403, "credentials")]
)
def test_parquet_that_fails_for_good(s3, fault, message):
    s3.misbehave("1.parquet", fault)
    with pytest.raises(DataError, match=rf"tables/1.parquet cannot be .*{message}"):
        dlogreg.fit_formula("y ~ a", PATHS[0], storage_options=s3.options)


def test_a_row_group_that_becomes_unreachable_is_named(s3):
    class Forbid(Silent):
        def pass_ended(self, record):
            if record.kind == "scan":
                s3.misbehave("1.parquet", 403, methods=("GET",))

    message = r"row group \d of s3://data/tables/1.parquet cannot be read .*credentials"
    with pytest.raises(DataError, match=message):
        dlogreg.fit_formula(
            "y ~ a", PATHS[0], storage_options=s3.options, progress=Forbid()
        )


def test_a_parquet_file_that_changes_between_passes_is_refused(s3, filled):
    place = "data/tables/1.parquet"
    content = filled.cat_file(place)

    class Change(Silent):
        def pass_ended(self, record):
            if record.kind == "scan":
                filled.pipe_file(place, filled.cat_file("data/tables/0.parquet"))

    try:
        with pytest.raises(DataError, match=r"s3://.*/1.parquet has changed since"):
            dlogreg.fit_formula(
                "y ~ a", PATHS[0], storage_options=s3.options, progress=Change()
            )
    finally:
        filled.pipe_file(place, content)


def test_places_without_files(s3):
    for path, message in [
        ("s3://data/nothing", "folder s3://data/nothing holds no Parquet"),
        ("s3://data/no-*.parquet", "there is no file s3://data/no"),
        ("s3://data/s.zarr/*.json", "zarr.json is not Parquet by its name"),
        ("s3://data/none.parquet", "s3://data/none.parquet cannot be read"),
        ("what://ever.parquet", "cannot be opened: ValueError; check the scheme"),
    ]:
        options = s3.options if path.startswith("s3") else {}
        with pytest.raises(DataError, match=message.replace("*", r"\*")):
            dlogreg.fit_formula("y ~ a", path, storage_options=options)
    with pytest.raises(DataError, match="check the scheme of the address"):
        dlogreg.fit_formula("y ~ a", PATHS[0], storage_options={"endpoint": 1})
    with pytest.raises(ValueError, match="storage_options are for data given by a"):
        dlogreg.fit_formula("y ~ a", pd.DataFrame(), storage_options=s3.options)


def test_http_addresses(s3, rows, table):
    where = f"{s3.endpoint}/data"
    data = open_data(f"{where}/s.zarr")
    s3.misbehave("X/c/3/0", 503, times=2)
    res = dlogreg.fit(data.X, data.y)
    np.testing.assert_allclose(res.params, dlogreg.fit(*rows).params, atol=1e-6)
    s3.misbehave("X/c/3/0", 403)
    with pytest.raises(DataError, match=r"s.zarr/X cannot be listed .*credentials"):
        dlogreg.fit(data.X, data.y)
    s3.faults.clear()

    def lose():
        s3.misbehave("X/c/3/0", 404)

    with pytest.raises(DataError, match=r"chunk c/3/0 of http.* it was there when"):
        dlogreg.fit(data.X, data.y, progress=Meddler(lose))
    s3.faults.clear()
    res = dlogreg.fit_formula("y ~ a", f"{where}/tables/0.parquet")
    same = dlogreg.fit_formula("y ~ a", table[: N // 2])
    np.testing.assert_allclose(res.params, same.params, atol=1e-9)


def test_the_command_line_reads_addresses(s3, tmp_path):
    def run(*arguments):
        options = [
            f"--storage-option={name}={value}" for name, value in s3.options.items()
        ]
        found = CliRunner().invoke(main, [*map(str, arguments), *options])
        assert s3.options["secret"] not in found.output
        return found

    model = tmp_path / "m.json"
    found = run("fit", "s3://data/s.zarr", "--model", model, "--quiet")
    assert found.exit_code == 0, found.output
    assert s3.options["secret"] not in model.read_text()
    assert s3.endpoint not in model.read_text()
    assert run("plan", "s3://data/s.zarr", "--no-measure").exit_code == 0
    assert run("evaluate", model, "s3://data/s.zarr", "--quiet").exit_code == 0
    out = tmp_path / "p.zarr"
    assert run("predict", model, "s3://data/s.zarr", out, "--quiet").exit_code == 0
    assert zarr.open_group(str(out))["probability"].shape == (N,)
    other = tmp_path / "f.json"
    arguments = ["--model", other, "--formula", "y ~ a", "--quiet"]
    assert run("fit", PATHS[0], *arguments).exit_code == 0
    assert s3.options["secret"] not in other.read_text()
    s3.misbehave("s.zarr", 403)
    found = run("plan", "s3://data/s.zarr")
    assert found.exit_code == 2
    assert "error: s3://data/s.zarr cannot be opened" in found.output
    found = CliRunner().invoke(main, ["plan", "s", "--storage-option", "secret"])
    assert found.exit_code == 2
    assert "write it as NAME=VALUE" in found.output


def test_a_checkpoint_knows_the_chunks(s3, filled, tmp_path):
    data = open_data("s3://data/s.zarr", options=s3.options)

    def stop():
        raise RuntimeError("cut")

    with pytest.raises(RuntimeError, match="cut"):
        dlogreg.fit(
            data.X, data.y, checkpoint=tmp_path / "kept", progress=Meddler(stop)
        )
    place = "data/s.zarr/X/c/2/0"
    content = filled.cat_file(place)
    try:
        filled.pipe_file(place, filled.cat_file("data/s.zarr/X/c/3/0"))
        with pytest.raises(ValueError, match="the chunks of X was"):
            dlogreg.fit(data.X, data.y, checkpoint=tmp_path / "kept")
    finally:
        filled.pipe_file(place, content)
    kept = b"".join(f.read_bytes() for f in (tmp_path / "kept").iterdir())
    assert s3.options["secret"].encode() not in kept


def test_secrets_are_not_shown(s3):
    data = open_data("s3://data/s.zarr", options=s3.options)
    res = dlogreg.fit(data.X, data.y)
    said = [repr(data), str(res.summary()), str(dlogreg.plan(data.X, data.y))]
    said += [repr(res), json.dumps(str(res.trace))]
    assert not any(s3.options["secret"] in text for text in said)
    assert shown("https://me:pw@host/x.parquet?sig=1") == "https://host/x.parquet"
    assert shown("plain?.parquet") == "plain?.parquet"
    file = pickle.loads(pickle.dumps(open_file(s3)))
    assert s3.options["secret"] not in repr(file)
    file.check()


def open_file(s3):
    from dlogreg.source.files import DataFile

    return DataFile.of("s3://data/tables/0.parquet", options=s3.options)


class StatusError(Exception):
    def __init__(self, status):
        self.status = status


@pytest.mark.parametrize(
    ("error", "transient"),
    [
        *((StatusError(n), True) for n in (408, 425, 429, 500, 502, 503, 504)),
        *((StatusError(n), False) for n in (400, 401, 403, 404, 412, 501)),
        *((kind("x"), True) for kind in (TimeoutError, ConnectionResetError)),
        *((kind("x"), False) for kind in (FileNotFoundError, PermissionError)),
        *((kind("x"), False) for kind in (OSError, ValueError, KeyError)),
    ],
    ids=repr,
)
def test_what_is_tried_again(error, transient, monkeypatch):
    monkeypatch.setattr(remote, "WAITS", (0, 0, 0))
    calls = []

    def call():
        calls.append(1)
        raise error

    assert is_transient(error) is transient
    with pytest.raises(type(error)):
        with_retries(call)
    assert len(calls) == (4 if transient else 1)
    assert ("4 times; try again later" in reason(error)) is transient
    outer = OSError("outer")
    outer.__cause__ = error
    assert is_transient(outer) is transient


@given(st.integers(0, 5))
def test_tries_are_counted(failures):
    waits, calls = remote.WAITS, []
    remote.WAITS = (0, 0, 0)

    def call():
        calls.append(1)
        if len(calls) <= failures:
            raise TimeoutError
        return "done"

    async def awaited():
        return call()

    try:
        for ask in (
            lambda: with_retries(call),
            lambda: asyncio.run(remote.await_with_retries(awaited)),
        ):
            calls.clear()
            if failures > 3:
                with pytest.raises(TimeoutError):
                    ask()
            else:
                assert ask() == "done"
            assert len(calls) == min(4, failures + 1)
    finally:
        remote.WAITS = waits


def test_a_missing_package_is_named(monkeypatch):
    import fsspec

    def absent(*args, **kwargs):
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr(fsspec, "url_to_fs", absent)
    with pytest.raises(ImportError, match=r'pip install "dlogreg\[s3\]"'):
        dlogreg.fit_formula("y ~ a", "s3://data/t.parquet")
    with pytest.raises(ImportError, match=r'gcsfs.*pip install "dlogreg\[gcs\]"'):
        dlogreg.fit_formula("y ~ a", "gs://data/t.parquet")


def test_options_without_an_address(tmp_path):
    with pytest.raises(ValueError, match="storage_options are for addresses"):
        open_data(tmp_path, options={"anon": True})


def test_convert_reads_addresses(s3, table, tmp_path):
    data = convert(
        "s3://data/tables",
        tmp_path / "o.zarr",
        target="y",
        storage_options=s3.options,
    )
    np.testing.assert_array_equal(data.X[:], table[["a", "b", "c"]])
