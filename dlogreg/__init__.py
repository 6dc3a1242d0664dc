"""Logistic regression on data larger than memory, on one machine or a Dask cluster."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dlogreg.errors import (
        CheckpointError,
        CheckpointWarning,
        ClusterError,
        ClusterWarning,
        CollinearityWarning,
        ConvergenceWarning,
        DataError,
        InferenceError,
        ManyLevelsWarning,
        MemoryLimitError,
        MissingChunkWarning,
        MissingValueError,
        SeparationWarning,
    )
    from dlogreg.estimator import LogisticRegression
    from dlogreg.estimator.cross_validated import LogisticRegressionCV
    from dlogreg.fitting import fit
    from dlogreg.formula.fitting import fit_formula
    from dlogreg.grouped.results import GroupedResults
    from dlogreg.outcomes.fitting import fit_many
    from dlogreg.outcomes.results import ManyResults
    from dlogreg.planning import plan
    from dlogreg.results import LogitResults, MultinomialResults, load
    from dlogreg.scoring import evaluate
    from dlogreg.selection.cross_validation import cross_validate
    from dlogreg.selection.path import path
    from dlogreg.solvers import Status

__version__ = "0.1.0"

_ROOMS = {
    "CheckpointError": "errors",
    "CheckpointWarning": "errors",
    "ClusterError": "errors",
    "ClusterWarning": "errors",
    "CollinearityWarning": "errors",
    "ConvergenceWarning": "errors",
    "DataError": "errors",
    "GroupedResults": "grouped.results",
    "InferenceError": "errors",
    "LogisticRegression": "estimator",
    "LogisticRegressionCV": "estimator.cross_validated",
    "LogitResults": "results",
    "ManyLevelsWarning": "errors",
    "ManyResults": "outcomes.results",
    "MemoryLimitError": "errors",
    "MissingChunkWarning": "errors",
    "MissingValueError": "errors",
    "MultinomialResults": "results",
    "SeparationWarning": "errors",
    "Status": "solvers",
    "cross_validate": "selection.cross_validation",
    "evaluate": "scoring",
    "fit": "fitting",
    "fit_formula": "formula.fitting",
    "fit_many": "outcomes.fitting",
    "load": "results",
    "path": "selection.path",
    "plan": "planning",
}

__all__ = [
    "CheckpointError",
    "CheckpointWarning",
    "ClusterError",
    "ClusterWarning",
    "CollinearityWarning",
    "ConvergenceWarning",
    "DataError",
    "GroupedResults",
    "InferenceError",
    "LogisticRegression",
    "LogisticRegressionCV",
    "LogitResults",
    "ManyLevelsWarning",
    "ManyResults",
    "MemoryLimitError",
    "MissingChunkWarning",
    "MissingValueError",
    "MultinomialResults",
    "SeparationWarning",
    "Status",
    "__version__",
    "cross_validate",
    "evaluate",
    "fit",
    "fit_formula",
    "fit_many",
    "load",
    "path",
    "plan",
]


def __getattr__(name: str) -> Any:
    """Import public names on first use (PEP 562), so that importing is fast."""
    if name not in _ROOMS:
        raise AttributeError(f"module 'dlogreg' has no attribute {name!r}")
    value = getattr(import_module(f"dlogreg.{_ROOMS[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names."""
    return sorted(__all__)
