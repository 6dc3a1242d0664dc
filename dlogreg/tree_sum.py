"""The order in which sums are added: a fixed binary tree, wherever tasks run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dlogreg.evaluation import Summable


class TreeSum:
    """Adds leaves as they come, along the fixed binary tree over their indices."""

    def __init__(self) -> None:
        self._nodes: list[tuple[int, Any]] = []

    def push(self, node: Summable) -> None:
        """Add the next leaf."""
        level = 0
        while self._nodes and self._nodes[-1][0] == level:
            node = self._nodes.pop()[1] + node
            level += 1
        self._nodes.append((level, node))

    def total(self) -> Any:
        """Return the sum of all leaves."""
        total = self._nodes.pop()[1]
        while self._nodes:
            total = self._nodes.pop()[1] + total
        return total


def add_pairwise(nodes: Sequence[Any]) -> Any:
    """Add neighbours, then neighbours of the sums, up to one."""
    level = list(nodes)
    while len(level) > 1:
        odd = level[len(level) // 2 * 2 :]
        level = [a + b for a, b in zip(level[::2], level[1::2], strict=False)] + odd
    return level[0]
