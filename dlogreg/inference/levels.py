"""The level of an interval."""

from dlogreg.scalars import is_number


def check_level(alpha: float) -> None:
    """Refuse an alpha of which 1 - alpha is no level."""
    if not (is_number(alpha) and 0 < alpha < 1):
        raise ValueError(f"alpha must lie between 0 and 1, not {alpha!r}")
