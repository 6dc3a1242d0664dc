"""What the user gave, laid out for a plan: nothing is read, nothing computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dlogreg.held_rows import split_holdout
from dlogreg.holdout import with_holdout
from dlogreg.source import Source, as_source


@dataclass(frozen=True, slots=True, eq=False)
class Given:
    """What the user gave, as far as advice depends on it."""

    X: Any
    vectors: Mapping[str, Any]
    """What goes with X, by the names that ``fit`` has for it; y at least."""
    n_shared: int
    """Intermediate results that are computed before the first pass."""


def open_given(
    X: Any, vectors: Mapping[str, Any], feature_names: Sequence[str] | None
) -> tuple[Source, Given]:
    """Return the source of a fit of these data, and what was given."""
    shared: list[Any] = []

    def postpone(graph: dict[Any, Any], keys: Sequence[Any]) -> dict[Any, Any]:
        shared.extend(keys)
        return dict.fromkeys(keys)  # the graph looks as if they were there

    share, marks = split_holdout(vectors.get("holdout"))
    source = as_source(
        X,
        **{**vectors, "holdout": marks},
        feature_names=feature_names,
        compute=postpone,
        count_rows=lambda blocks: None,
    )
    return with_holdout(source, share), Given(X, vectors, len(shared))
