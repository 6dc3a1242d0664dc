"""Coefficients -> what is minimised there, with its derivatives: one call, one pass.

``penalized`` is the objective of a fit, ``many`` that of many models at once, ``firth``
that of bias reduction, and ``working`` takes Hessians of some columns only.
"""

from dlogreg.objective.penalized import Objective

__all__ = ["Objective"]
