"""``dlogreg evaluate``."""

from __future__ import annotations

from typing import Any

import click

from dlogreg.cli.addresses import STORAGE
from dlogreg.cli.connection import SCHEDULER, Scheduler, cluster
from dlogreg.cli.models import read_model
from dlogreg.cli.options import QUIET, Finite, shown, with_options
from dlogreg.cli.stores import evaluate_stored
from dlogreg.errors import DataError
from dlogreg.formula.evaluating import evaluate_table
from dlogreg.formula.tables import open_data as open_table
from dlogreg.inference.class_goodness import ClassGoodness
from dlogreg.inference.goodness import GoodnessOfFit
from dlogreg.source.group import StoredData, open_data


@click.command("evaluate")
@click.argument("model", type=click.Path())
@click.argument("store", type=click.Path())
@click.option(
    "--in-sample",
    is_flag=True,
    help="The rows are those of the fit, which the Hosmer-Lemeshow test must know.",
)
@click.option(
    "--groups",
    type=click.IntRange(min=2),
    default=10,
    show_default=True,
    help="Groups of the calibration table and of the Hosmer-Lemeshow test.",
)
@click.option(
    "--threshold",
    type=Finite(0, 1),
    default=0.5,
    show_default=True,
    help="Probability above which a row is called an event.",
)
@click.option(
    "--cost-fp",
    type=Finite(min=0, min_open=True),
    help="Cost of a false alarm; with --cost-fn, shows the threshold that costs least.",
)
@click.option(
    "--cost-fn",
    type=Finite(min=0, min_open=True),
    help="Cost of a missed event.",
)
@click.option(
    "--prior",
    type=Finite(0, 1, min_open=True, max_open=True),
    help="Share of events where the threshold will be used; default STORE's.",
)
@click.option(
    "--weights", metavar="TEXT", help="For a model of a formula: the column of weights."
)
@click.option(
    "--missing",
    type=click.Choice(["raise", "drop"]),
    default="raise",
    show_default=True,
    help="For a model of a formula: whether rows with a missing value are an error or "
    "left out.",
)
@with_options(SCHEDULER, STORAGE, QUIET)
def command(
    model: str,
    store: str,
    in_sample: bool,
    groups: int,
    threshold: float,
    cost_fp: float | None,
    cost_fn: float | None,
    prior: float | None,
    weights: str | None,
    missing: str,
    scheduler: Scheduler | None,
    storage_options: dict[str, Any],
    quiet: bool,
) -> None:
    """Measure how well MODEL predicts the outcomes in STORE, in one pass.

    Columns are matched by their names where STORE has them. For a MODEL of a formula
    STORE may also be a Parquet file, a folder of them, or a pattern in quotes.
    """
    if (cost_fp is None) != (cost_fn is None):
        raise click.UsageError("--cost-fp and --cost-fn are needed together")
    if prior is not None and cost_fp is None:
        raise click.UsageError("--prior needs --cost-fp and --cost-fn")
    results = read_model(model)
    if len(results.classes) > 2:
        _refuse_two_class_options(model, len(results.classes))
    options: dict[str, Any] = {"in_sample": in_sample, "progress": shown(quiet)}
    report: GoodnessOfFit | ClassGoodness
    if results.recipe is None:
        if weights is not None or missing != "raise":
            raise DataError("--weights and --missing are for models of formulas")
        data = open_data(store, options=storage_options)
        with cluster(scheduler):
            report = evaluate_stored(results, data, **options)
    else:
        table = open_table(store, storage_options)
        if weights is None and isinstance(table, StoredData):
            weights = "sample_weight" if table.sample_weight is not None else None
        with cluster(scheduler):
            report = evaluate_table(results, table, weights, missing=missing, **options)
    if isinstance(report, ClassGoodness):
        click.echo(str(report.summary()))
        return
    click.echo(str(report.summary(groups=groups, threshold=threshold)))
    if cost_fp is not None and cost_fn is not None:
        click.echo(_decision(report, cost_fp, cost_fn, prior))


def _refuse_two_class_options(model: str, n_classes: int) -> None:
    context = click.get_current_context()
    for name in ("groups", "threshold", "cost_fp", "cost_fn"):
        if context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE:
            option = "--" + name.replace("_", "-")
            raise DataError(
                f"{option} is for two classes, but {model} has {n_classes}; leave "
                "it out"
            )


def _decision(
    report: GoodnessOfFit, cost_fp: float, cost_fn: float, prior: float | None
) -> str:
    best = report.best_threshold(cost_fp, cost_fn, prior)
    return (
        f"Least cost at p > {best.threshold:.6g}: {best.cost:.6g} a row where "
        f"{best.prior:.4%} are events (sensitivity {best.table.sensitivity:.4g}, "
        f"specificity {best.table.specificity:.4g})"
    )
