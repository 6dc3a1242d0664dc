"""Names that are made when they are asked for: the tuple of them in every respect."""

import json
import pickle

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

import dlogreg
from dlogreg.labelled import LabelledVector
from dlogreg.numbered_names import MANY, NumberedNames, numbered_names

WHOLE = ("const", "x1", "x2", "x3", "x4", "x5")
LAZY = NumberedNames(5).after("const")


def test_it_is_the_tuple():
    assert LAZY == WHOLE
    assert WHOLE == LAZY
    assert (LAZY != WHOLE) is False
    assert NumberedNames(5, ["const"]) == LAZY
    assert NumberedNames(5) != LAZY
    assert WHOLE[:-1] != LAZY
    assert WHOLE[::-1] != LAZY
    assert list(WHOLE) != LAZY
    assert hash(LAZY) == hash(WHOLE)
    assert tuple(LAZY) == WHOLE
    assert [*LAZY] == [*WHOLE]
    assert list(reversed(LAZY)) == [*reversed(WHOLE)]
    assert (*WHOLE, "a") == LAZY.__add__(("a",))
    assert len(LAZY) == 6
    assert json.loads(json.dumps(LAZY)) == [*WHOLE]
    assert np.array(LAZY).tolist() == [*WHOLE]
    assert repr(LAZY) == "('const', 'x1', ..., 'x5')"
    again = pickle.loads(pickle.dumps(LAZY))
    assert type(again) is NumberedNames
    assert again == WHOLE


@given(st.integers(-8, 8), st.integers(-8, 8), st.sampled_from([1, 2, -1, None]))
def test_items_and_slices(low, high, step):
    assert LAZY[low:high:step] == WHOLE[low:high:step]
    if -6 <= low < 6:
        assert LAZY[low] == WHOLE[low]
    else:
        with pytest.raises(IndexError):
            LAZY[low]


@given(st.one_of(st.sampled_from([*WHOLE, "x0", "x6", "x01", "x", "x٣"]), st.text()))
def test_a_name_is_found_by_its_number(name):
    assert (name in LAZY) == (name in WHOLE)
    assert LAZY.count(name) == WHOLE.count(name)
    if name in WHOLE:
        assert LAZY.index(name) == WHOLE.index(name)
        assert LAZY.index(name, 0, 6) == WHOLE.index(name)
        with pytest.raises(ValueError, match="none of the names"):
            LAZY.index(name, WHOLE.index(name) + 1)
    else:
        with pytest.raises(ValueError, match="none of the names"):
            LAZY.index(name)
    assert 3 not in LAZY


def test_few_names_are_a_tuple():
    assert type(numbered_names(MANY - 1)) is tuple
    assert numbered_names(3) == ("x1", "x2", "x3")
    assert type(numbered_names(MANY)) is NumberedNames
    assert numbered_names(MANY)[-1] == f"x{MANY}"


def test_a_wide_fit_has_them_and_gives_them_back(tmp_path):
    X = sp.random_array((300, MANY), density=1e-3, rng=np.random.default_rng(0))
    y = np.arange(300) % 2
    fit = dlogreg.fit(X.tocsr(), y, alpha=0.1, tol=0.1)
    assert type(fit.feature_names) is NumberedNames
    assert type(fit.names) is NumberedNames
    assert isinstance(fit.params, LabelledVector)
    assert fit.params[f"x{MANY}"] == fit.params[MANY]
    assert fit.params["const"] == fit.params[0]
    fit.save(tmp_path / "model.json")
    loaded = dlogreg.load(tmp_path / "model.json")
    assert loaded.feature_names == fit.feature_names
    np.testing.assert_array_equal(loaded.params, fit.params)
