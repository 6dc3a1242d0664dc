"""The options of ``fit`` and ``fit_formula`` by name and type, for type checkers.

Defaults are in the signatures of these functions, meanings in their documentation; here
is what their overloads (with and without ``by``) have in common.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from dlogreg.checkpoint import Checkpoint
from dlogreg.evaluation import Label
from dlogreg.passes import Progress


class ModelKeywords(TypedDict, total=False):
    """Options that rows and tables have in common."""

    sample_weight: Any
    weight_kind: str
    offset: Any
    groups: Any
    classes: Sequence[Label] | None
    alpha: float
    l1_ratio: float
    penalty_factor: Any
    bounds: Any
    firth: bool
    missing: str
    solver: str
    tol: float
    max_passes: int
    start: Any
    inference: bool
    cov_type: str | None
    memory_limit: int | str | None
    checkpoint: str | os.PathLike[str] | Checkpoint | None
    progress: bool | Progress | None


class FitKeywords(ModelKeywords, total=False):
    """Options of ``fit`` beside ``by``."""

    trials: Any
    holdout: Any
    fit_intercept: bool
    feature_names: Sequence[str] | None


class FormulaKeywords(ModelKeywords, total=False):
    """Options of ``fit_formula`` beside ``by``."""

    unseen: Any
    storage_options: Mapping[str, Any] | None
