"""Python's values as the native library takes them, checked."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from inference.errors import ModelPackageError
from inference.models.integer_model import Choice, Int32Array, Piece, refused
from inference.models.layout import IntegerShape, TensorLayout
from inference.native.library import Shape
from inference.profiles import W8A16, W8B8, W12A16

_PROFILES: Final = {W8A16.name: 0, W8B8.name: 1, W12A16.name: 2}

_PIECE: Final = np.dtype(
    [
        ("sequence", np.int32),
        ("start", np.int32),
        ("count", np.int32),
        ("wanted", np.int32),
        ("temperature", np.int64),
        ("top_k", np.int64),
        ("top_p", np.int64),
        ("draw", np.uint64),
    ]
)
"""`struct assay_piece`: no padding, since the sizes fall in place."""


def shape_struct(shape: IntegerShape) -> Shape:
    """Returns a shape as `struct assay_shape`.

    Raises:
        ModelPackageError: A number does not fit.
    """
    numbers = (
        _PROFILES[shape.profile.name],
        shape.vocab_size,
        shape.context_length,
        shape.width,
        shape.inner_width,
        shape.layers,
        shape.heads,
        shape.epsilon,
    )
    # ctypes would cut a larger number to one that fits.
    if max(map(abs, numbers)) >= 2**31:
        raise unusable_shape(shape)
    return Shape(*numbers)


def unusable_shape(shape: IntegerShape) -> ModelPackageError:
    """Returns the error for a shape that the arithmetic has no bounds for."""
    return ModelPackageError(
        "shape",
        shape,
        "outside the bounds of the arithmetic",
        "import the model again; see docs/spec/arithmetic.md, section 2",
    )


def checked_tensor(layout: TensorLayout, values: NDArray[Any]) -> NDArray[Any]:
    """Returns a tensor in the machine's byte order, without gaps.

    Raises:
        ModelPackageError: Its type, shape or range is not the layout's.
    """
    dtype = layout.dtype.newbyteorder("=")
    if values.dtype.newbyteorder("=") != dtype or values.shape != layout.shape:
        raise ModelPackageError(
            layout.name,
            f"{values.dtype} {values.shape}",
            f"the model's shape asks for {dtype} {layout.shape}",
            "use the package's own config.json and model.safetensors",
        )
    lowest, highest = int(values.min()), int(values.max())
    if lowest < layout.lowest or highest > layout.highest:
        raise ModelPackageError(
            layout.name,
            f"{lowest} to {highest}",
            f"outside {layout.lowest} to {layout.highest}",
            "import the model again",
        )
    return np.ascontiguousarray(values, dtype)


def pack_pieces(
    pieces: Sequence[Piece], choices: Sequence[Choice | None]
) -> tuple[NDArray[Any], Int32Array]:
    """Returns an array of `struct assay_piece`, and the ids one piece after another.

    Raises:
        SequenceError: A number does not fit its type.
    """
    rows = [
        (piece.sequence, piece.start, len(piece.ids), *_choice_fields(choice))
        for piece, choice in zip(pieces, choices, strict=True)
    ]
    try:
        ids = np.array([token for piece in pieces for token in piece.ids], np.int32)
        return np.array(rows, _PIECE), ids
    except OverflowError as error:
        raise refused(
            "pieces", len(pieces), "a number does not fit its type"
        ) from error


def _choice_fields(choice: Choice | None) -> tuple[int, int, int, int, int]:
    if choice is None:
        return (0, 0, 0, 0, 0)
    return (1, choice.temperature, choice.top_k, choice.top_p, choice.draw)
