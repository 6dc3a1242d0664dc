"""Options of ``fit`` that by-group models do not have."""

from __future__ import annotations

from typing import Any


def check_by_options(
    *,
    groups: Any = None,
    trials: Any = None,
    holdout: Any = None,
    l1_ratio: float = 0.0,
    bounds: Any = None,
    firth: bool = False,
    solver: str = "auto",
    start: Any = None,
    cov_type: str | None = None,
    weight_kind: str = "frequency",
    checkpoint: Any = None,
) -> None:
    """Refuse what by-group models do not do, rather than leave it out.

    Raises
    ------
    ValueError
        With the option, and what to do instead.
    """
    refused = {
        "groups": groups is not None,
        "trials": trials is not None,
        "holdout": holdout is not None,
        "l1_ratio > 0": l1_ratio != 0,
        "bounds": bounds is not None,
        "firth=True": firth is not False,
        "solver='lbfgs'": solver == "lbfgs",
        "start": start is not None,
        f"cov_type={cov_type!r}": cov_type not in (None, "model"),
        "weight_kind='probability'": weight_kind == "probability",
        "checkpoint": checkpoint is not None,
    }
    for option, given in refused.items():
        if given:
            raise ValueError(
                f"{option} is not available with by=; leave it out, or fit the groups "
                "that need it by themselves, each from its own rows"
            )
