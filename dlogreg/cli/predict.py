"""``dlogreg predict``."""

from __future__ import annotations

from typing import Any

import click
import dask.array as da
import numpy as np
import numpy.typing as npt

from dlogreg.cli.addresses import STORAGE
from dlogreg.cli.connection import SCHEDULER, Scheduler, cluster
from dlogreg.cli.models import check_apart, read_model
from dlogreg.cli.options import (
    OVERWRITE,
    QUIET,
    Finite,
    shown,
    with_options,
)
from dlogreg.cli.stores import matched_columns, stored_offset
from dlogreg.errors import DataError
from dlogreg.formula.parquet import ParquetTable
from dlogreg.formula.raw import open_raw
from dlogreg.formula.store import StoreTable
from dlogreg.formula.tables import open_data as open_table
from dlogreg.reduction import TASKS_PER_THREAD
from dlogreg.results import LogitResults, Results
from dlogreg.scheduling import n_threads
from dlogreg.screen import WorkBar, count_text
from dlogreg.source.group import StoredData, open_data
from dlogreg.source.group_writer import GroupWriter


@click.command("predict")
@click.argument("model", type=click.Path())
@click.argument("store", type=click.Path())
@click.argument("out", type=click.Path())
@click.option(
    "--threshold",
    type=Finite(0, 1),
    help="Also write labels: the event where its probability is above this. For two "
    "classes only.",
)
@with_options(SCHEDULER, STORAGE, OVERWRITE, QUIET)
def command(
    model: str,
    store: str,
    out: str,
    threshold: float | None,
    scheduler: Scheduler | None,
    storage_options: dict[str, Any],
    overwrite: bool,
    quiet: bool,
) -> None:
    """Write the probability of MODEL's event for every row of STORE to OUT.

    OUT becomes a Zarr group with the array `probability`, and `label` if there is a
    threshold. A model of three or more classes gives a column of probabilities for each
    of them, in the order of the attribute `classes`. Columns of STORE are matched by
    their names where it has them. For a MODEL of a formula STORE may also be a Parquet
    file, a folder of them, or a pattern in quotes.
    """
    check_apart(out, model, store)
    results = read_model(model)
    if threshold is not None and len(results.classes) > 2:
        raise DataError(
            f"--threshold is for two classes, but {model} has {len(results.classes)}; "
            "leave it out and take the class of the largest probability"
        )
    rows = _opened(results, store, storage_options)
    with (
        cluster(scheduler),
        GroupWriter(out, overwrite=overwrite) as writer,
        WorkBar("predicting", shown(quiet)) as bar,
    ):
        lazy = _probabilities(results, rows)
        n_missing = write_blocks(lazy, results, threshold, writer, bar)
        event = results.classes[-1] if len(results.classes) == 2 else None
        writer.commit(event=event, classes=list(results.classes), threshold=threshold)
    if n_missing:
        click.echo(
            f"warning: {n_missing:,} rows have no probability (NaN), because X holds "
            "NaN there",
            err=True,
        )
    what = f"{len(results.classes)} classes" if event is None else repr(event)
    click.echo(f"{out}: probability of {what} for {lazy.shape[0]:,} rows")


def _opened(
    results: Results, store: str, options: dict[str, Any]
) -> StoredData | ParquetTable | StoreTable:
    """Open a store, or for a model of a formula the columns that it needs."""
    if results.recipe is None:
        return open_data(store, needs_y=False, options=options)
    if results.has_offset and results.recipe.offset is None:
        raise DataError(
            "the model was fitted with an offset that was no column; predict from "
            "Python, with offset="
        )
    return open_raw(results, open_table(store, options))


def _probabilities(
    results: Results, data: StoredData | ParquetTable | StoreTable
) -> da.Array:
    """Return the probabilities of rows, lazily; by the offset if there is one."""
    X: Any = data
    offset = None
    if isinstance(data, StoredData):
        X, offset = matched_columns(results, data), stored_offset(results, data)
    if not isinstance(results, LogitResults):
        multinomial: da.Array = results.predict(X)
        return multinomial
    binary: da.Array = results.predict(X, offset)
    return binary


def write_blocks(
    lazy: da.Array,
    results: Results,
    threshold: float | None,
    writer: GroupWriter,
    bar: WorkBar,
) -> int:
    """Compute and write a few blocks at a time; return how many rows are NaN."""
    step = TASKS_PER_THREAD * n_threads()
    n_rows = n_missing = 0
    for first in range(0, lazy.numblocks[0], step):
        probability = np.asarray(lazy.blocks[first : first + step].compute())
        is_missing = np.isnan(probability)
        if is_missing.ndim == 2:
            is_missing = is_missing[:, 0]
        missing = int(is_missing.sum())
        fields = {"probability": probability}
        if threshold is not None:
            if missing:
                row = n_rows + int(np.flatnonzero(is_missing)[0])
                raise DataError(
                    f"row {row} of X has no label, because it holds NaN; remove or "
                    "fill such rows, or leave --threshold out"
                )
            fields["label"] = label_codes(results, probability > threshold)
        writer.append(**fields)
        n_rows, n_missing = n_rows + len(probability), n_missing + missing
        bar.reached(n_rows / lazy.shape[0], f"{count_text(n_rows)} rows")
    if threshold is not None and isinstance(results.classes[0], str):
        writer.attributes("label").update(labels=list(results.classes))
    return n_missing


def label_codes(results: Results, is_event: npt.NDArray[np.bool_]) -> npt.NDArray[Any]:
    """Return labels, or where they are text the numbers that stand for them."""
    if isinstance(results.classes[0], str):
        return is_event.astype(np.int8)
    return np.array(results.classes)[is_event.astype(np.intp)]
