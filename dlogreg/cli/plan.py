"""``dlogreg plan``."""

from __future__ import annotations

from typing import Any

import click
from click.core import ParameterSource

from dlogreg.cli import BAD_INPUT
from dlogreg.cli.addresses import STORAGE
from dlogreg.cli.connection import SCHEDULER, Scheduler, cluster
from dlogreg.cli.options import OF_FIT, with_options
from dlogreg.cli.scale import NAMES, ON_PAPER, check_paper, print_scale
from dlogreg.cli.stores import plan_stored
from dlogreg.source.group import open_data


@click.command("plan")
@click.argument("store", type=click.Path(), required=False)
@click.option(
    "--measure/--no-measure",
    default=True,
    help="Whether to time one block; without it nothing is read but metadata.",
)
@with_options(*ON_PAPER, *OF_FIT, SCHEDULER, STORAGE)
@click.pass_context
def command(
    context: click.Context,
    /,
    store: str | None,
    measure: bool,
    scheduler: Scheduler | None,
    storage_options: dict[str, Any],
    **options: Any,
) -> None:
    """Tell what a fit of the Zarr group STORE with these options would do and cost.

    One block is read to tell how many seconds a pass takes. The exit code is 2 if the
    fit would be refused because it needs more than --memory.

    With --workers nothing is read, and no cluster is needed: tasks, bytes on the
    network, seconds and memory of a fit on so many workers follow from the layout and
    from the rates given. The data are those of STORE, or of --rows and --columns:

    dlogreg plan --workers 1000 --rows 1e11 --columns 100
    """
    given = {
        name
        for name in context.params
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE
    }
    paper = {name: options.pop(name) for name in NAMES}
    check_paper(store, given)
    if paper["workers"] is not None:
        print_scale(store, storage_options, paper, options)
        return
    data = open_data(str(store), options=storage_options)
    with cluster(scheduler):
        planned = plan_stored(data, measure=measure, **options)
    click.echo(str(planned))
    if planned.refusal:
        context.exit(BAD_INPUT)
