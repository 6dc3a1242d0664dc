"""What the fits of all groups found, as arrays and tables with a line for each."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from dlogreg.errors import InferenceError
from dlogreg.evaluation import FloatArray, Label
from dlogreg.extras import require
from dlogreg.numbered_names import with_intercept
from dlogreg.results import LogitResults
from dlogreg.solvers import Status


class GroupTables:
    """Coefficients, errors and measures; the attributes are those of GroupedResults."""

    levels: tuple[Label, ...]
    models: tuple[LogitResults | None, ...]
    n_rows: npt.NDArray[np.int64]
    feature_names: tuple[str, ...]
    fit_intercept: bool
    by: str | None

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the coefficients, ``const`` first."""
        model = next((m for m in self.models if m is not None), None)
        if model is not None:
            return model.names
        columns = self.feature_names
        return with_intercept(columns) if self.fit_intercept else columns

    @property
    def params(self) -> FloatArray:
        """All coefficients, intercept first, shape (n_groups, n_params).

        NaN for dropped columns, infinite where the classes are separated.
        """
        nothing = np.full(len(self.names), np.nan)
        return self._stacked([m and m.coefficients for m in self.models], nothing)

    @property
    def bse(self) -> FloatArray:
        """Standard errors in the same shape; NaN where a model has none."""
        nothing = np.full(len(self.names), np.nan)
        found = [None if m is None or m.covariance is None else m for m in self.models]
        errors = [m and np.sqrt(np.diagonal(m.cov_params())) for m in found]
        return self._stacked(errors, nothing)

    def _stacked(self, lines: Any, nothing: FloatArray) -> FloatArray:
        full = [nothing if line is None else np.asarray(line) for line in lines]
        return np.array(full).reshape(len(self.levels), len(nothing))

    def _each(self, name: str) -> FloatArray:
        """Return a number of every model."""
        values = [np.nan if m is None else getattr(m, name) for m in self.models]
        return np.array(values, dtype=np.float64)

    @property
    def llf(self) -> FloatArray:
        """Log-likelihoods without the penalty, shape (n_groups,)."""
        return self._each("llf")

    @property
    def llnull(self) -> FloatArray:
        """Log-likelihoods of an intercept alone, beside any offset."""
        return self._each("llnull")

    @property
    def nobs(self) -> FloatArray:
        """Numbers of rows; with frequency weights their sums."""
        return self._each("nobs")

    @property
    def error_bounds(self) -> FloatArray:
        """Proven distance of every model from its optimum, in its standard errors."""
        return self._each("error_bound")

    @property
    def error_bound(self) -> float:
        """The largest of those of groups that converged; NaN if none did."""
        bounds = self.error_bounds[self.converged]
        return float(bounds.max()) if len(bounds) else float("nan")

    @property
    def statuses(self) -> tuple[Status | None, ...]:
        """How every fit ended; None where a group has no model."""
        return tuple(None if m is None else m.status for m in self.models)

    @property
    def converged(self) -> npt.NDArray[np.bool_]:
        """Whether every group's optimum was reached, shape (n_groups,)."""
        return np.array([m is not None and m.converged for m in self.models])

    def to_frame(self, alpha: float | None = None) -> Any:
        """Return a pandas table.

        Without ``alpha`` a line for every group: rows, log-likelihood, error bound and
        status, then the coefficients by name. With it a line for every coefficient of
        every group that has a model, as ``to_frame`` of a single fit: coefficient,
        standard error, z, p-value and odds ratio with intervals at level 1 - alpha.

        Parameters
        ----------
        alpha : float, optional
            Level of the intervals is 1 - alpha, for example 0.05.

        Returns
        -------
        pandas.DataFrame
            Index "group", with ``alpha`` "group" and "column".

        Examples
        --------
        >>> import numpy as np, dlogreg
        >>> x = np.random.default_rng(0).normal(size=(300, 1))
        >>> shop = np.repeat(["a", "b", "c"], 100)
        >>> res = dlogreg.fit(x, x[:, 0] ** 3 > -1 + (shop == "c"), by=shop, alpha=0.1)
        >>> res.to_frame()["n_rows"].to_dict()
        {'a': 100, 'b': 100, 'c': 100}
        """
        pandas = require("pandas", "frames")
        name = self.by or "group"
        if alpha is None:
            texts = ["NO_MODEL" if s is None else s.name for s in self.statuses]
            facts = {
                "n_rows": self.n_rows,
                "llf": self.llf,
                "error_bound": self.error_bounds,
                "status": texts,
            }
            index = pandas.Index(self.levels, name=name)
            table = pandas.DataFrame(facts, index=index)
            params = pandas.DataFrame(self.params, index=index, columns=self.names)
            return pandas.concat([table, params], axis=1)
        pairs = zip(self.levels, self.models, strict=True)
        frames = {level: m.to_frame(alpha) for level, m in pairs if m is not None}
        if not frames:
            raise InferenceError("no group has a model; reasons tells why of each")
        return pandas.concat(frames, names=[name])
