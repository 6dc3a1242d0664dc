import gzip
import os
import shutil
import subprocess
import sys
import textwrap

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

import dlogreg
from dlogreg.cli.stores import fit_stored
from dlogreg.convert import convert, parse_labels
from dlogreg.errors import DataError
from dlogreg.source import tables
from dlogreg.source.group import open_data
from dlogreg.source.group_writer import GroupWriter
from dlogreg.source.zarr_store import COMPLETE_ATTRIBUTE


def frame(n=2500, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n) * 10.0 ** rng.integers(-9, 9, n)
    return pd.DataFrame(
        {
            "x": x,
            "n": rng.integers(-5, 5, n),
            "late": rng.random(n) < 0.3,
            "w": rng.integers(0, 4, n).astype(float),
        }
    )


def write(table, tmp_path, kind):
    path = tmp_path / f"table.{kind}"
    if kind == "parquet":
        table.to_parquet(path, row_group_size=700)
    else:
        table.to_csv(path, index=False)
    return path


def leftovers(folder):
    return [name for name in os.listdir(folder) if name.startswith(".")]


@pytest.fixture(autouse=True)
def small_batches(monkeypatch):
    monkeypatch.setattr(tables, "BATCH_BYTES", 1)  # batches of 1000 rows


@pytest.mark.parametrize("kind", ["csv", "csv.gz", "parquet"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_every_value_arrives_exactly(tmp_path, kind, dtype):
    table = frame()
    data = convert(
        write(table, tmp_path, kind),
        tmp_path / "out.zarr",
        target="late",
        sample_weight="w",
        dtype=dtype,
        chunk_bytes=16 * 300,
    )
    assert data.feature_names == ("x", "n")
    np.testing.assert_array_equal(data.X[:], table[["x", "n"]].to_numpy().astype(dtype))
    np.testing.assert_array_equal(data.y[:], table["late"])
    assert data.y.dtype == bool
    assert data.classes == (False, True)
    np.testing.assert_array_equal(data.sample_weight[:], table["w"])
    assert data.X.chunks == (4800 // (2 * np.dtype(dtype).itemsize), 2)
    assert not leftovers(tmp_path)


def test_the_fit_of_the_store_is_the_fit_of_the_table(tmp_path):
    table = frame()
    table["x"] = np.arctan(table["x"])
    path = write(table, tmp_path, "csv")
    data = convert(path, tmp_path / "o.zarr", target="late", features=["n", "x"])
    stored = fit_stored(data)
    direct = dlogreg.fit(table[["n", "x"]], table["late"])
    assert stored.feature_names == ("n", "x")
    np.testing.assert_allclose(stored.params, direct.params, rtol=1e-9)


def test_chunks_are_of_the_size_asked_for_compressed_and_complete(tmp_path):
    table = pd.DataFrame(np.zeros((300_000, 8)), columns=list("abcdefgh"))
    table["y"] = np.arange(300_000) % 2
    data = convert(write(table, tmp_path, "parquet"), tmp_path / "o.zarr", target="y")
    assert 8 * 2**20 <= data.X.chunks[0] * 64 <= 16 * 2**20
    codec = data.X.compressors[0]
    assert (codec.cname.value, codec.shuffle.value) == ("lz4", "bitshuffle")
    for name, array in (("X", data.X), ("y", data.y)):
        assert array.attrs[COMPLETE_ATTRIBUTE] is True
        assert array.nchunks_initialized == array.nchunks  # zeros are written too
        assert name in os.listdir(tmp_path / "o.zarr")
    assert sorted(os.listdir(tmp_path / "o.zarr")) == ["X", "y", "zarr.json"]


def test_a_deleted_chunk_is_noticed(tmp_path):
    path = write(frame(), tmp_path, "csv")
    data = convert(path, tmp_path / "o.zarr", target="late", chunk_bytes=24 * 500)
    (tmp_path / "o.zarr" / "X" / "c" / "2" / "0").unlink()
    with pytest.raises(DataError, match="c/2/0"):
        dlogreg.fit(data.X, data.y)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
@pytest.mark.parametrize(
    ("labels", "dtype", "classes"),
    [
        ([3, 1, 3, 1], "int64", (1, 3)),
        ([0.5, -1.0, 0.5, 0.5], "float64", (-1.0, 0.5)),
        ([True, False, True, True], "bool", (False, True)),
        (["yes", "no", "no", "yes"], "int8", ("no", "yes")),
        (["1", "b", "1", "1"], "int8", ("1", "b")),
    ],
)
def test_labels_keep_their_type(tmp_path, kind, labels, dtype, classes):
    table = pd.DataFrame({"x": [1.0, 2.0, 3.0, 4.0], "y": labels})
    data = convert(write(table, tmp_path, kind), tmp_path / "o.zarr", target="y")
    assert data.y.dtype == dtype
    assert data.classes == classes
    values = data.y[:] if data.labels is None else np.array(data.labels)[data.y[:]]
    assert values.tolist() == labels


def test_text_digits_in_parquet_stay_text(tmp_path):
    table = pd.DataFrame({"x": [1.0, 2.0], "y": ["01", "1"]})
    data = convert(write(table, tmp_path, "parquet"), tmp_path / "o.zarr", target="y")
    assert data.labels == ("01", "1")


def test_a_categorical_target_in_parquet(tmp_path):
    table = pd.DataFrame({"x": [1.0, 2.0, 0.0], "y": pd.Categorical(["b", "a", "b"])})
    data = convert(write(table, tmp_path, "parquet"), tmp_path / "o.zarr", target="y")
    assert (data.labels, data.y[:].tolist()) == (("a", "b"), [1, 0, 1])


def test_labels_that_come_late_and_in_another_form(tmp_path):
    lines = ["x,y", *["1,0"] * 1500, *["2,1.0"] * 10, "3,1"]
    path = tmp_path / "late.csv"
    path.write_text("\n".join(lines))
    data = convert(path, tmp_path / "o.zarr", target="y")
    assert data.classes == (0.0, 1.0)
    assert data.y[:].tolist() == [0.0] * 1500 + [1.0] * 11


@pytest.mark.parametrize("values", [("late", "on time"), (1, 2)])
def test_a_fit_speaks_of_the_labels(tmp_path, values):
    rng = np.random.default_rng(1)
    x = rng.normal(size=500)
    is_last = rng.random(500) < 1 / (1 + np.exp(-x))
    table = pd.DataFrame({"x": x, "y": np.array(values)[is_last.astype(int)]})
    data = convert(write(table, tmp_path, "csv"), tmp_path / "o.zarr", target="y")
    result = fit_stored(data)
    assert result.classes == values
    assert result.class_counts == {
        values[0]: int((~is_last).sum()),
        values[1]: int(is_last.sum()),
    }
    np.testing.assert_allclose(result.params, dlogreg.fit(x[:, None], is_last).params)


def test_the_order_of_classes_in_the_store_decides_the_event(tmp_path):
    table = pd.DataFrame({"x": [1.0, 2, 3, 4, 5, 6], "y": list("abaabb")})
    data = convert(write(table, tmp_path, "csv"), tmp_path / "o.zarr", target="y")
    forward = fit_stored(data)
    zarr.open_group(tmp_path / "o.zarr", mode="r+").attrs["classes"] = ["b", "a"]
    backward = fit_stored(open_data(tmp_path / "o.zarr"))
    assert (forward.classes, backward.classes) == (("a", "b"), ("b", "a"))
    np.testing.assert_allclose(backward.params, -forward.params, rtol=1e-6)


def test_three_classes_are_fitted_by_name(tmp_path):
    table = pd.DataFrame({"x": [1.0, 2, 3, 4] * 3, "y": list("abcabaccbbca")})
    data = convert(write(table, tmp_path, "csv"), tmp_path / "o.zarr", target="y")
    results = fit_stored(data)
    assert results.labels == ("b", "c")
    exact = dlogreg.fit(table[["x"]], table["y"])
    np.testing.assert_allclose(results.params, exact.params, rtol=1e-6, atol=1e-9)


def test_one_class_is_named(tmp_path):
    table = pd.DataFrame({"x": [1.0, 2, 3], "y": ["a", "a", "a"]})
    data = convert(write(table, tmp_path, "csv"), tmp_path / "o.zarr", target="y")
    with pytest.raises(DataError, match="only one class, 'a'"):
        fit_stored(data)


CSV_FAULTS = {
    "text column": ("a,b,y\n1,u,0\n2,v,1\n", "'b' is text .'u' in data row 0"),
    "text late": (
        "a,y\n" + "1,0\n" * 1200 + "x,1\n",
        "'a' is text .'x' in data row 1200",
    ),
    "missing": ("a,y\n" + "1,0\n" * 1100 + ",1\n", "'a' has no value in data row 1100"),
    "NaN": ("a,y\n1,0\nnan,1\n", "'a' has no value in data row 1 "),
    "infinite": ("a,y\n1,0\n-inf,1\n", "'a' is infinite in data row 1 "),
    "overflow": ("a,y\n1,0\n1e999,1\n", "'a' is infinite in data row 1 "),
    "short line": ("a,y\n1,0\n1\n", "target 'y' has no value in data row 1 "),
    "long line": ("a,y\n1,0\n1,0,3\n", "Expected 2 fields in line 3, saw 3"),
    "all lines long": ("a,y\n1,0,1\n1,0,3\n", "as many fields as the first"),
    "open quote": ('a,y\n1,0\n"1,0\n', "not a regular table"),
    "no target value": ("a,y\n1,0\n2,\n", "target 'y' has no value in data row 1 "),
    "no such target": ("a,b\n1,0\n", "no column 'y'; the columns are 'a', 'b'"),
    "semicolons": ("a;y\n1;0\n", "no column 'y'; the columns are 'a;y'"),
    "twice": ("a,y,a\n1,0,1\n", "'a' occurs twice"),
    "no header": ("1.5,0\n2.5,1\n", "begins with numbers"),
    "nameless": (",a,y\n0,1,0\n", "column 1 of .* has no name"),
    "empty": ("", "is empty"),
    "only names": ("a,y\n", "has no rows"),
    "only a target": ("y\n1\n0\n", "no column besides 'y'"),
    "continuous": (
        "a,y\n" + "".join(f"1,{i}.5\n" for i in range(250)),
        "more than 200 distinct values",
    ),
    "not UTF-8": (b"a,y\n\xff\xfe,1\n", "cannot be read"),
}


@pytest.mark.parametrize("name", CSV_FAULTS)
def test_faults_of_csv_files_are_named_and_leave_nothing(tmp_path, name):
    text, message = CSV_FAULTS[name]
    path = tmp_path / "t.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(DataError, match=message):
        convert(path, tmp_path / "o.zarr", target="y")
    assert os.listdir(tmp_path) == ["t.csv"]


def test_a_truncated_gzip_file(tmp_path):
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress(b"a,y\n" + b"1.25,0\n2.5,1\n" * 5000)[:-20])
    with pytest.raises(DataError, match=r"t\.csv\.gz cannot be read"):
        convert(path, tmp_path / "o.zarr", target="y")
    assert os.listdir(tmp_path) == ["t.csv.gz"]


def test_a_byte_order_mark_and_blank_lines_are_harmless(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes("\ufeffa,y\n1,0\n\n2,1\n".encode())
    data = convert(path, tmp_path / "o.zarr", target="y")
    assert data.feature_names == ("a",)
    assert data.X[:].tolist() == [[1.0], [2.0]]


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (pa.array(["u", "v"]), "'a' of .* is not numeric .type string"),
        (pa.array([1, None]), "'a' has no value in data row 1 "),
        (pa.array([None, 1.5]), "'a' has no value in data row 0 "),
        (pa.array([1.0, np.inf]), "'a' is infinite in data row 1 "),
        (pa.array([2**60 + 1, 1]), "cannot be read"),
        (pa.array([0, 1], pa.timestamp("s")), "'a' of .* is not numeric .type timesta"),
    ],
)
def test_faults_of_parquet_files(tmp_path, column, message):
    pq.write_table(pa.table({"a": column, "y": [0, 1]}), tmp_path / "t.parquet")
    with pytest.raises(DataError, match=message):
        convert(tmp_path / "t.parquet", tmp_path / "o.zarr", target="y")
    assert os.listdir(tmp_path) == ["t.parquet"]


@pytest.mark.parametrize("target", [pa.array([1.0, np.nan]), pa.array(["a", None])])
def test_a_parquet_target_without_a_value(tmp_path, target):
    pq.write_table(pa.table({"a": [1, 2], "y": target}), tmp_path / "t.parquet")
    with pytest.raises(DataError, match="target 'y' has no value in data row 1 "):
        convert(tmp_path / "t.parquet", tmp_path / "o.zarr", target="y")


def test_what_is_not_a_table(tmp_path):
    (tmp_path / "t.parquet").write_bytes(b"PAR1 not really")
    (tmp_path / "t.xlsx").write_bytes(b"")
    (tmp_path / "empty").mkdir()
    for name, message in [
        ("t.parquet", "not a Parquet file"),
        ("t.xlsx", "not CSV, Parquet or Arrow by its name"),
        ("empty", "holds no Parquet files"),
        ("absent.csv", "there is no file"),
        ("absent-*.csv", "there is no file"),
    ]:
        with pytest.raises(DataError, match=message):
            convert(tmp_path / name, tmp_path / "o.zarr", target="y")


@pytest.mark.parametrize(
    ("kind", "as_folder"), [("parquet", False), ("parquet", True), ("csv", False)]
)
def test_several_files_make_one_store(tmp_path, kind, as_folder):
    folder = tmp_path / "parts"
    folder.mkdir()
    parts = [frame(n, seed) for seed, n in enumerate((1300, 10, 700))]
    parts[1] = parts[1][["late", "w", "x", "n"]]  # other order of columns
    for i, part in enumerate(parts):
        path = folder / f"part-{i}.{kind}"
        part.to_csv(path, index=False) if kind == "csv" else part.to_parquet(path)
    source = folder if as_folder else folder / f"part-*.{kind}"
    data = convert(source, tmp_path / "o.zarr", target="late")
    whole = pd.concat(parts)
    np.testing.assert_array_equal(data.X[:], whole[["x", "n", "w"]].to_numpy())
    np.testing.assert_array_equal(data.y[:], whole["late"])


def test_files_that_do_not_belong_together(tmp_path):
    frame(5).to_parquet(tmp_path / "a.parquet")
    frame(5).rename(columns={"x": "z"}).to_parquet(tmp_path / "b.parquet")
    with pytest.raises(DataError, match=r"b\.parquet has other columns"):
        convert(tmp_path / "*.parquet", tmp_path / "o.zarr", target="late")


def test_columns_in_names_of_folders_are_not_lost_silently(tmp_path):
    folder = tmp_path / "parts" / "year=2013"
    folder.mkdir(parents=True)
    frame(5).to_parquet(folder / "a.parquet")
    with pytest.raises(DataError, match="'year' in the names of its folders"):
        convert(tmp_path / "parts", tmp_path / "o.zarr", target="late")


def test_choice_of_columns(tmp_path):
    path = write(frame(5).assign(n=[0, -1, 2, 3, 4]), tmp_path, "csv")
    out = tmp_path / "o.zarr"
    for options, message in [
        ({"features": ["x", "nope"]}, "no column 'nope'"),
        ({"features": ["x", "x"]}, "'x' is named twice"),
        ({"features": ["x", "late"]}, "'late' is named twice"),
        ({"sample_weight": "late"}, "'late' is named twice"),
        ({"sample_weight": "n"}, "weight 'n' is -1 in data row 1 "),
    ]:
        with pytest.raises(DataError, match=message):
            convert(path, out, target="late", **options)
    with pytest.raises(ValueError, match="dtype"):
        convert(path, out, target="late", dtype="float16")
    with pytest.raises(ValueError, match="chunk_bytes"):
        convert(path, out, target="late", chunk_bytes=0)


def test_text_columns_that_are_not_chosen_do_no_harm(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,name,y\n1,u,0\n2,v,1\n")
    data = convert(path, tmp_path / "o.zarr", target="y", features=["a"])
    assert data.X[:].tolist() == [[1.0], [2.0]]


def test_too_large_for_float32(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,y\n1e39,0\n2,1\n")
    with pytest.raises(
        DataError, match=r"1e\+39 in data row 0 .* too large for float32"
    ):
        convert(path, tmp_path / "o.zarr", target="y", dtype="float32")


def test_what_is_there_is_replaced_only_if_asked_for(tmp_path):
    path, out = write(frame(50), tmp_path, "csv"), tmp_path / "o.zarr"
    convert(path, out, target="late")
    with pytest.raises(DataError, match="exists already"):
        convert(path, out, target="late")
    frame(60, 1).to_csv(path, index=False)
    assert convert(path, out, target="late", overwrite=True).X.shape[0] == 60
    assert not leftovers(tmp_path)


def test_a_failed_conversion_keeps_what_was_there(tmp_path):
    path, out = write(frame(50), tmp_path, "csv"), tmp_path / "o.zarr"
    convert(path, out, target="late")
    path.write_text("x,n,w,late\n1,2,3,True\nbad,2,3,False\n")
    with pytest.raises(DataError, match="'bad'"):
        convert(path, out, target="late", overwrite=True)
    assert open_data(out).X.shape[0] == 50
    assert not leftovers(tmp_path)


def test_a_folder_of_something_else_is_never_removed(tmp_path):
    path, folder = write(frame(5), tmp_path, "csv"), tmp_path / "thesis"
    folder.mkdir()
    (folder / "chapter.tex").write_text("")
    with pytest.raises(DataError, match="not a Zarr store"):
        convert(path, folder, target="late", overwrite=True)
    assert os.listdir(folder) == ["chapter.tex"]
    with pytest.raises(DataError, match="there is no folder"):
        convert(path, tmp_path / "no" / "o.zarr", target="late")


def test_ctrl_c_leaves_nothing(tmp_path, monkeypatch):
    path = write(frame(), tmp_path, "csv")
    append, calls = GroupWriter.append, []

    def interrupted(self, **batch):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        append(self, **batch)

    monkeypatch.setattr(GroupWriter, "append", interrupted)
    with pytest.raises(KeyboardInterrupt):
        convert(path, tmp_path / "o.zarr", target="late")
    assert os.listdir(tmp_path) == ["table.csv"]


def test_rows_are_never_all_in_memory(tmp_path, monkeypatch):
    table = frame(20_000)
    sizes = []
    append = GroupWriter.append

    def watch(self, **batch):
        sizes.append(len(next(iter(batch.values()))))
        append(self, **batch)

    monkeypatch.setattr(GroupWriter, "append", watch)
    path = write(table, tmp_path, "parquet")
    convert(path, tmp_path / "o.zarr", target="late")
    assert max(sizes[:20]) <= 1000
    assert sum(sizes[:-1]) == 20_000  # then y in its own type, 2**17 rows at a time


def test_a_missing_extra_says_how_to_install_it(tmp_path):
    missing = {"pyarrow": "parquet", "pandas": "csv"}
    paths = {m: str(write(frame(5), tmp_path, kind)) for m, kind in missing.items()}
    rest = [str(tmp_path / "o.zarr"), "--target", "late"]
    code = textwrap.dedent(f"""
        import sys
        from dlogreg.cli import main
        for module, path in {paths!r}.items():
            sys.modules[module] = None
            try:
                main(["convert", path, *{rest!r}])
            except SystemExit as end:
                assert end.code == 2
    """)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    said = done.stderr.splitlines()
    assert len(said) == len(missing)
    for module, line in zip(missing, said, strict=True):
        assert 'pip install "dlogreg[frames]"' in line
        assert module in line
    assert not (tmp_path / "o.zarr").exists()


def test_groups_made_elsewhere(tmp_path):
    with pytest.raises(DataError, match="no Zarr store at"):
        open_data(tmp_path / "o.zarr")
    (tmp_path / "plain").mkdir()
    with pytest.raises(DataError, match="not a Zarr group"):
        open_data(tmp_path / "plain")
    group = zarr.create_group(tmp_path / "o.zarr")
    group.create_array("X", shape=(4, 2), chunks=(2, 2), dtype="f4")[:] = 1
    with pytest.raises(DataError, match="no array y; it holds X"):
        open_data(tmp_path / "o.zarr")
    data = open_data(tmp_path / "o.zarr", needs_y=False)
    assert (data.y, data.feature_names, data.classes) == (None, None, None)
    assert data.n_bytes == 32


@settings(max_examples=30, deadline=None)
@given(
    sizes=st.lists(st.integers(0, 40), min_size=1, max_size=8),
    chunk_rows=st.integers(1, 50),
)
def test_the_writer_cuts_any_batches_into_whole_chunks(
    tmp_path_factory, sizes, chunk_rows
):
    if not sum(sizes):
        sizes = [1]
    X = np.random.default_rng(0).normal(size=(sum(sizes), 3))
    folder = tmp_path_factory.mktemp("writer")
    with GroupWriter(folder / "g", chunk_bytes=24 * chunk_rows) as writer:
        for piece in np.split(X, np.cumsum(sizes)[:-1]):
            writer.append(X=piece)
        writer.commit()
    array = zarr.open_group(folder / "g", mode="r")["X"]
    np.testing.assert_array_equal(array[:], X)
    assert array.chunks[0] == min(chunk_rows, len(X))
    shutil.rmtree(folder)


@given(st.lists(st.integers(-(10**17), 10**17), min_size=1))
def test_whole_numbers_are_read_as_such(numbers):
    assert parse_labels(list(map(str, numbers))) == numbers


@pytest.mark.parametrize(
    ("texts", "labels"),
    [
        (["TRUE", "false"], [True, False]),
        (["1", "0.5"], [1.0, 0.5]),
        (["1", "True"], ["1", "True"]),
        (["1_0", "2"], ["1_0", "2"]),
        (["inf", "2"], ["inf", "2"]),
        (["-3", "+4"], [-3, 4]),
    ],
)
def test_labels_of_a_kind(texts, labels):
    found = parse_labels(texts)
    assert found == labels
    assert list(map(type, found)) == list(map(type, labels))
