"""How well probabilities of three or more classes agree with outcomes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

import numpy as np

from dlogreg.display import Summary
from dlogreg.display.class_goodness import summarize_class_goodness
from dlogreg.evaluation import FloatArray, Label
from dlogreg.inference.goodness import GoodnessOfFit
from dlogreg.inference.likelihoods import Deviances
from dlogreg.kernel.class_scores import ClassScores

if TYPE_CHECKING:
    from dlogreg.display.plots import ClassGoodnessPlots


@dataclass(frozen=True, eq=False, repr=False)
class ClassGoodness(Deviances):
    """Measures of fit of a model of three or more classes; holds sums, no data.

    ``report[label]`` is the ``GoodnessOfFit`` of one class against all others, with its
    AUC, calibration and more. Weights count as repeated rows.
    """

    sums: ClassScores
    classes: tuple[Label, ...]
    in_sample: bool
    """Whether the rows are those of the fit."""
    llf: float
    """Log-likelihood of the rows."""
    llnull: float
    """Log-likelihood of a model that knows only the shares of the classes."""
    nobs: float
    """Sum of the weights, the number of rows where there are none."""

    @classmethod
    def of(
        cls, sums: ClassScores, classes: Sequence[Label], *, in_sample: bool
    ) -> ClassGoodness:
        """Return the measures that follow from sums."""
        counts = sums.confusion.sum(axis=1)
        held, total = counts[counts > 0], float(counts.sum())
        llnull = float((held * np.log(held / total)).sum())
        return cls(sums, tuple(classes), in_sample, -sums.loss, llnull, total)

    def __getitem__(self, label: Label) -> GoodnessOfFit:
        """Return the measures of one class against all others."""
        if label not in self.classes:
            known = ", ".join(map(repr, self.classes[:10]))
            raise KeyError(f"{label!r} is no class of the model; there are {known}")
        sums = self.sums.by_class[self.classes.index(label)]
        return GoodnessOfFit.of(sums, ("other", label), in_sample=self.in_sample)

    def __repr__(self) -> str:
        """Return one line."""
        return (
            f"<ClassGoodness: {self.n_rows:,} rows, {len(self.classes)} classes, "
            f"accuracy {self.accuracy:.5g}, log loss {self.log_loss:.5g}>"
        )

    def __str__(self) -> str:
        """Return the summary as text."""
        return str(self.summary())

    def _repr_html_(self) -> str:
        """Return the summary, as a notebook shows it."""
        return self.summary()._repr_html_()

    @property
    def plot(self) -> ClassGoodnessPlots:
        """Plots by their names, as ``report.plot.roc()``; they need matplotlib."""
        plots: ClassGoodnessPlots = import_module(
            "dlogreg.display.plots"
        ).ClassGoodnessPlots(self)
        return plots

    def summary(self) -> Summary:
        """Return all measures as a table with a line for every class."""
        return summarize_class_goodness(self)

    @property
    def n_rows(self) -> int:
        """Rows of positive weight."""
        return self.sums.by_class[0].n_rows

    @property
    def confusion(self) -> FloatArray:
        """Weight of rows by observed (line) and most probable class (column)."""
        return self.sums.confusion

    @property
    def accuracy(self) -> float:
        """Share of rows whose most probable class is the observed one."""
        return float(np.trace(self.confusion) / self.nobs)

    @property
    def log_loss(self) -> float:
        """Mean of -log of the probability of the class that was observed."""
        return -self.llf / self.nobs

    @property
    def brier(self) -> float:
        """Mean of sum_k (p_k - 1{y = k})^2 over all classes, between 0 and 2."""
        return self.sums.squared_error / self.nobs

    @property
    def recall(self) -> FloatArray:
        """Share of every class's rows that are called it, shape (n_classes,)."""
        return _shares(np.diagonal(self.confusion), self.confusion.sum(axis=1))

    @property
    def precision(self) -> FloatArray:
        """Share of the rows called a class that are of it; NaN where none is."""
        return _shares(np.diagonal(self.confusion), self.confusion.sum(axis=0))

    @property
    def aucs(self) -> FloatArray:
        """Area under every class's ROC curve against all others, (n_classes,)."""
        return np.array([self[label].auc for label in self.classes])

    @property
    def macro_auc(self) -> float:
        """Mean of ``aucs``; NaN where a class does not occur."""
        return float(self.aucs.mean())

    @property
    def macro_auc_error(self) -> float:
        """Proven bound on how far ``macro_auc`` is off; 0 where scores are few."""
        return float(np.mean([self[label].auc_error for label in self.classes]))


def _shares(part: FloatArray, whole: FloatArray) -> FloatArray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(part / whole)
