"""Looks for separation in the passes that Newton's method makes, at no pass of its own.

From the third pass on, as long as no finite optimum is proven, a pass also keeps a
bounded number of rows (``kernel/extreme_rows.py``) and counts how many are on the wrong
side of a few directions. If the kept rows overlap, so do all. Otherwise the direction
that separates them is the candidate: the next pass counts the rows that it is wrong
about, keeps the worst of them, and sums the loss apart for the rows that the candidate
leaves where they are. Without a row on the wrong side, separation is proven, and the
limiting problem is already evaluated.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from dlogreg.evaluation import Evaluation, FloatArray
from dlogreg.inference.limit import face_of
from dlogreg.inference.separating_direction import (
    UndecidedError,
    separate,
    sparse_direction,
)
from dlogreg.kernel import Kernel
from dlogreg.kernel.extreme_rows import ExtremeRows, ExtremeRowsKernel
from dlogreg.kernel.face import FaceKernel
from dlogreg.kernel.together import Together
from dlogreg.objective import Objective
from dlogreg.solvers import Certificate, Point

FIRST_PASS = 3
MOST_ROUNDS = 5
"""Passes that look for separation before the question is left undecided."""
MOST_COLUMNS = 100
"""With more, a linear programme over enough rows would take longer than a pass."""
ROWS_PER_COLUMN = 8
MORE_ROWS = 256


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """A proven separation of all rows."""

    direction: FloatArray
    """In the solver's coordinates: no row is on its wrong side."""
    least: float
    """Smallest margin of the rows that it separates."""
    complete: bool
    """It separates every row."""
    inside: Point | None = None
    """The limiting problem, evaluated; None where nothing is left of it."""


@dataclass(eq=False)
class SeparationWatch:
    """Evaluates for Newton's method, and looks for separation meanwhile."""

    objective: Objective
    kept: npt.NDArray[np.intp]
    """Columns that are not aliased."""
    found: Found | None = None
    overlaps: bool = False
    _rows: FloatArray | None = None
    """Those kept so far, on the kept columns."""
    _candidates: list[FloatArray] = field(default_factory=list)
    """Directions for the next pass; the first one is that of all kept rows."""
    _sparse: FloatArray | None = None
    """The candidate of few columns, if there is one."""
    _unread: tuple[ExtremeRows, list[FloatArray], Point | None] | None = None
    """What the last pass found about which directions, and the limiting problem."""
    _whole: Found | None = None
    """Separates all rows completely, but not by few columns."""
    _rounds: int = 0
    _stuck: bool = False

    @property
    def separated(self) -> bool:
        """Whether it is proven that there is no finite optimum."""
        return self.found is not None

    @property
    def searching(self) -> bool:
        """Whether the question is open, and further passes may answer it."""
        decided = self.overlaps or self.separated or self._stuck
        return not decided and self._rounds < MOST_ROUNDS and self._fits

    @property
    def _fits(self) -> bool:
        return len(self.kept) <= MOST_COLUMNS

    def __call__(
        self,
        theta: FloatArray,
        order: int = 2,
        direction: FloatArray | None = None,
        step_lengths: tuple[float, ...] = (),
        precision: str = "double",
    ) -> Evaluation:
        """Evaluate at theta, and keep rows in the same pass."""
        objective = self.objective
        self._judge()
        early = objective.passes.n_passes + 1 < FIRST_PASS
        if early or order < 2 or not self.searching:
            return objective(theta, order, direction, step_lengths, precision)
        kernel = objective.kernel(theta, order, direction, step_lengths)
        return self._watched(kernel, theta, direction, step_lengths)

    def _watched(
        self,
        kernel: Kernel,
        theta: FloatArray,
        direction: FloatArray | None,
        step_lengths: tuple[float, ...],
    ) -> Evaluation:
        objective, std = self.objective, self.objective.single
        directions, doubtful = [*self._candidates, theta], bool(self._candidates)
        keep = ExtremeRowsKernel(
            np.column_stack(directions),
            std.mean,
            std.units,
            objective.classes[1],
            std.fit_intercept,
            MORE_ROWS + ROWS_PER_COLUMN * len(self.kept),
            doubtful,
        )
        inside: Point | None = None
        if doubtful:
            face = face_of(std, self._candidates[0])
            sides = FaceKernel(kernel, face, apart=True)
            extreme, sums = objective.run(Together((keep, sides))).parts
            left, rest = sums.parts
            left_alone = replace(left, trial_losses=None)
            inside = Point(theta, objective.finished(left_alone, theta))
            total = left + rest
        else:
            extreme, total = objective.run(Together((keep, kernel))).parts
        self._unread = (extreme, directions, inside)
        self._rounds += 1
        evaluation = objective.finished(total, theta, direction, step_lengths)
        objective.passes.annotate(loss=evaluation.loss)
        return evaluation

    def observe(self, certificate: Certificate) -> None:
        """Take note of a point's certificate, and judge the rows kept with it."""
        if not certificate.unproven:
            self.overlaps = True
        self._judge()

    def _judge(self) -> None:
        """Conclude from what the last pass has kept and counted."""
        if self._unread is None or self.overlaps or self.separated:
            return
        (extreme, directions, inside), self._unread = self._unread, None
        fresh = extreme.rows[:, self.kept]
        known = self._rows
        self._rows = fresh if known is None else np.concatenate([known, fresh])
        counts = extreme.counts
        for i in np.flatnonzero((counts.wrong == 0) & (counts.zero == 0)).tolist():
            found = Found(directions[i], float(counts.least[i]), complete=True)
            if directions[i] is self._sparse:
                self.found = found
                return
            self._whole = found
        if self._whole is not None:
            self._try_fewer_columns(self._whole)
        elif self._candidates and not counts.wrong[0] and counts.right[0]:
            least = float(counts.least[0])
            self.found = Found(directions[0], least, complete=False, inside=inside)
        else:
            self._find_candidates()

    def _try_fewer_columns(self, whole: Found) -> None:
        """Have a direction of few columns tried, unless that leads no further."""
        before, after = self._sparse, self._sparse_direction()
        same = before is not None and after is not None and (before == after).all()
        if after is None or same or self._rounds >= MOST_ROUNDS:
            self.found = whole
        else:
            self._sparse, self._candidates = after, [after]

    def _find_candidates(self) -> None:
        assert self._rows is not None
        try:
            separation = separate(self._rows)
        except UndecidedError:
            self._stuck = True
            return
        if separation.direction is None:
            self.overlaps = True
            return
        self._candidates = [self._full(separation.direction)]
        if separation.n_tied == 0:
            self._sparse = self._sparse_direction()
            if self._sparse is not None:
                self._candidates.append(self._sparse)

    def _sparse_direction(self) -> FloatArray | None:
        assert self._rows is not None
        first = int(self.objective.single.fit_intercept)
        try:
            found = sparse_direction(self._rows, first)
        except UndecidedError:
            return None
        return None if found is None else self._full(found)

    def _full(self, inside: FloatArray) -> FloatArray:
        direction = np.zeros(self.objective.single.n_params)
        direction[self.kept] = inside
        return direction


def confined(objective: Objective, direction: FloatArray) -> Objective:
    """Return the loss of the rows that a further direction leaves alone."""
    std = objective.single
    if objective.face is None:
        return replace(objective, face=face_of(std, direction))
    return replace(objective, face=objective.face.within(std.centred(direction)))
