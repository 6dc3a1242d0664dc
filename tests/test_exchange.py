"""What a result is to other programs: the same predictions and the same numbers."""

from __future__ import annotations

import math
import pickle
import sqlite3
import sys

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from markdown_it import MarkdownIt
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import get_scorer

import dlogreg
from dlogreg import InferenceError
from dlogreg.display.latex import number
from tests.handmade import make_results

NASTY = (
    "50% & more_of #it",
    "a|b \\ `c` *d*",
    "quote \" and 'single'",
    "__init__ ~x~ ^2 {y} $z$",
    "<b> [link](to) é",
    "plain_name",
)


def draw(n_classes=2, n_rows=400, d=3, seed=5):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_rows, d)) * 10.0 ** rng.integers(-2, 3, d)
    eta = X / X.std(axis=0) @ rng.normal(size=(d, n_classes))
    y = (eta + rng.gumbel(size=eta.shape)).argmax(axis=1)
    return X, y


def fitted(n_classes=2, d=3, **options):
    X, y = draw(n_classes, d=d)
    return X, dlogreg.fit(X, y, progress=False, **options)


def probabilities(res, X):
    """Return one column per class, as scikit-learn has them."""
    p = np.asarray(res.predict(X))
    return p if p.ndim == 2 else np.column_stack([1 - p, p])


# ------------------------------------------------------------------ scikit-learn


@pytest.mark.parametrize("n_classes", [2, 3, 5])
@pytest.mark.parametrize("alpha", [0.0, 0.1])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_scikit_learn_predicts_the_same(n_classes, alpha, fit_intercept):
    X, res = fitted(n_classes, alpha=alpha, fit_intercept=fit_intercept)
    model = res.to_sklearn()
    assert type(model) is LogisticRegression
    expected = probabilities(res, X)
    np.testing.assert_allclose(model.predict_proba(X), expected, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(model.predict(X), res.classify(X))
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))


@pytest.mark.parametrize("n_classes", [2, 4])
def test_its_parameters_are_those_of_the_same_fit(n_classes):
    X, y = draw(n_classes)
    weights = np.random.default_rng(0).integers(0, 3, len(y)).astype(float)
    X = X / X.std(axis=0)
    res = dlogreg.fit(X, y, sample_weight=weights, alpha=0.03, tol=1e-9, progress=False)
    model = res.to_sklearn()
    refitted = clone(model).set_params(tol=1e-10, max_iter=10_000)
    refitted.fit(X, y, sample_weight=weights)
    np.testing.assert_allclose(model.coef_, refitted.coef_, rtol=0, atol=1e-6)
    np.testing.assert_allclose(model.intercept_, refitted.intercept_, atol=1e-6)
    assert model.coef_.shape == refitted.coef_.shape
    assert model.intercept_.shape == refitted.intercept_.shape
    assert vars(model).keys() == vars(refitted).keys()


def test_a_lasso_stays_one():
    X, y = draw()
    X = X / X.std(axis=0)
    res = dlogreg.fit(X, y, alpha=0.05, l1_ratio=0.7, tol=1e-9, progress=False)
    model = res.to_sklearn()
    refitted = clone(model).set_params(tol=1e-9, max_iter=10_000).fit(X, y)
    np.testing.assert_allclose(model.coef_, refitted.coef_, rtol=0, atol=1e-5)
    expected = probabilities(res, X)
    np.testing.assert_allclose(model.predict_proba(X), expected, rtol=0, atol=1e-12)


def test_without_a_penalty_scikit_learn_has_none_either():
    assert math.isinf(fitted()[1].to_sklearn().C)


@pytest.mark.parametrize(
    "classes", [("yes", "no"), (2.0, 1.0), (True, False), ("c", "a", "b")]
)
def test_labels_are_sorted_as_scikit_learn_sorts_them(classes):
    X, codes = draw(len(classes))
    y = np.array(classes)[codes]
    res = dlogreg.fit(X, y, classes=list(classes), progress=False)
    model = res.to_sklearn()
    np.testing.assert_array_equal(model.classes_, sorted(classes))
    columns = [classes.index(label) for label in sorted(classes)]
    expected = probabilities(res, X)[:, columns]
    np.testing.assert_allclose(model.predict_proba(X), expected, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(model.predict(X), res.classify(X))
    if len(classes) == 2:  # a scorer takes the last label for the event
        assert get_scorer("roc_auc")(model, X, y) > 0.5


def test_names_of_columns_go_with_it():
    X, y = draw()
    frame = pd.DataFrame(X, columns=["size", "age", "weight"])
    model = dlogreg.fit(frame, y, progress=False).to_sklearn()
    assert model.feature_names_in_.tolist() == ["size", "age", "weight"]
    model.predict(frame)  # no warning
    with pytest.raises(ValueError, match="feature names"):
        model.predict(frame[["age", "size", "weight"]])
    assert not hasattr(fitted()[1].to_sklearn(), "feature_names_in_")


@pytest.mark.parametrize("n_classes", [2, 3])
def test_dropped_columns_count_nothing(n_classes):
    X, y = draw(n_classes)
    X = np.column_stack([X, X[:, 0] * 2])
    with pytest.warns(dlogreg.CollinearityWarning):
        res = dlogreg.fit(X, y, progress=False)
    model = res.to_sklearn()
    assert (model.coef_[:, 3] == 0).all()
    expected = probabilities(res, X)
    np.testing.assert_allclose(model.predict_proba(X), expected, rtol=0, atol=1e-12)


def test_separated_classes_are_predicted_for_certain():
    x = np.arange(12.0)[:, None]
    with pytest.warns(dlogreg.SeparationWarning):
        res = dlogreg.fit(x, x[:, 0] > 5, progress=False)
    model = res.to_sklearn()
    assert np.isfinite(model.coef_).all()
    np.testing.assert_array_equal(model.predict_proba(x)[:, 1], res.predict(x))


def test_a_formula_of_numeric_columns_is_the_columns_themselves():
    X, y = draw()
    table = pd.DataFrame(X, columns=["a", "b", "c"]).assign(y=y, kind=y * 2 % 3)
    res = dlogreg.fit_formula("y ~ c + a", table, progress=False)
    model = res.to_sklearn()
    assert model.feature_names_in_.tolist() == ["c", "a"]
    found = model.predict_proba(table[["c", "a"]])[:, 1]
    np.testing.assert_allclose(found, res.predict(table), rtol=0, atol=1e-12)


@pytest.mark.parametrize("method", ["to_sklearn", "to_sql"])
@pytest.mark.parametrize("right", ["C(kind) + a", "a + log(b)", "a:b", "poly(a, 2)"])
def test_a_formula_that_makes_columns_is_refused(method, right):
    X, y = draw()
    table = pd.DataFrame(np.exp(X / X.std(axis=0)), columns=["a", "b", "c"])
    table = table.assign(y=y, kind=np.arange(len(y)) % 3)
    res = dlogreg.fit_formula(f"y ~ {right}", table, progress=False)
    arguments = ("t",) if method == "to_sql" else ()
    with pytest.raises(ValueError, match=r"cannot express the formula 'y ~ .*predict"):
        getattr(res, method)(*arguments)


@pytest.mark.parametrize("method", ["to_sklearn", "to_sql"])
def test_an_offset_is_refused(method):
    X, y = draw()
    res = dlogreg.fit(X, y, offset=np.ones(len(y)), progress=False)
    arguments = ("t",) if method == "to_sql" else ()
    with pytest.raises(ValueError, match="offset; predict with"):
        getattr(res, method)(*arguments)


def test_labels_without_an_order_are_refused():
    res = make_results(classes=("no", 1), class_counts={"no": 60, 1: 40})
    with pytest.raises(ValueError, match="no order; fit with labels of one kind"):
        res.to_sklearn()


# ------------------------------------------------------------------------ pandas


def check_frame(found, theirs, kind_of_interval):
    np.testing.assert_allclose(found["coef"], theirs.params.T.ravel(), rtol=1e-6)
    np.testing.assert_allclose(found["std_err"], theirs.bse.T.ravel(), rtol=1e-6)
    np.testing.assert_allclose(found["z"], theirs.tvalues.T.ravel(), rtol=1e-6)
    np.testing.assert_allclose(found["p_value"], theirs.pvalues.T.ravel(), rtol=1e-5)
    ends = np.asarray(theirs.conf_int(alpha=kind_of_interval)).reshape(-1, 2)
    np.testing.assert_allclose(found[["conf_low", "conf_high"]], ends, rtol=1e-5)
    odds = np.exp(np.column_stack([theirs.params.T.ravel(), ends]))
    columns = ["odds_ratio", "odds_low", "odds_high"]
    np.testing.assert_allclose(found[columns], odds, rtol=1e-5)


def test_the_frame_holds_the_numbers_of_statsmodels():
    X, y = draw()
    X = X / X.std(axis=0)
    res = dlogreg.fit(X, y, tol=1e-9, feature_names=["a", "b", "c"], progress=False)
    theirs = sm.Logit(y, sm.add_constant(X)).fit(disp=0, tol=1e-14)
    frame = res.to_frame(0.1)
    assert frame.index.tolist() == ["const", "a", "b", "c"]
    assert frame.index.name == "column"
    check_frame(frame, theirs, 0.1)
    robust = sm.Logit(y, sm.add_constant(X)).fit(disp=0, tol=1e-14, cov_type="HC0")
    check_frame(res.to_frame(kind="HC0"), robust, 0.05)


def test_the_frame_of_several_classes_holds_those_of_mnlogit():
    X, y = draw(3)
    X = X / X.std(axis=0)
    labels = np.array(["low", "mid", "top"])[y]
    res = dlogreg.fit(X, labels, tol=1e-9, progress=False)
    theirs = sm.MNLogit(y, sm.add_constant(X)).fit(disp=0, tol=1e-14)
    frame = res.to_frame()
    assert frame.index.names == ["class", "column"]
    assert frame.loc["top"].index.tolist() == ["const", "x1", "x2", "x3"]
    check_frame(frame, theirs, 0.05)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_without_standard_errors_the_frame_has_nan(n_classes):
    _, res = fitted(n_classes, alpha=0.1)
    frame = res.to_frame()
    known = ["coef", "odds_ratio"]
    np.testing.assert_array_equal(frame["coef"], res.coefficients.ravel())
    assert frame[known].notna().all(axis=None)
    assert frame.drop(columns=known).isna().all(axis=None)
    assert len(frame) == res.coefficients.size
    with pytest.raises(InferenceError):
        res.to_frame(kind="HC1")


def test_the_frame_needs_pandas(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match=r'pandas.*pip install "dlogreg\[frames\]"'):
        make_results().to_frame()


# --------------------------------------------------------------- Markdown and LaTeX


def named(n_classes):
    X, y = draw(n_classes, d=len(NASTY))
    return dlogreg.fit(X, y, feature_names=NASTY, progress=False)


def shown_cells(markdown):
    """Return the table as a reader of the page sees it."""
    tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(markdown)
    assert tokens[0].type == "table_open"
    table = tokens[: [token.type for token in tokens].index("table_close")]
    texts, markup = [], []
    for token in table:
        if token.type == "tr_open":
            texts.append([])
        elif token.type == "inline":
            children = token.children or []
            texts[-1].append("".join(child.content for child in children))
            markup += [
                c.type for c in children if c.type not in ("text", "text_special")
            ]
    assert not markup
    return texts


@pytest.mark.parametrize("n_classes", [2, 3])
def test_markdown_shows_the_summary(n_classes):
    res = named(n_classes)
    summary = res.summary(0.1)
    head, *body = shown_cells(res.to_markdown(0.1))
    assert head == ["column", *summary.columns]
    assert "[0.05" in head
    assert len(body) == len(summary.rows)
    for cells, row in zip(body, summary.rows, strict=True):
        expected = [row.name, *(row.cells or (row.remark,))]
        assert cells[: len(expected)] == expected
        assert not any(cells[len(expected) :])
    assert sum(cells[0] in NASTY for cells in body) == len(NASTY) * (n_classes - 1)
    rest = res.to_markdown(0.1)
    assert "90 % intervals" in rest
    assert "Rows: 400" in rest


def read_latex(line):
    """Return the cells of a line of a tabular, without its markup."""
    assert line.endswith(r" \\")
    cells = line.removesuffix(r" \\").split(" & ")
    return [unescaped(cell) for cell in cells]


def unescaped(cell):
    named_signs = {
        r"\textbackslash{}": "\\",
        r"\textasciitilde{}": "~",
        r"\textasciicircum{}": "^",
        r"\textless{}": "<",
        r"\textgreater{}": ">",
        r"\textbar{}": "|",
        r"\textquotedbl{}": '"',
        "{[}": "[",
        "{]}": "]",
    }
    text = ""
    while cell:
        sign = next((s for s in named_signs if cell.startswith(s)), None)
        if sign:
            text, cell = text + named_signs[sign], cell.removeprefix(sign)
        elif cell[0] == "\\":
            assert cell[1] in "{}%$#_&"
            text, cell = text + cell[1], cell[2:]
        else:
            assert cell[0] not in "{}%$#_&~^\\"
            text, cell = text + cell[0], cell[1:]
    return text


@pytest.mark.parametrize("n_classes", [2, 3])
def test_latex_holds_the_summary(n_classes):
    res = named(n_classes)
    summary = res.summary()
    lines = res.to_latex().splitlines()
    assert lines[0] == rf"\begin{{tabular}}{{l{'r' * len(summary.columns)}}}"
    assert lines[-1] == r"\end{tabular}"
    assert lines.count(r"\midrule") == 2
    assert read_latex(lines[2]) == ["column", *summary.columns]
    first = lines.index(r"\midrule") + 1
    for line, row in zip(lines[first:], summary.rows, strict=False):
        name = line.split(" & $")[0].split(r" & \multicolumn")[0]
        assert unescaped(name) == row.name
        if row.cells:
            assert line == rf"{name} & {' & '.join(map(number, row.cells))} \\"
            assert line.count("$") - line.count(r"\$") == 2 * len(row.cells)
        else:
            assert rf"\multicolumn{{{len(summary.columns)}}}{{l}}" in line
    text = "\n".join(lines)
    assert text.count("{") - text.count(r"\{") == text.count("}") - text.count(r"\}")
    assert "AIC: " in text


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("-0.25", "$-0.25$"),
        ("1.3e-10", r"$1.3\times 10^{-10}$"),
        ("-2.5e+06", r"$-2.5\times 10^{6}$"),
        ("<1e-300", r"$<1\times 10^{-300}$"),
        ("-inf", r"$-\infty$"),
        ("-", "--"),
        ("12,345", "$12{,}345$"),
        ("no number", "no number"),
    ],
)
def test_latex_sets_numbers_as_numbers(cell, expected):
    assert number(cell) == expected


def test_tables_say_what_is_missing():
    res = make_results(dropped={"x2": "equals x1"}, coefficients=(1.0, 2.0, np.nan))
    assert "dropped: equals x1" in res.to_markdown()
    assert "dropped: equals x1" in res.to_latex()
    with pytest.raises(ValueError, match="alpha"):
        res.to_latex(2.0)
    with pytest.raises(ValueError, match="alpha"):
        res.to_markdown(0)


# --------------------------------------------------------------------------- SQL


def query(res, X, table="trips", names=None):
    """Return the columns that the query adds, computed by SQLite."""
    names = names or res.feature_names
    db = sqlite3.connect(":memory:")
    listed = ", ".join('"{}"'.format(name.replace('"', '""')) for name in names)
    name = table.replace('"', '""')
    db.execute(f'CREATE TABLE "{name}" ({listed})')
    marks = ", ".join("?" * len(names))
    db.executemany(f'INSERT INTO "{name}" VALUES ({marks})', X)
    cursor = db.execute(res.to_sql(table))
    titles = [column[0] for column in cursor.description]
    assert titles[: len(names)] == list(names)
    rows = [row[len(names) :] for row in cursor.fetchall()]
    return np.array(rows, dtype=float), titles[len(names) :]


@pytest.mark.parametrize("n_classes", [2, 3, 5])
@pytest.mark.parametrize("alpha", [0.0, 0.1])
def test_sql_computes_the_same_probabilities(n_classes, alpha):
    X, res = fitted(n_classes, alpha=alpha)
    found, titles = query(res, X.tolist())
    expected = probabilities(res, X)
    if n_classes == 2:
        assert titles == ["probability"]
        expected = expected[:, 1:]
    else:
        assert titles == [f"probability_{k}" for k in range(n_classes)]
    np.testing.assert_allclose(found, expected, rtol=1e-13)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_sql_quotes_names(n_classes):
    X, y = draw(n_classes, d=len(NASTY))
    labels = np.array(['no "', "yes'; DROP TABLE x", "maybe"])[y]
    res = dlogreg.fit(X, labels, feature_names=NASTY, progress=False)
    found, titles = query(res, X.tolist(), table='a "b"; --')
    expected = probabilities(res, X)
    if n_classes == 2:
        expected = expected[:, 1:]
    else:
        assert titles == [f"probability_{label}" for label in res.classes]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_sql_takes_schemas_and_refuses_nul():
    res = make_results()
    assert res.to_sql(("main", "t")).endswith('FROM "main"."t" AS t')
    with pytest.raises(ValueError, match="NUL characters"):
        res.to_sql("a\0b")


def test_an_unknown_column_is_an_error_in_sql_and_not_a_text():
    with pytest.raises(sqlite3.OperationalError, match="x2"):
        query(make_results(), [[1.0]], names=["x1"])


def test_sql_of_integers_and_missing_values():
    res = make_results((0.25, 0.5, 2.0))
    found, _ = query(res, [[1, -1], [None, 3], [3, 0]])
    expected = res.predict(np.array([[1.0, -1], [3, 0]]))
    np.testing.assert_allclose(found[[0, 2], 0], expected, rtol=1e-15)
    assert np.isnan(found[1, 0])


def test_sql_does_not_overflow():
    res = make_results((0.0, 1.0))
    eta = np.array([-1e5, -746, -740, -700, -50, -1, 0, 1, 39, 50, 700, 1e5])
    found, _ = query(res, eta[:, None].tolist())
    np.testing.assert_allclose(found[:, 0], res.predict(eta[:, None]), 1e-13, 1e-300)
    X, res = fitted(3)
    far = X[:50] * 1e6
    found, _ = query(res, far.tolist())
    np.testing.assert_allclose(found, res.predict(far), rtol=1e-10, atol=1e-290)
    assert found.max() == 1.0


def test_sql_of_as_many_columns_as_a_table_has():
    rng = np.random.default_rng(3)
    res = make_results(rng.normal(size=1901))
    X = rng.normal(size=(3, 1900))
    found, _ = query(res, X.tolist())
    np.testing.assert_allclose(found[:, 0], res.predict(X), rtol=1e-12)
