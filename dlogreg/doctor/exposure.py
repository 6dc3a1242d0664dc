"""What strangers can reach: findings about encryption, certificates and dashboards."""

from __future__ import annotations

from collections.abc import Iterator

from dlogreg.addresses import is_open
from dlogreg.doctor.answers import Answers, Facts
from dlogreg.doctor.findings import Finding, error, ok, warning

SOON = 14 * 86400.0
"""Seconds before its end from which a certificate is worth a word."""


def judge_encryption(answers: Answers) -> Iterator[Finding]:
    """Judge who can run code on the cluster, and how long its certificates last."""
    connection = answers.connection
    if connection is None:
        return
    exposed = list(_judge_addresses(answers, connection))
    yield from exposed
    yield from _judge_files(connection, answers.client["now"])
    if not exposed:
        on = connection["address"].startswith("tls://")
        text = "on, client to scheduler and workers" if on else "off, on loopback alone"
        yield ok("TLS", "cluster", text)


def _judge_addresses(answers: Answers, connection: Facts) -> Iterator[Finding]:
    places = {"client": [connection["address"]]}
    places["scheduler"] = (answers.scheduler or {}).get("listens", [])
    for name, facts in answers.workers.items():
        places[name] = facts.get("worker", {}).get("listens", [])
    for name, addresses in places.items():
        for address in filter(is_open, addresses):
            text = f"{address} is open to all, without encryption"
            advice = "whoever reaches it can run code; use TLS, see cluster/README.md"
            yield error("TLS", name, f"{text}: {advice}")


def _judge_files(connection: Facts, now: float) -> Iterator[Finding]:
    """Judge the client's certificates and key."""
    for key in ("scheduler's certificate ends", "authority's certificate ends"):
        ends = connection[key]
        if ends is not None and ends - now < SOON:
            text = f"the {key} in {max(0.0, ends - now) / 86400:.0f} days"
            yield warning("TLS", "client", f"{text}; make new ones")
    if (connection["key's permissions"] or 0) & 0o077:
        yield warning("TLS", "client", "others can read the private key; chmod 600 it")


def judge_pages(answers: Answers) -> Iterator[Finding]:
    """Judge who can see the dashboards."""
    found = {name: f.get("http", []) for name, f in answers.others.items()}
    for name, facts in answers.workers.items():
        found[name] = facts.get("worker", {}).get("http", [])
    bad = False
    for name, addresses in found.items():
        for address in filter(is_open, addresses):
            bad = True
            text = f"{address} shows the cluster to everybody who reaches it"
            advice = "start it with --dashboard-address 127.0.0.1:0"
            yield warning("dashboard", name, f"{text}; {advice}")
    if answers.scheduler is not None and not bad:
        yield ok("dashboard", "cluster", "on loopback, encrypted, or off")
