"""Scores of scikit-learn, found in passes or by its own scorers."""

from __future__ import annotations

import inspect
from typing import Any

from sklearn.metrics import make_scorer

SCORES = {
    "accuracy": ("accuracy", 1),
    "neg_log_loss": ("log_loss", -1),
    "neg_brier_score": ("brier", -1),
    "roc_auc": ("auc", 1),
}
"""Scores that are found in passes: their names here, and whether more is better."""


def with_labels(scorer: Any, classes: Any) -> Any:
    """Return the scorer knowing all classes, of which a fold may lack some."""
    function = getattr(scorer, "_score_func", None)
    known = inspect.signature(function).parameters if function else ()
    if "labels" not in known:
        return scorer
    binary = len(classes) == 2 and "pos_label" in known
    given = {"pos_label": classes[-1]} if binary else {}
    given |= scorer._kwargs
    return make_scorer(
        function,
        greater_is_better=scorer._sign == 1,
        response_method=scorer._response_method,
        labels=classes,
        **given,
    )
