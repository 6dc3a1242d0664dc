"""``dlogreg report``."""

from __future__ import annotations

import click

from dlogreg.cli.connection import SCHEDULER, Scheduler, cluster
from dlogreg.cli.models import (
    check_apart,
    check_model_path,
    read_model,
    read_model_of_arrays,
)
from dlogreg.cli.options import OVERWRITE, QUIET, Finite, shown, with_options
from dlogreg.cli.stores import evaluate_stored
from dlogreg.display.report import check_matplotlib
from dlogreg.source.group import open_data


@click.command("report")
@click.argument("model", type=click.Path())
@click.option(
    "--out",
    required=True,
    type=click.Path(),
    help="Where the page is written, HTML.",
)
@click.option(
    "--data",
    metavar="STORE",
    type=click.Path(),
    help="Rows for measures of fit, calibration and ROC; they are read once.",
)
@click.option(
    "--in-sample",
    is_flag=True,
    help="The rows of --data are those of the fit.",
)
@click.option(
    "--alpha",
    type=Finite(0, 1, min_open=True, max_open=True),
    default=0.05,
    show_default=True,
    help="Level of the intervals is 1 - alpha.",
)
@click.option("--title", metavar="TEXT", help="What stands above the page.")
@with_options(SCHEDULER, OVERWRITE, QUIET)
def command(
    model: str,
    out: str,
    data: str | None,
    in_sample: bool,
    alpha: float,
    title: str | None,
    scheduler: Scheduler | None,
    overwrite: bool,
    quiet: bool,
) -> None:
    """Write the saved MODEL as one page of HTML with tables and plots.

    The page needs no network. A saved model does not hold the scores of its rows: give
    a store as --data for measures of fit, calibration and ROC.
    """
    if in_sample and data is None:
        raise click.UsageError("--in-sample speaks of the rows of --data STORE")
    check_matplotlib()
    check_model_path(out, overwrite=overwrite, what="report")
    check_apart(out, model, data)
    results = read_model(model) if data is None else read_model_of_arrays(model)
    goodness = None
    if data is not None:
        with cluster(scheduler):
            goodness = evaluate_stored(
                results, open_data(data), in_sample=in_sample, progress=shown(quiet)
            )
    results.report(
        out, alpha=alpha, goodness=goodness, title=title, overwrite=overwrite
    )
    click.echo(f"Report written to {out}")
