"""Fields that are valid by themselves, and contradict each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dlogreg.storage.entries import InvalidError, shown
from dlogreg.storage.schema import VECTORS


def check_names(fields: Mapping[str, Any], *, binary: bool) -> None:
    """Refuse entries that contradict each other."""
    names = set(fields["feature_names"])
    if len(names) != len(fields["feature_names"]):
        raise InvalidError("a name occurs twice in 'feature_names'")
    for key in ("dropped", "separated", "indicators"):
        unknown = [name for name in fields[key] or () if name not in names]
        if unknown:
            raise InvalidError(
                f"{key!r} names {shown(unknown[0])}, which is no feature"
            )
    classes, counts = fields["classes"], fields["class_counts"]
    right = len(classes) == 2 if binary else len(classes) > 2
    if not right or len(set(classes)) != len(classes):
        wanted = "two" if binary else "three or more"
        raise InvalidError(f"'classes' must be {wanted} different labels")
    if set(counts) != set(classes):
        raise InvalidError("'class_counts' must count the rows of every class")
    if fields["nobs"] <= 0:
        raise InvalidError(f"'nobs' must be positive, not {shown(fields['nobs'])}")


def check_kind(fields: Mapping[str, Any], *, binary: bool) -> None:
    """Refuse standard errors of a kind that the file lacks, or that cannot be."""
    kind, robust = fields["cov_type"], fields["robust_covariance"]
    if not binary and fields["has_offset"]:
        raise InvalidError("'has_offset' must be false for three or more classes")
    vectors = [fields[key] for key in VECTORS]
    separated = bool(fields["separation"])
    if any((vector is not None) is not separated for vector in vectors) or (
        separated and not binary
    ):
        raise InvalidError(
            "'separation', of two classes, must come with 'limit_coefficients' and "
            "'limit_direction', and they with it"
        )
    if not binary and fields["column_sums"] is not None:
        raise InvalidError("'column_sums' must be null for three or more classes")
    grouped = fields["cluster_covariance"]
    if not binary and (grouped is not None or fields["n_groups"]):
        raise InvalidError(
            "'cluster_covariance' and 'n_groups' must be null and 0 for three or more "
            "classes"
        )
    if grouped is not None and fields["n_groups"] < 2:
        raise InvalidError("'n_groups' must be 2 or more with 'cluster_covariance'")
    if kind == "cluster" and grouped is None and fields["covariance"] is not None:
        raise InvalidError("'cov_type' is 'cluster', and 'cluster_covariance' is null")
    if kind != "model" and robust is None and fields["covariance"] is not None:
        raise InvalidError(f"'cov_type' is {kind!r}, and 'robust_covariance' is null")
