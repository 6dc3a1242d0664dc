"""Kernels that count rows by the score that a model gives them, and by class."""

from __future__ import annotations

from dataclasses import dataclass

from dlogreg.evaluation import Label
from dlogreg.kernel import Rows
from dlogreg.kernel.class_scores import ClassScoreCollector, ClassScores
from dlogreg.kernel.scores import ScoreCollector, ScoreSums
from dlogreg.prediction import LogitModel, MultinomialModel, linear_predictor_rows
from dlogreg.scoring.checks import check_scores, class_positions, scorable
from dlogreg.survey import check_offsets


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
        rows = scorable(rows)
        is_event = class_positions(rows, self.classes) == 1
        eta = self.model.intercept + linear_predictor_rows(rows.X, self.model.slopes)
        if rows.offset is not None:
            check_offsets(rows)
            eta += rows.offset
        check_scores(eta, rows, self.feature_names)
        sums.add(eta, is_event, rows.sample_weight)

    def finish(self, sums: ScoreCollector) -> ScoreSums:
        """Return the sums."""
        return sums.sums()


@dataclass(frozen=True, slots=True, eq=False)
class ClassScoreKernel:
    """The same for three or more classes."""

    model: MultinomialModel
    feature_names: tuple[str, ...]
    classes: tuple[Label, ...]

    @property
    def name(self) -> str:
        """What the dashboard shows."""
        return "evaluate"

    def open(self) -> None:
        """Need no buffers."""

    def start(self) -> ClassScoreCollector:
        """Return an empty sum."""
        return ClassScoreCollector(len(self.classes))

    def add(self, sums: ClassScoreCollector, rows: Rows, buffers: None) -> None:
        """Check a block and add it."""
        rows = scorable(rows)
        own = class_positions(rows, self.classes)
        eta = self.model.intercept + linear_predictor_rows(rows.X, self.model.slopes)
        check_scores(eta, rows, self.feature_names)
        sums.add(eta, own, rows.sample_weight)

    def finish(self, sums: ClassScoreCollector) -> ClassScores:
        """Return the sums."""
        return sums.sums()
