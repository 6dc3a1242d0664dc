"""``dlogreg doctor``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib import import_module
from textwrap import wrap
from typing import Any

import click

from dlogreg.cli.connection import SCHEDULER, Scheduler, cluster

WIDTH = 88


@click.command("doctor")
@click.argument("data", type=click.Path(), required=False)
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    metavar="N",
    help="Wait a minute for so many workers; fewer are an error.",
)
@click.option("--json", "as_json", is_flag=True, help="Print all that was found.")
@SCHEDULER
def command(
    data: str | None, workers: int | None, as_json: bool, scheduler: Scheduler | None
) -> None:
    """Check this machine, or a cluster, and whether all of it can read DATA.

    DATA is a Zarr store or Parquet files; every worker reads its first block. Checked
    are versions, threads of BLAS, memory limits, clocks, TLS and who can reach the
    dashboards. The exit code is 0 if all is well, 1 after warnings, 2 after errors.
    """
    if workers is not None and scheduler is None:
        raise click.UsageError("--workers needs --scheduler")
    doctor = import_module("dlogreg.doctor")
    with cluster(scheduler, warn=False) as client:
        findings, facts = doctor.examine(client, data, workers)
    worst = max(finding.verdict for finding in findings)
    if as_json:
        click.echo(json.dumps(_report(findings, facts, worst), indent=2))
    else:
        click.echo(table(findings))
        click.echo(_closing(findings))
    click.get_current_context().exit(int(worst))


def _report(findings: Sequence[Any], facts: Any, worst: Any) -> dict[str, Any]:
    return {
        "verdict": worst.name.lower(),
        "findings": [
            {
                "check": finding.check,
                "verdict": finding.verdict.name.lower(),
                "where": finding.where,
                "text": finding.text,
            }
            for finding in findings
        ],
        "facts": facts,
    }


def table(findings: Sequence[Any]) -> str:
    """Return one finding a line, the text wrapped beside verdict, check and place."""
    rows = [(f.verdict.name.lower(), f.check, f.where, f.text) for f in findings]
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    room = max(40, WIDTH - sum(widths) - 6)
    lines = []
    for *heads, text in rows:
        for i, line in enumerate(wrap(text, room, break_on_hyphens=False)):
            shown = ["" if i else head for head in heads]
            cells = [cell.ljust(w) for cell, w in zip(shown, widths, strict=True)]
            lines.append("  ".join([*cells, line]).rstrip())
    return "\n".join(lines)


def _closing(findings: Sequence[Any]) -> str:
    errors = sum(finding.verdict == 2 for finding in findings)
    warnings = sum(finding.verdict == 1 for finding in findings)
    if not errors + warnings:
        return "All is well."
    return f"{errors} error(s), {warnings} warning(s)."
