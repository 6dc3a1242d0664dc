"""What a fit would do and cost, told before it is made.

The room is not called ``plan``, because that is the name of the function.
"""

from dlogreg.planning.costs import expected_passes
from dlogreg.planning.planner import plan
from dlogreg.planning.report import Plan
from dlogreg.planning.scale import empty_arrays, plan_scale
from dlogreg.planning.scale_report import Cluster, ScalePlan
from dlogreg.planning.timing import BlockTime

__all__ = [
    "BlockTime",
    "Cluster",
    "Plan",
    "ScalePlan",
    "empty_arrays",
    "expected_passes",
    "plan",
    "plan_scale",
]
