"""A path of penalties as a fragment of HTML: its curves, and a line for every model."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import numpy as np

from dlogreg.display import html
from dlogreg.display.bars import share_bar
from dlogreg.display.cautions import UNFINISHED
from dlogreg.display.numerals import (
    count,
    criterion,
    data_size,
    elided,
    printable,
    significant,
    upper_bound,
)
from dlogreg.display.theme import GREY, SERIES

if TYPE_CHECKING:
    from dlogreg.selection.path_results import PathResults

WIDTH, HEIGHT, EDGE = 460.0, 170.0, 6.0
ROUNDING = 1e-12
"""Deviance ratios of no column are this near to 0."""
NAMED, DRAWN, MAX_NAME = 6, 60, 32
"""So many curves have names, so many are drawn."""
COLUMNS = ("alpha", "columns", "deviance ratio", "AIC", "BIC", "error bound [s.e.]")


def render_path(path: PathResults) -> str:
    """Return the facts, the curves, and the table, folded where it is long."""
    rows = html.table(COLUMNS, _rows(path), ("deviance ratio", *_bars(path)))
    if len(path) > html.OPEN_ROWS:
        summary = f"<summary>All {len(path)} penalties</summary>"
        rows = f"<details>{summary}{rows}</details>\n"
    unfinished = sum(not status.converged for status in path.statuses)
    told = dict.fromkeys(UNFINISHED[s] for s in path.statuses if s in UNFINISHED)
    cautions = [f"{unfinished} of {len(path)} models: {text}" for text in told]
    return html.fragment(
        "Path of penalised logistic regressions",
        html.warnings(cautions),
        html.facts(_facts(path)),
        _curves(path),
        rows,
    )


def _facts(path: PathResults) -> tuple[tuple[str, str], ...]:
    return (
        ("Rows", count(path.first.n_rows)),
        ("Columns", count(len(path.coefs))),
        ("Penalties", f"{len(path)}, {path.alphas[0]:.4g} to {path.alphas[-1]:.4g}"),
        ("Passes over the data", count(path.n_passes)),
        ("Data read", data_size(path.bytes_read)),
        ("Largest error bound", upper_bound(float(path.error_bounds.max()))),
    )


def _rows(path: PathResults) -> list[tuple[str, ...]]:
    columns = zip(
        path.alphas.tolist(),
        np.asarray(path.df).tolist(),
        path.deviance_ratio.tolist(),
        path.aic.tolist(),
        path.bic.tolist(),
        path.error_bounds.tolist(),
        strict=True,
    )
    return [
        (
            f"{alpha:.6g}",
            str(n),
            significant(ratio, 4) if abs(ratio) > ROUNDING else "0",
            criterion(aic),
            criterion(bic),
            upper_bound(bound),
        )
        for alpha, n, ratio, aic, bic, bound in columns
    ]


def _bars(path: PathResults) -> list[str]:
    ratios = path.deviance_ratio
    most = float(np.nanmax(ratios, initial=0.0)) or 1.0
    return [share_bar(ratio / most) for ratio in ratios.tolist()]


def _curves(path: PathResults) -> str:
    """Return the largest coefficients against the penalty, which falls to the right."""
    coefs = np.nan_to_num(path.coefs, posinf=0.0, neginf=0.0)
    if len(path) < 2 or not coefs.any():
        return ""
    order = np.argsort(-np.abs(coefs).max(axis=1), kind="stable")[:DRAWN]
    shown = coefs[order]
    low, high = min(0.0, float(shown.min())), max(0.0, float(shown.max()))
    logs = np.log(path.alphas)
    x = EDGE + (WIDTH - 2 * EDGE) * (logs[0] - logs) / (logs[0] - logs[-1])
    y = EDGE + (HEIGHT - 2 * EDGE) * (high - shown) / (high - low)
    zero = EDGE + (HEIGHT - 2 * EDGE) * high / (high - low)
    lines = [f'<path class="rule" d="M0 {zero:.1f}H{WIDTH:g}"/>']
    for k in range(len(order) - 1, -1, -1):  # the largest on top
        colour = SERIES[k] if k < NAMED else GREY
        points = " ".join(
            f"{a:.1f},{b:.1f}" for a, b in zip(x.tolist(), y[k].tolist(), strict=True)
        )
        lines.append(
            f'<polyline points="{points}" fill="none" stroke="{colour}" '
            f'stroke-width="{1.8 if k < NAMED else 0.8}"/>'
        )
    return (
        "<figure><figcaption>Coefficients, from the strongest penalty to the weakest"
        f'</figcaption><svg width="{WIDTH:g}" height="{HEIGHT:g}" '
        f'viewBox="0 0 {WIDTH:g} {HEIGHT:g}" style="max-width:100%" '
        f'aria-hidden="true">{"".join(lines)}</svg></figure>\n'
        f'<p class="notes">{_key(path, order[:NAMED].tolist())}</p>\n'
    )


def _key(path: PathResults, slopes: list[int]) -> str:
    """Return which colour is which column's."""
    names = path.names[int(path.first.fit_intercept) :]
    return "".join(
        f'<span class="key" style="background:{SERIES[k]}"></span>'
        f"{escape(elided(printable(names[j]), MAX_NAME))}"
        for k, j in enumerate(slopes)
    )
