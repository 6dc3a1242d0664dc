"""What the reader of a fit must know before trusting its numbers, in plain words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from dlogreg.display.numerals import count, significant, upper_bound
from dlogreg.solvers import Status

if TYPE_CHECKING:
    from dlogreg.results.fitted import FittedModel

FEW_EVENTS = 10
"""Rows of the rarest class per coefficient; with fewer, maximum likelihood is visibly
biased away from 0 (Peduzzi and others 1996)."""
ROUGH = 0.01
"""Relative error of standard errors that is worth a word."""
SEPARATED = {
    "": (
        "(!) no finite optimum: this column separates the classes; its coefficient "
        "only shows where the fit stopped"
    ),
    "quasi-complete": (
        "(!) no finite optimum: the classes are separated quasi-completely; the other "
        "coefficients are those of the rows that are not predicted for certain, within "
        "{bound} standard errors"
    ),
    "complete": (
        "(!) no finite optimum: the classes are separated completely; nothing is left "
        "to estimate other coefficients from"
    ),
}
UNFINISHED = {
    Status.MAX_PASSES: (
        "The fit was not finished: these are not yet the maximum likelihood estimates; "
        "raise max_passes, or tol"
    ),
    Status.STALLED: (
        "The fit came as near to the optimum as rounding allows, which is not as near "
        "as tol asks for; raise tol, or bring the columns to similar scales"
    ),
    Status.INTERRUPTED: (
        "The fit was interrupted: these are not yet the maximum likelihood estimates"
    ),
    Status.SEPARATION_SUSPECTED: (
        "Some coefficients are still growing, as they do where a column predicts the "
        "outcome perfectly; do not take them for estimates"
    ),
    Status.UNDECIDED: (
        "Some coefficients are still growing, as they do where a column predicts the "
        "outcome perfectly; do not take them for estimates"
    ),
}


def cautions(results: FittedModel) -> Iterator[str]:
    """Return a sentence for everything that limits what the numbers mean."""
    if results.status in UNFINISHED:
        yield UNFINISHED[results.status]
    if results.dropped:
        yield (
            "Dropped columns add nothing to the columns before them; their "
            "coefficients cannot be estimated"
        )
    if results.separated:
        bound = upper_bound(results.limit_error_bound)
        yield SEPARATED[results.separation].format(bound=bound)
    if results.n_dropped:
        share = results.n_dropped / (results.n_dropped + results.n_rows)
        yield (
            f"{count(results.n_dropped)} rows with missing values were left out "
            f"({100 * share:.2g} %)"
        )
    yield from _few_events(results)
    if results.covariance is not None and ROUGH < results.bse_error_bound < np.inf:
        most = float(upper_bound(100 * results.bse_error_bound))
        yield f"Standard errors may be off by up to {most:g} %; lower tol"


def _few_events(results: FittedModel) -> Iterator[str]:
    """Warn of bias that a penalty would take away, where there is none."""
    if results.penalized or results.firth or results.separated:
        return
    estimated = int(np.isfinite(np.atleast_2d(results.coefficients)[0]).sum())
    rarest = min(results.class_counts.values(), default=0)
    if estimated > 1 and rarest < FEW_EVENTS * estimated:
        yield (
            f"Only {significant(rarest / estimated, 2)} rows of the rarest class for "
            "each coefficient: estimates of maximum likelihood are biased away from 0"
            + ("; compare firth=True" if len(results.classes) == 2 else "")
        )
