"""Chi-squared tests, one or a table of them, as text and in a notebook."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from dlogreg.display.html import fragment, table
from dlogreg.display.numerals import (
    MISSING,
    display_width,
    elided,
    p_value,
    padded,
    printable,
    statistic,
    upper_bound,
)
from dlogreg.evaluation import FloatArray
from dlogreg.labelled import LabelledVector

MAX_NAME = 40
TITLES = ("statistic", "df", "pvalue", "error bound")


@dataclass(frozen=True, slots=True)
class ChiSquaredTest:
    """A statistic that is chi-squared if the hypothesis is true."""

    __test__ = False  # pytest

    statistic: float
    df: int
    pvalue: float
    """From chi-squared with ``df`` degrees of freedom; NaN where there are none."""
    error_bound: float = np.nan
    """Proven error of the statistic; NaN where it comes from fits made before."""

    def __str__(self) -> str:
        """Return one line."""
        return (
            f"chi2({self.df}) = {statistic(self.statistic)}, p = {p_value(self.pvalue)}"
        )

    @property
    def cells(self) -> tuple[str, ...]:
        """What a table shows."""
        error = MISSING if np.isnan(self.error_bound) else upper_bound(self.error_bound)
        return (
            statistic(self.statistic),
            str(self.df),
            p_value(self.pvalue),
            error,
        )


@dataclass(frozen=True, slots=True, repr=False)
class TestTable:
    """One test per line: ``table["age"].pvalue``, ``table.pvalues``, ``print(table)``.

    A column of its own, as ``table.statistics``, is labelled with the terms.
    """

    __test__ = False  # pytest

    title: str
    terms: tuple[str, ...]
    tests: tuple[ChiSquaredTest, ...]
    n_passes: int
    """Passes over the data that it took."""
    joint: ChiSquaredTest | None = None
    """The test of all terms at once, where it was made."""

    def __getitem__(self, term: str) -> ChiSquaredTest:
        """Return the test of a term."""
        if term not in self.terms:
            known = ", ".join(map(repr, self.terms[:10]))
            more = ", ..." if len(self.terms) > 10 else ""
            raise KeyError(f"no term is named {term!r}; there are {known}{more}")
        return self.tests[self.terms.index(term)]

    def __len__(self) -> int:
        """Return the number of terms."""
        return len(self.terms)

    def __iter__(self) -> Iterator[str]:
        """Go through the names of the terms."""
        return iter(self.terms)

    @property
    def statistics(self) -> LabelledVector:
        """Statistics by term."""
        return self._column("statistic")

    @property
    def df(self) -> LabelledVector:
        """Degrees of freedom by term; 0 where nothing was left to test."""
        return self._column("df")

    @property
    def pvalues(self) -> LabelledVector:
        """P-values by term."""
        return self._column("pvalue")

    @property
    def error_bounds(self) -> LabelledVector:
        """Proven errors of the statistics, by term."""
        return self._column("error_bound")

    def _column(self, name: str) -> LabelledVector:
        values: FloatArray = np.array([getattr(test, name) for test in self.tests])
        return LabelledVector.of(values, self.terms, "term")

    def to_frame(self) -> Any:
        """Return a pandas DataFrame, indexed by term (pandas is an extra)."""
        import pandas as pd

        columns = ("statistic", "df", "pvalue", "error_bound")
        data = {name: [getattr(t, name) for t in self.tests] for name in columns}
        return pd.DataFrame(data, index=list(self.terms))

    def _lines(self) -> list[tuple[str, tuple[str, ...]]]:
        """Return name and cells of every line, the titles first."""
        lines = [
            (elided(printable(term), MAX_NAME), test.cells)
            for term, test in zip(self.terms, self.tests, strict=True)
        ]
        if self.joint is not None:
            lines.append(("all of them", self.joint.cells))
        proven = not np.isnan([test.error_bound for test in self.tests]).all()
        width = len(TITLES) if proven else len(TITLES) - 1
        return [(name, cells[:width]) for name, cells in [("", TITLES), *lines]]

    def __str__(self) -> str:
        """Return the table as text."""
        lines = self._lines()
        room = max(display_width(name) for name, _ in lines)
        columns = zip(*(cells for _, cells in lines), strict=True)
        widths = [max(map(len, column)) for column in columns]
        body = []
        for name, cells in lines:
            laid = [f"{c:>{w}}" for c, w in zip(cells, widths, strict=True)]
            body.append("  ".join([padded(name, room), *laid]))
        return "\n".join([self.title, *body])

    def __repr__(self) -> str:
        """Return the same, so that a terminal shows it."""
        return str(self)

    def _repr_html_(self) -> str:
        """Return the table as a fragment of HTML."""
        lines = [(name, *cells) for name, cells in self._lines()]
        return fragment(self.title, table(lines[0], lines[1:]))
