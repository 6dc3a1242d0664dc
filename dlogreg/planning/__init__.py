"""What a fit would do and cost, told before it is made.

The room is not called ``plan``, because that is the name of the function.
"""

from dlogreg.planning.costs import expected_passes
from dlogreg.planning.planner import plan
from dlogreg.planning.report import Plan
from dlogreg.planning.timing import BlockTime

__all__ = ["BlockTime", "Plan", "expected_passes", "plan"]
