"""What one pass found along a line: where its minimum lies, and the gradient there.

Loss and gradient are known at a few points of the line. The loss is convex, so its
slope grows, and changes sign between two neighbours; there the quadratic through the
slopes of three points puts the minimum, and the same quadratic through their gradients
is the gradient at it. So the step length is exact to third order and costs no pass.

Losses are not looked at: a sum of losses resolves its own decrease only to 1e-16 of
itself, which leaves a gradient of 1e-8 of its start, while slopes keep their sign until
the gradient itself is rounding (the same reason as for the approximate Wolfe condition,
Hager and Zhang 2005, SIAM J. Optim. 16, 170-192).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dlogreg.evaluation import FloatArray, TrialPoints
from dlogreg.root import root_between


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """Gradients at increasing lengths along a direction, the first of them zero."""

    lengths: FloatArray
    first: FloatArray
    """Gradient at zero, shape (n_params,)."""
    others: FloatArray
    """Gradients at the other lengths, shape (n_params, n_lengths - 1)."""
    slopes: FloatArray
    minimum: float
    """Length of the minimum, or the last length where the slope is negative there."""
    gradient: FloatArray
    """At the minimum, shape (n_params,)."""
    nearest: int
    """Trial point, counted from zero, whose slope is closest to zero."""

    @classmethod
    def of(
        cls,
        direction: FloatArray,
        gradient: FloatArray,
        trial_lengths: FloatArray,
        points: TrialPoints,
    ) -> Line:
        """Find the minimum from the gradient at zero and at the trial lengths."""
        lengths = np.concatenate([[0.0], trial_lengths])
        others = points.gradients
        slopes = np.concatenate([[direction @ gradient], direction @ others])
        nearest = int(np.abs(slopes[1:]).argmin())
        if slopes[-1] < 0:
            minimum, weights = lengths[-1], np.eye(len(lengths))[-1]
        else:
            near = _three_nearest(slopes)
            minimum = _root(lengths[near], slopes[near])
            weights = np.zeros(len(lengths))
            weights[near] = _lagrange(lengths[near], minimum)
        at_minimum = others @ weights[1:]
        if weights[0]:
            at_minimum += weights[0] * gradient
        rest = (slopes, float(minimum), at_minimum, nearest)
        return cls(lengths, gradient, others, *rest)

    @property
    def ends_below(self) -> bool:
        """Tell whether the minimum lies beyond the last trial point."""
        return bool(self.slopes[-1] < 0)

    @property
    def missed(self) -> bool:
        """Tell whether the minimum does not lie between trial points."""
        return self.ends_below or bool(self.slopes[1] >= 0)

    @property
    def decrease(self) -> float:
        """Loss gained from zero to the minimum, by the trapezoidal rule."""
        return float(-0.5 * self.minimum * self.slopes[0])

    @property
    def excess(self) -> float:
        """Loss of the nearest trial point above the minimum, by the same rule."""
        index = self.nearest + 1
        away = self.lengths[index] - self.minimum
        return float(abs(0.5 * away * self.slopes[index]))

    def curvature_pair(self) -> tuple[float, FloatArray]:
        """Return a length and by how much the gradient changes over it.

        These are the two around the minimum, or the last two. Only where it is short of
        the first trial point is one of them the line's beginning, whose gradient may be
        interpolated; farther points could lie where the loss has become straight.
        """
        high = _bracket(self.slopes)
        before = self.others[:, high - 2] if high > 1 else self.first
        change = self.others[:, high - 1] - before
        return float(self.lengths[high] - self.lengths[high - 1]), change


def _bracket(slopes: FloatArray) -> int:
    """Return the first index, at least 1, of a slope that is not negative, or last."""
    upward = np.flatnonzero(slopes[1:] >= 0)
    return int(upward[0]) + 1 if len(upward) else len(slopes) - 1


def _three_nearest(slopes: FloatArray) -> FloatArray:
    """Return the indices of the bracket and one more, a trial point if there is one."""
    high = _bracket(slopes)
    third = high + 1 if high + 1 < len(slopes) else high - 2
    return np.sort(np.array([high - 1, high, third]))


def _root(lengths: FloatArray, slopes: FloatArray) -> float:
    """Return where the quadratic through the slopes is zero, within the bracket."""
    high = int(np.flatnonzero(slopes >= 0)[0]) if (slopes >= 0).any() else 2
    if slopes[0] >= 0:  # only rounding turns a descent direction upward
        return float(lengths[0])
    low, top = lengths[high - 1], lengths[high]

    def slope(length: float) -> float:
        return float(_lagrange(lengths, length) @ slopes)

    return root_between(slope, low, top, xtol=1e-12 * top)


def _lagrange(nodes: FloatArray, at: float) -> FloatArray:
    """Return the weights that interpolate values at the nodes."""
    weights = np.ones(len(nodes))
    for i, node in enumerate(nodes):
        for j, other in enumerate(nodes):
            if i != j:
                weights[i] *= (at - other) / (node - other)
    return weights
