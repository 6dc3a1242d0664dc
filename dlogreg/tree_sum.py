"""The order in which sums are added: a fixed binary tree, wherever tasks run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dlogreg.evaluation import Summable


class TreeSum:
    """Adds leaves as they come, along the fixed binary tree over their indices."""

    def __init__(self) -> None:
        self._nodes: list[_Node] = []

    def push(self, leaf: Summable, *, lent: bool = False) -> None:
        """Add the next leaf; its memory is used up, unless it is only ``lent``."""
        node = _Node(leaf, lent)
        while self._nodes and self._nodes[-1].level == node.level:
            node = self._nodes.pop() + node
        self._nodes.append(node)

    def total(self) -> Any:
        """Return the sum of all leaves."""
        total = self._nodes.pop()
        while self._nodes:
            total = self._nodes.pop() + total
        return total.sums


@dataclass(frozen=True, slots=True)
class _Node:
    sums: Any
    lent: bool
    level: int = 0

    def __add__(self, other: _Node) -> _Node:
        absorb = None
        if not (self.lent or other.lent):
            absorb = getattr(self.sums, "absorb", None)
        sums = self.sums + other.sums if absorb is None else absorb(other.sums)
        return _Node(sums, lent=False, level=self.level + 1)


def add_pairwise(nodes: Sequence[Any]) -> Any:
    """Add neighbours, then neighbours of the sums, up to one; they stay as they are."""
    tree = TreeSum()
    for node in nodes:
        tree.push(node, lent=True)
    return tree.total()
