"""What describes a fit, where no closing pass has told: one pass over its rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from dlogreg.kernel import Kernel, LossKernel
from dlogreg.kernel.closing_sums import ColumnSums
from dlogreg.kernel.discrete import DiscreteKernel, DiscreteSums
from dlogreg.kernel.scores import ScoreSums
from dlogreg.kernel.together import Sums, Together
from dlogreg.rows_again import RowsAgain, check_unchanged

if TYPE_CHECKING:
    from dlogreg.results import LogitResults


def measured(results: LogitResults, rows: RowsAgain) -> tuple[ScoreSums, ColumnSums]:
    """Return the sums at the fitted coefficients, of the columns as they were given."""
    with rows.reading() as passes:
        sums: Sums = passes.run(Together((rows.counts, _measures(results, rows))))
    counts, evaluation = sums.parts
    check_unchanged(results, counts, evaluation.loss, limiting=True)
    found = evaluation.closing
    return found.scores, found.columns.uncentred(rows.standardization.centre)


def measured_with(
    results: LogitResults, rows: RowsAgain, kernel: Kernel
) -> tuple[ScoreSums, ColumnSums, Any]:
    """Return the same, and what another kernel sums in that pass."""
    with rows.reading() as passes:
        together = Together((rows.counts, _measures(results, rows), kernel))
        sums: Sums = passes.run(together)
    counts, evaluation, other = sums.parts
    check_unchanged(results, counts, evaluation.loss, limiting=True)
    found = evaluation.closing
    columns = found.columns.uncentred(rows.standardization.centre)
    return found.scores, columns, other


def with_changes(
    results: LogitResults, rows: RowsAgain, columns: Sequence[int]
) -> tuple[ScoreSums, ColumnSums, DiscreteSums]:
    """Return the same, and what setting columns to 1 instead of 0 changes."""
    std, params = rows.standardization, _measures(results, rows).params
    kernel = DiscreteKernel(
        params, std.mean, tuple(columns), std.fit_intercept, rows.class_weight
    )
    scores, sums, changes = measured_with(results, rows, kernel)
    return scores, sums, changes.uncentred(kernel)


def _measures(results: LogitResults, rows: RowsAgain) -> LossKernel:
    std = rows.standardization
    theta = std.to_theta(results.near_limit())
    return LossKernel(
        std.centred(theta),
        std.mean,
        rows.classes[-1],
        std.fit_intercept,
        order=1,
        class_weight=rows.class_weight,
        precision="measures",
        sparse=std.sparse,
        compiled=std.compiled,
    )
