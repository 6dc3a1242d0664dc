"""By-group models: one for every level of a column, fitted together in shared passes.

The first pass finds the levels and gives every model its first evaluation; then all of
them take Newton's steps together. Groups whose classes are separated, or that shared
passes do not solve, have their rows brought together in one more pass, and are fitted
by themselves.
"""

from dlogreg.grouped.fitting import fit_groups
from dlogreg.grouped.results import GroupedResults

__all__ = ["GroupedResults", "fit_groups"]
