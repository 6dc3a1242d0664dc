"""LogisticRegression: scikit-learn's face of the same fit.

scikit-learn's words and attributes live here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.utils import compute_class_weight
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, validate_data

from dlogreg.estimator.class_weights import resolve_class_weight
from dlogreg.estimator.linear_classifier import LinearClassifier, header, is_out_of_core
from dlogreg.estimator.parameters import SOLVERS, refuse_parameters
from dlogreg.estimator.words import InSklearnWords
from dlogreg.evaluation import FloatArray
from dlogreg.options import check_options
from dlogreg.penalty import PenaltyRule
from dlogreg.pipeline import fit_source, open_source
from dlogreg.prediction import label_array
from dlogreg.results import MultinomialResults, Results

ONE_CLASS = "y needs samples of at least 2 classes, but it contains only one class"


class LogisticRegression(LinearClassifier):
    r"""Logistic regression with scikit-learn's parameters and coefficients.

    It minimizes ``C * sum_i s_i log(1 + exp(-m_i)) + l1_ratio * |coef|_1
    + (1 - l1_ratio) * |coef|^2 / 2`` as scikit-learn does, over data of any size:
    besides what scikit-learn takes, ``X`` may be a dask array or dataframe, a
    ``zarr.Array`` or a memmap, which are read in passes and never held in memory.
    Predictions for Dask and Zarr are then lazy. Standard errors are the business of
    :func:`dlogreg.fit`.

    Three or more classes are fitted together, by softmax regression in scikit-learn's
    symmetric parametrization: coefficients and intercepts sum to zero over the classes.

    Parameters
    ----------
    C : float
        Inverse strength of the penalty; ``np.inf`` for none.
    l1_ratio : float
        Share of absolute values in the penalty: 0 ridge, 1 lasso, between an elastic
        net. Above 0 for two classes.
    tol : float
        Largest allowed distance of any coefficient from the exact optimum, in units of
        its own *standard error* (scikit-learn: size of the gradient).
    fit_intercept : bool
        Whether the model has an intercept, which is never penalised.
    class_weight : dict, "balanced" or None
        Multiplies the weights of the rows of a class. "balanced" gives all classes
        the same sum of weights.
    random_state : int, RandomState instance or None
        Accepted as in scikit-learn, where these solvers do not use it either: the
        result does not depend on chance.
    solver : {"auto", "newton-cholesky", "lbfgs"}
        "auto" takes Newton's method up to about 2,000 coefficients and L-BFGS beyond,
        by a rule of rows, columns and their type.
    max_iter : int
        Most passes over the data, at least 1, and one more for a warm start.
    verbose : int
        Show a line for every pass if positive.
    warm_start : bool
        Start from the coefficients of the fit before; costs one pass.
    penalty, dual, intercept_scaling, n_jobs
        Only scikit-learn's defaults; everything else is refused with the alternative.

    Attributes
    ----------
    classes_ : array, shape (n_classes,)
        The labels; of two the probability of the last one is modelled.
    coef_ : array, shape (1, n_features) or (n_classes, n_features)
        Coefficients; 0 for columns that were dropped as aliased (only without penalty).
    intercept_ : array, shape (1,) or (n_classes,)
        The intercepts, or 0.
    n_features_in_ : int
        Number of columns seen in ``fit``.
    feature_names_in_ : array of str, shape (n_features,)
        Their names, if all of them were strings.
    n_iter_ : array of int, shape (1,)
        Number of passes over the data.
    error_bound_ : float
        Proven distance of the coefficients from the optimum, in standard errors; NaN
        where nothing is proven (L-BFGS), infinite for separated data.

    Examples
    --------
    >>> import numpy as np
    >>> from dlogreg import LogisticRegression
    >>> X = np.arange(8.0)[:, None]
    >>> clf = LogisticRegression().fit(X, [0, 0, 1, 0, 1, 0, 1, 1])
    >>> clf.coef_.round(4), clf.predict([[0.0], [7.0]])
    (array([[0.5068]]), array([0, 1]))
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "C": [Interval(Real, 0, None, closed="right")],
        "l1_ratio": [Interval(Real, 0, 1, closed="both")],
        "tol": [Interval(Real, 0, None, closed="neither")],
        "fit_intercept": ["boolean"],
        "class_weight": [dict, StrOptions({"balanced"}), None],
        "random_state": ["random_state"],
        "solver": [str],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "verbose": ["verbose"],
        "warm_start": ["boolean"],
        "penalty": "no_validation",
        "dual": "no_validation",
        "intercept_scaling": "no_validation",
        "n_jobs": "no_validation",
    }

    def __init__(
        self,
        penalty: Any = "deprecated",
        *,
        C: float = 1.0,
        l1_ratio: float = 0.0,
        dual: bool = False,
        tol: float = 1e-8,
        fit_intercept: bool = True,
        intercept_scaling: float = 1,
        class_weight: Mapping[Any, float] | str | None = None,
        random_state: Any = None,
        solver: str = "auto",
        max_iter: int = 100,
        verbose: int = 0,
        warm_start: bool = False,
        n_jobs: int | None = None,
    ) -> None:
        self.penalty = penalty
        self.C = C
        self.l1_ratio = l1_ratio
        self.dual = dual
        self.tol = tol
        self.fit_intercept = fit_intercept
        self.intercept_scaling = intercept_scaling
        self.class_weight = class_weight
        self.random_state = random_state
        self.solver = solver
        self.max_iter = max_iter
        self.verbose = verbose
        self.warm_start = warm_start
        self.n_jobs = n_jobs

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Fit the model; every pass reads X once.

        Parameters
        ----------
        X : array, shape (n_rows, n_features)
            What scikit-learn takes, sparse arrays included, memmap, dask array (of CSR
            blocks too) or dataframe, ``zarr.Array``.
        y : array, shape (n_rows,)
            Labels, of any type and any of these kinds.
        sample_weight : array, shape (n_rows,), optional
            Weights of the rows; 0 leaves a row out.

        Returns
        -------
        self

        Examples
        --------
        >>> import dlogreg
        >>> X, y = [[0.0], [1.0], [2.0], [3.0], [4.0], [5.0]], [0, 0, 1, 0, 1, 1]
        >>> clf = dlogreg.LogisticRegression().fit(X, y)
        >>> clf.coef_.round(4), clf.intercept_.round(4)
        (array([[0.7671]]), array([-1.9176]))
        """
        self._validate_params()
        refuse_parameters(self.get_params(deep=False))
        if is_out_of_core(X):
            validate_data(self, header(X), y, skip_check_array=True)
            results = self._fit(X, y, sample_weight, self.class_weight)
            self.classes_ = label_array(results.classes)
        else:
            X, event, classes, weights = self._encode(X, y, sample_weight)
            results = self._fit(X, event, *weights)
            self.classes_ = classes
        self._take(results)
        return self

    def _encode(
        self, X: Any, y: Any, sample_weight: Any
    ) -> tuple[Any, Any, Any, tuple[Any, Any]]:
        """Return X, codes of y, the labels, and row and class weights.

        The codes of two classes say whether a row is the event; those of more are
        positions among the labels.
        """
        X, y = validate_data(
            self, X, y, accept_sparse="csr", dtype="numeric", ensure_all_finite=False
        )
        check_classification_targets(y)
        if sample_weight is not None:
            sample_weight = _check_sample_weight(sample_weight, X, dtype=np.float64)
        classes, codes = np.unique(y, return_inverse=True)
        class_weight = self._class_weight(classes, y, codes, sample_weight)
        if len(classes) == 2:
            codes = codes.astype(bool)
        return X, codes, classes, (sample_weight, class_weight)

    def _class_weight(
        self, classes: Any, y: Any, codes: Any, sample_weight: Any
    ) -> dict[Any, float] | None:
        """Return the class weights of scikit-learn, unless a class weighs nothing."""
        used = codes if sample_weight is None else codes[sample_weight > 0]
        counts = np.bincount(used, minlength=len(classes))
        if np.count_nonzero(counts) == 1:
            label = classes.tolist()[int(counts.argmax())]
            raise ValueError(f"{ONE_CLASS}: {label!r}")
        if counts.any() and not counts.all():
            label = classes.tolist()[int(counts.argmin())]
            raise ValueError(
                f"all rows with y = {label!r} have sample_weight 0, so that this class "
                "has no coefficients; leave these rows out"
            )
        if self.class_weight is None or not counts.any():
            return None
        weight = compute_class_weight(
            self.class_weight, classes=classes, y=y, sample_weight=sample_weight
        )
        if not (np.isfinite(weight).all() and (weight > 0).all()):
            raise ValueError(
                f"class_weight must be finite and positive, not {self.class_weight!r}; "
                "to leave rows out give them sample_weight 0"
            )
        keys = (False, True) if len(classes) == 2 else range(len(classes))
        return dict(zip(keys, weight.tolist(), strict=True))

    def _fit(self, X: Any, y: Any, sample_weight: Any, class_weight: Any) -> Results:
        """Run the fit; say what it has to say in scikit-learn's words."""
        start = self._start()
        ratio = 0.0 if np.isinf(self.C) else self.l1_ratio
        options = check_options(
            penalty=PenaltyRule(float(1 / self.C), "sum", ratio),
            fit_intercept=self.fit_intercept,
            feature_names=getattr(self, "feature_names_in_", None),
            solver=SOLVERS[self.solver],
            tol=self.tol,
            max_passes=self.max_iter + (start is not None),
            start=start,
            inference=False,
            class_weight=class_weight,
        )
        with InSklearnWords():
            source = open_source(X, y, options, {"sample_weight": sample_weight})
            weights = partial(resolve_class_weight, class_weight, y, sample_weight)
            return fit_source(source, options, self.verbose > 0, weights)

    def _start(self) -> FloatArray | None:
        """Return the coefficients of the fit before, if they are wanted."""
        if not (self.warm_start and hasattr(self, "coef_")):
            return None
        if self.coef_.shape[1] != self.n_features_in_:
            raise ValueError(
                f"warm_start=True, but coef_ has shape {self.coef_.shape} and X has "
                f"{self.n_features_in_} columns; set warm_start=False"
            )
        lines = self._dense_coef()
        if self.fit_intercept:
            lines = np.column_stack([self.intercept_, lines])
        return np.asarray(lines.T if len(lines) > 1 else lines[0])

    def _take(self, results: Results) -> None:
        """Set the attributes that scikit-learn promises."""
        if isinstance(results, MultinomialResults):
            lines = results.symmetric_coefficients().copy()
        else:
            lines = results.near_limit()[None]
        lines[np.isnan(lines)] = 0.0
        first = int(self.fit_intercept)
        self.coef_ = lines[:, first:]
        self.intercept_ = lines[:, 0].copy() if first else np.zeros(len(lines))
        self.n_iter_ = np.array([results.n_passes], dtype=np.int32)
        self.error_bound_ = results.error_bound
