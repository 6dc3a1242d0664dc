"""What a cross-validation has found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from dlogreg.display.coefficients import CoefficientRow
from dlogreg.display.numerals import statistic
from dlogreg.display.summary import Summary
from dlogreg.display.validation import render_validation
from dlogreg.evaluation import FloatArray, PassRecord
from dlogreg.inference.ranking import area_under_curve
from dlogreg.kernel.held_parts import HeldSums

if TYPE_CHECKING:
    from dlogreg.results import Results

LOSSES = ("log_loss", "deviance", "brier")
"""Scores of which less is better."""
SCORES = (*LOSSES, "accuracy", "auc")


@dataclass(frozen=True, eq=False, repr=False)
class CrossValidation:
    """Scores out of fold of every penalty, and the fits to all rows that they choose.

    Lines of arrays are penalties, from the strongest down, as in ``alphas``.
    """

    alphas: FloatArray
    """Penalties on the mean loss, falling, shape (n_alphas,)."""
    l1_ratio: float
    scoring: str
    """The score by which penalties are chosen."""
    fold_scores: Mapping[str, FloatArray]
    """Scores by name, each of shape (n_alphas, n_folds); NaN where a fold has none."""
    fold_sizes: FloatArray
    """Sums of the weights of the rows that a fold scores, shape (n_folds,)."""
    names: tuple[str, ...]
    params: FloatArray
    """Coefficients of the fits to all rows, shape (n_alphas, n_params); with three or
    more classes (n_alphas, n_classes, n_params)."""
    fold_params: FloatArray
    """Coefficients of the folds, (n_alphas, n_folds, n_params), or with n_classes too.
    """
    error_bounds: FloatArray
    """Proven distances to the optima in standard errors, of the folds and last of all
    rows, shape (n_alphas, n_folds + 1); NaN where nothing could be proven."""
    best: Results
    """The fit to all rows with the penalty of the best mean score."""
    one_se: Results
    """The same with the strongest penalty within one standard error of it."""
    n_passes: int
    bytes_read: int
    trace: tuple[PassRecord, ...]

    @property
    def best_alpha(self) -> float:
        """The penalty of the best mean score."""
        return float(self.alphas[best_of(self.scores, self.scoring)])

    @property
    def one_se_alpha(self) -> float:
        """The strongest penalty whose mean score is within one standard error of it."""
        return float(self.alphas[one_se_of(self.scores, self.errors, self.scoring)])

    @property
    def scores(self) -> FloatArray:
        """Means over the folds of the score that chooses, shape (n_alphas,)."""
        return self.mean(self.scoring)

    @property
    def errors(self) -> FloatArray:
        """Their standard errors, shape (n_alphas,)."""
        return self.standard_error(self.scoring)

    def mean(self, score: str) -> FloatArray:
        """Return the mean of a score over the folds, all of which count the same."""
        return np.asarray(self._of(score).mean(axis=1))

    def standard_error(self, score: str) -> FloatArray:
        """Return the standard deviation over the folds by the root of their number."""
        lines = self._of(score)
        return np.asarray(lines.std(axis=1, ddof=1) / np.sqrt(lines.shape[1]))

    @property
    def n_nonzero(self) -> npt.NDArray[np.intp]:
        """Coefficients other than 0 of the fits to all rows, without the intercept."""
        slopes = self.params[..., int(self.best.fit_intercept) :]
        return np.asarray(np.count_nonzero(slopes.reshape(len(slopes), -1), axis=1))

    def _of(self, score: str) -> FloatArray:
        if score not in self.fold_scores:
            known = ", ".join(map(repr, self.fold_scores))
            raise ValueError(f"score must be one of {known}, not {score!r}")
        return self.fold_scores[score]

    def summary(self) -> Summary:
        """Return the table of penalties and scores."""
        shown = [name for name in self.fold_scores if name != self.scoring]
        n_folds = len(self.fold_sizes)
        return Summary(
            title="Cross-validation of a logistic regression",
            model=(
                ("Penalties", f"{len(self.alphas)}, l1_ratio {self.l1_ratio:.4g}"),
                ("Folds", str(n_folds)),
            ),
            quality=(
                ("Chosen by", self.scoring),
                ("Passes", str(self.n_passes)),
            ),
            status="",
            columns=(self.scoring, "std err", *shown),
            rows=tuple(self._rows(shown)),
            notes=(),
            heading="alpha",
        )

    def _rows(self, shown: Sequence[str]) -> list[CoefficientRow]:
        """Return a line for every penalty, with the means of further scores."""
        marks = {self.one_se_alpha: " (1se)", self.best_alpha: " (best)"}
        means = [self.scores, self.errors, *(self.mean(name) for name in shown)]
        lines = np.column_stack(means).tolist()
        return [
            CoefficientRow(
                f"{alpha:.6g}{marks.get(alpha, '')}", tuple(map(statistic, line))
            )
            for alpha, line in zip(self.alphas.tolist(), lines, strict=True)
        ]

    def __repr__(self) -> str:
        """Return the table as text."""
        return str(self.summary())

    def _repr_html_(self) -> str:
        """Return the table below a picture of it, as a notebook shows it."""
        return render_validation(self)

    def plot(self, ax: Any = None, *, score: str | None = None, **style: Any) -> Any:
        """Draw mean scores out of fold, one standard error to both sides, by penalty.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; default: a new figure.
        score : str, optional
            One of ``fold_scores``; default: the one that chooses, with the best penalty
            and the strongest within one standard error of it.
        **style
            Passed to the points (``Axes.errorbar``).

        Returns
        -------
        matplotlib Axes

        Examples
        --------
        >>> import numpy as np, dlogreg
        >>> rng = np.random.default_rng(0)
        >>> X = rng.normal(size=(500, 3))
        >>> y = rng.random(500) < 1 / (1 + np.exp(-X[:, 0]))
        >>> ax = dlogreg.cross_validate(X, y, alphas=[1.0, 0.1, 0.01]).plot()
        >>> ax.get_ylabel()
        'log loss, out of fold'
        """
        room = import_module("dlogreg.display.plots.selection")
        return room.draw_validation(self, ax, score, **style)

    def to_frame(self) -> Any:
        """Return a pandas DataFrame, a line for every alpha (pandas is an extra)."""
        import pandas as pd

        columns: dict[str, Any] = {"n_nonzero": self.n_nonzero}
        for name in self.fold_scores:
            columns[name] = self.mean(name)
            columns[f"{name}_se"] = self.standard_error(name)
        columns["error_bound"] = self.error_bounds.max(axis=1)
        return pd.DataFrame(columns, index=pd.Index(self.alphas, name="alpha"))


def best_of(scores: FloatArray, scoring: str) -> int:
    """Return the position of the best score; of equal ones the strongest penalty."""
    return int(np.argmax(-scores if scoring in LOSSES else scores))


def one_se_of(scores: FloatArray, errors: FloatArray, scoring: str) -> int:
    """Return the first position whose score is within one standard error of the best.

    Breiman, Friedman, Olshen and Stone (1984), section 3.4.3.
    """
    worse = scores if scoring in LOSSES else -scores
    best = int(np.argmin(worse))
    within = worse <= worse[best] + errors[best]
    return int(np.flatnonzero(within)[0]) if within.any() else best


def fold_scores(scored: HeldSums) -> dict[str, FloatArray]:
    """Return every score by name, each of shape (n_models, n_folds)."""
    loss, squares, right = scored.scores / scored.totals[1][:, None]
    found = {
        "log_loss": loss.T,
        "deviance": 2 * loss.T,
        "brier": squares.T,
        "accuracy": right.T,
    }
    if scored.curves:
        areas = [area_under_curve(curve).value for curve in scored.curves]
        found["auc"] = np.array(areas).reshape(loss.shape).T
    return found


def check_scoring(scoring: Any) -> tuple[str, ...]:
    """Return the names of the scores, or raise."""
    listed = not isinstance(scoring, str) and np.iterable(scoring)
    names = tuple(scoring) if listed else (scoring,)
    unknown = [name for name in names if name not in SCORES]
    if unknown or not names:
        known = ", ".join(map(repr, SCORES))
        wrong = repr(unknown[0]) if unknown else "nothing"
        raise ValueError(f"scoring must name {known}, not {wrong}")
    return names
