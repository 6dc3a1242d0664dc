"""The rows of a fit, to be read again: for what sums alone cannot tell.

A result remembers where its rows came from and how the fit saw them. That is a recipe
and holds no data; of arrays in memory, and of data persisted on a cluster, it holds a
reference, which keeps them alive as long as the result. It is not saved, and not
pickled: afterwards X and y have to be given again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from dlogreg.errors import DataError, InferenceError
from dlogreg.evaluation import FloatArray, Label
from dlogreg.formula.raw import as_design
from dlogreg.kernel.census import Census, CensusKernel, RowCountKernel, RowCounts
from dlogreg.layout import Layout, lay_out
from dlogreg.objective.many import ManyObjective
from dlogreg.offsets import check_offset_given
from dlogreg.options import FitOptions
from dlogreg.partition import Partition, pick_blocks
from dlogreg.passes import Passes
from dlogreg.prediction import match_columns
from dlogreg.progress import progress_for
from dlogreg.reduction import (
    Reduction,
    compute_shared,
    count_rows,
)
from dlogreg.source import Source, as_source
from dlogreg.source.kinds import kind_of
from dlogreg.standardization import Standardization
from dlogreg.survey import PILOT_BLOCKS, PILOT_ROWS, PilotKernel, PilotRows, Survey

if TYPE_CHECKING:
    from dlogreg.holdout import Holdout
    from dlogreg.inference.goodness import GoodnessOfFit
    from dlogreg.results import LogitResults

NOT_REMEMBERED = (
    "needs the rows of the fit again, and a result that was loaded, copied or pickled, "
    "or is of one group of by=, does not know where they are; give them, as "
    "{method}(..., X=X, y=y)"
)


@dataclass(frozen=True, eq=False)
class RowsAgain:
    """Where the rows of a fit are, and the coordinates in which it saw them."""

    source: Source
    partitions: Sequence[Partition]
    inline: bool
    standardization: Standardization
    classes: tuple[Label, ...]
    class_weight: tuple[tuple[Label, float], ...] = ()
    holdout: Holdout | None = None
    """How rows held out of the fit are scored; None if there are none."""

    @classmethod
    def of(
        cls,
        layout: Layout,
        survey: Survey,
        class_weight: tuple[tuple[Label, float], ...] = (),
        holdout: Holdout | None = None,
    ) -> RowsAgain:
        """Return the rows of a layout, as the survey has seen them."""
        laid = (layout.source, layout.partitions, layout.inline)
        seen = (survey.standardization, survey.classes)
        return cls(*laid, *seen, class_weight, holdout)

    def __reduce__(self) -> Any:
        """Leave nothing of it in a pickle."""
        return (type(None), ())

    @contextmanager
    def reading(self, partitions: Sequence[Partition] = ()) -> Iterator[Passes]:
        """Give what runs kernels over the rows, shows the passes and counts them."""
        reduction = Reduction(partitions or self.partitions, self.inline)
        passes = Passes(reduction, progress_for(None))
        with passes.running():
            yield passes
            passes.close_record()

    def objective(self, passes: Passes) -> ManyObjective:
        """Return the loss of many models over these rows."""
        return ManyObjective(
            passes, self.standardization, self.classes[-1], self.class_weight
        )

    def scored(self, params: FloatArray) -> GoodnessOfFit:
        """Read the rows once; return what tells how well those held out fit."""
        assert self.holdout is not None
        with self.reading() as passes:
            sums = passes.run(self.holdout.kernel(params))
            return self.holdout.measures(sums, passes.run)

    @property
    def counts(self) -> RowCountKernel:
        """What tells whether the rows are still those of the fit."""
        return RowCountKernel(self.classes, self.class_weight)

    @property
    def census(self) -> CensusKernel:
        """The same, and how far the columns reach; it makes sparse rows dense."""
        std = self.standardization
        return CensusKernel(
            self.classes, std.mean, std.units, std.fit_intercept, self.class_weight
        )


def rows_of(
    results: LogitResults,
    X: Any,
    y: Any,
    sample_weight: Any,
    method: str,
    offset: Any = None,
    groups: Any = None,
) -> RowsAgain:
    """Return the rows that a result remembers, or those given in their place.

    Raises
    ------
    InferenceError
        If there are neither.
    """
    if all(given is None for given in (X, y, sample_weight, offset)):
        if results.rows is None:
            raise InferenceError(f"{method}() {NOT_REMEMBERED.format(method=method)}")
        return results.rows
    if results.weight_kind == "analytic":
        raise InferenceError(
            f"{method}() cannot take the rows of a fit with analytic weights, which "
            "it rescaled to mean 1; ask the result of the fit itself"
        )
    if X is None or y is None:
        raise ValueError(f"{method}() needs both X and y, or neither of them")
    check_offset_given(results, offset, f"{method}()")
    if offset is not None and not results.has_offset:
        raise ValueError(
            f"{method}() needs the rows of the fit, which had no offset; leave it out"
        )
    return _found(results, X, y, sample_weight, offset, groups)


def _found(
    results: LogitResults,
    X: Any,
    y: Any,
    sample_weight: Any,
    offset: Any,
    groups: Any,
) -> RowsAgain:
    """Lay out rows that are given anew, as a fit would."""
    X = as_design(X, results)
    if kind_of(X) in ("pandas", "dask dataframe"):
        X = match_columns(X, results.feature_names)
    names = results.feature_names
    source = as_source(
        X,
        y,
        sample_weight,
        offset=offset,
        groups=groups,
        feature_names=names,
        compute=compute_shared,
        count_rows=count_rows,
    )
    source = replace(source, drops=results.n_dropped > 0)
    options = FitOptions(fit_intercept=results.fit_intercept, solver=results.solver)
    layout = lay_out(source, options)
    blocks = pick_blocks(source, PILOT_BLOCKS)
    kernel = PilotKernel(max(PILOT_ROWS, 4 * (source.n_features + 1)))
    pilot: PilotRows = Reduction(blocks, layout.inline).sum(kernel)[0]
    std = pilot.standardization(fit_intercept=results.fit_intercept)
    std = replace(std, compiled=layout.compiled)
    return RowsAgain(source, layout.partitions, layout.inline, std, results.classes)


def check_unchanged(
    results: LogitResults,
    census: Census | RowCounts,
    loss: float,
    *,
    limiting: bool = False,
) -> None:
    """Refuse rows that are not those of the fit; they have been read once by now.

    Counts must be equal, and the log-likelihood at the coefficients of the fit what it
    was, up to what ``tol`` has left open and rounding.
    """
    found = [("rows", census.n_rows, results.n_rows)]
    for label, count in zip(results.classes, census.class_counts, strict=True):
        counted = results.class_counts[label]
        found.append((f"rows with y = {label!r}", count, counted))
    for what, now, then in found:
        if now != then:
            raise _changed(f"there are {now:,} {what}, and the fit had {then:,}")
    if not np.isclose(census.weight, results.nobs, rtol=1e-10):
        raise _changed(
            f"the weights sum to {census.weight:.10g}, and in the fit they summed to "
            f"{results.nobs:.10g}"
        )
    room = min(results.tol, 1.0) + 1e-10 * abs(results.llf)
    excess = loss + results.llf
    above = bool(results.separation) and not limiting  # the limit is not reached
    within = excess >= -room if above else abs(excess) <= room
    if not within:
        raise _changed(
            f"the log-likelihood of the fitted coefficients is {-loss:.10g}, and in "
            f"the fit it was {results.llf:.10g}"
        )


def _changed(what: str) -> DataError:
    return DataError(
        f"the rows are not those of the fit: {what}; give X, y, sample_weight and "
        "offset as they were, or fit again"
    )
