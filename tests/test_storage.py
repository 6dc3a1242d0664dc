"""Saved models: exact round trips, and every broken file refused with a reason."""

import dataclasses
import json
import math
import os
import stat
import subprocess
import sys
import tempfile
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import dlogreg
from dlogreg import LogitResults, MultinomialResults, Status
from dlogreg.evaluation import PassRecord, Tally
from dlogreg.inference.sandwich import COV_TYPES
from dlogreg.kernel.closing_sums import ColumnSums
from dlogreg.storage.schema import ADDED_KEYS
from dlogreg.weights import WEIGHT_KINDS
from tests.handmade import make_results

NUMBER = st.floats(allow_nan=True, allow_infinity=True)
SIZE = st.integers(0, 2**70)
LABELS = st.one_of(
    st.just((False, True)),
    st.lists(st.integers(), min_size=2, max_size=3, unique=True),
    st.lists(
        st.floats(allow_nan=False, allow_infinity=False),
        min_size=2,
        max_size=5,
        unique=True,
    ),
    st.lists(st.text(), min_size=2, max_size=3, unique=True),
)
RECORDS = st.builds(
    PassRecord,
    number=SIZE,
    kind=st.text(),
    seconds=st.floats(0, 1e9),
    tally=st.builds(Tally, SIZE, SIZE, SIZE, SIZE, SIZE, NUMBER, NUMBER, NUMBER),
    loss=st.none() | NUMBER,
    error_bound=st.none() | NUMBER,
    decrement=st.none() | NUMBER,
    n_threads=SIZE,
)


@st.composite
def results(draw):
    names = tuple(draw(st.lists(st.text(), max_size=5, unique=True)))
    some = st.sets(st.sampled_from(names)) if names else st.just(set())
    intercept = draw(st.booleans())
    classes, alpha = tuple(draw(LABELS)), draw(st.just(0.0) | st.floats(0, 1e300))
    shape = (len(names) + intercept,)
    if len(classes) > 2:
        shape = (len(classes) - (alpha == 0), *shape)
    n_params = math.prod(shape)
    covariance = draw(arrays(float, (n_params, n_params), elements=NUMBER))
    robust, weight_kind, kind = None, "frequency", MultinomialResults
    grouped, kinds = None, [k for k in COV_TYPES if k != "cluster"]
    if len(classes) == 2:
        robust = draw(st.sampled_from([None, covariance, covariance[::-1]]))
        weight_kind, kind = draw(st.sampled_from(WEIGHT_KINDS)), LogitResults
        if robust is not None and draw(st.booleans()):
            grouped, kinds = covariance.T, list(COV_TYPES)
    separation = {}
    if len(classes) == 2 and draw(st.booleans()):
        vectors = arrays(float, shape, elements=NUMBER)
        separation = {
            "separation": draw(st.sampled_from(["complete", "quasi-complete"])),
            "limit_coefficients": draw(vectors),
            "limit_direction": draw(vectors),
            "limit_error_bound": draw(NUMBER),
        }
    return kind(
        feature_names=names,
        classes=classes,
        class_counts={label: draw(SIZE) for label in reversed(classes)},
        fit_intercept=intercept,
        coefficients=draw(arrays(float, shape, elements=NUMBER)),
        covariance=covariance if draw(st.booleans()) else None,
        llf=draw(NUMBER),
        llnull=draw(NUMBER),
        nobs=draw(NUMBER.filter(lambda number: not number <= 0)),
        n_rows=draw(SIZE),
        alpha=alpha,
        status=draw(st.sampled_from(Status)),
        error_bound=draw(NUMBER),
        bse_error_bound=draw(NUMBER),
        tol=draw(NUMBER),
        solver=draw(st.text()),
        n_passes=draw(SIZE),
        bytes_read=draw(SIZE),
        peak_memory=draw(SIZE),
        trace=tuple(draw(st.lists(RECORDS, max_size=3))),
        separated=tuple(draw(some)),
        dropped={name: draw(st.text()) for name in draw(some)},
        why_no_inference=draw(st.text()),
        robust_covariance=robust,
        weight_kind=weight_kind,
        firth=draw(st.booleans()),
        **separation,
        has_offset=len(classes) == 2 and draw(st.booleans()),
        column_sums=draw(column_sums(n_params)) if len(classes) == 2 else None,
        indicators=draw(st.sampled_from([None, (), names[:1]])),
        cov_type="model" if robust is None else draw(st.sampled_from(kinds)),
        cluster_covariance=grouped,
        n_groups=0 if grouped is None else draw(st.integers(2, 2**40)),
    )


@st.composite
def column_sums(draw, n_params):
    if draw(st.booleans()):
        return None
    vectors = [draw(arrays(float, n_params, elements=NUMBER)) for _ in range(5)]
    return ColumnSums(*vectors, draw(NUMBER), draw(NUMBER))


def identical(left, right):
    """Tell whether two values are the same in type and to the last bit."""
    if isinstance(left, np.ndarray):
        return (
            left.dtype == right.dtype
            and left.shape == right.shape
            and ((left.view(np.uint64) == right.view(np.uint64)) | np.isnan(left)).all()
            and np.array_equal(np.isnan(left), np.isnan(right))
        )
    if type(left) is not type(right):
        return False
    if isinstance(left, float):
        return left.hex() == right.hex()
    if isinstance(left, dict):
        return identical(list(left.items()), list(right.items()))
    if isinstance(left, (tuple, list)):
        return len(left) == len(right) and all(map(identical, left, right))
    if dataclasses.is_dataclass(left):
        fields = [field for field in dataclasses.fields(left) if field.compare]
        keys = [field.name for field in fields]
        return all(identical(getattr(left, k), getattr(right, k)) for k in keys)
    return left == right


def refuse(constant):
    raise AssertionError(f"{constant} is not JSON")


@settings(deadline=None, max_examples=60)
@given(results())
def test_a_round_trip_is_exact(res):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.json"
        res.save(path)
        json.loads(path.read_text("ascii"), parse_constant=refuse)
        assert identical(dlogreg.load(path), res)


def test_files_without_the_parts_of_the_time_are_read(tmp_path):
    make_results().save(tmp_path / "m")
    entries = json.loads((tmp_path / "m").read_text())
    for key in ("n_threads", "reading", "computing", "reducing"):
        del entries["trace"][0][key]
    del entries["sha256"]
    (tmp_path / "m").write_text(json.dumps(entries))
    back = dlogreg.load(tmp_path / "m")
    assert identical(back, make_results())
    assert back.trace[0].n_threads == 0
    assert math.isnan(back.trace[0].reading)
    entries["trace"][0]["reading"] = "much"
    (tmp_path / "m").write_text(json.dumps(entries))
    with pytest.raises(ValueError, match="'reading' must be a number, not 'much'"):
        dlogreg.load(tmp_path / "m")


def test_a_fit_survives_with_everything_that_can_be_asked_of_it(tmp_path):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(500, 4))
    y = np.where(rng.random(500) < 1 / (1 + np.exp(-X[:, 0])), "yes", "no")
    X[:, 3] = X[:, 1] - X[:, 2]
    with pytest.warns(dlogreg.CollinearityWarning):
        res = dlogreg.fit(X, y, progress=False)
    path = tmp_path / "model.json"
    res.save(str(path))
    back = dlogreg.load(str(path))
    assert identical(back, res)
    assert back.rows is None
    assert str(back.summary()) == str(res.summary())
    properties = [
        name
        for name in dir(LogitResults)
        if isinstance(getattr(LogitResults, name), property) and name[0] != "_"
    ]
    assert {"params", "bse", "llr_pvalue", "aic", "prsquared"} <= set(properties)
    for name in set(properties) - {"plot"}:
        np.testing.assert_equal(getattr(back, name), getattr(res, name))
    np.testing.assert_array_equal(back.conf_int(0.1), res.conf_int(0.1))


@pytest.mark.parametrize(
    "labels", [(False, True), (0, 1), (-1, 1), (0.0, 1.0), ("0", "1"), (1, 0)]
)
def test_labels_keep_their_type(tmp_path, labels):
    make_results(classes=labels, class_counts=dict.fromkeys(labels, 5)).save(
        tmp_path / "m"
    )
    back = dlogreg.load(tmp_path / "m")
    assert back.classes == labels
    assert list(map(type, back.classes)) == list(map(type, labels))


def test_numpy_labels_become_plain(tmp_path):
    labels = (np.int64(3), np.int64(7))
    make_results(classes=labels, class_counts={3: 1, 7: 2}).save(tmp_path / "m")
    back = dlogreg.load(tmp_path / "m")
    assert back.classes == (3, 7)
    assert type(back.classes[0]) is int


def test_other_labels_are_refused_and_nothing_is_written(tmp_path):
    days = (date(2020, 1, 1), date(2021, 1, 1))
    res = make_results(classes=days, class_counts=dict.fromkeys(days, 5))
    with pytest.raises(TypeError, match="only bool, int, float and str labels"):
        res.save(tmp_path / "m")
    assert not list(tmp_path.iterdir())


def test_a_file_is_replaced_only_on_demand(tmp_path):
    path = tmp_path / "model.json"
    make_results().save(path)
    before = path.read_bytes()
    with pytest.raises(FileExistsError, match=r"model\.json exists.*overwrite=True"):
        make_results(llf=-1.0).save(path)
    assert path.read_bytes() == before
    make_results(llf=-1.0).save(path, overwrite=True)
    assert dlogreg.load(path).llf == -1.0
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_appears_while_saving_is_kept(tmp_path, monkeypatch):
    path = tmp_path / "model.json"
    fsync = os.fsync

    def slow_disk(handle):
        path.write_text("another program's")
        fsync(handle)

    monkeypatch.setattr(os, "fsync", slow_disk)
    with pytest.raises(FileExistsError, match="overwrite=True"):
        make_results().save(path)
    assert path.read_text() == "another program's"
    assert list(tmp_path.iterdir()) == [path]


def test_file_systems_without_links(tmp_path, monkeypatch):
    def link(source, target):
        raise PermissionError("no links here")

    monkeypatch.setattr(os, "link", link)
    make_results().save(tmp_path / "model.json")
    assert dlogreg.load(tmp_path / "model.json").llf == -50.0
    assert len(list(tmp_path.iterdir())) == 1
    with pytest.raises(FileExistsError, match="overwrite=True"):
        make_results(llf=-1.0).save(tmp_path / "model.json")
    assert dlogreg.load(tmp_path / "model.json").llf == -50.0


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_full_disk_leaves_the_old_file(tmp_path, monkeypatch, overwrite):
    path = tmp_path / "model.json"
    if overwrite:
        make_results().save(path)
    before = {p: p.read_bytes() for p in tmp_path.iterdir()}

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        make_results(llf=-1.0).save(path, overwrite=overwrite)
    assert {p: p.read_bytes() for p in tmp_path.iterdir()} == before


@pytest.mark.skipif(os.name != "posix", reason="permission bits of POSIX")
def test_only_the_owner_may_read(tmp_path):
    path = tmp_path / "model.json"
    path.write_text("")
    path.chmod(0o644)
    make_results().save(path, overwrite=True)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    make_results().save(tmp_path / "new.json")
    assert stat.S_IMODE((tmp_path / "new.json").stat().st_mode) == 0o600


def test_a_missing_directory_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no directory .*absent"):
        make_results().save(tmp_path / "absent" / "model.json")
    with pytest.raises(FileNotFoundError):
        dlogreg.load(tmp_path / "absent.json")


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "model.json"
    make_results(dropped={"x1": "it is constant"}, separated=("x2",)).save(path)
    return path


def refused(path, reason):
    with pytest.raises(ValueError, match=reason) as error:
        dlogreg.load(path)
    assert str(path) in str(error.value)
    assert len(str(error.value)) < len(str(path)) + 300


CHANGES = {
    "kind": ("kind", "other", "'kind' is 'other'"),
    "newer schema": ("schema", 3, "schema is 3.*reads schema 1 and 2"),
    "true as schema": ("schema", True, "schema is True"),
    "text as schema": ("schema", "1", "schema is '1'"),
    "status": ("status", "FINE", "'status' is unknown: 'FINE'"),
    "status of other type": ("status", ["CONVERGED"], "'status' must be text"),
    "text as number": ("llf", "minus fifty", "'llf' must be a number"),
    "bool as number": ("llf", True, "'llf' must be a number"),
    "null as number": ("nobs", None, "'nobs' must be a number"),
    "no rows": ("nobs", 0.0, "'nobs' must be positive, not 0.0"),
    "huge number": ("llf", 10**400, "'llf' is too large: a very large integer"),
    "fraction of a pass": ("n_passes", 2.5, "'n_passes' must be a whole number"),
    "negative rows": ("n_rows", -1, "'n_rows' must be a whole number"),
    "number as flag": ("fit_intercept", 1, "'fit_intercept' must be true or false"),
    "huge flag": ("fit_intercept", 10**12, "'fit_intercept' must be true or false"),
    "number as text": ("solver", 3, "'solver' must be text"),
    "text as list": ("feature_names", "x1", "'feature_names' must be a list"),
    "numbers as names": ("feature_names", [1, 2], "item of 'feature_names' must be"),
    "same name twice": ("feature_names", ["x1", "x1"], "occurs twice"),
    "more names": ("feature_names", list("abcdefgh"), "3 numbers instead of 9"),
    "few coefficients": ("coefficients", [1.0, 2.0], "2 numbers instead of 3"),
    "nested coefficients": (
        "coefficients",
        [[1.0]] * 3,
        "'coefficients' must be a num",
    ),
    "object as list": ("coefficients", {"a": 1}, "'coefficients' must be a list"),
    "full covariance": ("covariance", [1.0] * 9, "9 numbers instead of 6"),
    "text in covariance": ("covariance", ["a"] * 6, "item of 'covariance' must be"),
    "one class": ("classes", [0], "must be two different labels"),
    "same class twice": ("classes", [0, 0], "must be two different labels"),
    "null as class": ("classes", [None, 1], "item of 'classes' must be a label"),
    "list as class": ("classes", [[0], 1], "item of 'classes' must be a label"),
    "other classes": ("classes", [3, 4], "must count the rows of every class"),
    "half a count": ("class_counts", [[0], [1]], "must be a label and a count"),
    "list of dropped": ("dropped", ["x1"], "'dropped' must be an object"),
    "unknown dropped": ("dropped", {"zz": "why"}, "'dropped' names 'zz'"),
    "unreasoned": ("dropped", {"x1": None}, "'dropped' must be text"),
    "unknown separated": ("separated", ["zz"], "'separated' names 'zz'"),
    "trace of numbers": ("trace", [1], "item of 'trace' must be an object"),
    "empty pass": ("trace", [{}], "item of 'trace' it lacks the entry"),
    "half a character": ("solver", "\ud800", "holds half a character"),
    "half of a label": ("classes", ["\ud800", "b"], "'classes' holds half"),
    "long text": ("llf", "a" * 10**6, "'llf' must be a number"),
}


@pytest.mark.parametrize(("key", "value", "reason"), CHANGES.values(), ids=CHANGES)
def test_entries_that_are_wrong(saved, key, value, reason):
    entries = json.loads(saved.read_text())
    assert key in entries
    saved.write_text(json.dumps({**entries, key: value}))
    refused(saved, reason)


def test_entries_that_are_missing_or_unknown(saved):
    entries = json.loads(saved.read_text())
    for key in entries.keys() - ADDED_KEYS:
        saved.write_text(json.dumps({k: v for k, v in entries.items() if k != key}))
        refused(saved, f"'?{key}'?")
    saved.write_text(json.dumps({**entries, "surplus": 1}))
    refused(saved, "unknown entry 'surplus'")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("cluster_covariance", [1.0] * 21),
        ("n_groups", 3),
        ("has_offset", True),
    ],
)
def test_what_three_classes_cannot_have_in_a_file(tmp_path, key, value):
    path = tmp_path / "model.json"
    fields = {**vars(make_results()), "classes": (0, 1, 2)}
    del fields["rows"], fields["held"]
    fields["class_counts"] = {0: 60, 1: 30, 2: 10}
    fields["coefficients"] = np.arange(6.0).reshape(2, 3)
    MultinomialResults(**{**fields, "covariance": np.eye(6)}).save(path)
    entries = json.loads(path.read_text())
    assert dlogreg.load(path).coefficients[1, 2] == 5.0
    path.write_text(json.dumps({**entries, key: value}))
    refused(path, f"'{key}'.* for three or more classes")


CONTENTS = {
    "nothing": (b"", "does not begin with"),
    "a table": (b"a,b,c\n1,2,3\n" * 100, "does not begin with"),
    "a list": (b"[1, 2]", "does not begin with"),
    "a pickle": (b"\x80\x04\x95\x1a", "does not begin with"),
    "no JSON": (b"{'kind': 1}", "not valid JSON"),
    "empty": (b"{}", "'kind' is None"),
    "other JSON": (b'{"a": 1}', "'kind' is None"),
    "two objects": (b"{} {}", "not valid JSON"),
    "NaN": (b'{"kind": NaN}', "NaN is not JSON"),
    "overflow": (b'{"kind": -1e999}', "-1e999 is not JSON"),
    "Latin 1": (b'{"kind": "\xe9"}', "not valid JSON"),
    "depth": (b'{"a":' + b"[" * 10**6, "nested too deeply"),
    "digits": (b'{"a":' + b"1" * 10**5 + b"}", "not valid JSON"),
}


@pytest.mark.parametrize(("content", "reason"), CONTENTS.values(), ids=CONTENTS)
def test_files_of_another_kind(tmp_path, content, reason):
    path = tmp_path / "model.json"
    path.write_bytes(content)
    refused(path, reason)


def test_a_truncated_file_is_refused_wherever_it_ends(saved):
    whole = saved.read_bytes().rstrip()
    for end in range(0, len(whole), 7):
        saved.write_bytes(whole[:end])
        refused(saved, "not valid JSON|does not begin")


@settings(deadline=None, max_examples=80)
@given(st.data())
def test_a_damaged_file_is_refused_or_is_another_model(data):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.json"
        make_results().save(path)
        content = bytearray(path.read_bytes())
        position = data.draw(st.integers(0, len(content) - 1))
        content[position] = data.draw(st.integers(0, 255))
        path.write_bytes(content)
        try:
            found = dlogreg.load(path)
        except ValueError as error:
            assert str(path) in str(error)  # noqa: PT017
        else:
            assert len(found.params) == 3


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4)
    ),
    max_leaves=8,
)


@settings(deadline=None, max_examples=80)
@given(st.sampled_from([f.name for f in dataclasses.fields(LogitResults)]), JSON)
def test_any_value_anywhere_is_refused_or_right(key, value):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.json"
        make_results().save(path)
        entries = json.loads(path.read_text())
        if isinstance(value, float) and not math.isfinite(value):
            value = str(value)
        path.write_text(json.dumps({**entries, key: value}))
        try:
            found = dlogreg.load(path)
        except ValueError as error:
            assert str(path) in str(error)  # noqa: PT017
        else:
            assert found.coefficients.shape == (3,)
            assert type(getattr(found, key)) is type(getattr(make_results(), key)) or (
                key in ("covariance", "indicators") and value in (None, [])
            )


def test_a_saved_model_is_shown_without_loading_dask_or_zarr(saved):
    script = (
        "import sys, dlogreg\n"
        f"print(dlogreg.load({str(saved)!r}).summary())\n"
        "heavy = {'dask', 'distributed', 'zarr', 'sklearn', 'pandas'}\n"
        "print(heavy & sys.modules.keys())\n"
    )
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.endswith("set()\n"), done.stdout
    assert "dropped: it is constant" in done.stdout


def test_special_files_are_not_read(tmp_path):
    with pytest.raises((ValueError, OSError), match=r"regular file|directory|denied"):
        dlogreg.load(tmp_path)
    if os.path.exists("/dev/zero"):
        with pytest.raises(ValueError, match="not a regular file"):
            dlogreg.load("/dev/zero")
