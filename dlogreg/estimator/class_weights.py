"""Class weights, which must be known before the first pass."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from dlogreg.errors import DataError
from dlogreg.evaluation import Label
from dlogreg.kernel import Rows
from dlogreg.partition import partition_rows
from dlogreg.reduction import (
    TASKS_PER_THREAD,
    Reduction,
    active_client,
    compute_shared,
    count_rows,
    n_threads,
)
from dlogreg.source.opening import label_source
from dlogreg.survey import check_labels, check_weights, label_masks


@dataclass(frozen=True, slots=True, eq=False)
class LabelWeights:
    """Sum of the weights of every label."""

    by_label: Mapping[Label, float]

    def __add__(self, other: LabelWeights) -> LabelWeights:
        """Return the sums over the rows of both."""
        total = dict(self.by_label)
        for label, weight in other.by_label.items():
            total[label] = total.get(label, 0.0) + weight
        return LabelWeights(total)


@dataclass(frozen=True, slots=True)
class LabelKernel:
    """Sums weights by label; reads y and the weights alone."""

    @property
    def name(self) -> str:
        """What the dashboard shows."""
        return "labels"

    def open(self) -> None:
        """Need no buffers."""

    def start(self) -> dict[Label, float]:
        """Return an empty sum."""
        return {}

    def add(self, sums: dict[Label, float], rows: Rows, buffers: None) -> None:
        """Add a block."""
        check_weights(rows)
        rows = rows.positive()
        check_labels(rows)
        for label, mask in label_masks(rows.y, tuple(sums)):
            weight = rows.sample_weight
            share = float(mask.sum()) if weight is None else float(weight[mask].sum())
            sums[label] = sums.get(label, 0.0) + share

    def finish(self, sums: dict[Label, float]) -> LabelWeights:
        """Return the sums."""
        return LabelWeights(sums)


def resolve_class_weight(
    class_weight: Any, y: Any, sample_weight: Any
) -> tuple[tuple[Label, float], ...]:
    """Return (label, weight) pairs, after a scan of y and weights.

    Balanced weights are ``sum of weights / (n_classes * sum of weights of the class)``,
    as in scikit-learn 1.9.
    """
    if class_weight is None:
        return ()
    if class_weight == "balanced":
        totals = _label_weights(y, sample_weight)
        whole = sum(totals.values())
        return tuple((k, whole / (len(totals) * v)) for k, v in totals.items())
    if not isinstance(class_weight, Mapping):
        message = "class_weight must be None, 'balanced' or a dict"
        raise ValueError(f"{message}, not {class_weight!r}")
    pairs = tuple((label, float(weight)) for label, weight in class_weight.items())
    for label, weight in pairs:
        if not (np.isfinite(weight) and weight > 0):
            raise ValueError(
                f"class_weight of {label!r} must be finite and positive, not {weight}; "
                "to leave rows out give them sample_weight 0"
            )
    known = _label_weights(y, sample_weight)
    unused = [label for label, _ in pairs if label not in known]
    if unused and len(pairs) - len(unused) < len(known):
        raise DataError(f"class_weight names {unused[0]!r}, which does not occur in y")
    return pairs


def _label_weights(y: Any, sample_weight: Any) -> dict[Label, float]:
    source = label_source(
        y, sample_weight, compute=compute_shared, count_rows=count_rows
    )
    partitions = partition_rows(source, 1, TASKS_PER_THREAD * n_threads())
    sums, _ = Reduction(
        partitions, inline=source.in_memory and active_client() is None
    ).sum(LabelKernel())
    return dict(sums.by_label)
