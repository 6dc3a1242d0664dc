"""The columns of a model, found in what is to be predicted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dlogreg.errors import DataError
from dlogreg.kernel import CSR
from dlogreg.prediction.linear_model import LinearModel
from dlogreg.source.frames import check_columns
from dlogreg.source.kinds import kind_of
from dlogreg.source.sparse_store import StoredCSR


def model_columns(X: Any, model: LinearModel) -> Any:
    """Return X with the columns of a model, in their order."""
    kind = kind_of(X)
    if kind in ("pandas", "dask dataframe"):
        return match_columns(X, model.feature_names)
    return _checked_matrix(X, kind, len(model.slopes))


def match_columns(frame: Any, names: Sequence[str]) -> Any:
    """Return the named columns of a pandas or dask dataframe, in that order.

    Other columns are left aside, as statsmodels does with a formula, so that a whole
    table can be given. A column that is missing, ambiguous or not numeric is an error.
    """
    labels = {str(label): label for label in frame.columns}
    missing = [name for name in names if name not in labels]
    if missing:
        listed = ", ".join(map(repr, missing[:5])) + ", ..." * (len(missing) > 5)
        raise DataError(
            f"X lacks {len(missing)} of the {len(names)} columns of the model: "
            f"{listed}; add them, or give an array (X.to_numpy()) to go by position"
        )
    chosen = [labels[name] for name in names]
    if chosen != list(frame.columns):
        frame = frame[chosen]
    if frame.shape[1] != len(names):
        raise DataError("X has two columns of the same name; rename or drop one")
    check_columns(frame, names)
    return frame


def _checked_matrix(X: Any, kind: str, n_features: int) -> Any:
    """Return X if it is a matrix of numbers with the columns of the model."""
    if kind == "csr" and X.ndim == 2:
        X = X if isinstance(X, CSR) else CSR.of(X)
    if kind == "zarr csr" and not isinstance(X, StoredCSR):
        X = StoredCSR.of(X)
    if kind == "numpy":
        X = np.asarray(X)
    if X.ndim != 2:
        message = f"X must be 2-D, rows by columns, but has {X.ndim} dimension(s)"
        raise DataError(f"{message}; reshape it, for example with X.reshape(-1, 1)")
    if X.dtype.kind not in "fiub":
        raise DataError(f"X has type {X.dtype}, but predictions need numbers")
    if X.shape[1] != n_features:
        raise DataError(wrong_columns(X.shape[1], n_features))
    return X


def wrong_columns(found: int, expected: int) -> str:
    """Say that X has not the columns of the model."""
    return f"X has {found} columns, but the model was fitted with {expected}"
