"""Wald statistics of coefficients, in the layout that the model's classes give them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Generic, TypeVar

import numpy as np
from scipy.special import ndtr

from dlogreg.labelled import LabelledVector
from dlogreg.labelled_matrix import LabelledMatrix

Labelled = TypeVar("Labelled", LabelledVector, LabelledMatrix)
"""Numbers with a name for every coefficient, and for every class if there are more."""


class WaldStatistics(ABC, Generic[Labelled]):
    """Coefficients by their standard errors, and what that tells of each."""

    @property
    @abstractmethod
    def params(self) -> Labelled:
        """All coefficients, ``const`` first."""

    @property
    @abstractmethod
    def bse(self) -> Labelled:
        """Standard errors, in the layout of ``params``."""

    @abstractmethod
    def _labelled(self, values: Any) -> Labelled:
        """Return numbers in the layout of ``params`` with its names."""

    @property
    def zvalues(self) -> Labelled:
        """Wald statistics params / bse."""
        return self._labelled(np.asarray(self.params) / np.asarray(self.bse))

    @property
    def tvalues(self) -> Labelled:
        """The same as ``zvalues``, under statsmodels' name; normal, not t."""
        return self.zvalues

    @property
    def pvalues(self) -> Labelled:
        """Two-sided p-values of the Wald tests, from the normal distribution."""
        return self._labelled(2 * ndtr(-np.abs(np.asarray(self.zvalues))))
