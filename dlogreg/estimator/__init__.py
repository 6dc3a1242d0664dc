"""scikit-learn's face of the fits: its parameters, attributes and coefficients.

scikit-learn's words live here and nowhere else. ``LogisticRegressionCV`` is in
``cross_validated``, which takes longer to import.
"""

from dlogreg.estimator.logistic import LogisticRegression

__all__ = ["LogisticRegression"]
