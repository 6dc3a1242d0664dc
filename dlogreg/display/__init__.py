"""Results as text and as HTML; knows no data and no Dask."""

from dlogreg.display.summary import Summary, describe, summarize

__all__ = ["Summary", "describe", "summarize"]
