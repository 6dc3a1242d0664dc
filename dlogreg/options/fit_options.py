"""The options of a fit, and what follows from them once the data are known."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, TypedDict

from dlogreg.choice import Choice, choose_solver, hessian_fits
from dlogreg.errors import DataError
from dlogreg.evaluation import Label
from dlogreg.penalty import PenaltyRule


class KeptOptions(TypedDict):
    """Options that results keep, in their words."""

    tol: float
    weight_kind: str
    has_offset: bool
    firth: bool
    l1_ratio: float
    bounded: bool
    has_penalty_factor: bool


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

    def n_params(self, n_features: int) -> int:
        """Return the number of coefficients, intercepts included."""
        return self.n_equations * (n_features + self.fit_intercept)

    def for_columns(self, names: tuple[str, ...]) -> FitOptions:
        """Return the options for data with these columns."""
        penalty = self.penalty.resolved(names)
        return replace(self, feature_names=names, penalty=penalty)

    @property
    def kept(self) -> KeptOptions:
        """What results tell of the options."""
        penalty = self.penalty
        return {
            "tol": self.tol,
            "weight_kind": self.weight_kind,
            "has_offset": self.has_offset,
            "firth": self.firth,
            "l1_ratio": penalty.l1_ratio,
            "bounded": penalty.bounds is not None,
            "has_penalty_factor": penalty.factor is not None,
        }

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

    def may_go_on(self, solver: str, n_params: int) -> bool:
        """Tell whether Newton's method may go on where L-BFGS has ended."""
        return solver == "lbfgs" and hessian_fits(n_params)

    def check_n_classes(self, n_classes: int) -> None:
        """Refuse what is made for two classes where there are more."""
        if n_classes <= 2:
            return
        if self.firth:
            raise DataError(
                f"firth=True is for two classes only, and there are {n_classes}; leave "
                "it out"
            )
        penalty = self.penalty
        if penalty.composite or penalty.factor is not None:
            raise DataError(
                "l1_ratio > 0, penalty_factor and bounds are for two classes only so "
                f"far, and there are {n_classes}; take l1_ratio=0 and the same penalty "
                "on all columns, or fit one class against the others, y == label"
            )
        if self.has_holdout:
            raise DataError(
                f"holdout is for two classes only so far, and there are {n_classes}; "
                "fit the other rows, and score these with dlogreg.evaluate"
            )
        if self.has_groups:
            raise DataError(
                "groups are for cluster-robust standard errors, which there are for "
                f"two classes only so far, and there are {n_classes}; leave them out"
            )
        if self.has_offset:
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
