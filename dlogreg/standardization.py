"""Centred and scaled coordinates, in which every solver works.

theta holds the coefficients of the columns z_j = (x_j - mean_j) / scale_j; params
those of the columns themselves. The linear predictor is the same in both:

    eta = theta_0 + sum_j theta_j * (x_j - mean_j) / scale_j
        = params_0 + sum_j params_j * x_j

The data are centred slab by slab inside the kernel. Centring the finished sums
instead loses all digits of a column whose mean is 1e8 standard deviations away
from zero. Scaling loses none, so it is applied to the sums.

A model of several equations, one for every class but the reference, has the same map
in each of them; its vectors hold the equations one after the other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from dlogreg.evaluation import Evaluation, FloatArray, TrialPoints
from dlogreg.row_kind import RowKind


@dataclass(frozen=True, slots=True)
class Standardization:
    """The map between params and the coordinates of the solver."""

    mean: FloatArray
    """Shape (n_features,); zeros without an intercept."""
    scale: FloatArray
    """Shape (n_features,), positive."""
    fit_intercept: bool
    sparse: int = RowKind.DENSE
    """The kind of rows: of other than dense ones kernels must not fill the zeros."""
    compiled: bool = False
    """Dense rows are multiplied by compiled loops."""

    @classmethod
    def from_moments(
        cls,
        mean: FloatArray,
        variance: FloatArray,
        *,
        fit_intercept: bool,
        sparse: int = RowKind.DENSE,
    ) -> Standardization:
        """Take means and variances as found in a few blocks, mending what is unfit."""
        if not fit_intercept:
            # Without an intercept the columns cannot be moved, only scaled: the
            # natural unit of a column is then its root mean square.
            variance = variance + mean**2
            mean = np.zeros_like(mean)
        mean = np.where(np.isfinite(mean), mean, 0.0)
        scale = np.sqrt(variance)
        usable = np.isfinite(scale) & (scale > 1e-150)
        return cls(mean, np.where(usable, scale, 1.0), fit_intercept, sparse)

    @property
    def n_params(self) -> int:
        """Number of coefficients, the intercept included."""
        return len(self.scale) + self.fit_intercept

    @property
    def units(self) -> FloatArray:
        """What a sum over centred columns is multiplied with, shape (n_params,)."""
        if not any(self.scale.strides) and (self.scale[:1] == 1).all():
            return np.broadcast_to(np.float64(1.0), (self.n_params,))
        units = np.empty(self.n_params)
        units[: self.fit_intercept] = 1.0
        np.divide(1.0, self.scale, out=units[self.fit_intercept :])
        return units

    @property
    def centre(self) -> FloatArray:
        """What is subtracted from every column, the intercept's 0 first."""
        return np.concatenate([np.zeros(int(self.fit_intercept)), self.mean])

    def centred(self, theta: FloatArray) -> FloatArray:
        """Return the coefficients of the centred, unscaled columns."""
        return theta * self.units

    def centred_points(self, thetas: FloatArray) -> FloatArray:
        """Return the same for every column of thetas."""
        return thetas * self.units[:, None] if self._rescales else thetas

    @property
    def _rescales(self) -> bool:
        """Tell whether some column has another scale than its own."""
        return bool((self.scale != 1).any())

    def scaled(self, sums: Evaluation) -> Evaluation:
        """Return the kernel's sums in the coordinates of theta."""
        unit, hessian = self.units, sums.hessian
        meat = sums.meat
        if hessian is not None:
            hessian = hessian * unit * unit[:, None]
        if meat is not None:
            meat = meat * unit * unit[:, None]
        clusters = sums.cluster_meat
        if clusters is not None:
            matrix = clusters.matrix * unit * unit[:, None]
            clusters = replace(clusters, matrix=matrix)
        return replace(
            sums,
            gradient=sums.gradient * unit,
            hessian=hessian,
            meat=meat,
            cluster_meat=clusters,
        )

    def scaled_points(self, sums: TrialPoints) -> TrialPoints:
        """Return the kernel's sums at several points in the coordinates of theta."""
        if not self._rescales:
            return sums
        unit, bends = self.units[:, None], sums.intercept_curvatures
        return TrialPoints(
            sums.losses,
            sums.gradients * unit,
            None if bends is None else bends * unit,
        )

    def to_params(self, theta: FloatArray) -> FloatArray:
        """Return params, intercept first, for theta."""
        params = self.centred(theta)
        if self.fit_intercept:
            params[0] -= params[1:] @ self.mean
        return params

    def to_theta(self, params: FloatArray) -> FloatArray:
        """Return theta for params, intercept first."""
        theta = params / self.units
        if self.fit_intercept:
            theta[0] += params[1:] @ self.mean
        return theta

    def covariance(self, cov_theta: FloatArray) -> FloatArray:
        """Return the covariance of params, A C A', for that of theta."""
        unit = self.units
        cov = cov_theta * unit * unit[:, None]
        if self.fit_intercept:
            cov[0] -= self.mean @ cov[1:]
            cov[:, 0] -= cov[:, 1:] @ self.mean
        return cov

    def theta_covariance(self, cov_params: FloatArray) -> FloatArray:
        """Return the covariance of theta for that of params.

        The intercept's line loses digits where means are far from zero in units of
        their columns' standard deviations.
        """
        cov = cov_params.copy()
        if self.fit_intercept:
            cov[0] += self.mean @ cov[1:]
            cov[:, 0] += cov[:, 1:] @ self.mean
        unit = self.units
        return np.asarray(cov / (unit * unit[:, None]))

    def direction(self, position: int) -> FloatArray:
        """Return a with a'theta = params[position], shape (n_params,)."""
        one = np.zeros(self.n_params)
        one[position] = 1.0
        along = one * self.units
        if self.fit_intercept and position == 0:
            along[1:] = -self.mean / self.scale
        return along


@dataclass(frozen=True, slots=True, eq=False)
class StackedStandardization:
    """The map between params and the solver's coordinates in every equation.

    ``theta`` holds a line for every equation; the equations against the reference are
    ``mixing`` times these lines, or the lines themselves.
    """

    single: Standardization
    """The map of one equation."""
    n_equations: int
    mixing: FloatArray | None = None
    """Shape (n_equations, n_equations), invertible."""

    @property
    def mean(self) -> FloatArray:
        """Shape (n_features,); zeros without an intercept."""
        return self.single.mean

    @property
    def fit_intercept(self) -> bool:
        """Whether every equation has an intercept."""
        return self.single.fit_intercept

    @property
    def sparse(self) -> int:
        """The kind of rows."""
        return self.single.sparse

    @property
    def compiled(self) -> bool:
        """Whether dense rows are multiplied by compiled loops."""
        return self.single.compiled

    @property
    def n_params(self) -> int:
        """Number of coefficients of all equations."""
        return self.n_equations * self.single.n_params

    def equations(self, theta: FloatArray) -> FloatArray:
        """Return the equations against the reference, (n_equations, n_names)."""
        lines = theta.reshape(self.n_equations, -1)
        return lines if self.mixing is None else np.asarray(self.mixing @ lines)

    def mixed(self, equations: FloatArray) -> FloatArray:
        """Return the theta of which these are the equations."""
        if self.mixing is None:
            return equations.ravel()
        return np.ravel(np.linalg.solve(self.mixing, equations))

    def centred(self, theta: FloatArray) -> FloatArray:
        """Return the coefficients of the centred, unscaled columns."""
        return np.ravel(self.equations(theta) * self.single.units)

    def centred_points(self, thetas: FloatArray) -> FloatArray:
        """Return the same for every column of thetas."""
        return np.column_stack([self.centred(theta) for theta in thetas.T])

    def scaled_points(self, sums: TrialPoints) -> TrialPoints:
        """Return the kernel's sums at several points in the coordinates of theta."""
        unit = np.tile(self.single.units, self.n_equations)
        gradients = sums.gradients * unit[:, None]
        if self.mixing is not None:
            lines = gradients.reshape(self.n_equations, -1)
            gradients = (self.mixing.T @ lines).reshape(gradients.shape)
        return TrialPoints(sums.losses, gradients)

    def scaled(self, sums: Evaluation) -> Evaluation:
        """Return the kernel's sums in the coordinates of theta."""
        unit = np.tile(self.single.units, self.n_equations)
        gradient = sums.gradient * unit
        if self.mixing is not None:
            lines = gradient.reshape(self.n_equations, -1)
            gradient = np.ravel(self.mixing.T @ lines)
        return replace(
            sums,
            gradient=gradient,
            hessian=self._scaled_matrix(sums.hessian),
            meat=self._scaled_matrix(sums.meat),
        )

    def _scaled_matrix(self, matrix: FloatArray | None) -> FloatArray | None:
        if matrix is None:
            return None
        unit = np.tile(self.single.units, self.n_equations)
        matrix = matrix * unit
        matrix *= unit[:, None]
        return matrix if self.mixing is None else congruent(matrix, self.mixing.T)

    def to_params(self, theta: FloatArray) -> FloatArray:
        """Return params, every equation's intercept first, for theta."""
        lines = self.equations(theta)
        return np.concatenate([self.single.to_params(line) for line in lines])

    def to_theta(self, params: FloatArray) -> FloatArray:
        """Return theta for params, every equation's intercept first."""
        lines = params.reshape(self.n_equations, -1)
        return self.mixed(np.array([self.single.to_theta(line) for line in lines]))

    def covariance(self, cov_theta: FloatArray) -> FloatArray:
        """Return the covariance of params, (V x A) C (V x A)', for that of theta."""
        shape = (self.n_equations, self.single.n_params)
        unit = np.tile(self.single.units, self.n_equations)
        if self.mixing is not None:
            cov_theta = congruent(cov_theta, self.mixing)
        cov = (cov_theta * unit * unit[:, None]).reshape(shape + shape)
        if self.fit_intercept:
            cov[:, 0] -= np.einsum("j,ajbk->abk", self.mean, cov[:, 1:])
            cov[:, :, :, 0] -= np.einsum("ajbk,k->ajb", cov[:, :, :, 1:], self.mean)
        return cov.reshape(self.n_params, self.n_params)


def congruent(matrix: FloatArray, mixing: FloatArray) -> FloatArray:
    """Return (V x I) M (V x I)' for a matrix of n x n blocks, V of shape (n, n)."""
    n = len(mixing)
    size = len(matrix) // n
    blocks = np.tensordot(mixing, matrix.reshape(n, size, n, size), axes=(1, 0))
    blocks = np.tensordot(blocks, mixing, axes=(2, 1)).transpose(0, 1, 3, 2)
    return blocks.reshape(n * size, n * size)
