"""What the user sees while a fit or a conversion runs.

One line is printed per pass, and a bar moves within it. Small fits are over before
anything would be shown, so nothing appears in the first half second unless asked for.
Whatever goes wrong while showing is swallowed: it must never break a fit.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from dlogreg.display.trace import distance, short_name
from dlogreg.evaluation import Tally
from dlogreg.passes import PassRecord, Progress, Silent
from dlogreg.screen import (
    Screen,
    bytes_text,
    count_text,
    duration_text,
    somebody_watches,
)

DELAY = 0.5
"""Seconds before anything is shown where nobody asked for it."""
HEADER = (
    f"{'pass':>4}  {'what':<8}  {'seconds':>8}  {'rows/s':>7}  {'bytes/s':>9}  "
    f"{'loss':>16}  distance [s.e.]"
)


def progress_for(wanted: bool | Progress | None) -> Progress:
    """Return the progress to tell: a table of passes, the caller's own, or silence."""
    if wanted is None:
        return PassTable(delay=DELAY) if somebody_watches() else Silent()
    if isinstance(wanted, bool):
        return PassTable() if wanted else Silent()
    if not hasattr(wanted, "pass_started"):
        raise ValueError(f"progress must be True, False or None, not {wanted!r}")
    return wanted


def describe(record: PassRecord) -> str:
    """Return a pass as one line below ``HEADER``."""
    seconds, tally = max(record.seconds, 1e-9), record.tally
    loss = "" if record.loss is None else f"{record.loss:,.4f}"
    line = (
        f"{record.number:>4}  {short_name(record.kind):<8}  {record.seconds:>8.2f}  "
        f"{count_text(tally.n_rows / seconds):>7}  "
        f"{bytes_text(tally.n_bytes / seconds):>9}  {loss:>16}  {distance(record)}"
    )
    return line.rstrip()


@dataclass(eq=False)
class PassTable:
    """Shows every pass as a line, and the running one as a bar with the time left."""

    delay: float = 0.0
    """Seconds before anything is shown."""
    screen: Screen = field(default_factory=Screen)
    clock: Callable[[], float] = time.perf_counter
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _lines: list[str] = field(default_factory=list)
    """Lines held back until the delay is over."""
    _visible: bool = False
    _timer: threading.Timer | None = None
    _running: _RunningPass | None = None
    _seconds: dict[str, float] = field(default_factory=dict)
    """What the last pass of each kind took."""

    def pass_started(self, number: int, kind: str, n_tasks: int) -> None:
        """Show the bar at its start."""
        with self._lock:
            if self._timer is None and not self._visible:
                self._begin()
            before = self._seconds.get(kind)
            self._running = _RunningPass(number, kind, n_tasks, self.clock(), before)
            self._draw()

    def _begin(self) -> None:
        self._lines.append(HEADER)
        if self.delay <= 0:
            self._visible = True
            return
        self._timer = threading.Timer(self.delay, self._reveal)
        self._timer.daemon = True
        self._timer.start()

    def _reveal(self) -> None:
        with self._lock:
            self._visible = self._timer is not None
            self._draw()

    def task_done(self, tally: Tally) -> None:
        """Move the bar; called from any thread."""
        with self._lock:
            if self._running is not None:
                self._running.n_done += 1
                self._draw()

    def pass_ended(self, record: PassRecord) -> None:
        """Print the line of the pass."""
        with self._lock:
            self._seconds[record.kind] = record.seconds
            self._running = None
            self._lines.append(describe(record))
            self._draw()

    def close(self) -> None:
        """Stop showing anything."""
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            self._running = None
            self.screen.close()

    def _draw(self) -> None:
        if not self._visible:
            return
        while self._lines:
            self.screen.write(self._lines.pop(0))
        if self._running is not None:
            run = self._running
            self.screen.show(run.text(self.clock()), run.n_done, run.n_tasks)


@dataclass(slots=True, eq=False)
class _RunningPass:
    number: int
    kind: str
    n_tasks: int
    began: float
    before: float | None
    """Seconds of the last pass of this kind."""
    n_done: int = 0

    def text(self, now: float) -> str:
        """Return what stands beside the bar."""
        name = (
            f"pass {self.number}, {short_name(self.kind)}" if self.number else self.kind
        )
        left = self.seconds_left(now)
        known = "" if left is None else f", {duration_text(left)} left in this pass"
        return f"{name}: {self.n_done} of {self.n_tasks} tasks{known}"

    def seconds_left(self, now: float) -> float | None:
        """Return the time left by the tasks done so far, or by the pass before."""
        spent = now - self.began
        if self.n_done:
            return spent / self.n_done * (self.n_tasks - self.n_done)
        return None if self.before is None else max(0.0, self.before - spent)
