"""A formula and the table that it is about -> the rows of a design."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dlogreg.checkpoint import Checkpoint
from dlogreg.evaluation import PassRecord
from dlogreg.formula.encoding import Encoder
from dlogreg.formula.expression import of_column
from dlogreg.formula.given import column_of, quoted, rule_of, with_columns
from dlogreg.formula.recipe import Recipe
from dlogreg.formula.resolving import check_missing, resolve
from dlogreg.formula.scan import Rule, warn_of_levels
from dlogreg.formula.scanning import scan
from dlogreg.formula.source import DesignBlocks
from dlogreg.formula.store import columns_beside
from dlogreg.formula.tables import (
    FrameTable,
    Table,
    open_data,
    open_table,
    table_columns,
)
from dlogreg.formula.terms import Formula, read_formula
from dlogreg.passes import Progress
from dlogreg.reduction import compute_shared
from dlogreg.source import Source
from dlogreg.source.group import StoredData


@dataclass(frozen=True, slots=True, eq=False)
class Design:
    """What the scan has made of a formula and a table."""

    source: Source
    recipe: Recipe
    n_dropped: int
    records: tuple[PassRecord, ...]


@dataclass(frozen=True, slots=True, eq=False)
class FormulaTable:
    """A formula and its table, both opened, of which no row has been read."""

    formula: Formula
    table: Table
    rule: Rule
    by: str | None
    """The column, or expression, of the groups that are fitted apart."""

    @classmethod
    def of(
        cls,
        formula: str,
        data: Any,
        beside: Mapping[str, Any],
        storage_options: Mapping[str, Any] | None,
    ) -> FormulaTable:
        """Open the table and find the columns that are needed of it.

        ``beside`` has weights, offset, groups and ``by``: names, expressions or arrays,
        None where they are not given.
        """
        data = open_data(data, storage_options)
        available = table_columns(data)
        more = columns_beside(data) if isinstance(data, StoredData) else ()
        beside = {
            name: of_column(given, (*available, *more))
            if isinstance(given, str)
            else given
            for name, given in beside.items()
        }
        by = beside["by"]
        column = column_of(by) if isinstance(by, str) else None
        parsed = read_formula(formula, [name for name in available if name != column])
        data, given = with_columns(data, beside)
        rule = rule_of(parsed, given, available, more)
        table = open_table(data, rule.needed, compute_shared)
        return cls(parsed, table, rule, column)

    def designed(
        self,
        missing: str,
        unseen: Any,
        progress: Progress,
        checkpoint: Checkpoint | None = None,
    ) -> Design:
        """Scan the table and lay out its rows as those of the design."""
        formula, table, rule = self.formula, self.table, self.rule
        found, records = scan(formula, table, rule, progress, checkpoint)
        n_dropped = check_missing(found, rule.needed, missing)
        warn_of_levels(found)
        recipe = resolve(formula, found, unseen)
        if rule.offset is not None and rule.offset.text != quoted("offset"):
            recipe = replace(recipe, offset=rule.offset.text)
        blocks = DesignBlocks.of(table, recipe, rule, found)
        source = Source(
            blocks,
            {},
            recipe.feature_names,
            np.dtype(np.float64),
            isinstance(table, FrameTable),
            "formula",
            sparse=blocks.kind,
            stored_values=Encoder(recipe).columns.row_values,
        )
        return Design(source, recipe, n_dropped, records)
