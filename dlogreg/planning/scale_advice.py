"""What limits a fit on a large cluster."""

from __future__ import annotations

from dlogreg.layout import CLUSTER_TASKS_PER_THREAD
from dlogreg.partition import MAX_LEAVES
from dlogreg.planning.scale_report import ScalePlan
from dlogreg.screen import bytes_text, seconds_text

MUCH = 0.2
"""Share of a pass from which what does not grow with the data is worth a word."""
WASTED = 0.1
"""Share of the threads that wait in the last round from which it is."""


def on_scale(plan: ScalePlan) -> tuple[str, ...]:
    """Return what limits the fit on this cluster, and what would help."""
    found = (_on_idle(plan), _on_rounds(plan), _on_scheduler(plan), _on_driver(plan))
    return tuple(text for text in found if text)


def _on_idle(plan: ScalePlan) -> str:
    """Say why there are fewer tasks than threads."""
    threads, n = plan.cluster.n_threads, plan.n_tasks
    if n >= threads:
        return ""
    if plan.n_leaves == plan.n_blocks:
        why = "every block is a leaf: smaller chunks would make more"
    elif plan.n_leaves > MAX_LEAVES // 2:
        why = f"data are cut into at most {MAX_LEAVES:,} leaves"
    else:
        why = f"leaves hold at least 8 rows for each of {plan.n_params:,} coefficients"
    return (
        f"{threads - n:,} of {threads:,} threads stay idle, as there are no more than "
        f"{n:,} tasks: {why}; as many threads would be as fast"
    )


def _on_rounds(plan: ScalePlan) -> str:
    """Say how few threads would take as many rounds of tasks, and read as fast."""
    threads, n = plan.cluster.n_threads, plan.n_tasks
    rounds = -(-n // threads)
    enough = -(-n // rounds)
    wasted = 1 - enough / threads
    same = n <= int(enough * CLUSTER_TASKS_PER_THREAD)
    if plan.seconds.bottleneck == "reading":
        workers = -(-enough // plan.cluster.threads_per_worker)
        same = same and -(-n // workers) == -(-n // plan.cluster.n_workers)
    if n < threads or wasted < WASTED or not same:
        return ""
    return (
        f"{n:,} tasks take {rounds} rounds of {threads:,} threads, the last one with "
        f"few of them: {enough:,} threads would be as fast"
    )


def _on_scheduler(plan: ScalePlan) -> str:
    """Say when it is tasks or their recipes that limit a pass."""
    limit = plan.seconds.bottleneck
    if limit == "scheduling":
        n = plan.n_tasks + plan.n_adding
        took = seconds_text(plan.seconds.scheduling)
        return (
            f"the scheduler takes {took} for {n:,} tasks, longer than workers "
            "take to read and compute: fewer threads make fewer tasks"
        )
    if limit == "sending":
        return (
            f"the driver sends {bytes_text(plan.bytes_out)} in every pass, longer than "
            "workers compute: larger chunks make shorter recipes"
        )
    return ""


def _on_driver(plan: ScalePlan) -> str:
    """Say when what follows the last task takes much of a pass."""
    seconds = plan.seconds
    after = seconds.reducing + seconds.solving
    if after < MUCH * seconds.total:
        return ""
    return (
        f"adding sums of {bytes_text(plan.sum_bytes)} "
        f"({seconds_text(seconds.reducing)}) and solving for {plan.n_params:,} "
        f"coefficients on the driver ({seconds_text(seconds.solving)}) take "
        f"{after / seconds.total:.0%} of a pass, and more workers do not shorten that"
    )
