"""The order in which sums are added: a fixed binary tree, wherever tasks run."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
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
        lent = self.lent or other.lent
        sums = self.sums + other.sums if lent else added(self.sums, other.sums)
        return _Node(sums, lent=False, level=self.level + 1)


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
    """Return the sum of two nodes that nobody else needs, in the memory they have."""
    absorb = getattr(left, "absorb", None)
    return left + right if absorb is None else absorb(right)


def add_pairwise(nodes: Sequence[Any]) -> Any:
    """Add neighbours, then neighbours of the sums, up to one; they stay as they are."""
    tree = TreeSum()
    for node in nodes:
        tree.push(node, lent=True)
    return tree.total()
