"""What the results of every model hold: sums, coefficients and what they cost."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from dlogreg.display import Trace
from dlogreg.display.reporting import Reporting
from dlogreg.evaluation import FloatArray, Label, PassRecord
from dlogreg.exchange import Exchange
from dlogreg.inference.likelihoods import Likelihoods
from dlogreg.kernel.closing_sums import ColumnSums
from dlogreg.kernel.scores import ScoreSums
from dlogreg.numbered_names import with_intercept
from dlogreg.solvers import Status
from dlogreg.storage import write_model

if TYPE_CHECKING:
    from dlogreg.formula.recipe import Recipe

CERTAIN = 1e3
"""How far predictors of separated rows are moved to the right side for predictions:
their probabilities then round to 0 and 1."""


@dataclass(frozen=True, eq=False, repr=False)
class FittedModel(Likelihoods, Exchange, Reporting):
    """Coefficients, their covariance, and what the fit cost; holds no data."""

    feature_names: tuple[str, ...]
    classes: tuple[Label, ...]
    class_counts: Mapping[Label, int]
    """Rows of every class."""
    fit_intercept: bool
    coefficients: FloatArray
    """All coefficients, the intercept first: a vector, or a line for every class."""
    covariance: FloatArray | None
    """Inverse of the Hessian of the summed loss; None if no closing pass was made."""
    llf: float
    """Log-likelihood, without any penalty term."""
    llnull: float
    """Log-likelihood of the model with an intercept alone, beside any offset."""
    nobs: float
    """Number of rows; with frequency weights their sum."""
    n_rows: int
    """Number of rows with a positive weight."""
    alpha: float
    """Strength of the penalty on the mean loss."""
    status: Status
    error_bound: float
    """Proven distance from the exact optimum, in standard errors."""
    bse_error_bound: float
    """Proven relative error of the standard errors of kind ``cov_type``."""
    tol: float
    solver: str
    n_passes: int
    """Times that all data were read, the closing pass included, the pilot not."""
    bytes_read: int
    """Decoded bytes of all blocks that were loaded."""
    peak_memory: int
    """Largest resident set of any process that took part, in bytes."""
    trace: tuple[PassRecord, ...] = ()
    """What each pass did and cost; a ``Trace``, which shows itself as a table."""
    separated: tuple[str, ...] = ()
    """Columns whose coefficients have no finite optimum."""
    separation: str = ""
    """"complete" where every row is predicted for certain, "quasi-complete" where only
    some are, by proof; empty if there is none, or no proof."""
    limit_coefficients: FloatArray | None = None
    """Where the classes are separated, coefficients of the rows that are not predicted
    for certain; in finite numbers, 0 for columns that say nothing about these rows."""
    limit_direction: FloatArray | None = None
    """Along it from there the likelihood grows to its limit: each row whose predictor
    it moves is moved to the right side, by 1 or more. Shape (n_params,)."""
    limit_error_bound: float = float("nan")
    """The error bound of the coefficients that stay finite."""
    dropped: Mapping[str, str] = field(default_factory=dict)
    """Aliased columns, with the reason."""
    why_no_inference: str = ""
    """Reason why there is no covariance; empty if there is one."""
    robust_covariance: FloatArray | None = None
    """The sandwich HC0; None without a closing pass, and for three or more classes."""
    cluster_covariance: FloatArray | None = None
    """The sandwich of scores by group, without its factor; None without groups."""
    n_groups: int = 0
    """Number of groups; 0 where none were given."""
    cov_type: str = "model"
    """Kind of ``bse``, intervals, Wald tests: "model", "HC0", "HC1" or "cluster"."""
    weight_kind: str = "frequency"
    """What weights meant: "frequency", "probability" or "analytic"."""
    has_offset: bool = False
    """Whether rows had offsets, which predictions then need too."""
    scores: ScoreSums | None = field(default=None, compare=False)
    """Scores of the rows by bins, as the closing pass found them; never saved, because
    the scores of few rows can be told apart. None without such a pass."""
    column_sums: ColumnSums | None = None
    """What that pass summed of the columns, as they were given."""
    indicators: tuple[str, ...] | None = None
    """Columns of nothing but 0 and 1; None where that is not known."""
    n_dropped: int = 0
    """Rows left out because a value was missing."""
    recipe: Recipe | None = None
    """How rows of a table become rows of the design, after ``fit_formula``."""

    firth: bool = False
    """Whether the bias was reduced by Firth's penalty."""
    l1_ratio: float = 0.0
    """Share of the absolute values in the penalty: 0 ridge, 1 lasso."""
    bounded: bool = False
    """Whether coefficients were held within bounds."""
    has_penalty_factor: bool = False
    """Whether the penalty was not the same in all columns."""

    def __post_init__(self) -> None:
        """Make the arrays read-only, and covariances symmetric to the last bit."""
        object.__setattr__(self, "trace", Trace(self.trace))
        coefficients = np.array(self.coefficients, dtype=np.float64)
        coefficients.flags.writeable = False
        object.__setattr__(self, "coefficients", coefficients)
        for name in ("covariance", "robust_covariance", "cluster_covariance"):
            given = getattr(self, name)
            if given is not None:
                symmetric = np.tril(given) + np.tril(given, -1).T
                symmetric.flags.writeable = False
                object.__setattr__(self, name, symmetric)
        for name in ("limit_coefficients", "limit_direction"):
            given = getattr(self, name)
            if given is not None:
                values = np.array(given, dtype=np.float64)
                values.flags.writeable = False
                object.__setattr__(self, name, values)

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write the results to a JSON file, which ``dlogreg.load`` reads.

        The file appears whole or not at all, and only its owner may read it.

        Parameters
        ----------
        path : str or path
            File to write; its directory must exist.
        overwrite : bool
            Replace a file that exists, instead of raising FileExistsError.

        Examples
        --------
        >>> import dlogreg, pathlib, tempfile
        >>> X, y = [[0.0], [1.0], [2.0], [3.0], [4.0], [5.0]], [0, 0, 1, 0, 1, 1]
        >>> res = dlogreg.fit(X, y, feature_names=["dose"])
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "model.json"
        >>> res.save(path)
        >>> path.stat().st_size < 20_000
        True
        """
        write_model(self, path, overwrite=overwrite)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the coefficients, ``const`` first.

        The intercept is ``(const)`` where a column is itself named ``const``.
        """
        columns = self.feature_names
        return with_intercept(columns) if self.fit_intercept else columns

    def near_limit(self, length: float = CERTAIN) -> FloatArray:
        """Return finite coefficients so far along ``limit_direction``.

        Those of the fit, 0 where they are NaN, unless the classes are separated.

        Parameters
        ----------
        length : float
            How far along ``limit_direction``; by default so far that the probabilities
            of separated rows round to 0 and 1.

        Returns
        -------
        array
            Laid out as ``coefficients``.

        Examples
        --------
        >>> import dlogreg
        >>> X, y = [[0.0], [1.0], [2.0], [3.0], [4.0], [5.0]], [0, 0, 1, 0, 1, 1]
        >>> res = dlogreg.fit(X, y, feature_names=["dose"])
        >>> bool((res.near_limit() == res.params).all())
        True
        """
        if self.limit_coefficients is None or self.limit_direction is None:
            return np.nan_to_num(self.coefficients, nan=0.0)
        return self.limit_coefficients + length * self.limit_direction

    @property
    def terms(self) -> Mapping[str, tuple[str, ...]]:
        """Columns of every term of the formula; empty without a formula."""
        return {} if self.recipe is None else self.recipe.groups

    @property
    def converged(self) -> bool:
        """Whether the optimum was reached."""
        return self.status.converged
