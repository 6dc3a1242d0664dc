"""The SLURM recipe, under a SLURM of its own: a controller and two nodes."""

from __future__ import annotations

import subprocess

import numpy as np
import pytest

import dlogreg
from tests import slurm
from tests.hosts import Hosts, missing_commands, need, no_namespaces
from tests.recipes import Place, blocks

pytestmark = [
    pytest.mark.slow,
    pytest.mark.slurm,
    pytest.mark.netns,
    pytest.mark.cluster,
]


@pytest.fixture(scope="module")
def hosts():
    need("slurm", slurm.no_slurm())
    need("netns", no_namespaces() or missing_commands("openssl", "bash"))
    with Hosts(3) as made:
        yield made


@pytest.fixture(scope="module")
def place(tmp_path_factory, hosts):
    made = Place(tmp_path_factory.mktemp("job"))
    config = slurm.start(hosts, tmp_path_factory.mktemp("slurm"))
    made.environment["SLURM_CONF"] = str(config)
    return made


def logs(place):
    """Return what the jobs said, the last one last."""
    found = sorted(place.folder.glob("dlogreg-*.log"), key=lambda p: p.stat().st_mtime)
    return [path.read_text() for path in found]


def test_the_slurm_recipe(place, hosts):
    try:
        place.run(blocks()["slurm"], hosts.on("h0"))
    except AssertionError as error:
        pytest.fail(f"{error}\n{logs(place)}")
    said = " ".join(logs(place)[0].split())
    assert "2 with 2 threads on 2 hosts" in said
    assert "on, client to scheduler and workers" in said
    assert "All is well." in said
    assert "1.00 GiB each" in said
    assert "Logistic regression" in logs(place)[-1]
    assert not list(place.folder.glob(".dlogreg-job-*")), "certificates stay behind"
    model = dlogreg.load(place.model)
    here = fitted(place.store)
    np.testing.assert_array_equal(np.asarray(model.params), np.asarray(here.params))
    np.testing.assert_array_equal(np.asarray(model.bse), np.asarray(here.bse))


def fitted(store):
    import zarr

    group = zarr.open_group(store, mode="r")
    return dlogreg.fit(group["X"], group["y"], progress=False)


def test_a_job_that_fails_says_so(place, hosts):
    job = "sbatch --wait --ntasks=1 cluster/slurm/job.sh plan $STORE.missing || echo $?"
    assert place.run(job, hosts.on("h0")).split()[-1] == "2"
    assert "there is no Zarr store at" in logs(place)[-1]


WAITING = """
case "$*" in "-m dlogreg fit"*) set -- -c '
import time
print("begun", flush=True)
try:
    time.sleep(100)
except KeyboardInterrupt:
    raise SystemExit(print("the best point is saved") or 130)
';; esac
"""


def test_a_job_near_its_end_is_interrupted(place, hosts):
    """SLURM signals the job as it does a minute before the time limit."""
    python = place.bin / "waiting"
    place.command("waiting", f'{WAITING}exec {place.bin / "python"} "$@"')
    submit = f"PYTHON={python} sbatch --parsable --ntasks=1 cluster/slurm/job.sh fit x"
    number = place.run(submit, hosts.on("h0")).strip()
    log = place.folder / f"dlogreg-{number}.log"
    slurm.wait_until(lambda: log.exists() and "begun" in log.read_text(), 100)
    place.run(f"scancel --batch --signal=INT {number}", hosts.on("h0"))
    asked = hosts.on("h0", "squeue", "--noheader", "--job", number)
    known = {"env": place.environment, "capture_output": True, "text": True}
    slurm.wait_until(lambda: not subprocess.run(asked, **known).stdout.split())
    assert "the best point is saved" in log.read_text()
    assert not list(place.folder.glob(".dlogreg-job-*"))
