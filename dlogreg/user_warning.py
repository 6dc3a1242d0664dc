"""Warnings that point at the user's own line, however deep they arise."""

from __future__ import annotations

import sys
import warnings
from itertools import count
from pathlib import Path

PACKAGE = str(Path(__file__).parent) + "/"


def warn_user(message: str, category: type[Warning]) -> None:
    """Warn at the innermost line outside the package."""
    for level in count(1):
        try:
            frame = sys._getframe(level)
        except ValueError:  # all lines are ours, as in a process of the command line
            break
        if not frame.f_code.co_filename.startswith(PACKAGE):
            break
    warnings.warn(message, category, stacklevel=level + 1)
