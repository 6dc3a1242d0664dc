"""What the file system of an address needs, as an option of commands."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import click


class StorageOption(click.ParamType[tuple[str, Any]]):
    """What a file system needs: a name and a value, a JSON object or list if it is."""

    name = "name=value"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, Any]:
        """Return the name and the value; numbers stay text, as keys can look so."""
        name, equals, text = str(value).partition("=")
        if not name or not equals:
            self.fail("write it as NAME=VALUE", param, ctx)  # it may hold a secret
        with suppress(ValueError):
            parsed = json.loads(text)
            if isinstance(parsed, bool | dict | list):
                return name, parsed
        return name, text


def _as_mapping(
    ctx: click.Context, param: click.Parameter, values: Sequence[tuple[str, Any]]
) -> dict[str, Any]:
    return dict(values)


STORAGE = click.option(
    "--storage-option",
    "storage_options",
    type=StorageOption(),
    multiple=True,
    callback=_as_mapping,
    metavar="NAME=VALUE",
    help="For addresses such as s3://bucket/store.zarr: an option of fsspec's file "
    "system, e.g. endpoint_url=http://...; may be repeated. Keep secrets in the "
    "environment instead.",
)
