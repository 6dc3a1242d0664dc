"""What is left of the likelihood where the classes are separated.

Along the separating directions the likelihood grows towards that of the rows which they
leave where they are, the *face*. On these rows some columns are combinations of others:
with N a basis of the vectors n that have z_i'n = 0 on the face, a coefficient j has a
finite limit if and only if the j-th line of N is zero. It is then the same for every
choice of columns that are independent on the face, and so is its standard error. All
other coefficients grow without end, with the sign that the direction has there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dlogreg.evaluation import FloatArray
from dlogreg.kernel.face import Face
from dlogreg.solvers.system import combination, independent_columns
from dlogreg.standardization import Standardization

NEGLIGIBLE = 1e-6
"""Shares of a combination below it are rounding."""
CONSTANT = 1e-11
"""A column of which less than this share of squares is left once it is centred."""


@dataclass(frozen=True, slots=True, eq=False)
class Limit:
    """A proven separation of the classes."""

    directions: tuple[FloatArray, ...]
    """In the solver's coordinates. Each separates rows that those before it leave
    where they are, and has none of these on its wrong side."""
    least: tuple[float, ...]
    """Smallest margin of the rows that each separates."""
    complete: bool
    """Every row is separated, and nothing is left to estimate."""
    aliased: FloatArray
    """Basis of the vectors that move no row of the face, (n_params, n_aliased)."""
    reasons: Mapping[str, str]
    """Columns that separate by themselves, as the first pass has found them."""

    def infinite(self, std: Standardization, kept: npt.NDArray[np.intp]) -> FloatArray:
        """Return the signs of the infinite coefficients, shape (n_params,).

        0 stands for those with a finite limit, NaN for those without a known sign.
        Where all rows are separated, those that the directions leave out are NaN.
        """
        signs = np.zeros(std.n_params)
        if self.complete:
            signs[kept] = np.nan
        else:
            basis = np.column_stack([in_params(n, std) for n in self.aliased.T])
            signs[(basis != 0).any(axis=1)] = np.nan
        for direction in self.directions:
            along = in_params(direction, std)
            open_ends = np.isnan(signs) & (along != 0)
            signs[open_ends] = np.sign(along[open_ends])
        return signs

    def combined(self, reach: FloatArray) -> FloatArray:
        """Return one direction, whose least margin is 1.

        A later direction is made so short that no row leaves the right side of those
        before it; ``reach`` is the largest abs(z_ij) of every column.
        """
        total = np.zeros(len(reach))
        for direction, least in zip(
            reversed(self.directions), reversed(self.least), strict=True
        ):
            undone = float(reach @ np.abs(total))
            total = total + (1 + undone) / least * direction
        return total


def face_of(std: Standardization, *directions: FloatArray) -> Face:
    """Return the rows that directions, in the solver's coordinates, leave alone."""
    centred = np.column_stack([std.centred(d) for d in directions])
    return Face(centred, std.mean, std.fit_intercept)


def in_params(theta: FloatArray, std: Standardization) -> FloatArray:
    """Return a direction in params, with zeros where only rounding is left."""
    shares = np.where(np.abs(theta) > NEGLIGIBLE * np.abs(theta).max(), theta, 0.0)
    params = std.to_params(shares)
    if std.fit_intercept:
        terms = np.append(params[1:] * std.mean, shares[0])
        if abs(params[0]) <= NEGLIGIBLE * np.abs(terms).max(initial=0.0):
            params[0] = 0.0
    return params


def estimable(
    hessian: FloatArray, kept: npt.NDArray[np.intp], *, fit_intercept: bool
) -> tuple[npt.NDArray[np.intp], FloatArray]:
    """Return columns that are independent on the face, and a basis of the others.

    ``hessian`` is that of the rows of the face. The basis, (n_params, n_aliased), has
    a vector for every other column: the column less what makes it on these rows.
    """
    out = np.ones(len(hessian), dtype=bool)
    out[kept] = False
    squares = np.diagonal(hessian)
    if fit_intercept:
        centred = squares - hessian[0] ** 2 / hessian[0, 0]
        out[1:] |= centred[1:] <= CONSTANT * squares[1:]
    left = independent_columns(hessian, out, fit_intercept=fit_intercept)
    basis = []
    for j in np.setdiff1d(kept, left).tolist():
        weights = -combination(hessian, left, j)
        sizes = np.sqrt(np.maximum(squares / max(squares[j], 1e-300), 0.0))
        weights[np.abs(weights) * sizes <= NEGLIGIBLE] = 0.0
        weights[j] = 1.0
        basis.append(weights)
    return left, np.array(basis).reshape(-1, len(hessian)).T
