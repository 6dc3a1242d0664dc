"""What dlogreg raises and warns about; each message says what to do next."""

from __future__ import annotations

__all__ = [
    "CheckpointError",
    "CheckpointWarning",
    "CollinearityWarning",
    "ConvergenceWarning",
    "DataError",
    "InferenceError",
    "ManyLevelsWarning",
    "MemoryLimitError",
    "MissingChunkWarning",
    "MissingValueError",
    "SeparationWarning",
]


class DataError(ValueError):
    """The data cannot be fitted as they are; the message names column, row or chunk."""


class MissingValueError(DataError):
    """A value is missing where ``missing="raise"``; all of them are then counted."""


class InferenceError(ValueError):
    """Standard errors were not computed, or would not mean what they say."""


class MemoryLimitError(MemoryError):
    """The projected memory is above ``memory_limit``; raised before any pass."""


class CheckpointError(ValueError):
    """A checkpoint is of other data or options, or cannot be used where it is."""


class CheckpointWarning(UserWarning):
    """A pass could not be written to, or read from, a checkpoint."""


class ConvergenceWarning(UserWarning):
    """The fit stopped before it was within ``tol`` of the optimum."""


class SeparationWarning(ConvergenceWarning):
    """Some combination of columns predicts the outcome perfectly: no finite optimum."""


class CollinearityWarning(UserWarning):
    """A column adds nothing to the columns before it and was dropped."""


class MissingChunkWarning(UserWarning):
    """A Zarr chunk does not exist, so Zarr reads it as the array's fill value."""


class ManyLevelsWarning(UserWarning):
    """A category of a formula looks like text or an identifier by its levels."""
