"""``dlogreg doctor``: what it finds, how bad it is, and the certificates it shows."""

from __future__ import annotations

import json
import shutil
import subprocess
from copy import deepcopy
from pathlib import Path

import dask
import numpy as np
import pandas as pd
import pytest
import zarr
from click.testing import CliRunner
from distributed import LocalCluster, Security

import dlogreg
from dlogreg.addresses import is_open
from dlogreg.cli import main
from dlogreg.doctor import examine
from dlogreg.doctor.answers import Answers
from dlogreg.doctor.judging import judge

CERTIFICATES = Path(__file__).parents[1] / "cluster" / "certificates"
needs_openssl = pytest.mark.skipif(
    not (shutil.which("openssl") and shutil.which("bash")), reason="needs openssl, bash"
)


def run(*arguments):
    return CliRunner().invoke(main, list(map(str, arguments)))


@pytest.fixture
def store(tmp_path):
    rng = np.random.default_rng(3)
    group = zarr.create_group(tmp_path / "s.zarr")
    X = rng.normal(size=(500, 3))
    group.create_array("X", data=X, chunks=(100, 3))
    group.create_array("y", data=(X[:, 0] > rng.normal(size=500)).astype("i1"))
    return tmp_path / "s.zarr"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run([CERTIFICATES, folder, "127.0.0.1"], check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def secured(certificates):
    """A cluster that wants certificates, and the options that show ours."""
    role = {
        "cert": certificates / "127.0.0.1.pem",
        "key": certificates / "127.0.0.1.key",
    }
    security = Security(
        tls_ca_file=str(certificates / "ca.pem"),
        require_encryption=True,
        **{
            f"tls_{who}_{part}": str(path)
            for who in ("scheduler", "worker", "client")
            for part, path in role.items()
        },
    )
    with LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        processes=False,
        protocol="tls://",
        host="127.0.0.1",
        security=security,
        dashboard_address="127.0.0.1:0",
        memory_limit=0,
        silence_logs=50,
    ) as cluster:
        ours = ["--tls-ca", certificates / "ca.pem"]
        ours += ["--tls-cert", certificates / "client.pem"]
        ours += ["--tls-key", certificates / "client.key"]
        yield cluster.scheduler_address, ours


def test_this_process(store):
    done = run("doctor", store)
    assert done.exit_code == 0, done.output
    assert f"dlogreg {dlogreg.__version__}" in done.stdout
    assert "500 rows x 3 columns" in done.stdout
    assert "All is well." in done.stdout


def test_json_and_missing_data(tmp_path):
    done = run("doctor", tmp_path / "no.zarr", "--json")
    assert done.exit_code == 2
    report = json.loads(done.stdout)
    assert report["verdict"] == "error"
    (wrong,) = (f for f in report["findings"] if f["verdict"] == "error")
    assert wrong["check"] == "data"
    assert "there is no file" in wrong["text"] or "no Zarr store" in wrong["text"]
    assert report["facts"]["client"]["versions"]["numpy"] == np.__version__


def test_parquet(tmp_path):
    pytest.importorskip("pyarrow")
    for i in range(2):
        pd.DataFrame({"a": [1.0, i], "b": ["x", "y"]}).to_parquet(
            tmp_path / f"{i}.parquet"
        )
    for path in (tmp_path, tmp_path / "*.parquet", tmp_path / "0.parquet"):
        done = run("doctor", path)
        assert done.exit_code == 0, done.output
        n_rows = 2 if path.name == "0.parquet" else 4
        assert f"{n_rows} rows x 2 columns" in done.stdout


@needs_openssl
@pytest.mark.cluster
def test_commands_through_tls(store, secured):
    address, ours = secured
    done = run("doctor", store, "--scheduler", address, *ours)
    # its workers have no memory limits, since they are threads of this process
    assert done.exit_code == 1, done.output
    assert "TLS" in done.stdout
    assert "on, client to scheduler and workers" in done.stdout
    assert "500 rows x 3 columns" in done.stdout
    assert done.stdout.count("--memory-limit") == 2
    model = store.parent / "m.json"
    here = run("fit", store, "--model", store.parent / "here.json", "--quiet")
    assert here.exit_code == 0, here.output
    there = run(
        "fit", store, "--model", model, "--scheduler", address, "--quiet", *ours
    )
    assert there.exit_code == 0, there.output
    np.testing.assert_array_equal(
        dlogreg.load(model).params, dlogreg.load(store.parent / "here.json").params
    )
    for command in (["plan", store], ["evaluate", model, store]):
        done = run(*command, "--scheduler", address, *ours)
        assert done.exit_code == 0, done.output


@needs_openssl
@pytest.mark.cluster
def test_certificates_by_configuration(store, secured, certificates, monkeypatch):
    address, _ = secured
    comm = "distributed.comm."
    config = {
        comm + "tls.ca-file": str(certificates / "ca.pem"),
        comm + "tls.client.cert": str(certificates / "client.pem"),
        comm + "tls.client.key": str(certificates / "client.key"),
    }
    monkeypatch.setenv("DLOGREG_SCHEDULER", address)
    with dask.config.set(config):
        done = run("plan", store)
    assert done.exit_code == 0, done.output
    assert "2 workers with 2 threads" in done.stdout
    done = run("plan", store)
    assert done.exit_code == 2
    assert "TLS needs --tls-ca" in done.stderr


@needs_openssl
@pytest.mark.cluster
@pytest.mark.usefixtures("secured")
def test_strangers_are_refused(store, secured, tmp_path, monkeypatch):
    monkeypatch.setattr("dlogreg.cli.connection.TIMEOUT", "2s")
    address, _ = secured
    subprocess.run([CERTIFICATES, tmp_path / "other"], check=True, capture_output=True)
    theirs = ["--tls-ca", tmp_path / "other" / "ca.pem"]
    theirs += ["--tls-cert", tmp_path / "other" / "client.pem"]
    theirs += ["--tls-key", tmp_path / "other" / "client.key"]
    done = run("plan", store, "--scheduler", address, *theirs)
    assert done.exit_code == 2
    assert "certificates" in done.stderr
    plain = address.replace("tls://", "tcp://")
    done = run("plan", store, "--scheduler", plain)
    assert done.exit_code == 2
    assert "no Dask scheduler answers" in done.stderr
    done = run("plan", store, "--scheduler", plain, *theirs)
    assert done.exit_code == 2
    assert "not encrypted" in done.stderr


def test_options_that_do_not_agree(store):
    done = run("doctor", store, "--workers", 2)
    assert done.exit_code == 2
    assert "--workers needs --scheduler" in done.stderr
    done = run("plan", store, "--tls-ca", __file__)
    assert done.exit_code == 2
    assert "need --scheduler" in done.stderr


@needs_openssl
def test_certificate_files(certificates):
    for path in certificates.iterdir():
        assert path.stat().st_mode & 0o077 == 0, path
    before = (certificates / "ca.pem").read_bytes()
    more = [CERTIFICATES, certificates, "worker-1", "127.0.0.1"]
    subprocess.run(more, check=True, capture_output=True)
    assert (certificates / "ca.pem").read_bytes() == before
    command = ["openssl", "verify", "-x509_strict", "-CAfile", certificates / "ca.pem"]
    names = ["client.pem", "127.0.0.1.pem", "worker-1.pem"]
    subprocess.run(
        [*command, *(certificates / name for name in names)],
        check=True,
        capture_output=True,
    )
    command = ["openssl", "x509", "-noout", "-ext", "subjectAltName", "-in"]
    shown = [
        subprocess.run(
            [*command, certificates / n], check=True, capture_output=True, text=True
        )
        for n in names
    ]
    assert "DNS:client" in shown[0].stdout
    assert "IP Address:127.0.0.1" in shown[1].stdout
    assert "DNS:worker-1" in shown[2].stdout
    bad = subprocess.run(
        [CERTIFICATES, certificates, "../x"], capture_output=True, text=True
    )
    assert bad.returncode == 1
    assert "../x is no host" in bad.stderr


@pytest.fixture(scope="module")
def healthy():
    """What a cluster of two workers that lacks nothing would say."""
    _, facts = examine()
    client = facts["client"]
    now = client["now"]
    times = {"asked": now - 0.1, "answered": now + 0.1, "now": now}
    worker = {
        **client,
        **times,
        "worker": {
            "threads": 1,
            "memory_limit": 2**28,
            "target": 0.6,
            "spill": 0.7,
            "pause": 0.8,
            "terminate": 0.95,
            "folder": "/tmp",
            "folder_free": 2**40,
            "listens": ["tls://192.0.2.2:9000"],
            "http": ["http://127.0.0.1:9001"],
        },
        "data": {
            "n_rows": 9,
            "n_columns": 2,
            "n_bytes": 144,
            "digest": "d",
            "seconds": 1.0,
        },
    }
    other = deepcopy(worker) | {"node": "other"}
    other["blas"].reverse()
    connection = {
        "address": "tls://192.0.2.1:8786",
        "encryption required": True,
        "scheduler's certificate ends": now + 1e8,
        "authority's certificate ends": now + 1e8,
        "key's permissions": 0o600,
    }
    scheduler = {
        **times,
        "node": "s",
        "versions": client["versions"],
        "listens": ["tls://192.0.2.1:8786"],
        "http": ["http://127.0.0.1:8787"],
    }
    client = {**client, "data": worker["data"]}
    workers = {"tls://192.0.2.2:9000": worker, "tls://192.0.2.3:9000": other}
    said = (client, scheduler, workers, connection, 2)
    # through JSON, so that they share no part
    return Answers(*map(json.loads, map(json.dumps, said)))


def test_a_healthy_cluster(healthy):
    findings = judge(healthy)
    assert {finding.verdict for finding in findings} == {0}
    checks = {finding.check for finding in findings}
    assert checks == {
        "versions",
        "workers",
        "BLAS",
        "memory",
        "clock",
        "data",
        "TLS",
        "dashboard",
    }


def worker(answers):
    return answers.workers["tls://192.0.2.2:9000"]


def change(*path):
    *most, last, value = path

    def apply(answers):
        place = worker(answers)
        for key in most:
            place = place[key]
        place[last] = value

    return apply


ILLS = {
    "other numpy": (change("versions", "numpy", "1.0"), 2, "versions", "numpy is 1.0"),
    "other code": (change("versions", "dlogreg code", "x"), 2, "versions", "code is x"),
    "other python": (change("versions", "python", "3.9.1"), 2, "versions", "python is"),
    "other tornado": (
        change("versions", "tornado", "1"),
        1,
        "versions",
        "tornado is 1",
    ),
    "loud BLAS": (
        lambda a: worker(a)["blas"][0].update(inside=4),
        1,
        "BLAS",
        "keeps 4 threads",
    ),
    "other kernels": (
        lambda a: worker(a)["blas"][0].update(kernels="Prescott"),
        1,
        "BLAS",
        "2 kinds of kernels",
    ),
    "other processor": (change("simd", "exp", "none"), 1, "BLAS", "2 kinds of"),
    "no BLAS": (change("blas", []), 1, "BLAS", "OMP_NUM_THREADS=1"),
    "no limit": (change("worker", "memory_limit", 0), 1, "memory", "--memory-limit"),
    "no nanny": (change("worker", "terminate", None), 1, "memory", "nanny"),
    "full disk": (change("worker", "folder_free", 5), 1, "memory", "--local-directory"),
    "overcommitted": (change("memory", 2**20), 1, "memory", "may take"),
    "oversubscribed": (change("worker", "threads", 999), 1, "workers", "999 threads"),
    "fast clock": (lambda a: worker(a).update(now=9e9), 1, "clock", "ahead"),
    "slow clock": (lambda a: worker(a).update(now=9e8), 1, "clock", "behind"),
    "other data": (change("data", "digest", "e"), 2, "data", "other values"),
    "no data": (change("data", {"error": "gone"}), 2, "data", "gone"),
    "open worker": (
        change("worker", "listens", ["tcp://192.0.2.2:1"]),
        2,
        "TLS",
        "open",
    ),
    "open page": (
        change("worker", "http", ["http://0.0.0.0:1"]),
        1,
        "dashboard",
        "0.0.0.0",
    ),
    "silent": (lambda a: a.workers.update(x={"error": "dead"}), 2, "workers", "dead"),
    "too few": (
        lambda a: a.workers.pop("tls://192.0.2.3:9000"),
        2,
        "workers",
        "1 of 2 did not come",
    ),
    "alone": (lambda a: a.workers.clear(), 2, "workers", "no workers"),
    "mute scheduler": (
        lambda a: (a.scheduler.clear(), a.scheduler.update(error="no")),
        2,
        "scheduler",
        "no",
    ),
    "open scheduler": (
        lambda a: a.scheduler.update(listens=["tcp://0.0.0.0:8786"]),
        2,
        "TLS",
        "0.0.0.0",
    ),
    "old authority": (
        lambda a: a.connection.update(
            {"authority's certificate ends": a.client["now"] + 90000}
        ),
        1,
        "TLS",
        "in 1 days",
    ),
    "readable key": (
        lambda a: a.connection.update({"key's permissions": 0o644}),
        1,
        "TLS",
        "chmod 600",
    ),
}


@pytest.mark.parametrize("name", ILLS)
def test_each_ill_is_found(healthy, name):
    make_ill, verdict, check, text = ILLS[name]
    answers = deepcopy(healthy)
    make_ill(answers)
    findings = judge(answers)
    wrong = [f for f in findings if f.verdict]
    assert max(f.verdict for f in wrong) == verdict
    assert any(f.check == check and text in f.text for f in wrong), findings
    assert {f.check for f in wrong} == {check}


@pytest.mark.cluster
def test_a_cluster_without_tls(process_cluster, store):
    done = run(
        "doctor",
        "--scheduler",
        process_cluster.scheduler_address,
        "--json",
        store,
        "--workers",
        2,
    )
    report = json.loads(done.stdout)
    texts = {f["check"]: f for f in report["findings"] if f["verdict"] == "ok"}
    assert texts["TLS"]["text"] == "off, on loopback alone"
    assert texts["data"]["where"] == "3 processes"
    assert texts["versions"]["where"] == "client and everywhere"
    facts = list(report["facts"]["workers"].values())
    assert [w["worker"]["memory_limit"] for w in facts] == [2**30, 2**30]
    assert [w["worker"]["terminate"] for w in facts] == [0.95, 0.95]


def test_open_addresses():
    assert is_open("http://[::]:80")
    assert is_open("tcp://worker-1:80")
    assert not is_open("tcp://[::1]:80")
    assert not is_open("tcp://localhost:80")
