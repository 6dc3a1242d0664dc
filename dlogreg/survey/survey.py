"""What is known after the first pass."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dlogreg.chain import ChainStart
from dlogreg.evaluation import Evaluation, FloatArray, Label
from dlogreg.kernel import Rows
from dlogreg.standardization import Standardization
from dlogreg.survey.offset import NullModel
from dlogreg.survey.sums import SurveySums


@dataclass(frozen=True, slots=True, eq=False)
class Survey:
    """What is known after the first pass, in the coordinates of the solver."""

    sums: SurveySums
    classes: tuple[Label, ...]
    standardization: Standardization
    chain: ChainStart | None = None
    """Where the chains started, if the pass has learned."""
    sample: Rows | None = None
    """Rows of the pilot, if L-BFGS is to learn from them, or to be checked by them."""
    null: NullModel | None = None
    """The model with an intercept alone, if rows have offsets."""

    @property
    def n_rows(self) -> int:
        """Number of rows with a positive weight."""
        return sum(group.n_rows for group in self.sums.groups.values())

    @property
    def weight_sum(self) -> float:
        """Sum of the weights."""
        groups = self.sums.groups
        return sum([groups[label].weight for label in self.classes])

    @property
    def event(self) -> Label:
        """The label whose probability is modelled."""
        return self.classes[-1]

    @property
    def class_counts(self) -> dict[Label, int]:
        """Rows of every class."""
        return {label: self.sums.groups[label].n_rows for label in self.classes}

    @property
    def ranges(self) -> tuple[FloatArray, FloatArray]:
        """Smallest and largest value of every column, in float64."""
        ranges = self.sums.ranges
        low, high = ranges.low, ranges.high
        return low.astype("f8", copy=False), high.astype("f8", copy=False)

    @property
    def reach(self) -> FloatArray:
        """Largest |z_j| over all rows, the intercept's 1 included, (n_params,)."""
        std, (low, high) = self.standardization, self.ranges
        reach = np.maximum(np.abs(low - std.mean), np.abs(high - std.mean)) / std.scale
        return np.concatenate([np.ones(int(std.fit_intercept)), reach])

    @property
    def radius(self) -> float:
        """Largest norm of a centred and scaled row, the 1 included."""
        return float(np.sqrt(self.sums.max_norm))

    def learned_theta(self, kept: npt.NDArray[np.intp]) -> FloatArray | None:
        """Return the estimate of the chains on the kept columns, if there is one."""
        if self.chain is None or self.sums.chains is None:
            return None
        return self.chain.merged(self.sums.chains, kept)

    @property
    def gram(self) -> FloatArray | None:
        """Weighted sum of z_i z_i' in the solver's coordinates, if it was formed.

        Weights are the sample's, or in the information of chains those of the Hessian.
        """
        if self.chain is not None and self.sums.chains is not None:
            return self.sums.chains.information
        moments, unit = self.sums.second_moments, self.standardization.units
        return moments * unit * unit[:, None] if moments.ndim == 2 else None

    @property
    def exact_gram(self) -> bool:
        """Tell whether ``gram`` is as exact as float64 sums are."""
        return self.chain is None or self.chain.kernel.exact

    @property
    def event_share(self) -> float:
        """Weighted share of the event."""
        return self.sums.groups[self.event].weight / self.weight_sum

    def null_loglikelihood(self) -> float:
        """Return the log-likelihood of the model with an intercept alone."""
        if self.null is not None:
            return -self.null.loss
        share, total = self.event_share, self.weight_sum
        return float(total * (share * np.log(share) + (1 - share) * np.log1p(-share)))

    def null_curvature(self) -> float:
        """Return the mean p (1 - p) of the model without columns."""
        if self.null is not None and np.isfinite(self.null.variance):
            return self.null.variance / self.weight_sum
        share = self.event_share if self.standardization.fit_intercept else 0.5
        return share * (1 - share)

    def null_theta(self) -> FloatArray:
        """Return the optimum of the model without columns, as theta."""
        theta = np.zeros(self.standardization.n_params)
        if self.standardization.fit_intercept and self.null is not None:
            theta[0] = self.null.intercept
        elif self.standardization.fit_intercept:
            share = self.event_share
            theta[0] = np.log(share) - np.log1p(-share)
        return theta

    def null_evaluation(self) -> Evaluation:
        """Return the exact evaluation at ``null_theta``, from the survey's sums.

        Where the survey has learned, or rows have offsets, of the loss alone.
        """
        std = self.standardization
        if self.null is not None:
            null = self.null
            loss = null.loss if std.fit_intercept else null.loss_at_zero
            return Evaluation(loss, np.full(std.n_params, np.nan))
        share = self.event_share if std.fit_intercept else 0.5
        moments = self.sums.second_moments
        event = self.event_share
        log_likelihood = event * np.log(share) + (1 - event) * np.log1p(-share)
        sums = Evaluation(
            float(-self.weight_sum * log_likelihood),
            self._null_gradient(share),
            share * (1 - share) * moments if moments.ndim == 2 else None,
        )
        return std.scaled(sums)

    def _null_gradient(self, share: float) -> FloatArray:
        sums = [self.sums.groups[label].z_sum for label in self.classes]
        other, event = sums
        if other is None or event is None:
            return np.full(self.standardization.n_params, np.nan)
        return share * (other + event) - event

    def column_squares(self) -> FloatArray:
        """Return sum_i s_i z_ij^2 for every param, in the solver's coordinates."""
        moments = self.sums.second_moments
        diagonal = moments if moments.ndim == 1 else moments.diagonal()
        units = self.standardization.units
        return diagonal if (units == 1).all() else diagonal * units**2
