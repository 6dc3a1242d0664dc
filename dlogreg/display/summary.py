"""What a summary says, before it is laid out as text or as HTML."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dlogreg.display import html, latex, markdown, text
from dlogreg.display.numerals import (
    MISSING,
    count,
    criterion,
    data_size,
    elided,
    p_value,
    printable,
    ratio,
    significant,
    statistic,
    upper_bound,
)
from dlogreg.evaluation import FloatArray, Label, PassRecord

if TYPE_CHECKING:
    from dlogreg.fitted import FittedModel
    from dlogreg.results import LogitResults

MAX_ROWS = 2000
"""A table of more coefficients shows the first and the last half of so many."""
MAX_LABEL = 24
SEPARATED_MARK = " (!)"
SEPARATED_NOTES = {
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

Facts = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class CoefficientRow:
    """A line of the table: cells, or a remark in their place."""

    name: str
    cells: tuple[str, ...] = ()
    remark: str = ""


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
        quality=quality(results),
        status=results.status.value,
        columns=columns(results, alpha),
        rows=tuple(shortened(list(_rows(results, alpha)))),
        notes=tuple(notes(results, alpha)),
    )


def method(results: FittedModel) -> str:
    """Say how the coefficients were estimated."""
    if results.alpha:
        return f"ridge penalty, alpha = {results.alpha:.6g} on the mean loss"
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
    """Return what was fitted and what it cost."""
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
    numbers = cells(results.coefficients, results.odds_ratios(alpha), wald)
    yield from coefficient_rows(results, numbers)


def coefficient_rows(
    results: FittedModel, numbers: Sequence[tuple[str, ...]]
) -> Iterator[CoefficientRow]:
    """Return a row for every name, with its cells or why there are none."""
    separated = set(results.separated)
    endless = _endless(results)
    for name, values in zip(results.names, numbers, strict=True):
        shown = printable(name)
        if name in results.dropped:
            reason = printable(results.dropped[name])
            yield CoefficientRow(shown, remark=f"dropped: {reason}")
        elif name in separated or name in endless:
            rest = (MISSING,) * (len(values) - 1)
            yield CoefficientRow(shown + SEPARATED_MARK, (values[0], *rest))
        else:
            yield CoefficientRow(shown, values)


def _endless(results: FittedModel) -> set[str]:
    """Return the names of coefficients that are known to be infinite."""
    if not results.separation:
        return set()
    infinite = np.isinf(results.coefficients).tolist()
    return {name for name, is_so in zip(results.names, infinite, strict=True) if is_so}


def cells(
    coefficients: FloatArray,
    ratios: FloatArray,
    wald: tuple[FloatArray, FloatArray, FloatArray] | None,
) -> list[tuple[str, ...]]:
    """Return the cells of every coefficient, from its error, statistic and p-value."""
    found = [_formatted(coefficients, 6)]
    if wald is None:
        found.append([ratio(value) for value in ratios[:, 0].tolist()])
        return list(zip(*found, strict=True))
    errors, statistics, p_values = wald
    found += [
        _formatted(errors, 5),
        [statistic(z) for z in statistics.tolist()],
        [p_value(p) for p in p_values.tolist()],
        *([ratio(value) for value in column.tolist()] for column in ratios.T),
    ]
    return list(zip(*found, strict=True))


def _formatted(values: np.ndarray, digits: int) -> list[str]:
    return [significant(value, digits) for value in values.tolist()]


def shortened(rows: Sequence[CoefficientRow]) -> Sequence[CoefficientRow]:
    """Leave out the middle of a very long table, and say so."""
    if len(rows) <= MAX_ROWS:
        return rows
    half = MAX_ROWS // 2
    remark = f"{len(rows) - 2 * half:,} more coefficients, not shown; see params"
    return [*rows[:half], CoefficientRow("...", remark=remark), *rows[-half:]]


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
    if results.dropped:
        yield (
            "Dropped columns add nothing to the columns before them; their "
            "coefficients cannot be estimated"
        )
    if results.separated:
        bound = upper_bound(results.limit_error_bound)
        yield SEPARATED_NOTES[results.separation].format(bound=bound)


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
