"""From what a report was made: options of the fit, and versions of the program."""

from __future__ import annotations

import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from dlogreg.display.numerals import printable
from dlogreg.display.summary import Facts, label_text

if TYPE_CHECKING:
    from dlogreg.results.fitted import FittedModel

PACKAGES = ("dlogreg", "numpy", "scipy", "dask", "distributed", "zarr", "matplotlib")
MOST_CLASSES = 12


def options(results: FittedModel) -> Facts:
    """Return what to call ``fit`` with to get these results."""
    labels = results.classes[:MOST_CLASSES]
    more = ", ..." if len(results.classes) > MOST_CLASSES else ""
    facts = [
        ("classes", ", ".join(map(label_text, labels)) + more),
        ("weight_kind", results.weight_kind),
        ("alpha", f"{results.alpha:.17g}"),
        ("l1_ratio", f"{results.l1_ratio:.17g}"),
        ("penalty_factor", "given" if results.has_penalty_factor else "none"),
        ("bounds", "given" if results.bounded else "none"),
        ("firth", str(results.firth)),
        ("fit_intercept", str(results.fit_intercept)),
        ("solver", results.solver),
        ("tol", f"{results.tol:.17g}"),
        ("inference", str(results.covariance is not None)),
        ("cov_type", results.cov_type),
    ]
    if results.recipe is not None:
        facts.insert(0, ("formula", printable(results.recipe.formula)))
    return tuple(facts)


def versions() -> Facts:
    """Return versions of what computed, and of what it ran on."""
    found = []
    for name in PACKAGES:
        try:
            found.append((name, version(name)))
        except PackageNotFoundError:
            continue
    return (
        *found,
        ("Python", platform.python_version()),
        ("System", f"{platform.system()} {platform.release()}, {platform.machine()}"),
        ("Written", f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"),
    )
