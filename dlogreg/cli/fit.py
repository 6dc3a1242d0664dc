"""``dlogreg fit``."""

from __future__ import annotations

from typing import Any

import click

from dlogreg.cli.models import check_model_path, exit_with
from dlogreg.cli.options import (
    OF_FIT,
    OVERWRITE,
    QUIET,
    SCHEDULER,
    TRACE,
    cluster,
    shown,
    with_options,
)
from dlogreg.cli.stores import fit_stored
from dlogreg.source.group import open_data


@click.command("fit")
@click.argument("store", type=click.Path())
@click.option(
    "--model", required=True, type=click.Path(), help="Where the model is saved, JSON."
)
@with_options(*OF_FIT, SCHEDULER, OVERWRITE, QUIET, TRACE)
def command(
    store: str,
    model: str,
    scheduler: str | None,
    overwrite: bool,
    quiet: bool,
    trace: bool,
    **options: Any,
) -> None:
    """Fit a logistic regression to the Zarr group STORE, print it and save it.

    Ctrl-C ends the fit and saves the best point so far.
    """
    check_model_path(model, overwrite=overwrite)
    data = open_data(store)
    with cluster(scheduler):
        results = fit_stored(data, progress=shown(quiet), **options)
    results.save(model, overwrite=overwrite)
    click.echo(str(results.summary()))
    if trace:
        click.echo(f"\n{results.trace}\n")
    click.echo(f"Model saved in {model}")
    exit_with(results)
