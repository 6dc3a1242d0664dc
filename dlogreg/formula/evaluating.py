"""How well a model of a formula predicts raw tables whose outcome is known."""

from __future__ import annotations

from typing import Any

import numpy as np

from dlogreg.errors import DataError
from dlogreg.formula.expression import of_column, parse_expression
from dlogreg.formula.raw import open_raw
from dlogreg.formula.resolving import check_missing
from dlogreg.formula.scan import Rule, ScanKernel
from dlogreg.formula.scanning import run_scan
from dlogreg.formula.source import DesignBlocks
from dlogreg.formula.tables import table_columns
from dlogreg.inference.class_goodness import ClassGoodness
from dlogreg.inference.goodness import GoodnessOfFit
from dlogreg.passes import Progress
from dlogreg.progress import progress_for
from dlogreg.results import Results
from dlogreg.scoring import evaluate_source
from dlogreg.source import Source


def evaluate_table(
    result: Results,
    data: Any,
    sample_weight: str | None = None,
    *,
    missing: str = "raise",
    in_sample: bool = False,
    progress: bool | Progress | None = None,
) -> GoodnessOfFit | ClassGoodness:
    """Measure how well a model predicts the response of its formula in a raw table.

    One scan counts rows with missing values, one pass scores the others.

    Parameters
    ----------
    result : LogitResults or MultinomialResults
        A model of ``fit_formula``.
    data
        Files or a store, as ``formula.tables.open_data`` returns them.
    sample_weight : str, optional
        A column of frequency weights, or an expression of columns.
    missing : {"raise", "drop"}
        Whether rows with a missing value are an error or left out.
    in_sample, progress
        As in ``evaluate``.

    Raises
    ------
    DataError
        If a column is missing, or rows cannot be scored.
    """
    recipe = result.recipe
    assert recipe is not None
    if result.has_offset and recipe.offset is None:
        raise DataError(
            "the model was fitted with an offset that was no column; evaluate it from "
            "Python, with offset="
        )
    weight = None
    if sample_weight is not None:
        weight = parse_expression(of_column(sample_weight, table_columns(data)))
    more = parse_expression(recipe.response).columns
    more += () if weight is None else weight.columns
    table = open_raw(result, data, more)
    offset = None if recipe.offset is None else parse_expression(recipe.offset)
    needed = tuple(dict.fromkeys([*recipe.columns, *more]))
    rule = Rule(needed, weight, offset)
    shown = progress_for(progress)
    found, _ = run_scan(ScanKernel(rule, {}, {}), table, shown)
    check_missing(found, needed, missing)
    blocks = DesignBlocks.of(table, recipe, rule, found)
    dtype = np.dtype(np.float64)
    source = Source(blocks, {}, recipe.feature_names, dtype, kind="formula")
    return evaluate_source(
        result, source, shown, has_offset=offset is not None, in_sample=in_sample
    )
