"""Many models by their penalties: coefficients along a path, and scores out of fold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dlogreg.display.numerals import elided, printable, significant
from dlogreg.display.plots.canvas import SMALL, axes, grid, legend, title
from dlogreg.display.theme import BLUE, GREEN, GREY, ORANGE, SERIES
from dlogreg.evaluation import FloatArray

if TYPE_CHECKING:
    from dlogreg.selection.path_results import PathResults
    from dlogreg.selection.validation import CrossValidation

MAX_NAME = 24


def draw_path(path: PathResults, ax: Any, most: int, **style: Any) -> Any:
    """Draw coefficients against the penalty; the largest at its end have names."""
    if isinstance(most, bool) or most != int(most) or not 0 <= most <= len(SERIES):
        raise ValueError(f"most must be from 0 to {len(SERIES)}, not {most!r}")
    ax = axes(ax, (7.2, 4.4))
    coefs = path.coefs
    order = np.argsort(-np.abs(np.nan_to_num(coefs)).max(axis=1), kind="stable")
    names = path.names[int(path.first.fit_intercept) :]
    ax.axhline(0.0, color=GREY, linewidth=0.8)
    for j in order[most:]:
        ax.plot(path.alphas, coefs[j], color=GREY, linewidth=0.8, alpha=0.6)
    for k, j in enumerate(order[:most]):
        name = elided(printable(names[j]), MAX_NAME)
        ax.plot(path.alphas, coefs[j], **{"color": SERIES[k], "label": name, **style})
    _penalty_axis(ax, path.alphas, np.asarray(path.df))
    ax.set_ylabel("coefficient")
    if most:
        legend(ax, loc="upper left", bbox_to_anchor=(1.0, 1.0))
        _plain_names(ax)
    left_out = len(names) - most
    note = f"{left_out:,} smaller ones in grey" if most > 0 and left_out > 0 else ""
    title(ax, f"Path of {len(names):,} columns, {len(path)} penalties", note)
    return ax


def draw_validation(
    found: CrossValidation, ax: Any, score: str | None, **style: Any
) -> Any:
    """Draw mean scores with their standard errors, and the penalties they choose."""
    chosen = found.scoring if score is None else score
    means, errors = found.mean(chosen), found.standard_error(chosen)
    ax = axes(ax, (6.6, 4.3))
    given = {"color": BLUE, "fmt": "o-", "markersize": 4, "linewidth": 1.1, **style}
    given = {"elinewidth": 0.9, "ecolor": GREY, **given}
    ax.errorbar(found.alphas, means, errors, label="mean, one standard error", **given)
    if chosen == found.scoring:
        _mark(ax, found.best_alpha, "best", ORANGE, "-")
        _mark(ax, found.one_se_alpha, "within one standard error", GREEN, "--")
    _penalty_axis(ax, found.alphas, found.n_nonzero)
    ax.set_ylabel(chosen.replace("_", " ") + ", out of fold")
    legend(ax, loc="best")
    n_folds = len(found.fold_sizes)
    title(ax, f"Cross-validation, {n_folds} folds, {len(found.alphas)} penalties")
    return ax


def _mark(ax: Any, alpha: float, what: str, color: str, line: str) -> None:
    text = f"{what}: {significant(alpha, 3)}"
    ax.axvline(alpha, color=color, linestyle=line, linewidth=1.1, label=text)


def _penalty_axis(ax: Any, alphas: FloatArray, n_columns: Any) -> None:
    """Let penalties fall from left to right; columns in the model stand on top."""
    ax.set_xscale("log")
    high, low = float(alphas[0]), float(alphas[-1])
    if low < high:
        margin = (high / low) ** 0.03
        ax.set_xlim(high * margin, low / margin)
    ax.set_xlabel("alpha, the penalty on the mean loss (logarithmic scale)")
    grid(ax)
    if len(set(np.asarray(n_columns).tolist())) == 1:
        return  # as with a ridge penalty, which takes no column out
    places = np.unique(np.linspace(0, len(alphas) - 1, 6).round().astype(int))
    kept = _apart(np.log(alphas), places)
    top = ax.secondary_xaxis("top")
    top.set_xticks(alphas[kept], [f"{n_columns[k]}" for k in kept])
    top.set_xticks([], minor=True)
    top.set_xlabel("columns whose coefficient is not 0", fontsize=SMALL)
    top.tick_params(labelsize=SMALL)


def _apart(places: FloatArray, wanted: Any) -> list[int]:
    """Return those of the wanted places that leave room for a label between them."""
    room = 0.08 * abs(float(places[0] - places[-1]))
    kept: list[int] = []
    for k in wanted.tolist():
        if all(abs(float(places[k] - places[other])) > room for other in kept):
            kept.append(k)
    return kept


def _plain_names(ax: Any) -> None:
    """Take names in the legend as they are, not as mathematics."""
    for text in ax.get_legend().get_texts():
        text.set_parse_math(False)
