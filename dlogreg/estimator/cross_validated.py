"""LogisticRegressionCV: scikit-learn's face of cross-validated penalties."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from numbers import Integral
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.metrics import get_scorer_names
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.metadata_routing import (
    UNUSED,
    MetadataRouter,
    MethodMapping,
    _raise_for_params,
)

from dlogreg.estimator import LogisticRegression
from dlogreg.estimator.fold_fits import FoldFits
from dlogreg.estimator.linear_classifier import is_out_of_core
from dlogreg.estimator.parameters import refuse_parameters
from dlogreg.estimator.penalties import Chosen, penalty_grid
from dlogreg.penalty import PenaltyRule


class LogisticRegressionCV(FoldFits):
    r"""Logistic regression whose penalty is chosen by cross-validation.

    Parameters, folds, scores and coefficients are those of scikit-learn 1.9; all folds
    and penalties share their passes over the data, see ``dlogreg.cross_validate``.
    Three or more classes are fitted together, by softmax regression with ridge
    penalties.

    Data in memory are split by scikit-learn's splitters and scored by its scorers. Rows
    of data that are read in passes fall into ``cv`` folds at random, by a hash of their
    number seeded by ``random_state``; they are scored in the last pass by "accuracy",
    "neg_log_loss", "neg_brier_score" or "roc_auc".

    Parameters
    ----------
    Cs : int or sequence of float
        Inverse strengths of the penalty, or how many from 1e-4 to 1e4.
    l1_ratios : sequence of float
        Shares of the absolute values in the penalty, all of them tried. Above 0 for
        two classes.
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
        Coefficients of every fold, the intercept last; n_classes lines instead of 1
        where there are three or more.
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

    __metadata_request__score: ClassVar[dict[str, str]] = {"sample_weight": UNUSED}
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

    def fit(self, X: Any, y: Any, sample_weight: Any = None, **params: Any) -> Self:
        """Fit all folds and penalties, and choose.

        Parameters
        ----------
        X : array, shape (n_rows, n_features)
            As in ``LogisticRegression.fit``.
        y : array, shape (n_rows,)
            Labels, of any type and any of these kinds.
        sample_weight : array, shape (n_rows,), optional
            Weights of the rows; 0 leaves a row out.
        params : optional
            What the splitter and the scorer request by scikit-learn's metadata routing,
            as ``groups`` for ``cv=GroupKFold()``; for data in memory.

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
        _raise_for_params(params, self, "fit")
        self._validate_params()
        refuse_parameters(self.get_params(deep=False))
        if self.solver == "lbfgs":
            raise ValueError(
                "solver='lbfgs' is not supported: folds share Hessians; use 'auto'"
            )
        Cs, l1_ratios = penalty_grid(self.Cs, self.l1_ratios)
        rules = [PenaltyRule(1 / C, "sum", r) for r, C in product(l1_ratios, Cs)]
        routed = self._routed("fit", sample_weight, params)
        if is_out_of_core(X):
            if params:
                raise ValueError(
                    "data that are not in memory are split and scored without "
                    f"{', '.join(params)}; dlogreg.cross_validate takes groups="
                )
            found, scores = self._read(X, y, sample_weight, rules)
        else:
            found, scores = self._split(X, y, sample_weight, rules, routed)
        first, refit = int(self.fit_intercept), self.refit
        self._take_chosen(Chosen.of(found, scores, Cs, l1_ratios, first, refit=refit))
        return self

    def get_metadata_routing(self) -> MetadataRouter:
        """Return what ``fit`` and ``score`` hand on to the splitter and the scorer.

        Returns
        -------
        MetadataRouter
            As of scikit-learn's LogisticRegressionCV.

        Examples
        --------
        >>> from dlogreg import LogisticRegressionCV
        >>> from sklearn.model_selection import GroupKFold
        >>> clf = LogisticRegressionCV(cv=GroupKFold(3))
        >>> clf.get_metadata_routing().consumes("fit", ["groups", "sizes"])
        {'groups'}
        """
        to_splitter = MethodMapping().add(caller="fit", callee="split")
        to_scorer = MethodMapping().add(caller="fit", callee="score")
        to_scorer.add(caller="score", callee="score")
        router = MetadataRouter(owner=self).add_self_request(self)
        router.add(splitter=self.cv, method_mapping=to_splitter)
        return router.add(scorer=self._scorer(), method_mapping=to_scorer)

    def score(self, X: Any, y: Any, sample_weight: Any = None, **params: Any) -> float:
        """Return the score by ``scoring``; of data that are not in memory, accuracy.

        Parameters
        ----------
        X : array, shape (n_rows, n_features)
            As in ``fit``.
        y : array, shape (n_rows,)
            Their labels.
        sample_weight : array, shape (n_rows,), optional
            Weights of the rows.
        params : optional
            What the scorer requests by scikit-learn's metadata routing.

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
        _raise_for_params(params, self, "score")
        routed = self._routed("score", sample_weight, params)
        if not is_out_of_core(X):
            return float(self._scorer()(self, X, y, **routed.scorer.score))
        name = self.scoring or "accuracy"
        if name != "accuracy" or params:
            raise ValueError(
                f"score() of data that are not in memory gives the accuracy alone, not "
                f"{name!r}; take dlogreg.evaluate"
            )
        return super().score(X, y, sample_weight)

    def _take_chosen(self, chosen: Chosen) -> None:
        """Set the attributes that scikit-learn promises."""
        params = chosen.params
        self.coef_ = params[:, : self.n_features_in_].copy()
        self.intercept_ = params[:, -1].copy()
        if not self.fit_intercept:
            self.intercept_ = np.zeros(len(params))
        self.error_bound_ = chosen.error_bound
        self.Cs_, self.l1_ratios_ = chosen.Cs, chosen.l1_ratios
        self.C_: Any = chosen.C
        self.l1_ratio_: Any = chosen.l1_ratio
        self.scores_: Any = chosen.scores
        self.n_iter_: Any = chosen.n_passes
        self.coefs_paths_: Any = chosen.paths
        if self.use_legacy_attributes:
            self._in_legacy_shapes(chosen)

    def _in_legacy_shapes(self, chosen: Chosen) -> None:
        lines = np.moveaxis(chosen.paths.swapaxes(1, 2), 3, 0)
        labels = self.classes_[-len(lines) :]
        self.C_ = np.full(len(lines), chosen.C)
        self.l1_ratio_ = np.full(len(lines), chosen.l1_ratio)
        self.scores_ = {label: chosen.scores.swapaxes(1, 2).copy() for label in labels}
        self.coefs_paths_ = dict(zip(labels, lines, strict=True))
        self.n_iter_ = chosen.n_passes.swapaxes(1, 2)[None]
