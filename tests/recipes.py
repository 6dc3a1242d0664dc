"""The command blocks of ``cluster/README.md``, and a place where they can run."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import zarr

REPOSITORY = Path(__file__).parents[1]
CLUSTER = REPOSITORY / "cluster"
BLOCK = re.compile(r"<!-- (run|check): (\w+) -->\n```sh\n(.*?)```", re.DOTALL)


def blocks():
    """Return the commands by the name of their recipe."""
    text = (CLUSTER / "README.md").read_text()
    return {name: commands for _, name, commands in BLOCK.findall(text)}


def python_command():
    """Return a command for this Python, in which this dlogreg is imported."""
    return f"env PYTHONPATH={REPOSITORY} {sys.executable}"


def make_store(path, n_rows=4000):
    """Write a store of a few chunks."""
    rng = np.random.default_rng(5)
    X = rng.normal(size=(n_rows, 4))
    y = (rng.random(n_rows) < 1 / (1 + np.exp(1 - X @ [1, -1, 0.5, 0]))).astype("i1")
    group = zarr.create_group(path)
    group.create_array("X", data=X, chunks=(500, 4))
    group.create_array("y", data=y, chunks=(1000,))
    group.attrs["feature_names"] = ["a", "b", "c", "d"]
    return path


class Place:
    """A copy of the recipes in a folder, with the commands that they call."""

    def __init__(self, folder):
        self.folder = folder
        ignored = shutil.ignore_patterns("constraints.txt", "__pycache__")
        shutil.copytree(CLUSTER, folder / "cluster", ignore=ignored)
        self.bin = folder / "bin"
        self.bin.mkdir()
        for name in ("python", "python3"):
            self.command(name, f'exec {python_command()} "$@"')
        self.command("dlogreg", f'exec {python_command()} -m dlogreg "$@"')
        self.store, self.model = folder / "data" / "trips.zarr", folder / "model.json"
        make_store(self.store)
        self.environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith("DASK_")},
            "PATH": f"{self.bin}:{os.environ['PATH']}",
            "HOME": str(folder),
            "PYTHON": shlex.quote(str(self.bin / "python")),
            "STORE": str(self.store),
            "MODEL": str(self.model),
            "TMPDIR": "/tmp",
        }

    def command(self, name, script):
        """Add a command to the place."""
        path = self.bin / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def run(self, commands, prefix=(), timeout=280):
        """Run a block as it stands; return what it printed."""
        done = subprocess.run(
            [*prefix, "bash", "-euo", "pipefail", "-c", commands],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return done.stdout
