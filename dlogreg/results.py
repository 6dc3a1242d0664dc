"""LogitResults: what a fit found. Built from sums, holds no data, weighs kilobytes."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import ndtr, ndtri

from dlogreg.display import Summary, describe, summarize
from dlogreg.errors import DataError
from dlogreg.evaluation import FloatArray
from dlogreg.fitted import FittedModel
from dlogreg.inference import FromCovariance, check_level, odds_ratios
from dlogreg.inference.fit_measures import FitMeasures
from dlogreg.inference.goodness import GoodnessOfFit
from dlogreg.inference.marginal_methods import MarginalMethods
from dlogreg.inference.methods import RowMethods
from dlogreg.inference.row_diagnosis import RowDiagnosis
from dlogreg.labelled import LabelledVector
from dlogreg.multinomial import MultinomialResults
from dlogreg.storage import read_model
from dlogreg.storage.schema import GROUPED

if TYPE_CHECKING:
    from dlogreg.display.plots import ResultPlots
    from dlogreg.grouped.results import GroupedResults
    from dlogreg.prediction import LogitModel
    from dlogreg.rows_again import RowsAgain


@dataclass(frozen=True, eq=False, repr=False)
class LogitResults(
    FittedModel,
    FromCovariance,
    FitMeasures,
    MarginalMethods,
    RowDiagnosis,
    RowMethods,
):
    """Coefficients, their standard errors, and what the fit cost.

    The words are those of statsmodels. The model is
    ``log(p / (1 - p)) = params[0] + x @ params[1:]`` with p the probability of the
    last of ``classes``; coefficients of columns that were dropped as aliased are NaN.

    Where the classes are proven to be separated, ``separation`` is "complete" or
    "quasi-complete", and the coefficients of the columns in ``separated``, perhaps with
    the intercept, are infinite. Quasi-complete: the others are what maximum likelihood
    tends to, with standard errors; it is the fit of the rows that the separated columns
    do not predict for certain, and ``llf`` is its log-likelihood. Complete: the others
    are NaN, since nothing is left to estimate them from, and ``llf`` is 0.
    """

    rows: RowsAgain | None = field(default=None, compare=False)
    """Where the rows are, for what needs them again; never saved or pickled."""
    held: GoodnessOfFit | None = field(default=None, compare=False)
    """What a pass has told of the rows held out; never saved, because the scores of few
    rows can be told apart."""

    def __repr__(self) -> str:
        """Return one line."""
        return describe(self)

    def _repr_html_(self) -> str:
        """Return the summary, as a notebook shows it."""
        return self.summary()._repr_html_()

    @property
    def plot(self) -> ResultPlots:
        """Plots by their names, as ``res.plot.odds_ratios()``; they need matplotlib."""
        plots: ResultPlots = import_module("dlogreg.display.plots").ResultPlots(self)
        return plots

    def summary(self, alpha: float = 0.05) -> Summary:
        """Return the fit as a table: ``print`` it, or end a notebook's cell with it.

        Parameters
        ----------
        alpha : float
            Level of the intervals of the odds ratios is 1 - alpha.

        Returns
        -------
        Summary
            Text by ``str``, HTML in a notebook.

        Examples
        --------
        >>> import dlogreg
        >>> X, y = [[0.0], [1.0], [2.0], [3.0], [4.0], [5.0]], [0, 0, 1, 0, 1, 1]
        >>> res = dlogreg.fit(X, y, feature_names=["dose"])
        >>> print(str(res.summary()).splitlines()[0].strip())
        Logistic regression, maximum likelihood
        """
        check_level(alpha)
        return summarize(self, alpha)

    @property
    def params(self) -> LabelledVector:
        """All coefficients, ``const`` first; NaN for dropped columns."""
        return self._labelled(self.coefficients)

    @property
    def bse(self) -> LabelledVector:
        """Standard errors: square roots of the diagonal of ``cov_params()``."""
        return self._labelled(np.sqrt(np.diagonal(self.cov_params())))

    @property
    def error_bounds(self) -> LabelledVector:
        """The error bound of every coefficient: infinite for those without an optimum.

        Where the classes are separated, that of the limiting fit for the others; NaN
        for those that cannot be estimated.
        """
        bound = self.limit_error_bound if self.separation else self.error_bound
        bounds = np.where(np.isinf(self.coefficients), np.inf, bound)
        return self._labelled(np.where(np.isnan(self.coefficients), np.nan, bounds))

    @property
    def zvalues(self) -> LabelledVector:
        """Wald statistics params / bse."""
        return self._labelled(self.coefficients / np.asarray(self.bse))

    @property
    def tvalues(self) -> LabelledVector:
        """The same as ``zvalues``, under statsmodels' name; normal, not t."""
        return self.zvalues

    @property
    def pvalues(self) -> LabelledVector:
        """Two-sided p-values of the Wald tests, from the normal distribution."""
        return self._labelled(2 * ndtr(-np.abs(np.asarray(self.zvalues))))

    def conf_int(
        self,
        alpha: float = 0.05,
        *,
        kind: str | None = None,
        method: str = "wald",
        names: Sequence[str] | None = None,
        X: Any = None,
        y: Any = None,
        sample_weight: Any = None,
        offset: Any = None,
    ) -> FloatArray:
        """Return intervals at level 1 - alpha, shape (n_params, 2) or (n_names, 2).

        ``method="wald"`` goes by the standard errors of ``cov_params(kind)`` and reads
        nothing. "profile" trusts the model, whatever the fit's ``cov_type``; it takes
        the values that a likelihood-ratio test does not reject, as R's ``confint``:
        all ends are found together, to ``max(min(tol, 1e-4), 1e-7)`` standard errors,
        in 2 or 3 passes, about 5 with few rows per column. Where the data are separated
        those of infinite coefficients have one infinite end, and take about 20 passes
        more. A fit with ``firth=True`` has profiles of its penalised likelihood, in 5
        to 20 passes. An end that is not found is NaN, with a warning. Profiles of a
        result that was loaded take X, y, sample_weight and offset of the fit. ``names``
        chooses coefficients.

        Parameters
        ----------
        alpha : float
            Level of the intervals is 1 - alpha.
        kind : {"model", "HC0", "HC1", "cluster"}, optional
            Covariance of Wald's intervals; default: ``cov_type`` of the fit.
        method : {"wald", "profile"}
            As above.
        names : sequence of str, optional
            Coefficients that are wanted; default: all.
        X, y, sample_weight, offset : array, optional
            The rows of the fit, for profiles of a result that does not know them.

        Returns
        -------
        array, shape (n_params, 2) or (n_names, 2)
            Lower and upper ends.

        Raises
        ------
        InferenceError
            If there is no covariance, or there are no profiles: with probability
            weights, a penalty, or no known rows.

        Examples
        --------
        >>> import dlogreg
        >>> X, y = [[0.0], [1.0], [2.0], [3.0], [4.0], [5.0]], [0, 0, 1, 0, 1, 1]
        >>> res = dlogreg.fit(X, y, feature_names=["dose"])
        >>> res.conf_int().round(4)
        array([[-8.0244,  1.9543],
               [-0.5745,  3.0026]])
        >>> res.conf_int(method="profile", names=["dose"]).round(3)
        array([[-0.066,  4.159]])
        """
        check_level(alpha)
        if method == "profile":
            if kind not in (None, "model"):
                raise ValueError(
                    f"profile intervals have no kind {kind!r}: they rest on the "
                    "likelihood; leave kind out, or take method='wald'"
                )
            return self._profile_intervals(alpha, names, X, y, sample_weight, offset)
        if method != "wald":
            raise ValueError(f"method must be 'wald' or 'profile', not {method!r}")
        half = -ndtri(alpha / 2) * np.sqrt(np.diagonal(self.cov_params(kind)))
        ends = np.column_stack([self.coefficients - half, self.coefficients + half])
        params = self.params
        return ends if names is None else ends[[params.position(n) for n in names]]

    def odds_ratios(
        self,
        alpha: float = 0.05,
        *,
        units: Mapping[str, float] | None = None,
        kind: str | None = None,
        method: str = "wald",
    ) -> FloatArray:
        """Return exp(params) with its interval, shape (n_params, 3).

        Columns: odds ratio, lower and upper end, which are those of ``conf_int`` by the
        same ``kind`` and ``method``: "wald" reads nothing, "profile" a few times the
        rows that the result remembers. Without standard errors Wald's ends are NaN.
        ``units`` says by how much a column grows, where not by 1: with its standard
        deviation the odds ratio is the standardized one.

        Parameters
        ----------
        alpha : float
            Level of the intervals is 1 - alpha.
        units : mapping of str to float, optional
            By how much a column grows, where not by 1.
        kind, method : str, optional
            As in ``conf_int``.

        Returns
        -------
        array, shape (n_params, 3)
            Odds ratio, lower and upper end, intercept first.

        Examples
        --------
        >>> import dlogreg
        >>> X, y = [[0.0], [1.0], [2.0], [3.0], [4.0], [5.0]], [0, 0, 1, 0, 1, 1]
        >>> res = dlogreg.fit(X, y, feature_names=["dose"])
        >>> res.odds_ratios(units={"dose": 2})[1].round(3)
        array([1.1337e+01, 3.1700e-01, 4.0553e+02])
        """
        check_level(alpha)
        if self.covariance is None and (kind, method) == (None, "wald"):
            ends = np.full((len(self.coefficients), 2), np.nan)
        else:
            ends = self.conf_int(alpha, kind=kind, method=method)
        logs = np.column_stack([self.coefficients, ends])
        return odds_ratios(logs, self.names, units)

    @property
    def holdout(self) -> GoodnessOfFit | None:
        """How well the rows fit that ``fit(holdout=)`` has held out; None without them.

        What ``dlogreg.evaluate`` gives of these rows, from the closing pass of the fit:
        of the point where that pass was, from which ``params`` are one step of Newton's
        method away, of the size that ``bse_error_bound`` tells. A fit that had no
        closing pass (``inference=False``, a penalty, separated classes) makes up for it
        with one pass over the rows, once, at ``params``. It is not saved, so that a
        result that was loaded has None; ``dlogreg.evaluate`` scores the rows again.

        Raises
        ------
        DataError
            If no row of positive weight was held out, or one cannot be scored.
        """
        if self.held is None:
            if self.rows is None or self.rows.holdout is None:
                return None
            found = self.rows.scored(self.near_limit())
            object.__setattr__(self, "held", found)
        assert self.held is not None
        if not self.held.n_rows:
            raise DataError(
                "no row of positive weight was held out; give a larger share as "
                "holdout, or a vector that is True for some rows"
            )
        return self.held

    def predict(self, X: Any, offset: Any = None) -> Any:
        """Return the probability of the event, the last of ``classes``, of every row.

        Parameters
        ----------
        X : array, shape (n_rows, n_features)
            Any kind that ``fit`` takes. Columns of a dataframe are found by name, in
            any order; other columns are left aside. Arrays go by position. After
            ``fit_formula``, also a dataframe of the columns of the formula.
        offset : array, shape (n_rows,), optional
            Of any kind, row by row beside X; needed where the fit had one. It is added
            to the linear predictor.

        Returns
        -------
        array, shape (n_rows,)
            Numpy for data in memory; for dask and Zarr a lazy dask array with the
            same chunks of rows. A row with NaN has the probability NaN.

        Raises
        ------
        ValueError
            If the fit had an offset, and none is given.

        Examples
        --------
        >>> import dlogreg
        >>> X, y = [[0.0], [1.0], [2.0], [3.0], [4.0], [5.0]], [0, 0, 1, 0, 1, 1]
        >>> res = dlogreg.fit(X, y, feature_names=["dose"])
        >>> res.predict([[2.5], [4.0]]).round(4)
        array([0.5   , 0.8607])
        """
        return self._model.probability(X, self._offset(offset))

    def decision_function(self, X: Any, offset: Any = None) -> Any:
        """Return the linear predictor, the log-odds of the event; as ``predict``.

        Parameters
        ----------
        X : array, shape (n_rows, n_features)
            Any kind that ``fit`` takes; columns of a dataframe are found by name.
        offset : array, shape (n_rows,), optional
            Row by row beside X; needed where the fit had one.

        Returns
        -------
        array, shape (n_rows,)
            Lazy for Dask and Zarr.

        Examples
        --------
        >>> import dlogreg
        >>> X, y = [[0.0], [1.0], [2.0], [3.0], [4.0], [5.0]], [0, 0, 1, 0, 1, 1]
        >>> res = dlogreg.fit(X, y, feature_names=["dose"])
        >>> res.decision_function([[4.0]]).round(4)
        array([1.821])
        """
        return self._model.linear_predictor(X, self._offset(offset))

    def classify(self, X: Any, threshold: float = 0.5, offset: Any = None) -> Any:
        """Return the event where its probability is above the threshold; X as above.

        The other rows get the other label; a row with NaN is an error.

        Parameters
        ----------
        X : array, shape (n_rows, n_features)
            Any kind that ``fit`` takes; columns of a dataframe are found by name.
        threshold : float
            Between 0 and 1.
        offset : array, shape (n_rows,), optional
            Row by row beside X; needed where the fit had one.

        Returns
        -------
        array, shape (n_rows,)
            Labels of ``classes``.

        Examples
        --------
        >>> import dlogreg
        >>> X, y = [[0.0], [1.0], [2.0], [3.0], [4.0], [5.0]], [0, 0, 1, 0, 1, 1]
        >>> res = dlogreg.fit(X, y, feature_names=["dose"])
        >>> res.classify([[1.0], [4.0]])
        array([0, 1])
        """
        return self._model.label(X, threshold, self._offset(offset))

    @property
    def _model(self) -> LogitModel:
        # Loaded on first use, because Dask and Zarr come with it: a saved model's
        # summary must not wait half a second for them.
        model: type[LogitModel] = import_module("dlogreg.prediction").LogitModel
        return model.of(
            self.near_limit(),
            self.feature_names,
            self.classes,
            fit_intercept=self.fit_intercept,
            recipe=self.recipe,
        )

    def _offset(self, offset: Any) -> Any:
        """Return the offset, which must be given where the fit had one.

        One that is made of columns is found with the rows.
        """
        if self.recipe is not None and self.recipe.offset is not None:
            return offset
        import_module("dlogreg.offsets").check_offset_given(self, offset, "predicting")
        return offset

    def _labelled(self, values: Any) -> LabelledVector:
        return LabelledVector.of(np.asarray(values, dtype=float), self.names)


Results = LogitResults | MultinomialResults
"""What a fit returns: of two classes, or of more."""


def load(path: str | os.PathLike[str]) -> Results | GroupedResults:
    """Return the results that their method ``save`` wrote.

    Nothing is executed: the file is JSON, and every entry of it is checked.

    Parameters
    ----------
    path : str or path
        File to read.

    Returns
    -------
    LogitResults, MultinomialResults or GroupedResults
        Equal to those saved, to the last bit.

    Raises
    ------
    ValueError
        If the file is not a model saved by dlogreg; the message says what is wrong.

    Examples
    --------
    >>> import dlogreg, pathlib, tempfile
    >>> X, y = [[0.0], [1.0], [2.0], [3.0], [4.0], [5.0]], [0, 0, 1, 0, 1, 1]
    >>> res = dlogreg.fit(X, y, feature_names=["dose"])
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "model.json"
    >>> res.save(path)
    >>> dlogreg.load(path).params["dose"] == res.params["dose"]
    np.True_
    """
    kind, fields = read_model(path)
    if kind == GROUPED:
        found: GroupedResults
        found = import_module("dlogreg.grouped.results").GroupedResults(**fields)
        return found
    if len(fields["classes"]) > 2:
        return MultinomialResults(**fields)
    return LogitResults(**fields)
