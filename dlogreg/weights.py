"""What sample weights can mean."""

from __future__ import annotations

WEIGHT_KINDS = ("frequency", "probability", "analytic")


def check_weight_kind(weight_kind: object, *, given: bool) -> None:
    """Refuse an unknown kind of weights, and one of weights that are not given."""
    if not isinstance(weight_kind, str) or weight_kind not in WEIGHT_KINDS:
        raise ValueError(
            "weight_kind must be 'frequency', 'probability' or 'analytic', not "
            f"{weight_kind!r}"
        )
    if weight_kind != "frequency" and not given:
        raise ValueError(
            f"weight_kind={weight_kind!r} says what sample_weight means, but there is "
            "none; give sample_weight, or leave weight_kind out"
        )
