"""Newton or L-BFGS: chosen from rows, columns and their type, never from a stopwatch.

Costs are counted in multiply-adds, and reading a byte as 15 of them, which is what a
core does while it decodes one (2 GB/s against 30 billion multiply-adds a second, both
on two cores). For n rows and d coefficients a pass costs

    Newton  n (d^2 / 2 + 15 b d) + d^3 / 3     (b bytes a value), about 5 of them;
    L-BFGS  n (8 d + 15 b d)                   four trial points, about 25 of them.

Of compressed rows only the z stored values count, and no product of them is BLAS's:

    Newton  n (40 z^2 + 15 b z) + d^3 / 3      or as dense ones, where that is less;
    L-BFGS  n z (45 + 15 b)                    two trial points.

Newton's method also proves its error and has the Hessian for standard errors. That is
taken to be worth three times the cost. So it is chosen up to about 1,900 columns of
float32 and 2,900 of float64, where its matrix would become too large: a task holds a
dozen of them, and 64 MiB is the most for one. Fits that take seconds are always made by
Newton.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

LARGEST_HESSIAN = 2**26
"""Bytes of one matrix."""
READING = 15
"""Multiply-adds in the time of reading one byte."""
NEWTON_PASSES, LBFGS_PASSES = 5, 25
WORTH = 3.0
"""Times what L-BFGS costs that a proof and standard errors may cost."""
SECONDS = 2e11
"""Multiply-adds of a few seconds."""
TRIAL_PRODUCTS = 8
SPARSE_PRODUCT, SPARSE_TRIALS = 40, 45
"""Multiply-adds in the time of a product of two stored values, and of what two trial
points do with one."""

COMPILED_FROM = 2**26
"""Values of X from which loops are compiled: to load numba and what it has compiled
takes a process a quarter of a second, and to compile it, once on a machine, five."""
COSTLY_COLUMNS = 256
"""From so many on, products of columns take most of the time that a value takes."""
TILED_COLUMNS = 1024
"""Columns up to which compiled loops make products: sums of more leave the cache."""

SAMPLE_VALUES = 2**25
"""Most values in the rows that L-BFGS learns correlations from, on the driver."""
SAMPLE_WORK = 150
"""Most multiply-adds for their products, per value of all data."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A solver, and the sentence that says why."""

    solver: str
    reason: str


def choose_solver(
    n_rows: int | None,
    n_params: int,
    itemsize: int,
    row_values: float | None = None,
) -> Choice:
    """Return the solver for ``solver="auto"``.

    Parameters
    ----------
    n_rows : int or None
        None where it is not known: then there are taken to be many.
    n_params : int
        Coefficients, the intercept included.
    itemsize : int
        Bytes of a value of X as it is stored.
    row_values : float, optional
        Stored values in a row, where rows are compressed.
    """
    if not hessian_fits(n_params):
        size = 8 * n_params**2 / 2**20
        return Choice(
            "lbfgs",
            f"a Hessian of {n_params:,} coefficients takes {size:,.0f} MiB, more than "
            f"{LARGEST_HESSIAN >> 20}, and a task would hold a dozen",
        )
    rows = 10**9 if n_rows is None else max(1, n_rows)
    newton = _newton_cost(rows, n_params, itemsize, row_values)
    ratio = newton / _lbfgs_cost(rows, n_params, itemsize, row_values)
    if ratio <= WORTH:
        return Choice(
            "newton",
            f"{n_params:,} coefficients: projected at {ratio:.2g} times the cost of "
            "L-BFGS, with a proof and standard errors",
        )
    if n_rows is not None and newton <= SECONDS:
        return Choice("newton", "so few data that it takes seconds, with a proof")
    return Choice(
        "lbfgs",
        f"Newton is projected at {ratio:.2g} times its cost with {n_params:,} "
        f"coefficients; at most {WORTH:g} is taken for a proof and standard errors",
    )


def hessian_fits(n_params: int) -> bool:
    """Tell whether matrices of this size are formed at all without being asked for."""
    return 8 * n_params**2 <= LARGEST_HESSIAN


def sample_size(n_rows: int | None, n_params: int) -> int:
    """Return how many rows L-BFGS learns correlations from.

    Eight per coefficient, as far as they fit into 2^25 values on the driver and their
    products, m d min(m, d) / 2 multiply-adds, cost no more than a few passes.
    """
    most = min(max(4096, 8 * n_params), max(1, SAMPLE_VALUES // n_params))
    if n_rows is None:
        return most
    work = 2 * SAMPLE_WORK * n_rows
    square = math.isqrt(work)
    by_work = square if square < n_params else work // n_params
    return max(1, min(most, by_work, n_rows))


def row_products(solver: str, n_params: int, row_values: float | None = None) -> float:
    """Return the multiply-adds that a pass takes for a row, beside reading it."""
    if solver != "newton":
        trials = TRIAL_PRODUCTS if row_values is None else SPARSE_TRIALS
        return trials * (row_values or n_params)
    dense = n_params**2 / 2
    return dense if row_values is None else min(dense, SPARSE_PRODUCT * row_values**2)


def system_products(n_params: int) -> float:
    """Return the multiply-adds of solving a Newton system on the driver."""
    return n_params**3 / 3


def _lbfgs_cost(
    n_rows: int, n_params: int, itemsize: int, row_values: float | None
) -> float:
    products = row_products("lbfgs", n_params, row_values)
    reading = READING * itemsize * (row_values or n_params)
    return LBFGS_PASSES * n_rows * (products + reading)


def _newton_cost(
    n_rows: int, n_params: int, itemsize: int, row_values: float | None
) -> float:
    values = n_params if row_values is None else row_values
    products = row_products("newton", n_params, row_values)
    a_pass = n_rows * (products + READING * itemsize * values)
    return NEWTON_PASSES * (a_pass + system_products(n_params))


def worth_compiling(n_rows: int | None, n_columns: int) -> bool:
    """Tell whether dense rows are so many that compiled loops save time.

    Not where their number is not known.
    """
    times = n_columns / COSTLY_COLUMNS if n_columns <= TILED_COLUMNS else 1.0
    return (n_rows or 0) * n_columns * max(1.0, times) >= COMPILED_FROM


def numba_version() -> str | None:
    """Return the version of numba; None where it is not installed."""
    try:
        return version("numba")
    except PackageNotFoundError:
        return None
