"""How well probabilities agree with outcomes, from sums over rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri

from dlogreg.display import Summary
from dlogreg.display.curves import goodness_pictures
from dlogreg.display.goodness import summarize_goodness
from dlogreg.display.html import render
from dlogreg.errors import InferenceError
from dlogreg.evaluation import Label
from dlogreg.inference import calibration, decisions, ranking
from dlogreg.inference.event_checks import EventChecks
from dlogreg.inference.levels import check_level
from dlogreg.inference.likelihoods import Deviances
from dlogreg.inference.recalibration import CalibrationLine, calibration_line
from dlogreg.kernel.scores import ScoreSums

if TYPE_CHECKING:
    from dlogreg.display.plots import GoodnessPlots


@dataclass(frozen=True, eq=False, repr=False)
class GoodnessOfFit(Deviances):
    """Measures of fit on some rows; holds sums of fixed size, no data.

    All are computed from counts by bins of the linear predictor. Up to 16,384 distinct
    values each has a bin of its own (values that agree to 2**-32 are one), and every
    measure is exact; beyond, measures of ranking state how far they can be off.
    Weights count as repeated rows.
    """

    sums: ScoreSums
    classes: tuple[Label, ...]
    """The other label and the event."""
    in_sample: bool
    """Whether the rows are those of the fit."""
    llf: float
    """Log-likelihood of the rows."""
    llnull: float
    """Log-likelihood of a model that knows only the share of events in the rows; of an
    intercept beside the offset, where there is one."""
    nobs: float
    """Sum of the weights, the number of rows where there are none."""
    checks: EventChecks | None = None
    """Events observed and expected by column; of the rows of a fit."""
    weight_kind: str = "frequency"

    @classmethod
    def of(
        cls,
        sums: ScoreSums,
        classes: Sequence[Label],
        *,
        in_sample: bool,
        llnull: float | None = None,
    ) -> GoodnessOfFit:
        """Return the measures that follow from sums.

        ``llnull`` is given where rows have offsets, and follows from the share of
        events elsewhere.
        """
        counts = np.array([sums.others.sum(), sums.events.sum()])
        held = counts[counts > 0]
        if llnull is None:
            llnull = float((held * np.log(held / held.sum())).sum())
        total = float(counts.sum())
        return cls(sums, tuple(classes), in_sample, -sums.loss, llnull, total)

    def __repr__(self) -> str:
        """Return one line."""
        return (
            f"<GoodnessOfFit: {self.n_rows:,} rows, AUC {self.auc:.5g}, "
            f"Brier {self.brier:.5g}, log loss {self.log_loss:.5g}>"
        )

    def __str__(self) -> str:
        """Return the summary as text."""
        return str(self.summary())

    def _repr_html_(self) -> str:
        """Return the summary with its curves, as a notebook shows it."""
        return render(self.summary(), *goodness_pictures(self))

    @property
    def plot(self) -> GoodnessPlots:
        """Plots by their names, as ``report.plot.roc()``; they need matplotlib."""
        plots: GoodnessPlots = import_module("dlogreg.display.plots").GoodnessPlots(
            self
        )
        return plots

    def summary(
        self, groups: int = 10, threshold: float = 0.5, alpha: float = 0.05
    ) -> Summary:
        """Return all measures as a table.

        Parameters
        ----------
        groups : int
            Groups of the calibration table and of Hosmer and Lemeshow's test.
        threshold : float
            Probability above which a row is called an event.
        alpha : float
            Level of the AUC's interval is 1 - alpha.
        """
        check_level(alpha)
        return summarize_goodness(self, groups, threshold, alpha)

    @property
    def exact(self) -> bool:
        """Whether every distinct score has a bin of its own."""
        return self.sums.exact

    @property
    def n_rows(self) -> int:
        """Rows of positive weight."""
        return self.sums.n_rows

    @property
    def n_events(self) -> float:
        """Weight of the events."""
        return float(self.sums.events.sum())

    @property
    def expected_events(self) -> float:
        """Sum of the probabilities; on the rows of a fit with intercept, ``n_events``.

        A ridge penalty leaves this so, because the intercept is not penalised.
        """
        return float(self.sums.probabilities.sum())

    @property
    def brier(self) -> float:
        """Mean of (p - y)^2."""
        return self.sums.squared_error / self.nobs

    @property
    def log_loss(self) -> float:
        """Mean of -log of the probability of the class that was observed."""
        return -self.llf / self.nobs

    @property
    def tjur(self) -> float:
        """Mean probability of the events less that of the others (Tjur 2009)."""
        n_events, inside = self.n_events, self.sums.event_probability
        if not 0 < n_events < self.nobs:
            return float(np.nan)
        outside = (self.expected_events - inside) / (self.nobs - n_events)
        return inside / n_events - outside

    @property
    def auc(self) -> float:
        """Area under the ROC curve; NaN where all rows are of one class."""
        return ranking.area_under_curve(self.sums).value

    @property
    def auc_error(self) -> float:
        """Proven bound on how far ``auc`` is from its exact value; 0 if ``exact``."""
        return ranking.area_under_curve(self.sums).error

    @property
    def auc_bse(self) -> float:
        """Standard error of ``auc`` (DeLong, DeLong and Clarke-Pearson 1988).

        NaN with probability weights, which do not count rows.
        """
        if self.weight_kind == "probability":
            return float(np.nan)
        return ranking.area_under_curve(self.sums).bse

    def auc_conf_int(self, alpha: float = 0.05) -> tuple[float, float]:
        """Return the normal interval of ``auc`` at level 1 - alpha, within 0 and 1."""
        check_level(alpha)
        area = ranking.area_under_curve(self.sums)
        half = -float(ndtri(alpha / 2)) * self.auc_bse
        low, high = np.clip([area.value - half, area.value + half], 0, 1).tolist()
        return low, high

    @property
    def average_precision(self) -> float:
        """Sum over scores of precision times recall gained there; NaN without events.

        ``average_precision_error`` bounds how far it is from its exact value.
        """
        return ranking.average_precision(self.sums).value

    @property
    def average_precision_error(self) -> float:
        """Proven bound on the error of ``average_precision``; 0 if ``exact``."""
        return ranking.average_precision(self.sums).error

    def roc(self) -> ranking.RocCurve:
        """Return ``fpr, tpr, thresholds``, thresholds falling from 1 to 0.

        Each is an array of up to 16,385 points; a row is above a threshold if its
        probability is.
        """
        return ranking.roc_curve(self.sums)

    def precision_recall(self) -> ranking.PrecisionRecall:
        """Return ``precision, recall, thresholds``, thresholds falling from 1 to 0."""
        return ranking.precision_recall(self.sums)

    def hosmer_lemeshow(self, groups: int = 10) -> calibration.HosmerLemeshow:
        """Return Hosmer and Lemeshow's test on groups parted at quantiles of p.

        It has two degrees of freedom less than there are groups on the rows of the fit
        (``in_sample``), and as many on others. Groups whose borders are equal are one,
        as in R's ``ResourceSelection::hoslem.test``, which yet counts the degrees of
        freedom as if they were not. Probability weights have no such test.
        """
        if self.weight_kind == "probability":
            raise InferenceError(
                "the test of Hosmer and Lemeshow counts rows, which probability "
                "weights do not; compare calibration()"
            )
        return calibration.hosmer_lemeshow(self.sums, groups, in_sample=self.in_sample)

    def calibration(self, bins: int = 10) -> calibration.CalibrationTable:
        """Return observed and expected events in bins of about equal weight."""
        return calibration.calibration_table(self.sums, bins)

    @property
    def calibration_line(self) -> CalibrationLine:
        """Logistic regression of the outcome on the score; ideally 0 and 1."""
        return calibration_line(self.sums)

    def classification_table(
        self, threshold: float = 0.5
    ) -> decisions.ClassificationTable:
        """Return the counts of rows called right and wrong at a threshold.

        Where scores share bins, the threshold may be moved to the nearest border of a
        bin, which the table then names; 0.5 is one.
        """
        return decisions.classification_table(self.sums, threshold)

    def best_threshold(
        self, cost_fp: float, cost_fn: float, prior: float | None = None
    ) -> decisions.Decision:
        """Return the threshold at which the expected cost of a row is least.

        Parameters
        ----------
        cost_fp, cost_fn : float
            Cost of calling another row an event, and of missing an event.
        prior : float, optional
            Share of events where the threshold will be used; default that of the rows.
        """
        return decisions.best_threshold(self.sums, cost_fp, cost_fn, prior)
