"""Methods of a result that hand it over to other programs; none reads data."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from dlogreg.display import Summary


class Exchange(ABC):
    """What another program can do with a result.

    The rooms are loaded on first use, because pandas and scikit-learn come with them.
    """

    @abstractmethod
    def summary(self, alpha: float = 0.05) -> Summary:
        """Return the fit as a table."""

    def to_sklearn(self) -> Any:
        """Return scikit-learn's own ``LogisticRegression``, fitted with these numbers.

        It needs no dlogreg any more: pickle it, put it in a pipeline, serve it. Its
        ``classes_`` are sorted, as scikit-learn sorts them, and its ``coef_`` are those
        of the last class, or, for three or more, of the symmetric parametrization.
        Columns that were dropped as aliased have the coefficient 0. Where the classes
        are separated the coefficients are so large that probabilities round to 0 and 1.

        Its parameters are those with which its own ``fit`` to the same rows would find
        the same optimum, ``C = 1 / (alpha * nobs)`` among them, but for a
        ``penalty_factor`` and ``bounds``, which scikit-learn does not have. It has
        names of columns where the fit had.

        Returns
        -------
        sklearn.linear_model.LogisticRegression
            With the same predictions, up to rounding.

        Raises
        ------
        ValueError
            If scikit-learn cannot express the model: one with an offset, one of a
            formula with anything but numeric columns, or labels that have no order.

        Examples
        --------
        >>> import dlogreg
        >>> X, y = [[0.0], [1.0], [2.0], [3.0], [4.0], [5.0]], [0, 0, 1, 0, 1, 1]
        >>> res = dlogreg.fit(X, y)
        >>> res.to_sklearn().predict_proba([[2.5]]).round(6)
        array([[0.5, 0.5]])
        """
        return import_module("dlogreg.exchange.sklearn_model").to_sklearn(self)

    def to_frame(self, alpha: float = 0.05, *, kind: str | None = None) -> Any:
        """Return the coefficients as a pandas table, one line for each.

        Parameters
        ----------
        alpha : float
            Level of the intervals is 1 - alpha.
        kind : {"model", "HC0", "HC1", "cluster"}, optional
            Covariance that is used; default: ``cov_type`` of the fit.

        Returns
        -------
        pandas.DataFrame
            Columns ``coef, std_err, z, p_value, conf_low, conf_high, odds_ratio,
            odds_low, odds_high``; all but ``coef`` and ``odds_ratio`` are NaN where the
            fit has no standard errors. The index holds the names of the coefficients,
            for three or more classes below the class.

        Raises
        ------
        ImportError
            If pandas is not installed.
        InferenceError
            If there is no covariance of this kind.

        Examples
        --------
        >>> import dlogreg
        >>> X, y = [[0.0], [1.0], [2.0], [3.0], [4.0], [5.0]], [0, 0, 1, 0, 1, 1]
        >>> table = dlogreg.fit(X, y, feature_names=["dose"]).to_frame()
        >>> table.loc["dose", ["coef", "std_err", "odds_ratio"]].round(4).to_dict()
        {'coef': 1.214, 'std_err': 0.9126, 'odds_ratio': 3.367}
        """
        return import_module("dlogreg.exchange.frame").to_frame(self, alpha, kind)

    def to_markdown(self, alpha: float = 0.05) -> str:
        r"""Return the summary's table in Markdown, as GitHub and pandoc read it.

        Parameters
        ----------
        alpha : float
            Level of the intervals of the odds ratios is 1 - alpha.

        Returns
        -------
        str
            A table, the facts about the fit, and the notes. Names are escaped.

        Examples
        --------
        >>> import dlogreg
        >>> X, y = [[0.0], [1.0], [2.0], [3.0], [4.0], [5.0]], [0, 0, 1, 0, 1, 1]
        >>> print(dlogreg.fit(X, y).to_markdown().splitlines()[0])
        | column | coef | std err | z | P\>\|z\| | odds ratio | \[0.025 | 0.975\] |
        """
        return self.summary(alpha).to_markdown()

    def to_latex(self, alpha: float = 0.05) -> str:
        r"""Return the summary's table in LaTeX.

        Parameters
        ----------
        alpha : float
            Level of the intervals of the odds ratios is 1 - alpha.

        Returns
        -------
        str
            A ``tabular`` for ``\usepackage{booktabs}``, with the likelihood and the
            number of rows below the coefficients. Names are escaped.

        Examples
        --------
        >>> import dlogreg
        >>> X, y = [[0.0], [1.0], [2.0], [3.0], [4.0], [5.0]], [0, 0, 1, 0, 1, 1]
        >>> print(dlogreg.fit(X, y).to_latex().splitlines()[0])
        \begin{tabular}{lrrrrrrr}
        """
        return self.summary(alpha).to_latex()

    def to_sql(self, table: str | Sequence[str]) -> str:
        """Return an SQL query for the predicted probabilities of a table's rows.

        It is standard SQL, tested with SQLite: ``SELECT t.*, probability``, or for
        three or more classes a column ``probability_`` and the label for each. A row
        with NULL in a column of the model has the probability NULL. Names are quoted;
        nothing in them can end the quotes.

        Parameters
        ----------
        table : str or sequence of str
            Name of a table with the columns of the model; ``("schema", "table")`` for
            one of a schema.

        Returns
        -------
        str
            A query without a semicolon, so that it can stand inside another one.

        Raises
        ------
        ValueError
            If the query cannot express the model, as for ``to_sklearn``, or if a name
            holds a NUL character.

        Examples
        --------
        >>> import dlogreg, sqlite3
        >>> X, y = [[0.0], [1.0], [2.0], [3.0], [4.0], [5.0]], [0, 0, 1, 0, 1, 1]
        >>> res = dlogreg.fit(X, y, feature_names=["dose"])
        >>> db = sqlite3.connect(":memory:")
        >>> _ = db.execute("CREATE TABLE patients (id, dose)")
        >>> _ = db.execute("INSERT INTO patients VALUES (7, 2.5)")
        >>> db.execute(res.to_sql("patients")).fetchall()
        [(7, 2.5, 0.5)]
        """
        query: str = import_module("dlogreg.exchange.sql").to_sql(self, table)
        return query
