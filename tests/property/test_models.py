"""Whole models, on every backend, against the same in unbounded integers.

Tensors are random or at the ends of their ranges, so that every saturation occurs.
"""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.models.integer_model import Choice, IntegerModel, Piece
from inference.models.layout import MAX_EPSILON, IntegerShape
from inference.profiles import PROFILES, Profile
from tests.support.models.random_models import Tensors, extreme_tensors, random_shape
from tests.support.reference import reference
from tests.support.reference.backends import BACKENDS, load

GREEDY = Choice(0, 0, 1, 0)

HEADS = st.sampled_from([(1, 1), (1, 5), (3, 8), (2, 33), (1, 128), (4, 16)])


@st.composite
def models(draw: st.DrawFn, profile: Profile) -> tuple[IntegerShape, Tensors]:
    """Shapes that fill no vector and shapes that fill several."""
    heads, head_width = draw(HEADS)
    shape = random_shape(
        profile,
        vocab_size=draw(st.sampled_from([1, 15, 70])),
        context_length=40,
        width=heads * head_width,
        inner_width=draw(st.sampled_from([1, 31, 130, 1_100])),
        layers=draw(st.integers(1, 2)),
        heads=heads,
    )
    epsilon = draw(st.sampled_from([0, 1, shape.epsilon, MAX_EPSILON]))
    shape = replace(shape, epsilon=epsilon)
    return shape, extreme_tensors(shape, draw(st.integers(0, 2**32)))


def trace_in_pieces(
    model: IntegerModel, ids: list[int], cut: int
) -> dict[str, list[int]]:
    sequence = model.open_sequence(len(ids))
    parts = [(0, ids[:cut]), (cut, ids[cut:])]
    pieces = [Piece(sequence, start, tuple(part)) for start, part in parts if part]
    trace = model.trace(pieces)
    model.close_sequence(sequence)
    return {name: values.tolist() for name, values in trace.items()}


def logits_one_by_one(model: IntegerModel, ids: list[int]) -> list[list[int]]:
    sequence = model.open_sequence(len(ids))
    logits = []
    for place, token in enumerate(ids):
        model.step([Piece(sequence, place, (token,))], [GREEDY])
        logits.append(model.logits(0).tolist())
    model.close_sequence(sequence)
    return logits


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
@settings(max_examples=settings().max_examples // 5)
@given(data=st.data())
def test_model_any_tensors_equals_reference_in_every_operation(
    backend: str, profile: Profile, data: st.DataObject
) -> None:
    shape, tensors = data.draw(models(profile))
    token = st.integers(0, shape.vocab_size - 1)
    ids = data.draw(st.lists(token, min_size=1, max_size=9))
    cut = data.draw(st.integers(0, len(ids) - 1))
    model = load(backend, shape, tensors)

    trace, logits = trace_in_pieces(model, ids, cut), logits_one_by_one(model, ids)

    wanted = reference.ReferenceModel(shape, tensors).traces(ids)
    assert list(trace.items()) == list(wanted[-1].items())
    assert logits == [each["head"] for each in wanted]
