"""The Zarr convention: a group with X, y and optionally sample_weight, offset, groups.

X is an array, or a group of compressed rows (see ``sparse_store``). Columns of text and
other categories lie beside it: ``categories/NAME`` holds a whole number for every row,
-1 where the value is missing, and its attribute ``levels`` says what they stand for.
The group's attribute ``categories`` lists their names in order, ``target`` names y.
Formulas see all of these as the columns of one table (``formula.store``).

The group's attributes are ``feature_names`` and ``classes`` (the labels in order, the
event last). Text labels are stored as whole numbers, and y's attribute ``labels`` says
what they stand for: reading text again in every pass would cost more than reading X.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import zarr

from dlogreg.errors import DataError
from dlogreg.evaluation import Label
from dlogreg.source.files import NO_OPTIONS
from dlogreg.source.remote import Options, is_url, shown
from dlogreg.source.remote_store import open_remote_group
from dlogreg.source.sparse_store import StoredCSR, is_csr_group
from dlogreg.source.zarr_store import open_member

CATEGORIES = "categories"
FIELDS = ("y", "sample_weight", "offset", "groups")


@dataclass(frozen=True, slots=True, eq=False)
class StoredData:
    """The arrays of a group, not yet read."""

    path: str
    X: zarr.Array[Any] | StoredCSR
    y: zarr.Array[Any] | None
    sample_weight: zarr.Array[Any] | None
    feature_names: tuple[str, ...] | None
    classes: tuple[Label, ...] | None
    labels: tuple[str, ...] | None
    """What the numbers in y stand for, where the labels are text."""
    offset: zarr.Array[Any] | None = None
    groups: zarr.Array[Any] | None = None
    categories: Mapping[str, zarr.Array[Any]] = field(default_factory=dict)
    """Codes of levels, by the names of the columns."""
    target: str = "y"
    """Name of y, in formulas."""

    @property
    def _beside(self) -> tuple[zarr.Array[Any] | None, ...]:
        beside = (self.y, self.sample_weight, self.offset, self.groups)
        return *beside, *self.categories.values()

    @property
    def n_bytes(self) -> int:
        """Decoded bytes of all arrays, which is what one pass reads."""
        arrays = (self.X, *self._beside)
        return sum(int(a.nbytes) for a in arrays if a is not None)

    @property
    def n_bytes_stored(self) -> int:
        """Bytes of all arrays as they are stored."""
        arrays = (self.X, *self._beside)
        return sum(a.nbytes_stored() for a in arrays if a is not None)


def open_data(
    path: str | Path, *, needs_y: bool = True, options: Options = NO_OPTIONS
) -> StoredData:
    """Open a group that follows the convention; nothing is read but its metadata."""
    group, path = open_group(path, options), shown(path)
    wanted = ("X", "y") if needs_y else ("X",)
    members = {name: open_member(group, name) for name in ("X", *FIELDS)}
    found: dict[str, Any] = {
        name: member if isinstance(member, zarr.Array) else None
        for name, member in members.items()
    }
    inside = members["X"]
    if isinstance(inside, zarr.Group) and is_csr_group(inside):
        found["X"] = StoredCSR.of(inside)
    for name in wanted:
        if found[name] is None:
            raise DataError(f"{path} has no array {name}{_held(group)}")
    y = found["y"]
    return StoredData(
        str(path),
        found["X"],
        y,
        found["sample_weight"],
        _texts(group.attrs.get("feature_names")),
        _labels(group.attrs.get("classes"), path),
        None if y is None else _texts(y.attrs.get("labels")),
        found["offset"],
        found["groups"],
        _categories(group, path),
        str(group.attrs.get("target", "y")),
    )


def _categories(group: zarr.Group, path: str) -> dict[str, zarr.Array[Any]]:
    """Return the arrays of codes that a group names, all of which it must have."""
    found = {}
    for name in _texts(group.attrs.get("categories")) or ():
        array = open_member(group, f"{CATEGORIES}/{name}")
        if (
            not isinstance(array, zarr.Array)
            or array.ndim != 1
            or "levels" not in array.attrs
        ):
            raise DataError(
                f"{path} names the category {name!r}, but {CATEGORIES}/{name} is no "
                "1-D array with the attribute levels; convert the data again"
            )
        found[name] = array
    return found


def open_group(path: str | Path, options: Options = NO_OPTIONS) -> zarr.Group:
    """Open a Zarr group, here or at an address."""
    if not is_url(path) and options:
        raise ValueError(f"storage_options are for addresses, and {path} is a path")
    if not is_url(path) and not Path(path).exists():
        raise DataError(f"there is no Zarr store at {path}; check the path")
    try:  # absolute, because workers of a cluster may run in another folder
        if is_url(path):
            return open_remote_group(str(path), options)
        group = zarr.open_group(str(Path(path).absolute()), mode="r")
        if not isinstance(group.metadata.attributes, dict):
            raise TypeError("its attributes are no object")
    except (DataError, MemoryError, ImportError):
        raise
    except Exception as error:  # whatever zarr stumbles over in the files
        message = f"{shown(path)} is not a Zarr group with arrays X and y"
        raise DataError(f"{message}; make one with `dlogreg convert`") from error
    return group


def _held(group: zarr.Group) -> str:
    try:
        return "; it holds " + (", ".join(sorted(group.array_keys())) or "no arrays")
    except Exception:  # not every address lists what it has
        return ""


def _tuple(values: Any) -> tuple[Any, ...] | None:
    return tuple(values) if isinstance(values, list) else None


def _labels(values: Any, path: str | Path) -> tuple[Label, ...] | None:
    found = _tuple(values)
    for label in found or ():
        plain = isinstance(label, bool | int | float | str)
        if not plain or (isinstance(label, int) and not -(2**63) <= label < 2**64):
            raise DataError(
                f"the attribute classes of {path} holds {str(label)[:40]!r}, which is "
                "no label; list numbers or text"
            )
    return found


def _texts(values: Any) -> tuple[str, ...] | None:
    found = _tuple(values)
    return None if found is None else tuple(map(str, found))
