"""Options that do not go together, or that one of them makes meaningless."""

from __future__ import annotations

from collections.abc import Set
from typing import Any

from dlogreg.inference.sandwich import check_kind
from dlogreg.options.fit_options import FitOptions
from dlogreg.penalty import PenaltyRule
from dlogreg.scalars import is_number
from dlogreg.trials import FAILURE, SUCCESS


def check_by(
    given: Set[str],
    penalty: PenaltyRule,
    solver: str,
    start: Any,
    cov_type: str | None,
    weight_kind: str,
    firth: object,
    checkpoint: Any,
) -> None:
    """Refuse what by-group models do not do, rather than leave it out."""
    if cov_type is not None:
        check_kind("cov_type", cov_type)
    refused = {
        "groups": "groups" in given,
        "trials": "trials" in given,
        "holdout": "holdout" in given,
        "l1_ratio > 0": penalty.l1_ratio != 0,
        "bounds": penalty.bounds is not None,
        "firth=True": firth is not False,
        "solver='lbfgs'": solver == "lbfgs",
        "start": start is not None,
        f"cov_type={cov_type!r}": cov_type not in (None, "model"),
        "weight_kind='probability'": weight_kind == "probability",
        "checkpoint": checkpoint is not None,
    }
    for option, is_given in refused.items():
        if is_given:
            raise ValueError(
                f"{option} is not available with by=; leave it out, or fit the groups "
                "that need it by themselves, each from its own rows"
            )


def check_firth(options: FitOptions) -> None:
    """Refuse bias reduction with what it does not go with."""
    if not options.firth:
        return
    penalty, of_model = options.penalty, "its standard errors are those of the model"
    refused = (
        ("alpha", penalty.alpha != 0, "it is a penalty of its own; take alpha=0"),
        ("bounds", penalty.bounds is not None, "it has no solver within bounds"),
        (
            "solver='lbfgs'",
            options.solver == "lbfgs",
            "it needs the Hessian, which L-BFGS does not form",
        ),
        (
            "weight_kind='probability'",
            options.weight_kind == "probability",
            "such weights make no likelihood",
        ),
        ("groups", options.has_groups, of_model),
        (f"cov_type={options.cov_type!r}", options.cov_type != "model", of_model),
    )
    for option, is_given, reason in refused:
        if is_given:
            raise ValueError(f"firth=True does not go with {option}: {reason}")


def kind_of_errors(
    cov_type: str | None,
    penalty: PenaltyRule,
    weight_kind: str,
    *,
    inference: bool,
    has_groups: bool,
) -> str:
    """Return the kind of standard errors: that which was asked for, or which suits."""
    if cov_type is None:
        robust = weight_kind == "probability" and inference and not penalty
        cov_type = "cluster" if has_groups else "HC1" if robust else "model"
    _check_robust(cov_type, penalty, inference=inference, has_groups=has_groups)
    return cov_type


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


def check_penalty(penalty: PenaltyRule) -> None:
    """Refuse parts of a penalty that mean nothing, or would do nothing."""
    if not (is_number(penalty.alpha) and penalty.alpha >= 0):
        raise ValueError(
            f"alpha must be a finite number and not negative, not {penalty.alpha!r}"
        )
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


def check_trials(classes: Any, weight_kind: str, missing: str) -> None:
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
