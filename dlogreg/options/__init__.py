"""The options of a fit, checked before any data are read.

``values`` judges each by itself, ``combinations`` all of them together; ``fit_options``
holds them, and knows what follows from them once the data are known.
"""

from dlogreg.options.checking import check_options
from dlogreg.options.fit_options import FitOptions

__all__ = ["FitOptions", "check_options"]
