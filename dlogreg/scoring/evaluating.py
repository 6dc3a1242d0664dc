"""How well a model predicts rows whose outcome is known: one pass over any source."""

from __future__ import annotations

from typing import Any, TypedDict, Unpack, overload

from dlogreg.errors import DataError
from dlogreg.formula.raw import as_design
from dlogreg.inference.class_goodness import ClassGoodness
from dlogreg.inference.goodness import GoodnessOfFit
from dlogreg.kernel.class_scores import ClassScores
from dlogreg.kernel.scores import ScoreSums
from dlogreg.kernel.together import Sums, Together
from dlogreg.offsets import check_offset_given
from dlogreg.partition import partition_rows, pick_blocks
from dlogreg.passes import Passes, Progress
from dlogreg.prediction import model_columns
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
from dlogreg.results import LogitResults, MultinomialResults, Results
from dlogreg.results.fitted import FittedModel
from dlogreg.scoring.kernels import ClassScoreKernel, ScoreKernel
from dlogreg.shares import with_shares
from dlogreg.source import Source, as_source
from dlogreg.survey import (
    PILOT_BLOCKS,
    NullKernel,
    PilotKernel,
    PilotRows,
    find_null,
    guess_null,
)

NO_ROWS = "there are no rows with a positive weight; nothing to evaluate"


class ScoreKeywords(TypedDict, total=False):
    """Options of ``evaluate``, for type checkers."""

    in_sample: bool
    progress: bool | Progress | None


class RowKeywords(ScoreKeywords, total=False):
    """What else the rows of two classes may have."""

    offset: Any
    trials: Any


@overload
def evaluate(
    result: LogitResults,
    X: Any,
    y: Any,
    sample_weight: Any = None,
    **options: Unpack[RowKeywords],
) -> GoodnessOfFit: ...
@overload
def evaluate(
    result: MultinomialResults,
    X: Any,
    y: Any,
    sample_weight: Any = None,
    **options: Unpack[ScoreKeywords],
) -> ClassGoodness: ...
@overload
def evaluate(
    result: Results,
    X: Any,
    y: Any,
    sample_weight: Any = None,
    **options: Unpack[RowKeywords],
) -> GoodnessOfFit | ClassGoodness: ...
def evaluate(
    result: Results,
    X: Any,
    y: Any,
    sample_weight: Any = None,
    *,
    offset: Any = None,
    trials: Any = None,
    in_sample: bool = False,
    progress: bool | Progress | None = None,
) -> GoodnessOfFit | ClassGoodness:
    """Measure how well a model predicts rows whose outcome is known, in one pass.

    Parameters
    ----------
    result : LogitResults or MultinomialResults
        A model.
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
        Trials of which y counts the successes, or holds the shares, as in ``fit``; for
        models with the classes 0 and 1.
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
    ClassGoodness
        Of three or more classes: accuracy, confusion table, log loss, Brier score,
        and the above for every class against all others.

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
    given: Any = result
    if not isinstance(given, FittedModel):
        advice = "give what fit returned, or dlogreg.load(path)"
        kind = type(result).__name__
        raise DataError(f"evaluate() needs a fitted model first, not {kind}; {advice}")
    check_offset_given(result, offset, "evaluate()")
    if isinstance(result, MultinomialResults):
        for name, given in (("offset", offset), ("trials", trials)):
            if given is not None:
                raise ValueError(f"a model of three or more classes takes no {name}")
    source = as_source(
        model_columns(as_design(X, result), result._model),
        y,
        sample_weight,
        offset=offset,
        trials=trials,
        feature_names=None,
        compute=compute_shared,
        count_rows=count_rows,
    )
    source = with_shares(source, y)
    has_offset = offset is not None
    return evaluate_source(
        result, source, progress, has_offset=has_offset, in_sample=in_sample
    )


def evaluate_source(
    result: Results,
    source: Source,
    progress: bool | Progress | None,
    *,
    has_offset: bool,
    in_sample: bool,
) -> GoodnessOfFit | ClassGoodness:
    """Measure how well a model predicts rows that are laid out already."""
    kernel: ScoreKernel | ClassScoreKernel
    if isinstance(result, MultinomialResults):
        kernel = ClassScoreKernel(result._model, result.feature_names, result.classes)
    else:
        other, event = result.classes
        kernel = ScoreKernel(result._model, result.feature_names, (other, event))
    sums, llnull = _read(source, kernel, progress, has_offset=has_offset)
    if isinstance(sums, ClassScores):
        if not sums.confusion.any():
            raise DataError(NO_ROWS)
        return ClassGoodness.of(sums, result.classes, in_sample=in_sample)
    if not sums.n_rows:
        raise DataError(NO_ROWS)
    return GoodnessOfFit.of(sums, result.classes, in_sample=in_sample, llnull=llnull)


def _read(
    source: Source,
    kernel: ScoreKernel | ClassScoreKernel,
    progress: bool | Progress | None,
    *,
    has_offset: bool,
) -> tuple[ScoreSums | ClassScores, float | None]:
    """Return the sums, and the null model's log-likelihood where it must be found."""
    n_tasks = TASKS_PER_THREAD * n_threads()
    partitions = partition_rows(source, len(kernel.model.slopes) + 1, n_tasks)
    size = (source.n_rows or 0) * source.row_bytes
    small = source.in_memory and size <= INLINE_BYTES
    reduction = Reduction(partitions, inline=small and active_client() is None)
    passes = Passes(reduction, progress_for(progress))
    found: tuple[ScoreSums | ClassScores, float | None]
    try:
        if has_offset and isinstance(kernel, ScoreKernel):
            found = _score_beside_null(source, passes, kernel)
        else:
            found = passes.run(kernel), None
        passes.close_record()
    finally:
        passes.progress.close()
    return found


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
