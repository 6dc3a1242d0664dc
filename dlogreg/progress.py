"""What the user sees while a fit or a conversion runs.

On a terminal one line is printed per pass, and a bar moves within it. In a notebook a
table is written again while the fit runs, and folded when it ends. Small fits are over
before anything would be shown, so nothing appears in the first half second unless asked
for. Whatever goes wrong while showing is swallowed: it must never break a fit.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from dlogreg.display.live import Running, render_done, render_progress
from dlogreg.display.trace import distance, short_name
from dlogreg.evaluation import Tally
from dlogreg.passes import PassRecord, Progress, Silent
from dlogreg.scheduling import dashboard_address
from dlogreg.screen import (
    REFRESH,
    Display,
    Screen,
    bytes_text,
    count_text,
    duration_text,
    in_notebook,
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
        return _table(DELAY) if somebody_watches() else Silent()
    if isinstance(wanted, bool):
        return _table(0.0) if wanted else Silent()
    if not hasattr(wanted, "pass_started"):
        raise ValueError(f"progress must be True, False or None, not {wanted!r}")
    return wanted


def _table(delay: float) -> PassTable:
    return NotebookTable(delay=delay) if in_notebook() else PassTable(delay=delay)


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
    _records: list[PassRecord] = field(default_factory=list)
    _headed: bool = False
    _n_shown: int = 0
    """Of these; the others are held back until the delay is over."""
    _dashboard: str | None = None
    """Where the active cluster shows its tasks."""
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
        self._dashboard = dashboard_address()
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
                self._running.n_rows += tally.n_rows
                self._draw()

    def pass_ended(self, record: PassRecord) -> None:
        """Print the line of the pass."""
        with self._lock:
            self._seconds[record.kind] = record.seconds
            self._running = None
            self._records.append(record)
            self._draw()

    def close(self) -> None:
        """Stop showing anything."""
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            self._running = None
            self._end()

    def _end(self) -> None:
        self.screen.close()

    def _draw(self) -> None:
        if not self._visible:
            return
        if not self._headed:
            if self._dashboard is not None:
                self.screen.write(f"Dask dashboard: {self._dashboard}")
            self.screen.write(HEADER)
            self._headed = True
        for record in self._records[self._n_shown :]:
            self.screen.write(describe(record))
        self._n_shown = len(self._records)
        if self._running is not None:
            run = self._running
            self.screen.show(run.text(self.clock()), run.n_done, run.n_tasks)


@dataclass(eq=False)
class NotebookTable(PassTable):
    """Shows the same as a table of HTML, which stays folded below one line."""

    display: Display = field(default_factory=Display)
    _drawn: float = float("-inf")
    """When it was drawn last."""

    def _draw(self) -> None:
        ended, now = self._n_shown < len(self._records), self.clock()
        if not self._visible or (not ended and now - self._drawn < 1 / REFRESH):
            return
        self._drawn, self._n_shown = now, len(self._records)
        run, running = self._running, None
        if run is not None:
            running = Running(run.text(now), run.n_done, run.n_tasks)
        self.display.show(
            lambda: render_progress(self._records, running, self._dashboard)
        )

    def _end(self) -> None:
        if self._visible:
            self.display.show(lambda: render_done(self._records, self._dashboard))


@dataclass(slots=True, eq=False)
class _RunningPass:
    number: int
    kind: str
    n_tasks: int
    began: float
    before: float | None
    """Seconds of the last pass of this kind."""
    n_done: int = 0
    n_rows: int = 0

    def text(self, now: float) -> str:
        """Return what stands beside the bar."""
        name = (
            f"pass {self.number}, {short_name(self.kind)}" if self.number else self.kind
        )
        left = self.seconds_left(now)
        known = "" if left is None else f", {duration_text(left)} left in this pass"
        spent, speed = now - self.began, ""
        if self.n_rows and spent > 0:
            speed = f", {count_text(self.n_rows / spent)} rows/s"
        return f"{name}: {self.n_done} of {self.n_tasks} tasks{speed}{known}"

    def seconds_left(self, now: float) -> float | None:
        """Return the time left by the tasks done so far, or by the pass before."""
        spent = now - self.began
        if self.n_done:
            return spent / self.n_done * (self.n_tasks - self.n_done)
        return None if self.before is None else max(0.0, self.before - spent)
