"""What a fitted estimator does in scikit-learn's words: predictions and scores."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from dlogreg.estimator.accuracy import accuracy
from dlogreg.evaluation import FloatArray
from dlogreg.prediction import LogitModel, MultinomialModel
from dlogreg.source.kinds import kind_of


class LinearClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A classifier with ``coef_``, ``intercept_`` and ``classes_``, once it is fitted.

    Data that are read in passes are predicted lazily, and scored in one pass.
    """

    coef_: Any  # an array, or a sparse matrix after sparsify()
    intercept_: FloatArray
    classes_: Any

    def __sklearn_tags__(self) -> Any:
        """Say that sparse X is taken."""
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def predict(self, X: Any) -> Any:
        """Return the likelier label of every row; lazy for Dask and Zarr.

        Parameters
        ----------
        X : array, shape (n_rows, n_features)
            Any kind that ``fit`` takes; columns of a dataframe are found by name.

        Returns
        -------
        array, shape (n_rows,)
            Labels of ``classes_``.

        Examples
        --------
        >>> import dlogreg
        >>> X, y = [[0.0], [1.0], [2.0], [3.0], [4.0], [5.0]], [0, 0, 1, 0, 1, 1]
        >>> clf = dlogreg.LogisticRegression().fit(X, y)
        >>> clf.predict([[1.0], [4.0]])
        array([0, 1])
        """
        model, X = self._model_and_rows(X)
        return model.label(X)

    def predict_proba(self, X: Any) -> Any:
        """Return the probabilities of ``classes_``, shape (n_rows, n_classes).

        Parameters
        ----------
        X : array, shape (n_rows, n_features)
            Any kind that ``fit`` takes; columns of a dataframe are found by name.

        Returns
        -------
        array, shape (n_rows, n_classes)
            Rows sum to 1.

        Examples
        --------
        >>> import dlogreg
        >>> X, y = [[0.0], [1.0], [2.0], [3.0], [4.0], [5.0]], [0, 0, 1, 0, 1, 1]
        >>> clf = dlogreg.LogisticRegression().fit(X, y)
        >>> clf.predict_proba([[2.5]]).round(4)
        array([[0.5, 0.5]])
        """
        model, X = self._model_and_rows(X)
        return model.class_probability(X)

    def predict_log_proba(self, X: Any) -> Any:
        """Return the logarithms of the probabilities, shape (n_rows, n_classes).

        Parameters
        ----------
        X : array, shape (n_rows, n_features)
            Any kind that ``fit`` takes; columns of a dataframe are found by name.

        Returns
        -------
        array, shape (n_rows, n_classes)
            Finite also where probabilities round to 0.

        Examples
        --------
        >>> import dlogreg
        >>> X, y = [[0.0], [1.0], [2.0], [3.0], [4.0], [5.0]], [0, 0, 1, 0, 1, 1]
        >>> clf = dlogreg.LogisticRegression().fit(X, y)
        >>> clf.predict_log_proba([[2.5]]).round(4)
        array([[-0.6931, -0.6931]])
        """
        model, X = self._model_and_rows(X)
        return model.class_log_probability(X)

    def decision_function(self, X: Any) -> Any:
        """Return the linear predictor: of two classes the log-odds of ``classes_[1]``.

        Of more, one for every class, shape (n_rows, n_classes).

        Parameters
        ----------
        X : array, shape (n_rows, n_features)
            Any kind that ``fit`` takes; columns of a dataframe are found by name.

        Returns
        -------
        array, shape (n_rows,) or (n_rows, n_classes)
            Lazy for Dask and Zarr.

        Examples
        --------
        >>> import dlogreg
        >>> X, y = [[0.0], [1.0], [2.0], [3.0], [4.0], [5.0]], [0, 0, 1, 0, 1, 1]
        >>> clf = dlogreg.LogisticRegression().fit(X, y)
        >>> clf.decision_function([[4.0]]).round(4)
        array([1.1506])
        """
        model, X = self._model_and_rows(X)
        return model.linear_predictor(X)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the share of rows that are predicted right, always a number.

        Data that are not in memory are read once.

        Parameters
        ----------
        X : array, shape (n_rows, n_features)
            Any kind that ``fit`` takes; columns of a dataframe are found by name.
        y : array, shape (n_rows,)
            True labels.
        sample_weight : array, shape (n_rows,), optional
            Weights of the rows.

        Returns
        -------
        float
            Weighted share of rows whose label is the predicted one.

        Examples
        --------
        >>> import dlogreg
        >>> X, y = [[0.0], [1.0], [2.0], [3.0], [4.0], [5.0]], [0, 0, 1, 0, 1, 1]
        >>> clf = dlogreg.LogisticRegression().fit(X, y)
        >>> round(clf.score(X, y), 4)
        0.6667
        """
        if not is_out_of_core(X):
            return float(super().score(X, y, sample_weight))
        model, X = self._model_and_rows(X)
        return accuracy(model, X, y, sample_weight)

    def sparsify(self) -> Self:
        """Turn ``coef_`` into a CSR matrix: less memory where most of it is zero.

        Returns
        -------
        self
            ``coef_`` is then a scipy CSR matrix, as after scikit-learn's method.

        Examples
        --------
        >>> import dlogreg
        >>> X, y = [[0.0], [1.0], [2.0], [3.0], [4.0], [5.0]], [0, 0, 1, 0, 1, 1]
        >>> clf = dlogreg.LogisticRegression().fit(X, y)
        >>> clf.sparsify().coef_.shape
        (1, 1)
        """
        check_is_fitted(self)
        self.coef_ = csr_matrix(self.coef_)
        return self

    def densify(self) -> Self:
        """Turn ``coef_`` back into an array.

        Returns
        -------
        self
            ``coef_`` is then a numpy array.

        Examples
        --------
        >>> import dlogreg
        >>> X, y = [[0.0], [1.0], [2.0], [3.0], [4.0], [5.0]], [0, 0, 1, 0, 1, 1]
        >>> clf = dlogreg.LogisticRegression().fit(X, y)
        >>> clf.sparsify().densify().coef_.shape
        (1, 1)
        """
        check_is_fitted(self)
        self.coef_ = self._dense_coef()
        return self

    def _dense_coef(self) -> FloatArray:
        coef = self.coef_
        return np.asarray(coef.toarray() if hasattr(coef, "toarray") else coef)

    def _model_and_rows(self, X: Any) -> tuple[LogitModel | MultinomialModel, Any]:
        """Return what predicts, and X once scikit-learn's rules are kept."""
        check_is_fitted(self)
        names: tuple[str, ...] = ()
        if is_out_of_core(X):
            validate_data(self, header(X), reset=False, skip_check_array=True)
            names = tuple(map(str, getattr(X, "columns", ())))
        else:
            X = validate_data(
                self, X, reset=False, accept_sparse="csr", dtype="numeric"
            )
        coef = self._dense_coef()
        if len(coef) > 1:
            slopes = np.ascontiguousarray(coef.T)
            return MultinomialModel(self.intercept_, slopes, names, self.classes_), X
        intercept = float(self.intercept_[0])
        return LogitModel(intercept, coef[0], names, self.classes_), X


def is_out_of_core(X: Any) -> bool:
    """Tell whether X is read in passes, rather than being an array in memory."""
    return kind_of(X) not in ("numpy", "pandas", "csr") or isinstance(X, np.memmap)


def header(X: Any) -> Any:
    """Return what scikit-learn may look at: names and shape, but no rows."""
    return X if kind_of(X) != "dask dataframe" else X._meta
