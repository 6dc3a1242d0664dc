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
from sklearn.utils import Bunch, check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.metadata_routing import (
    UNUSED,
    MetadataRouter,
    MethodMapping,
    _raise_for_params,
    _routing_enabled,
    process_routing,
)
from sklearn.utils.validation import _check_method_params, validate_data

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
        Cs, l1_ratios = self._grid()
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
        self._choose(found, scores, Cs, l1_ratios)
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

    def _scorer(self) -> Any:
        return get_scorer(self.scoring or "accuracy")

    def _routed(self, method: str, sample_weight: Any, params: dict[str, Any]) -> Bunch:
        """Return what the splitter and the scorer get: by default weights to score."""
        given = {} if sample_weight is None else {"sample_weight": sample_weight}
        if _routing_enabled():
            return process_routing(self, method, **given, **params)
        return Bunch(splitter=Bunch(split={}), scorer=Bunch(score=given))

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
        self,
        X: Any,
        y: Any,
        sample_weight: Any,
        rules: list[PenaltyRule],
        routed: Bunch,
    ) -> tuple[ChosenGrid, FloatArray]:
        """Fit data in memory; return scores, (n_folds, n_rules)."""
        X, codes, classes, (weight, class_weight) = self._encode(X, y, sample_weight)
        self.classes_, y = classes, classes[codes.astype(int)]
        if isinstance(self.cv, list | tuple):
            check_pairs(self.cv)
        splitter = check_cv(self.cv, y, classifier=True)
        splits = list(splitter.split(X, y, **routed.splitter.split))
        folding, parts = given_folds(splits, len(y))
        options = self._options(rules)
        source = open_source(
            X, codes, options, {"sample_weight": weight, "groups": parts}
        )
        weights = partial(resolve_class_weight, class_weight, codes, weight)
        found = self._fitted(source, options, rules, folding, weights, None)
        scorer = _with_labels(self._scorer(), classes)
        scores = np.empty((len(splits), len(rules)))
        for fold, (_, test) in enumerate(splits):
            given = _check_method_params(X, routed.scorer.score, test)
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
                raise type(error)(in_sklearn_words(error)) from error
        for warning in caught:
            category = warning.category
            if category is ConvergenceWarning:
                category = SklearnConvergenceWarning
            warnings.warn(in_sklearn_words(warning.message), category, stacklevel=4)
        return found

    def _model_of(self, params: FloatArray, n_features: int) -> LogisticRegression:
        """Return what predicts by these lines of coefficients."""
        model = LogisticRegression(fit_intercept=self.fit_intercept)
        first = int(self.fit_intercept)
        model.classes_, model.n_features_in_ = self.classes_, n_features
        model.coef_ = params[:, first:]
        model.intercept_ = params[:, 0] if first else np.zeros(len(params))
        return model

    def _choose(
        self, found: ChosenGrid, scores: FloatArray, Cs: FloatArray, ratios: FloatArray
    ) -> None:
        """Choose the penalty and set the attributes that scikit-learn promises."""
        n_folds, first = len(scores), int(self.fit_intercept)
        table = scores.reshape(n_folds, len(ratios), len(Cs))
        params = np.roll(found.params, -first, axis=3)  # the intercept last
        shape = (n_folds, len(ratios), len(Cs))
        paths = params[:-1].reshape(*shape, *params.shape[2:])
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
        self.coef_ = chosen[:, :n_features].copy()
        self.intercept_ = chosen[:, -1].copy() if first else np.zeros(len(chosen))
        self.Cs_, self.l1_ratios_ = Cs, ratios
        n_iter = found.n_passes[:-1].reshape(shape).astype(np.int32)
        self.C_: Any = float(C)
        self.l1_ratio_: Any = float(l1_ratio)
        self.scores_: Any = table
        self.n_iter_: Any = n_iter
        self.coefs_paths_: Any = paths
        if self.use_legacy_attributes:
            self._in_legacy_shapes(table, paths, n_iter)

    def _in_legacy_shapes(
        self, scores: FloatArray, paths: FloatArray, n_iter: Any
    ) -> None:
        lines = np.moveaxis(paths.swapaxes(1, 2), 3, 0)
        labels = self.classes_[-len(lines) :]
        self.C_ = np.full(len(lines), self.C_)
        self.l1_ratio_ = np.full(len(lines), self.l1_ratio_)
        self.scores_ = {label: scores.swapaxes(1, 2).copy() for label in labels}
        self.coefs_paths_ = dict(zip(labels, lines, strict=True))
        self.n_iter_ = n_iter.swapaxes(1, 2)[None]


def _numbers(given: Any) -> FloatArray:
    """Return an array, of nothing where these are no numbers."""
    try:
        return np.array(given, dtype=float)
    except (TypeError, ValueError):
        return np.empty(0)


def _with_labels(scorer: Any, classes: Any) -> Any:
    """Return the scorer knowing all classes, of which a fold may lack some."""
    function = getattr(scorer, "_score_func", None)
    known = inspect.signature(function).parameters if function else ()
    if "labels" not in known:
        return scorer
    binary = len(classes) == 2 and "pos_label" in known
    given = {"pos_label": classes[-1]} if binary else {}
    given |= scorer._kwargs
    return make_scorer(
        function,
        greater_is_better=scorer._sign == 1,
        response_method=scorer._response_method,
        labels=classes,
        **given,
    )
