"""Options of ``dlogreg plan`` for a cluster, and data, that are not there."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any

import click
from dask.utils import parse_bytes

from dlogreg.cli.options import Finite
from dlogreg.cli.stores import scale_stored
from dlogreg.planning import Cluster, empty_arrays, plan_scale
from dlogreg.source.group import open_data


class Count(click.ParamType[int]):
    """A positive whole number, also as 1e11."""

    name = "number"

    def __init__(self, most: float = 1e15) -> None:
        self.most = most

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """Return the number."""
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not (math.isfinite(number) and number >= 1 and number.is_integer()):
            self.fail(f"{value!r} is not a whole number such as 1000 or 1e11", param)
        if number > self.most:
            self.fail(f"{value} is more than {self.most:,.0f}", param)
        return int(number)


class Rate(click.ParamType[float]):
    """Bytes per second, such as "1 GB/s"."""

    name = "rate"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the bytes per second."""
        if isinstance(value, float):
            return value
        try:
            rate = float(parse_bytes(str(value).strip().removesuffix("/s")))
        except (ValueError, OverflowError):
            rate = 0.0
        if not rate > 0:
            self.fail(f"{value!r} is not a rate such as '1 GB/s'", param, ctx)
        return rate


ON_PAPER = (
    click.option(
        "--workers",
        type=Count(),
        metavar="N",
        help="Plan for a cluster of so many workers that is not there; reads nothing.",
    ),
    click.option(
        "--rows",
        type=Count(),
        metavar="N",
        help="Rows of the data, without STORE, e.g. 1e11.",
    ),
    click.option(
        "--columns",
        type=Count(most=2**20),
        metavar="N",
        help="Columns of the same.",
    ),
    click.option(
        "--dtype",
        type=click.Choice(["float32", "float64"]),
        default="float32",
        show_default=True,
        help="Type of their values.",
    ),
    click.option(
        "--chunk-rows",
        type=Count(),
        metavar="N",
        help="Rows of a chunk; default: about 12 MiB, as `dlogreg convert` writes.",
    ),
    click.option(
        "--threads-per-worker",
        type=Count(),
        default=1,
        show_default=True,
        metavar="N",
        help="Threads of each worker.",
    ),
    click.option(
        "--bandwidth",
        type=Rate(),
        default="1 GB/s",
        show_default=True,
        help="Network of one machine.",
    ),
    click.option(
        "--read-rate",
        type=Rate(),
        default="500 MB/s",
        show_default=True,
        help="What one worker reads of the data, decoded.",
    ),
    click.option(
        "--task-overhead",
        type=Finite(min=0),
        default=1.0,
        show_default=True,
        metavar="MS",
        help="Milliseconds that a task costs the scheduler.",
    ),
)
SHAPE = ("rows", "columns", "dtype", "chunk_rows")
OF_CLUSTER = ("threads_per_worker", "bandwidth", "read_rate", "task_overhead")
NAMES = ("workers", *SHAPE, *OF_CLUSTER)
NEEDS_MACHINE = ("measure", "scheduler", "memory_limit")
"""Options that speak of the cluster at hand."""
FLAGS = {
    "memory_limit": "--memory",
    "measure": "--measure/--no-measure",
    "storage_options": "--storage-option",
}


def check_paper(store: str | None, given: Collection[str]) -> None:
    """Refuse options, named as click does, that do not agree; exit code 2."""
    if "workers" not in given:
        _refuse(given, (*SHAPE, *OF_CLUSTER), "need --workers")
        if store is None:
            raise click.UsageError(
                "give a STORE, or --workers, --rows and --columns to plan without data"
            )
        return
    _refuse(given, NEEDS_MACHINE, "do not go with --workers, where nothing runs")
    if store is not None:
        _refuse(given, SHAPE, "do not go with STORE, which has a shape of its own")
        return
    _refuse(given, ("storage_options",), "need a STORE")
    missing = [_flag(name) for name in ("rows", "columns") if name not in given]
    if missing:
        listed = " and ".join(missing)
        raise click.UsageError(f"--workers without a STORE needs {listed} too")


def print_scale(
    store: str | None,
    storage_options: dict[str, Any],
    paper: Mapping[str, Any],
    options: dict[str, Any],
) -> None:
    """Print what a fit on the cluster would do; ``options`` are those of the fit."""
    cluster = Cluster(
        paper["workers"],
        paper["threads_per_worker"],
        paper["bandwidth"],
        paper["read_rate"],
        paper["task_overhead"] / 1e3,
    )
    if store is not None:
        data = open_data(store, options=storage_options)
        planned = scale_stored(data, cluster, **options)
    else:
        X, y = empty_arrays(*(paper[name] for name in SHAPE))
        planned = plan_scale(X, y, cluster, **options)
    click.echo(str(planned))


def _refuse(given: Collection[str], names: Collection[str], why: str) -> None:
    found = [_flag(name) for name in names if name in given]
    if found:
        what = why if len(found) > 1 else _singular(why)
        raise click.UsageError(f"{' and '.join(found)} {what}")


def _singular(why: str) -> str:
    verb, rest = why.split(" ", 1)
    return f"{'does' if verb == 'do' else 'needs'} {rest}"


def _flag(name: str) -> str:
    return FLAGS.get(name, "--" + name.replace("_", "-"))
