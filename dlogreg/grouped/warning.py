"""One warning of each kind for all groups together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from dlogreg.errors import CollinearityWarning, ConvergenceWarning, SeparationWarning
from dlogreg.evaluation import Label
from dlogreg.separation.report import ADVICE
from dlogreg.solvers import Status
from dlogreg.user_warning import warn_user

if TYPE_CHECKING:
    from dlogreg.grouped.results import GroupedResults

NAMED = 3
"""So many groups are named in a warning."""
SEPARATED = (Status.SEPARATED, Status.SEPARATION_SUSPECTED, Status.UNDECIDED)


def warn_of_groups(results: GroupedResults) -> None:
    """Warn of groups without a model, or with one that is not what was asked for."""
    separated, late, dropped = _remarkable(results)
    total = len(results.levels)
    if results.reasons:
        warn_user(
            f"{_listed(results.reasons, total)} have no model; the others are not "
            "affected, and reasons tells why of each",
            ConvergenceWarning,
        )
    if separated:
        warn_user(
            f"the classes are, or seem to be, separated in {_listed(separated, total)},"
            f" so that coefficients of the columns named are infinite. {ADVICE}",
            SeparationWarning,
        )
    if dropped:
        warn_user(
            f"columns that add nothing to those before them were dropped in "
            f"{_listed(dropped, total)}; their coefficients there are NaN; leave them "
            "out, or give a penalty, alpha > 0",
            CollinearityWarning,
        )
    if late:
        warn_user(
            f"{_listed(late, total)} did not come within tol = {results.tol:g} standard"
            " errors of the optimum; raise max_passes or tol",
            ConvergenceWarning,
        )


def _remarkable(results: GroupedResults) -> tuple[dict[Label, str], ...]:
    """Return groups that are separated, not converged, or without some columns."""
    separated, late, dropped = {}, {}, {}
    for level, model in zip(results.levels, results.models, strict=True):
        if model is None:
            continue
        if model.status in SEPARATED:
            separated[level] = ", ".join(map(repr, model.separated[:3]))
        elif not model.converged:
            late[level] = model.status.value
        if model.dropped:
            dropped[level] = ", ".join(map(repr, list(model.dropped)[:3]))
    return separated, late, dropped


def _listed(groups: Mapping[Label, str], total: int) -> str:
    """Return how many groups there are, and the first of them with what is said."""
    some = [f"{level!r}: {text}" for level, text in list(groups.items())[:NAMED]]
    more = "; ..." if len(groups) > NAMED else ""
    return f"{len(groups):,} of {total:,} groups ({'; '.join(some)}{more})"
