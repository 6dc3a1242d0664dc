"""Packages that are needed for some input only, imported when they are."""

from __future__ import annotations

from importlib import import_module
from typing import Any

WITHOUT_NUMBA = 'dask.config.set({"dlogreg.compiled": False})'
"""How a fit goes without compiled loops, where numba is installed."""
DISABLED = "numba compiles nothing where NUMBA_DISABLE_JIT is set: unset it"


def require(module: str, extra: str, otherwise: str = "") -> Any:
    """Import an optional package, or say how to install or mend it, or do without."""
    package = module.partition(".")[0]
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        missing = error.name is not None and error.name.partition(".")[0] == package
        text = advice(module, extra) if missing else _mending(package, extra, error)
        raise ImportError(text + otherwise) from error
    except Exception as error:  # what a package raises that does not fit its own
        raise ImportError(_mending(package, extra, error) + otherwise) from error


def advice(module: str, extra: str) -> str:
    """Say how to install a package that is missing."""
    package = module.partition(".")[0]
    return (
        f"this needs the package {package}, which is not installed; run "
        f'pip install "dlogreg[{extra}]"'
    )


def _mending(package: str, extra: str, error: Exception) -> str:
    """Say what to do with a package that is there but fails."""
    return (
        f"this needs the package {package}, which is installed but cannot be imported "
        f'({error}); run pip install --upgrade "dlogreg[{extra}]"'
    )
