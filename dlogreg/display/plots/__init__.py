"""Plots of results: ``res.plot.odds_ratios()`` and its kin, by matplotlib.

Each takes the axes to draw on, or makes a new figure, and returns the axes. All are
made of what the results hold (coefficients, sums, records of passes), never of rows.
"""

from dlogreg.display.plots.faces import (
    ClassGoodnessPlots,
    GoodnessPlots,
    MultinomialPlots,
    ResultPlots,
)

__all__ = ["ClassGoodnessPlots", "GoodnessPlots", "MultinomialPlots", "ResultPlots"]
