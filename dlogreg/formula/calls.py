"""Calls of transforms in a formula, with their options checked."""

from __future__ import annotations

import ast
import inspect
import math
from collections.abc import Callable, Sequence
from typing import Any

from dlogreg.formula.expression import FormulaError
from dlogreg.formula.transforms import Polynomial, Scale, Spline, Transform

MOST_DEGREE = 5
"""Of orthogonal polynomials: the moments of higher ones lose too many digits."""


def read_transform(call: ast.Call) -> Transform:
    """Return the transform that a checked call asks for."""
    assert isinstance(call.func, ast.Name)
    maker = MAKERS[call.func.id]
    positional = [ast.literal_eval(arg) for arg in call.args[1:]]
    named = {str(k.arg): ast.literal_eval(k.value) for k in call.keywords}
    text = ast.unparse(call)
    try:
        bound = inspect.signature(maker).bind(text, *positional, **named)
    except TypeError as error:
        raise FormulaError(f"{text}: {error}") from None
    return maker(*bound.args, **bound.kwargs)


def _scale(text: str, center: Any = True, scale: Any = True, ddof: float = 1) -> Scale:
    return Scale(
        _option(text, center, 0.0), _option(text, scale, 1.0), _number(text, ddof)
    )


def _standardize(
    text: str, center: Any = True, rescale: Any = True, ddof: float = 0
) -> Scale:
    return _scale(text, center, rescale, ddof)


def _center(text: str) -> Scale:
    return Scale(None, 1.0, 1.0)


def _option(text: str, value: Any, off: float) -> float | None:
    """Return None for True, what stands for False, or a number."""
    if isinstance(value, bool):
        return None if value else off
    return _number(text, value)


def _number(text: str, value: Any) -> float:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not math.isfinite(value):
        raise FormulaError(f"{text}: {value!r} must be a number")
    return float(value)


def _whole(text: str, value: Any, least: int, most: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise FormulaError(f"{text}: {value!r} must be a whole number")
    if not least <= value <= most:
        raise FormulaError(f"{text}: {value} must lie between {least} and {most}")
    return value


def _poly(text: str, degree: int = 1, raw: bool = False) -> Polynomial:
    if not raw and _whole(text, degree, 1, 20) > MOST_DEGREE:
        raise FormulaError(
            f"{text}: orthogonal polynomials above degree {MOST_DEGREE} cannot be "
            "found exactly enough from sums; write a lower degree, or bs(x, knots=...)"
        )
    return Polynomial(_whole(text, degree, 1, 20), bool(raw))


def _bs(
    text: str,
    df: int | None = None,
    knots: Sequence[float] | None = None,
    degree: int = 3,
    include_intercept: bool = False,
    lower_bound: float | None = None,
    upper_bound: float | None = None,
    extrapolation: str = "raise",
) -> Spline:
    degree = _whole(text, degree, 0, 10)
    least = degree + bool(include_intercept)
    if df is not None and (knots is not None or _whole(text, df, least, 1000) > least):
        reason = "df or knots must be given, not both"
        if knots is None:
            reason = (
                "its knots would be quantiles, which cannot be found exactly from sums"
            )
        raise FormulaError(f"{text}: {reason}; write bs(x, knots=[...])")
    if extrapolation not in ("raise", "clip", "zero", "extend"):
        raise FormulaError(
            f"{text}: extrapolation must be 'raise', 'clip', 'zero' or 'extend', not "
            f"{extrapolation!r}"
        )
    if not isinstance(knots, list | tuple | None):
        raise FormulaError(f"{text}: knots must be a list of numbers, not {knots!r}")
    return Spline(
        tuple(_number(text, knot) for knot in knots or ()),
        degree,
        bool(include_intercept),
        None if lower_bound is None else _number(text, lower_bound),
        None if upper_bound is None else _number(text, upper_bound),
        extrapolation,
    )


MAKERS: dict[str, Callable[..., Transform]] = {
    "center": _center,
    "scale": _scale,
    "standardize": _standardize,
    "poly": _poly,
    "bs": _bs,
}
