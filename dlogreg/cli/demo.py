"""``dlogreg demo``."""

from __future__ import annotations

import math
import os
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

from dlogreg.cli.models import check_model_path, exit_with
from dlogreg.cli.options import OVERWRITE, QUIET, Size, shown, with_options
from dlogreg.cli.stores import fit_files
from dlogreg.demo import (
    FORMULA,
    LATE,
    read_flights,
    read_table,
    write_flights,
    write_table,
)
from dlogreg.results import Results
from dlogreg.scheduling import peak_memory
from dlogreg.screen import bytes_text
from dlogreg.source.group_writer import check_target

DEFAULT_MODEL = "flights-model.json"


@click.command("demo")
@click.option(
    "--scale",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Write all rows so many times, to make the table larger than memory.",
)
@click.option(
    "--memory",
    type=Size(),
    metavar="SIZE",
    help="Memory budget of the fit, such as '500 MB'; more is refused.",
)
@click.option(
    "--store",
    type=click.Path(),
    help="Also write carrier, origin, month, hour and distance as numbers to this Zarr "
    "store, for other commands.",
)
@click.option(
    "--model",
    type=click.Path(),
    help=f"Where the model is saved; default {DEFAULT_MODEL}, replaced if it exists.",
)
@with_options(OVERWRITE, QUIET)
def command(
    scale: int,
    memory: int | None,
    store: str | None,
    model: str | None,
    overwrite: bool,
    quiet: bool,
) -> None:
    """Fit 327,346 real flights end to end, to learn which arrive late.

    The raw table of the flights out of New York in 2013 is written to a Parquet file
    and fitted from there by a formula of carrier, origin, destination, month, hour and
    distance.
    """
    check_model_path(model or DEFAULT_MODEL, overwrite=overwrite or model is None)
    if store is not None:
        check_target(Path(store), overwrite=overwrite)
    with TemporaryDirectory(prefix="dlogreg-demo-") as folder:
        path = str(Path(folder) / "flights.parquet")
        _write(path, scale, quiet=quiet)
        results = _fit(path, memory, quiet=quiet)
    path = model or DEFAULT_MODEL
    results.save(path, overwrite=True)
    _heading("Next")
    click.echo(f"The model is saved in {path}; see it with: dlogreg summary {path}")
    if store is not None:
        write_flights(
            read_flights(), store, scale=scale, overwrite=overwrite, progress=False
        )
        click.echo(f"Numbers for other commands are in {store}; fit them with:")
        click.echo(f"  dlogreg fit {store} --model late.json")
    if not math.isfinite(results.limit_error_bound):
        exit_with(results)


def _heading(text: str) -> None:
    click.echo("\n" + click.style(text, bold=True))


def _write(path: str, scale: int, *, quiet: bool) -> None:
    table = read_table()
    delay = table["arr_delay"]
    known, late = int(delay.notna().sum()), int((delay > LATE).sum())
    _heading("Data")
    click.echo(
        f"{known:,} flights out of New York in 2013 with a known arrival delay, and "
        f"{len(table) - known:,} without;\n"
        f"{late / known:.1%} arrived more than {LATE} minutes late."
    )
    if scale > 1:
        click.echo(
            f"Every row is written {scale} times to make a large table, so the "
            "standard errors below\nare smaller than those of the flights."
        )
    began = time.perf_counter()
    write_table(table, path, scale=scale, progress=shown(quiet))
    seconds = time.perf_counter() - began
    click.echo(
        f"Written to a Parquet file in {seconds:.1f} s: {scale * len(table):,} rows x "
        f"{table.shape[1]} raw columns, {bytes_text(os.path.getsize(path))}."
    )


def _fit(path: str, memory: int | None, *, quiet: bool) -> Results:
    _heading("Fit")
    click.echo(FORMULA)
    click.echo(err=True)  # above the table of passes
    before, began = peak_memory(), time.perf_counter()
    options: dict[str, Any] = {"missing": "drop", "memory_limit": memory}
    results = fit_files(
        path, FORMULA, fit_intercept=True, progress=shown(quiet), **options
    )
    seconds = time.perf_counter() - began
    _heading("Result")
    click.echo(str(results.summary()))
    _tell_separation(results)
    _tell_cost(results, seconds, before, memory)
    return results


def _tell_cost(
    results: Results, seconds: float, before: int, memory: int | None
) -> None:
    """Say what the fit took; ``before`` is the memory that was taken already."""
    _heading("Cost")
    rate = bytes_text(results.bytes_read / seconds)
    click.echo(
        f"{results.n_passes} passes, {bytes_text(results.bytes_read)} decoded, "
        f"{seconds:.1f} s ({rate}/s)."
    )
    click.echo(
        f"Peak memory {bytes_text(results.peak_memory)}, of which "
        f"{bytes_text(before)} were taken before the fit\n(by Python, libraries and "
        "reading the table of flights)."
    )
    click.echo(f"\n{results.trace}")
    if memory is not None:
        ratio = results.bytes_read / results.n_passes / memory
        advice = "" if ratio > 1 else " Try a larger --scale."
        click.echo(
            f"A pass decodes {ratio:.1f} times the memory budget of rows.{advice}"
        )


def _tell_separation(results: Results) -> None:
    """Say that an infinite coefficient is what these data have."""
    if results.separated and math.isfinite(results.limit_error_bound):
        names = ", ".join(results.separated)
        click.echo(
            f"\n{names}: of the flights there, all were on time, so that no finite "
            "coefficient is the best.\nThe others are those of the flights elsewhere, "
            f"within {results.limit_error_bound:.1g} standard errors of their optimum."
        )
