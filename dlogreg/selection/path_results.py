"""PathResults: the models of a path, and the choice among them by criteria."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

import numpy as np

from dlogreg.display.path import render_path
from dlogreg.evaluation import FloatArray, PassRecord
from dlogreg.extras import require
from dlogreg.results import LogitResults
from dlogreg.scalars import is_number, is_whole
from dlogreg.solvers import Status

CRITERIA = ("aic", "bic")


@dataclass(frozen=True, eq=False, repr=False)
class PathResults:
    """A model for every penalty, from the largest down; holds no data.

    ``len`` counts them, ``[i]`` and ``at(alpha)`` give one as of ``fit``.
    """

    alphas: FloatArray
    """Penalties on the mean loss, descending, shape (n_alphas,)."""
    params: FloatArray
    """All coefficients, intercept first, shape (n_params, n_alphas)."""
    llf: FloatArray
    """Log-likelihoods without the penalty, shape (n_alphas,)."""
    error_bounds: FloatArray
    """Proven distance of every model from its optimum, in its own standard errors."""
    statuses: tuple[Status, ...]
    """How each ended."""
    first: LogitResults
    """The model of the largest penalty."""

    def __post_init__(self) -> None:
        """Make the arrays read-only."""
        for name in ("alphas", "params", "llf", "error_bounds"):
            values = np.array(getattr(self, name), dtype=np.float64)
            values.flags.writeable = False
            object.__setattr__(self, name, values)

    def __repr__(self) -> str:
        """Return one line."""
        done = sum(status.converged for status in self.statuses)
        return (
            f"<PathResults: {len(self)} penalties from {self.alphas[0]:.4g} to "
            f"{self.alphas[-1]:.4g}, {len(self.names)} coefficients, {done} converged, "
            f"{self.n_passes} passes>"
        )

    def _repr_html_(self) -> str:
        """Return the path as curves and a table, as a notebook shows it."""
        return render_path(self)

    def plot(self, ax: Any = None, *, most: int = 6, **style: Any) -> Any:
        """Draw coefficients against the penalty, which falls from left to right.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; default: a new figure.
        most : int
            So many of the largest coefficients have a colour and a name, up to 8; the
            others are grey.
        **style
            Passed to the lines that have names.

        Returns
        -------
        matplotlib Axes

        Examples
        --------
        >>> import numpy as np, dlogreg
        >>> x, y = np.arange(8.0)[:, None], [0, 0, 1, 0, 1, 0, 1, 1]
        >>> ax = dlogreg.path(x, y, l1_ratio=1.0, n_alphas=10).plot()
        >>> ax.get_xscale()
        'log'
        """
        room = import_module("dlogreg.display.plots.selection")
        return room.draw_path(self, ax, most, **style)

    def __len__(self) -> int:
        """Return the number of penalties."""
        return len(self.alphas)

    def __getitem__(self, index: int) -> LogitResults:
        """Return the model at a position."""
        if not is_whole(index):
            raise ValueError(
                f"a path is indexed by one whole number, not {index!r}; at(alpha) "
                "finds the model of a penalty"
            )
        if not -len(self) <= index < len(self):
            raise IndexError(f"the path has {len(self)} models, and none at {index}")
        alpha, llf = self.alphas[index], self.llf[index]
        return replace(
            self.first,
            coefficients=self.params[:, index],
            llf=float(llf),
            alpha=float(alpha),
            status=self.statuses[index],
            error_bound=float(self.error_bounds[index]),
            held=None,
        )

    def __iter__(self) -> Iterator[LogitResults]:
        """Return the models, from the largest penalty down."""
        return (self[i] for i in range(len(self)))

    def at(self, alpha: float) -> LogitResults:
        """Return the model of a penalty of the path.

        Raises
        ------
        ValueError
            If the path has no such penalty: what lies between two models is no optimum.
        """
        if not is_number(alpha):
            raise ValueError(f"alpha must be one number, not {alpha!r}")
        near = np.flatnonzero(np.isclose(self.alphas, alpha, rtol=1e-9, atol=0))
        if not len(near):
            closest = float(self.alphas[np.abs(self.alphas - alpha).argmin()])
            raise ValueError(
                f"the path has no alpha = {alpha!r}; the nearest is {closest!r}. Give "
                "it to path(alphas=...), or to fit(alpha=...)"
            )
        return self[int(near[0])]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the coefficients, ``const`` first."""
        return self.first.names

    @property
    def coefs(self) -> FloatArray:
        """Coefficients of the columns, shape (n_features, n_alphas)."""
        return self.params[int(self.first.fit_intercept) :]

    @property
    def intercepts(self) -> FloatArray:
        """Intercepts, shape (n_alphas,); zeros without one."""
        if self.first.fit_intercept:
            return np.asarray(self.params[0])
        return np.zeros(len(self))

    @property
    def df(self) -> Any:
        """Number of columns whose coefficients are not 0, shape (n_alphas,)."""
        return np.count_nonzero(self.coefs, axis=0)

    @property
    def deviance_ratio(self) -> FloatArray:
        """1 - deviance / null deviance, McFadden's pseudo-R2, shape (n_alphas,)."""
        return 1 - self.llf / self.first.llnull

    @property
    def aic(self) -> FloatArray:
        """Akaike's criteria; NaN but for the lasso without bounds, as of ``fit``."""
        return np.array([model.aic for model in self])

    @property
    def bic(self) -> FloatArray:
        """Schwarz' criteria; NaN where ``aic`` is."""
        return np.array([model.bic for model in self])

    def best(self, criterion: str = "bic") -> LogitResults:
        """Return the model with the least "aic" or "bic".

        Raises
        ------
        ValueError
            If there are no such criteria, as with a ridge part or bounds.
        """
        if criterion not in CRITERIA:
            raise ValueError(f"criterion must be 'aic' or 'bic', not {criterion!r}")
        values: FloatArray = getattr(self, criterion)
        if np.isnan(values).any():
            raise ValueError(
                f"{criterion} is known for a lasso without bounds only, whose degrees "
                "of freedom are the coefficients that are not 0; choose by "
                "cross-validation"
            )
        return self[int(values.argmin())]

    @property
    def n_passes(self) -> int:
        """Times that all data were read for the whole path."""
        return self.first.n_passes

    @property
    def bytes_read(self) -> int:
        """Decoded bytes of all blocks that were loaded."""
        return self.first.bytes_read

    @property
    def trace(self) -> tuple[PassRecord, ...]:
        """What each pass did and cost."""
        return self.first.trace

    @property
    def tol(self) -> float:
        """Largest allowed distance from the optimum, in standard errors."""
        return self.first.tol

    def to_frame(self) -> Any:
        """Return a pandas dataframe, a line for every penalty.

        Columns are the coefficients, then df, deviance_ratio, aic, bic, error_bound.
        """
        pandas = require("pandas", "frames")
        table = pandas.DataFrame(
            self.params.T,
            index=pandas.Index(self.alphas, name="alpha"),
            columns=self.names,
        )
        beside = {
            "df": self.df,
            "deviance_ratio": self.deviance_ratio,
            "aic": self.aic,
            "bic": self.bic,
            "error_bound": self.error_bounds,
        }
        return table.assign(**beside)
