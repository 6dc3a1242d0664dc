"""The order in which sums are added: a fixed binary tree, wherever tasks run."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
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
            node = added(self._nodes.pop()[1], node)
            level += 1
        self._nodes.append((level, node))

    def total(self) -> Any:
        """Return the sum of all leaves."""
        total = self._nodes.pop()[1]
        while self._nodes:
            total = added(self._nodes.pop()[1], total)
        return total


class SiblingSum:
    """Adds nodes that come in any order along the tree of ``add_pairwise``.

    A node is added to its sibling as soon as both are there, by the thread that brings
    the second. If they come about in their order, few more than the logarithm of their
    number wait at any time.
    """

    def __init__(self, n_nodes: int, add: Callable[[Any, Any], Any]) -> None:
        self._n_nodes, self._add = n_nodes, add
        self._lock = threading.Lock()
        self._waiting: dict[tuple[int, int], Any] = {}

    def push(self, index: int, node: Any) -> None:
        """Add the node of this index, counted from zero."""
        level, count = 0, self._n_nodes
        while count > 1:
            sibling = index ^ 1
            if sibling < count:  # else it is the last of an odd number, and moves up
                with self._lock:
                    other = self._waiting.pop((level, sibling), None)
                    if other is None:
                        self._waiting[level, index] = node
                        return
                pair = (other, node) if sibling < index else (node, other)
                node = self._add(*pair)
            index, level, count = index // 2, level + 1, (count + 1) // 2
        self._waiting[level, 0] = node

    def total(self) -> Any:
        """Return the sum of all nodes, once they have come."""
        (total,) = self._waiting.values()
        return total


def added(left: Any, right: Any) -> Any:
    """Return the sum of two nodes that nobody else needs; the left one is used up.

    Sums that are long say by ``__iadd__`` how they are added where they lie.
    """
    left += right
    return left


def add_pairwise(nodes: Sequence[Any]) -> Any:
    """Add neighbours, then neighbours of the sums, up to one."""
    level = list(nodes)
    while len(level) > 1:
        odd = level[len(level) // 2 * 2 :]
        level = [a + b for a, b in zip(level[::2], level[1::2], strict=False)] + odd
    return level[0]
