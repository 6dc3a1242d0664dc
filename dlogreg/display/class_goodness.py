"""What a summary of measures of three or more classes says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlogreg.display.coefficients import CoefficientRow, shortened
from dlogreg.display.numerals import count, criterion, significant, upper_bound
from dlogreg.display.summary import Summary, label_text

if TYPE_CHECKING:
    from dlogreg.inference.class_goodness import ClassGoodness

COLUMNS = ("rows", "called", "right", "recall", "precision", "AUC")


def summarize_class_goodness(report: ClassGoodness) -> Summary:
    """Return what there is to say about probabilities and outcomes."""
    measures = (
        ("Accuracy", significant(report.accuracy, 5)),
        ("Log loss", significant(report.log_loss, 5)),
        ("Brier score", significant(report.brier, 5)),
        ("Macro AUC", significant(report.macro_auc, 5)),
        ("McFadden pseudo-R2", significant(report.prsquared, 4)),
    )
    facts = [("Classes", str(len(report.classes))), ("Rows", count(report.n_rows))]
    if report.nobs != report.n_rows:
        facts.append(("Sum of weights", count(report.nobs)))
    facts += [
        ("Deviance", criterion(report.deviance)),
        ("Null deviance", criterion(report.null_deviance)),
    ]
    notes = [
        "Called: rows of which the class is the most probable; AUC against the rest"
    ]
    if report.macro_auc_error:
        error = upper_bound(report.macro_auc_error)
        notes.append(f"Scores were counted in bins: the macro AUC is exact to {error}")
    return Summary(
        title="Goodness of fit" + ("" if report.in_sample else ", new data"),
        model=tuple(facts),
        quality=measures,
        status="",
        columns=COLUMNS,
        rows=tuple(shortened(_rows(report))),
        notes=tuple(notes),
        heading="class",
    )


def _rows(report: ClassGoodness) -> list[CoefficientRow]:
    confusion, aucs = report.confusion, report.aucs
    recall, precision = report.recall, report.precision
    return [
        CoefficientRow(
            label_text(label),
            (
                count(float(confusion[k].sum())),
                count(float(confusion[:, k].sum())),
                count(float(confusion[k, k])),
                significant(float(recall[k]), 4),
                significant(float(precision[k]), 4),
                significant(float(aucs[k]), 5),
            ),
        )
        for k, label in enumerate(report.classes)
    ]
