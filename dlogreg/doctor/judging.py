"""Facts to findings: what is right, what may hurt, and what will not work."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from dlogreg.doctor.answers import Answers, Facts
from dlogreg.doctor.exposure import judge_encryption, judge_pages
from dlogreg.doctor.findings import Finding, error, ok, warning
from dlogreg.screen import bytes_text

SAME = (
    *("dlogreg", "dlogreg code", "dask", "distributed", "cloudpickle"),
    *("numpy", "scipy", "zarr", "numcodecs"),
)
"""Packages whose versions must be the client's: what is sent must be understood, and
the same sums must come out bit for bit."""
CLOCK_SECONDS = 2.0
LITTLE_DISK = 2**30
_HOLD = "set OMP_NUM_THREADS=1 where it is started"


def judge(answers: Answers) -> list[Finding]:
    """Return the findings of all checks, the good ones too."""
    cluster = answers.scheduler is not None
    here = {} if cluster else {"this process": answers.client}
    answered = {name: w for name, w in answers.workers.items() if "error" not in w}
    return [
        *_versions(answers),
        *(_workers(answers) if cluster else ()),
        *_blas(here or {"client": answers.client, **answered}),
        *_memory(answered, here),
        *_clock(answers),
        *_data({"client": answers.client, **answered} if cluster else here),
        *judge_encryption(answers),
        *judge_pages(answers),
    ]


def _processes_text(n: int) -> str:
    return f"{n} process{'es' * (n != 1)}"


def _versions(answers: Answers) -> Iterator[Finding]:
    ours, bad = answers.client["versions"], False
    for name, facts in answers.others.items():
        if "error" in facts:
            continue
        for finding in _differences(name, ours, facts["versions"]):
            bad = True
            yield finding
    listed = ("python", "dlogreg", "dask", "distributed", "numpy", "scipy", "zarr")
    text = ", ".join(f"{key} {ours[key]}" for key in listed if key in ours)
    others = "" if bad or answers.scheduler is None else " and everywhere"
    yield ok("versions", f"client{others}", text)


def _differences(
    where: str, ours: Mapping[str, str], theirs: Mapping[str, str]
) -> Iterator[Finding]:
    for key in dict.fromkeys([*ours, *theirs]):
        mine, other = ours.get(key), theirs.get(key)
        if mine == other:
            continue
        fatal = key in SAME or (key == "python" and _minor(mine) != _minor(other))
        advice = "install the client's version there, e.g. from the same image"
        text = f"{key} is {other or 'missing'}, the client's {mine or 'missing'}"
        make = error if fatal else warning
        yield make("versions", where, f"{text}; {advice}")


def _minor(version: str | None) -> str:
    return ".".join((version or "").split(".")[:2])


def _workers(answers: Answers) -> Iterator[Finding]:
    scheduler = answers.scheduler or {}
    if "error" in scheduler:
        advice = "it must be able to import dlogreg, and be allowed to be asked"
        yield error("scheduler", "scheduler", f"{scheduler['error']}; {advice}")
    for name, facts in answers.workers.items():
        if "error" in facts:
            advice = "look at its log; it must be able to import this dlogreg"
            yield error("workers", name, f"{facts['error']}; {advice}")
    if not answers.workers:
        advice = "start them, with certificates of the same authority"
        yield error("workers", "scheduler", f"there are no workers; {advice}")
        return
    missing = (answers.wanted or 0) - len(answers.workers)
    if missing > 0:
        text = f"{missing} of {answers.wanted} did not come"
        yield error("workers", "cluster", f"{text}; look at their logs")
    yield from _threads([w for w in answers.workers.values() if "error" not in w])


def _threads(answered: Sequence[Facts]) -> Iterator[Finding]:
    """Judge how many threads the workers of every host have together."""
    nodes = Counter(facts["node"] for facts in answered)
    threads: Counter[str] = Counter()
    for facts in answered:
        threads[facts["node"]] += facts["worker"]["threads"]
    for facts in answered:
        node, cpus = facts["node"], facts["n_cpus"]
        if threads.get(node, 0) > cpus:
            text = f"{threads.pop(node)} threads of workers for {cpus} cores"
            yield warning("workers", node, f"{text}; start as many as there are cores")
    total = sum(facts["worker"]["threads"] for facts in answered)
    yield ok(
        "workers",
        "cluster",
        f"{len(answered)} with {total} threads on {len(nodes)} hosts",
    )


def _blas(processes: dict[str, Facts]) -> Iterator[Finding]:
    kinds: Counter[str] = Counter()
    for name, facts in processes.items():
        labels = [" ".join(_kind(lib)) for lib in facts["blas"]]
        simd = [f"{key} by {value}" for key, value in sorted(facts["simd"].items())]
        kinds[", ".join([*sorted(labels), *simd])] += 1
        for label, library in zip(labels, facts["blas"], strict=True):
            if library["inside"] != 1:
                text = f"{label} keeps {library['inside']} threads inside tasks"
                yield warning("BLAS", name, f"{text}; {_HOLD}")
        if not labels:
            yield warning("BLAS", name, f"no BLAS that can be held; {_HOLD}")
    for label, n in kinds.items():
        yield ok("BLAS", _processes_text(n), label)
    if len(kinds) > 1:
        yield warning(
            "BLAS",
            "cluster",
            f"{len(kinds)} kinds of kernels: last bits of a result depend on who "
            "computes what; set OPENBLAS_CORETYPE (and NPY_DISABLE_CPU_FEATURES) "
            "alike everywhere, or take hosts of one kind",
        )


def _kind(library: Facts) -> tuple[str, ...]:
    return library["name"], library["version"], library["kernels"]


def _memory(workers: dict[str, Facts], here: dict[str, Facts]) -> Iterator[Finding]:
    for name, facts in here.items():
        yield ok("memory", name, f"{bytes_text(facts['memory'])} may be used")
    limits: Counter[str] = Counter()
    for name, facts in workers.items():
        worker = facts["worker"]
        limit = worker["memory_limit"]
        if not limit:
            advice = "start it with --memory-limit, so that it cannot fill its host"
            yield warning("memory", name, f"no limit; {advice}")
            continue
        limits[facts["node"]] += limit
        if worker["terminate"] is None:
            text = "nothing restarts it above its limit: it has no nanny, or"
            advice = "distributed.worker.memory.terminate is off"
            yield warning("memory", name, f"{text} {advice}")
        if worker["folder_free"] < LITTLE_DISK:
            text = f"{bytes_text(worker['folder_free'])} free in {worker['folder']}"
            advice = "give another --local-directory to spill to"
            yield warning("memory", name, f"{text}; {advice}")
    whole = {facts["node"]: facts["memory"] for facts in workers.values()}
    for node, limit in limits.items():
        if limit > whole[node]:
            text = f"workers may take {bytes_text(limit)} of {bytes_text(whole[node])}"
            yield warning("memory", node, f"{text}; lower their --memory-limit")
    for shares, n in Counter(map(_shares, workers.values())).items():
        yield ok("memory", f"{n} worker(s)", shares)


def _shares(facts: Facts) -> str:
    worker = facts["worker"]
    limit = worker["memory_limit"]
    size = bytes_text(limit) if limit else "no limit"
    steps = ("target", "spill", "pause", "terminate")
    shares = (f"{key} {_percent(worker[key])}" for key in steps)
    return f"{size} each; {', '.join(shares)}"


def _percent(share: float | None) -> str:
    return "off" if share is None else f"{share:.0%}"


def _clock(answers: Answers) -> Iterator[Finding]:
    worst = 0.0
    for name, facts in answers.others.items():
        if "now" not in facts:
            continue
        late = facts["now"] - facts["answered"]
        early = facts["asked"] - facts["now"]
        off = max(late, early, 0.0)
        worst = max(worst, off)
        if off > CLOCK_SECONDS:
            text = f"at least {off:.0f} s {'ahead' if late > early else 'behind'}"
            advice = "synchronize it (NTP); logs and certificates go by it"
            yield warning("clock", name, f"{text}; {advice}")
    if answers.scheduler is not None and worst <= CLOCK_SECONDS:
        yield ok("clock", "cluster", "agrees with the client's to 2 s or less")


def _data(processes: dict[str, Facts]) -> Iterator[Finding]:
    read = {name: f["data"] for name, f in processes.items() if "data" in f}
    good = {name: facts for name, facts in read.items() if "error" not in facts}
    for name, facts in read.items():
        if "error" in facts:
            yield error("data", name, facts["error"])
    if not good:
        return
    usual = Counter(facts["digest"] for facts in good.values()).most_common(1)[0][0]
    for name, facts in good.items():
        if facts["digest"] != usual:
            advice = "give a path where all find the same data"
            yield error("data", name, f"reads other values than the others; {advice}")
    first = next(iter(good.values()))
    slowest = max(facts["seconds"] for facts in good.values())
    yield ok(
        "data",
        _processes_text(len(good)),
        f"{first['n_rows']:,} rows x {first['n_columns']:,} columns; the first block, "
        f"{bytes_text(first['n_bytes'])}, read in at most {slowest:.2g} s",
    )
