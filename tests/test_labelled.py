"""Vectors whose entries have names."""

import copy
import pickle

import numpy as np
import pytest

from dlogreg.labelled import LabelledVector
from dlogreg.labelled_matrix import LabelledMatrix


@pytest.fixture
def vector():
    return LabelledVector.of([1.5, -2.0, np.nan], ["const", "age", "dose (mg)"])


def test_entries_by_name_and_by_position(vector):
    assert vector["age"] == -2.0
    assert isinstance(vector["age"], float)
    assert vector[0] == 1.5
    assert vector[-2] == -2.0
    np.testing.assert_array_equal(vector[["age", "const"]], [-2.0, 1.5])
    assert "age" in vector
    assert "Age" not in vector
    assert -2.0 in vector
    assert len(vector) == 3
    np.testing.assert_equal(
        vector.to_dict(), {"const": 1.5, "age": -2.0, "dose (mg)": np.nan}
    )


def test_an_unknown_name_is_answered_with_the_nearest(vector):
    with pytest.raises(
        KeyError, match=r"no coefficient is named 'agee'.*'age', \.\.\."
    ):
        vector["agee"]
    with pytest.raises(KeyError, match=r"'zzz'.*'const', 'age', 'dose \(mg\)'"):
        vector["zzz"]
    many = LabelledVector.of(np.zeros(5000), [f"column {j}" for j in range(5000)])
    with pytest.raises(KeyError) as error:
        many["?"]
    assert len(str(error.value)) < 300
    with pytest.raises(KeyError, match="'nope'"):
        vector[["age", "nope"]]


def test_what_numpy_cannot_pick_is_told_in_our_words(vector):
    with pytest.raises(
        IndexError, match=r"no coefficient 3: the 3 coefficients are counted from 0.*by"
    ):
        vector[3]
    with pytest.raises(
        IndexError, match=r"by a list of them, as \[\['age', 'const'\]\]"
    ):
        vector["age", "const"]
    with pytest.raises(IndexError, match=r"also picked by name, as \['const'\]"):
        vector[1.5]
    with pytest.raises(IndexError, match="out of bounds"):
        np.sort(vector)[[9]]
    matrix = LabelledMatrix.of(np.eye(2), ["const", "age"], [3, 4])
    np.testing.assert_array_equal(matrix[["age", "const"]], [[0, 1], [1, 0]])
    for key, error, match in (
        (9, IndexError, "no coefficient 9: the 2 coefficients"),
        ("agee", KeyError, "no coefficient is named 'agee'.*'age'"),
        (("age", 5), KeyError, "no class is named 5; there are 3, 4"),
    ):
        with pytest.raises(error, match=match):
            matrix[key]
    terms = LabelledVector.of([1.0], ["dose"], "term")
    with pytest.raises(KeyError, match="no term is named 'x'"):
        terms["x"]
    with pytest.raises(KeyError, match="no names"):
        (matrix + 0).view(LabelledMatrix)["age"]


CALCULATIONS = {
    "sum": lambda v: v + 1,
    "product": lambda v: 2 * v,
    "ratio": lambda v: v / v,
    "negative": lambda v: -v,
    "exp": lambda v: np.exp(v),
    "tail": lambda v: v[1:],
    "reversed": lambda v: v[::-1],
    "picked": lambda v: v[[0, 2]],
    "masked": lambda v: v[v > 0],
    "whole": lambda v: v[:],
    "compared": lambda v: v == 1.5,
    "isnan": lambda v: np.isnan(v),
    "matmul": lambda v: np.eye(3) @ v,
    "asarray": lambda v: np.asarray(v),
}


@pytest.mark.parametrize("calculate", CALCULATIONS.values(), ids=CALCULATIONS)
def test_calculations_and_slices_give_plain_arrays(vector, calculate):
    plain = np.array([1.5, -2.0, np.nan])
    found = calculate(vector)
    assert type(found) is np.ndarray
    np.testing.assert_array_equal(found, calculate(plain))


def test_sums_give_numbers(vector):
    assert np.isscalar(vector[:2].sum())
    assert np.isscalar(np.nansum(vector))
    assert np.nanmax(vector) == 1.5
    assert isinstance(LabelledVector.of([1.0, 2.0], ["a", "b"]).max(), float)


def test_entries_moved_about_lose_their_names(vector):
    moved = np.sort(vector)
    with pytest.raises(KeyError, match="no names"):
        moved["age"]
    with pytest.raises(ValueError, match="no names"):
        moved.to_dict()
    assert repr(moved) == repr(np.sort(np.asarray(vector)))
    assert str(moved) == str(np.sort(np.asarray(vector)))


COPIES = {
    "pickle": lambda v: pickle.loads(pickle.dumps(v)),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
}


@pytest.mark.parametrize("again", COPIES.values(), ids=COPIES)
def test_copies_keep_names_and_are_copies(vector, again):
    other = again(vector)
    assert type(other) is LabelledVector
    assert other.names == vector.names
    np.testing.assert_array_equal(other, vector)


def test_vectors_are_read_only(vector):
    with pytest.raises(ValueError, match="read-only"):
        vector[0] = 9
    with pytest.raises(ValueError, match="read-only"):
        vector.sort()
    with pytest.raises(ValueError, match="read-only"):
        vector += 1
    mine = vector.copy()
    mine[0] = 9
    assert vector[0] == 1.5


def test_nameless_results_pickle(vector):
    moved = vector.reshape(3, 1).round(1)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(moved)), moved)


def test_repr_is_a_table(vector):
    assert repr(vector).splitlines() == [
        "const       1.5",
        "age        -2",
        "dose (mg)   nan",
    ]
    assert str(vector) == repr(vector)


def test_repr_of_many_long_and_odd_names_stays_readable():
    names = [f"{'very ' * 30}long {j}" for j in range(998)] + ["two\nlines", "年齢"]
    lines = repr(LabelledVector.of(np.arange(1000.0), names)).splitlines()
    assert len(lines) == 61
    assert lines[30] == "... (940 more)"
    assert max(map(len, lines)) < 60
    assert lines[0].split()[-1] == "0"
    assert lines[-2].startswith(r"two\nlines ")
    assert lines[-1].split() == ["年齢", "999"]
    exactly = LabelledVector.of(np.zeros(60), [str(j) for j in range(60)])
    assert len(repr(exactly).splitlines()) == 60
    assert repr(LabelledVector.of([], [])) == ""


def test_names_must_fit_the_values():
    with pytest.raises(ValueError, match="2 names for values of shape"):
        LabelledVector.of([1.0, 2.0, 3.0], ["a", "b"])
    with pytest.raises(ValueError, match="1 names for values of shape"):
        LabelledVector.of([[1.0]], ["a"])


def test_values_are_copied():
    values = np.zeros(2)
    vector = LabelledVector.of(values, ["a", "b"])
    values[0] = 1
    assert vector["a"] == 0
