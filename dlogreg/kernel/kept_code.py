"""Compiled loops kept on disk, in a way that no fit depends on.

numba's own files end a fit where they cannot be read or written. And it numbers them by
an index that it reads, extends and writes again: of processes that compile at once, as
the workers of a new cluster do, one may find under its own name what another wrote, for
other types or another processor. Here a file is named by what it was compiled from and
for, and begins with a digest of what follows.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import pickle
import uuid
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
from numba.core.runtime import rtsys

DIGEST_BYTES = hashlib.sha256().digest_size

NOT_KEPT = (
    "compiled loops cannot be kept on disk ({}), so that every process takes seconds "
    "to compile them; set the environment variable NUMBA_CACHE_DIR to a folder with "
    "free space that can be written to, on every worker"
)

_warned = False


class CodeFiles:
    """Files of one function, one for each of the types and processors it is for.

    Parameters
    ----------
    folder
        Where they are.
    name
        What their names begin with.
    dumps
        What makes bytes of code, for ``pickle`` to read.
    """

    def __init__(self, folder: str, name: str, dumps: Callable[[Any], bytes]) -> None:
        self._folder, self._name, self._dumps = Path(folder), name, dumps

    def load(self, key: Any) -> Any:
        """Return what was saved; None where there is nothing, or not all of it."""
        path = self._path(key)
        try:
            content = path.read_bytes()
        except OSError:
            return None
        data = content[DIGEST_BYTES:]
        whole = content[:DIGEST_BYTES] == _digest(path, data)
        return pickle.loads(data) if whole else None

    def save(self, key: Any, code: Any) -> None:
        """Put code where ``load`` finds it, all at once."""
        path, data = self._path(key), self._dumps(code)
        beside = path.with_name(f"{path.name}.tmp.{uuid.uuid4().hex[:16]}")
        try:
            beside.write_bytes(_digest(path, data) + data)
            os.replace(beside, path)
        except OSError:
            with contextlib.suppress(OSError):
                beside.unlink()
            raise

    def _path(self, key: Any) -> Path:
        made_by = repr((numba.__version__, key)).encode()
        digest = hashlib.sha256(made_by).hexdigest()[:32]
        return self._folder / f"{self._name}.{digest}.nbc"


class KeptCode:
    """What numba asks for compiled code and gives it to, in place of its own.

    Parameters
    ----------
    own
        numba's own, which knows the folder, and makes of compiled code what can be
        written.
    """

    def __init__(self, own: Any) -> None:
        self._own, self.cache_path = own, own.cache_path
        dumps = own._cache_file._dump
        own._cache_file = CodeFiles(own.cache_path, own._impl.filename_base, dumps)

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return what was compiled for these types; None where it cannot be had.

        numba itself first makes all ready that it compiles with, which takes a process
        0.2 s: code that is there needs what it calls when it runs, and nothing more.
        """
        load = getattr(self._own, "_load_overload", None)
        try:
            if load is None:  # in a numba that has other names
                return self._own.load_overload(sig, target_context)
            rtsys.initialize(target_context)
            return load(sig, target_context)
        except Exception:  # whatever a file may hold: it is compiled again
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep what was compiled, where that can be."""
        try:
            self._own.save_overload(sig, data)
        except Exception as error:
            _warn(error)


def keep(dispatcher: Any) -> None:
    """Let what numba compiles of a function be kept on disk, where that can be."""
    try:
        dispatcher.enable_caching()
    except Exception as error:  # nowhere to write
        _warn(error)
    else:
        with contextlib.suppress(AttributeError):  # of a numba that has other names
            dispatcher._cache = KeptCode(dispatcher._cache)


def _warn(error: Exception) -> None:
    """Say once in a process why code is not kept."""
    global _warned
    if not _warned:
        _warned = True
        warnings.warn(NOT_KEPT.format(error), RuntimeWarning, stacklevel=2)


def _digest(path: Path, data: bytes) -> bytes:
    """Return a digest of a file's name and what it holds."""
    return hashlib.sha256(path.name.encode() + data).digest()
