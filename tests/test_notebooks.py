"""The notebooks of examples/ run top to bottom, each in a folder of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat", reason="comes with dlogreg[examples]")

EXAMPLES = Path(__file__).parents[1] / "examples"
NOTEBOOKS = sorted(EXAMPLES.glob("*.ipynb"))


def test_the_notebooks_are_found():
    assert [path.stem[0] for path in NOTEBOOKS] == ["1", "2", "3", "4", "5", "6"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_are_kept_without_outputs(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert not cell.outputs, "clear the outputs before the notebook is kept"
            assert cell.execution_count is None


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_run_top_to_bottom(path, tmp_path):
    if path.stem.startswith("2") and sys.platform != "linux":
        pytest.skip("only Linux limits the private memory of a process")
    copy = Path(shutil.copy(path, tmp_path))
    run = "from nbclient.cli import main; main()"
    # the kernel that is named python3 is the interpreter that runs nbclient
    done = subprocess.run(
        [sys.executable, "-c", run, "--inplace", "--timeout=300", str(copy)],
        env={**os.environ, "MPLBACKEND": "module://matplotlib_inline.backend_inline"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    executed = nbformat.read(copy, as_version=4)
    outputs = [o for cell in executed.cells for o in cell.get("outputs", ())]
    said = "".join(o.text for o in outputs if o.get("name") == "stderr").splitlines()
    assert all("Restarting worker" in line for line in said), said  # the one killed
    assert any(output.output_type != "stream" for output in outputs)
    assert not list(tmp_path.glob("big.zarr"))
