"""Results as scikit-learn's own estimator."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from sklearn.linear_model import LogisticRegression

from dlogreg.exchange.linear import linear_lines
from dlogreg.prediction import label_array

if TYPE_CHECKING:
    from dlogreg.results import Results


def to_sklearn(results: Results) -> LogisticRegression:
    """Return a fitted estimator with the same predictions; see ``Exchange``."""
    intercepts, slopes = linear_lines(results, "scikit-learn")
    labels = label_array(results.classes)
    try:
        order = np.argsort(labels, kind="stable")
    except TypeError as error:
        raise ValueError(
            f"scikit-learn sorts the labels, and {results.classes!r} have no order; "
            "fit with labels of one kind"
        ) from error
    if len(labels) > 2:
        intercepts, slopes = intercepts[order], slopes[order]
    elif order[0] == 1:
        intercepts, slopes = -intercepts, -slopes
    model = LogisticRegression(
        C=1 / (results.alpha * results.nobs) if results.alpha else np.inf,
        fit_intercept=results.fit_intercept,
        l1_ratio=results.l1_ratio,
        solver="saga" if results.l1_ratio else "lbfgs",
    )
    model.classes_ = labels[order]
    model.coef_ = np.array(slopes)
    model.intercept_ = np.array(intercepts)
    model.n_iter_ = np.array([results.n_passes], dtype=np.int32)
    model.n_features_in_ = len(results.feature_names)
    numbered = tuple(f"x{j + 1}" for j in range(len(results.feature_names)))
    if results.feature_names != numbered:
        model.feature_names_in_ = np.array(results.feature_names, dtype=object)
    return model
