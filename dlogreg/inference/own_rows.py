"""The way back from a result to the rows that it was fitted to."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dlogreg.rows_again import RowsAgain


class OwnRows:
    """A result that can read its rows again.

    Dask comes with them, so their rooms are entered on first use.
    """

    def __getstate__(self) -> dict[str, Any]:
        """Pickle what was found, without the way back to the rows."""
        return {**self.__dict__, "rows": None}

    def _own_rows(
        self,
        method: str,
        X: Any,
        y: Any,
        sample_weight: Any,
        offset: Any,
        groups: Any = None,
    ) -> RowsAgain:
        """Return the rows of the fit, or those that are given in their place."""
        room = import_module("dlogreg.rows_again")
        given = (X, y, sample_weight, method, offset, groups)
        rows: RowsAgain = room.rows_of(self, *given)
        return rows
