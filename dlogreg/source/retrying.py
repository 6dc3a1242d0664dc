"""Reads that fail are repeated: disks and networks err now and then."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from dlogreg.errors import DataError
from dlogreg.source.blocks import Array, Blocks, Load
from dlogreg.source.chunk_files import GivenUpError

ATTEMPTS = 3
"""Times that a block is read before its error counts."""
PAUSE = 0.1
"""Seconds before the second attempt; five times as long before each further one."""
FINAL = (
    *(TypeError, AttributeError, NameError, LookupError, ArithmeticError),
    *(AssertionError, NotImplementedError, MemoryError, GivenUpError),
)
"""What a program does wrong, and would do wrong again; what was tried again before."""

Result = TypeVar("Result")


class Retries:
    """Repeats reads of one task, and counts how often."""

    def __init__(self) -> None:
        self.count = 0

    def opened(self, blocks: Blocks, inputs: tuple[Any, ...]) -> Load:
        """Open a recipe; return a function that loads its blocks."""
        load = self._repeated(lambda: blocks.open(inputs))

        def load_again(i: int) -> Mapping[str, Array]:
            return self._repeated(lambda: load(i))

        return load_again

    def _repeated(self, read: Callable[[], Result]) -> Result:
        """Read; the last error is raised as it is, which names the chunk."""
        pause = PAUSE
        for _ in range(ATTEMPTS - 1):
            try:
                return read()
            except (DataError, OSError) as error:
                if not _may_pass(error):
                    raise
            time.sleep(pause)
            self.count += 1
            pause *= 5
        return read()


def _may_pass(error: BaseException) -> bool:
    """Tell whether a read may go well another time: whether it met the outside world.

    A ``DataError`` without a cause is a judgement on what was read.
    """
    if isinstance(error, DataError):
        cause = error.__cause__
        return cause is not None and _may_pass(cause)
    return isinstance(error, Exception) and not isinstance(error, FINAL)
