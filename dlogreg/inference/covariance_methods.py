"""The covariances of a result: of the model, and robust ones."""

from __future__ import annotations

import numpy as np

from dlogreg.errors import InferenceError
from dlogreg.evaluation import FloatArray
from dlogreg.inference.sandwich import (
    check_kind,
    cluster_factor,
    small_sample_factor,
)

NO_ROBUST = (
    "there is no robust covariance, because the fit was one of many (by=, fit_many), "
    "ended before its closing pass or was saved by a version that kept none; fit again "
    "by itself with cov_type='HC1'"
)
NO_ROBUST_FIRTH = (
    "there is no robust covariance of a fit with firth=True; take kind='model', or fit "
    "without it"
)
NO_GROUPS = (
    "there is no cluster-robust covariance, because the fit was given no groups; fit "
    "again with groups="
)


class Covariances:
    """Covariances of the coefficients of any number of classes; nothing is read.

    The attributes are those of LogitResults.
    """

    coefficients: FloatArray
    covariance: FloatArray | None
    robust_covariance: FloatArray | None
    cluster_covariance: FloatArray | None
    n_groups: int
    cov_type: str
    why_no_inference: str
    nobs: float
    firth: bool

    def cov_params(self, kind: str | None = None) -> FloatArray:
        """Return the covariance of the coefficients, shape (n_params, n_params).

        Of three or more classes those of one class after the other, in the order of
        ``params.T.ravel()``.

        Parameters
        ----------
        kind : {"model", "HC0", "HC1", "cluster"}, optional
            "model": inverse Hessian of the summed loss; "HC0": the sandwich, robust
            against a wrong variance; "HC1": the same times n / (n - k); "cluster": the
            sandwich of scores summed over the ``groups`` of the fit, times
            G / (G - 1) * (n - 1) / (n - k), robust against dependence within them too.
            With groups of one row that is HC1. Frequency weights count as rows
            repeated, all of them in the row's group. Default: ``cov_type`` of the fit.
            None of them reads data. Lines of dropped columns are NaN.

        Raises
        ------
        InferenceError
            If the closing pass was left out, or a penalty was used; for all but "model"
            also if the fit had ``firth=True``.

        Returns
        -------
        array, shape (n_params, n_params)
            Symmetric to the last bit.

        Examples
        --------
        >>> import dlogreg
        >>> X, y = [[0.0], [1.0], [2.0], [3.0], [4.0], [5.0]], [0, 0, 1, 0, 1, 1]
        >>> res = dlogreg.fit(X, y, feature_names=["dose"])
        >>> res.cov_params().round(4)
        array([[ 6.4802, -2.0819],
               [-2.0819,  0.8328]])
        >>> res.cov_params("HC0").round(4)
        array([[ 2.8337, -0.5602],
               [-0.5602,  0.2241]])
        """
        kind = self.cov_type if kind is None else check_kind("kind", kind)
        if self.covariance is None:
            raise InferenceError(self.why_no_inference)
        if kind == "model":
            return self.covariance
        if self.firth:
            raise InferenceError(NO_ROBUST_FIRTH)
        n_estimated = int(np.isfinite(self.coefficients).sum())
        if kind == "cluster":
            if self.cluster_covariance is None:
                raise InferenceError(NO_ROBUST if self.n_groups else NO_GROUPS)
            factor = cluster_factor(self.n_groups, self.nobs, n_estimated)
            return self.cluster_covariance * factor
        if self.robust_covariance is None:
            raise InferenceError(NO_ROBUST)
        if kind == "HC0":
            return self.robust_covariance
        return self.robust_covariance * small_sample_factor(self.nobs, n_estimated)
