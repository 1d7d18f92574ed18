"""The sampler and its log-probabilities against the same in unbounded integers."""

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from inference.engine import (
    MAX_SEED,
    MAX_TEMPERATURE,
    MAX_TOP_K,
    MILLION,
)
from inference.models.integer_model import Choice
from inference.models.sampling import (
    choose_token,
    draw,
    log2_fixed,
    sampling_weights,
    token_logprobs,
)
from tests.support.reference import reference
from tests.support.reference.integers import extremes, filled

REST = 2**30 - 1

SIZES = st.sampled_from([1, 2, 3, 17, 300])
REACHES = st.sampled_from([0, 3, 40_000, 400_000, 1_300_000, REST])
TEMPERATURES = st.one_of(
    extremes(1, MAX_TEMPERATURE), st.integers(MILLION // 4, 4 * MILLION)
)


@st.composite
def logits(draw_: st.DrawFn) -> NDArray[Any]:
    reach = draw_(REACHES)
    return draw_(filled(draw_(SIZES), -reach, reach)).astype(np.int32)


@st.composite
def choices(draw_: st.DrawFn) -> Choice:
    return Choice(
        temperature=draw_(TEMPERATURES),
        top_k=draw_(st.one_of(extremes(0, 20), extremes(0, MAX_TOP_K))),
        top_p=draw_(extremes(1, MILLION)),
        draw=draw_(extremes(0, 2**64 - 1)),
    )


@given(logits(), choices())
def test_choose_token_any_choice_equals_reference(
    values: NDArray[Any], choice: Choice
) -> None:
    wanted = reference.sample(
        values.tolist(), choice.temperature, choice.top_k, choice.top_p, choice.draw
    )

    assert choose_token(values, choice) == wanted


@given(logits())
def test_choose_token_greedy_equals_reference(values: NDArray[Any]) -> None:
    wanted = reference.sample(values.tolist(), 0, 0, MILLION, 0)

    assert choose_token(values, Choice(0, 5, 7, 9)) == wanted


@given(logits(), TEMPERATURES)
def test_sampling_weights_any_temperature_equals_reference(
    values: NDArray[Any], temperature: int
) -> None:
    got = sampling_weights(values, temperature).tolist()

    assert got == reference.sampling_weights(values.tolist(), temperature)


def test_sampling_weights_every_step_of_two_nats_equals_reference() -> None:
    values = -np.arange(2**17, dtype=np.int32)

    got = sampling_weights(values, MILLION).tolist()

    assert got == reference.sampling_weights(values.tolist(), MILLION)


def test_sampling_weights_largest_vocabulary_sums_within_bound() -> None:
    weights = sampling_weights(np.zeros(65_536, dtype=np.int32), 1)

    assert int(weights.sum()) == 2**43


@given(st.integers(0, MAX_SEED), st.integers(0, 2**63))
def test_draw_any_seed_equals_reference(seed: int, position: int) -> None:
    assert draw(seed, position) == reference.draw(seed, position)


@given(extremes(1, 2**43))
def test_log2_fixed_any_total_equals_reference(total: int) -> None:
    assert log2_fixed(total) == reference.log2_16(total)


@given(logits(), st.integers(0, 20), st.data())
def test_token_logprobs_any_logits_equals_reference(
    values: NDArray[Any], alternatives: int, data: st.DataObject
) -> None:
    token = data.draw(st.integers(0, len(values) - 1))

    answer = token_logprobs(values, token, alternatives)

    listed = values.tolist()
    assert answer.logprob == reference.logprob(listed, token)
    assert answer.top == tuple(
        (other, reference.logprob(listed, other))
        for other in reference.ranking(listed)[:alternatives]
    )
