"""What passes need of a checkpoint."""

from __future__ import annotations

from typing import Any, Protocol

from dlogreg.evaluation import PassRecord


class Journal(Protocol):
    """Knows the sums of passes that were made before."""

    def recall(self, key: str) -> tuple[Any, PassRecord] | None:
        """Return what a pass has summed and cost; None if it is to be made."""
        ...

    def keep(self, key: str, sums: Any, record: PassRecord) -> None:
        """Take note of a pass that was made."""
        ...

    def compare(self, key: str, rows: Any) -> None:
        """Refuse rows that are not those which were read before."""
        ...
