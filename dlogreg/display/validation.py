"""A cross-validation as a fragment of HTML: scores by penalty, above their table."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import numpy as np

from dlogreg.display.html import render
from dlogreg.display.numerals import significant

if TYPE_CHECKING:
    from dlogreg.selection.validation import CrossValidation

WIDTH, HEIGHT, LEFT, EDGE = 460.0, 150.0, 52.0, 8.0


def render_validation(found: CrossValidation) -> str:
    """Return the summary with a picture of what it chooses from."""
    return render(found.summary(), _picture(found))


def _picture(found: CrossValidation) -> str:
    """Return means and standard errors; the penalty falls from left to right."""
    means, errors = found.scores, np.nan_to_num(found.errors)
    if len(means) < 2 or not np.isfinite(means).all():
        return ""
    low, high = float((means - errors).min()), float((means + errors).max())
    if not low < high:
        return ""
    logs = np.log(found.alphas)
    x = LEFT + (WIDTH - LEFT - EDGE) * (logs[0] - logs) / (logs[0] - logs[-1])

    def level(score: float) -> float:
        return EDGE + (HEIGHT - 2 * EDGE) * (high - score) / (high - low)

    whiskers = "".join(
        f"M{a:.1f} {level(m - e):.1f}V{level(m + e):.1f}"
        for a, m, e in zip(x.tolist(), means.tolist(), errors.tolist(), strict=True)
    )
    ends = "".join(
        f'<text x="{LEFT - 6:g}" y="{level(end) + 3:.1f}" text-anchor="end">'
        f"{significant(end, 4)}</text>"
        for end in (low, high)
    )
    line = _line(found, x.tolist(), [level(mean) for mean in means.tolist()])
    return _figure(found.scoring, f'{ends}<path class="rule" d="{whiskers}"/>{line}')


def _line(found: CrossValidation, x: list[float], levels: list[float]) -> str:
    """Return the line through the means, and a mark at each that is chosen."""
    places = zip(x, levels, strict=True)
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in places)
    marks = "".join(
        f'<circle class="{kind}" cx="{x[k]:.1f}" cy="{levels[k]:.1f}" r="4"/>'
        for k, kind in _choices(found)
    )
    return f'<polyline class="mark line" style="fill:none" points="{points}"/>{marks}'


def _figure(scoring: str, content: str) -> str:
    """Return a picture under its title."""
    title = escape(
        f"{scoring.replace('_', ' ')} out of fold, from the strongest penalty to the "
        "weakest"
    )
    size = f'width="{WIDTH:g}" height="{HEIGHT:g}"'
    return (
        f"<figure><figcaption>{title}</figcaption>"
        f'<svg {size} viewBox="0 0 {WIDTH:g} {HEIGHT:g}" style="max-width:100%" '
        f'role="img" aria-label="{title}">{content}</svg></figure>\n'
    )


def _choices(found: CrossValidation) -> list[tuple[int, str]]:
    """Return the places of the penalties that are chosen, and how they are marked."""
    alphas = found.alphas.tolist()
    places = {alphas.index(found.one_se_alpha): "mark"}
    places[alphas.index(found.best_alpha)] = "second"
    return list(places.items())
