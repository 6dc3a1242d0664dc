"""Packages that are needed for some input only, imported when they are."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def require(module: str, extra: str) -> Any:
    """Import an optional package, or say how to install it."""
    try:
        return import_module(module)
    except ImportError as error:
        raise ImportError(advice(module, extra)) from error


def advice(module: str, extra: str) -> str:
    """Say how to install a package that is missing."""
    package = module.partition(".")[0]
    return (
        f"this needs the package {package}, which is not installed; run "
        f'pip install "dlogreg[{extra}]"'
    )
