"""Results as one page of HTML that needs nothing else: text, tables and plots."""

from dlogreg.display.report.figures import check_matplotlib
from dlogreg.display.report.page import report_page
from dlogreg.display.report.sections import goodness_at_hand

__all__ = ["check_matplotlib", "goodness_at_hand", "report_page"]
