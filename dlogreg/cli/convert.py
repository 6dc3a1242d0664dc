"""``dlogreg convert``."""

from __future__ import annotations

from typing import Any

import click

from dlogreg.cli.addresses import STORAGE
from dlogreg.cli.models import check_apart
from dlogreg.cli.options import OVERWRITE, QUIET, Size, shown, with_options
from dlogreg.convert import DTYPES, convert
from dlogreg.screen import bytes_text
from dlogreg.source.group_writer import CHUNK_BYTES


@click.command("convert")
@click.argument("source", type=click.Path())
@click.argument("store", type=click.Path())
@click.option(
    "--target",
    metavar="COLUMN",
    help="Column of the labels; needed but for svmlight text.",
)
@click.option(
    "--features",
    metavar="A,B,...",
    help="Columns of X, separated by commas; default all that have no other role.",
)
@click.option(
    "--feature",
    "more_features",
    multiple=True,
    metavar="COLUMN",
    help="One column of X; repeat it. For names that hold a comma.",
)
@click.option(
    "--categories",
    metavar="A,B,...",
    help="Columns of text or numbers to keep as codes of their levels, for formulas.",
)
@click.option(
    "--zero-based",
    is_flag=True,
    help="Columns of svmlight text are counted from 0 instead of 1.",
)
@click.option("--sample-weight", metavar="COLUMN", help="Column of the weights.")
@click.option("--offset", metavar="COLUMN", help="Column of the offsets.")
@click.option(
    "--chunk",
    type=Size(),
    default=CHUNK_BYTES,
    metavar="SIZE",
    help="Decoded size of a chunk of X; default 12 MiB; 8-16 MiB are read fastest.",
)
@click.option(
    "--dtype",
    type=click.Choice(DTYPES),
    default="float64",
    show_default=True,
    help="Type of X in the store; float32 takes half the space and time to read.",
)
@with_options(STORAGE, OVERWRITE, QUIET)
def command(
    source: str,
    store: str,
    target: str | None,
    features: str | None,
    more_features: tuple[str, ...],
    categories: str | None,
    zero_based: bool,
    sample_weight: str | None,
    offset: str | None,
    chunk: int,
    dtype: str,
    storage_options: dict[str, Any],
    overwrite: bool,
    quiet: bool,
) -> None:
    """Turn columns of SOURCE into the Zarr group STORE, in one read.

    SOURCE is a .csv, .csv.gz, .parquet, .arrow or .feather file, svmlight text (.svm,
    .svmlight, .libsvm, also .gz), a folder of Parquet files, or a quoted pattern such
    as 'trips-*.csv'; here or at an address, such as s3://bucket/trips.parquet.
    """
    check_apart(store, source)
    chosen = [*_listed(features), *more_features]
    data = convert(
        source,
        store,
        target=target,
        features=chosen or None,
        categories=_listed(categories),
        sample_weight=sample_weight,
        offset=offset,
        chunk_bytes=chunk,
        dtype=dtype,
        zero_based=zero_based,
        storage_options=storage_options,
        overwrite=overwrite,
        progress=shown(quiet),
    )
    rows, columns = data.X.shape
    classes = ", ".join(map(str, data.classes or ()))
    coded = f" and {len(data.categories)} categories" if data.categories else ""
    click.echo(
        f"{store}: {rows:,} rows x {columns:,} columns{coded}, classes {classes}; "
        f"{bytes_text(data.n_bytes)}, {bytes_text(data.n_bytes_stored)} on disk"
    )


def _listed(names: str | None) -> list[str]:
    return [] if names is None else [name.strip() for name in names.split(",")]
