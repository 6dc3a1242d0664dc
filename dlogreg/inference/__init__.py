"""What can be said of a fit: from sums alone, or by reading its rows again."""

from dlogreg.inference.from_covariance import Covariances, FromCovariance
from dlogreg.inference.levels import check_level
from dlogreg.inference.odds import odds_ratios

__all__ = ["Covariances", "FromCovariance", "check_level", "odds_ratios"]
