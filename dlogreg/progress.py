"""What the user sees while a fit or a conversion runs.

One line is printed per pass, and a bar moves within it. Small fits are over before
anything would be shown, so nothing appears in the first half second unless asked for.
Whatever goes wrong while showing is swallowed: it must never break a fit.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from types import TracebackType
from typing import Any, Self

import numpy as np

from dlogreg.evaluation import Tally
from dlogreg.passes import PassRecord, Progress, Silent

DELAY = 0.5
"""Seconds before anything is shown where nobody asked for it."""
REFRESH = 4
"""Frames per second: drawing one costs milliseconds."""
HEADER = (
    f"{'pass':>4}  {'what':<8}  {'seconds':>8}  {'rows/s':>7}  {'bytes/s':>9}  "
    f"{'loss':>16}  distance [s.e.]"
)
NAMES = {"loss_gradient_hessian": "hessian", "loss_gradient": "gradient"}


def progress_for(wanted: bool | Progress | None) -> Progress:
    """Return the progress to tell: a table of passes, the caller's own, or silence."""
    if wanted is None:
        return PassTable(delay=DELAY) if somebody_watches() else Silent()
    if isinstance(wanted, bool):
        return PassTable() if wanted else Silent()
    return wanted


def somebody_watches() -> bool:
    """Tell whether this runs on a terminal or in a notebook."""
    return _in_notebook() or bool(sys.stderr is not None and sys.stderr.isatty())


def _in_notebook() -> bool:
    """Tell a notebook's kernel from other interpreters, without importing IPython."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return hasattr(shell, "kernel")


def describe(record: PassRecord) -> str:
    """Return a pass as one line below ``HEADER``."""
    seconds, tally = max(record.seconds, 1e-9), record.tally
    loss = "" if record.loss is None else f"{record.loss:,.4f}"
    line = (
        f"{record.number:>4}  {short_name(record.kind):<8}  {record.seconds:>8.2f}  "
        f"{count_text(tally.n_rows / seconds):>7}  "
        f"{bytes_text(tally.n_bytes / seconds):>9}  {loss:>16}  {_distance(record)}"
    )
    return line.rstrip()


def short_name(kind: str) -> str:
    """Return what a pass is called on the screen."""
    return NAMES.get(kind, kind)


def _distance(record: PassRecord) -> str:
    """Return the proven distance to the optimum, or else the estimate with a tilde."""
    bound, estimate = record.error_bound, record.decrement
    if bound is not None and np.isfinite(bound):
        return f"<= {bound:.2g}"
    return "" if estimate is None or not np.isfinite(estimate) else f"~ {estimate:.2g}"


def count_text(number: float) -> str:
    """Return a count in three digits: 12.3 k, 4.56 M."""
    return _scaled(number, 1000.0, ("", " k", " M", " G", " T"))


def bytes_text(number: float) -> str:
    """Return bytes in three digits: 12.3 MiB."""
    return _scaled(number, 1024.0, (" B", " KiB", " MiB", " GiB", " TiB", " PiB"))


def _scaled(number: float, base: float, units: tuple[str, ...]) -> str:
    power = 0
    while abs(number) >= 0.9995 * base and power < len(units) - 1:
        number /= base
        power += 1
    digits = 0 if not power else 2 if number < 9.995 else 1 if number < 99.95 else 0
    return f"{number:.{digits}f}{units[power]}"


def duration_text(seconds: float) -> str:
    """Return a duration as 8 s, 3:05 or 2:03:05."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, hours = whole // 60 % 60, whole // 3600
    head = f"{hours}:{minutes:02d}" if hours else f"{minutes}"
    return f"{head}:{whole % 60:02d}"


class Screen:
    """Lines and one bar, drawn by rich, which is imported only when it is needed.

    After the first failure it stays silent.
    """

    def __init__(self, console: Any = None) -> None:
        self._console = console
        self._bar: Any = None
        self._task: Any = None
        self._broken = False

    def write(self, line: str) -> None:
        """Print a line above the bar."""
        self._attempt(lambda: self._write(line))

    def show(self, text: str, done: float, total: float) -> None:
        """Draw the bar, where there is somewhere to draw it."""
        self._attempt(lambda: self._show(text, done, total))

    def close(self) -> None:
        """Take the bar away and leave the terminal as it was."""
        self._attempt(self._close)

    def _attempt(self, draw: Callable[[], None]) -> None:
        if self._broken:
            return
        try:
            draw()
        except Exception:  # a closed terminal must not end a fit of hours
            self._broken = True

    def _write(self, line: str) -> None:
        self._open().print(line, highlight=False, markup=False, soft_wrap=True)

    def _show(self, text: str, done: float, total: float) -> None:
        if self._bar is None:
            self._bar = self._new_bar()
            self._task = self._bar.add_task("", total=total)
            self._bar.start()
        self._bar.update(self._task, description=text, completed=done, total=total)

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _open(self) -> Any:
        if self._console is None:
            self._console = import_module("rich.console").Console(stderr=True)
        # rich would end the program, and close its stdout, where nobody reads stderr
        self._console.on_broken_pipe = self._give_up
        return self._console

    def _give_up(self) -> None:
        self._broken = self._console.quiet = True

    def _new_bar(self) -> Any:
        rich = import_module("rich.progress")
        console = self._open()
        drawable = console.is_terminal
        if console.is_jupyter:  # rich draws bars there with ipywidgets alone
            drawable = find_spec("ipywidgets") is not None
        return rich.Progress(
            rich.BarColumn(bar_width=30),
            rich.TextColumn("{task.description}", markup=False),
            console=console,
            transient=True,
            refresh_per_second=REFRESH,
            disable=not drawable,
        )


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
            f"pass {self.number}, {short_name(self.kind)}" if self.number else "pilot"
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


class WorkBar:
    """A bar for work of known size, such as reading a file."""

    def __init__(
        self, title: str, wanted: bool | None = None, screen: Screen | None = None
    ) -> None:
        shown = somebody_watches() if wanted is None else wanted
        self._screen = (screen or Screen()) if shown else None
        self._title, self._began = title, time.perf_counter()

    def __enter__(self) -> Self:
        """Return the bar."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Take the bar away."""
        if self._screen is not None:
            self._screen.close()

    def reached(self, share: float, note: str) -> None:
        """Show that this share of the work is done."""
        if self._screen is None:
            return
        spent = time.perf_counter() - self._began
        left = f", {duration_text(spent / share * (1 - share))} left" if share else ""
        self._screen.show(f"{self._title}: {note}{left}", share, 1.0)
