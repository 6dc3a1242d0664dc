"""The options of a fit, checked before any data are read."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from dask.utils import parse_bytes

from dlogreg.choice import Choice, choose_solver, hessian_fits
from dlogreg.errors import DataError
from dlogreg.evaluation import FloatArray, Label
from dlogreg.inference.sandwich import check_kind
from dlogreg.missing import check_missing_option
from dlogreg.penalty import PenaltyRule
from dlogreg.scalars import is_number
from dlogreg.trials import FAILURE, SUCCESS


@dataclass(frozen=True, slots=True, eq=False)
class FitOptions:
    """Validated options of ``fit``; see there for their meaning."""

    classes: tuple[Label, ...] | None = None
    penalty: PenaltyRule = field(default_factory=PenaltyRule)
    fit_intercept: bool = True
    feature_names: tuple[str, ...] | None = None
    solver: str = "auto"
    tol: float = 1e-4
    max_passes: int = 100
    start: Any = None
    inference: bool = True
    memory_limit: int | None = None
    class_weight: Any = None
    """None, "balanced" or a mapping of labels to weights (scikit-learn's face)."""
    cov_type: str = "model"
    weight_kind: str = "frequency"
    has_offset: bool = False
    """Whether the rows have offsets."""
    has_groups: bool = False
    """Whether the rows are in groups, for cluster-robust errors."""
    missing: str = "raise"
    """What to do with rows that have a missing value: "raise" or "drop"."""
    firth: bool = False
    has_holdout: bool = False
    """Whether some rows are held out of the fit."""

    @property
    def n_equations(self) -> int:
        """Linear predictors of a model with the given classes; one if none are."""
        return 1 if self.classes is None else len(self.classes) - 1

    def for_columns(self, names: tuple[str, ...]) -> FitOptions:
        """Return the options for data with these columns."""
        penalty = self.penalty.resolved(names)
        return replace(self, feature_names=names, penalty=penalty)

    def choice(
        self,
        n_rows: int | None,
        n_params: int,
        itemsize: int,
        row_values: float | None = None,
    ) -> Choice:
        """Return the solver that was asked for, or the one that suits the data."""
        if self.firth:
            return self._choice_of_firth(n_params)
        if self.penalty.composite:
            return self._choice_with_kinks(n_params)
        if self.solver != "auto":
            return Choice(self.solver, "as asked for")
        return choose_solver(n_rows, n_params, itemsize, row_values)

    def _choice_with_kinks(self, n_params: int) -> Choice:
        """Return proximal Newton, on working sets where there are too many columns."""
        if self.solver == "lbfgs":
            raise ValueError(
                "solver='lbfgs' is for smooth penalties, and l1_ratio > 0 and bounds "
                "are not; leave solver out, which takes proximal Newton"
            )
        if self.solver == "newton" or hessian_fits(n_params):
            return Choice("newton", "the absolute values and bounds need the Hessian")
        return Choice(
            "working-set",
            f"the Hessian of {n_params:,} coefficients is too large, that of those "
            "that are not 0 need not be",
        )

    def _choice_of_firth(self, n_params: int) -> Choice:
        """Return Newton's method, for which bias reduction is made, or refuse."""
        if self.solver == "auto" and not hessian_fits(n_params):
            raise ValueError(
                f"firth=True needs the Hessian of {n_params:,} coefficients in every "
                "pass, which is too large to be formed; leave columns out, or give "
                "solver='newton' if memory allows"
            )
        return Choice("newton", "bias reduction needs the Hessian")

    def ends_with_hessian(self, solver: str, n_params: int) -> bool:
        """Tell whether some pass forms the Hessian, if only for standard errors."""
        if solver == "newton":
            return True
        return self.inference and not self.penalty and hessian_fits(n_params)

    def check_n_classes(self, n_classes: int) -> None:
        """Refuse what is made for two classes where there are more."""
        if n_classes > 2 and self.firth:
            raise DataError(
                f"firth=True is for two classes only, and there are {n_classes}; leave "
                "it out"
            )
        penalty = self.penalty
        if n_classes > 2 and (penalty.composite or penalty.factor is not None):
            raise DataError(
                "l1_ratio > 0, penalty_factor and bounds are for two classes only so "
                f"far, and there are {n_classes}; take l1_ratio=0 and the same penalty "
                "on all columns, or fit one class against the others, y == label"
            )
        if n_classes > 2 and self.has_holdout:
            raise DataError(
                f"holdout is for two classes only so far, and there are {n_classes}; "
                "fit the other rows, and score these with dlogreg.evaluate"
            )
        if n_classes > 2 and self.has_groups:
            raise DataError(
                "groups are for cluster-robust standard errors, which there are for "
                f"two classes only so far, and there are {n_classes}; leave them out"
            )
        if n_classes > 2 and self.has_offset:
            raise DataError(
                f"offset is for two classes only, and there are {n_classes}: with more "
                "every class would need an offset of its own; leave it out, or fit two "
                "of the classes"
            )

    def check_robust(self, solver: str, n_params: int) -> None:
        """Refuse robust standard errors where no Hessian is formed."""
        asked = self.cov_type != "model" and self.weight_kind != "probability"
        if self.has_groups and not self.ends_with_hessian(solver, n_params):
            raise ValueError(
                "groups are for cluster-robust standard errors, which need the "
                f"Hessian, and L-BFGS does not form it for {n_params:,} coefficients; "
                "fit with solver='newton' if memory allows, or leave groups out"
            )
        if asked and not self.ends_with_hessian(solver, n_params):
            raise ValueError(
                f"cov_type={self.cov_type!r} needs the Hessian, which L-BFGS does not "
                f"form for {n_params:,} coefficients; fit with solver='newton' if "
                "memory allows, or leave cov_type out"
            )


def check_options(
    *,
    classes: Sequence[Label] | None,
    penalty: PenaltyRule,
    fit_intercept: bool,
    feature_names: Sequence[str] | None,
    solver: str,
    tol: float,
    max_passes: int,
    start: Any,
    inference: bool,
    memory_limit: int | str | None,
    class_weight: Any = None,
    cov_type: str | None = "model",
    weight_kind: str = "frequency",
    has_offset: bool = False,
    has_groups: bool = False,
    has_trials: bool = False,
    has_holdout: bool = False,
    missing: str = "raise",
    firth: bool = False,
) -> FitOptions:
    """Return the options, or raise with what is wrong."""
    if has_trials:
        _check_trials(classes, weight_kind, missing)
    if solver not in ("auto", "newton", "lbfgs"):
        raise ValueError(f"solver must be 'auto', 'newton' or 'lbfgs', not {solver!r}")
    if not (is_number(penalty.alpha) and penalty.alpha >= 0):
        raise ValueError(
            f"alpha must be a finite number and not negative, not {penalty.alpha!r}"
        )
    _check_penalty(penalty)
    if not (is_number(tol) and tol > 0):
        raise ValueError(
            f"tol must be a positive number (of standard errors), not {tol!r}"
        )
    inference = check_flag("inference", inference)
    if cov_type is None:
        robust = weight_kind == "probability" and inference and not penalty
        cov_type = "cluster" if has_groups else "HC1" if robust else "model"
    _check_robust(cov_type, penalty, inference=inference, has_groups=has_groups)
    least = 1 + (inference or has_offset)  # which the first pass cannot evaluate
    if not (is_number(max_passes) and max_passes == int(max_passes) >= least):
        raise ValueError(
            f"max_passes must be a whole number of at least {least}, not {max_passes!r}"
        )
    options = FitOptions(
        None if classes is None else _class_order(classes),
        penalty,
        check_flag("fit_intercept", fit_intercept),
        None if feature_names is None else _names(feature_names),
        solver,
        float(tol),
        int(max_passes),
        None if start is None else _start(start),
        inference,
        None if memory_limit is None else _bytes(memory_limit),
        class_weight,
        cov_type,
        weight_kind,
        has_offset,
        has_groups,
        check_missing_option(missing),
        check_firth(
            firth, penalty, solver, cov_type, weight_kind, has_groups=has_groups
        ),
        has_holdout,
    )
    options.check_n_classes(options.n_equations + 1)
    return options


def check_firth(
    firth: bool,
    penalty: PenaltyRule,
    solver: str,
    cov_type: str,
    weight_kind: str,
    *,
    has_groups: bool,
) -> bool:
    """Return the flag, or raise where bias reduction does not go with the rest."""
    if not check_flag("firth", firth):
        return False
    of_model = "its standard errors are those of the model"
    refused = (
        ("alpha", penalty.alpha != 0, "it is a penalty of its own; take alpha=0"),
        ("bounds", penalty.bounds is not None, "it has no solver within bounds"),
        (
            "solver='lbfgs'",
            solver == "lbfgs",
            "it needs the Hessian, which L-BFGS does not form",
        ),
        (
            "weight_kind='probability'",
            weight_kind == "probability",
            "such weights make no likelihood",
        ),
        ("groups", has_groups, of_model),
        (f"cov_type={cov_type!r}", cov_type != "model", of_model),
    )
    for option, is_given, reason in refused:
        if is_given:
            raise ValueError(f"firth=True does not go with {option}: {reason}")
    return True


def _check_robust(
    cov_type: str, penalty: PenaltyRule, *, inference: bool, has_groups: bool
) -> None:
    """Refuse to be asked for robust standard errors of a fit that gives none."""
    check_kind("cov_type", cov_type)
    if cov_type == "cluster" and not has_groups:
        raise ValueError(
            "cov_type='cluster' needs groups=, the group of every row; give it, or "
            "take cov_type='HC1'"
        )
    if inference and not penalty:
        return
    if cov_type == "model" and not has_groups:
        return
    advice, given = "alpha=0", "a penalty"
    if penalty.alpha == 0:
        bounded = penalty.bounds is not None
        advice = "no bounds" if bounded else "inference=True"
        given = "bounds" if bounded else "inference=False"
    option = "groups" if has_groups else f"cov_type={cov_type!r}"
    raise ValueError(
        f"{option} asks for standard errors, and a fit with {given} has none; fit with "
        f"{advice}, or leave {option.partition('=')[0]} out"
    )


def _check_penalty(penalty: PenaltyRule) -> None:
    """Refuse parts of a penalty that mean nothing, or would do nothing."""
    ratio = penalty.l1_ratio
    if not (is_number(ratio) and 0 <= ratio <= 1):
        raise ValueError(f"l1_ratio must be a number from 0 to 1, not {ratio!r}")
    for option, given in (
        ("l1_ratio", ratio > 0),
        ("penalty_factor", penalty.factor is not None),
    ):
        if given and penalty.alpha == 0:
            raise ValueError(
                f"{option} does nothing without a penalty; give alpha > 0, or leave "
                f"{option} out"
            )


def _check_trials(classes: Any, weight_kind: str, missing: str) -> None:
    """Refuse what means nothing where y counts successes."""
    if weight_kind != "frequency":
        raise ValueError(
            f"trials= counts rows that are alike, as frequency weights do, and cannot "
            f"go with weight_kind={weight_kind!r}; give one row for every trial"
        )
    if missing == "drop":
        raise ValueError(
            "with trials= no rows are left out: a count that is missing is an error; "
            "give such rows 0 trials, or leave them out before the fit"
        )
    if classes is not None and tuple(classes) != (FAILURE, SUCCESS):
        raise ValueError(
            f"with trials= the classes are ({FAILURE}, {SUCCESS}), failure and "
            f"success, not {classes!r}; leave classes out"
        )


def check_flag(name: str, value: object) -> bool:
    """Return True or False; text such as "False" would count as true."""
    if not isinstance(value, bool | np.bool_):
        raise ValueError(f"{name} must be True or False, not {value!r}")
    return bool(value)


def _class_order(classes: Any) -> tuple[Label, ...]:
    """Return the labels in order; it matters, so a set will not do."""
    ordered = hasattr(classes, "__getitem__") and not isinstance(classes, str | dict)
    labels = tuple(classes) if ordered else ()
    hashable = all(isinstance(label, Hashable) for label in labels)
    if not hashable or len(set(labels)) != len(labels) or len(labels) < 2:
        raise ValueError(
            "classes must be different labels in order, (other, event) or three or "
            f"more with the reference first, not {classes!r}"
        )
    return labels


def _names(feature_names: Any) -> tuple[str, ...]:
    if isinstance(feature_names, str) or not np.iterable(feature_names):
        raise ValueError(
            f"feature_names must be a list of names, one per column, not "
            f"{feature_names!r}"
        )
    return tuple(map(str, feature_names))


def _start(start: Any) -> FloatArray:
    try:
        return np.array(start, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(
            "start must be numbers, one per coefficient and intercept first, not "
            f"{start!r}"
        ) from error


def _bytes(memory_limit: Any) -> int:
    limit = memory_limit
    if isinstance(limit, str) and limit.strip():  # dask takes "" for one byte
        with suppress(ValueError):
            limit = parse_bytes(limit)
    if not (is_number(limit) and limit > 0):
        raise ValueError(
            "memory_limit must be a positive number of bytes, or text such as "
            f"'500 MB' or '2 GB', not {memory_limit!r}"
        )
    return int(limit)
