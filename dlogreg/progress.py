"""What the user sees while a fit runs."""

from __future__ import annotations

from dlogreg.passes import Progress, Silent


def progress_for(wanted: bool | Progress | None) -> Progress:
    """Return the progress to tell: a bar, the caller's own, or silence."""
    if wanted is None or isinstance(wanted, bool):
        return Silent()
    return wanted
