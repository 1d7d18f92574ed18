"""The integer model on the native library."""

import ctypes
import threading
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from inference.engine import check_threads
from inference.errors import CacheOverflow, InvalidSetting, SequenceError
from inference.models import integer_model as port
from inference.models.integer_model import Choice, Int32Array, Piece
from inference.models.layout import IntegerShape, TensorLayout
from inference.native import library
from inference.native.conversion import (
    checked_tensor,
    pack_pieces,
    shape_struct,
    unusable_shape,
)

ISAS: Final = ("auto", "avx512", "avx2", "neon", "plain")
"""Instruction sets by name; which of them run depends on the CPU."""

_PROBLEMS: Final = {
    library.UNKNOWN_SEQUENCE: port.NOT_OPEN,
    library.REPEATED_SEQUENCE: port.REPEATED,
    library.BAD_START: port.BAD_START,
    library.BAD_COUNT: port.NO_TOKENS,
    library.OVER_CAPACITY: port.NO_ROOM,
    library.BAD_TOKEN: port.BAD_TOKEN,
    library.BAD_CHOICE: port.BAD_CHOICE,
}


class NativeModel:
    """An `IntegerModel` in C; one thread at a time computes, others wait.

    Use it in a `with` statement or call `close`: it holds its weights until then.
    """

    def __init__(
        self,
        shape: IntegerShape,
        tensors: Callable[[str], NDArray[Any]],
        *,
        threads: int = 1,
        isa: str = "auto",
    ) -> None:
        """Loads the tensors, one at a time.

        Args:
            shape: The model's shape and profile.
            tensors: Gives a tensor by its name; called once for each.
            threads: CPU threads, 1 to 256. Results do not depend on it.
            isa: Instruction set, `auto` for the best of this CPU. Nor on this.

        Raises:
            NativeUnavailable: The library is not built or does not load.
            InvalidThreads: `threads` is out of range.
            InvalidSetting: `isa` is unknown or not of this CPU, or the machine has
                not enough memory.
            ModelPackageError: The shape is outside the arithmetic's bounds, or a
                tensor has another type, shape or range than the shape says.
        """
        self._handle: ctypes.c_void_p | None = None
        self._lock = threading.Lock()
        self._shape = shape
        self._library = library.load_library()
        self._handle = self._create(shape, threads, isa)
        try:
            # The largest first: while one is copied, it is held twice.
            for layout in sorted(shape.tensors(), key=_nbytes, reverse=True):
                self._set_tensor(layout, tensors)
        except BaseException:
            self.close()
            raise

    @property
    def shape(self) -> IntegerShape:
        """The model's shape and profile."""
        return self._shape

    @property
    def isa(self) -> str:
        """Name of the instruction set in use."""
        return str(self._call("assay_isa").decode())

    @property
    def weight_bytes(self) -> int:
        """Bytes of all tensors as they are held."""
        return int(self._call("assay_weight_bytes"))

    def bytes_per_token(self) -> int:
        """As the port says; a cache is made of whole blocks of positions."""
        context = self._shape.context_length
        whole = int(self._call("assay_cache_bytes", context))
        return -(-whole // context)

    def open_sequence(self, capacity: int) -> int:
        """As the port says; keeps the cache of a closed sequence for the next one."""
        port.check_capacity(capacity, self._shape)
        number = ctypes.c_int()
        status = self._call("assay_open", capacity, ctypes.byref(number))
        if status == library.NO_MEMORY:
            raise CacheOverflow(
                "capacity",
                capacity,
                "the machine has no memory for it",
                "close sequences, or give the engine fewer cache_bytes",
            )
        self._expect(status)
        return number.value

    def close_sequence(self, sequence: int) -> None:
        """As the port says."""
        # ctypes would cut a larger number to one that fits.
        if not 0 <= sequence < 2**31 or self._call("assay_close", sequence):
            raise port.unknown_sequence(sequence)

    def step(
        self, pieces: Sequence[Piece], choices: Sequence[Choice | None]
    ) -> list[int]:
        """As the port says."""
        port.check_choices(pieces, choices)
        if not pieces:
            return []
        packed, ids = pack_pieces(pieces, choices)
        chosen = np.empty(len(pieces), np.int32)
        fault = library.LibraryFault()
        status = self._call(
            "assay_step",
            packed.ctypes.data,
            len(pieces),
            ids.ctypes.data,
            chosen.ctypes.data,
            ctypes.byref(fault),
        )
        self._expect(status, pieces, fault.piece)
        return [int(token) for token in chosen]

    def logits(self, index: int) -> Int32Array:
        """As the port says."""
        values = np.empty(self._shape.vocab_size, np.int32)
        known = 0 <= index < 2**31
        if not known or self._call("assay_logits", index, values.ctypes.data):
            raise port.no_logits(index)
        return values

    def trace(self, pieces: Sequence[Piece]) -> dict[str, Int32Array]:
        """As the port says."""
        port.check_traced(pieces)
        for piece in pieces[:-1]:
            self.step([piece], [None])
        values, keys = self._trace_last(pieces[-1])
        trace: dict[str, Int32Array] = {}
        start = 0
        for name, length in self._shape.operations(keys):
            trace[name] = values[start : start + length].copy()
            start += length
        return trace

    def close(self) -> None:
        """Frees the model and its sequences; a second call does nothing."""
        with self._lock:
            handle, self._handle = self._handle, None
            if handle is not None:
                self._library.assay_destroy(handle)

    def __enter__(self) -> Self:
        """Returns the model."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Closes the model."""
        self.close()

    def __del__(self) -> None:
        """Closes a model that was forgotten."""
        # Without a handle construction failed, maybe before there was a lock.
        if getattr(self, "_handle", None) is not None:
            self.close()

    # ---- loading

    def _create(self, shape: IntegerShape, threads: int, isa: str) -> ctypes.c_void_p:
        check_threads(threads)
        if isa not in ISAS:
            raise _unusable_isa(isa, "unknown")
        handle = ctypes.c_void_p()
        status = self._library.assay_create(
            ctypes.byref(shape_struct(shape)),
            threads,
            isa.encode(),
            ctypes.byref(handle),
        )
        if status == library.UNKNOWN_ISA:
            raise _unusable_isa(isa, "not of this CPU")
        if status == library.NO_MEMORY:
            raise InvalidSetting(
                "threads",
                threads,
                "the machine has no memory, or no threads, for this model",
                "use fewer threads, or a machine with more memory",
            )
        if status:
            raise unusable_shape(shape)
        return handle

    def _set_tensor(
        self, layout: TensorLayout, tensors: Callable[[str], NDArray[Any]]
    ) -> None:
        values = checked_tensor(layout, tensors(layout.name))
        name = layout.name.encode()
        status = self._call("assay_set_tensor", name, values.ctypes.data, values.nbytes)
        self._expect(status)

    # ---- calling

    def _call(self, name: str, *arguments: Any) -> Any:
        """Calls a function of the library with the model before the arguments."""
        with self._lock:
            if self._handle is None:
                raise SequenceError(
                    "model", "closed", "it has been closed", "load it anew"
                )
            return getattr(self._library, name)(self._handle, *arguments)

    def _expect(
        self, status: int, pieces: Sequence[Piece] = (), index: int = -1
    ) -> None:
        """Raises the error that a status of a step stands for."""
        if status == library.OK:
            return
        if status == library.NO_MEMORY:
            raise CacheOverflow(
                "pieces",
                sum(len(piece.ids) for piece in pieces),
                "the machine has no memory for so many rows",
                "feed fewer rows at a time",
            )
        if status not in _PROBLEMS:
            raise RuntimeError(f"the native library returned {status}")
        raise port.refused(f"pieces[{index}]", pieces[index], _PROBLEMS[status])

    # ---- traces

    def _trace_last(self, piece: Piece) -> tuple[Int32Array, int]:
        """Returns all values and the number of positions attended to."""
        packed, ids = pack_pieces([piece], [Choice(0, 0, 1, 0)])
        keys = piece.start + len(piece.ids)
        fault = library.LibraryFault()
        # Of a position that is none, and then port.refused, it is 0.
        length = self._call("assay_trace_length", min(keys, 2**31) - 1)
        values = np.zeros(length, np.int32)
        status = self._call(
            "assay_trace",
            packed.ctypes.data,
            ids.ctypes.data,
            values.ctypes.data,
            ctypes.byref(fault),
        )
        self._expect(status, [piece], 0)
        return values, keys


def _nbytes(layout: TensorLayout) -> int:
    return layout.nbytes


def _unusable_isa(isa: str, problem: str) -> InvalidSetting:
    return InvalidSetting("isa", isa, problem, f"use one of {', '.join(ISAS)}")
