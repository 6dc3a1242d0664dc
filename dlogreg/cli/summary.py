"""``dlogreg summary``."""

from __future__ import annotations

import click

from dlogreg.cli.models import read_model
from dlogreg.cli.options import TRACE, Finite, with_options


@click.command("summary")
@click.argument("model", type=click.Path())
@click.option(
    "--alpha",
    type=Finite(0, 1, min_open=True, max_open=True),
    default=0.05,
    show_default=True,
    help="Level of the intervals is 1 - alpha.",
)
@with_options(TRACE)
def command(model: str, alpha: float, trace: bool) -> None:
    """Show the saved MODEL: coefficients, odds ratios, and what the fit cost."""
    results = read_model(model)
    click.echo(str(results.summary(alpha=alpha)))
    if trace:
        click.echo(f"\n{results.trace}")
