"""What the native model refuses, and that a refusal changes nothing."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from inference.errors import (
    CacheOverflow,
    EngineError,
    InvalidSetting,
    InvalidThreads,
    ModelPackageError,
    SequenceError,
)
from inference.models.integer_model import Piece
from inference.native import NativeModel, library
from inference.profiles import W8A16
from tests.support.models.random_models import random_shape, random_tensors

SHAPE = random_shape(W8A16)
TENSORS = random_tensors(SHAPE, 1)

Tensors = Callable[[str], NDArray[Any]]


def with_tensor(name: str, values: NDArray[Any]) -> Tensors:
    return lambda asked: values if asked == name else TENSORS(asked)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("vocab_size", 65_537),
        ("context_length", 1_025),
        ("width", 2_048),
        ("inner_width", 8_193),
        ("inner_width", 0),
        ("layers", 97),
        ("layers", 0),
        ("heads", 3),
        ("heads", 0),
        ("heads", 128),
        ("epsilon", 2**30),
        ("epsilon", -1),
        ("vocab_size", 2**32 + 300),
    ],
)
def test_create_shape_out_of_bounds_is_refused(field: str, value: int) -> None:
    numbers: dict[str, Any] = {field: value}
    shape = replace(SHAPE, **numbers)

    with pytest.raises(ModelPackageError, match="bounds of the arithmetic"):
        NativeModel(shape, TENSORS)


def test_create_head_too_wide_is_refused() -> None:
    with pytest.raises(ModelPackageError, match="bounds of the arithmetic"):
        NativeModel(replace(SHAPE, width=129, heads=1), TENSORS)


@pytest.mark.parametrize("threads", [0, -1, 257, 2**32 + 1])
def test_create_bad_threads_is_refused(threads: int) -> None:
    with pytest.raises(InvalidThreads, match="give 1 to 256"):
        NativeModel(SHAPE, TENSORS, threads=threads)


@pytest.mark.parametrize("isa", ["", "sse9", "AVX2", "auto\0plain"])
def test_create_unknown_isa_is_refused(isa: str) -> None:
    with pytest.raises(InvalidSetting, match="use one of auto"):
        NativeModel(SHAPE, TENSORS, isa=isa)


def test_create_isa_of_another_architecture_is_refused() -> None:
    refused = []
    for isa in ("neon", "avx2"):
        try:
            NativeModel(SHAPE, TENSORS, isa=isa).close()
        except InvalidSetting as error:
            refused.append((isa, error.problem))

    assert refused, "no CPU has both"
    assert {problem for _, problem in refused} == {"not of this CPU"}


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("token_shift", np.zeros(63, np.uint8)),
        ("token_shift", np.zeros(64, np.int8)),
        ("token_shift", np.full(64, 15, np.uint8)),
        ("head.weight", np.zeros((64, 300), np.int8)),
        ("head.weight", np.full((300, 64), -128, np.int8)),
        ("layers.1.sharpness", np.zeros(4, np.uint32)),
        ("layers.0.qkv.multiplier", np.full(192, -1, np.int32)),
        ("layers.0.norm2.shift", np.full(64, 13, np.uint8)),
        ("final.shift", np.zeros(64, np.float32)),
    ],
)
def test_create_tensor_not_as_laid_out_is_refused(
    name: str, values: NDArray[Any]
) -> None:
    with pytest.raises(ModelPackageError) as caught:
        NativeModel(SHAPE, with_tensor(name, values))

    assert caught.value.field == name


def test_create_tensors_that_fail_passes_their_error_on() -> None:
    def broken(name: str) -> NDArray[Any]:
        raise KeyError(name)

    with pytest.raises(KeyError):
        NativeModel(SHAPE, broken)


def raw_model() -> tuple[ctypes.CDLL, ctypes.c_void_p]:
    """A model of the C interface without any tensor."""
    loaded = library.load_library()
    handle = ctypes.c_void_p()
    shape = library.Shape(0, 300, 64, 64, 160, 2, 4, 1)
    arguments = (ctypes.byref(shape), 1, b"auto", ctypes.byref(handle))
    assert loaded.assay_create(*arguments) == library.OK
    return loaded, handle


def test_open_tensor_missing_is_refused() -> None:
    loaded, handle = raw_model()
    data = np.zeros(64, np.uint8)
    names = [layout.name for layout in SHAPE.tensors()]
    for name in names[:-1]:
        values = TENSORS(name)
        status = loaded.assay_set_tensor(
            handle, name.encode(), values.ctypes.data, values.nbytes
        )
        assert status == library.OK
    # The same one twice does not stand for the one that is missing.
    loaded.assay_set_tensor(handle, b"token_shift", data.ctypes.data, 64)

    number = ctypes.c_int()
    status = loaded.assay_open(handle, 3, ctypes.byref(number))

    loaded.assay_destroy(handle)
    assert status == library.TENSOR_MISSING


@pytest.mark.parametrize(
    "name",
    [
        b"",
        b"layers",
        b"layers.",
        b"layers..norm1.shift",
        b"layers.2.norm1.shift",
        b"layers.00.norm1.shift",
        b"layers.99999999999.norm1.shift",
        b"layers.-1.norm1.shift",
        b"layers.0.head.weight",
        b"norm1.shift",
        b"layers.0.norm1",
        b"layers.0.norm1.shift.",
    ],
)
def test_set_tensor_unknown_name_is_refused(name: bytes) -> None:
    loaded, handle = raw_model()
    data = np.zeros(64, np.uint8)

    status = loaded.assay_set_tensor(handle, name, data.ctypes.data, 64)

    loaded.assay_destroy(handle)
    assert status == 5


def test_close_twice_then_use_is_refused(model: NativeModel) -> None:
    model.close()
    model.close()

    uses: list[Callable[[], object]] = [
        lambda: model.open_sequence(1),
        lambda: model.close_sequence(0),
        lambda: model.step([Piece(0, 0, (1,))], [None]),
        lambda: model.logits(0),
        lambda: model.trace([Piece(0, 0, (1,))]),
        model.bytes_per_token,
    ]
    for use in uses:
        with pytest.raises(SequenceError, match="has been closed"):
            use()


def test_error_without_memory_names_the_way_out(model: NativeModel) -> None:
    """The library's answer is feigned: no machine can be made to run out of memory."""
    with pytest.raises(CacheOverflow, match="feed fewer rows"):
        model._expect(library.NO_MEMORY, [Piece(0, 0, (1,))], 0)
    assert issubclass(CacheOverflow, EngineError)
