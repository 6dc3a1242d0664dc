"""``dlogreg demo``."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from dlogreg.cli.models import check_model_path, exit_with
from dlogreg.cli.options import OVERWRITE, QUIET, Size, shown, with_options
from dlogreg.cli.stores import fit_stored, plan_stored
from dlogreg.demo import LATE, read_flights, write_flights
from dlogreg.results import Results
from dlogreg.scheduling import peak_memory
from dlogreg.screen import bytes_text
from dlogreg.source.group import StoredData, check_target

DEFAULT_MODEL = "flights-model.json"


@click.command("demo")
@click.option(
    "--scale",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Write all rows so many times, to make the store larger than memory.",
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
    help="Keep the Zarr store here; default: a temporary folder, removed at the end.",
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

    The flights out of New York in 2013 are written to a Zarr store and fitted from
    there by carrier, origin, month, hour and distance.
    """
    check_model_path(model or DEFAULT_MODEL, overwrite=overwrite or model is None)
    if store is not None:
        check_target(Path(store), overwrite=overwrite)
    with _place_for(store) as path:
        data = _write(path, scale, overwrite=overwrite, quiet=quiet)
        results = _fit(data, memory, quiet=quiet)
    path = model or DEFAULT_MODEL
    results.save(path, overwrite=True)
    _heading("Next")
    click.echo(f"The model is saved in {path}; see it with: dlogreg summary {path}")
    if store is not None:
        click.echo(f"The store stays in {store}.")
        click.echo(f"Predict from it with: dlogreg predict {path} {store} late.zarr")
    exit_with(results)


@contextmanager
def _place_for(store: str | None) -> Iterator[str]:
    if store is not None:
        yield store
        return
    with TemporaryDirectory(prefix="dlogreg-demo-") as folder:
        yield str(Path(folder) / "flights.zarr")


def _heading(text: str) -> None:
    click.echo("\n" + click.style(text, bold=True))


def _write(path: str, scale: int, *, overwrite: bool, quiet: bool) -> StoredData:
    flights = read_flights()
    _heading("Data")
    click.echo(
        f"{len(flights):,} flights out of New York in 2013 with a known arrival "
        "delay;\n"
        f"{flights.late.mean():.1%} arrived more than {LATE} minutes late. Each level "
        "is compared with the first:\n"
        + ", ".join(f"{name} {levels[0]}" for name, levels in flights.levels.items())
        + "."
    )
    if scale > 1:
        click.echo(
            f"Every row is written {scale} times to make a large store, so the "
            "standard errors below\nare smaller than those of the flights."
        )
    began = time.perf_counter()
    data = write_flights(
        flights, path, scale=scale, overwrite=overwrite, progress=shown(quiet)
    )
    seconds = time.perf_counter() - began
    rows, columns = data.X.shape
    click.echo(
        f"Written to {path} in {seconds:.1f} s:\n{rows:,} rows x {columns} columns, "
        f"{bytes_text(data.n_bytes)} ({bytes_text(data.n_bytes_stored)} on disk)."
    )
    return data


def _fit(data: StoredData, memory: int | None, *, quiet: bool) -> Results:
    _heading("Plan")
    click.echo(str(plan_stored(data, memory_limit=memory)))
    click.echo(err=True)  # above the table of passes
    before, began = peak_memory(), time.perf_counter()
    results = fit_stored(data, memory_limit=memory, progress=shown(quiet))
    seconds = time.perf_counter() - began
    _heading("Result")
    click.echo(str(results.summary()))
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
        ratio = data.n_bytes / memory
        advice = "" if ratio > 1 else " Try a larger --scale."
        click.echo(f"The store is {ratio:.1f} times the memory budget.{advice}")
    return results
