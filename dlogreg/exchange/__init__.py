"""Results as other programs take them: scikit-learn, pandas, SQL, Markdown, LaTeX."""

from dlogreg.exchange.methods import Exchange

__all__ = ["Exchange"]
