"""Fits every fold with every penalty, and scores them.

Data in memory are split and scored as scikit-learn does it; others in passes.
"""

from __future__ import annotations

from functools import partial
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.metrics import get_scorer
from sklearn.model_selection import check_cv
from sklearn.utils import Bunch, check_random_state
from sklearn.utils.metadata_routing import _routing_enabled, process_routing
from sklearn.utils.validation import _check_method_params, validate_data

from dlogreg.estimator.class_weights import resolve_class_weight
from dlogreg.estimator.linear_classifier import header
from dlogreg.estimator.logistic import LogisticRegression
from dlogreg.estimator.scorers import SCORES, with_labels
from dlogreg.estimator.words import InSklearnWords
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
"""By which the first pass learns at least."""


class FoldFits(LogisticRegression):
    """What LogisticRegressionCV fits before it chooses."""

    cv: Any
    scoring: Any

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

    def _scorer(self) -> Any:
        return get_scorer(self.scoring or "accuracy")

    def _routed(self, method: str, sample_weight: Any, params: dict[str, Any]) -> Bunch:
        """Return what the splitter and the scorer get: by default weights to score."""
        given = {} if sample_weight is None else {"sample_weight": sample_weight}
        if _routing_enabled():
            return process_routing(self, method, **given, **params)
        return Bunch(splitter=Bunch(split={}), scorer=Bunch(score=given))

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
        beside = {"sample_weight": weight, "groups": parts}
        source = open_source(X, codes, options, beside)
        weights = partial(resolve_class_weight, class_weight, codes, weight)
        found = self._fitted(source, options, rules, folding, weights, None)
        scorer = with_labels(self._scorer(), classes)
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
        given = (source, options, rules, folding, class_weight, score)
        with InSklearnWords():
            return fit_grid(*given, progress=self.verbose > 0)

    def _model_of(self, params: FloatArray, n_features: int) -> LogisticRegression:
        """Return what predicts by these lines of coefficients."""
        model = LogisticRegression(fit_intercept=self.fit_intercept)
        first = int(self.fit_intercept)
        model.classes_, model.n_features_in_ = self.classes_, n_features
        model.coef_ = params[:, first:]
        model.intercept_ = params[:, 0] if first else np.zeros(len(params))
        return model
