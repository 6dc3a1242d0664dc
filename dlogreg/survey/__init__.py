"""The first pass: checks, classes, ranges and moments of the columns.

It is at the same time Newton's first evaluation. At any point where all coefficients
but the intercept are zero, every row has the same probability p, so gradient and
Hessian follow from sums that do not depend on how the classes are coded:

    gradient = p * sum_i s_i z_i - sum_{i: event} s_i z_i
    Hessian  = p (1 - p) * sum_i s_i z_i z_i'

The classes therefore need not be known before, and the null model costs nothing.
"""

from dlogreg.survey.kernel import SurveyKernel
from dlogreg.survey.labels import (
    LARGEST_OFFSET,
    MAX_LABELS,
    check_labels,
    check_offsets,
    check_weights,
    label_masks,
    sort_labels,
)
from dlogreg.survey.null import (
    class_shares,
    null_curvature,
    null_loglikelihood,
    null_point,
    null_shares,
)
from dlogreg.survey.offset import (
    NullGrid,
    NullKernel,
    NullModel,
    NullSums,
    find_null,
    guess_null,
    null_event,
)
from dlogreg.survey.pilot import PILOT_BLOCKS, PILOT_ROWS, PilotKernel, PilotRows
from dlogreg.survey.sums import Group, SurveySums
from dlogreg.survey.survey import Survey

__all__ = [
    "LARGEST_OFFSET",
    "MAX_LABELS",
    "PILOT_BLOCKS",
    "PILOT_ROWS",
    "Group",
    "NullGrid",
    "NullKernel",
    "NullModel",
    "NullSums",
    "PilotKernel",
    "PilotRows",
    "Survey",
    "SurveyKernel",
    "SurveySums",
    "check_labels",
    "check_offsets",
    "check_weights",
    "class_shares",
    "find_null",
    "guess_null",
    "label_masks",
    "null_curvature",
    "null_event",
    "null_loglikelihood",
    "null_point",
    "null_shares",
    "sort_labels",
]
