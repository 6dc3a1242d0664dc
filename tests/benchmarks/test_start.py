"""How long it takes to begin: pytest tests/benchmarks --benchmark-enable.

Medians of whole processes, and that of a bare interpreter to subtract.
"""

import subprocess
import sys

import pytest

STARTS = {
    "bare": ["-c", "pass"],
    "import": ["-c", "import dlogreg"],
    "fit": ["-c", "from dlogreg import fit"],
    "help": ["-m", "dlogreg", "--help"],
}


@pytest.mark.parametrize("what", STARTS)
def test_start(benchmark, what):
    command = [sys.executable, *STARTS[what]]
    done = benchmark(subprocess.run, command, capture_output=True, check=True)
    assert (b"Usage" in done.stdout) == (what == "help")
