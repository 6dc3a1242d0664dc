"""Long vectors are numpy's, but for where they lie."""

import mmap
import os
import pickle
import sys
from pathlib import Path

import numpy as np
import pytest

from dlogreg import long_vectors


@pytest.mark.parametrize("shape", [7, (3, 2), long_vectors.LEAST_BYTES, (2**17, 3)])
@pytest.mark.parametrize("dtype", ["f8", "f4", "i4"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_zeros_are_numpy_s(shape, dtype, order):
    found, expected = (
        make(shape, dtype, order) for make in (long_vectors.zeros, np.zeros)
    )
    assert found.dtype == expected.dtype
    assert found.strides == expected.strides
    np.testing.assert_array_equal(found, expected)
    found += 1
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(found)), expected + 1)


class NoHugePages(mmap.mmap):
    def madvise(self, *advice):
        raise OSError(22, "Invalid argument")


def no_pages(*arguments):
    raise OSError(12, "Cannot allocate memory")


@pytest.mark.parametrize("pages", [NoHugePages, no_pages])
def test_systems_that_refuse_such_pages_have_others(pages, monkeypatch):
    monkeypatch.setattr(mmap, "mmap", pages)
    found = long_vectors.zeros((2**17, 3))
    assert found.shape == (2**17, 3)
    assert not found.any()
    found += 1
    assert found.sum() == found.size


def resident():
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_their_memory_goes_when_the_last_view_does():
    size = 2**26
    vectors = long_vectors.zeros((size // 16, 2), order="F")
    before = resident()
    vectors.fill(1.0)
    view = vectors[1:, 1]
    del vectors
    held = resident()
    assert held - before > 0.9 * size
    assert view[-1] == 1
    del view
    assert held - resident() > 0.9 * size
