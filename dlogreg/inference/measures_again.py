"""What describes a fit, where no closing pass has told: one pass over its rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dlogreg.kernel import LossKernel
from dlogreg.kernel.closing_sums import ColumnSums
from dlogreg.kernel.scores import ScoreSums
from dlogreg.kernel.together import Sums, Together
from dlogreg.rows_again import RowsAgain, check_unchanged

if TYPE_CHECKING:
    from dlogreg.results import LogitResults


def measured(results: LogitResults, rows: RowsAgain) -> tuple[ScoreSums, ColumnSums]:
    """Return the sums at the fitted coefficients, of the columns as they were given."""
    std = rows.standardization
    theta = std.to_theta(np.nan_to_num(results.coefficients, nan=0.0))
    loss = LossKernel(
        std.centred(theta),
        std.mean,
        rows.classes[-1],
        std.fit_intercept,
        order=1,
        class_weight=rows.class_weight,
        precision="measures",
    )
    with rows.reading() as passes:
        sums: Sums = passes.run(Together((rows.census, loss)))
    census, evaluation = sums.parts
    check_unchanged(results, census, evaluation.loss)
    assert evaluation.closing is not None
    found = evaluation.closing
    return found.scores, found.columns.uncentred(std.centre)
