"""Findings: what one check found at one place, and how bad it is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Verdict(IntEnum):
    """How bad it is; the command's exit code."""

    OK = 0
    WARNING = 1
    ERROR = 2


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found by one check at one place."""

    check: str
    verdict: Verdict
    where: str
    text: str
    """What is there, and what to do if it is not right."""


def ok(check: str, where: str, text: str) -> Finding:
    """Return what is as it should be."""
    return Finding(check, Verdict.OK, where, text)


def warning(check: str, where: str, text: str) -> Finding:
    """Return what may hurt."""
    return Finding(check, Verdict.WARNING, where, text)


def error(check: str, where: str, text: str) -> Finding:
    """Return what will not work."""
    return Finding(check, Verdict.ERROR, where, text)
