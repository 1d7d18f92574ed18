"""What a request may ask, and the errors for everything else."""

import pickle
from dataclasses import replace
from typing import Any

import pytest

from inference.engine import (
    MAX_LOGPROBS,
    MAX_SEED,
    MAX_STOP_BYTES,
    MAX_STOP_IDS,
    MAX_STOP_STRINGS,
    MAX_TEMPERATURE,
    MAX_TOP_K,
    MILLION,
    GenerationRequest,
    ModelLimits,
    validate_request,
    validate_requests,
)
from inference.errors import (
    ContextOverflow,
    EngineError,
    InvalidLength,
    InvalidLogprobs,
    InvalidPrompt,
    InvalidRequest,
    InvalidSampling,
    InvalidStop,
)

LIMITS = ModelLimits(vocab_size=10, context_length=8, end_of_text=9)
VALID = GenerationRequest(prompt_ids=(1, 2, 3), max_new_tokens=5)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"prompt_ids": (0,), "max_new_tokens": 7},
        {"prompt_ids": (9,) * 7, "max_new_tokens": 1},
        {
            "seed": MAX_SEED,
            "temperature": MAX_TEMPERATURE,
            "top_k": MAX_TOP_K,
            "top_p": 1,
        },
        {"top_p": MILLION},
        {"stop": (b"x" * MAX_STOP_BYTES,) * MAX_STOP_STRINGS},
        {"stop_ids": (0, 9) * (MAX_STOP_IDS // 2)},
        {"logprobs": 0},
        {"logprobs": MAX_LOGPROBS},
    ],
)
def test_validate_request_at_limits_passes(changes: dict[str, Any]) -> None:
    validate_request(replace(VALID, **changes), LIMITS)


@pytest.mark.parametrize(
    ("changes", "error", "field"),
    [
        ({"prompt_ids": ()}, InvalidPrompt, "prompt_ids"),
        ({"prompt_ids": (1, -1)}, InvalidPrompt, "prompt_ids[1]"),
        ({"prompt_ids": (10,)}, InvalidPrompt, "prompt_ids[0]"),
        ({"prompt_ids": (True,)}, InvalidPrompt, "prompt_ids[0]"),
        ({"prompt_ids": (1.0,)}, InvalidPrompt, "prompt_ids[0]"),
        ({"prompt_ids": ("1",)}, InvalidPrompt, "prompt_ids[0]"),
        ({"max_new_tokens": 0}, InvalidLength, "max_new_tokens"),
        ({"max_new_tokens": -3}, InvalidLength, "max_new_tokens"),
        ({"max_new_tokens": 2.0}, InvalidLength, "max_new_tokens"),
        ({"max_new_tokens": 6}, ContextOverflow, "max_new_tokens"),
        ({"max_new_tokens": MAX_SEED}, ContextOverflow, "max_new_tokens"),
        (
            {"prompt_ids": (1,) * 8, "max_new_tokens": 1},
            ContextOverflow,
            "max_new_tokens",
        ),
        ({"seed": -1}, InvalidSampling, "seed"),
        ({"seed": MAX_SEED + 1}, InvalidSampling, "seed"),
        ({"seed": False}, InvalidSampling, "seed"),
        ({"temperature": -1}, InvalidSampling, "temperature"),
        ({"temperature": MAX_TEMPERATURE + 1}, InvalidSampling, "temperature"),
        ({"temperature": 0.7}, InvalidSampling, "temperature"),
        ({"top_k": -1}, InvalidSampling, "top_k"),
        ({"top_k": MAX_TOP_K + 1}, InvalidSampling, "top_k"),
        ({"top_p": 0}, InvalidSampling, "top_p"),
        ({"top_p": MILLION + 1}, InvalidSampling, "top_p"),
        ({"stop": (b"a", b"")}, InvalidStop, "stop[1]"),
        ({"stop": ("a",)}, InvalidStop, "stop[0]"),
        ({"stop": (b"x" * (MAX_STOP_BYTES + 1),)}, InvalidStop, "stop[0]"),
        ({"stop": (b"x",) * (MAX_STOP_STRINGS + 1)}, InvalidStop, "stop"),
        ({"stop_ids": (1, 10)}, InvalidStop, "stop_ids[1]"),
        ({"stop_ids": (-1,)}, InvalidStop, "stop_ids[0]"),
        ({"stop_ids": (False,)}, InvalidStop, "stop_ids[0]"),
        ({"stop_ids": ("1",)}, InvalidStop, "stop_ids[0]"),
        ({"stop_ids": (1,) * (MAX_STOP_IDS + 1)}, InvalidStop, "stop_ids"),
        ({"logprobs": -1}, InvalidLogprobs, "logprobs"),
        ({"logprobs": MAX_LOGPROBS + 1}, InvalidLogprobs, "logprobs"),
        ({"logprobs": True}, InvalidLogprobs, "logprobs"),
        ({"logprobs": 1.0}, InvalidLogprobs, "logprobs"),
    ],
)
def test_validate_request_malformed_raises(
    changes: dict[str, Any], error: type[EngineError], field: str
) -> None:
    with pytest.raises(error) as caught:
        validate_request(replace(VALID, **changes), LIMITS)

    assert caught.value.field == f"request.{field}"
    assert isinstance(caught.value, InvalidRequest)


def test_validate_request_overflow_names_value_and_way_out() -> None:
    with pytest.raises(ContextOverflow) as caught:
        validate_request(replace(VALID, max_new_tokens=6), LIMITS)

    assert str(caught.value) == (
        "request.max_new_tokens=6: 3 prompt tokens + 6 new tokens exceed the model's "
        "context of 8; ask for at most 5 new tokens or shorten the prompt"
    )


def test_validate_request_prompt_fills_context_says_shorten() -> None:
    full = replace(VALID, prompt_ids=(1,) * 9, max_new_tokens=1)

    with pytest.raises(ContextOverflow, match="shorten the prompt to at most 7"):
        validate_request(full, LIMITS)


def test_validate_requests_second_malformed_names_its_place() -> None:
    with pytest.raises(InvalidSampling, match=r"requests\[1\]\.top_p=0"):
        validate_requests([VALID, replace(VALID, top_p=0)], LIMITS)


def test_engine_error_pickled_comes_back_whole() -> None:
    error = InvalidSampling("request.top_p", 0, "out of range", "give 1")

    copy = pickle.loads(pickle.dumps(error))

    assert type(copy) is InvalidSampling
    assert str(copy) == str(error) == "request.top_p=0: out of range; give 1"


def test_engine_error_long_value_is_shortened() -> None:
    error = InvalidPrompt("ids", (1,) * 10_000, "too many", "give fewer")

    assert len(str(error)) < 150
    assert error.value == (1,) * 10_000
