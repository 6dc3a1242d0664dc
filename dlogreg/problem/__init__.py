"""The optimization problem that the survey leaves: objective, start and geometry.

``posing`` judges the survey and sets up the problem of two classes, which ``binary``
holds and solves from where ``start`` says; ``softmax`` is that of more classes.
"""

from dlogreg.problem.binary import Problem, kept_params
from dlogreg.problem.posing import pose
from dlogreg.problem.start import check_start

__all__ = ["Problem", "check_start", "kept_params", "pose"]
