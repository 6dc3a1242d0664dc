"""What a summary of measures of fit says."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from dlogreg.display.coefficients import CoefficientRow
from dlogreg.display.curves import calibration_picture
from dlogreg.display.html import fragment
from dlogreg.display.html import table as lines
from dlogreg.display.numerals import (
    MISSING,
    count,
    criterion,
    elided,
    p_value,
    printable,
    significant,
    statistic,
    upper_bound,
)
from dlogreg.display.summary import Facts, Summary, label_text

if TYPE_CHECKING:
    from dlogreg.inference.calibration import CalibrationTable, HosmerLemeshow
    from dlogreg.inference.event_checks import EventChecks
    from dlogreg.inference.goodness import GoodnessOfFit

MAX_NAME = 40
COLUMNS = ("rows", "events", "expected", "share", "mean p")


def summarize_goodness(
    report: GoodnessOfFit, groups: int, threshold: float, alpha: float
) -> Summary:
    """Return what there is to say about probabilities and outcomes."""
    table = report.calibration(groups)
    return Summary(
        title="Goodness of fit" + ("" if report.in_sample else ", new data"),
        model=_rows_of(report),
        quality=_measures(report),
        status="",
        columns=COLUMNS,
        rows=tuple(_groups(table)),
        notes=tuple(_notes(report, groups, threshold, alpha)),
        heading="probability",
    )


def _rows_of(report: GoodnessOfFit) -> Facts:
    facts = [
        ("Event modeled", label_text(report.classes[-1])),
        ("Rows", count(report.n_rows)),
    ]
    if report.nobs != report.n_rows:
        facts.append(("Sum of weights", count(report.nobs)))
    line = report.calibration_line
    errors = line.bse.tolist()
    return (
        *facts,
        ("Events", count(report.n_events)),
        ("Expected events", significant(report.expected_events, 7)),
        ("Calibration slope", _with_error(line.slope, errors[1])),
        ("Calibration intercept", _with_error(line.intercept, errors[0])),
        ("Deviance", criterion(report.deviance)),
        ("Null deviance", criterion(report.null_deviance)),
    )


def _with_error(value: float, error: float) -> str:
    """Return a number as far as its standard error tells, which follows it."""
    if not (np.isfinite(value) and np.isfinite(error) and error > 0):
        return significant(value, 5)
    digits = max(0, 2 - math.floor(math.log10(error)))
    # adding 0 makes a zero of a negative zero
    return f"{round(value, digits) + 0.0:.{digits}f} ({significant(error, 2)})"


def _measures(report: GoodnessOfFit) -> Facts:
    return (
        ("AUC", _with_error(report.auc, report.auc_bse)),
        ("Average precision", significant(report.average_precision, 5)),
        ("Brier score", significant(report.brier, 5)),
        ("Log loss", significant(report.log_loss, 5)),
        ("Tjur R2", significant(report.tjur, 4)),
        ("McFadden pseudo-R2", significant(report.prsquared, 4)),
        ("Cox-Snell pseudo-R2", significant(report.prsquared_cox_snell, 4)),
        ("Nagelkerke pseudo-R2", significant(report.prsquared_nagelkerke, 4)),
    )


def render_groups(table: CalibrationTable) -> str:
    """Return the table and its picture as a fragment of HTML."""
    rows = [(row.name, *row.cells) for row in _groups(table)]
    picture = f'<div class="figures">{calibration_picture(table)}</div>'
    return fragment("Calibration", picture, lines(("probability", *COLUMNS), rows))


def render_hosmer_lemeshow(test: HosmerLemeshow) -> str:
    """Return the verdict and the groups as a fragment of HTML."""
    rows = [(row.name, *row.cells) for row in _groups(test.table)]
    verdict = (
        f"chi2({test.df}) = {statistic(test.statistic)}, p = {p_value(test.pvalue)}"
    )
    return fragment(
        f"Hosmer-Lemeshow test: {verdict}", lines(("probability", *COLUMNS), rows)
    )


def _groups(table: CalibrationTable) -> Iterator[CoefficientRow]:
    columns = zip(
        table.low,
        table.high,
        table.weight,
        table.events,
        table.expected,
        table.event_share,
        table.mean_probability,
        strict=True,
    )
    for low, high, weight, events, expected, share, mean in columns:
        cells = (
            count(float(weight)),
            count(float(events)),
            significant(float(expected), 6),
            significant(float(share), 4),
            significant(float(mean), 4),
        )
        name = f"{significant(float(low), 4)} - {significant(float(high), 4)}"
        yield CoefficientRow(name, cells)


def _notes(
    report: GoodnessOfFit, groups: int, threshold: float, alpha: float
) -> Iterator[str]:
    """Return what goes with the numbers; standard errors stand in parentheses."""
    if report.checks is not None and len(report.checks):
        yield _checked(report.checks)
    yield _hosmer_lemeshow(report, groups)
    if np.isfinite(report.auc_bse):
        low, high = report.auc_conf_int(alpha)
        yield (
            f"AUC: {100 * (1 - alpha):.4g} % interval {low:.5f} to {high:.5f} (DeLong)"
        )
    decided = report.classification_table(threshold)
    shares = {
        "accuracy": decided.accuracy,
        "sensitivity": decided.sensitivity,
        "specificity": decided.specificity,
        "precision": decided.precision,
    }
    listed = ", ".join(f"{name} {significant(x, 4)}" for name, x in shares.items())
    yield f"Events called at p > {decided.threshold:.6g}: {listed}"
    if not report.exact:
        yield (
            "Scores were counted in bins: the AUC is within "
            f"{upper_bound(report.auc_error)} and the average precision within "
            f"{upper_bound(report.average_precision_error)} of its exact value"
        )


def _checked(checks: EventChecks) -> str:
    """Say whether as many events are expected as there are, or where they differ."""
    n = len(checks)
    what = "overall" if n == 1 else f"overall and in {n - 1} 0/1 column(s)"
    if "const" not in checks.names[0]:
        what = f"in {n} 0/1 column(s)"
    if checks.all_passed:
        return f"Events expected = observed, {what}: yes, within tol"
    worst = int(np.argmax(np.abs(checks.expected - checks.observed) / checks.allowed))
    name = elided(printable(checks.names[worst]), MAX_NAME)
    return (
        f"Events expected = observed, {what}: NO for {int((~checks.passed).sum())}, "
        f"first of all {name}: {significant(float(checks.expected[worst]), 9)} "
        f"expected, {significant(float(checks.observed[worst]), 9)} observed"
    )


def _hosmer_lemeshow(report: GoodnessOfFit, groups: int) -> str:
    if report.weight_kind == "probability":
        return f"Hosmer-Lemeshow test: {MISSING} (probability weights)"
    if len(report.calibration(groups)) - 2 * report.in_sample < 1:
        return f"Hosmer-Lemeshow test: {MISSING} (too few groups)"
    test = report.hosmer_lemeshow(groups)
    return (
        f"Hosmer-Lemeshow test: chi2({test.df}) = {statistic(test.statistic)}, "
        f"p = {p_value(test.pvalue)}"
    )
