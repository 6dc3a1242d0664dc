"""Workers told to give memory back at once keep it for as long as tasks compute."""

from __future__ import annotations

import os
import platform
import resource
import signal
import threading

import numpy as np
import pytest

from dlogreg import allocator
from dlogreg.allocator import KEPT_BYTES, LONG, MAPPED_BYTES, Thresholds, kept_memory
from dlogreg.partition import Partition
from dlogreg.reduction import sum_partition
from tests.benchmarks.nothing import CountKernel, NothingBlocks

glibc = pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="another C library"
)
TOLD = Thresholds(65536, MAPPED_BYTES)
"""What Dask's nannies tell."""
KEPT = Thresholds(KEPT_BYTES, KEPT_BYTES)


@pytest.fixture
def settings(monkeypatch):
    """What was set, in a process that was told what nannies tell."""
    found = []
    monkeypatch.setattr(allocator, "thresholds_told", lambda: TOLD)
    monkeypatch.setattr(allocator, "set_thresholds", found.append)
    return found


def slabs():
    """Return how many fresh pages a hundred slabs of a megabyte took."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(100):
        z = np.ones(100_000)
        vectors = [np.ones(5_000) for _ in range(8)]
        del z, vectors
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def slabs_on_worker():
    told, outside = allocator.thresholds_told(), slabs()
    with kept_memory:
        slabs()
        inside = slabs()
    return told, outside, inside, slabs()


@glibc
def test_workers_keep_freed_memory_for_the_next_slab_while_tasks_compute(client):
    found = client.submit(slabs_on_worker, pure=False).result()
    told, outside, inside, after = found
    pages = 100 * 1_120_000 // resource.getpagesize()
    assert told == TOLD
    assert outside > pages // 2  # if not, glibc keeps it by itself
    assert inside < pages // 100
    assert after > pages // 2


def test_tasks_that_overlap_share_one_change(settings):
    entered, leave = threading.Event(), threading.Event()

    def outlast():
        with kept_memory:
            entered.set()
            leave.wait(10)

    with kept_memory:
        assert settings == [KEPT]
        with kept_memory:
            pass
        assert settings == [KEPT]
        other = threading.Thread(target=outlast)
        other.start()
        assert entered.wait(10)
    assert settings == [KEPT]  # the other thread computes
    leave.set()
    other.join()
    assert settings == [KEPT, TOLD]
    settings.clear()
    with pytest.raises(ZeroDivisionError), kept_memory:
        raise ZeroDivisionError
    assert settings == [KEPT, TOLD]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded")
def test_a_process_forked_while_another_thread_changes_them_does_not_wait(settings):
    with kept_memory._lock:  # as that thread holds it for the moment
        child = os.fork()
        if child == 0:
            signal.alarm(10)
            with kept_memory:
                os._exit(0)
    assert os.waitpid(child, 0)[1] == 0


@pytest.mark.parametrize(("columns", "changes"), [(LONG - 1, 2), (LONG, 0)])
def test_long_vectors_go_back_at_once(settings, columns, changes):
    part = Partition(NothingBlocks(0), (), (0,), columns)
    with pytest.raises(IndexError):  # there is nothing to sum
        sum_partition(CountKernel(), part, part.inputs)
    assert len(settings) == changes


@glibc
@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ("MALLOC_TRIM_THRESHOLD_=65536", TOLD),
        ("MALLOC_TRIM_THRESHOLD_=0", Thresholds(0, MAPPED_BYTES)),
        (
            "HOME=/\0MALLOC_MMAP_THRESHOLD_=4096\0MALLOC_TRIM_THRESHOLD_=8192\0",
            Thresholds(8192, 4096),
        ),
        ("", None),
        ("MALLOC_MMAP_THRESHOLD_=4096", None),
        ("MALLOC_TRIM_THRESHOLD_=many", None),
        ("MALLOC_TRIM_THRESHOLD_=-1", None),  # for glibc the largest number
        (f"MALLOC_TRIM_THRESHOLD_={KEPT_BYTES}", None),
        # what mallopt could not be told again
        (f"MALLOC_TRIM_THRESHOLD_=0\0MALLOC_MMAP_THRESHOLD_={2**32}", None),
        ("MALLOC_TRIM_THRESHOLD_=0\0MALLOC_MMAP_THRESHOLD_=-1", None),
    ],
)
def test_what_a_process_was_told_when_it_began(
    monkeypatch, tmp_path, environment, expected
):
    file = tmp_path / "environ"
    file.write_text(environment)
    monkeypatch.setattr(allocator, "ENVIRONMENT", file)
    assert allocator.thresholds_told.__wrapped__() == expected


def test_other_systems_are_left_alone(monkeypatch, tmp_path):
    monkeypatch.setattr(allocator, "ENVIRONMENT", tmp_path / "environ")
    assert allocator.thresholds_told.__wrapped__() is None
    monkeypatch.setattr(allocator, "_function", lambda name: None)
    assert allocator.thresholds_told.__wrapped__() is None
    monkeypatch.setattr(allocator, "thresholds_told", lambda: None)
    with kept_memory:
        pass
    allocator.give_memory_back()
