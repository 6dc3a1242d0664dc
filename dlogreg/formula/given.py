"""Weights, offset and groups of a table: columns, expressions, or arrays beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dlogreg.errors import DataError
from dlogreg.formula.expression import Expression, FormulaError, parse_expression
from dlogreg.formula.parquet import ParquetTable
from dlogreg.formula.scan import Rule
from dlogreg.formula.terms import Formula
from dlogreg.source.frames import check_indexes
from dlogreg.source.group import StoredData
from dlogreg.source.kinds import kind_of

GIVEN = "({})"
"""Name of a column that was given beside the table."""


def with_columns(
    data: Any, beside: Mapping[str, Any]
) -> tuple[Any, dict[str, Expression]]:
    """Return the data, with what was given beside them as columns of them."""
    expressions = {}
    for name, given in beside.items():
        if given is None:
            continue
        try:
            expressions[name] = parse_expression(
                given if isinstance(given, str) else quoted(name)
            )
        except FormulaError as error:
            raise FormulaError(
                f"{name}={given!r} is no column of the data, and no expression of "
                f"columns: {error}"
            ) from None
        if not isinstance(given, str):
            data = _joined(data, name, given)
    return data, expressions


def column_of(text: str) -> str:
    """Return the column that an expression is, or its text if it is more than one."""
    try:
        columns = tuple(parse_expression(text).columns)
    except FormulaError:  # refused with the name of the option, later
        return text
    alone = len(columns) == 1 and text.strip() in (columns[0], f"`{columns[0]}`")
    return columns[0] if alone else text


def quoted(name: str) -> str:
    """Return the expression of what was given under a name beside the table."""
    return f"`{GIVEN.format(name)}`"


def _joined(data: Any, name: str, given: Any) -> Any:
    """Return a dataframe with one more column."""
    on_disk = isinstance(data, ParquetTable | StoredData)
    kind = "" if on_disk else kind_of(data)
    if kind == "dask dataframe" and kind_of(given) == "dask dataframe":
        return data.assign(**{GIVEN.format(name): given})
    if kind != "pandas":
        raise DataError(
            f"with these data, {name} must be the name of a column, or an expression "
            f"of columns, not {type(given).__name__}"
        )
    values = np.asarray(given)
    if values.shape != (len(data),):
        raise DataError(
            f"{name} has shape {values.shape}, and data {len(data)} rows; give one "
            "value per row, or the name of a column"
        )
    if hasattr(given, "iloc"):
        check_indexes(data, {name: given})
    return data.assign(**{GIVEN.format(name): values})


def rule_of(
    formula: Formula,
    given: Mapping[str, Expression],
    available: Sequence[str],
    more: Sequence[str],
) -> Rule:
    """Return the columns that are needed, all of which there must be."""
    beside = [name for expression in given.values() for name in expression.columns]
    needed = dict.fromkeys([*formula.response.columns, *formula.columns, *beside])
    joined = [GIVEN.format(name) for name in given]
    unknown = [name for name in needed if name not in (*available, *joined, *more)]
    if unknown:
        have = ", ".join(map(repr, available[:10])) + ", ..." * (len(available) > 10)
        raise DataError(
            f"the formula names {unknown[0]!r}, which is no column of the data; they "
            f"have {have}"
        )
    if not needed:
        raise FormulaError("the formula names no column of the data")
    return Rule(
        tuple(needed),
        given.get("sample_weight"),
        given.get("offset"),
        given.get("groups", given.get("by")),
    )
