"""``dlogreg convert``."""

from __future__ import annotations

import click

from dlogreg.cli.options import OVERWRITE, QUIET, Size, shown, with_options
from dlogreg.convert import DTYPES, convert
from dlogreg.screen import bytes_text
from dlogreg.source.group import CHUNK_BYTES


@click.command("convert")
@click.argument("source", type=click.Path())
@click.argument("store", type=click.Path())
@click.option("--target", required=True, metavar="COLUMN", help="Column of the labels.")
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
@with_options(OVERWRITE, QUIET)
def command(
    source: str,
    store: str,
    target: str,
    features: str | None,
    more_features: tuple[str, ...],
    sample_weight: str | None,
    offset: str | None,
    chunk: int,
    dtype: str,
    overwrite: bool,
    quiet: bool,
) -> None:
    """Turn numeric columns of SOURCE into the Zarr group STORE, in one read.

    SOURCE is a .csv, .csv.gz or .parquet file, a folder of Parquet files, or a quoted
    pattern such as 'trips-*.csv'.
    """
    listed = [] if features is None else [name.strip() for name in features.split(",")]
    chosen = [*listed, *more_features]
    data = convert(
        source,
        store,
        target=target,
        features=chosen or None,
        sample_weight=sample_weight,
        offset=offset,
        chunk_bytes=chunk,
        dtype=dtype,
        overwrite=overwrite,
        progress=shown(quiet),
    )
    rows, columns = data.X.shape
    classes = ", ".join(map(str, data.classes or ()))
    click.echo(
        f"{store}: {rows:,} rows x {columns:,} columns, classes {classes}; "
        f"{bytes_text(data.n_bytes)}, {bytes_text(data.n_bytes_stored)} on disk"
    )
