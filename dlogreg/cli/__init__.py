"""The command line. Each command lives in its own module, imported when it is called.

Exit codes: 0 done; 1 the fit did not converge or the data are separated; 2 wrong usage
or bad data; 130 interrupted by Ctrl-C or SIGTERM, with the best point saved if there is
one.
"""

from __future__ import annotations

import ctypes
import signal
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import Any

import click

from dlogreg import __version__
from dlogreg.errors import DataError, MemoryLimitError

COMMANDS = {
    "demo": "Fit 327,346 real flights from a store on disk, end to end.",
    "convert": "Turn CSV, Parquet, Arrow or svmlight files into a Zarr store.",
    "plan": "Tell what a fit would do and cost, after timing one block.",
    "fit": "Fit a logistic regression to a Zarr store or Parquet files.",
    "summary": "Show a saved model.",
    "evaluate": "Measure how well a saved model predicts a store's outcomes.",
    "predict": "Write the probabilities that a model gives to a store's rows.",
    "doctor": "Check this machine or a cluster: versions, memory, data, TLS.",
}
NOT_CONVERGED, BAD_INPUT, INTERRUPTED = 1, 2, 128 + signal.SIGINT
M_ARENA_MAX = -8
"""glibc's name for the number of heaps that threads may have."""
EXPECTED = (DataError, MemoryLimitError, OSError, ImportError)
"""What the user can do something about: shown as one line, without a traceback."""


class Commands(click.Group):
    """Finds commands by name, so that ``--help`` imports none of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order in which one meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module of a command."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"dlogreg.cli.{cmd_name}").command
        return command

    def format_commands(
        self, ctx: click.Context, formatter: click.HelpFormatter
    ) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; turn what is wrong with the data into one line and a code."""
        _share_one_heap()
        with _warnings_as_lines(), _ended_like_ctrl_c():
            try:
                return super().invoke(ctx)
            except EXPECTED as error:
                click.echo(f"error: {error}", err=True)
                ctx.exit(BAD_INPUT)
            except ValueError as error:
                if not _is_ours(error):
                    raise
                click.echo(f"error: {error}", err=True)
                ctx.exit(BAD_INPUT)
            except KeyboardInterrupt:
                click.echo("interrupted; nothing was written", err=True)
                ctx.exit(INTERRUPTED)


def _is_ours(error: ValueError) -> bool:
    """Return whether dlogreg itself raised it, as about options that do not agree."""
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    module = "" if place is None else place.tb_frame.f_globals.get("__name__", "")
    return str(module).partition(".")[0] == "dlogreg"


def _share_one_heap() -> None:
    """Let all threads allocate from one heap, where the C library can do so.

    By default glibc gives every thread its own, and each keeps the chunks it freed: the
    demo then takes 230 MB for what needs 100, and is no faster.
    """
    with suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 1)


@contextmanager
def _ended_like_ctrl_c() -> Iterator[None]:
    """Take the signal by which schedulers of jobs end a program like Ctrl-C.

    What is half-written is then removed, and a fit saves its best point.
    """

    def interrupt(number: int, frame: Any) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _warnings_as_lines() -> Iterator[None]:
    """Show warnings meant for the user as lines on stderr, and no others."""

    def show(message: Warning | str, *place: Any, **more: Any) -> None:
        click.echo(f"warning: {message}", err=True)

    with warnings.catch_warnings():
        warnings.simplefilter("default", UserWarning)
        warnings.showwarning = show
        yield


@click.group(
    name="dlogreg",
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, package_name="dlogreg")
def main() -> None:
    """Logistic regression on data larger than memory.

    A store is a Zarr group with X (rows by columns), y, and optionally sample_weight;
    `dlogreg convert` makes one from CSV or Parquet files.
    """
