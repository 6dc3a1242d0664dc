"""Reads the results that were saved, of any kind."""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING

from dlogreg.results.logit import LogitResults
from dlogreg.results.multinomial import MultinomialResults
from dlogreg.storage import read_model
from dlogreg.storage.schema import GROUPED, MANY

if TYPE_CHECKING:
    from dlogreg.grouped.results import GroupedResults
    from dlogreg.outcomes.results import ManyResults

Results = LogitResults | MultinomialResults
"""What a fit returns: of two classes, or of more."""


def load(path: str | os.PathLike[str]) -> Results | GroupedResults | ManyResults:
    """Return the results that their method ``save`` wrote.

    Nothing is executed: the file is JSON, and every entry of it is checked.

    Parameters
    ----------
    path : str or path
        File to read.

    Returns
    -------
    LogitResults, MultinomialResults, GroupedResults or ManyResults
        Equal to those saved, to the last bit.

    Raises
    ------
    ValueError
        If the file is not a model saved by dlogreg; the message says what is wrong.

    Examples
    --------
    >>> import dlogreg, pathlib, tempfile
    >>> X, y = [[0.0], [1.0], [2.0], [3.0], [4.0], [5.0]], [0, 0, 1, 0, 1, 1]
    >>> res = dlogreg.fit(X, y, feature_names=["dose"])
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "model.json"
    >>> res.save(path)
    >>> dlogreg.load(path).params["dose"] == res.params["dose"]
    np.True_
    """
    kind, fields = read_model(path)
    if kind == GROUPED:
        found: GroupedResults
        found = import_module("dlogreg.grouped.results").GroupedResults(**fields)
        return found
    if kind == MANY:
        many: ManyResults
        many = import_module("dlogreg.outcomes.results").ManyResults(**fields)
        return many
    if len(fields["classes"]) > 2:
        return MultinomialResults(**fields)
    return LogitResults(**fields)
