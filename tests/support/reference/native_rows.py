"""Calls the native library's row operations and its sampler, around the engine.

Source of the structures: `inference/native/src/rows.h` and `sample.h`.
"""

import ctypes
from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from inference.native.library import load_library
from tests.support.reference.native_kernels import Guarded
from tests.support.reference.reference import Attended

HEAD_LIMIT: Final = 2**24 - 1

_int, _size, _pointer = ctypes.c_int, ctypes.c_size_t, ctypes.c_void_p
_stride = ctypes.c_ssize_t
_SPARE: Final = 3
"""Values between one row and the next, which nobody may touch."""


class _Rows(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_char_p),
        (
            "norm",
            ctypes.CFUNCTYPE(
                None, _pointer, _int, _int, _pointer, ctypes.c_int32, _pointer
            ),
        ),
        ("cache_bytes", ctypes.CFUNCTYPE(_size, _int, _int)),
        ("cache_put", ctypes.CFUNCTYPE(None, _pointer, *[_int] * 3, *[_pointer] * 2)),
        ("attend_scratch", ctypes.CFUNCTYPE(_size, _int, _int, _int)),
        (
            "attend",
            ctypes.CFUNCTYPE(
                None,
                _pointer,
                _int,
                _int,
                ctypes.c_uint32,
                _int,
                _int,
                _pointer,
                _stride,
                _pointer,
                _stride,
                *[_pointer] * 3,
            ),
        ),
        ("store_i16", ctypes.CFUNCTYPE(None, _pointer, _int, _int, _pointer)),
        ("add_residual", ctypes.CFUNCTYPE(None, _pointer, _int, _pointer)),
        ("activate", ctypes.CFUNCTYPE(None, _pointer, _int, *[_pointer] * 2)),
        ("store_logits", ctypes.CFUNCTYPE(None, _pointer, _int, _pointer)),
    ]


class Rows:
    """The row operations of one instruction set, on arrays."""

    def __init__(self, rows: _Rows) -> None:
        """Wraps the library's structure."""
        self._rows = rows

    @property
    def name(self) -> str:
        """The instruction set."""
        return bytes(self._rows.name).decode()

    def norm(
        self, x: list[int], fraction: int, shifts: list[int], epsilon: int
    ) -> list[int]:
        """Layer norm of one row."""
        row, shift = np.array(x, np.int32), np.array(shifts, np.uint8)
        out = Guarded(2 * len(x))
        self._rows.norm(_at(row), len(x), fraction, _at(shift), epsilon, out.address)
        return _integers(out, np.int16)

    def store_i16(self, values: list[int], limit: int) -> list[int]:
        """Values after their clamp."""
        out = Guarded(2 * len(values))
        row = np.array(values, np.int32)
        self._rows.store_i16(_at(row), len(values), limit, out.address)
        return _integers(out, np.int16)

    def add_residual(self, values: list[int], x: list[int]) -> list[int]:
        """The residual row after the sum."""
        out = Guarded(4 * len(values))
        out.content.view(np.int32)[:] = x
        row = np.array(values, np.int32)
        self._rows.add_residual(_at(row), len(values), out.address)
        return _integers(out, np.int32)

    def activate(self, values: list[int], table: NDArray[np.int16]) -> list[int]:
        """Values after their look-up in a table of 65,536 entries."""
        out = Guarded(2 * len(values))
        row = np.array(values, np.int32)
        self._rows.activate(_at(row), len(values), _at(table), out.address)
        return _integers(out, np.int16)

    def store_logits(self, values: list[int]) -> list[int]:
        """Logits from a head's values."""
        out = Guarded(4 * len(values))
        row = np.array(values, np.int32)
        self._rows.store_logits(_at(row), len(values), out.address)
        return _integers(out, np.int32)


class CachedHead:
    """The cache of one head of one sequence."""

    def __init__(self, rows: Rows, width: int, capacity: int) -> None:
        """Allocates it with rubbish in it."""
        self._rows = rows._rows
        self._width, self._capacity = width, capacity
        self._cache = Guarded(self._rows.cache_bytes(width, capacity))
        assert self._cache.content.size % 64 == 0

    def put(self, first: int, k: NDArray[np.int16], v: NDArray[np.int16]) -> None:
        """Stores keys and values, shape (positions, width), from a position on."""
        for offset, (key, value) in enumerate(zip(k.copy(), v.copy(), strict=True)):
            self._rows.cache_put(
                self._cache.address,
                self._width,
                self._capacity,
                first + offset,
                _at(key),
                _at(value),
            )
        assert not self._cache.is_overrun

    def attend(
        self, first: int, q: NDArray[np.int16], sharpness: int, *, traced: bool = True
    ) -> tuple[list[list[int]], Attended | None]:
        """Mixed values of rows of queries, and everything about the last row.

        Args:
            first: Position of the first row.
            q: Shape (rows, width).
            sharpness: Of the head.
            traced: Whether to ask for scores and weights.
        """
        count, end = len(q), first + len(q)
        stride = self._width + _SPARE
        queries = np.full((count, stride), -1, np.int16)
        queries[:, : self._width] = q
        mixed = Guarded(2 * count * stride)
        before = mixed.content.copy()
        scores, weights = Guarded(4 * end), Guarded(4 * end)
        scratch = Guarded(self._rows.attend_scratch(self._width, self._capacity, count))
        self._rows.attend(
            self._cache.address,
            self._width,
            self._capacity,
            sharpness,
            first,
            count,
            _at(queries),
            stride,
            mixed.address,
            stride,
            scratch.address,
            scores.address if traced else None,
            weights.address if traced else None,
        )
        assert not scratch.is_overrun and not self._cache.is_overrun
        rows = _content(mixed, np.int16).reshape(count, stride)
        spare = before.view(np.int16).reshape(count, stride)[:, self._width :]
        assert np.array_equal(rows[:, self._width :], spare)
        values = rows[:, : self._width].tolist()
        if not traced:
            return values, None
        last = Attended(
            _integers(scores, np.int32),
            _integers(weights, np.int32),
            values[-1],
        )
        return values, last


@cache
def rows_of(isa: str) -> Rows | None:
    """The operations of one instruction set, or None if they do not run here.

    Raises:
        NativeUnavailable: There is no library.
    """
    select = load_library().rows_select
    select.restype = ctypes.POINTER(_Rows)
    select.argtypes = [ctypes.c_char_p]
    found = select(isa.encode())
    return Rows(found.contents) if found else None


def sample(
    logits: list[int], temperature: int, top_k: int, top_p: int, draw: int
) -> int:
    """The library's choice of a token.

    Raises:
        NativeUnavailable: There is no library.
    """
    library = load_library()
    scratch_bytes, choose = library.sample_scratch_bytes, library.sample_token
    scratch_bytes.restype, scratch_bytes.argtypes = _size, [_int]
    choose.restype = _int
    choose.argtypes = [
        _pointer,
        _int,
        *[ctypes.c_int64] * 3,
        ctypes.c_uint64,
        _pointer,
    ]
    row = np.array(logits, np.int32)
    scratch = Guarded(scratch_bytes(len(logits)))
    token = choose(
        _at(row), len(logits), temperature, top_k, top_p, draw, scratch.address
    )
    assert not scratch.is_overrun
    return int(token)


def _at(array: NDArray[Any]) -> int:
    return int(array.ctypes.data)


def _content(buffer: Guarded, dtype: type[np.generic]) -> NDArray[Any]:
    assert not buffer.is_overrun
    return buffer.content.view(dtype)


def _integers(buffer: Guarded, dtype: type[np.generic]) -> list[int]:
    return list(_content(buffer, dtype).tolist())
