"""What kernels have in common that give another kernel other rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dlogreg.kernel.block import Kernel


@dataclass(frozen=True, slots=True, eq=False)
class AroundKernel:
    """The buffers and sums of another kernel; ``add`` says of which rows."""

    kernel: Kernel

    @property
    def name(self) -> str:
        """What the dashboard shows."""
        return self.kernel.name

    def open(self) -> Any:
        """Return the kernel's buffers."""
        return self.kernel.open()

    def start(self) -> Any:
        """Return the kernel's empty sum."""
        return self.kernel.start()

    def finish(self, sums: Any) -> Any:
        """Return the kernel's sum."""
        return self.kernel.finish(sums)
