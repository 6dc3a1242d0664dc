"""``dlogreg plan``."""

from __future__ import annotations

from typing import Any

import click

from dlogreg.cli import BAD_INPUT
from dlogreg.cli.addresses import STORAGE
from dlogreg.cli.connection import SCHEDULER, Scheduler, cluster
from dlogreg.cli.options import OF_FIT, with_options
from dlogreg.cli.stores import plan_stored
from dlogreg.source.group import open_data


@click.command("plan")
@click.argument("store", type=click.Path())
@click.option(
    "--measure/--no-measure",
    default=True,
    help="Whether to time one block; without it nothing is read but metadata.",
)
@with_options(*OF_FIT, SCHEDULER, STORAGE)
def command(
    store: str,
    scheduler: Scheduler | None,
    storage_options: dict[str, Any],
    **options: Any,
) -> None:
    """Tell what a fit of the Zarr group STORE with these options would do and cost.

    One block is read to tell how many seconds a pass takes. The exit code is 2 if the
    fit would be refused because it needs more than --memory.
    """
    data = open_data(store, options=storage_options)
    with cluster(scheduler):
        planned = plan_stored(data, **options)
    click.echo(str(planned))
    if planned.refusal:
        click.get_current_context().exit(BAD_INPUT)
