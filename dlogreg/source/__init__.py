"""What the user has -> Source: X in blocks of rows, and y and weights beside it."""

from dlogreg.source.opening import as_source
from dlogreg.source.source import Source

__all__ = ["Source", "as_source"]
