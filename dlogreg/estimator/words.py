"""What a fit has to say, in the words of scikit-learn's face."""

from __future__ import annotations

import warnings
from types import TracebackType

from sklearn.exceptions import ConvergenceWarning as SklearnConvergenceWarning

from dlogreg.errors import ConvergenceWarning, DataError
from dlogreg.user_warning import warn_user


class InSklearnWords:
    """While a fit runs: its errors and warnings name the parameters of this face.

    A class, because ``contextlib`` would stand between a warning and the user's line.
    """

    def __enter__(self) -> None:
        """Record the warnings."""
        self._recording = warnings.catch_warnings(record=True)
        self._caught = self._recording.__enter__()
        warnings.simplefilter("always", ConvergenceWarning)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Pass on what was caught."""
        self._recording.__exit__(kind, error, traceback)
        if isinstance(error, DataError):
            raise type(error)(in_sklearn_words(error)) from error
        if error is None:
            for warning in self._caught or ():
                category = warning.category
                if category is ConvergenceWarning:
                    category = SklearnConvergenceWarning
                warn_user(in_sklearn_words(warning.message), category)


def in_sklearn_words(message: object) -> str:
    """Name the parameters of this face instead of those of ``fit``.

    What is wrong with X comes first as scikit-learn has it, then where it is.
    """
    words = str(message).replace("max_passes", "max_iter")
    words = words.replace("alpha > 0", "a finite C")
    words = words.replace("missing='drop' leaves them out", "sklearn.impute fills them")
    for value in ("NaN", "infinity"):
        if f"holds {value} in row" in words and " of X;" in words:
            return f"Input X contains {value}: {words}"
    return words
