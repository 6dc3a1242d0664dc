"""What a fit returns: coefficients, errors, measures, predictions; sums and no data.

``fitted`` holds what the results of two classes (``logit``) and of more
(``multinomial``) have in common, ``prediction`` their methods that predict, and
``loading`` reads what they save. Other methods come from the rooms that do the work:
``inference``, ``display``, ``exchange``.
"""

from dlogreg.results.loading import Results, load
from dlogreg.results.logit import LogitResults
from dlogreg.results.multinomial import MultinomialResults

__all__ = ["LogitResults", "MultinomialResults", "Results", "load"]
