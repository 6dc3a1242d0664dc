"""Results as text and as HTML; knows no data and no Dask."""

from dlogreg.display.summary import Summary, describe, summarize
from dlogreg.display.trace import Trace

__all__ = ["Summary", "Trace", "describe", "summarize"]
