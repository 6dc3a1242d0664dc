"""LogisticRegressionCV: scikit-learn's face of cross-validated penalties."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from numbers import Integral
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.metrics import get_scorer, get_scorer_names
from sklearn.utils._param_validation import Interval, StrOptions

from dlogreg.estimator import LogisticRegression
from dlogreg.estimator.fold_fits import FoldFits
from dlogreg.estimator.linear_classifier import is_out_of_core
from dlogreg.estimator.parameters import refuse_parameters
from dlogreg.estimator.penalties import Chosen, penalty_grid
from dlogreg.penalty import PenaltyRule


class LogisticRegressionCV(FoldFits):
    r"""Logistic regression whose penalty is chosen by cross-validation.

    Parameters, folds, scores and coefficients are those of scikit-learn 1.9; all folds
    and penalties share their passes over the data, see ``dlogreg.cross_validate``. For
    two classes.

    Data in memory are split by scikit-learn's splitters and scored by its scorers. Rows
    of data that are read in passes fall into ``cv`` folds at random, by a hash of their
    number seeded by ``random_state``; they are scored in the last pass by "accuracy",
    "neg_log_loss", "neg_brier_score" or "roc_auc".

    Parameters
    ----------
    Cs : int or sequence of float
        Inverse strengths of the penalty, or how many from 1e-4 to 1e4.
    l1_ratios : sequence of float
        Shares of the absolute values in the penalty, all of them tried.
    fit_intercept : bool
        Whether the model has an intercept, which is never penalised.
    cv : int, splitter, iterable of (train, test) indices, or None
        Stratified folds, 5 for None. Rows are told apart by the sets of folds they
        belong to, of which there may be at most 1,000.
    scoring : str, callable or None
        As in scikit-learn; None is accuracy.
    tol : float
        Largest allowed distance of any coefficient from the exact optimum, in units of
        its own *standard error*.
    max_iter : int
        Most passes over the data, at least 4.
    class_weight : dict, "balanced" or None
        Multiplies the weights of the rows of a class, in fits but not in scores;
        "balanced" by all rows.
    verbose : int
        Show a line for every pass if positive.
    refit : bool
        Take the fit to all rows with the penalty of the best mean score; otherwise the
        mean over the folds of the coefficients with the best score of each.
    random_state : int, RandomState instance or None
        Seeds the folds of data that are read in passes, None as 0; not used otherwise.
    solver : {"auto", "newton-cholesky"}
        All find the same coefficients.
    use_legacy_attributes : bool
        Whether attributes have the shapes that scikit-learn 1.9 gave them by default.
    penalty, dual, intercept_scaling, n_jobs
        Only scikit-learn's defaults; everything else is refused with the alternative.

    Attributes
    ----------
    Cs_, l1_ratios_ : array
        What was tried.
    C_, l1_ratio_ : float, or array of shape (1,)
        What was chosen.
    scores_ : array, shape (n_folds, n_l1_ratios, n_cs), or dict
        Scores of every fold.
    coefs_paths_ : array, shape (n_folds, n_l1_ratios, n_cs, 1, n_dof), or dict
        Coefficients of every fold, the intercept last.
    n_iter_ : array of int, shape (n_folds, n_l1_ratios, n_cs)
        Passes until a model was found, those that it shares included.
    coef_, intercept_, classes_, n_features_in_, feature_names_in_, error_bound_
        As in ``LogisticRegression``.

    Examples
    --------
    >>> import numpy as np
    >>> from dlogreg import LogisticRegressionCV
    >>> X = np.arange(20.0)[:, None]
    >>> y = np.arange(20) % 7 + np.arange(20) > 12
    >>> clf = LogisticRegressionCV(cv=2, scoring="neg_log_loss").fit(X, y)
    >>> clf.scores_.shape
    (2, 1, 10)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **{
            name: rule
            for name, rule in LogisticRegression._parameter_constraints.items()
            if name not in ("C", "l1_ratio", "warm_start")
        },
        "Cs": [Interval(Integral, 1, None, closed="left"), "array-like"],
        "l1_ratios": ["array-like"],
        "cv": ["cv_object"],
        "scoring": [StrOptions(set(get_scorer_names())), callable, None],
        "refit": ["boolean"],
        "max_iter": [Interval(Integral, 4, None, closed="left")],
        "use_legacy_attributes": ["boolean"],
    }

    def __init__(
        self,
        *,
        Cs: int | Sequence[float] = 10,
        l1_ratios: Sequence[float] = (0.0,),
        fit_intercept: bool = True,
        cv: Any = None,
        dual: bool = False,
        penalty: Any = "deprecated",
        scoring: Any = None,
        solver: str = "auto",
        tol: float = 1e-8,
        max_iter: int = 100,
        class_weight: Mapping[Any, float] | str | None = None,
        n_jobs: int | None = None,
        verbose: int = 0,
        refit: bool = True,
        intercept_scaling: float = 1,
        random_state: Any = None,
        use_legacy_attributes: bool = False,
    ) -> None:
        self.Cs = Cs
        self.l1_ratios = l1_ratios
        self.fit_intercept = fit_intercept
        self.cv = cv
        self.dual = dual
        self.penalty = penalty
        self.scoring = scoring
        self.solver = solver
        self.tol = tol
        self.max_iter = max_iter
        self.class_weight = class_weight
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.refit = refit
        self.intercept_scaling = intercept_scaling
        self.random_state = random_state
        self.use_legacy_attributes = use_legacy_attributes

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Fit all folds and penalties, and choose.

        Parameters
        ----------
        X : array, shape (n_rows, n_features)
            As in ``LogisticRegression.fit``.
        y : array, shape (n_rows,)
            Labels of two classes.
        sample_weight : array, shape (n_rows,), optional
            Weights of the rows; 0 leaves a row out.

        Returns
        -------
        self

        Examples
        --------
        >>> import numpy as np
        >>> from dlogreg import LogisticRegressionCV
        >>> x = np.random.default_rng(0).normal(size=(200, 2))
        >>> clf = LogisticRegressionCV(Cs=3, l1_ratios=(0,)).fit(x, x[:, 0] > 0.2)
        >>> clf.classes_.tolist()
        [False, True]
        """
        self._validate_params()
        refuse_parameters(self.get_params(deep=False))
        if self.solver == "lbfgs":
            raise ValueError(
                "solver='lbfgs' is not supported: folds share Hessians; use 'auto'"
            )
        Cs, l1_ratios = penalty_grid(self.Cs, self.l1_ratios)
        rules = [PenaltyRule(1 / C, "sum", r) for r, C in product(l1_ratios, Cs)]
        if is_out_of_core(X):
            found, scores = self._read(X, y, sample_weight, rules)
        else:
            found, scores = self._split(X, y, sample_weight, rules)
        first, refit = int(self.fit_intercept), self.refit
        self._take_chosen(Chosen.of(found, scores, Cs, l1_ratios, first, refit=refit))
        return self

    def __sklearn_tags__(self) -> Any:
        """Say that two classes are taken."""
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        return tags

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the score by ``scoring``; of data that are not in memory, accuracy.

        Parameters
        ----------
        X : array, shape (n_rows, n_features)
            As in ``fit``.
        y : array, shape (n_rows,)
            Their labels.
        sample_weight : array, shape (n_rows,), optional
            Weights of the rows.

        Returns
        -------
        float

        Examples
        --------
        >>> import numpy as np
        >>> from dlogreg import LogisticRegressionCV
        >>> x = np.random.default_rng(0).normal(size=(200, 2))
        >>> clf = LogisticRegressionCV(Cs=3, l1_ratios=(0,)).fit(x, x[:, 0] > 0.2)
        >>> clf.score(x, x[:, 0] > 0.2) > 0.95
        True
        """
        name = self.scoring or "accuracy"
        if name == "accuracy":
            return super().score(X, y, sample_weight)
        if is_out_of_core(X):
            raise ValueError(
                f"score() of data that are not in memory gives the accuracy alone, not "
                f"{name!r}; take dlogreg.evaluate"
            )
        weights = {} if sample_weight is None else {"sample_weight": sample_weight}
        return float(get_scorer(name)(self, X, y, **weights))

    def _take_chosen(self, chosen: Chosen) -> None:
        """Set the attributes that scikit-learn promises."""
        n_features = self.n_features_in_
        params = chosen.params
        self.coef_ = params[None, :n_features].copy()
        self.intercept_ = params[n_features:].copy()
        if not self.fit_intercept:
            self.intercept_ = np.zeros(1)
        self.error_bound_ = chosen.error_bound
        self.Cs_, self.l1_ratios_ = chosen.Cs, chosen.l1_ratios
        self.C_: Any = chosen.C
        self.l1_ratio_: Any = chosen.l1_ratio
        self.scores_: Any = chosen.scores
        self.n_iter_: Any = chosen.n_passes
        self.coefs_paths_: Any = chosen.paths[:, :, :, None, :]
        if self.use_legacy_attributes:
            event = self.classes_[-1]
            self.C_, self.l1_ratio_ = np.array([chosen.C]), np.array([chosen.l1_ratio])
            self.scores_ = {event: chosen.scores.swapaxes(1, 2)}
            self.coefs_paths_ = {event: chosen.paths.swapaxes(1, 2)}
            self.n_iter_ = chosen.n_passes.swapaxes(1, 2)[None]
