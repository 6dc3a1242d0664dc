"""The methods of results that predict rows, of two classes and of more.

Dask and Zarr come with the models that predict, so ``dlogreg.prediction`` is entered on
first use: a saved model's summary must not wait half a second for them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

import numpy as np

if TYPE_CHECKING:
    from dlogreg.prediction import LogitModel, MultinomialModel
    from dlogreg.results import LogitResults
    from dlogreg.results.multinomial import MultinomialResults


class LogitPredictions:
    """Predictions of two classes; the attributes are those of LogitResults."""

    def predict(self, X: Any, offset: Any = None) -> Any:
        """Return the probability of the event, the last of ``classes``, of every row.

        Parameters
        ----------
        X : array, shape (n_rows, n_features)
            Any kind that ``fit`` takes. Columns of a dataframe are found by name, in
            any order; other columns are left aside. Arrays go by position. After
            ``fit_formula``, also a dataframe of the columns of the formula.
        offset : array, shape (n_rows,), optional
            Of any kind, row by row beside X; needed where the fit had one. It is added
            to the linear predictor.

        Returns
        -------
        array, shape (n_rows,)
            Numpy for data in memory; for dask and Zarr a lazy dask array with the
            same chunks of rows. A row with NaN has the probability NaN.

        Raises
        ------
        ValueError
            If the fit had an offset, and none is given.

        Examples
        --------
        >>> import dlogreg
        >>> X, y = [[0.0], [1.0], [2.0], [3.0], [4.0], [5.0]], [0, 0, 1, 0, 1, 1]
        >>> res = dlogreg.fit(X, y, feature_names=["dose"])
        >>> res.predict([[2.5], [4.0]]).round(4)
        array([0.5   , 0.8607])
        """
        return self._model.probability(X, self._offset(offset))

    def decision_function(self, X: Any, offset: Any = None) -> Any:
        """Return the linear predictor, the log-odds of the event; as ``predict``.

        Parameters
        ----------
        X : array, shape (n_rows, n_features)
            Any kind that ``fit`` takes; columns of a dataframe are found by name.
        offset : array, shape (n_rows,), optional
            Row by row beside X; needed where the fit had one.

        Returns
        -------
        array, shape (n_rows,)
            Lazy for Dask and Zarr.

        Examples
        --------
        >>> import dlogreg
        >>> X, y = [[0.0], [1.0], [2.0], [3.0], [4.0], [5.0]], [0, 0, 1, 0, 1, 1]
        >>> res = dlogreg.fit(X, y, feature_names=["dose"])
        >>> res.decision_function([[4.0]]).round(4)
        array([1.821])
        """
        return self._model.linear_predictor(X, self._offset(offset))

    def classify(self, X: Any, threshold: float = 0.5, offset: Any = None) -> Any:
        """Return the event where its probability is above the threshold; X as above.

        The other rows get the other label; a row with NaN is an error.

        Parameters
        ----------
        X : array, shape (n_rows, n_features)
            Any kind that ``fit`` takes; columns of a dataframe are found by name.
        threshold : float
            Between 0 and 1.
        offset : array, shape (n_rows,), optional
            Row by row beside X; needed where the fit had one.

        Returns
        -------
        array, shape (n_rows,)
            Labels of ``classes``.

        Examples
        --------
        >>> import dlogreg
        >>> X, y = [[0.0], [1.0], [2.0], [3.0], [4.0], [5.0]], [0, 0, 1, 0, 1, 1]
        >>> res = dlogreg.fit(X, y, feature_names=["dose"])
        >>> res.classify([[1.0], [4.0]])
        array([0, 1])
        """
        return self._model.label(X, threshold, self._offset(offset))

    @property
    def _model(self) -> LogitModel:
        results = cast("LogitResults", self)
        model: type[LogitModel] = import_module("dlogreg.prediction").LogitModel
        return model.of(
            results.near_limit(),
            results.feature_names,
            results.classes,
            fit_intercept=results.fit_intercept,
            recipe=results.recipe,
        )

    def _offset(self, offset: Any) -> Any:
        """Return the offset, which must be given where the fit had one.

        One that is made of columns is found with the rows.
        """
        results = cast("LogitResults", self)
        if results.recipe is None or results.recipe.offset is None:
            room = import_module("dlogreg.offsets")
            room.check_offset_given(results, offset, "predicting")
        return offset


class MultinomialPredictions:
    """Predictions of more classes; the attributes are those of MultinomialResults."""

    def predict(self, X: Any) -> Any:
        """Return the probabilities of all ``classes`` for every row.

        Parameters
        ----------
        X : array, shape (n_rows, n_features)
            Any kind that ``fit`` takes. Columns of a dataframe are found by name, in
            any order; other columns are left aside. Arrays go by position. After
            ``fit_formula``, also a dataframe of the columns of the formula.

        Returns
        -------
        array, shape (n_rows, n_classes)
            Numpy for data in memory; for dask and Zarr a lazy dask array with the
            same chunks of rows. A row with NaN has NaN as probabilities.

        Examples
        --------
        >>> import dlogreg
        >>> X, y = [[0.0], [1.0], [2.0], [3.0], [4.0], [5.0]], list("abacbc")
        >>> res = dlogreg.fit(X, y, feature_names=["dose"])
        >>> res.predict([[2.5]]).round(3)
        array([[0.243, 0.513, 0.243]])
        """
        return self._model.class_probability(X)

    def decision_function(self, X: Any) -> Any:
        """Return the linear predictors of all classes, shape (n_rows, n_classes).

        That of the reference is 0; with a penalty, every row's sum is. X as in
        ``predict``.

        Parameters
        ----------
        X : array, shape (n_rows, n_features)
            Any kind that ``fit`` takes; columns of a dataframe are found by name.

        Returns
        -------
        array, shape (n_rows, n_classes)
            Lazy for Dask and Zarr.

        Examples
        --------
        >>> import dlogreg
        >>> X, y = [[0.0], [1.0], [2.0], [3.0], [4.0], [5.0]], list("abacbc")
        >>> res = dlogreg.fit(X, y, feature_names=["dose"])
        >>> res.decision_function([[2.5]]).round(3)
        array([[0.   , 0.746, 0.   ]])
        """
        return self._model.linear_predictor(X)

    def classify(self, X: Any) -> Any:
        """Return the most probable class of every row; X as in ``predict``.

        A row with NaN is an error.

        Parameters
        ----------
        X : array, shape (n_rows, n_features)
            Any kind that ``fit`` takes; columns of a dataframe are found by name.

        Returns
        -------
        array, shape (n_rows,)
            Labels of ``classes``.

        Examples
        --------
        >>> import dlogreg
        >>> X, y = [[0.0], [1.0], [2.0], [3.0], [4.0], [5.0]], list("abacbc")
        >>> res = dlogreg.fit(X, y, feature_names=["dose"])
        >>> res.classify([[0.0], [5.0]])
        array(['a', 'c'], dtype='<U1')
        """
        return self._model.label(X)

    @property
    def _model(self) -> MultinomialModel:
        room = import_module("dlogreg.prediction")
        model: type[MultinomialModel] = room.MultinomialModel
        results = cast("MultinomialResults", self)
        lines = results.coefficients
        if not results.symmetric:
            lines = np.vstack([np.zeros(lines.shape[1]), lines])
        return model.of(
            lines,
            results.feature_names,
            results.classes,
            fit_intercept=results.fit_intercept,
            recipe=results.recipe,
        )
