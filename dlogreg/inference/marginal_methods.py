"""The method of a result that tells marginal effects."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt

from dlogreg.errors import DataError, InferenceError
from dlogreg.evaluation import FloatArray
from dlogreg.inference import marginal
from dlogreg.inference.marginal import Derivatives, MarginalEffects
from dlogreg.kernel.closing_sums import ColumnSums
from dlogreg.labelled import LabelledVector

if TYPE_CHECKING:
    from dlogreg.results import LogitResults


Places = npt.NDArray[np.intp]
Given = tuple[Any, Any, Any, Any]
NOT_BINARY = (
    "column {!r} holds other values than 0 and 1, so that no change from 0 to 1 is "
    "what it means; leave it out of dummy"
)
SEPARATED = (
    "there are no marginal effects, because the classes are separated: probabilities "
    "jump where coefficients are infinite; leave out the columns that separate them"
)


class MarginalMethods:
    """Marginal effects; the attributes are those of LogitResults."""

    def marginal_effects(
        self,
        at: str = "overall",
        *,
        dummy: bool | Sequence[str] = False,
        kind: str | None = None,
        X: Any = None,
        y: Any = None,
        sample_weight: Any = None,
        offset: Any = None,
    ) -> MarginalEffects:
        """Return effects of the columns on the probability of the event, dp/dx.

        As statsmodels' ``get_margeff``, weighted where rows have weights. Nothing is
        read for it, because the closing pass has made the sums; only averaged changes
        of 0/1 columns (``dummy`` with ``at="overall"``) take one pass over the rows.
        The sums are those of that pass's point: standard errors are exact to what
        ``bse_error_bound`` tells, effects to its square.

        Parameters
        ----------
        at : {"overall", "mean"}
            Effects averaged over the rows, or those at the mean of every column (and
            of an offset).
        dummy : bool or sequence of str
            Columns of 0 and 1 that count by what changing them from 0 to 1 does, all
            else as it is, instead of by dp/dx; True: all of them (``indicators``).
            Default as in statsmodels: none.
        kind : {"model", "HC0", "HC1", "cluster"}, optional
            Covariance of the coefficients; default: ``cov_type`` of the fit.
        X, y, sample_weight, offset : array, optional
            The rows of the fit, where it needs them and was loaded.

        Returns
        -------
        MarginalEffects
            ``effects``, ``bse``, ``zvalues``, ``pvalues``, ``conf_int()``; one entry
            for every column, NaN for dropped ones.

        Raises
        ------
        InferenceError
            If there is no covariance, as with a penalty, if the classes are separated,
            or if rows are needed that are not known.
        ValueError
            If ``dummy`` names a column that does not exist.
        DataError
            If it names one that is not of 0 and 1, or the rows are not those of the
            fit.

        Examples
        --------
        >>> import numpy as np, dlogreg
        >>> x, y = np.arange(8.0)[:, None], [0, 0, 1, 0, 1, 0, 1, 1]
        >>> effects = dlogreg.fit(x, y, feature_names=["dose"]).marginal_effects()
        >>> print(effects.effects.round(4), effects.bse.round(4))
        [0.104] [0.0337]
        """
        if at not in marginal.TITLES:
            raise ValueError(f"at must be 'overall' or 'mean', not {at!r}")
        results = cast("LogitResults", self)
        if results.separated:
            raise InferenceError(SEPARATED)
        covariance = results.cov_params(kind)
        rows = X, y, sample_weight, offset
        columns = _columns(results, dummy)
        derive = _at_means if at == "mean" else _averaged
        found = derive(results, columns, rows)
        effects = np.where(_known(results), found.effects, np.nan)
        names = results.feature_names
        return MarginalEffects(
            LabelledVector.of(effects, names),
            found.covariance(covariance),
            at,
            tuple(names[j] for j in columns),
            kind or results.cov_type,
        )


def _known(results: LogitResults) -> npt.NDArray[np.bool_]:
    return np.isfinite(results.coefficients[int(results.fit_intercept) :])


def _params(results: LogitResults) -> FloatArray:
    return results.near_limit()


def _columns(results: LogitResults, dummy: bool | Sequence[str]) -> Places:
    """Return the columns that count by a change from 0 to 1."""
    if dummy is False:
        return np.empty(0, dtype=np.intp)
    if dummy is True:
        if results.indicators is None:
            raise InferenceError(
                "it is not known which columns are of 0 and 1, because the fit ended "
                "before its closing pass; name them: dummy=['...']"
            )
        dummy = results.indicators
    if isinstance(dummy, str):
        dummy = (dummy,)
    for name in dummy:
        if name not in results.feature_names:
            raise ValueError(f"dummy names {name!r}, which is no column of the model")
        if results.indicators is not None and name not in results.indicators:
            raise DataError(NOT_BINARY.format(name))
    known = _known(results)
    places = [results.feature_names.index(name) for name in dict.fromkeys(dummy)]
    return np.array([j for j in places if known[j]], dtype=np.intp)


def _at_means(results: LogitResults, columns: Places, rows: Given) -> Derivatives:
    sums = _sums(results, rows)
    params, first = _params(results), int(results.fit_intercept)
    row, eta = sums.total / results.nobs, sums.predictor / results.nobs
    whole = marginal.at_row(params, first, row, eta)
    if not len(columns):
        return whole
    part = marginal.changes_at_row(params, first, row, eta, columns)
    return marginal.replaced(whole, columns, part)


def _sums(results: LogitResults, rows: Given) -> ColumnSums:
    """Return what the closing pass has summed, or sum it in one pass."""
    needed = results.column_sums is None or any(part is not None for part in rows)
    sums = results._measured(*rows)[1] if needed else results.column_sums
    assert sums is not None
    return sums


def _averaged(results: LogitResults, columns: Places, rows: Given) -> Derivatives:
    params, first, n = _params(results), int(results.fit_intercept), results.nobs
    if not len(columns):
        return marginal.average(params, first, _sums(results, rows), n)
    found = results._own_rows("marginal_effects", *rows)
    room = import_module("dlogreg.inference.measures_again")
    scores, sums, changes = room.with_changes(results, found, columns.tolist())
    results._keep(scores, sums)
    for j in columns[~changes.binary].tolist():
        raise DataError(NOT_BINARY.format(results.feature_names[j]))
    whole = marginal.average(params, first, sums, n)
    return marginal.replaced(whole, columns, marginal.changes_of(changes, n))
