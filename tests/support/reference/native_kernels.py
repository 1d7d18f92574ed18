"""Calls the native library's matrix products one by one, around the engine.

Source of the structures: `inference/native/src/gemm.h`.
"""

import ctypes
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from inference.native.library import load_library
from inference.profiles import W8A16, W8B8, W12A16, Profile

ISAS: Final = ("avx512", "avx2", "neon", "plain")

_ALIGNMENT: Final = 64
_NUMBERS: Final = {W8A16: 0, W8B8: 1, W12A16: 2}
_CANARY: Final = 0xA5

_int, _size, _pointer = ctypes.c_int, ctypes.c_size_t, ctypes.c_void_p
_SizeFunction = ctypes.CFUNCTYPE(_size, _int, _int, _int)


class _Product(ctypes.Structure):
    _fields_ = [
        ("profile", _int),
        ("outputs", _int),
        ("terms", _int),
        ("packed", _pointer),
        ("multiplier", _pointer),
        ("bias", _pointer),
    ]


class _Gemm(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_char_p),
        ("panel", _int),
        ("row_block", _int),
        ("packed_bytes", _SizeFunction),
        ("pack", ctypes.CFUNCTYPE(None, *[_int] * 5, _pointer, _pointer)),
        ("prepared_bytes", _SizeFunction),
        (
            "prepare",
            ctypes.CFUNCTYPE(None, *[_int] * 5, _pointer, ctypes.c_ssize_t, _pointer),
        ),
        (
            "tile",
            ctypes.CFUNCTYPE(
                None,
                ctypes.POINTER(_Product),
                _int,
                _pointer,
                _int,
                _int,
                _int,
                _pointer,
            ),
        ),
    ]


class Guarded:
    """An aligned buffer with bytes behind it that nobody may write."""

    def __init__(self, size: int) -> None:
        """Allocates `size` bytes of rubbish: what is not written is seen."""
        self._memory = np.full(size + 2 * _ALIGNMENT, _CANARY, np.uint8)
        start = -self._memory.ctypes.data % _ALIGNMENT
        self.content = self._memory[start : start + size]
        self._guard = self._memory[start + size :]

    @property
    def address(self) -> int:
        """Where the buffer starts."""
        return int(self.content.ctypes.data)

    @property
    def is_overrun(self) -> bool:
        """Whether something wrote behind the end."""
        return bool(np.any(self._guard != _CANARY))


@dataclass(frozen=True, slots=True)
class Operands:
    """What a product takes.

    Attributes:
        profile: Its arithmetic.
        weights: Shape (outputs, terms).
        multiplier: Shape (outputs,).
        bias: Shape (outputs,).
        activations: int16, shape (rows, terms); rows may lie apart.
    """

    profile: Profile
    weights: NDArray[Any]
    multiplier: NDArray[Any]
    bias: NDArray[Any]
    activations: NDArray[np.int16]


class Kernels:
    """The products of one instruction set."""

    def __init__(self, gemm: _Gemm) -> None:
        """Wraps the library's structure."""
        self._gemm = gemm

    @property
    def panel(self) -> int:
        """Outputs of a tile."""
        return int(self._gemm.panel)

    @property
    def row_block(self) -> int:
        """Most rows of a tile."""
        return int(self._gemm.row_block)

    @property
    def name(self) -> str:
        """The instruction set."""
        return bytes(self._gemm.name).decode()

    def multiply(self, operands: Operands, *, call_rows: int = 0) -> NDArray[np.int32]:
        """Computes all values of a product, shape (rows, outputs).

        The matrix is packed in two calls and the rows are prepared in two calls, last
        part first, as threads might do it.

        Args:
            operands: The numbers.
            call_rows: Rows per tile, 0 for as many as there may be.
        """
        number = _NUMBERS[operands.profile]
        outputs, terms = operands.weights.shape
        panels = -(-outputs // self.panel)
        packed = self._pack(operands)
        multiplier = _padded(operands.multiplier, panels * self.panel)
        bias = _padded(operands.bias, panels * self.panel)
        prepared = self._prepare(operands)
        product = _Product(
            number, outputs, terms, packed.address, multiplier.address, bias.address
        )
        rows = len(operands.activations)
        result = np.empty((rows, panels * self.panel), np.int32)
        for panel in range(panels):
            columns = slice(panel * self.panel, (panel + 1) * self.panel)
            for first in range(0, rows, self.row_block):
                last = min(first + self.row_block, rows)
                step = call_rows or self.row_block
                for start in range(first, last, step):
                    count = min(step, last - start)
                    result[start : start + count, columns] = self._tile(
                        product, panel, prepared, rows, start, count
                    )
        assert not np.any(result[:, outputs:]), "the padding has values"
        return result[:, :outputs]

    def _pack(self, operands: Operands) -> Guarded:
        number = _NUMBERS[operands.profile]
        outputs, terms = operands.weights.shape
        dtype = np.int8 if operands.profile.weight_bytes == 1 else np.int16
        weights = np.ascontiguousarray(operands.weights, dtype)
        packed = Guarded(self._gemm.packed_bytes(number, outputs, terms))
        middle = outputs // self.panel // 2 * self.panel
        for first, last in ((middle, outputs), (0, middle)):
            if first < last:
                part = weights[first:last].copy()
                self._gemm.pack(
                    number,
                    terms,
                    outputs,
                    first,
                    last - first,
                    part.ctypes.data,
                    packed.address,
                )
        assert not packed.is_overrun
        return packed

    def _prepare(self, operands: Operands) -> Guarded:
        number = _NUMBERS[operands.profile]
        x = operands.activations
        assert x.dtype == np.int16 and x.strides[1] == 2
        rows, terms = x.shape
        prepared = Guarded(self._gemm.prepared_bytes(number, rows, terms))
        middle = rows // self.row_block // 2 * self.row_block
        for first, last in ((middle, rows), (0, middle)):
            if first < last:
                self._gemm.prepare(
                    number,
                    terms,
                    rows,
                    first,
                    last - first,
                    x[first:].ctypes.data,
                    x.strides[0] // 2,
                    prepared.address,
                )
        assert not prepared.is_overrun
        return prepared

    def _tile(
        self,
        product: _Product,
        panel: int,
        prepared: Guarded,
        rows: int,
        first: int,
        count: int,
    ) -> NDArray[np.int32]:
        values = Guarded(count * self.panel * 4)
        self._gemm.tile(
            ctypes.byref(product),
            panel,
            prepared.address,
            rows,
            first,
            count,
            values.address,
        )
        assert not values.is_overrun
        return values.content.view(np.int32).reshape(count, self.panel)


@cache
def kernels(isa: str) -> Kernels | None:
    """Returns the products for an instruction set; None if it does not run here.

    Raises:
        NativeUnavailable: There is no library.
    """
    select = load_library().gemm_select
    select.restype, select.argtypes = ctypes.POINTER(_Gemm), [ctypes.c_char_p]
    found = select(isa.encode())
    return Kernels(found.contents) if found else None


def _padded(values: NDArray[Any], length: int) -> Guarded:
    buffer = Guarded(length * 4)
    content = buffer.content.view(np.int32)
    content[:] = 0
    content[: len(values)] = values
    return buffer
