"""The plots that results offer, by their names."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dlogreg.display.plots import forest, goodness, influence, passes
from dlogreg.display.summary import label_text

if TYPE_CHECKING:
    from dlogreg.diagnostics import Influence
    from dlogreg.inference.class_goodness import ClassGoodness
    from dlogreg.inference.goodness import GoodnessOfFit
    from dlogreg.results import LogitResults, MultinomialResults
    from dlogreg.results.fitted import FittedModel


class Plots:
    """Says which plots there are."""

    def __repr__(self) -> str:
        """Return the names of the plots."""
        names = [name for name in dir(self) if not name.startswith("_")]
        return f"<plots: {', '.join(names)}>"


class CostPlots(Plots, ABC):
    """Plots of what a fit did, from its record of passes."""

    @abstractmethod
    def _fitted(self) -> FittedModel:
        """Return the results."""

    def convergence(self, ax: Any = None, **style: Any) -> Any:
        """Draw the distance from the optimum, in standard errors, after every pass.

        The proven bound, and the estimate at the point of the pass; where neither is
        known, the loss above the least of all passes.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; default: a new figure.
        **style
            Passed to the line of the bound, such as ``color``.

        Returns
        -------
        matplotlib Axes
        """
        return passes.draw_convergence(self._fitted(), ax, **style)

    def passes(self, ax: Any = None, **style: Any) -> Any:
        """Draw when every pass ran, and how long it read, computed and waited.

        Seconds are those of the average thread, as in ``trace``; the order of reading
        and computing within a pass is not recorded.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; default: a new figure, higher for more passes.
        **style
            Passed to the bars, such as ``height``.

        Returns
        -------
        matplotlib Axes
        """
        return passes.draw_passes(self._fitted(), ax, **style)


class GoodnessPlots(Plots):
    """Plots of measures of fit, from counts of rows by bins of their scores."""

    def __init__(self, report: GoodnessOfFit) -> None:
        self._report = report

    def _measured(self) -> GoodnessOfFit:
        return self._report

    def roc(self, ax: Any = None, *, alpha: float = 0.05, **style: Any) -> Any:
        """Draw the ROC curve, with its area and DeLong's interval at level 1 - alpha.

        ``style`` goes to the curve; the axes are returned.
        """
        return goodness.draw_roc(self._measured(), ax, alpha, **style)

    def precision_recall(self, ax: Any = None, **style: Any) -> Any:
        """Draw precision against recall, beside the share of events.

        ``style`` goes to the curve; the axes are returned.
        """
        return goodness.draw_precision_recall(self._measured(), ax, **style)

    def calibration(
        self, ax: Any = None, *, bins: int = 10, alpha: float = 0.05, **style: Any
    ) -> Any:
        """Draw shares of events against probabilities, and how these are spread.

        Points are groups of about equal weight with Wilson's intervals; the line is a
        logistic regression on a restricted cubic spline of the log-odds, with its
        pointwise band; below, a histogram of the probabilities. Probability weights,
        which count no rows, have neither intervals nor band.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; default: a new figure.
        bins : int
            Groups of rows.
        alpha : float
            Level of intervals and band is 1 - alpha.
        **style
            Passed to the points (``Axes.errorbar``).

        Returns
        -------
        matplotlib Axes
        """
        return goodness.draw_calibration(self._measured(), ax, bins, alpha, **style)

    def score_distributions(
        self, ax: Any = None, *, bins: int = 50, **style: Any
    ) -> Any:
        """Draw histograms of the log-odds of events and of other rows.

        Probabilities stand along the top. The axis ends where a thousandth of a class
        lies beyond on either side. ``style`` goes to the areas; the axes are returned.
        """
        return goodness.draw_scores(self._measured(), ax, bins, **style)


class ResultPlots(CostPlots, GoodnessPlots):
    """Plots of a fit of two classes; only ``influence`` reads the rows, once.

    Plots of measures of fit are those of ``goodness_of_fit()``, which reads nothing
    after a closing pass.
    """

    def __init__(self, results: LogitResults) -> None:
        self._results = results

    def _fitted(self) -> LogitResults:
        return self._results

    def _measured(self) -> GoodnessOfFit:
        return self._results.goodness_of_fit()

    def odds_ratios(
        self,
        ax: Any = None,
        *,
        alpha: float = 0.05,
        names: Sequence[str] | None = None,
        sort: bool = True,
        most: int = forest.MOST,
        units: Mapping[str, float] | None = None,
        kind: str | None = None,
        method: str = "wald",
        **style: Any,
    ) -> Any:
        """Draw odds ratios with their intervals on a logarithmic axis.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; default: a new figure, higher for more rows.
        alpha : float
            Level of the intervals is 1 - alpha.
        names : sequence of str, optional
            Coefficients to draw; default: all but the intercept.
        sort : bool
            Put the largest on top, instead of the order of the columns.
        most : int
            Draw so many rows at most, the most significant ones.
        units, kind, method
            As in ``odds_ratios``; ``method="profile"`` reads the rows.
        **style
            Passed to the points, such as ``color`` and ``marker``.

        Returns
        -------
        matplotlib Axes
            Intervals that leave it end in arrows, as do infinite coefficients.
        """
        results = self._results
        logs, labels = forest.binary_forest(results, alpha, units, kind, method)
        rows = forest.chosen(results, logs, labels, names, most, sort=sort)
        event = label_text(results.classes[-1])
        interval = f", {100 * (1 - alpha):.4g} % intervals"
        tested = results.covariance is not None
        heading = f"Odds ratios of {event}{interval if tested else ''}"
        return forest.draw_forest(rows, ax, heading, **style)

    def influence(
        self,
        ax: Any = None,
        *,
        k: int = 20,
        found: Influence | None = None,
        **style: Any,
    ) -> Any:
        """Draw the rows with the largest of Cook's distances.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; default: a new figure, higher for more rows.
        k : int
            How many rows, up to 60; they are found in one pass.
        found : Influence, optional
            What ``influence()`` has found before; then nothing is read.
        **style
            Passed to the marks.

        Returns
        -------
        matplotlib Axes
        """
        found = self._results.influence(k) if found is None else found
        return influence.draw_influence(found, ax, self._results.n_rows, **style)


class MultinomialPlots(CostPlots):
    """Plots of a fit of three or more classes."""

    def __init__(self, results: MultinomialResults) -> None:
        self._results = results

    def _fitted(self) -> MultinomialResults:
        return self._results

    def odds_ratios(
        self,
        ax: Any = None,
        *,
        alpha: float = 0.05,
        names: Sequence[str] | None = None,
        sort: bool = True,
        most: int = forest.MOST // 2,
        **style: Any,
    ) -> Any:
        """Draw odds ratios of up to six classes, those of a class in one colour.

        Parameters are those of two classes; see ``LogitResults.plot.odds_ratios``.
        """
        results = self._results
        logs, labels = forest.class_forest(results, alpha)
        rows = forest.chosen(results, logs, labels, names, most, sort=sort)
        against = "the mean of all classes"
        if not results.symmetric:
            against = label_text(results.classes[0])
        heading = f"Odds ratios against {against}"
        return forest.draw_forest(rows, ax, heading, **style)


class ClassGoodnessPlots(Plots):
    """Plots of measures of fit of three or more classes.

    ``report[label].plot`` has those of one class against the rest.
    """

    def __init__(self, report: ClassGoodness) -> None:
        self._report = report

    def roc(self, ax: Any = None, **style: Any) -> Any:
        """Draw a ROC curve of every class against the rest, up to eight of them.

        ``style`` goes to the curves; the axes are returned.
        """
        return goodness.draw_class_roc(self._report, ax, **style)
