"""LogisticRegressionCV: scikit-learn's face of cross-validated penalties."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import product
from numbers import Integral
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.exceptions import ConvergenceWarning as SklearnConvergenceWarning
from sklearn.metrics import get_scorer, get_scorer_names, make_scorer
from sklearn.model_selection import check_cv
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import validate_data

from dlogreg.errors import ConvergenceWarning, DataError
from dlogreg.estimator import LogisticRegression
from dlogreg.estimator.class_weights import resolve_class_weight
from dlogreg.estimator.linear_classifier import header, is_out_of_core
from dlogreg.estimator.parameters import in_sklearn_words, refuse_parameters
from dlogreg.evaluation import FloatArray
from dlogreg.kernel.parts import RandomParts
from dlogreg.options import FitOptions, check_options
from dlogreg.penalty import PenaltyRule
from dlogreg.pipeline import open_source
from dlogreg.prediction import label_array
from dlogreg.selection.chosen_grid import ChosenGrid, fit_grid
from dlogreg.selection.folding import Folding, check_pairs, given_folds
from dlogreg.source import Source

LEAST_RIDGE = 1e-6
SCORES = {
    "accuracy": ("accuracy", 1),
    "neg_log_loss": ("log_loss", -1),
    "neg_brier_score": ("brier", -1),
    "roc_auc": ("auc", 1),
}
"""Scores that are found in passes: their names here, and whether more is better."""


class LogisticRegressionCV(LogisticRegression):
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
        Cs, l1_ratios = self._grid()
        rules = [PenaltyRule(1 / C, "sum", r) for r, C in product(l1_ratios, Cs)]
        if is_out_of_core(X):
            found, scores = self._read(X, y, sample_weight, rules)
        else:
            found, scores = self._split(X, y, sample_weight, rules)
        self._choose(found, scores, Cs, l1_ratios)
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

    def _grid(self) -> tuple[FloatArray, FloatArray]:
        """Return the values of C and l1_ratio."""
        given: Any = self.Cs
        whole = isinstance(given, Integral)
        Cs = np.logspace(-4, 4, given) if whole else _numbers(given)
        l1_ratios = _numbers(self.l1_ratios)
        if Cs.ndim != 1 or not len(Cs) or not (Cs > 0).all():
            raise ValueError(f"Cs must be positive numbers, not {self.Cs!r}")
        within = ((l1_ratios >= 0) & (l1_ratios <= 1)).all()
        if l1_ratios.ndim != 1 or not len(l1_ratios) or not within:
            raise ValueError(
                "l1_ratios must be an array-like of numbers between 0 and 1, not "
                f"{self.l1_ratios!r}"
            )
        return Cs, l1_ratios

    def _read(
        self, X: Any, y: Any, sample_weight: Any, rules: list[PenaltyRule]
    ) -> tuple[ChosenGrid, FloatArray]:
        """Fit data that are read in passes; return scores, (n_folds, n_rules)."""
        n_folds, name = 5 if self.cv is None else self.cv, self.scoring or "accuracy"
        if not isinstance(n_folds, Integral) or n_folds < 2:
            raise ValueError(
                "data that are not in memory are split at random: cv must be a number "
                f"of folds of at least 2, not {self.cv!r}; dlogreg.cross_validate has "
                "other folds"
            )
        if name not in SCORES:
            known = ", ".join(map(repr, SCORES))
            raise ValueError(
                f"data that are not in memory are scored by {known}, not by {name!r}"
            )
        validate_data(self, header(X), y, skip_check_array=True)
        folding = Folding.leaving_out(RandomParts(int(n_folds), self._seed()))
        options = self._options(rules)
        own, sign = SCORES[name]
        source = open_source(X, y, options, {"sample_weight": sample_weight})
        weights = partial(resolve_class_weight, self.class_weight, y, sample_weight)
        found = self._fitted(source, options, rules, folding, weights, own)
        self.classes_ = label_array(found.classes)
        assert found.scores is not None
        return found, sign * found.scores.T

    def _seed(self) -> int:
        """Return the seed of folds by hash, drawn where a generator was given."""
        given = self.random_state
        if given is None or isinstance(given, Integral):
            return int(given or 0)
        return int(check_random_state(given).randint(2**31 - 1))

    def _split(
        self, X: Any, y: Any, sample_weight: Any, rules: list[PenaltyRule]
    ) -> tuple[ChosenGrid, FloatArray]:
        """Fit data in memory; return scores, (n_folds, n_rules)."""
        labels = y
        X, event, classes, (weight, class_weight) = self._encode(X, y, sample_weight)
        if len(classes) > 2:
            kind = type_of_target(labels, input_name="y")
            raise ValueError(
                "Only binary classification is supported. The type of the target is "
                f"{kind}; take one class against the others, y == label, or "
                "LogisticRegression, which fits all classes together."
            )
        self.classes_, y = classes, classes[event.astype(int)]
        if isinstance(self.cv, list | tuple):
            check_pairs(self.cv)
        splits = list(check_cv(self.cv, y, classifier=True).split(X, y))
        folding, codes = given_folds(splits, len(y))
        options = self._options(rules)
        source = open_source(
            X, event, options, {"sample_weight": weight, "groups": codes}
        )
        weights = partial(resolve_class_weight, class_weight, event, weight)
        found = self._fitted(source, options, rules, folding, weights, None)
        scorer = _with_labels(get_scorer(self.scoring or "accuracy"), classes)
        scores = np.empty((len(splits), len(rules)))
        for fold, (_, test) in enumerate(splits):
            given = {} if weight is None else {"sample_weight": weight[test]}
            for i, params in enumerate(found.params[fold]):
                model = self._model_of(params, X.shape[1])
                scores[fold, i] = scorer(model, X[test], y[test], **given)
        return found, scores

    def _options(self, rules: list[PenaltyRule]) -> FitOptions:
        weakest = min((1 - rule.l1_ratio) * rule.alpha for rule in rules)
        return check_options(
            penalty=PenaltyRule(max(weakest, LEAST_RIDGE), "sum"),
            fit_intercept=self.fit_intercept,
            feature_names=getattr(self, "feature_names_in_", None),
            solver="newton",
            tol=self.tol,
            max_passes=self.max_iter,
            inference=False,
        )

    def _fitted(
        self,
        source: Source,
        options: FitOptions,
        rules: list[PenaltyRule],
        folding: Folding,
        class_weight: Any,
        score: str | None,
    ) -> ChosenGrid:
        """Run the fits; say what they have to say in scikit-learn's words."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", ConvergenceWarning)
            rest = (folding, class_weight, score)
            try:
                found = fit_grid(
                    source, options, rules, *rest, progress=self.verbose > 0
                )
            except DataError as error:
                raise DataError(in_sklearn_words(error)) from error
        for warning in caught:
            category = warning.category
            if category is ConvergenceWarning:
                category = SklearnConvergenceWarning
            warnings.warn(in_sklearn_words(warning.message), category, stacklevel=4)
        return found

    def _model_of(self, params: FloatArray, n_features: int) -> LogisticRegression:
        """Return what predicts by these coefficients."""
        model = LogisticRegression(fit_intercept=self.fit_intercept)
        first = int(self.fit_intercept)
        model.classes_, model.n_features_in_ = self.classes_, n_features
        model.coef_ = params[None, first:]
        model.intercept_ = params[:1] if first else np.zeros(1)
        return model

    def _choose(
        self, found: ChosenGrid, scores: FloatArray, Cs: FloatArray, ratios: FloatArray
    ) -> None:
        """Choose the penalty and set the attributes that scikit-learn promises."""
        n_folds, first = len(scores), int(self.fit_intercept)
        table = scores.reshape(n_folds, len(ratios), len(Cs))
        params = np.roll(found.params, -first, axis=2)  # the intercept last
        shape = (n_folds, len(ratios), len(Cs))
        paths = params[:-1].reshape(*shape, -1)
        by_C = table.swapaxes(1, 2).reshape(n_folds, -1)  # ties go to the first C
        if self.refit:
            place, ratio = np.unravel_index(by_C.sum(axis=0).argmax(), shape[:0:-1])
            best = int(ratio) * len(Cs) + int(place)
            chosen, C, l1_ratio = params[-1, best], Cs[place], ratios[ratio]
            self.error_bound_ = float(found.error_bounds[-1, best])
        else:
            place, ratio = np.unravel_index(by_C.argmax(axis=1), shape[:0:-1])
            chosen = paths[np.arange(n_folds), ratio, place].mean(axis=0)
            C, l1_ratio = Cs[place].mean(), ratios[ratio].mean()
            self.error_bound_ = float("nan")
        n_features = self.n_features_in_
        self.coef_ = chosen[None, :n_features].copy()
        self.intercept_ = chosen[n_features:].copy() if first else np.zeros(1)
        self.Cs_, self.l1_ratios_ = Cs, ratios
        n_iter = found.n_passes[:-1].reshape(shape).astype(np.int32)
        self.C_: Any = float(C)
        self.l1_ratio_: Any = float(l1_ratio)
        self.scores_: Any = table
        self.n_iter_: Any = n_iter
        self.coefs_paths_: Any = paths[:, :, :, None, :]
        if self.use_legacy_attributes:
            self._in_legacy_shapes(table, paths, n_iter)

    def _in_legacy_shapes(
        self, scores: FloatArray, paths: FloatArray, n_iter: Any
    ) -> None:
        event = self.classes_[-1]
        self.C_, self.l1_ratio_ = np.array([self.C_]), np.array([self.l1_ratio_])
        self.scores_ = {event: scores.swapaxes(1, 2)}
        self.coefs_paths_ = {event: paths.swapaxes(1, 2)}
        self.n_iter_ = n_iter.swapaxes(1, 2)[None]


def _numbers(given: Any) -> FloatArray:
    """Return an array, of nothing where these are no numbers."""
    try:
        return np.array(given, dtype=float)
    except (TypeError, ValueError):
        return np.empty(0)


def _with_labels(scorer: Any, classes: Any) -> Any:
    """Return the scorer knowing both classes, of which a fold may lack one."""
    function = getattr(scorer, "_score_func", None)
    known = inspect.signature(function).parameters if function else ()
    if "labels" not in known:
        return scorer
    given = {"pos_label": classes[-1]} if "pos_label" in known else {}
    given |= scorer._kwargs
    return make_scorer(
        function,
        greater_is_better=scorer._sign == 1,
        response_method=scorer._response_method,
        labels=classes,
        **given,
    )
