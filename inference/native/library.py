"""Finds the native library and declares its functions.

Source of the prototypes: `src/assay.h`.
"""

import ctypes
from functools import cache
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import Any, Final

from inference.errors import NativeUnavailable

INTERFACE: Final = 1
"""`ASSAY_INTERFACE` of the sources that this package belongs to."""

OK: Final = 0
NO_MEMORY: Final = 1
BAD_THREADS: Final = 3
UNKNOWN_ISA: Final = 4
TENSOR_MISSING: Final = 7
BAD_CAPACITY: Final = 8
UNKNOWN_SEQUENCE: Final = 9
REPEATED_SEQUENCE: Final = 10
BAD_START: Final = 11
BAD_COUNT: Final = 12
OVER_CAPACITY: Final = 13
BAD_TOKEN: Final = 14
BAD_CHOICE: Final = 15
NO_LOGITS: Final = 16

_REMEDY = (
    "install a C compiler and run `make setup` (with CC=clang if it is not gcc), "
    "or use the torch backend"
)


class Shape(ctypes.Structure):
    """`struct assay_shape`."""

    _fields_ = [
        (name, ctypes.c_int32)
        for name in (
            "profile",
            "vocab",
            "context",
            "width",
            "inner",
            "layers",
            "heads",
            "epsilon",
        )
    ]


class LibraryFault(ctypes.Structure):
    """`struct assay_fault`."""

    _fields_ = [("piece", ctypes.c_int32), ("token", ctypes.c_int32)]


def is_built() -> bool:
    """Whether there is a library to load; it may still fail to load."""
    return _built() is not None


@cache
def load_library() -> ctypes.CDLL:
    """Loads the library, once per process.

    Raises:
        NativeUnavailable: It is not built, is broken or comes from other sources.
    """
    path = _built()
    if path is None:
        raise NativeUnavailable(
            "backend", "native", "the native library is not built", _REMEDY
        )
    return open_library(path)


def open_library(path: Path) -> ctypes.CDLL:
    """Loads the library from a file and declares its functions.

    Raises:
        NativeUnavailable: It is broken or comes from other sources.
    """
    try:
        library = ctypes.CDLL(str(path))
        found = int(library.assay_interface())
    except (OSError, AttributeError) as error:
        raise NativeUnavailable(
            "backend", "native", f"{path.name} does not load ({error})", _REMEDY
        ) from error
    if found != INTERFACE:
        raise NativeUnavailable(
            "backend",
            "native",
            f"{path.name} was built from other sources (interface {found}, "
            f"not {INTERFACE})",
            "run `make setup`",
        )
    _declare(library)
    return library


def _built() -> Path | None:
    folder = Path(__file__).parent
    candidates = (folder / f"_engine{suffix}" for suffix in EXTENSION_SUFFIXES)
    return next((path for path in candidates if path.is_file()), None)


def _declare(library: ctypes.CDLL) -> None:
    model, text, pointer = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p
    integer, size = ctypes.c_int, ctypes.c_size_t
    fault = ctypes.POINTER(LibraryFault)
    functions: dict[str, tuple[Any, list[Any]]] = {
        "assay_create": (
            integer,
            [ctypes.POINTER(Shape), integer, text, ctypes.POINTER(model)],
        ),
        "assay_destroy": (None, [model]),
        "assay_isa": (text, [model]),
        "assay_set_tensor": (integer, [model, text, pointer, size]),
        "assay_weight_bytes": (size, [model]),
        "assay_cache_bytes": (size, [model, integer]),
        "assay_open": (integer, [model, integer, ctypes.POINTER(integer)]),
        "assay_close": (integer, [model, integer]),
        "assay_step": (integer, [model, pointer, integer, pointer, pointer, fault]),
        "assay_logits": (integer, [model, integer, pointer]),
        "assay_trace_length": (size, [model, integer]),
        "assay_trace": (integer, [model, pointer, pointer, pointer, fault]),
    }
    for name, (result, arguments) in functions.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
