"""What a summary says, before it is laid out as text or as HTML."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from dlogreg.display import html, latex, markdown, text
from dlogreg.display.cautions import cautions
from dlogreg.display.coefficients import (
    CoefficientRow,
    cells,
    coefficient_rows,
    intervals,
    shortened,
    strengths,
    with_intervals,
)
from dlogreg.display.numerals import (
    MISSING,
    count,
    criterion,
    data_size,
    elided,
    p_value,
    printable,
    significant,
    upper_bound,
)
from dlogreg.evaluation import Label, PassRecord

if TYPE_CHECKING:
    from dlogreg.results import LogitResults
    from dlogreg.results.fitted import FittedModel

STRONGEST = 25
"""So many coefficients of a long table are shown before it is opened."""
MAX_LABEL = 24


Facts = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, repr=False)
class Summary:
    """Facts and a table as text (``print``) and as HTML (in a notebook)."""

    title: str
    model: Facts
    """Left half of the header: data and computation."""
    quality: Facts
    """Right half of the header: likelihood and criteria."""
    status: str
    """How the fit ended; empty where nothing was fitted."""
    columns: tuple[str, ...]
    rows: tuple[CoefficientRow, ...]
    notes: tuple[str, ...]
    heading: str = "column"
    """What the rows of the table are."""
    cost: Facts = ()
    """What the fit cost; text shows it below the left half."""
    warnings: tuple[str, ...] = ()
    """What limits the meaning of the numbers."""
    succeeded: bool = True
    """Whether the status is a good one."""
    strongest: tuple[CoefficientRow, ...] = ()
    """The rows that HTML shows of a long table, which it folds."""
    n_rows: int = 0
    """Length of that table, were nothing left out."""
    strength: str = "most significant"
    """What the strongest rows are."""
    ratios: bool = True
    """Whether intervals are logarithms of odds ratios."""

    def __str__(self) -> str:
        """Return the summary as text."""
        return text.render(self)

    def __repr__(self) -> str:
        """Return the same, so that a terminal shows it."""
        return str(self)

    def _repr_html_(self) -> str:
        """Return the summary as a fragment of HTML."""
        return html.render(self)

    def to_markdown(self) -> str:
        """Return the table in Markdown, as GitHub and pandoc read it."""
        return markdown.render(self)

    def to_latex(self) -> str:
        """Return the table as a LaTeX ``tabular`` for the package booktabs."""
        return latex.render(self)


def describe(results: LogitResults) -> str:
    """Return one line about a fitted model."""
    return (
        f"<LogitResults: {len(results.names)} coefficients, "
        f"event {label_text(results.classes[-1])}, {outcome(results)}>"
    )


def outcome(results: FittedModel) -> str:
    """Return how a fit ended."""
    known = np.isfinite(results.error_bound)
    bound = f"within {upper_bound(results.error_bound)} standard errors, "
    return (
        f"{count(results.n_rows)} rows, log-likelihood {criterion(results.llf)}, "
        f"{results.status.value.split(':')[0]}, "
        f"{bound if known else ''}{results.n_passes} passes"
    )


def summarize(results: LogitResults, alpha: float) -> Summary:
    """Return what there is to say about a fitted model."""
    return Summary(
        title=f"Logistic regression, {method(results)}",
        model=_model(results),
        columns=columns(results, alpha),
        notes=tuple(notes(results, alpha)),
        **of_any_fit(results),
        **table_parts(list(_rows(results, alpha)), results),
    )


def of_any_fit(results: FittedModel) -> dict[str, Any]:
    """Return the parts of a summary that are the same for two classes and more."""
    return {
        "quality": quality(results),
        "cost": cost(results),
        "status": results.status.value,
        "succeeded": results.converged,
        "warnings": tuple(cautions(results)),
    }


def table_parts(rows: Sequence[CoefficientRow], results: FittedModel) -> dict[str, Any]:
    """Return the rows to show, and the strongest where these are many."""
    filled = [row for row in rows if row.cells]
    strongest: Sequence[CoefficientRow] = ()
    if len(filled) > html.OPEN_ROWS:
        strongest = sorted(filled, key=lambda row: -row.strength)[:STRONGEST]
        strongest = [
            replace(row, name=f"{row.group}: {row.name}" if row.group else row.name)
            for row in strongest
        ]
    tested = results.covariance is not None
    return {
        "rows": tuple(shortened(rows)),
        "strongest": tuple(strongest),
        "n_rows": len(filled),
        "strength": "most significant" if tested else "largest",
    }


def method(results: FittedModel) -> str:
    """Say how the coefficients were estimated."""
    within = " within bounds" if results.bounded else ""
    if results.alpha:
        ratio = results.l1_ratio
        kind = "lasso" if ratio == 1 else "elastic net" if ratio else "ridge"
        mixed = f", l1_ratio = {ratio:.6g}" if 0 < ratio < 1 else ""
        strength = f"alpha = {results.alpha:.6g}{mixed} on the mean loss"
        return f"{kind} penalty, {strength}{within}"
    if within:
        return f"maximum likelihood{within}"
    return "Firth's penalised likelihood" if results.firth else "maximum likelihood"


def _model(results: LogitResults) -> Facts:
    *others, event = results.classes
    counts = results.class_counts
    facts = [("Event modeled", f"{label_text(event)} ({count(counts[event])} rows)")]
    facts += [
        ("Other class", f"{label_text(label)} ({count(counts[label])} rows)")
        for label in others
    ]
    return *facts, *computation(results)


def computation(results: FittedModel) -> Facts:
    """Return what was fitted."""
    facts = [("Rows", count(results.n_rows))]
    if results.n_dropped:
        facts.append(
            ("Rows with missing values", f"{count(results.n_dropped)} dropped")
        )
    if results.nobs != results.n_rows:
        facts.append(("Sum of weights", count(results.nobs)))
    if results.weight_kind != "frequency":
        facts.append(("Weights", results.weight_kind))
    if results.has_offset:
        facts.append(("Offset", "given"))
    if results.cov_type != "model":
        facts.append(("Standard errors", f"robust, {results.cov_type}"))
    if results.n_groups:
        facts.append(("Groups", count(results.n_groups)))
    return (
        *facts,
        ("Df model", count(results.df_model)),
        ("Df residuals", count(results.df_resid)),
    )


def cost(results: FittedModel) -> Facts:
    """Return what the fit cost."""
    return (
        ("Solver", results.solver),
        ("Passes over the data", count(results.n_passes)),
        *_seconds(results.trace),
        ("Data read", data_size(results.bytes_read)),
        ("Peak memory", data_size(results.peak_memory)),
    )


def _seconds(trace: Sequence[PassRecord]) -> Facts:
    """Return what all passes took, and how much of it was reading."""
    seconds = sum(record.seconds for record in trace)
    reading = sum(record.reading for record in trace)
    if not seconds:
        return ()
    share = "" if np.isnan(reading) else f" ({100 * reading / seconds:.0f} % reading)"
    return (("Seconds in passes", f"{seconds:,.2f}{share}"),)


def quality(results: FittedModel) -> Facts:
    """Return likelihoods, criteria and what is proven."""
    testable = not results.why_no_llr_test
    pseudo = "Pseudo l" if results.weight_kind == "probability" else "L"
    facts = (
        (f"{pseudo}og-likelihood", criterion(results.llf)),
        ("Null log-likelihood", criterion(results.llnull)),
        ("McFadden pseudo-R2", significant(results.prsquared, 4)),
        ("LLR p-value", p_value(results.llr_pvalue) if testable else MISSING),
        ("AIC", criterion(results.aic)),
        ("BIC", criterion(results.bic)),
        ("Error bound, in std err", upper_bound(results.error_bound)),
    )
    if results.covariance is None:
        return facts
    proven = np.isfinite(results.error_bound)
    accuracy = upper_bound(results.bse_error_bound if proven else np.nan)
    return *facts, ("Relative error of std err", accuracy)


def columns(results: FittedModel, alpha: float) -> tuple[str, ...]:
    """Return the titles of the table."""
    if results.covariance is None:
        return "coef", "odds ratio"
    interval = f"[{alpha / 2:.4g}", f"{1 - alpha / 2:.4g}]"
    return "coef", "std err", "z", "P>|z|", "odds ratio", *interval


def _rows(results: LogitResults, alpha: float) -> Iterator[CoefficientRow]:
    """Return one row per coefficient."""
    wald = None
    if results.covariance is not None:
        wald = results.bse, results.zvalues, results.pvalues
    ratios = results.odds_ratios(alpha)
    numbers = cells(results.coefficients, ratios, wald)
    drawn = intervals(results, results.coefficients, ratios)
    z = None if wald is None else np.asarray(wald[1])
    found = coefficient_rows(results, numbers)
    yield from with_intervals(found, drawn, strengths(results.coefficients, z))


def notes(results: FittedModel, alpha: float) -> Iterator[str]:
    """Return what the reader of the table must know."""
    if results.covariance is None:
        yield results.why_no_inference[:1].upper() + results.why_no_inference[1:]
    else:
        yield (
            f"Wald tests and {100 * (1 - alpha):.4g} % intervals of the odds ratios "
            f"from the normal distribution{_by(results)}"
        )
    if results.why_no_llr_test:
        yield f"No likelihood-ratio test: {results.why_no_llr_test}"


def _by(results: FittedModel) -> str:
    if results.cov_type == "model":
        return ""
    within = " or rows of a group depend on each other"
    rest = "; the likelihood-ratio test and criteria trust the model"
    return (
        f", by {results.cov_type} standard errors, which hold also where the variance "
        f"is not the model's{within if results.cov_type == 'cluster' else ''}"
        f"{'' if results.weight_kind == 'probability' else rest}"
    )


def label_text(label: Label) -> str:
    """Return a label as it is written in code, which tells '1' from 1."""
    value = label.item() if isinstance(label, np.generic) else label
    return elided(printable(repr(value)), MAX_LABEL)
