r"""Points with Hessians of their own, from which those of points between them follow.

The Hessian is by far the dearest that a pass sums at a point: k^2 operations per row,
where loss and gradient take 4 k and some. But it is a smooth function of the point. So
of the points of a pass only some get their Hessian, the *nodes*, such that every
point has a node within a radius; at the others it is interpolated,

    M(theta) = sum_j c_j H_j,   sum_j c_j = 1,

by multiquadrics (Hardy 1971, J. Geophys. Res. 76, 1905-1915) of the distance, which is
the root mean square of the change of predictors: c solves

    [Phi 1; 1' 0] [c; m] = [phi; 1],   phi = sqrt(1 + (distance / WIDTH)^2).

With nodes 0.2 apart M was within 0.2 % of the Hessian, where that of the nearest node
is 5 to 10 % off.

M serves to step and proves nothing. What is proven of a point goes by the Hessian of
its node, from which no predictor has moved by more than S0: the pass measures that for
every row (``stale_hessian``). What that proof allows decides the radius. The quadratic
that is minimised in the place of a fold's objective leaves about

    lambda ~ SKEW r^2 / sqrt(sum of w),    r^2 = k (1 / share - 1),

since its optimum is about r standard errors from that of all rows, and the bound after
one more step is lambda (exp(S0) - 1). Where that asks for small S0, as with few rows
or small tol, all points are nodes. Wrong guesses cost passes, never exactness.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from dlogreg.evaluation import FloatArray
from dlogreg.kernel.part_sums import PartSums
from dlogreg.solvers.anchors import Anchor

WIDTH = 0.5
"""Of the multiquadrics, in root mean squares of predictors."""
SKEW = 0.25
LARGEST_REACH = 0.6
"""Of S0 from a node that is aimed at."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Which points of a pass get Hessians."""

    tried: tuple[int, ...]
    """Points that are evaluated; others are too far from all Hessians of the pass."""
    nodes: tuple[int, ...]
    """Of these, by position among them, those with Hessians."""
    near: tuple[int, ...]
    """The nearest node of each: by position, those known before after them."""


@dataclass(slots=True, eq=False)
class HessianNodes:
    """The nodes that are known, and how near they must be."""

    known: list[Anchor]
    metric: FloatArray
    """Hessian per weight, by which distances are measured."""
    radius: float

    def plan(self, points: FloatArray, most: int) -> Plan:
        """Choose nodes among points, shape (n_params, n_points), at most so many.

        The point that is farthest from all nodes becomes the next (Gonzalez 1985).
        """
        n = points.shape[1]
        every = np.column_stack([points, *(one.theta for one in self.known)])
        away = self._distances(every, points)
        np.fill_diagonal(away, 0.0)
        inside = [n + i for i in range(len(self.known))]
        while len(inside) - len(self.known) < most:
            nearest = away[inside].min(axis=0)
            farthest = int(nearest.argmax())
            if nearest[farthest] <= self.radius:
                break
            inside.append(farthest)
        nearest = away[inside].min(axis=0)
        tried = [i for i in range(n) if i in inside or nearest[i] <= self.radius]
        place = {point: i for i, point in enumerate(tried)}
        place |= {n + i: len(tried) + i for i in range(len(self.known))}
        near = [place[inside[int(away[inside, i].argmin())]] for i in tried]
        nodes = sorted(place[i] for i in inside if i < n)
        return Plan(tuple(tried), tuple(nodes), tuple(near))

    def take(self, points: FloatArray, sums: PartSums, plan: Plan) -> list[Anchor]:
        """Return anchors at the points that were tried, those with nodes first known.

        ``points`` are these, and ``sums`` what the pass has found there.
        """
        found = [
            Anchor(theta, losses, gradients, np.empty(0))
            for theta, losses, gradients in zip(
                points.T, sums.losses, sums.gradients, strict=True
            )
        ]
        for place, hessians in zip(plan.nodes, sums.hessians, strict=True):
            found[place] = replace(found[place], hessians=hessians)
        before = self.known
        self.known = [*before, *(found[place] for place in plan.nodes)]
        others = [i for i in range(len(found)) if i not in plan.nodes]
        for i, weights in zip(others, self._weights(points[:, others]), strict=True):
            node = [*found, *before][plan.near[i]]
            found[i] = replace(
                found[i],
                hessians=sum(
                    weight * one.hessians
                    for weight, one in zip(weights, self.known, strict=True)
                ),
                node=node.hessians,
                stale=float(sums.reaches[i]),
            )
        return found

    def _distances(self, left: FloatArray, right: FloatArray) -> FloatArray:
        """Return the distances of columns from columns, (n_left, n_right)."""
        centre = self.known[0].theta[:, None]
        left, right = left - centre, right - centre
        a, b = self.metric @ left, self.metric @ right
        squares = (left * a).sum(axis=0)[:, None] + (right * b).sum(axis=0)
        return np.asarray(np.sqrt(np.maximum(squares - 2 * left.T @ b, 0.0)))

    def _weights(self, points: FloatArray) -> FloatArray:
        """Return c of every point, shape (n_points, n_nodes)."""
        thetas = np.column_stack([one.theta for one in self.known])
        n = thetas.shape[1]
        system = np.ones((n + 1, n + 1))
        system[:n, :n] = _multiquadric(self._distances(thetas, thetas))
        system[n, n] = 0.0
        right = np.ones((n + 1, points.shape[1]))
        right[:n] = _multiquadric(self._distances(thetas, points))
        return np.asarray(np.linalg.lstsq(system, right)[0][:n].T)


def _multiquadric(distance: FloatArray) -> FloatArray:
    return np.hypot(1.0, distance / WIDTH)


def node_radius(
    tol: float, n_params: int, weight: float, share: float, peak: float
) -> float:
    """Return how far a point may be from its node, see the module's text.

    Parameters
    ----------
    tol
        Of the bounds, in standard errors.
    n_params
        k.
    weight
        Sum of w over all rows.
    share
        Of the rows, those of the smallest set that a model is fitted to.
    peak
        Largest change of a row's predictor by a move, in root mean squares of it.
    """
    squares = n_params * (1 / share - 1)
    left = SKEW * squares / math.sqrt(weight * share)
    allowed = math.log1p(tol / 2 / left) if left > 0 else LARGEST_REACH
    return min(allowed, LARGEST_REACH) / peak
