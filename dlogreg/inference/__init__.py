"""What can be said of a fit from sums alone; numpy and scipy, no data and no Dask."""

from dlogreg.inference.from_covariance import FromCovariance
from dlogreg.inference.levels import check_level
from dlogreg.inference.odds import odds_ratios

__all__ = ["FromCovariance", "check_level", "odds_ratios"]
