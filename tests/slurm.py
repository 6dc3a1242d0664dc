"""SLURM and munge on hosts of a test: a controller on h0, nodes on the others."""

from __future__ import annotations

import os
import subprocess
import time

from tests.hosts import Hosts, missing_commands

COMMANDS = ("slurmctld", "slurmd", "sbatch", "sinfo", "munged")
CONFIG = """
ClusterName=dlogreg
SlurmctldHost=h0
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CryptoType=crypto/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
MpiDefault=none
SwitchType=switch/none
SlurmctldTimeout=30
SlurmdTimeout=30
KillWait=5
ReturnToService=2
{nodes}
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP OverSubscribe=NO
"""


def no_slurm():
    """Say why SLURM cannot be started here; empty if it can."""
    return missing_commands(*COMMANDS)


def start(hosts: Hosts, folder):
    """Start a controller and a node on every other host; return the configuration."""
    folder.chmod(0o755)
    for name in ("state", *(f"spool-{node}" for node in hosts.names[1:])):
        (folder / name).mkdir()
    (folder / "munge.key").write_bytes(os.urandom(128))
    (folder / "munge.key").chmod(0o600)
    nodes = "\n".join(
        f"NodeName={node} NodeAddr={hosts.addresses[node]} CPUs=1 RealMemory=2048 "
        "State=UNKNOWN"
        for node in hosts.names[1:]
    )
    config = folder / "slurm.conf"
    config.write_text(CONFIG.format(folder=folder, nodes=nodes))
    (folder / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\n")
    named = {
        "--key-file": "munge.key",
        "--socket": "munge.socket",
        "--pid-file": "munge.pid",
        "--log-file": "munge.log",
        "--seed-file": "munge.seed",
    }
    options = [f"{option}={folder / name}" for option, name in named.items()]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    hosts.start("h0", "munged", "--foreground", "--force", *options, **quiet)
    environment = os.environ | {"SLURM_CONF": str(config)}
    quiet["env"] = environment
    wait_until(lambda: (folder / "munge.socket").exists())
    hosts.start("h0", "slurmctld", "-D", "-f", config, **quiet)
    for node in hosts.names[1:]:
        hosts.start(node, "slurmd", "-D", "-N", node, "-f", config, **quiet)
    wait_until(lambda: idle(hosts, environment) == len(hosts.names) - 1)
    return config


def idle(hosts, environment):
    """Return how many nodes wait for jobs."""
    asked = hosts.on("h0", "sinfo", "--noheader", "--Node", "--format=%T")
    found = subprocess.run(asked, env=environment, capture_output=True, text=True)
    return found.stdout.split().count("idle")


def wait_until(is_so, seconds=60):
    """Wait until something is so, or fail."""
    until = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < until, "SLURM did not start"
        time.sleep(0.2)
