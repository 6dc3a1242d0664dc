"""ManyResults: the fits of several outcomes, as tables and one by one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any

import numpy as np

from dlogreg.display.coefficients import CoefficientRow, shortened
from dlogreg.display.numerals import printable, statistic
from dlogreg.display.summary import Summary
from dlogreg.errors import InferenceError
from dlogreg.evaluation import FloatArray, Label, PassRecord
from dlogreg.extras import require
from dlogreg.kernel.outcomes import Outcome
from dlogreg.labelled import LabelledVector
from dlogreg.labelled_matrix import LabelledMatrix
from dlogreg.offsets import check_offset_given
from dlogreg.prediction.outcomes import OutcomesModel
from dlogreg.results import LogitResults
from dlogreg.rows_again import RowsAgain
from dlogreg.solvers import Status

NEAREST = 3
SEPARATED = (
    "there are no standard errors, because the classes of every outcome are separated; "
    "leave out the columns that separated names, or give a penalty, alpha > 0"
)


@dataclass(frozen=True, eq=False, repr=False)
class ManyResults(Mapping[Label, LogitResults]):
    """The fits of several outcomes over the same rows; holds no data.

    A mapping: ``many["name"]`` is the result of one outcome as of ``fit``, with its
    summary, odds ratios, intervals and tests, and with all that reads the rows again;
    ``len``, ``in``, iteration and ``items()`` are those of a dictionary. Tables have a
    line for each outcome: ``many.params["name", "age"]``.
    """

    labels: tuple[Label, ...]
    """The outcomes: names of the columns of Y, or labels of y, in order."""
    fits: tuple[LogitResults, ...]
    """Their results, without the rows; ``many[label]`` knows these."""
    one_vs_rest: bool = False
    """Whether the outcomes are labels of one y, each against the rest."""
    outcomes: tuple[Outcome, ...] = ()
    rows: RowsAgain | None = None
    """Where the rows are, for what needs them again; never pickled."""

    def __getitem__(self, label: Label) -> LogitResults:
        """Return the result of an outcome."""
        if label not in self.labels:
            raise KeyError(self._unknown(label))
        i = self.labels.index(label)
        fit, rows = self.fits[i], self.rows
        if rows is None:
            return fit
        outcome = self.outcomes[i]
        partitions = tuple(replace(p, outcome=outcome) for p in rows.partitions)
        source = replace(rows.source, outcome=outcome)
        return replace(fit, rows=replace(rows, source=source, partitions=partitions))

    def __iter__(self) -> Iterator[Label]:
        """Return the outcomes in order."""
        return iter(self.labels)

    def __len__(self) -> int:
        """Return the number of outcomes."""
        return len(self.labels)

    def __eq__(self, other: object) -> bool:
        """Tell whether it is the same object, as of a single result."""
        return self is other

    def __hash__(self) -> int:
        """Return a hash of the object."""
        return id(self)

    def __repr__(self) -> str:
        """Return one line."""
        kind = "labels against the rest" if self.one_vs_rest else "outcomes"
        done = int(sum(self.statuses[label].converged for label in self.labels))
        return (
            f"<ManyResults: {len(self)} {kind}, {len(self.names)} coefficients each, "
            f"{done} converged, {self.n_passes} passes>"
        )

    def _repr_html_(self) -> str:
        """Return the summary, as a notebook shows it."""
        return self.summary()._repr_html_()

    def _unknown(self, label: Label) -> str:
        known = {str(label): label for label in self.labels}
        near = get_close_matches(str(label), known, n=NEAREST) or list(known)[:10]
        more = ", ..." if len(near) < len(known) else ""
        listed = ", ".join(repr(known[text]) for text in near)
        return f"no outcome is {label!r}; there are {listed}{more}"

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the coefficients, ``const`` first."""
        return self.fits[0].names

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the columns of X."""
        return self.fits[0].feature_names

    @property
    def params(self) -> LabelledMatrix:
        """Coefficients, shape (n_outcomes, n_params); NaN for dropped columns."""
        return self._table([fit.coefficients for fit in self.fits])

    @property
    def bse(self) -> LabelledMatrix:
        """Standard errors; NaN for outcomes that have none, as separated ones.

        Raises
        ------
        InferenceError
            If no outcome has any.
        """
        return self._table([np.asarray(fit.bse) for fit in self._with_errors()])

    @property
    def zvalues(self) -> LabelledMatrix:
        """Wald statistics params / bse."""
        return self._table(np.asarray(self.params) / np.asarray(self.bse))

    @property
    def pvalues(self) -> LabelledMatrix:
        """Two-sided p-values of the Wald tests; not corrected for their number."""
        return self._table([np.asarray(fit.pvalues) for fit in self._with_errors()])

    @property
    def llf(self) -> LabelledVector:
        """Log-likelihood of every outcome, without any penalty."""
        return self._vector([fit.llf for fit in self.fits])

    @property
    def llnull(self) -> LabelledVector:
        """Log-likelihood of every outcome's model without columns."""
        return self._vector([fit.llnull for fit in self.fits])

    @property
    def prsquared(self) -> LabelledVector:
        """McFadden's pseudo-R2 of every outcome."""
        return self._vector([fit.prsquared for fit in self.fits])

    @property
    def nobs(self) -> LabelledVector:
        """Sum of the weights of the rows in which an outcome is known."""
        return self._vector([fit.nobs for fit in self.fits])

    @property
    def n_events(self) -> LabelledVector:
        """Rows of positive weight with each outcome."""
        return self._vector([fit.class_counts[fit.classes[1]] for fit in self.fits])

    @property
    def error_bound(self) -> LabelledVector:
        """Proven distance of every outcome from its optimum, in standard errors."""
        return self._vector([fit.error_bound for fit in self.fits])

    @property
    def statuses(self) -> dict[Label, Status]:
        """How the fit of every outcome ended."""
        fits = zip(self.labels, self.fits, strict=True)
        return {label: fit.status for label, fit in fits}

    @property
    def converged(self) -> bool:
        """Whether all outcomes have reached their optima."""
        return all(fit.converged for fit in self.fits)

    @property
    def separated(self) -> dict[Label, tuple[str, ...]]:
        """Columns that separate the classes, or seem to, of outcomes that have such."""
        fits = zip(self.labels, self.fits, strict=True)
        return {label: fit.separated for label, fit in fits if fit.separated}

    @property
    def n_passes(self) -> int:
        """Times that all data were read, for all outcomes together."""
        return self.fits[0].n_passes

    @property
    def bytes_read(self) -> int:
        """Decoded bytes of all blocks that were loaded."""
        return self.fits[0].bytes_read

    @property
    def trace(self) -> tuple[PassRecord, ...]:
        """What each pass did and cost; bounds are those of the slowest outcome."""
        return self.fits[0].trace

    def decision_function(self, X: Any, offset: Any = None) -> Any:
        """Return the linear predictors, the log-odds of every outcome.

        Parameters
        ----------
        X : array, shape (n_rows, n_features)
            Any kind that ``fit`` takes; columns of a dataframe are found by name.
        offset : array, shape (n_rows,), optional
            Row by row beside X; needed where the fit had one.

        Returns
        -------
        array, shape (n_rows, n_outcomes)
            Numpy for data in memory; for Dask and Zarr lazy, in the same chunks of
            rows. Every block is read once for all outcomes.

        Examples
        --------
        >>> import numpy as np, dlogreg
        >>> x = np.arange(8.0)[:, None]
        >>> Y = [[0, 1], [0, 1], [1, 1], [0, 0], [1, 1], [0, 0], [1, 1], [1, 0]]
        >>> dlogreg.fit_many(x, Y).decision_function([[2.0]]).round(3)
        array([[-0.891,  1.545]])
        """
        return self._model.linear_predictor(X, self._offset(offset))

    def predict_proba(self, X: Any, offset: Any = None) -> Any:
        """Return the probability of every outcome in every row.

        Those of Y stand by themselves. Labels against the rest are divided by their sum
        over the labels, as by scikit-learn's ``OneVsRestClassifier``.

        Parameters
        ----------
        X, offset : array
            As in ``decision_function``.

        Returns
        -------
        array, shape (n_rows, n_outcomes)
            Lazy for Dask and Zarr; a row with NaN has NaN.

        Examples
        --------
        >>> import numpy as np, dlogreg
        >>> x = np.arange(8.0)[:, None]
        >>> Y = [[0, 1], [0, 1], [1, 1], [0, 0], [1, 1], [0, 0], [1, 1], [1, 0]]
        >>> dlogreg.fit_many(x, Y).predict_proba([[2.0], [6.0]]).round(3)
        array([[0.291, 0.824],
               [0.815, 0.332]])
        """
        offset = self._offset(offset)
        return self._model.probability(X, offset, shares=self.one_vs_rest)

    def classify(self, X: Any, offset: Any = None) -> Any:
        """Return the label of the largest linear predictor, of labels against the rest.

        Parameters
        ----------
        X, offset : array
            As in ``decision_function``.

        Returns
        -------
        array, shape (n_rows,)
            Labels; lazy for Dask and Zarr.

        Raises
        ------
        ValueError
            If the outcomes are no labels of one y.

        Examples
        --------
        >>> import numpy as np, dlogreg
        >>> x, y = np.arange(8.0)[:, None], ["a", "a", "b", "a", "b", "c", "b", "c"]
        >>> many = dlogreg.fit_many(x, one_vs_rest=y, alpha=0.1)
        >>> many.classify([[0.0], [7.0]])
        array(['a', 'c'], dtype='<U1')
        """
        if not self.one_vs_rest:
            raise ValueError(
                "classify() chooses one of the labels of one_vs_rest=, and these "
                "outcomes stand by themselves; take predict_proba(X) > 0.5, or "
                "many[name].classify(X)"
            )
        return self._model.label(X, self._offset(offset))

    def summary(self) -> Summary:
        """Return a table of the outcomes, a line for each: ``print`` it.

        Returns
        -------
        Summary
            Text by ``str``, HTML in a notebook.

        Examples
        --------
        >>> import numpy as np, dlogreg
        >>> x = np.arange(8.0)[:, None]
        >>> Y = [[0, 1], [0, 1], [1, 1], [0, 0], [1, 1], [0, 0], [1, 1], [1, 0]]
        >>> print(str(dlogreg.fit_many(x, Y).summary()).splitlines()[0].strip())
        Logistic regressions of several outcomes
        """
        lines = [
            CoefficientRow(printable(str(label)), cells)
            for label, cells in zip(self.labels, map(_cells, self.fits), strict=True)
        ]
        late = sum(not fit.converged for fit in self.fits)
        note = f"{late} of {len(self)} outcomes did not converge; see statuses."
        return Summary(
            title="Logistic regressions of several outcomes",
            model=(("Outcomes", str(len(self))), ("Columns", str(len(self.names)))),
            quality=(
                ("Passes", str(self.n_passes)),
                ("Converged", str(self.converged)),
            ),
            status="",
            columns=("rows", "events", "llf", "pseudo R2", "error bound"),
            rows=tuple(shortened(lines)),
            notes=(note,) if late else (),
            heading="outcome",
        )

    def to_frame(self, alpha: float = 0.05) -> Any:
        """Return a pandas dataframe, a line for each outcome and coefficient.

        Parameters
        ----------
        alpha : float
            Level of the intervals is 1 - alpha.

        Returns
        -------
        pandas.DataFrame
            Columns: coef, bse, z, pvalue, low, high; without standard errors coef
            alone.

        Examples
        --------
        >>> import numpy as np, dlogreg
        >>> x = np.arange(8.0)[:, None]
        >>> Y = [[0, 1], [0, 1], [1, 1], [0, 0], [1, 1], [0, 0], [1, 1], [1, 0]]
        >>> frame = dlogreg.fit_many(x, Y).to_frame()
        >>> frame.loc[("y2", "x1")].round(3).tolist()
        [-0.561, 0.435, -1.289, 0.197, -1.414, 0.292]
        """
        pandas = require("pandas", "frames")
        index = pandas.MultiIndex.from_product(
            [self.labels, self.names], names=["outcome", "coefficient"]
        )
        columns = {"coef": np.ravel(self.params)}
        if any(fit.covariance is not None and not fit.separated for fit in self.fits):
            ends = [fit.conf_int(alpha) for fit in self._with_errors()]
            columns |= {
                "bse": np.ravel(self.bse),
                "z": np.ravel(self.zvalues),
                "pvalue": np.ravel(self.pvalues),
                "low": np.concatenate(ends)[:, 0],
                "high": np.concatenate(ends)[:, 1],
            }
        return pandas.DataFrame(columns, index=index)

    def __reduce__(self) -> Any:
        """Pickle the results without the rows, as one of ``fit``."""
        fields = self.labels, self.fits, self.one_vs_rest
        return ManyResults, fields

    def _with_errors(self) -> list[LogitResults]:
        """Return the results, NaN in the place of covariances that mean nothing.

        Those of separated outcomes are of the point where their fits stopped.
        """
        known = [fit.covariance is not None and not fit.separated for fit in self.fits]
        if not any(known):
            raise InferenceError(self.fits[0].why_no_inference or SEPARATED)
        shape = (len(self.names), len(self.names))
        nothing = np.full(shape, np.nan)
        return [
            fit if has else replace(fit, covariance=nothing, robust_covariance=nothing)
            for fit, has in zip(self.fits, known, strict=True)
        ]

    @property
    def _model(self) -> OutcomesModel:
        lines = np.array([fit.coefficients for fit in self.fits])
        first = self.fits[0].fit_intercept
        return OutcomesModel.of(
            lines, self.feature_names, self.labels, fit_intercept=first
        )

    def _offset(self, offset: Any) -> Any:
        check_offset_given(self.fits[0], offset, "predictions")
        return offset

    def _table(self, values: Any) -> LabelledMatrix:
        return LabelledMatrix.of(np.array(values), self._texts, self.names)

    def _vector(self, values: Any) -> LabelledVector:
        return LabelledVector.of(np.array(values, dtype=float), self._texts)

    @property
    def _texts(self) -> tuple[str, ...]:
        return tuple(map(str, self.labels))


def _cells(fit: LogitResults) -> tuple[str, ...]:
    events = fit.class_counts[fit.classes[1]]
    numbers: tuple[FloatArray | float, ...] = fit.llf, fit.prsquared, fit.error_bound
    shown = (statistic(float(number)) for number in numbers[:2])
    return (f"{fit.n_rows:,}", f"{events:,}", *shown, f"{fit.error_bound:.1e}")
