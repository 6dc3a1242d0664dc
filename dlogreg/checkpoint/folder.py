"""The folder of a checkpoint: what the fit is of, and a file for every pass."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from dlogreg.checkpoint.digest import digest
from dlogreg.checkpoint.disk import ENDING, LOCK, locked, own_folder, write_beside
from dlogreg.checkpoint.encoding import DamagedError
from dlogreg.checkpoint.fingerprint import differences
from dlogreg.checkpoint.pass_file import pass_content, read_pass
from dlogreg.errors import CheckpointError, CheckpointWarning
from dlogreg.evaluation import PassRecord, Tally
from dlogreg.results import Results
from dlogreg.solvers import Status

MANIFEST = "checkpoint.json"
FORMAT = "dlogreg checkpoint 1"
MANIFEST_BYTES = 2**24
"""A larger manifest is none that dlogreg wrote."""


@contextmanager
def kept_in(path: str | os.PathLike[str] | None) -> Iterator[Checkpoint | None]:
    """Use the checkpoint at a path, if one is given, as long as the context lasts."""
    if path is None:
        yield None
        return
    checkpoint = Checkpoint(path)
    try:
        yield checkpoint
    finally:
        checkpoint.close()


def with_checkpoint(
    given: str | os.PathLike[str] | Checkpoint | None,
    fit: Callable[[Checkpoint | None], Results],
) -> Results:
    """Run a fit with the checkpoint at a path, which is removed when it has ended.

    One that is given open is left to who opened it.
    """
    if isinstance(given, Checkpoint):
        return fit(given)
    with kept_in(given) as checkpoint:
        results = fit(checkpoint)
        if checkpoint is not None:
            checkpoint.end(results.status)
        return results


def compare_checkpoint(
    given: str | os.PathLike[str] | Checkpoint, fingerprint: Mapping[str, Any]
) -> None:
    """Refuse a checkpoint that exists and is of another fit; leave it as it is."""
    if isinstance(given, Checkpoint):
        given.check("fit", fingerprint)
    elif (Path(given) / MANIFEST).exists():
        with kept_in(given) as checkpoint:
            assert checkpoint is not None
            checkpoint.check("fit", fingerprint)


class Checkpoint:
    """Keeps the sums of every pass in a folder of the user alone.

    Parameters
    ----------
    path : path
        Of a folder that does not exist, is empty, or is a checkpoint.

    Raises
    ------
    CheckpointError
        If the path is something else, or another process is using it.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = own_folder(path)
        self._entries: dict[str, Any] = {"format": FORMAT, "stages": {}, "rows": {}}
        self._files: dict[str, Path] = {}
        self._number = 0
        self._unread: set[str] = set()
        self._warned = False
        self._lock = locked(self.path)
        try:
            self._open()
        except BaseException:
            self.close()
            raise

    def _open(self) -> None:
        manifest = self.path / MANIFEST
        if manifest.exists():
            self._entries = _read_manifest(manifest)
        elif any(entry.name != LOCK for entry in self.path.iterdir()):
            raise CheckpointError(
                f"{self.path} is a folder of other things than a checkpoint; give the "
                "name of one that is empty or does not exist"
            )
        for file in sorted(self.path.glob(f"*{ENDING}")):
            number, _, key = file.stem.partition("-")
            self._files[key] = file
            self._number = max(self._number, int(number) if number.isdigit() else 0)
        self._unread = set(self._files)
        for rest in self.path.glob(f".*{ENDING}"):  # a write that was cut
            rest.unlink()

    def begin(self, stage: str, fingerprint: Mapping[str, Any]) -> None:
        """Take note of what a stage is of; refuse passes made of something else."""
        self.check(stage, fingerprint)
        if stage not in self._entries["stages"]:
            self._entries["stages"][stage] = dict(fingerprint)
            self._write_manifest()

    def check(self, stage: str, fingerprint: Mapping[str, Any]) -> None:
        """Refuse passes that were made of something else."""
        fresh = json.loads(json.dumps(dict(fingerprint)))
        known = self._entries["stages"].get(stage, fresh)
        if known != fresh:
            raise CheckpointError(
                f"{self.path} is the checkpoint of another fit: "
                f"{differences(known, fresh)}; resume with what it was begun with, or "
                "remove the folder to begin anew"
            )

    def compare(self, key: str, rows: Any) -> None:
        """Refuse rows that are not those which were read before."""
        found, known = digest(rows), self._entries["rows"].get(key)
        if known is None:
            self._entries["rows"][key] = found
            self._write_manifest()
        elif known != found:
            raise CheckpointError(
                f"{self.path} is the checkpoint of other data: the first rows of some "
                "blocks hold other values than when it was begun; resume with those "
                "data, or remove the folder to begin anew"
            )

    def recall(self, key: str) -> tuple[Any, PassRecord] | None:
        """Return what a pass has summed and cost; None if it is to be made."""
        file = self._files.get(key)
        if file is None:
            self._drop_unread()
            return None
        try:
            header, sums = read_pass(file)
            record = _record(header, key)
        except (DamagedError, OSError) as error:
            warnings.warn(
                f"{file} is damaged ({error}); its pass is made again",
                CheckpointWarning,
                stacklevel=2,
            )
            return None
        self._unread.discard(key)
        return sums, record

    def _drop_unread(self) -> None:
        """Remove passes that the fit has not asked for, where it goes another way.

        So it does with another ``max_passes``, or where the solver's arithmetic
        rounds differently, on a processor of another kind.
        """
        for key in sorted(self._unread):
            with suppress(OSError):
                self._files.pop(key).unlink()
        self._unread = set()

    def keep(self, key: str, sums: Any, record: PassRecord) -> None:
        """Write the file of a pass; the fit goes on where that is not possible."""
        self._number += 1
        target = self.path / f"{self._number:05d}-{key}{ENDING}"
        try:
            write_beside(target, pass_content(sums, _header(key, record)))
        except (OSError, TypeError) as error:
            self._complain(error)
        else:
            self._files[key] = target

    def _complain(self, error: Exception) -> None:
        if self._warned:
            return
        self._warned = True
        warnings.warn(
            f"a pass could not be written to the checkpoint {self.path} ({error}); the "
            "fit goes on, but would make that pass again if it were cut; free space "
            "on the disk",
            CheckpointWarning,
            stacklevel=4,
        )

    def _write_manifest(self) -> None:
        text = json.dumps(self._entries, indent=1)
        try:
            write_beside(self.path / MANIFEST, [text.encode("ascii")])
        except OSError as error:
            raise CheckpointError(
                f"the checkpoint {self.path} cannot be written ({error}); free space "
                "on the disk, or give another place"
            ) from error

    def end(self, status: Status) -> None:
        """Remove the folder, unless there is more to do: with more passes, say."""
        if status not in (Status.INTERRUPTED, Status.MAX_PASSES):
            self.remove()

    def remove(self) -> None:
        """Remove the folder, with what dlogreg has written in it."""
        ours = [MANIFEST, *(file.name for file in self.path.glob(f"*{ENDING}")), LOCK]
        for name in ours:
            (self.path / name).unlink(missing_ok=True)
        with suppress(OSError):  # the user put something there
            self.path.rmdir()
        self.close()

    def close(self) -> None:
        """Let other processes use it; leave no folder with nothing in it."""
        if not self._entries["stages"]:
            (self.path / LOCK).unlink(missing_ok=True)
            with suppress(OSError):
                self.path.rmdir()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _read_manifest(path: Path) -> dict[str, Any]:
    """Return what the manifest says, or refuse it."""
    message = (
        f"{path} is damaged, or none of dlogreg's; remove the folder {path.parent}"
    )
    if path.stat().st_size > MANIFEST_BYTES:
        raise CheckpointError(message)
    try:
        entries = json.loads(path.read_text("ascii"))
    except (ValueError, RecursionError) as error:
        raise CheckpointError(message) from error
    if not isinstance(entries, dict):
        raise CheckpointError(message)
    if entries.get("format") != FORMAT:
        raise CheckpointError(
            f"{path} is of format {entries.get('format')!r}, not {FORMAT!r}; resume "
            "with the version of dlogreg that began it, or remove the folder"
        )
    stages, rows = entries.get("stages"), entries.get("rows")
    parts = stages.values() if isinstance(stages, dict) else [None]
    if not (isinstance(rows, dict) and all(isinstance(part, dict) for part in parts)):
        raise CheckpointError(message)
    return entries


def _header(key: str, record: PassRecord) -> dict[str, Any]:
    return {
        "key": key,
        "kind": record.kind,
        "seconds": record.seconds,
        "n_threads": record.n_threads,
        "tally": asdict(record.tally),
    }


def _record(header: dict[str, Any], key: str) -> PassRecord:
    """Return what a pass cost, from the header of its file."""
    try:
        if header["key"] != key:
            raise DamagedError("it is of another pass than its name says")
        tally = Tally(**header["tally"])
        kind, seconds = str(header["kind"]), float(header["seconds"])
        return PassRecord(0, kind, seconds, tally, n_threads=int(header["n_threads"]))
    except (KeyError, TypeError, ValueError) as error:
        raise DamagedError(f"its header lacks something ({error})") from error
