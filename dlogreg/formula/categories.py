"""Categories: what C() asks for, and the columns that stand for levels."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from dlogreg.evaluation import FloatArray, Label
from dlogreg.extras import require
from dlogreg.formula.expression import QUOTED, FormulaError

CONTRASTS = {
    **{name: name for name in ("Treatment", "Sum", "Helmert", "Diff", "Poly")},
    **{
        f"contr.{name}": name
        for name in ("treatment", "sum", "helmert", "diff", "poly", "SAS")
    },
}
"""Codings of categories, by what stands in C(x, ...)."""


@dataclass(frozen=True, slots=True, eq=False)
class Coding:
    """Columns that stand for the levels of a category."""

    levels: tuple[Label, ...]
    matrix: FloatArray | None
    """Line per level, of the columns with one left out; None: indicators."""
    reference: int = 0
    """Level that has no indicator, where one is left out."""


def coding_of(text: str, made: Any, levels: tuple[Label, ...]) -> Coding:
    """Return the coding of a category whose levels are known by now.

    ``made`` is what C() asks for, an object of formulaic; None: indicators.
    """
    if made is None:
        return Coding(levels, None)
    known = list(levels)
    contrasts = require("formulaic.transforms.contrasts", "formula")
    try:
        if isinstance(made, contrasts.TreatmentContrasts):  # SAS is one of them, too
            dropped = made.get_drop_field(known, reduced_rank=False)
            if dropped not in known:
                some = ", ".join(map(repr, known[:5])) + ", ..." * (len(known) > 5)
                raise FormulaError(f"{text}: {dropped!r} is none of the levels {some}")
            return Coding(levels, None, known.index(dropped))
        coded = made.get_coding_matrix(known, True)
    except FormulaError:
        raise
    except (ValueError, KeyError, IndexError) as error:
        raise FormulaError(f"{text}: {error}") from None
    return Coding(levels, np.asarray(coded, dtype=np.float64))


def split_category(text: str) -> tuple[str, Any, tuple[Label, ...] | None]:
    """Return what is inside C(), its contrasts and its levels."""
    aliases: list[str] = []

    def hide(found: re.Match[str]) -> str:
        if found[1] is None:
            return found[0]
        aliases.append(found[0])
        return f"column_{len(aliases) - 1}_C"

    try:
        node = ast.parse(QUOTED.sub(hide, text), mode="eval").body
    except SyntaxError as error:
        raise FormulaError(f"{text!r} cannot be read: {error}") from None
    if not isinstance(node, ast.Call) or not node.args or len(node.args) > 2:
        raise FormulaError(
            f"{text!r} must be C(x) or C(x, contrasts), with C() outside"
        )
    inside = ast.unparse(node.args[0])
    for i, quoted in enumerate(aliases):
        inside = inside.replace(f"column_{i}_C", quoted)
    named = {str(k.arg): k.value for k in node.keywords}
    chosen = node.args[1] if len(node.args) == 2 else named.pop("contrasts", None)
    levels = named.pop("levels", None)
    if named:
        raise FormulaError(f"{text!r}: C() has no option {next(iter(named))!r}")
    return inside, _contrasts(chosen, text), _levels(levels, text)


def _levels(node: ast.expr | None, text: str) -> tuple[Label, ...] | None:
    if node is None:
        return None
    try:
        levels = tuple(ast.literal_eval(node))
        if levels and len(set(levels)) == len(levels):
            return levels
    except (ValueError, TypeError):
        pass
    raise FormulaError(f"{text!r}: levels must be a list of different values")


def _contrasts(node: ast.expr | None, text: str) -> Any:
    """Return the coding that stands in C(), an object of formulaic."""
    if node is None:
        return None
    call = node if isinstance(node, ast.Call) else ast.Call(node, [], [])
    name = CONTRASTS.get(ast.unparse(call.func))
    if name is None:
        known = ", ".join(CONTRASTS)
        raise FormulaError(f"{text!r}: {ast.unparse(node)!r} is none of {known}")
    transforms = require("formulaic.transforms", "formula")
    made = transforms.TRANSFORMS.get(name)
    made = made or getattr(transforms.ContrastsRegistry, name)
    try:
        positional = [ast.literal_eval(arg) for arg in call.args]
        return made(
            *positional,
            **{str(k.arg): ast.literal_eval(k.value) for k in call.keywords},
        )
    except (ValueError, TypeError) as error:
        raise FormulaError(f"{text!r}: {ast.unparse(node)}: {error}") from None
