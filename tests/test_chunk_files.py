"""Chunk files read directly give what zarr-python gives, or the same refusal."""

from __future__ import annotations

import numcodecs
import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st
from numcodecs import zstd
from zarr.codecs import BloscCodec, BytesCodec, GzipCodec, ZstdCodec

from dlogreg.errors import DataError
from dlogreg.source.chunk_files import ChunkFiles, zstd_content_size
from dlogreg.source.zarr_store import ZarrBlocks

COMPRESSORS = {
    "none": None,
    "zstd": ZstdCodec(level=1),
    "zstd with checksum": ZstdCodec(level=1, checksum=True),
    "lz4": BloscCodec(cname="lz4", shuffle="bitshuffle"),
    "blosc zstd": BloscCodec(cname="zstd", shuffle="shuffle"),
    "gzip": GzipCodec(),
}
DIRECT = {"none", "zstd", "zstd with checksum", "lz4", "blosc zstd"}


def read(array):
    blocks = ZarrBlocks.of("X", array)
    load = blocks.open(blocks.inputs)
    return np.concatenate([load(i)["X"].copy() for i in range(blocks.n_blocks)])


@pytest.fixture
def values():
    return np.random.default_rng(0).normal(size=(1000, 3)) * 50


@pytest.mark.parametrize(
    ("dtype", "width"),
    [
        *((dtype, 2) for dtype in ("f2", "f4", "f8", "i2", "u1", "?")),
        *(("f8", width) for width in (1, 3, 5)),
    ],
)
@pytest.mark.parametrize("compressor", COMPRESSORS)
def test_every_codec(small_blocks, tmp_path, values, compressor, dtype, width):
    array = zarr.create_array(
        tmp_path / "X",
        shape=values.shape,
        chunks=(130, width),
        dtype=dtype,
        compressors=COMPRESSORS[compressor],
    )
    array[:] = np.abs(values).astype(dtype)
    assert (ChunkFiles.of(array) is not None) == (compressor in DIRECT)
    np.testing.assert_array_equal(read(array), array[:])


@pytest.mark.parametrize("chunk", [130, 1000, 4000])
@pytest.mark.parametrize("compressor", COMPRESSORS)
def test_columns(small_blocks, tmp_path, values, compressor, chunk):
    y = zarr.create_array(
        tmp_path / "y",
        shape=(1000,),
        chunks=(chunk,),
        dtype="f4",
        compressors=COMPRESSORS[compressor],
    )
    y[:] = values[:, 0]
    assert (ChunkFiles.of(y) is not None) == (compressor in DIRECT)
    np.testing.assert_array_equal(read(y), y[:])


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize(
    "compressor",
    [None, numcodecs.Zstd(), numcodecs.Blosc(), numcodecs.Zlib(), numcodecs.LZ4()],
)
def test_format_two(small_blocks, tmp_path, values, compressor, order):
    array = zarr.create_array(
        tmp_path / "X",
        shape=values.shape,
        chunks=(130, 3),
        dtype="f8",
        compressors=compressor,
        order=order,
        zarr_format=2,
    )
    array[:] = values
    np.testing.assert_array_equal(read(array), values)


@pytest.mark.parametrize("endian", ["little", "big"])
@pytest.mark.parametrize("dtype", ["<f8", ">f8", "<i4", ">i4"])
def test_order_of_bytes(tmp_path, values, endian, dtype):
    zarr.create_array(
        tmp_path / "X",
        shape=values.shape,
        chunks=(130, 3),
        dtype=dtype,
        serializer=BytesCodec(endian=endian),
    )[:] = values.astype(dtype)
    array = zarr.open_array(tmp_path / "X")
    np.testing.assert_array_equal(read(array), values.astype(dtype))


@pytest.mark.parametrize("width", [2, 3])
@pytest.mark.parametrize("compressor", sorted(DIRECT))
@pytest.mark.parametrize("damage", ["empty", "cut", "head", "other size", "noise"])
def test_damaged_chunks_are_refused_by_name(
    tmp_path, values, compressor, damage, width
):
    codec = COMPRESSORS[compressor]
    options = {"chunks": (130, width), "dtype": "f8", "compressors": codec}
    array = zarr.create_array(tmp_path / "X", shape=values.shape, **options)
    array[:] = values
    other = zarr.create_array(
        tmp_path / "other", shape=(90, 3), **options | {"chunks": (90, width)}
    )
    other[:] = values[:90]
    path = tmp_path / "X/c/3/0"
    stored = path.read_bytes()
    path.write_bytes(
        {
            "empty": b"",
            "cut": stored[:-20],
            "head": stored[:7],
            "other size": (tmp_path / "other/c/0/0").read_bytes(),
            "noise": bytes(100),
        }[damage]
    )
    with pytest.raises(DataError, match=r"chunk c/3/0 of .* truncated, corrupt"):
        read(array)


def test_a_missing_chunk_is_the_fill_value(tmp_path, values):
    array = zarr.create_array(
        tmp_path / "X",
        shape=values.shape,
        chunks=(130, 3),
        dtype="f8",
        fill_value=7.0,
    )
    array[:] = values
    (tmp_path / "X/c/3/0").unlink()
    expected = values.copy()
    expected[390:520] = 7.0
    np.testing.assert_array_equal(read(array), expected)


@given(st.integers(0, 70_000), st.integers(-3, 9), st.booleans())
def test_sizes_that_zstd_names(n_bytes, level, checksum):
    encoded = zstd.compress(bytes(n_bytes), level, checksum)
    stored = np.frombuffer(encoded, np.uint8)
    assert zstd_content_size(stored) == n_bytes
