"""What compiled loops do with whole vectors, written in the compiler's own language.

Rows of some tens of columns are too short for what LLVM makes of loops over numbers:
it unrolls them four times, and takes what is left, often all, number by number; nor
does it keep a tile of a product in registers. These steps, of one vector or one tile
each, are part of loops in Python. Places are counted from an array's first value.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir
from numba import config, types
from numba.core import cgutils
from numba.core.codegen import get_host_cpu_features
from numba.extending import intrinsic


def _has_long_vectors() -> bool:
    """Tell whether the processor that numba compiles for has vectors of 64 bytes."""
    features = config.CPU_FEATURES
    if features is None:
        features = get_host_cpu_features()
    return "+avx512f" in features.split(",")


VECTOR_BYTES = 64 if _has_long_vectors() else 32
LANES = VECTOR_BYTES // 8
"""Values in float64 of a vector."""
CONTRACT = ("contract",)
DOUBLE, INDEX, BYTES = ir.DoubleType(), ir.IntType(32), ir.IntType(8).as_pointer()
TO_READ = 0, 2, 1
"""To be read, as far as into the second-level cache, and data: of ``llvm.prefetch``."""


@intrinsic  # type: ignore[untyped-decorator]
def subtract_vector(
    context: Any, X: Any, i: Any, centre: Any, j: Any, out: Any, k: Any
) -> Any:
    """Set a vector of out, from k on, to that of X from i less centre's from j."""

    def written(code: _Code, values: Sequence[Any]) -> None:
        X, i, centre, j, out, k = values
        difference = code.builder.fsub(code.load(X, i), code.load(centre, j))
        code.store(difference, out, k)

    return types.void(X, i, centre, j, out, k), _written(written)


@intrinsic  # type: ignore[untyped-decorator]
def scale_vector(
    context: Any, z: Any, i: Any, factors: Any, j: Any, out: Any, k: Any
) -> Any:
    """Set a vector of out, from k on, to that of z from i, times the factor at j."""

    def written(code: _Code, values: Sequence[Any]) -> None:
        z, i, factors, j, out, k = values
        factor = code.builder.load(code.builder.gep(factors, [j]))
        everywhere = code.everywhere(factor, LANES)
        code.store(code.builder.fmul(everywhere, code.load(z, i)), out, k)

    return types.void(z, i, factors, j, out, k), _written(written)


@intrinsic  # type: ignore[untyped-decorator]
def set_signs(context: Any, event: Any, i: Any, out: Any, k: Any) -> Any:
    """Set a vector of out, from k on, to 1 where event is true, from i on, else -1."""

    def written(code: _Code, values: Sequence[Any]) -> None:
        event, i, out, k = values
        flags = code.load_flags(event, i)
        ones = [ir.Constant(ir.VectorType(DOUBLE, LANES), [v] * LANES) for v in (1, -1)]
        code.store(code.builder.select(flags, *ones), out, k)

    return types.void(event, i, out, k), _written(written)


@intrinsic  # type: ignore[untyped-decorator]
def prefetch(context: Any, X: Any, i: Any) -> Any:
    """Ask for the values of X from i on, which need not exist, to come nearer."""

    def written(code: _Code, values: Sequence[Any]) -> None:
        builder = code.builder
        place = builder.bitcast(builder.gep(*values[:1], values[1:]), BYTES)
        kind = ir.FunctionType(ir.VoidType(), [BYTES, INDEX, INDEX, INDEX])
        ask = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        builder.call(ask, [place, *(ir.Constant(INDEX, k) for k in TO_READ)])

    return types.void(X, i), _written(written)


@intrinsic  # type: ignore[untyped-decorator]
def add_dots(
    context: Any, z: Any, i: Any, width: Any, other: Any, out: Any, k: Any
) -> Any:
    """Add to a vector of out, from k on, the products of so many rows with another.

    The rows begin at i, i + width and so on, and are of whole vectors, as the other is.
    """

    def written(code: _Code, values: Sequence[Any]) -> None:
        z, i, width, other, out, k = values
        builder = code.builder
        totals = [code.zero(DOUBLE, LANES) for _ in range(LANES)]
        step = ir.Constant(width.type, LANES)
        with cgutils.for_range(builder, builder.sdiv(width, step)) as loop:
            j = builder.mul(loop.index, step)
            vector, place = code.load(other, j), builder.add(i, j)
            for total in totals:
                code.add_product(total, code.load(z, place), vector)
                place = builder.add(place, width)
        sums = code.sums_of([builder.load(total) for total in totals])
        code.store(builder.fadd(code.load(out, k), sums), out, k)

    return types.void(z, i, width, other, out, k), _written(written)


def add_tile(n_lines: int, n_vectors: int) -> Callable[..., None]:
    """Return what adds a tile of a product, which stays in registers meanwhile.

    ``tile(left, start, line, step, right, column, width, n_rows, sums, k, across)``
    adds to so many lines l of sums and so many vectors, from the place k + across l on,

        sum_i left[start + line l + step i] right[column + width i + ...]

    over n_rows rows i. The products are summed in the type of left and right.
    """

    @intrinsic  # type: ignore[untyped-decorator]
    def tile(
        context: Any,
        left: Any,
        start: Any,
        line: Any,
        step: Any,
        right: Any,
        column: Any,
        width: Any,
        n_rows: Any,
        sums: Any,
        k: Any,
        across: Any,
    ) -> Any:
        given = left, start, line, step, right, column, width, n_rows, sums, k, across

        def written(code: _Code, values: Sequence[Any]) -> None:
            _add_tile(code, n_lines, n_vectors, values)

        return types.void(*given), _written(written)

    made: Callable[..., None] = tile
    return made


def _add_tile(code: _Code, n_lines: int, n_vectors: int, values: Sequence[Any]) -> None:
    left, start, line, step, right, column, width, n_rows, *found = values
    builder, value = code.builder, left.type.pointee
    lanes = VECTOR_BYTES // _size(value)
    tile = [[code.zero(value, lanes) for _ in range(n_vectors)] for _ in range(n_lines)]
    with cgutils.for_range(builder, n_rows) as loop:
        first = builder.add(column, builder.mul(width, loop.index))
        vectors = [
            code.load(right, code.beyond(first, v * lanes), lanes, value)
            for v in range(n_vectors)
        ]
        place = builder.add(start, builder.mul(step, loop.index))
        for totals in tile:
            factor = builder.load(builder.gep(left, [place]))
            everywhere = code.everywhere(factor, lanes)
            for total, vector in zip(totals, vectors, strict=True):
                code.add_product(total, everywhere, vector)
            place = builder.add(place, line)
    code.add_to_sums(tile, lanes, *found)


def _written(write: Callable[[_Code, Sequence[Any]], None]) -> Callable[..., Any]:
    """Return what numba calls to write a step, with pointers for the arrays.

    Of an array, whose values must lie one after the other, the pointer is all it knows.
    """

    def written(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        given = [
            context.make_array(kind)(context, builder, value).data
            if isinstance(kind, types.Array)
            else value
            for kind, value in zip(signature.args, values, strict=True)
        ]
        write(_Code(builder), given)
        return context.get_dummy_value()

    return written


class _Code:
    """Writes instructions for vectors."""

    def __init__(self, builder: Any) -> None:
        self.builder = builder

    def load(
        self, start: Any, place: Any, lanes: int = LANES, value: Any = DOUBLE
    ) -> Any:
        """Return a vector of an array, converted."""
        own = start.type.pointee
        vector = self.builder.load(self._at(start, place, own, lanes))
        vector.align = _size(own)  # a vector may begin anywhere
        if own == value:
            return vector
        return self.builder.fpext(vector, ir.VectorType(value, lanes))

    def load_flags(self, start: Any, place: Any) -> Any:
        """Return which of a vector of bytes are not zero."""
        own = start.type.pointee
        flags = self.builder.load(self._at(start, place, own, LANES))
        flags.align = 1
        return self.builder.icmp_signed(
            "!=", flags, ir.Constant(flags.type, [0] * LANES)
        )

    def store(self, vector: Any, start: Any, place: Any) -> None:
        """Write a vector to an array, converted."""
        own, lanes = start.type.pointee, vector.type.count
        if own != vector.type.element:
            vector = self.builder.fptrunc(vector, ir.VectorType(own, lanes))
        self.builder.store(vector, self._at(start, place, own, lanes)).align = _size(
            own
        )

    def _at(self, start: Any, place: Any, value: Any, lanes: int) -> Any:
        kind = ir.VectorType(value, lanes).as_pointer()
        return self.builder.bitcast(self.builder.gep(start, [place]), kind)

    def zero(self, value: Any, lanes: int) -> Any:
        """Return a variable vector of zeros."""
        zeros = ir.Constant(ir.VectorType(value, lanes), [0.0] * lanes)
        return cgutils.alloca_once_value(self.builder, zeros)

    def beyond(self, place: Any, more: int) -> Any:
        """Return a later place."""
        return self.builder.add(place, ir.Constant(place.type, more))

    def everywhere(self, value: Any, lanes: int) -> Any:
        """Return a vector that holds the value in all places."""
        nothing = ir.Constant(ir.VectorType(value.type, lanes), ir.Undefined)
        first = self.builder.insert_element(nothing, value, ir.Constant(INDEX, 0))
        places = ir.Constant(ir.VectorType(INDEX, lanes), [0] * lanes)
        return self.builder.shuffle_vector(first, nothing, places)

    def add_product(self, total: Any, a: Any, b: Any) -> None:
        """Add a product to a variable."""
        term = self.builder.fmul(a, b, flags=CONTRACT)
        added = self.builder.fadd(self.builder.load(total), term, flags=CONTRACT)
        self.builder.store(added, total)

    def add_to_sums(
        self, tile: list[list[Any]], lanes: int, sums: Any, k: Any, across: Any
    ) -> None:
        """Add a tile to sums in float64."""
        wide = ir.VectorType(DOUBLE, lanes)
        for totals in tile:
            for v, total in enumerate(totals):
                found = self.builder.load(total)
                if found.type != wide:
                    found = self.builder.fpext(found, wide)
                place = self.beyond(k, v * lanes)
                added = self.builder.fadd(self.load(sums, place, lanes), found)
                self.store(added, sums, place)
            k = self.builder.add(k, across)

    def sums_of(self, vectors: list[Any]) -> Any:
        """Return the vector of the sums of as many vectors as each has values."""
        half = 1
        while len(vectors) > 1:
            vectors = [
                self.builder.fadd(
                    self._mixed(a, b, half, 0), self._mixed(a, b, half, half)
                )
                for a, b in zip(vectors[::2], vectors[1::2], strict=True)
            ]
            half *= 2
        return vectors[0]

    def _mixed(self, a: Any, b: Any, half: int, start: int) -> Any:
        """Return every other so many values of both, in turns."""
        n = a.type.count
        places = [
            which + low + start + i
            for low in range(0, n, 2 * half)
            for which in (0, n)
            for i in range(half)
        ]
        mask = ir.Constant(ir.VectorType(INDEX, n), places)
        return self.builder.shuffle_vector(a, b, mask)


def _size(value: Any) -> int:
    return 8 if value == DOUBLE else 4
