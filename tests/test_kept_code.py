"""Compiled loops on disk: whatever happens to their files, they are compiled."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

numba = pytest.importorskip("numba")
compiling = pytest.importorskip("dlogreg.kernel.compiling")
kept_code = pytest.importorskip("dlogreg.kernel.kept_code")


@pytest.fixture
def folder(monkeypatch, tmp_path):
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    return tmp_path


@pytest.fixture
def unwarned(monkeypatch):
    monkeypatch.setattr(kept_code, "_warned", False)


def newly_loaded(factor=2):
    """Return a loop as a process finds it that has not compiled it."""
    if factor == 2:

        def times(x):
            return 2 * x

    else:

        def times(x):
            return 3 * x

    return compiling.compiled(times)


def compiles(loop):
    """Tell whether this call compiles it, rather than loads it."""
    before = sum(loop.stats.cache_misses.values())
    assert loop(2.5) == 5
    return sum(loop.stats.cache_misses.values()) > before


def file_of(folder):
    (path,) = folder.rglob("*.nbc")
    return path


def test_what_one_process_compiles_the_next_loads(folder):
    assert compiles(newly_loaded())
    assert not compiles(newly_loaded())
    assert sum(path.is_file() for path in folder.rglob("*")) == 1


def flipped(content):
    """Return it with a bit turned, in the middle of the machine's instructions."""
    place = content.index(b"ELF") + 500
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


DAMAGES = {
    "empty": lambda content: b"",
    "cut short": lambda content: content[:-100],
    "no digest": lambda content: content[:20],
    "zeros, as after a crash": lambda content: bytes(len(content)),
    "a bit turned": flipped,
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_file_is_made_again(folder, damage):
    compiles(newly_loaded())
    path = file_of(folder)
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    assert compiles(newly_loaded())
    assert not compiles(newly_loaded())


def test_the_file_of_another_loop_is_not_taken_for_its_own(folder):
    compiles(newly_loaded())
    two = file_of(folder)
    two.rename(folder / "two")
    assert newly_loaded(3)(2.5) == 7.5
    three = file_of(folder)
    shutil.move(three, two)  # a swap of names
    assert compiles(newly_loaded())


def test_a_file_that_no_version_of_numba_can_read_is_made_again(folder, monkeypatch):
    compiles(newly_loaded())
    path = file_of(folder)
    loop = newly_loaded()
    data = b"not a pickle"
    path.write_bytes(kept_code._digest(path, data) + data)
    assert compiles(loop)
    assert not compiles(newly_loaded())
    monkeypatch.setattr(numba, "__version__", "0.1")
    assert compiles(newly_loaded())


def test_a_folder_that_vanishes_is_made_again(folder):
    loop = newly_loaded()
    shutil.rmtree(folder)
    assert compiles(loop)
    assert not compiles(newly_loaded())


def test_code_that_cannot_be_written_is_used_all_the_same(folder, unwarned):
    loops = newly_loaded(), newly_loaded(3)
    shutil.rmtree(folder)
    folder.touch()  # a file where the folder was, which root cannot write in either
    message = r"cannot be kept on disk \(.*\), .* NUMBA_CACHE_DIR to a folder .* worker"
    with pytest.warns(RuntimeWarning, match=message):
        assert compiles(loops[0])
    assert loops[1](2.5) == 7.5  # without a second warning, which would be an error


def test_what_fails_while_it_is_written_leaves_nothing(folder, unwarned, monkeypatch):
    def full(path, data):
        path.touch()
        raise OSError(28, "No space left on device")

    loop = newly_loaded()
    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.warns(RuntimeWarning, match="No space left on device"):
        assert compiles(loop)
    assert not [path for path in folder.rglob("*") if path.is_file()]


def test_where_nothing_can_be_written_it_is_said_once(folder, unwarned, monkeypatch):
    for locator in numba.core.caching.CacheImpl._locator_classes:
        monkeypatch.setattr(locator, "from_function", lambda *_: None)
    with pytest.warns(RuntimeWarning, match="no locator available"):
        loop = newly_loaded()
    assert compiles(loop)
    assert not loop.stats.cache_path
    newly_loaded(3)


def test_two_that_compile_for_other_types_at_once_keep_both(folder, monkeypatch):
    """The second comes in when the first is about to put its first file in place."""
    one, other, replace = newly_loaded(), newly_loaded(), os.replace

    def between(*paths):
        monkeypatch.setattr(os, "replace", replace)
        other(np.float32(1.5))
        replace(*paths)

    monkeypatch.setattr(os, "replace", between)
    assert one(1.5) == 3
    again = newly_loaded()
    assert again(1.5) == again(np.float32(1.5)) == 3
    assert not again.stats.cache_misses


def test_code_is_of_all_sources_and_of_none_that_are_missing(monkeypatch, tmp_path):
    package = Path(compiling.__file__).parents[1]
    names = [f"kernel/{name}" for name in compiling.SOURCES]
    (tmp_path / "dlogreg/kernel").mkdir(parents=True)
    for name in names:
        shutil.copy(package / name, tmp_path / "dlogreg" / name)
    monkeypatch.setattr(
        compiling, "files", lambda name: tmp_path / name.replace(".", "/")
    )
    assert compiling._digest() == compiling.DIGEST
    for name in names:
        copy = tmp_path / "dlogreg" / name
        known = copy.read_bytes()
        copy.write_bytes(known + b" ")
        assert compiling._digest() != compiling.DIGEST
        copy.write_bytes(known)
    copy.unlink()
    assert not compiling._digest()


def test_loops_without_sources_are_compiled_and_not_kept(folder, monkeypatch):
    monkeypatch.setattr(compiling, "DIGEST", "")
    loop = newly_loaded()
    assert compiles(loop)
    assert not loop.stats.cache_path


def test_a_numba_of_other_names_keeps_its_own_files():
    own = SimpleNamespace(cache_path="here")
    dispatcher = SimpleNamespace(enable_caching=lambda: None, _cache=own)
    kept_code.keep(dispatcher)
    assert dispatcher._cache is own
    kept_code.keep(SimpleNamespace(enable_caching=lambda: None))


LOAD = """
import sys
import numpy as np
from dlogreg.kernel import sweeps

total = np.zeros((2, 2))
sweeps.add_symmetric(np.ones((2, 2)), total)
compiled = bool(sweeps.add_symmetric.stats.cache_misses)
print(compiled, "numba.np.random.generator_methods" in sys.modules)
sweeps.add_symmetric(np.ones((2, 2), np.float32), total)
assert total.tolist() == [[2, 2], [2, 2]]
"""


def test_code_is_loaded_without_what_compiles_it_which_may_follow(tmp_path):
    one, other = [print_of(started(LOAD, tmp_path)) for _ in range(2)]
    assert (one, other) == ("True True\n", "False False\n")


FIT = """
import dask, numpy as np
import dlogreg
from dlogreg import choice
from dlogreg.kernel import loops, sweeps

choice.COMPILED_FROM = 1
rng = np.random.default_rng(0)
X = rng.normal(size=(3000, 5))
y = X[:, 0] + rng.logistic(size=len(X)) > 0
found = dlogreg.fit(X, y)
with dask.config.set({"dlogreg.compiled": False}):
    known = dlogreg.fit(X, y)
np.testing.assert_allclose(found.params, known.params, rtol=1e-9)
stats = loops.evaluate.stats, sweeps.describe.stats
print([bool(counts.cache_hits) and not counts.cache_misses for counts in stats])
"""


def started(program, folder):
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", program],
        env={**os.environ, "NUMBA_CACHE_DIR": str(folder)},
        stdout=subprocess.PIPE,
        text=True,
    )


def print_of(process):
    printed = process.communicate()[0]
    assert process.returncode == 0
    return printed


def fits(folder, count):
    """Return what so many processes print that fit at once."""
    return list(map(print_of, [started(FIT, folder) for _ in range(count)]))


@pytest.mark.slow
def test_fits_that_compile_at_once_are_right_and_leave_it_all_to_a_third(tmp_path):
    fits(tmp_path, 2)
    assert fits(tmp_path, 1) == ["[True, True]\n"]
