"""What describes a fit, where no closing pass has told: one pass over its rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from dlogreg.kernel import LossKernel
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
        sums: Sums = passes.run(Together((rows.census, _measures(results, rows))))
    census, evaluation = sums.parts
    check_unchanged(results, census, evaluation.loss)
    found = evaluation.closing
    return found.scores, found.columns.uncentred(rows.standardization.centre)


def with_changes(
    results: LogitResults, rows: RowsAgain, columns: Sequence[int]
) -> tuple[ScoreSums, ColumnSums, DiscreteSums]:
    """Return the same, and what setting columns to 1 instead of 0 changes."""
    std, measures = rows.standardization, _measures(results, rows)
    kernel = DiscreteKernel(
        measures.params, std.mean, tuple(columns), std.fit_intercept, rows.class_weight
    )
    with rows.reading() as passes:
        sums: Sums = passes.run(Together((rows.census, measures, kernel)))
    census, evaluation, changes = sums.parts
    check_unchanged(results, census, evaluation.loss)
    found = evaluation.closing
    return found.scores, found.columns.uncentred(std.centre), changes.uncentred(kernel)


def _measures(results: LogitResults, rows: RowsAgain) -> LossKernel:
    std = rows.standardization
    theta = std.to_theta(np.nan_to_num(results.coefficients, nan=0.0))
    return LossKernel(
        std.centred(theta),
        std.mean,
        rows.classes[-1],
        std.fit_intercept,
        order=1,
        class_weight=rows.class_weight,
        precision="measures",
    )
