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
from inference.models.integer_model import Choice, Piece
from inference.native import NativeModel, library
from inference.profiles import W8A16
from tests.support.models.random_models import random_shape, random_tensors

GREEDY = Choice(0, 0, 1, 0)
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


def test_create_every_tensor_is_asked_for_once() -> None:
    asked: list[str] = []

    def counted(name: str) -> NDArray[Any]:
        asked.append(name)
        return TENSORS(name)

    NativeModel(SHAPE, counted).close()

    assert sorted(asked) == sorted(layout.name for layout in SHAPE.tensors())


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


@pytest.mark.parametrize("capacity", [0, -1, 65, 2**32 + 5])
def test_open_sequence_bad_capacity_is_refused(
    model: NativeModel, capacity: int
) -> None:
    with pytest.raises(SequenceError, match="give 1 to 64"):
        model.open_sequence(capacity)


@pytest.mark.parametrize("sequence", [-1, 0, 7, 2**32, 2**70])
def test_close_sequence_not_open_is_refused(model: NativeModel, sequence: int) -> None:
    with pytest.raises(SequenceError, match="no open sequence"):
        model.close_sequence(sequence)


BAD_PIECES: list[tuple[Callable[[int, int], list[Piece]], str]] = [
    (lambda a, b: [Piece(b + 7, 0, (1,))], "no open sequence"),
    (lambda a, b: [Piece(-1, 0, (1,))], "no open sequence"),
    (lambda a, b: [Piece(a, 3, (1,)), Piece(a, 4, (1,))], "second piece"),
    (lambda a, b: [Piece(b, 1, (1,))], "does not start"),
    (lambda a, b: [Piece(a, 2, (1,))], "does not start"),
    (lambda a, b: [Piece(a, -1, (1,))], "does not start"),
    (lambda a, b: [Piece(a, 3, ())], "no tokens"),
    (lambda a, b: [Piece(a, 3, (1,) * 8)], "capacity"),
    (lambda a, b: [Piece(b, 0, (1, 300))], "outside the vocabulary"),
    (lambda a, b: [Piece(b, 0, (1, -1))], "outside the vocabulary"),
    (lambda a, b: [Piece(b, 0, (2**32,))], "does not fit its type"),
    (lambda a, b: [Piece(2**32, 0, (1,))], "does not fit its type"),
]


@pytest.mark.parametrize(("pieces", "problem"), BAD_PIECES)
@pytest.mark.parametrize("place", ["alone", "after a good one"])
def test_step_bad_piece_is_refused_and_feeds_nothing(
    model: NativeModel,
    pieces: Callable[[int, int], list[Piece]],
    problem: str,
    place: str,
) -> None:
    a, b, good = (model.open_sequence(10) for _ in range(3))
    model.step([Piece(a, 0, (1, 2, 3))], [GREEDY])
    before = model.logits(0).tolist()
    batch = pieces(a, b)
    if place == "after a good one":
        batch = [Piece(good, 0, (5, 6)), *batch]

    with pytest.raises(SequenceError, match=problem):
        model.step(batch, [None] * len(batch))

    assert model.logits(0).tolist() == before
    # Had the good piece been fed, it could not start at 0 again.
    model.step([Piece(good, 0, (5, 6)), Piece(a, 3, (4,))], [None, None])


@pytest.mark.parametrize(
    "choice",
    [
        Choice(-1, 0, 1, 0),
        Choice(100_000_001, 0, 1, 0),
        Choice(1, -1, 1, 0),
        Choice(1, 0, 0, 0),
        Choice(1, 0, 1_000_001, 0),
        Choice(1, 0, 1, -1),
        Choice(1, 0, 1, 2**64),
        Choice(2**63, 0, 1, 0),
    ],
)
def test_step_bad_choice_is_refused(model: NativeModel, choice: Choice) -> None:
    sequence = model.open_sequence(10)

    with pytest.raises(SequenceError):
        model.step([Piece(sequence, 0, (1,))], [choice])


def test_step_fewer_choices_than_pieces_is_refused(model: NativeModel) -> None:
    sequence = model.open_sequence(10)

    with pytest.raises(SequenceError, match="one choice, or none, per piece"):
        model.step([Piece(sequence, 0, (1,))], [])


def test_step_no_pieces_returns_nothing(model: NativeModel) -> None:
    assert model.step([], []) == []


@pytest.mark.parametrize("index", [-1, 1, 2, 2**32])
def test_logits_of_a_piece_without_choice_is_refused(
    model: NativeModel, index: int
) -> None:
    a, b = model.open_sequence(10), model.open_sequence(10)
    model.step([Piece(a, 0, (1,)), Piece(b, 0, (1,))], [GREEDY, None])
    model.logits(0)

    with pytest.raises(SequenceError, match="chose no token"):
        model.logits(index)


def test_trace_two_sequences_is_refused(model: NativeModel) -> None:
    a, b = model.open_sequence(10), model.open_sequence(10)

    with pytest.raises(SequenceError, match="not of one sequence"):
        model.trace([Piece(a, 0, (1,)), Piece(b, 0, (1,))])


@pytest.mark.parametrize("start", [1, -5, 2**31 - 1])
def test_trace_bad_piece_is_refused(model: NativeModel, start: int) -> None:
    sequence = model.open_sequence(10)

    with pytest.raises(SequenceError, match="does not start"):
        model.trace([Piece(sequence, start, (1,))])


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
