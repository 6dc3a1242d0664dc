"""Damaged and hostile files: whatever they hold, a clear error, and no code is run.

Mutants are drawn from a seed. ``DLOGREG_FUZZ_SECONDS=600 pytest -m slow
tests/test_fuzz.py`` looks for longer than the 30 seconds of the slow tests, and
``DLOGREG_FUZZ_SEED`` elsewhere.
"""

from __future__ import annotations

import copy
import json
import os
import pickle
import random
import shutil
import time
import traceback
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import zarr
from click.testing import CliRunner

import dlogreg
from dlogreg.cli import EXPECTED, main
from dlogreg.errors import DataError
from dlogreg.source.group import open_data
from dlogreg.storage.schema import CHECKSUM, checksum

SECONDS = float(os.environ.get("DLOGREG_FUZZ_SECONDS", "30")) / 4
SEED = int(os.environ.get("DLOGREG_FUZZ_SEED", "1"))
CODE = "__import__('os').system('touch pwned')"
JUNK = [
    *(None, True, -1, 0, 1, 3, 10**9, 2**63, 10**400, 0.5, 1e308, "", "a", "nan"),
    *("inf", "../../etc/passwd", "\x00", "\ud800", "é" * 50, [], {}, [[]], {"a": 1}),
    *([0] * 1000, [None], "1" * 5000, CODE, -0.0),
    *(
        "<f8",
        ">i4",
        "|O",
        "float64",
        "int64",
        "bytes",
        "zstd",
        "pickle",
        [7, 2],
        [0, 0],
    ),
    *([10**12, 3], [-1, 2], [1, 1], "0.5", "y ~ a", "1:2", "C(a)", {"name": "bytes"}),
]


def mutated_bytes(rng, content):
    """Return content with some bytes changed, left out, doubled or cut off."""
    content = bytearray(content)
    for _ in range(rng.choice([1, 1, 2, 5])):
        at = rng.randrange(len(content) + 1)
        length = rng.choice([1, 1, 3, 20])
        match rng.randrange(5):
            case 0:
                content[at : at + 1] = bytes([rng.randrange(256)])
            case 1:
                del content[at : at + length]
            case 2:
                content[at:at] = content[at : at + length]
            case 3:
                del content[at:]
            case 4:
                content[at:at] = rng.choice([b'"', b",", b"\n", b"\xff\xfe", b"9" * 30])
    return bytes(content)


def mutated_tree(rng, tree):
    """Return a tree of JSON with some entries replaced, removed or moved."""
    tree = copy.deepcopy(tree)
    for _ in range(rng.choice([1, 1, 1, 2, 4])):
        places = list(walk(tree))
        if not places:
            return tree
        parent, key = rng.choice(places)
        match rng.randrange(6):
            case 0 | 1 | 2:
                parent[key] = copy.deepcopy(rng.choice(JUNK))
            case 3:
                del parent[key]
            case 4:
                other, there = rng.choice(places)
                parent[key] = copy.deepcopy(other[there])
            case 5 if isinstance(parent, list):
                parent.insert(key, copy.deepcopy(parent[key]))
            case _:
                parent[key] = nudged(rng, parent[key])
    return tree


def nudged(rng, value):
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or abs(value) > 1e300:
        return [value]
    return rng.choice([-value, value + 1, value * 1e300, str(value), float(value)])


def walk(tree):
    for key in list(tree) if isinstance(tree, dict) else range(len(tree)):
        yield tree, key
        if isinstance(tree[key], dict | list):
            yield from walk(tree[key])


def rounds(name):
    """Yield generators of random numbers until the time is up; 40 at least."""
    until, number = time.monotonic() + SECONDS, 0
    while number < 40 or time.monotonic() < until:
        yield random.Random(f"{SEED}-{name}-{number}")
        number += 1


def run(*arguments):
    """Run a command; a traceback fails the test and shows itself."""
    began = time.monotonic()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        done = CliRunner().invoke(main, list(map(str, arguments)))
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        traceback.print_exception(done.exception)
        pytest.fail(f"{arguments}: {done.exception!r}")
    assert done.exit_code in (0, 1, 2), done.output
    if done.exit_code == 2:
        assert "error" in done.stderr.lower(), done.output
    assert time.monotonic() - began < 30
    return done


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Saved models of every kind."""
    folder = tmp_path_factory.mktemp("models")
    rng = np.random.default_rng(4)
    frame = pd.DataFrame(rng.normal(size=(200, 2)), columns=["a", "b"])
    frame["kind"] = pd.Categorical(rng.choice(["x", "y", "z"], 200))
    y = (frame["a"] + rng.logistic(size=200) > 0).astype(int)
    three = y + (frame["b"] > 0.5)
    groups = np.arange(200) % 17
    X = frame[["a", "b"]]
    quiet = {"progress": False}
    fits = {
        "plain": lambda: dlogreg.fit(X, y, **quiet),
        "labels": lambda: dlogreg.fit(X, np.where(y, "yes", "no"), alpha=0.1, **quiet),
        "groups": lambda: dlogreg.fit(X, y, groups=groups, offset=X["b"] / 9, **quiet),
        "firth": lambda: dlogreg.fit(X, y, firth=True, **quiet),
        "three": lambda: dlogreg.fit(X, three, **quiet),
        "separated": lambda: dlogreg.fit(X, X["a"] > 0, **quiet),
    }
    if "formulaic" in PACKAGES:
        text = "y ~ kind + bs(a, knots=[0]) + log(b**2 + 1) + a:b"
        fits["formula"] = lambda: dlogreg.fit_formula(text, frame.assign(y=y), **quiet)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, fit in fits.items():
            fit().save(folder / f"{name}.json")
    return sorted(folder.glob("*.json"))


def installed(name):
    try:
        __import__(name)
    except ImportError:
        return False
    return True


PACKAGES = {name for name in ("formulaic", "pyarrow") if installed(name)}


@pytest.mark.slow
def test_models(models, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "m.json"
    for rng in rounds("models"):
        whole = rng.choice(models).read_bytes()
        content = mutated_bytes(rng, whole)
        if rng.random() < 0.8:
            tree = mutated_tree(rng, json.loads(whole))
            if rng.random() < 0.9:
                tree[CHECKSUM] = checksum(tree)
            content = json.dumps(tree).encode()
        path.write_bytes(content)
        run("summary", path)
        use(path)
    assert not Path("pwned").exists()


def use(path):
    """Load a model and predict with it; only errors of ours are right."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            model = dlogreg.load(path)
            n_columns = len(model.feature_names)
            X = np.zeros((3, n_columns))
            offset = np.zeros(3) if model.has_offset else None
            if model.recipe is not None:
                X = pd.DataFrame({"a": [0.0], "b": [1.0], "kind": ["x"]})
            given = {} if offset is None else {"offset": offset}
            np.asarray(model.predict(X, **given))
            model.save(path, overwrite=True)
        except (*EXPECTED, ValueError, TypeError, KeyError) as error:
            if not ours(error):
                raise


def ours(error):
    place = error.__traceback__
    while place.tb_next is not None:
        place = place.tb_next
    name = place.tb_frame.f_globals.get("__name__", "")
    return name.startswith("dlogreg") or isinstance(error, OSError)


@pytest.mark.slow
def test_tables(tmp_path):
    frame = pd.DataFrame({"a": [0.5, 1.5, 2.0, -1.0], "b": range(4), "y": list("uvuv")})
    frame.to_csv(tmp_path / "t.csv", index=False)
    tables = [tmp_path / "t.csv"]
    if "pyarrow" in PACKAGES:
        frame.to_parquet(tmp_path / "t.parquet")
        tables.append(tmp_path / "t.parquet")
    for number, rng in enumerate(rounds("tables")):
        table = rng.choice(tables)
        folder = tmp_path / str(number)
        folder.mkdir()
        path = folder / table.name
        path.write_bytes(mutated_bytes(rng, table.read_bytes()))
        run("convert", path, folder / "s.zarr", "--target", "y", "--quiet")
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    """Stores of both formats, one of compressed rows."""
    folder = tmp_path_factory.mktemp("stores")
    rng = np.random.default_rng(2)
    X = np.round(rng.normal(size=(60, 2)), 2)
    y = (X[:, 0] > rng.normal(size=60)).astype("i1")
    for version in (2, 3):
        group = zarr.create_group(folder / f"{version}.zarr", zarr_format=version)
        group.create_array("X", data=X, chunks=(20, 2))
        labels = group.create_array("y", data=y, chunks=(30,))
        labels.attrs["labels"] = ["no", "yes"]
        group.create_array("sample_weight", data=np.ones(60), chunks=(60,))
        group.attrs.update(feature_names=["a", "b"], classes=["no", "yes"])
    group = zarr.create_group(folder / "rows.zarr")
    inside = group.create_group("X", attributes={"shape": [60, 2]})
    inside.attrs["encoding-type"] = "csr_matrix"
    inside.create_array("indptr", data=np.arange(0, 122, 2))
    inside.create_array("indices", data=np.tile([0, 1], 60))
    inside.create_array("data", data=X.ravel())
    group.create_array("y", data=y)
    return sorted(folder.glob("*.zarr"))


@pytest.mark.slow
@pytest.mark.parametrize("part", ["metadata", "chunks"])
def test_stores(stores, tmp_path, part, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = (".zattrs", ".zarray", ".zgroup", "zarr.json", ".zmetadata")
    for rng in rounds(f"stores-{part}"):
        shutil.rmtree(tmp_path / "s.zarr", ignore_errors=True)
        shutil.copytree(rng.choice(stores), tmp_path / "s.zarr")
        files = [p for p in sorted((tmp_path / "s.zarr").rglob("*")) if p.is_file()]
        wanted = [p for p in files if (p.name in names) is (part == "metadata")]
        path = rng.choice(wanted)
        content = mutated_bytes(rng, path.read_bytes())
        if part == "metadata" and rng.random() < 0.8:
            content = json.dumps(
                mutated_tree(rng, json.loads(path.read_text()))
            ).encode()
        path.write_bytes(content)
        fit = ("fit", "s.zarr", "--model", "m.json", "--overwrite", "--quiet")
        run(*fit, "--memory", "2 GB", "--max-passes", "12")
    assert not (tmp_path / "pwned").exists()


HUGE = 10**25


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [
        ("3.zarr/X", "shape", [HUGE, 2]),
        ("3.zarr/y", "shape", [HUGE]),
        ("3.zarr/y", "shape", [-60]),
        ("3.zarr/X", "chunk_grid", [0, 2]),
        ("3.zarr/X", "chunk_grid", [HUGE, 2]),
        ("2.zarr/X", "chunks", [0, 2]),
        ("2.zarr/y", "shape", [HUGE]),
        ("rows.zarr/X/indptr", "shape", [HUGE]),
        ("rows.zarr/X/data", "chunk_grid", [0]),
    ],
)
def test_lengths_that_no_array_has(stores, tmp_path, monkeypatch, name, key, value):
    monkeypatch.chdir(tmp_path)
    store, _, array = name.partition("/")
    (source,) = [path for path in stores if path.name == store]
    shutil.copytree(source, tmp_path / "s.zarr")
    file = ".zarray" if store.startswith("2") else "zarr.json"
    path = tmp_path / "s.zarr" / array / file
    entries = json.loads(path.read_text())
    if key == "chunk_grid":
        value = {"name": "regular", "configuration": {"chunk_shape": value}}
    path.write_text(json.dumps({**entries, key: value}))
    done = run("fit", "s.zarr", "--model", "m.json", "--quiet")
    assert done.exit_code == 2
    assert f"metadata of {array.rpartition('/')[2]} in" in " ".join(done.stderr.split())


class Evil:
    """What makes a file when it is unpickled."""

    def __reduce__(self):
        return Path.touch, (Path("pwned"),)


@pytest.mark.parametrize("codec", ["filters", "compressor"])
def test_nothing_is_unpickled(tmp_path, monkeypatch, codec):
    """Zarr 2 knows a codec that unpickles; older numcodecs do so unasked."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        "numcodecs.pickles.ALLOW_UNSAFE_PICKLE_DECODE", True, raising=False
    )
    group = zarr.create_group(tmp_path / "s.zarr", zarr_format=2)
    group.create_array("X", data=np.ones((4, 1)))
    group.create_array("y", data=np.array(["a", "b", "a", "b"], dtype="T"), chunks=(4,))
    path = tmp_path / "s.zarr" / "y" / ".zarray"
    entries = json.loads(path.read_text())
    evil = {"id": "pickle", "protocol": 5}
    entries["compressor"] = evil if codec == "compressor" else None
    entries["filters"] = [{"id": "vlen-utf8"}, *[evil] * (codec == "filters")]
    path.write_text(json.dumps(entries))
    (tmp_path / "s.zarr" / "y" / "0").write_bytes(pickle.dumps(Evil()))
    done = run("fit", "s.zarr", "--model", "m.json", "--quiet")
    assert done.exit_code == 2
    assert "'pickle', by which a file can run any code" in " ".join(done.stderr.split())
    stored = zarr.open_group(tmp_path / "s.zarr", mode="r")
    with pytest.raises(DataError, match="pickle"):
        dlogreg.fit(stored["X"], stored["y"])
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize("linked", ["X", "X/c", "X/c/0", "X/c/1/0"])
def test_links_out_of_a_store_are_refused(tmp_path, linked):
    group = zarr.create_group(tmp_path / "s.zarr")
    group.create_array(
        "X", data=np.random.default_rng(0).normal(size=(9, 1)), chunks=(3, 1)
    )
    group.create_array("y", data=np.arange(9) % 2)
    place, outside = tmp_path / "s.zarr" / linked, tmp_path / "outside"
    place.rename(outside)
    place.symlink_to(outside)
    done = run("fit", tmp_path / "s.zarr", "--model", tmp_path / "m.json")
    assert done.exit_code == 2
    assert "is a link that leads out of the store" in " ".join(done.stderr.split())
    place.unlink()
    inside = tmp_path / "s.zarr" / "moved"
    outside.rename(inside)
    place.symlink_to(inside)
    data = open_data(tmp_path / "s.zarr")
    assert dlogreg.fit(data.X, data.y, progress=False).nobs == 9


def test_a_store_may_itself_be_linked(tmp_path):
    group = zarr.create_group(tmp_path / "there" / "s.zarr")
    group.create_array("X", data=np.arange(9.0)[:, None])
    group.create_array("y", data=np.arange(9) % 2)
    (tmp_path / "here").symlink_to(tmp_path / "there" / "s.zarr")
    data = open_data(tmp_path / "here")
    assert dlogreg.fit(data.X, data.y, progress=False).nobs == 9


@pytest.mark.parametrize(
    "formula", ["__import__('os').system('touch pwned')", "a.b", "f(a)"]
)
def test_formulas_of_a_file_are_not_run(models, tmp_path, monkeypatch, formula):
    monkeypatch.chdir(tmp_path)
    pytest.importorskip("formulaic")
    (path,) = (p for p in models if p.stem == "formula")
    entries = json.loads(path.read_text())
    text = json.dumps(entries["formula"]).replace("log(b**2 + 1)", formula)
    text = text.replace("log(b ** 2 + 1)", formula)
    assert formula in text
    entries["formula"] = json.loads(text)
    entries[CHECKSUM] = checksum(entries)
    (tmp_path / "m.json").write_text(json.dumps(entries))
    run("summary", "m.json")
    use(tmp_path / "m.json")
    assert not Path("pwned").exists()


def test_a_changed_model_is_noticed(models, tmp_path):
    (path,) = (p for p in models if p.stem == "plain")
    text = path.read_text()
    entries = json.loads(text)
    place = text.index(repr(entries["coefficients"][0])) + 4
    digit = "1" if text[place] != "1" else "2"
    (tmp_path / "m.json").write_text(text[:place] + digit + text[place + 1 :])
    with pytest.raises(ValueError, match=r"not those.*remove the entry"):
        dlogreg.load(tmp_path / "m.json")
    changed = json.loads((tmp_path / "m.json").read_text())
    del changed[CHECKSUM]
    (tmp_path / "m.json").write_text(json.dumps(changed))
    found = dlogreg.load(tmp_path / "m.json").params["const"]
    assert found == changed["coefficients"][0] != entries["coefficients"][0]
    (tmp_path / "n.json").write_text(text[: len(text) // 2])
    with pytest.raises(ValueError, match="not valid JSON"):
        dlogreg.load(tmp_path / "n.json")


def test_only_the_owner_reads_a_model(models):
    assert {path.stat().st_mode & 0o777 for path in models} == {0o600}
