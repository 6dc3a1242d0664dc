"""Saved models: JSON with a schema version, written whole or not at all.

Nothing is pickled. Floats are written with the digits that give them back exactly, NaN
and infinities as strings, since JSON has none; a covariance as its lower triangle, row
by row. Reading trusts nothing: types and lengths are checked before arrays are made.
"""

from dlogreg.storage.loading import read_model
from dlogreg.storage.saving import write_model

__all__ = ["read_model", "write_model"]
