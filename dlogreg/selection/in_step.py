"""Solvers of many models, kept in step so that what they ask for is read together.

A solver asks for one pass after another and knows nothing of others. Each runs in a
thread of its own, which rests while it waits for its sums; when all that have not ended
are waiting, one pass serves them all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any, TypeVar

from dlogreg.kernel import Kernel
from dlogreg.partition import Partition
from dlogreg.passes import Passes

T = TypeVar("T")
Ask = Callable[[Kernel], Any]
"""Kernel -> its sums, as of a pass."""
ServeAll = Callable[[Sequence[tuple[int, Kernel]]], Sequence[Any]]
"""One pass: the kernels of some models, by their numbers -> the sums of each."""


@dataclass(slots=True)
class _Request:
    number: int
    kernel: Kernel | None
    """None: this model has ended."""
    reply: SimpleQueue[Any] = field(default_factory=SimpleQueue)


class _Failed:
    """What is answered where a pass could not be made."""


class Abandoned(Exception):  # noqa: N818 - a signal, not an error
    """The pass that a model waited for failed, and the others with it."""


def solve_in_step(models: Sequence[Callable[[Ask], T]], serve: ServeAll) -> list[T]:
    """Return what every model finds; passes are made in the calling thread.

    Parameters
    ----------
    models
        Solvers, called with what gives them the sums of a kernel.
    serve
        Makes a pass for those that have not ended, in the order of their numbers.

    Raises
    ------
    BaseException
        What ``serve`` or a model has raised; Ctrl-C among it.
    """
    requests: SimpleQueue[_Request] = SimpleQueue()
    with ThreadPoolExecutor(max(1, len(models))) as pool:
        futures = [
            pool.submit(_work, number, model, requests)
            for number, model in enumerate(models)
        ]
        _lead(len(models), requests, serve)
    return [future.result() for future in futures]


def _work(number: int, model: Callable[[Ask], Any], requests: Any) -> Any:
    def ask(kernel: Kernel) -> Any:
        request = _Request(number, kernel)
        requests.put(request)
        found = request.reply.get()
        if isinstance(found, _Failed):
            raise Abandoned
        return found

    try:
        return model(ask)
    finally:
        requests.put(_Request(number, None))


def _lead(n_live: int, requests: Any, serve: ServeAll) -> None:
    """Make passes until all models have ended; after a failure, let all of them end."""
    waiting: list[_Request] = []
    failure: BaseException | None = None
    while n_live:
        try:
            request = requests.get()
            if request.kernel is None:
                n_live -= 1
            else:
                waiting.append(request)
            if failure is None and n_live and len(waiting) == n_live:
                waiting.sort(key=lambda one: one.number)
                sums = serve([(one.number, one.kernel) for one in waiting])  # type: ignore[misc]
                for one, found in zip(waiting, sums, strict=True):
                    one.reply.put(found)
                waiting = []
        except BaseException as error:
            failure = failure or error
        if failure is not None:
            for one in waiting:
                one.reply.put(_Failed())
            waiting = []
    if failure is not None:
        raise failure


@dataclass(eq=False)
class ModelPasses(Passes):
    """The passes as one model sees them: shared, and counted once for all."""

    ask: Ask | None = None

    def __post_init__(self) -> None:
        """Leave the progress to the passes that are made."""

    @classmethod
    def of(cls, passes: Passes, ask: Ask) -> ModelPasses:
        """Return what a model may have of these passes."""
        return cls(passes.reduction, passes.progress, trace=passes.trace, ask=ask)

    def run(self, kernel: Kernel, partitions: Sequence[Partition] = ()) -> Any:
        """Return the kernel's sum, once all other models have asked too."""
        assert self.ask is not None
        return self.ask(kernel)

    def annotate(self, **learned: float) -> None:
        """Leave the record of the pass alone, which is of all models."""
