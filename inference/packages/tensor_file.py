"""Tensors in a file: the safetensors format, read and written one tensor at a time.

The library of that name maps the whole file into memory, where it would count a second
time beside the tensors that a model copies from it. This reader takes plain reads, and
it accepts only what a package may hold: no metadata, no gaps, no other types.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydantic_core import from_json

from inference.errors import ModelPackageError
from inference.models.layout import STORED_TYPES, TensorLayout

_LENGTH_BYTES: Final = 8
_MAX_HEADER_BYTES: Final = 2**20
_MAX_DIMENSION: Final = 2**32
_ENTRY_FIELDS: Final = {"dtype", "shape", "data_offsets"}


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """Where a tensor lies in a file, and as what."""

    storage: str
    shape: tuple[int, ...]
    start: int
    size: int


def read_header(path: Path) -> dict[str, StoredTensor]:
    """Reads which tensors a file holds; no data.

    Raises:
        ModelPackageError: The file is cut off or no safetensors file, or it holds
            metadata, gaps, overlaps or a type that no package has.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
        if size < _LENGTH_BYTES or length > min(size - 8, _MAX_HEADER_BYTES):
            raise _malformed(path, length, "the header's length makes no sense")
        text = file.read(length)
    try:
        header = from_json(text, allow_inf_nan=False)
    except ValueError as error:
        raise _malformed(path, str(error), "the header is not JSON") from error
    if not isinstance(header, dict):
        raise _malformed(path, type(header).__name__, "the header is no JSON object")
    data = _LENGTH_BYTES + length
    stored = {name: _entry(path, name, data, e) for name, e in header.items()}
    _require_no_gaps(path, stored, data, size)
    return stored


def read_tensor(path: Path, name: str, stored: StoredTensor) -> NDArray[np.generic]:
    """Reads one tensor.

    Raises:
        ModelPackageError: The file has become shorter since its header was read.
    """
    dtype = STORED_TYPES[stored.storage]
    count = prod(stored.shape)
    with path.open("rb") as file:
        file.seek(stored.start)
        values = np.fromfile(file, dtype, count)
    if len(values) != count:
        raise _malformed(path, name, "cut off within this tensor")
    return values.reshape(stored.shape)


def write_tensors(
    path: Path,
    layouts: Iterable[TensorLayout],
    tensors: Callable[[str], NDArray[np.generic]],
) -> None:
    """Writes tensors in the type and shape that their layouts ask for.

    Wide types come first, so that every tensor is aligned to its own type.

    Raises:
        ValueError: A tensor is not of its layout's type and shape.
    """
    ordered = sorted(layouts, key=lambda part: (-part.dtype.itemsize, part.name))
    header: dict[str, Any] = {}
    end = 0
    for layout in ordered:
        start = end
        end += layout.nbytes
        header[layout.name] = {
            "dtype": layout.storage,
            "shape": layout.shape,
            "data_offsets": [start, end],
        }
    text = json.dumps(header, separators=(",", ":")).encode("ascii")
    text += b" " * (-len(text) % _LENGTH_BYTES)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(_LENGTH_BYTES, "little") + text)
        for layout in ordered:
            values = tensors(layout.name)
            if values.shape != layout.shape or values.dtype != layout.dtype:
                raise ValueError(
                    f"{layout.name} is {values.dtype} {values.shape}, "
                    f"not {layout.dtype} {layout.shape}"
                )
            file.write(np.ascontiguousarray(values).data)


def _entry(path: Path, name: str, data: int, entry: object) -> StoredTensor:
    if not isinstance(entry, dict) or set(entry) != _ENTRY_FIELDS:
        raise _malformed(path, name, "not the description of a tensor")
    storage, shape, offsets = (
        entry[field] for field in ("dtype", "shape", "data_offsets")
    )
    if not isinstance(storage, str) or storage not in STORED_TYPES:
        raise _malformed(path, name, f"not stored as one of {', '.join(STORED_TYPES)}")
    if not _are_sizes(shape) or not _are_sizes(offsets) or len(offsets) != 2:
        raise _malformed(path, name, "its shape or place is not of whole numbers")
    size = prod(shape) * STORED_TYPES[storage].itemsize
    if offsets[1] - offsets[0] != size:
        raise _malformed(path, name, "its place does not fit its shape")
    return StoredTensor(storage, tuple(shape), data + offsets[0], size)


def _are_sizes(values: object) -> bool:
    return isinstance(values, list) and all(
        type(value) is int and 0 <= value <= _MAX_DIMENSION for value in values
    )


def _require_no_gaps(
    path: Path, stored: dict[str, StoredTensor], data: int, size: int
) -> None:
    end = data
    for name, tensor in sorted(
        stored.items(), key=lambda item: (item[1].start, item[1].size)
    ):
        if tensor.start != end:
            raise _malformed(path, name, "a gap or an overlap lies before this tensor")
        end += tensor.size
    if end != size:
        raise _malformed(path, size, f"the header describes {end} bytes")


def _malformed(path: Path, value: object, problem: str) -> ModelPackageError:
    return ModelPackageError(
        path.name, value, f"not a valid safetensors file: {problem}", "fetch it again"
    )
