"""Predictions of several outcomes, from one read of the rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from dlogreg.evaluation import Label
from dlogreg.offsets import check_offset_given
from dlogreg.prediction.outcomes import OutcomesModel
from dlogreg.results import LogitResults


class OutcomePredictions:
    """Methods that predict; the attributes are those of ManyResults."""

    labels: tuple[Label, ...]
    fits: tuple[LogitResults, ...]
    one_vs_rest: bool

    def decision_function(self, X: Any, offset: Any = None) -> Any:
        """Return the linear predictors, the log-odds of every outcome.

        Parameters
        ----------
        X : array, shape (n_rows, n_features)
            Any kind that ``fit`` takes; columns of a dataframe are found by name.
        offset : array, shape (n_rows,), optional
            Row by row beside X; needed where the fit had one.

        Returns
        -------
        array, shape (n_rows, n_outcomes)
            Numpy for data in memory; for Dask and Zarr lazy, in the same chunks of
            rows. Every block is read once for all outcomes.

        Examples
        --------
        >>> import numpy as np, dlogreg
        >>> x = np.arange(8.0)[:, None]
        >>> Y = [[0, 1], [0, 1], [1, 1], [0, 0], [1, 1], [0, 0], [1, 1], [1, 0]]
        >>> dlogreg.fit_many(x, Y).decision_function([[2.0]]).round(3)
        array([[-0.891,  1.545]])
        """
        return self._model.linear_predictor(X, self._offset(offset))

    def predict_proba(self, X: Any, offset: Any = None) -> Any:
        """Return the probability of every outcome in every row.

        Those of Y stand by themselves. Labels against the rest are divided by their sum
        over the labels, as by scikit-learn's ``OneVsRestClassifier``.

        Parameters
        ----------
        X, offset : array
            As in ``decision_function``.

        Returns
        -------
        array, shape (n_rows, n_outcomes)
            Lazy for Dask and Zarr; a row with NaN has NaN.

        Examples
        --------
        >>> import numpy as np, dlogreg
        >>> x = np.arange(8.0)[:, None]
        >>> Y = [[0, 1], [0, 1], [1, 1], [0, 0], [1, 1], [0, 0], [1, 1], [1, 0]]
        >>> dlogreg.fit_many(x, Y).predict_proba([[2.0], [6.0]]).round(3)
        array([[0.291, 0.824],
               [0.815, 0.332]])
        """
        offset = self._offset(offset)
        return self._model.probability(X, offset, shares=self.one_vs_rest)

    def classify(self, X: Any, offset: Any = None) -> Any:
        """Return the label of the largest linear predictor, of labels against the rest.

        Parameters
        ----------
        X, offset : array
            As in ``decision_function``.

        Returns
        -------
        array, shape (n_rows,)
            Labels; lazy for Dask and Zarr.

        Raises
        ------
        ValueError
            If the outcomes are no labels of one y.

        Examples
        --------
        >>> import numpy as np, dlogreg
        >>> x, y = np.arange(8.0)[:, None], ["a", "a", "b", "a", "b", "c", "b", "c"]
        >>> many = dlogreg.fit_many(x, one_vs_rest=y, alpha=0.1)
        >>> many.classify([[0.0], [7.0]])
        array(['a', 'c'], dtype='<U1')
        """
        if not self.one_vs_rest:
            raise ValueError(
                "classify() chooses one of the labels of one_vs_rest=, and these "
                "outcomes stand by themselves; take predict_proba(X) > 0.5, or "
                "many[name].classify(X)"
            )
        return self._model.label(X, self._offset(offset))

    @property
    def _model(self) -> OutcomesModel:
        lines = np.array([fit.coefficients for fit in self.fits])
        first = self.fits[0].fit_intercept
        return OutcomesModel.of(
            lines, self.fits[0].feature_names, self.labels, fit_intercept=first
        )

    def _offset(self, offset: Any) -> Any:
        check_offset_given(self.fits[0], offset, "predictions")
        return offset
