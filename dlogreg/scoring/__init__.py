"""How well a model predicts rows whose outcome is known."""

from dlogreg.scoring.evaluating import evaluate, evaluate_source
from dlogreg.scoring.kernels import ScoreKernel

__all__ = ["ScoreKernel", "evaluate", "evaluate_source"]
