"""Which of some names occurs more than once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable


def repeated_name(names: Iterable[str]) -> str | None:
    """Return the first name that occurs again, None if all differ."""
    counts = Counter(names).items()
    return next((name for name, count in counts if count > 1), None)
