"""Models in files, as commands read and write them."""

from __future__ import annotations

from pathlib import Path

import click

from dlogreg.cli import INTERRUPTED, NOT_CONVERGED
from dlogreg.errors import DataError
from dlogreg.grouped.results import GroupedResults
from dlogreg.results import Results, load
from dlogreg.results.fitted import FittedModel
from dlogreg.solvers import Status


def read_model(path: str) -> Results:
    """Return a saved model, or say what is wrong with the file."""
    if not Path(path).exists():
        raise DataError(f"there is no model at {path}; make one with `dlogreg fit`")
    try:
        results = load(path)
    except ValueError as error:
        raise DataError(str(error)) from error
    if isinstance(results, GroupedResults):
        raise DataError(
            f"{path} holds by-group models, which commands do not take; use them from "
            "Python: dlogreg.load(...)[group], or .predict(X, by)"
        )
    if not isinstance(results, FittedModel):
        raise DataError(
            f"{path} holds the models of several outcomes, which commands do not take; "
            "use them from Python: dlogreg.load(...)[outcome], or .predict_proba(X)"
        )
    return results


def read_model_of_arrays(path: str) -> Results:
    """Return a saved model that can be used on a store of arrays."""
    results = read_model(path)
    if results.recipe is not None:
        raise DataError(
            f"{path} was fitted by a formula to raw tables, which are not read here; "
            "use it from Python: dlogreg.load(...).predict(table), and evaluate()"
        )
    return results


def check_model_path(path: str, *, overwrite: bool, what: str = "model") -> None:
    """Refuse a place where nothing could be saved, before anything is computed."""
    folder = Path(path).absolute().parent
    if not folder.is_dir():
        raise DataError(f"there is no folder {folder} to save the {what} in")
    if Path(path).is_dir():
        raise DataError(f"{path} is a folder; give the name of a file for the {what}")
    if Path(path).exists() and not overwrite:
        raise DataError(f"{path} exists already; choose another name, or --overwrite")


def exit_with(results: FittedModel) -> None:
    """End the command with the code that tells how the fit ended."""
    if results.converged:
        return
    interrupted = results.status is Status.INTERRUPTED
    click.get_current_context().exit(INTERRUPTED if interrupted else NOT_CONVERGED)
