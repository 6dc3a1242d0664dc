"""Copies a folder, such as a Zarr store, to a bucket: upload.py FOLDER BUCKET."""

from __future__ import annotations

import sys
from pathlib import Path

import s3fs


def upload(folder: Path, bucket: str) -> str:
    """Copy all files of a folder below its name; return where they are."""
    store = s3fs.S3FileSystem()
    store.makedirs(bucket, exist_ok=True)
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            name = path.relative_to(folder.parent).as_posix()
            store.put_file(str(path), f"{bucket}/{name}")
    return f"s3://{bucket}/{folder.name}"


if __name__ == "__main__":
    print(upload(Path(sys.argv[1]), sys.argv[2]))
