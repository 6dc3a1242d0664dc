"""Models in files, as commands read and write them."""

from __future__ import annotations

from pathlib import Path

import click

from dlogreg.cli import INTERRUPTED, NOT_CONVERGED
from dlogreg.errors import DataError
from dlogreg.fitted import FittedModel
from dlogreg.results import Results, load
from dlogreg.solvers import Status


def read_model(path: str) -> Results:
    """Return a saved model, or say what is wrong with the file."""
    if not Path(path).exists():
        raise DataError(f"there is no model at {path}; make one with `dlogreg fit`")
    try:
        return load(path)
    except ValueError as error:
        raise DataError(str(error)) from error


def check_model_path(path: str, *, overwrite: bool) -> None:
    """Refuse a place where the model could not be saved, before anything is fitted."""
    folder = Path(path).absolute().parent
    if not folder.is_dir():
        raise DataError(f"there is no folder {folder} to save the model in")
    if Path(path).is_dir():
        raise DataError(f"{path} is a folder; give the name of a file for the model")
    if Path(path).exists() and not overwrite:
        raise DataError(f"{path} exists already; choose another name, or --overwrite")


def exit_with(results: FittedModel) -> None:
    """End the command with the code that tells how the fit ended."""
    if results.converged:
        return
    interrupted = results.status is Status.INTERRUPTED
    click.get_current_context().exit(INTERRUPTED if interrupted else NOT_CONVERGED)
