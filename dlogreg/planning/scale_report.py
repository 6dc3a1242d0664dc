"""The plan of a fit on a cluster that is not there, as text."""

from __future__ import annotations

from dataclasses import dataclass

from dlogreg.memory import ProjectedMemory
from dlogreg.planning.report import Row, as_lines
from dlogreg.screen import bytes_text, seconds_text

TASK_SECONDS = 1e-3
"""What a task costs dask's scheduler, which handles one after the other."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """Workers, and what they and their network can do."""

    n_workers: int
    threads_per_worker: int = 1
    bandwidth: float = 1e9
    """Bytes per second of one machine's network, that of the driver too."""
    read_rate: float = 5e8
    """Decoded bytes per second that reach one worker."""
    task_seconds: float = TASK_SECONDS
    """Of the scheduler, for every task."""

    @property
    def n_threads(self) -> int:
        """Threads of all workers."""
        return self.n_workers * self.threads_per_worker


@dataclass(frozen=True, slots=True)
class PassSeconds:
    """Seconds of a pass after the first, by what takes them."""

    reading: float
    computing: float
    scheduling: float
    sending: float
    """Kernels and recipes, from the driver."""
    reducing: float
    """The levels of the tree after the last task, and the sum's way to the driver."""
    solving: float
    """The Newton system, on one core of the driver."""

    @property
    def limits(self) -> dict[str, float]:
        """What goes on at the same time, so that the longest counts."""
        return {
            "reading": self.reading,
            "computing": self.computing,
            "scheduling": self.scheduling,
            "sending": self.sending,
        }

    @property
    def bottleneck(self) -> str:
        """The longest of these."""
        return max(self.limits, key=self.limits.__getitem__)

    @property
    def total(self) -> float:
        """Seconds of the pass."""
        return self.limits[self.bottleneck] + self.reducing + self.solving


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ScalePlan:
    """What a fit would do and cost on a cluster; print it."""

    cluster: Cluster
    kind: str
    dtype: str
    n_rows: int
    n_features: int
    n_params: int
    n_blocks: int
    n_leaves: int
    n_tasks: int
    """Tasks of a pass that read."""
    n_adding: int
    """Tasks of a pass that add the sums of others."""
    n_levels: int
    """Levels of the tree of these."""
    bytes_per_pass: int
    """Decoded bytes that every pass reads."""
    kernel_bytes: int
    """Of coefficients and what centres the columns, as they are sent."""
    sum_bytes: int
    """Of the sums that one task returns, as they are sent."""
    bytes_out: int
    """Sent by the driver in a pass."""
    bytes_between: int
    """At most sent between workers in a pass."""
    bytes_back: int
    """Sent to the driver in a pass."""
    solver: str
    why_solver: str
    learns: bool
    """The first pass learns a start."""
    closes: bool
    """A closing pass may be needed for standard errors."""
    passes: tuple[int, int]
    """Fewest and most passes to expect, a closing pass included."""
    seconds: PassSeconds
    memory: ProjectedMemory
    advice: tuple[str, ...]
    """What limits the fit, and what would make it faster."""

    @property
    def memory_per_worker(self) -> int:
        """Bytes that the tasks of one worker need at once."""
        return self.memory.of_worker(self.cluster.threads_per_worker)

    def rows(self) -> list[Row]:
        """Return the lines to show, as pairs of name and value."""
        lines = [
            ("cluster", self._cluster()),
            ("data", f"{self.n_rows:,} rows x {self.n_features:,} columns"),
            ("source", self._source()),
            ("tasks", self._tasks()),
            ("solver", f"{self.solver}: {self.why_solver}"),
            ("passes", self._passes()),
            ("network", self._network()),
            ("time", self._total()),
            ("of which", self._parts()),
            ("memory", self._memory()),
        ]
        return lines + [("advice", text) for text in self.advice]

    def __str__(self) -> str:
        """Return one fact per line, long ones wrapped."""
        return as_lines(self.rows())

    def __repr__(self) -> str:
        """Return the same, so that a terminal shows it."""
        return str(self)

    def _cluster(self) -> str:
        cluster = self.cluster
        workers = _count(cluster.n_workers, "worker")
        return (
            f"{workers} with {_count(cluster.threads_per_worker, 'thread')} "
            f"each; network {bytes_text(cluster.bandwidth)}/s, reading "
            f"{bytes_text(cluster.read_rate)}/s a worker, scheduler "
            f"{seconds_text(cluster.task_seconds)} a task"
        )

    def _source(self) -> str:
        block = self.memory.block
        size = "" if block is None else f" of up to {bytes_text(block)}"
        blocks = f"{_count(self.n_blocks, 'block')}{size}"
        whole = bytes_text(self.bytes_per_pass)
        return f"{self.kind}, {self.dtype}; {blocks}; {whole} per pass"

    def _tasks(self) -> str:
        leaves = f"{self.n_leaves:,} {'leaf' if self.n_leaves == 1 else 'leaves'}"
        read = f"{self.n_tasks:,} per pass for {leaves}"
        if not self.n_adding:
            return read
        levels = _count(self.n_levels, "level")
        return f"{read}, and {self.n_adding:,} in {levels} that add their sums"

    def _passes(self) -> str:
        low, high = self.passes
        parts = ["the first one learns a start"] if self.learns else []
        parts += ["Newton steps" if self.solver == "newton" else "steps of the solver"]
        closing = "a closing pass for standard errors unless the last one serves"
        parts += [closing] if self.closes else []
        return f"{low} to {high}: {', '.join(parts)}"

    def _network(self) -> str:
        return (
            f"the driver sends {bytes_text(self.bytes_out)} per pass "
            f"({bytes_text(self.kernel_bytes)} of coefficients, and what to read), "
            f"workers at most {bytes_text(self.bytes_between)} to each other (sums of "
            f"{bytes_text(self.sum_bytes)} a task), and one "
            f"{bytes_text(self.bytes_back)} to the driver"
        )

    def _total(self) -> str:
        low, high = (seconds_text(n * self.seconds.total) for n in self.passes)
        each = seconds_text(self.seconds.total)
        limit = f"limited by {self.seconds.bottleneck}"
        return f"about {each} per pass, {limit}; {low} to {high} in all"

    def _parts(self) -> str:
        seconds = self.seconds
        limits = (f"{k} {seconds_text(v)}" for k, v in seconds.limits.items())
        return (
            f"{', '.join(limits)} at the same time; then reducing "
            f"{seconds_text(seconds.reducing)} and solving "
            f"{seconds_text(seconds.solving)}"
        )

    def _memory(self) -> str:
        memory = self.memory
        return (
            f"{bytes_text(memory.per_task)} per task, "
            f"{bytes_text(self.memory_per_worker)} per worker, and "
            f"{bytes_text(memory.driver)} on the driver, beside the interpreters"
        )


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'s' * (number != 1)}"
