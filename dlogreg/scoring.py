"""How well a model predicts rows whose outcome is known: one pass over any source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from dlogreg.errors import DataError
from dlogreg.evaluation import FloatArray, Label
from dlogreg.formula.raw import as_design
from dlogreg.inference.goodness import GoodnessOfFit
from dlogreg.kernel import Rows, as_dense
from dlogreg.kernel.scores import ScoreCollector, ScoreSums
from dlogreg.kernel.together import Sums, Together
from dlogreg.offsets import check_offset_given
from dlogreg.partition import partition_rows, pick_blocks
from dlogreg.passes import Passes, Progress
from dlogreg.prediction import LogitModel, linear_predictor_rows, model_columns
from dlogreg.progress import progress_for
from dlogreg.reduction import (
    INLINE_BYTES,
    TASKS_PER_THREAD,
    Reduction,
    active_client,
    compute_shared,
    count_rows,
    n_threads,
)
from dlogreg.results import LogitResults
from dlogreg.source import Source, as_source
from dlogreg.survey import (
    PILOT_BLOCKS,
    NullKernel,
    PilotKernel,
    PilotRows,
    check_labels,
    check_offsets,
    check_weights,
    find_null,
    guess_null,
)


@dataclass(frozen=True, slots=True, eq=False)
class ScoreKernel:
    """Counts rows by score and class, and sums their losses."""

    model: LogitModel
    feature_names: tuple[str, ...]
    """Names of the columns of X, for messages."""
    classes: tuple[Label, Label]

    @property
    def name(self) -> str:
        """What the dashboard shows."""
        return "evaluate"

    def open(self) -> None:
        """Need no buffers."""

    def start(self) -> ScoreCollector:
        """Return an empty sum."""
        return ScoreCollector()

    def add(self, sums: ScoreCollector, rows: Rows, buffers: None) -> None:
        """Check a block and add it."""
        check_weights(rows)
        rows = rows.positive()
        check_labels(rows)
        other, event = self.classes
        is_event = np.asarray(rows.y == event)
        unknown = ~(is_event | (rows.y == other))
        if unknown.any():
            row = int(np.flatnonzero(unknown)[0])
            raise DataError(
                f"y is {rows.y[row]!r} in {rows.place(row)}, but the model knows "
                f"{other!r} and {event!r}; leave such rows out, or give them weight 0"
            )
        eta = self.model.intercept + linear_predictor_rows(rows.X, self.model.slopes)
        if rows.offset is not None:
            check_offsets(rows)
            eta += rows.offset
        self._check_scores(eta, rows)
        sums.add(eta, is_event, rows.sample_weight)

    def _check_scores(self, eta: FloatArray, rows: Rows) -> None:
        bad = np.flatnonzero(~np.isfinite(eta))
        if not len(bad):
            return
        row = int(bad[0])
        values = as_dense(rows.X[row : row + 1])[0].astype(float)
        columns = np.flatnonzero(~np.isfinite(values)).tolist()
        if not columns:
            raise DataError(
                f"{rows.place(row)} of X has values so large that its linear predictor "
                "overflows; scale them as they were for the fit"
            )
        kind = "NaN" if np.isnan(values[columns[0]]) else "infinity"
        raise DataError(
            f"column {self.feature_names[columns[0]]!r} holds {kind} in "
            f"{rows.place(row)} of X; remove or fill such rows, or give them weight 0"
        )

    def finish(self, sums: ScoreCollector) -> ScoreSums:
        """Return the sums."""
        return sums.sums()


def evaluate(
    result: LogitResults,
    X: Any,
    y: Any,
    sample_weight: Any = None,
    *,
    offset: Any = None,
    trials: Any = None,
    in_sample: bool = False,
    progress: bool | Progress | None = None,
) -> GoodnessOfFit:
    """Measure how well a model predicts rows whose outcome is known, in one pass.

    Parameters
    ----------
    result : LogitResults
        A model of two classes.
    X : array, shape (n_rows, n_features)
        Any kind that ``fit`` takes; read once. Columns of a dataframe are found by
        name, in any order; other columns are left aside. Arrays go by position.
    y : array, shape (n_rows,)
        Labels, of the model's ``classes``; of any kind, chunked in any way.
    sample_weight : array, shape (n_rows,), optional
        Frequency weights: everything equals repeating the row. 0 leaves a row out.
    offset : array, shape (n_rows,), optional
        Offsets of the rows, needed where the fit had them. The null model, with which
        the log-likelihood is compared, then has an intercept beside them; a few blocks
        are read before for a guess of it, and all rows once more if that was far off.
    trials : array, shape (n_rows,), optional
        Trials of which y counts the successes, for models with the classes 0 and 1.
    in_sample : bool
        Whether the rows are those of the fit, which Hosmer and Lemeshow's test must
        know.
    progress : bool, optional
        Show a line for the pass; default: on a terminal and in a notebook.

    Returns
    -------
    GoodnessOfFit
        AUC with its standard error, Brier score, log loss, ROC, calibration, and more.
        The measures do not depend on the order of rows; neither do they on how they are
        chunked, but for the rounding of sums and of linear predictors.

    Raises
    ------
    DataError
        If rows cannot be scored; the message names column, row or chunk.

    Examples
    --------
    >>> import numpy as np, dlogreg
    >>> x, y = np.arange(8.0)[:, None], [0, 0, 1, 0, 1, 0, 1, 1]
    >>> res = dlogreg.fit(x, y)
    >>> report = dlogreg.evaluate(res, x, y, in_sample=True)
    >>> round(report.auc, 4), round(report.brier, 4)
    (0.8125, 0.1828)
    """
    if len(result.classes) != 2:
        raise ValueError(
            f"only models of two classes can be evaluated, not of {len(result.classes)}"
        )
    check_offset_given(result, offset, "evaluate()")
    model = LogitModel.of(
        result.coefficients,
        result.feature_names,
        result.classes,
        fit_intercept=result.fit_intercept,
    )
    source = as_source(
        model_columns(as_design(X, result), model),
        y,
        sample_weight,
        offset=offset,
        trials=trials,
        feature_names=None,
        compute=compute_shared,
        count_rows=count_rows,
    )
    n_tasks = TASKS_PER_THREAD * n_threads()
    partitions = partition_rows(source, len(model.slopes) + 1, n_tasks)
    size = (source.n_rows or 0) * source.row_bytes
    small = source.in_memory and size <= INLINE_BYTES
    reduction = Reduction(partitions, inline=small and active_client() is None)
    other, event = result.classes
    kernel = ScoreKernel(model, result.feature_names, (other, event))
    passes = Passes(reduction, progress_for(progress))
    llnull = None
    try:
        if offset is None:
            sums = passes.run(kernel)
        else:
            sums, llnull = _score_beside_null(source, passes, kernel)
        passes.close_record()
    finally:
        passes.progress.close()
    if not sums.n_rows:
        raise DataError("there are no rows with a positive weight; nothing to evaluate")
    return GoodnessOfFit.of(sums, result.classes, in_sample=in_sample, llnull=llnull)


def _score_beside_null(
    source: Source, passes: Passes, kernel: ScoreKernel
) -> tuple[ScoreSums, float | None]:
    """Return the sums, and the log-likelihood of the null model beside an offset."""
    blocks = pick_blocks(source, PILOT_BLOCKS)
    inline = passes.reduction.inline
    pilot: PilotRows = passes.run_pilot(PilotKernel(), Reduction(blocks, inline))
    rows, classes = pilot.pooled(), kernel.classes
    grid = guess_null(rows, rows.sample_weight, classes[1])
    sums: Sums = passes.run(Together((NullKernel(grid, classes), kernel)))
    null, scores = sums.parts
    held = (scores.others.sum(), scores.events.sum())
    if min(held) == 0:  # all rows are of one class: nothing is left to explain
        return scores, None
    return scores, -find_null(null, grid, classes, passes.run).loss
