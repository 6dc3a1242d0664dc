"""The table of several outcomes: a line for each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlogreg.display.coefficients import CoefficientRow, shortened
from dlogreg.display.numerals import printable, statistic
from dlogreg.display.summary import Summary
from dlogreg.evaluation import FloatArray

if TYPE_CHECKING:
    from dlogreg.outcomes.results import ManyResults
    from dlogreg.results import LogitResults


def summarize_outcomes(many: ManyResults) -> Summary:
    """Return the table of the fits."""
    lines = [
        CoefficientRow(printable(str(label)), cells)
        for label, cells in zip(many.labels, map(_cells, many.fits), strict=True)
    ]
    late = sum(not fit.converged for fit in many.fits)
    note = f"{late} of {len(many)} outcomes did not converge; see statuses."
    return Summary(
        title="Logistic regressions of several outcomes",
        model=(("Outcomes", str(len(many))), ("Columns", str(len(many.names)))),
        quality=(
            ("Passes", str(many.n_passes)),
            ("Converged", str(many.converged)),
        ),
        status="",
        columns=("rows", "events", "llf", "pseudo R2", "error bound"),
        rows=tuple(shortened(lines)),
        notes=(note,) if late else (),
        heading="outcome",
    )


def _cells(fit: LogitResults) -> tuple[str, ...]:
    events = fit.class_counts[fit.classes[1]]
    numbers: tuple[FloatArray | float, ...] = fit.llf, fit.prsquared, fit.error_bound
    shown = (statistic(float(number)) for number in numbers[:2])
    return (f"{fit.n_rows:,}", f"{events:,}", *shown, f"{fit.error_bound:.1e}")
