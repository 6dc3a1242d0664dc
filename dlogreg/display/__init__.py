"""Results as text and as HTML; knows no data and no Dask."""

from dlogreg.display.multinomial import describe_multinomial, summarize_multinomial
from dlogreg.display.summary import Summary, describe, summarize
from dlogreg.display.trace import Trace

__all__ = [
    "Summary",
    "Trace",
    "describe",
    "describe_multinomial",
    "summarize",
    "summarize_multinomial",
]
