"""The ssh recipe on hosts of its own, strangers, and a network that is cut."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest

import dlogreg
from tests.hosts import Hosts, missing_commands, need, no_namespaces
from tests.recipes import REPOSITORY, Place, blocks, make_store

pytestmark = [pytest.mark.slow, pytest.mark.netns, pytest.mark.cluster]
SSHD = """
Port 22
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/key.pub
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
SetEnv HOME={home}
"""
SSH = """
Host *
    User root
    IdentityFile {folder}/key
    StrictHostKeyChecking no
    UserKnownHostsFile /dev/null
    BatchMode yes
    LogLevel ERROR
"""


@pytest.fixture
def hosts():
    """Four hosts: h0 is the client's, the others are the cluster."""
    need("netns", no_namespaces() or missing_commands("openssl", "bash"))
    with Hosts(4) as made:
        yield made


@pytest.fixture
def place(tmp_path, hosts):
    made = Place(tmp_path)
    made.environment["RSH"] = str(enter(made, hosts))
    return made


def enter(place, hosts):
    """Return a command that runs another on a host, as ssh does: enter HOST COMMAND."""
    rename = """unshare --uts sh -c 'hostname "$0"; exec sh -c "$1"' "$name" "$*\""""
    line = f"exec ip netns exec {hosts.prefix}$name {rename}"
    place.command("enter", f"name=$1; shift; {line}")
    return place.bin / "enter"


def same_as_here(place):
    model = dlogreg.load(place.model)
    here = fitted(place.store)
    np.testing.assert_array_equal(np.asarray(model.params), here[0])
    np.testing.assert_array_equal(np.asarray(model.bse), here[1])


def fitted(store):
    import zarr

    group = zarr.open_group(store, mode="r")
    res = dlogreg.fit(group["X"], group["y"], progress=False)
    return np.asarray(res.params), np.asarray(res.bse)


def run_ssh_recipe(place, hosts):
    (place.folder / "hosts.txt").write_text("h1\nh2\nh3\n")
    return " ".join(place.run(blocks()["ssh"], hosts.on("h0")).split())


def check_ssh_recipe(place, hosts):
    shown = run_ssh_recipe(place, hosts)
    assert "2 with 2 threads on 2 hosts" in shown
    assert "on, client to scheduler and workers" in shown
    assert "All is well." in shown
    assert "1.00 GiB each" in shown
    same_as_here(place)
    for name in ("h1", "h2", "h3"):
        assert not (place.folder / ".dlogreg" / name).exists(), "keys stay behind"
        assert_ended(hosts.namespace(name))


def assert_ended(space):
    """Wait until no process of dask is left in a namespace."""
    until = time.monotonic() + 20
    while True:
        command = ["ip", "netns", "pids", space]
        found = subprocess.run(command, capture_output=True, text=True, check=True)
        lines = map(command_line, found.stdout.split())
        left = [line for line in lines if "dask" in line]
        if not left:
            return
        assert time.monotonic() < until, left
        time.sleep(0.2)


def command_line(number):
    try:
        with open(f"/proc/{number}/cmdline") as file:
            return file.read()
    except OSError:
        return ""


def test_the_ssh_recipe_by_another_way_in(place, hosts):
    check_ssh_recipe(place, hosts)


def test_the_ssh_recipe(place, hosts):
    need("ssh", missing_commands("ssh", "sshd", "ssh-keygen"))
    folder = place.folder / "ssh"
    folder.mkdir(mode=0o700)
    for name in ("key", "host_key"):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name]
        subprocess.run(command, check=True)
    (folder / "sshd").write_text(SSHD.format(folder=folder, home=place.folder))
    (folder / "ssh").write_text(SSH.format(folder=folder))
    os.makedirs("/run/sshd", exist_ok=True)
    for name in ("h1", "h2", "h3"):
        hosts.start(name, shutil.which("sshd"), "-D", "-f", folder / "sshd")
    place.environment["RSH"] = f"ssh -F {folder / 'ssh'}"
    answers = f"until ssh -F {folder / 'ssh'} h3 true; do sleep 0.2; done"
    hosts.run("h0", "timeout", "20", "sh", "-c", answers)
    check_ssh_recipe(place, hosts)


def test_nothing_listens_without_tls(place, hosts):
    """While the recipe's cluster runs, strangers get nowhere, at no port."""
    (place.folder / "hosts.txt").write_text("h1\nh2\nh3\n")
    start = blocks()["ssh"].partition("dlogreg doctor")[0]
    place.run(start + "dlogreg doctor --workers 2 $STORE", hosts.on("h0"))
    stranger = ("timeout", "15", "openssl", "s_client", "-ign_eof", "-connect")
    for name in ("h1", "h2"):
        for port in listening(hosts, name):
            tried = subprocess.run(
                hosts.on("h0", *stranger, f"{name}:{port}"),
                input="",
                capture_output=True,
                text=True,
                timeout=20,
            )
            assert "certificate required" in tried.stderr, (name, port)
    place.environment["DLOGREG_SCHEDULER"] = "tcp://h1:8786"
    refused = subprocess.run(
        hosts.on("h0", "dlogreg", "plan", str(place.store)),
        env=place.environment,
        cwd=place.folder,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert refused.returncode == 2, refused.stderr
    place.run("cluster/ssh/down hosts.txt", hosts.on("h0"))


def listening(hosts, name):
    """Return the ports that are open to other hosts."""
    found = hosts.run(name, "ss", "-Htln")
    local = [line.split()[3] for line in found.splitlines()]
    reached = [a for a in local if not a.startswith(("127.", "[::1]"))]
    assert reached, "the scheduler or worker listens"
    return [address.rpartition(":")[2] for address in reached]


DRIVER = """
import sys, time
from pathlib import Path
import numpy as np, zarr
import dlogreg
from dlogreg.cli.connection import Scheduler, cluster
from dlogreg.passes import Silent

folder = Path(sys.argv[1])

class Halting(Silent):
    def pass_started(self, number, kind, n_tasks):
        if number == 2:
            (folder / "begun").touch()
            while not (folder / "go").exists():
                time.sleep(0.05)

group = zarr.open_group(folder / "data" / "trips.zarr", mode="r")
none = dict.fromkeys(("tls_ca_file", "tls_client_cert", "tls_client_key"))
with cluster(Scheduler("tls://h1:8786", none)):
    res = dlogreg.fit(group["X"], group["y"], progress=Halting())
np.save(folder / "found.npy", [res.params, res.bse])
"""


@pytest.mark.parametrize("lost", ["h2", "h0"])
def test_a_network_that_is_cut(place, hosts, lost):
    """A worker, or the client, is unplugged for 20 seconds in the second pass."""
    make_big(place)
    (place.folder / "hosts.txt").write_text("h1\nh2\nh3\n")
    start = blocks()["ssh"].partition("dlogreg doctor")[0]
    place.run(start + "dlogreg doctor --workers 2", hosts.on("h0"))
    environment = place.environment | {
        "DASK_CONFIG": str(place.folder / "certificates" / "dask.yaml"),
        "PYTHONPATH": str(REPOSITORY),
    }
    fit = hosts.start(
        "h0",
        *(sys.executable, "-c", DRIVER, place.folder),
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for(place.folder / "begun", fit)
    hosts.cut(lost)
    (place.folder / "go").touch()
    time.sleep(20)
    hosts.mend(lost)
    _, said = fit.communicate(timeout=200)
    assert fit.returncode == 0, said
    np.testing.assert_array_equal(
        np.load(place.folder / "found.npy"), fitted(place.store)
    )
    place.run("cluster/ssh/down hosts.txt", hosts.on("h0"))


def make_big(place):
    shutil.rmtree(place.store)
    make_store(place.store, 100_000)


def wait_for(path, process, seconds=90):
    until = time.monotonic() + seconds
    while not path.exists():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < until
        time.sleep(0.05)
