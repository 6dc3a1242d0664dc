"""What can be said of a fit: from sums alone, or by reading its rows again.

The methods of results are here, by what they need: ``covariance_methods``,
``from_covariance``, ``from_class_covariance`` and ``interval_methods`` the coefficients
and their covariance; ``fit_measures`` and ``marginal_methods`` the sums of the closing
pass; ``row_tests``, ``row_errors`` and ``row_diagnosis`` the rows once more. The other
modules hold the mathematics, one topic each.
"""

from dlogreg.inference.covariance_methods import Covariances
from dlogreg.inference.from_class_covariance import FromClassCovariance
from dlogreg.inference.from_covariance import FromCovariance
from dlogreg.inference.levels import check_level
from dlogreg.inference.odds import odds_ratios

__all__ = [
    "Covariances",
    "FromClassCovariance",
    "FromCovariance",
    "check_level",
    "odds_ratios",
]
