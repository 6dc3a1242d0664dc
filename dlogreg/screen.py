"""Where lines and bars are shown: a terminal or a notebook, through rich."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from types import TracebackType
from typing import Any, Self

REFRESH = 4
"""Frames per second: drawing one costs milliseconds."""


def somebody_watches() -> bool:
    """Tell whether this runs on a terminal or in a notebook."""
    return in_notebook() or bool(sys.stderr is not None and sys.stderr.isatty())


def in_notebook() -> bool:
    """Tell a notebook's kernel from other interpreters, without importing IPython."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return hasattr(shell, "kernel")


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
            self._task = self._bar.add_task(text, total=total, completed=done)
            self._bar.start()
            return
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


class Display:
    """A place in a notebook's output that can be written again."""

    def __init__(self) -> None:
        self._place: Any = None
        self._broken = False

    def show(self, render: Callable[[], str]) -> None:
        """Write HTML there; after the first failure, nothing."""
        if self._broken:
            return
        try:
            room = import_module("IPython.display")
            page = room.HTML(render())
            if self._place is None:
                self._place = room.display(page, display_id=True)
            else:
                self._place.update(page)
        except Exception:  # what is shown must never break a fit
            self._broken = True


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


def seconds_text(seconds: float) -> str:
    """Return seconds in up to three digits: 0.21 ms, 34 ms, 5.6 s, 3:05."""
    if seconds >= 59.95:
        return duration_text(seconds)
    number, unit = (seconds, "s") if seconds >= 0.9995 else (1e3 * seconds, "ms")
    digits = 2 if number < 0.995 else 1 if number < 9.95 else 0
    return f"{number:.{digits}f} {unit}"


def duration_text(seconds: float) -> str:
    """Return a duration as 8 s, 3:05 or 2:03:05."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, hours = whole // 60 % 60, whole // 3600
    head = f"{hours}:{minutes:02d}" if hours else f"{minutes}"
    return f"{head}:{whole % 60:02d}"
