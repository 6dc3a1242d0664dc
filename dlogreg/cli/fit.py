"""``dlogreg fit``."""

from __future__ import annotations

from functools import partial
from typing import Any

import click

from dlogreg.checkpoint import kept_in
from dlogreg.cli.addresses import STORAGE
from dlogreg.cli.connection import SCHEDULER, Scheduler, cluster
from dlogreg.cli.models import check_apart, check_model_path, exit_with
from dlogreg.cli.options import (
    OF_FIT,
    OVERWRITE,
    QUIET,
    TRACE,
    shown,
    with_options,
)
from dlogreg.cli.stores import fit_files, fit_stored
from dlogreg.errors import DataError
from dlogreg.source.group import open_data


@click.command("fit")
@click.argument("store", type=click.Path())
@click.option(
    "--model", required=True, type=click.Path(), help="Where the model is saved, JSON."
)
@click.option(
    "--formula",
    metavar="TEXT",
    help='Read STORE as Parquet files, and fit e.g. "late ~ carrier + log(distance)".',
)
@click.option(
    "--weights", metavar="TEXT", help="With --formula: the column of weights."
)
@click.option(
    "--missing",
    type=click.Choice(["raise", "drop"]),
    default="raise",
    show_default=True,
    help="Whether rows with a missing value are an error or left out.",
)
@click.option(
    "--checkpoint",
    type=click.Path(),
    metavar="FOLDER",
    help="Keep the sums of every pass there; the same command resumes a cut fit.",
)
@with_options(*OF_FIT, SCHEDULER, STORAGE, OVERWRITE, QUIET, TRACE)
def command(
    store: str,
    model: str,
    formula: str | None,
    weights: str | None,
    checkpoint: str | None,
    scheduler: Scheduler | None,
    storage_options: dict[str, Any],
    overwrite: bool,
    quiet: bool,
    trace: bool,
    **options: Any,
) -> None:
    """Fit a logistic regression to the Zarr group STORE, print it and save it.

    With --formula STORE is a Parquet file, a folder of them, or a pattern in quotes.
    Either may be an address, such as s3://bucket/store.zarr.
    Ctrl-C ends the fit and saves the best point so far. With --checkpoint, a fit that
    was cut goes on after its last whole pass; the folder is removed when the model of
    a fit that has ended by itself is saved.
    """
    check_model_path(model, overwrite=overwrite)
    check_apart(model, store)
    if formula is None and weights is not None:
        raise DataError("--weights is for --formula; a store has its own sample_weight")
    options["progress"] = shown(quiet)
    if formula is None:
        data = open_data(store, options=storage_options)
        fit = partial(fit_stored, data, **options)
    else:
        options |= {"sample_weight": weights, "storage_options": storage_options}
        fit = partial(fit_files, store, formula, **options)
    with cluster(scheduler), kept_in(checkpoint) as kept:
        results = fit(checkpoint=kept)
        results.save(model, overwrite=overwrite)
        if kept is not None:
            kept.end(results.status)
    click.echo(str(results.summary()))
    if trace:
        click.echo(f"\n{results.trace}\n")
    click.echo(f"Model saved in {model}")
    exit_with(results)
