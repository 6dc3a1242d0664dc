"""The null model of three or more classes, from the sums of the first pass.

As for two classes, every row has the same shares p at the model without columns:

    gradient_k = p_k * sum_i s_i z_i - sum_{i: y_i = k} s_i z_i
    Hessian_kl = p_k ([k = l] - p_l) * sum_i s_i z_i z_i'

for all classes but the reference.
"""

from __future__ import annotations

import numpy as np

from dlogreg.evaluation import Evaluation, FloatArray
from dlogreg.survey.survey import Survey


def class_shares(survey: Survey) -> FloatArray:
    """Return the weighted share of every class, shape (n_classes,)."""
    groups = survey.sums.groups
    weights = np.array([groups[label].weight for label in survey.classes])
    return weights / survey.weight_sum


def null_loglikelihood(survey: Survey) -> float:
    """Return the log-likelihood of the model with intercepts alone."""
    shares = class_shares(survey)
    return float(survey.weight_sum * (shares @ np.log(shares)))


def null_shares(survey: Survey) -> FloatArray:
    """Return every row's shares in the model without columns."""
    shares = class_shares(survey)
    if survey.standardization.fit_intercept:
        return shares
    return np.full_like(shares, 1 / len(shares))


def null_curvature(survey: Survey) -> FloatArray:
    """Return diag(p) - pp' of the shares p of the classes but the reference."""
    shares = null_shares(survey)[1:]
    return np.asarray(np.diag(shares) - np.outer(shares, shares), dtype=np.float64)


def null_point(survey: Survey, order: int = 2) -> tuple[FloatArray, Evaluation]:
    """Return the model without columns, one line per equation, and the loss there.

    Equations are those of centred and scaled columns, (n_equations, n_params); the sums
    those of a kernel, over centred columns that are not scaled. The Hessian is among
    them at order 2, where the first pass has summed the products of columns.
    """
    std, groups = survey.standardization, survey.sums.groups
    shares = null_shares(survey)
    theta = np.zeros((len(shares) - 1, std.n_params))
    if std.fit_intercept:
        theta[:, 0] = np.log(shares[1:]) - np.log(shares[0])
    found = [groups[label].z_sum for label in survey.classes]
    z_sums = np.array(found, dtype=np.float64)  # never None: no chain has learned
    gradient = np.outer(shares[1:], z_sums.sum(axis=0)) - z_sums[1:]
    loss = -survey.weight_sum * (class_shares(survey) @ np.log(shares))
    moments, hessian = survey.sums.second_moments, None
    if order == 2 and moments.ndim == 2:
        bend = null_curvature(survey)
        hessian = np.asarray(np.kron(bend, moments), dtype=np.float64)
    return theta, Evaluation(float(loss), gradient.ravel(), hessian)
