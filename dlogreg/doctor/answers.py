"""What the processes of a cluster said."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Facts = dict[str, Any]
"""Plain values alone, as JSON has them."""


@dataclass(frozen=True, slots=True)
class Answers:
    """What every process said; where one could not, why."""

    client: Facts
    scheduler: Facts | None = None
    """None without a cluster."""
    workers: dict[str, Facts] = field(default_factory=dict)
    """By address; an entry "error" where it gave no answer."""
    connection: Facts | None = None
    """Address and certificates, as the client sees them."""
    wanted: int | None = None
    """Number of workers that there should be."""

    @property
    def others(self) -> dict[str, Facts]:
        """The processes but the client, by name."""
        scheduler = {} if self.scheduler is None else {"scheduler": self.scheduler}
        return {**scheduler, **self.workers}
