"""Whether there is memory for the models of a grid or of a path."""

from __future__ import annotations

from functools import partial

from dlogreg.layout import Layout
from dlogreg.memory import DRIVER_MATRICES, ProjectedMemory, slab_memory
from dlogreg.memory.many_models import (
    VECTORS,
    ManyPasses,
    PassBytes,
    check_room,
    models_memory,
)
from dlogreg.options import FitOptions
from dlogreg.selection import grid_fit
from dlogreg.selection.class_grid import ClassGrid
from dlogreg.solvers import many


def grid_memory(
    layout: Layout,
    n_params: int,
    n_folds: int,
    n_parts: int,
    n_alphas: int,
    *,
    curves: bool | None,
) -> ProjectedMemory:
    """Return the memory of a grid of folds by penalties.

    ``curves``: whether they are scored by AUC too; None: they are not scored.
    """
    square, n_models = n_params**2, (n_folds + 1) * n_alphas
    each, first = n_parts * square, 1 + len(grid_fit.RAY)
    values = max(first * each, min(grid_fit.HESSIAN_VALUES, n_alphas * each))
    own = min(n_models, max(1, grid_fit.HESSIAN_VALUES // square))
    kinds = ManyPasses.over(layout.source, n_params)
    passes = [
        kinds.parts(n_parts, n_alphas + first, values),
        kinds.shifts(n_models, n_alphas + own, own * square, n_parts),
    ]
    if curves is not None:
        passes.append(kinds.scores(n_folds, n_alphas, curves=curves))
    matrices = n_models + n_alphas + (n_alphas + first) * n_parts
    held = 8 * (matrices * square + n_models * VECTORS * n_params)
    return models_memory(layout.memory, layout.partitions, passes, held)


def path_memory(layout: Layout, n_params: int, n_alphas: int) -> ProjectedMemory:
    """Return the memory of a path of penalties."""
    square = n_params**2
    values = max(2 * square, min(many.HESSIAN_VALUES, n_alphas * square))
    one = ManyPasses.over(layout.source, n_params).shifts(n_alphas, 0, values)
    held = 8 * n_alphas * (square + VECTORS * n_params)
    return models_memory(layout.memory, layout.partitions, [one], held)


def check_grid_room(
    layout: Layout,
    options: FitOptions,
    n_folds: int,
    n_parts: int,
    n_alphas: int,
    *,
    curves: bool | None,
    what: str = "alphas",
) -> None:
    """Refuse a grid that needs more memory than there is.

    Raises
    ------
    MemoryLimitError
    """
    n_params = layout.source.n_features + options.fit_intercept
    memory_of = partial(grid_memory, layout, n_params, n_folds, n_parts, curves=curves)
    check_room(memory_of, n_alphas, what, options.memory_limit, layout.source)


def check_class_room(fit: ClassGrid, n_alphas: int, what: str) -> None:
    """Refuse a grid of three or more classes that needs more memory than there is.

    Raises
    ------
    MemoryLimitError
    """
    layout, n_params = fit.layout, fit.stacked.n_params
    single, n_folds = fit.stacked.single.n_params, fit.folding.n_folds
    n_equations = fit.stacked.n_equations
    kinds = ManyPasses.over(layout.source, single)

    def memory_of(n: int) -> ProjectedMemory:
        together = (n_folds + 1) * min(n, fit.n_together)
        slabs = together * slab_memory(layout.source, n_params, 2, n_equations)
        sums = 8 * together * n_params * (n_params + 2)
        passes = [
            PassBytes(sums, slabs),
            kinds.scores(n_folds, n * n_equations, curves=False),
        ]
        held = 8 * together * n_params**2 * DRIVER_MATRICES
        return models_memory(layout.memory, layout.partitions, passes, held)

    check_room(memory_of, n_alphas, what, fit.options.memory_limit, layout.source)


def check_path_room(layout: Layout, options: FitOptions, n_alphas: int) -> None:
    """Refuse a path that needs more memory than there is.

    Raises
    ------
    MemoryLimitError
    """
    n_params = layout.source.n_features + options.fit_intercept
    memory_of = partial(path_memory, layout, n_params)
    check_room(memory_of, n_alphas, "alphas", options.memory_limit, layout.source)
