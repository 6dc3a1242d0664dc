"""Minimizers of a callable that returns an Evaluation; they know no data."""

from dlogreg.solvers.certificate import Certificate, Geometry
from dlogreg.solvers.convexity import StrongConvexity
from dlogreg.solvers.firth import Firth
from dlogreg.solvers.inverse_columns import InverseColumns, invert_columns
from dlogreg.solvers.lbfgs import LBFGS
from dlogreg.solvers.metric import Metric, sample_metric
from dlogreg.solvers.newton import Newton
from dlogreg.solvers.penalized_quadratic import minimize_quadratic
from dlogreg.solvers.proximal_newton import ProximalNewton
from dlogreg.solvers.separable import Separable
from dlogreg.solvers.softmax_certificate import SoftmaxGeometry, SoftmaxNewton
from dlogreg.solvers.solution import Point, Solution, Status
from dlogreg.solvers.system import NewtonSystem, independent_columns

__all__ = [
    "LBFGS",
    "Certificate",
    "Firth",
    "Geometry",
    "InverseColumns",
    "Metric",
    "Newton",
    "NewtonSystem",
    "Point",
    "ProximalNewton",
    "Separable",
    "SoftmaxGeometry",
    "SoftmaxNewton",
    "Solution",
    "Status",
    "StrongConvexity",
    "independent_columns",
    "invert_columns",
    "minimize_quadratic",
    "sample_metric",
]
