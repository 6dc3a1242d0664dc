"""Takes the time of what a task does, one call of the clock per change."""

from __future__ import annotations

from time import perf_counter


class Stopwatch:
    """Adds the time since it was last asked to what the task was doing."""

    def __init__(self) -> None:
        self._reading = self._computing = self._reducing = 0.0
        self._last = perf_counter()

    def lap(self) -> float:
        """Return the seconds since it was last asked."""
        before, self._last = self._last, perf_counter()
        return self._last - before

    def read(self) -> None:
        """Take note that a block has been loaded."""
        self._reading += self.lap()

    def computed(self) -> None:
        """Take note that the kernel has done something."""
        self._computing += self.lap()

    def reduced(self) -> None:
        """Take note that sums have been added."""
        self._reducing += self.lap()

    @property
    def seconds(self) -> tuple[float, float, float]:
        """Reading, computing, reducing."""
        return self._reading, self._computing, self._reducing
