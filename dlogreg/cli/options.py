"""Options that commands share."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import reduce
from typing import Any, TypeVar

import click
from dask.utils import parse_bytes

from dlogreg.inference.sandwich import COV_TYPES
from dlogreg.weights import WEIGHT_KINDS

Command = TypeVar("Command", bound=Callable[..., Any])


class Size(click.ParamType[int]):
    """A number of bytes, such as "2 GB"."""

    name = "size"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """Return the number of bytes."""
        try:
            size = int(parse_bytes(value))
        except ValueError:
            size = 0
        if size <= 0:
            self.fail(f"{value!r} is not a size such as '500 MB' or '2 GB'", param, ctx)
        return size


class Finite(click.FloatRange):
    """A number within a range; NaN and infinity are in no range."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Any:
        """Return the number."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a finite number", param, ctx)
        return number


class OfColumn(click.ParamType[tuple[str, Any]]):
    """A column and what is said of it: a number, or bounds of which one may lack."""

    def __init__(self, kind: str) -> None:
        self.name = f"COLUMN={kind}"
        self.pair = kind != "NUMBER"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, Any]:
        """Return the column's name, and the number or (low, high)."""
        column, _, text = str(value).rpartition("=")
        parts = text.split(":") if self.pair else [text]
        try:
            ends = [float(p) if p or not self.pair else None for p in parts]
        except ValueError:
            ends = []
        if not column or len(ends) != 1 + self.pair:
            self.fail(f"{value!r} is not {self.name}", param, ctx)
        return column, tuple(ends) if self.pair else ends[0]


def by_name(
    context: click.Context, param: click.Parameter, given: Any
) -> dict[str, Any] | None:
    """Return what is said of columns by their names; None if nothing is."""
    return dict(given) or None


OF_FIT = (
    click.option(
        "--alpha",
        type=Finite(min=0),
        default=0.0,
        help="Penalty on the mean loss; there are no standard errors then.",
    ),
    click.option(
        "--l1-ratio",
        type=Finite(min=0, max=1),
        default=0.0,
        help="Share of absolute values in the penalty: 0 ridge (default), 1 lasso.",
    ),
    click.option(
        "--penalty-factor",
        type=OfColumn("NUMBER"),
        multiple=True,
        callback=by_name,
        metavar="COLUMN=NUMBER",
        help="What multiplies --alpha in a column, 0 for no penalty; may be repeated.",
    ),
    click.option(
        "--bounds",
        type=OfColumn("LOW:HIGH"),
        multiple=True,
        callback=by_name,
        metavar="COLUMN=LOW:HIGH",
        help="Bounds of a coefficient, e.g. 'dose=0:' for >= 0; may be repeated.",
    ),
    click.option(
        "--firth",
        is_flag=True,
        help="Reduce the bias by Firth's penalty; estimates are always finite then.",
    ),
    click.option(
        "--tol",
        type=Finite(min=0, min_open=True),
        default=1e-4,
        show_default=True,
        help="Largest distance from the exact optimum, in standard errors.",
    ),
    click.option(
        "--max-passes",
        type=click.IntRange(min=2),
        default=100,
        show_default=True,
        help="Most passes over the data.",
    ),
    click.option(
        "--solver",
        type=click.Choice(["auto", "newton", "lbfgs"]),
        default="auto",
        show_default=True,
        help="How to minimize.",
    ),
    click.option(
        "--intercept/--no-intercept",
        "fit_intercept",
        default=True,
        help="Whether the model has an intercept.",
    ),
    click.option(
        "--inference/--no-inference",
        default=True,
        help="Whether to make the closing pass, which gives standard errors.",
    ),
    click.option(
        "--cov-type",
        type=click.Choice(COV_TYPES),
        help="Standard errors by the model, or robust ones; default: model, HC1 "
        "with probability weights, and cluster where the store has groups.",
    ),
    click.option(
        "--weight-kind",
        type=click.Choice(WEIGHT_KINDS),
        default="frequency",
        show_default=True,
        help="What the store's sample_weight means.",
    ),
    click.option(
        "--memory",
        "memory_limit",
        type=Size(),
        metavar="SIZE",
        help="Refuse to fit if more memory would be needed, e.g. '2 GB'.",
    ),
)
QUIET = click.option("--quiet", is_flag=True, help="Show no progress.")
TRACE = click.option(
    "--trace", is_flag=True, help="Show where the time of each pass went."
)
OVERWRITE = click.option("--overwrite", is_flag=True, help="Replace what is there.")


def with_options(
    *options: Callable[[Command], Command],
) -> Callable[[Command], Command]:
    """Return a decorator that adds options in this order."""
    return lambda command: reduce(lambda f, add: add(f), reversed(options), command)


def shown(quiet: bool) -> bool | None:
    """Return the ``progress`` argument: off, or wherever somebody watches."""
    return False if quiet else None
