"""What the user has -> Source: X in blocks of rows, and y and weights beside it.

``kinds`` tells what was given, ``opening`` checks it, ``alignment`` lays it in blocks.
The other files are about one kind of data each; ``group`` says what a store holds.
"""

from dlogreg.source.opening import as_source
from dlogreg.source.source import Source

__all__ = ["Source", "as_source"]
