"""The entries of a saved model: their names, which are those of the results' fields."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

KIND = "dlogreg.LogitResults"
MULTINOMIAL = "dlogreg.MultinomialResults"
"""Three or more classes; coefficients are written class after class."""
GROUPED = "dlogreg.GroupedResults"
"""By-group models: entries of each, and what they share."""
MANY = "dlogreg.ManyResults"
"""Fits of several outcomes: entries of each, and the trace of all."""
SCHEMA = 2
READABLE = (1, 2)
"""Schemas that this version reads; 2 added formulas and rows dropped as missing."""
NOT_IN_JSON = ("nan", "inf", "-inf")
"""How numbers are written for which JSON has no word."""
INTEGERS = ("n_rows", "n_passes", "bytes_read", "peak_memory")
NUMBERS = ("llf", "llnull", "nobs", "alpha", "error_bound", "bse_error_bound", "tol")
TEXTS = ("solver", "why_no_inference")
NAMES = ("feature_names", "separated")
KEYS = frozenset(
    [
        *("kind", "schema", "status", "classes", "class_counts", "fit_intercept"),
        *("coefficients", "covariance", "dropped", "trace"),
        *(INTEGERS + NUMBERS + TEXTS + NAMES),
    ]
)
COVARIANCES = ("covariance", "robust_covariance", "cluster_covariance")
VECTORS = ("limit_coefficients", "limit_direction")
CHECKSUM = "sha256"
"""Of all other entries, so that a damaged or edited file is noticed."""
ADDED_KEYS = frozenset(
    [
        CHECKSUM,
        *("cov_type", "robust_covariance", "weight_kind", "has_offset"),
        *("column_sums", "indicators"),
        *("n_dropped", "formula"),
        *("separation", "limit_error_bound", *VECTORS),
        *("cluster_covariance", "n_groups", "firth"),
        *("l1_ratio", "bounded", "has_penalty_factor"),
    ]
)
"""Entries that files of earlier versions lack."""
GROUP_FLAGS = ("fit_intercept", "has_offset")
GROUP_SIZES = ("n_passes", "bytes_read", "peak_memory", "n_dropped")
GROUP_KEYS = frozenset(
    [
        *("kind", "schema", "levels", "by", "n_rows", "reasons", "models", "classes"),
        *("feature_names", "tol", "trace", "formula", CHECKSUM),
        *(GROUP_FLAGS + GROUP_SIZES),
    ]
)
MANY_KEYS = frozenset(
    ["kind", "schema", "labels", "one_vs_rest", "trace", "models", CHECKSUM]
)
COLUMN_SUMS = ("total", "observed", "expected", "information", "bend")
COLUMN_SCALARS = ("curvature", "predictor")
COSTS = ("n_rows", "n_blocks", "n_bytes", "n_tasks", "peak_memory")
LEARNED = ("loss", "error_bound", "decrement")
PASS_KEYS = frozenset(("number", "kind", "seconds", *COSTS, *LEARNED))
TIMES = ("reading", "computing", "reducing")
ADDED_PASS_KEYS = frozenset(("n_threads", "n_retries", *TIMES))
"""Entries that files of earlier versions lack."""


def checksum(entries: Mapping[str, Any]) -> str:
    """Return the SHA-256 of all entries but this, in the order of their keys."""
    others = {key: value for key, value in entries.items() if key != CHECKSUM}
    text = json.dumps(others, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
