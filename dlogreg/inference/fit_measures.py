"""Methods of a result that measure how well it fits the rows it was made from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from importlib import import_module
from typing import TYPE_CHECKING, Any

from dlogreg.evaluation import Label
from dlogreg.inference.calibration import CalibrationTable, HosmerLemeshow
from dlogreg.inference.event_checks import event_checks
from dlogreg.inference.goodness import GoodnessOfFit
from dlogreg.inference.own_rows import OwnRows
from dlogreg.inference.ranking import PrecisionRecall, RocCurve
from dlogreg.kernel.closing_sums import ColumnSums
from dlogreg.kernel.scores import ScoreSums

if TYPE_CHECKING:
    from dlogreg.rows_again import RowsAgain


class FitMeasures(OwnRows, ABC):
    """Goodness of fit; the attributes are those of LogitResults."""

    scores: ScoreSums | None
    column_sums: ColumnSums | None
    indicators: tuple[str, ...] | None
    classes: tuple[Label, ...]
    fit_intercept: bool
    llf: float
    llnull: float
    nobs: float
    tol: float
    weight_kind: str
    rows: RowsAgain | None

    @property
    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """Names of all coefficients."""

    @property
    @abstractmethod
    def penalized(self) -> bool:
        """Whether coefficients were penalised or bounded."""

    def goodness_of_fit(
        self,
        X: Any = None,
        y: Any = None,
        sample_weight: Any = None,
        offset: Any = None,
    ) -> GoodnessOfFit:
        """Return AUC, Brier score, log loss, Tjur's R2, calibration, and more.

        All of it comes from sums that the closing pass has made, so that nothing is
        read. They are of the point where that pass was, from which ``params`` are one
        step of Newton's method away, of the size that ``bse_error_bound`` tells. Scores
        were counted in at most 16,384 bins; where there are fewer different scores,
        every measure is exact, and elsewhere the report says how far ranks can be off.

        A fit that had no closing pass (``inference=False``, a penalty, more columns
        than a Hessian is formed of, separated classes) makes up for it with one pass
        over the rows, once: the sums are kept with the result. So does a result that
        was loaded: the scores of single rows are not saved.

        Parameters
        ----------
        X, y, sample_weight, offset : array, optional
            The rows of the fit, for a result that was loaded and does not know them;
            they are read once. Other rows are for ``dlogreg.evaluate``.

        Returns
        -------
        GoodnessOfFit
            ``print`` it; ``checks`` compares events observed and expected, over all
            rows and by 0/1 column, which agree at the optimum.

        Raises
        ------
        InferenceError
            If there are neither sums nor rows.
        DataError
            If the rows are not those of the fit.

        Examples
        --------
        >>> import dlogreg
        >>> X, y = [[0.0], [1.0], [2.0], [3.0], [4.0], [5.0]], [0, 0, 1, 0, 1, 1]
        >>> res = dlogreg.fit(X, y, feature_names=["dose"])
        >>> fit = res.goodness_of_fit()
        >>> round(fit.auc, 4), round(fit.brier, 4)
        (0.8889, 0.1468)
        """
        scores, columns = self._measured(X, y, sample_weight, offset)
        checks = event_checks(
            columns,
            self.tol,
            self.names,
            self.indicators or (),
            float(scores.weights.sum()),
            penalized=self.penalized,
            fit_intercept=self.fit_intercept,
        )
        return GoodnessOfFit(
            scores,
            tuple(self.classes),
            True,
            self.llf,
            self.llnull,
            self.nobs,
            checks,
            self.weight_kind,
        )

    def roc(self) -> RocCurve:
        """Return ``fpr, tpr, thresholds`` on the rows of the fit.

        Reads nothing after a closing pass, like all of ``goodness_of_fit``; the area
        is ``goodness_of_fit().auc``.

        Returns
        -------
        RocCurve
            Arrays ``fpr``, ``tpr`` and ``thresholds``, from the highest threshold down.

        Examples
        --------
        >>> import dlogreg
        >>> X, y = [[0.0], [1.0], [2.0], [3.0], [4.0], [5.0]], [0, 0, 1, 0, 1, 1]
        >>> res = dlogreg.fit(X, y, feature_names=["dose"])
        >>> curve = res.roc()
        >>> curve.tpr.round(2)
        array([0.  , 0.33, 0.67, 0.67, 1.  , 1.  , 1.  ])
        """
        return self.goodness_of_fit().roc()

    def precision_recall(self) -> PrecisionRecall:
        """Return ``precision, recall, thresholds`` on the rows of the fit.

        Reads nothing after a closing pass, like all of ``goodness_of_fit``.

        Returns
        -------
        PrecisionRecall
            Arrays ``precision``, ``recall`` and ``thresholds``.

        Examples
        --------
        >>> import dlogreg
        >>> X, y = [[0.0], [1.0], [2.0], [3.0], [4.0], [5.0]], [0, 0, 1, 0, 1, 1]
        >>> res = dlogreg.fit(X, y, feature_names=["dose"])
        >>> res.precision_recall().recall.round(2)
        array([0.  , 0.33, 0.67, 0.67, 1.  , 1.  , 1.  ])
        """
        return self.goodness_of_fit().precision_recall()

    def hosmer_lemeshow(self, groups: int = 10) -> HosmerLemeshow:
        """Return Hosmer and Lemeshow's test on groups parted at quantiles of p.

        Reads nothing after a closing pass, like all of ``goodness_of_fit``; see the
        method of the same name there.

        Parameters
        ----------
        groups : int
            Number of groups.

        Returns
        -------
        HosmerLemeshow
            With ``statistic``, ``df``, ``pvalue`` and the ``table`` of the groups.

        Examples
        --------
        >>> import dlogreg
        >>> X, y = [[0.0], [1.0], [2.0], [3.0], [4.0], [5.0]], [0, 0, 1, 0, 1, 1]
        >>> res = dlogreg.fit(X, y, feature_names=["dose"])
        >>> test = res.hosmer_lemeshow(groups=3)
        >>> test.df, round(test.statistic, 3)
        (1, 0.408)
        """
        return self.goodness_of_fit().hosmer_lemeshow(groups)

    def calibration(self, bins: int = 10) -> CalibrationTable:
        """Return observed and expected events in bins of about equal weight.

        Reads nothing after a closing pass, like all of ``goodness_of_fit``.

        Parameters
        ----------
        bins : int
            Number of bins.

        Returns
        -------
        CalibrationTable
            Arrays ``low``, ``high``, ``weight``, ``events`` and ``expected``.

        Examples
        --------
        >>> import dlogreg
        >>> X, y = [[0.0], [1.0], [2.0], [3.0], [4.0], [5.0]], [0, 0, 1, 0, 1, 1]
        >>> res = dlogreg.fit(X, y, feature_names=["dose"])
        >>> table = res.calibration(bins=2)
        >>> table.events, table.expected.round(3)
        (array([1., 2.]), array([0.538, 2.462]))
        """
        return self.goodness_of_fit().calibration(bins)

    def _measured(
        self,
        X: Any = None,
        y: Any = None,
        sample_weight: Any = None,
        offset: Any = None,
    ) -> tuple[ScoreSums, ColumnSums]:
        """Return the sums of the closing pass, or make them in one over the rows."""
        given = any(part is not None for part in (X, y, sample_weight, offset))
        if given or self.scores is None or self.column_sums is None:
            rows = self._own_rows("goodness_of_fit", X, y, sample_weight, offset)
            room = import_module("dlogreg.inference.measures_again")
            self._keep(*room.measured(self, rows))
        assert self.scores is not None
        assert self.column_sums is not None
        return self.scores, self.column_sums

    def _keep(self, scores: ScoreSums, columns: ColumnSums) -> None:
        """Remember sums that a pass over the rows has made."""
        object.__setattr__(self, "scores", scores)
        object.__setattr__(self, "column_sums", columns)
