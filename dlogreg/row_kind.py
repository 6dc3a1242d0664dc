"""How the rows of a block are stored, which says how kernels multiply them."""

from __future__ import annotations

from enum import IntEnum


class RowKind(IntEnum):
    """The kind of all blocks of a source; true where zeros are not stored.

    Such columns are centred in formulas, never in memory.
    """

    DENSE = 0
    COMPRESSED = 1
    """``kernel.CSR``."""
    MIXED = 2
    """``kernel.Mixed``: dense and compressed columns, and codes of categories."""
