"""Continuous batching: who joins when, what a step holds, and what is left behind."""

from dataclasses import replace
from typing import Any

import pytest

from inference.engine import (
    MILLION,
    FinishReason,
    Generation,
    GenerationRequest,
)
from inference.engines.scheduler import Scheduler
from inference.errors import CacheOverflow, InvalidPrompt, InvalidSetting
from inference.models.sampling import choice_for, choose_token, token_logprobs
from tests.support.models.fake_model import TOKEN_BYTES, FakeModel

VOCABULARY = tuple(bytes([97 + n]) for n in range(26)) + (b"", b"ab", b"\xff", b"end")
END = 29
SAMPLED = GenerationRequest((1, 2, 3), 9, seed=4, temperature=MILLION, top_k=25)
MIXED = [
    replace(SAMPLED, prompt_ids=tuple(range(n)), max_new_tokens=new, seed=n)
    for n, new in ((1, 9), (20, 1), (3, 30), (7, 4), (25, 12), (2, 2), (11, 17))
]


def a_scheduler(
    model: FakeModel, *, cache_bytes: int = 10**6, prefill_rows: int = 16
) -> Scheduler:
    return Scheduler(
        model, VOCABULARY, cache_bytes=cache_bytes, prefill_rows=prefill_rows
    )


def a_model() -> FakeModel:
    return FakeModel(end_of_text=END)


def run(scheduler: Scheduler, requests: list[GenerationRequest]) -> list[Generation]:
    handle = scheduler.submit(requests)
    while scheduler.run_step():
        pass
    return scheduler.take_finished()[handle]


def expected(request: GenerationRequest) -> Generation:
    """The answer by the definition: the whole text anew for every token."""
    model = a_model()
    ids: list[int] = []
    for position in range(request.max_new_tokens):
        logits = model.logits_after([*request.prompt_ids, *ids])
        token = choose_token(logits, choice_for(request, position))
        if token == END or token in request.stop_ids:
            return Generation(tuple(ids), FinishReason.STOP)
        ids.append(token)
        text = b"".join(VOCABULARY[n] for n in ids)
        if any(string in text for string in request.stop):
            return Generation(tuple(ids), FinishReason.STOP)
    return Generation(tuple(ids), FinishReason.LENGTH)


@pytest.mark.parametrize("prefill_rows", [1, 2, 5, 16, 1_000])
@pytest.mark.parametrize("cache_bytes", [64 * TOKEN_BYTES, 160 * TOKEN_BYTES, 10**6])
def test_run_step_any_limits_answers_each_as_if_alone(
    prefill_rows: int, cache_bytes: int
) -> None:
    model = a_model()

    answers = run(
        a_scheduler(model, cache_bytes=cache_bytes, prefill_rows=prefill_rows), MIXED
    )

    assert answers == [expected(request) for request in MIXED]
    assert max(sum(len(p.ids) for p in step) for step in model.steps) <= prefill_rows
    assert model.max_bytes <= cache_bytes
    assert model.open == {}


def test_run_step_room_for_all_runs_them_together() -> None:
    model = a_model()

    run(a_scheduler(model, prefill_rows=100), MIXED)

    assert max(len(step) for step in model.steps) == len(MIXED)


def test_run_step_long_prompt_does_not_hold_up_those_that_generate() -> None:
    model = a_model()
    scheduler = a_scheduler(model, prefill_rows=4)
    scheduler.submit([replace(SAMPLED, max_new_tokens=20)])
    scheduler.run_step()
    scheduler.submit([replace(SAMPLED, prompt_ids=(5,) * 12)])

    for _ in range(4):
        scheduler.run_step()

    rows = [[len(piece.ids) for piece in step] for step in model.steps]
    assert rows == [[3], [1, 3], [1, 3], [1, 3], [1, 3]]


def test_run_step_head_of_queue_too_large_waits_and_is_not_overtaken() -> None:
    model = a_model()
    scheduler = a_scheduler(model, cache_bytes=64 * TOKEN_BYTES)
    first, large, small = (
        replace(SAMPLED, max_new_tokens=n, top_k=1, seed=1) for n in (20, 40, 1)
    )

    handles = [scheduler.submit([request]) for request in (first, large, small)]
    order: list[int] = []
    while scheduler.run_step():
        order += scheduler.take_finished()
    order += scheduler.take_finished()

    assert order == handles
    assert all(len(step) == 1 for step in model.steps)


def test_submit_second_job_while_first_runs_joins_at_the_next_step() -> None:
    model = a_model()
    scheduler = a_scheduler(model)
    first = scheduler.submit(MIXED[2:3])
    for _ in range(3):
        assert scheduler.run_step()

    second = scheduler.submit(MIXED[:2])
    scheduler.run_step()

    assert [len(step) for step in model.steps] == [1, 1, 1, 3]
    while scheduler.run_step():
        pass
    assert scheduler.take_finished() == {
        first: [expected(MIXED[2])],
        second: [expected(MIXED[0]), expected(MIXED[1])],
    }
    assert scheduler.take_finished() == {}


def test_submit_nothing_is_finished_at_once() -> None:
    scheduler = a_scheduler(a_model())

    handle = scheduler.submit([])

    assert not scheduler.is_unfinished(handle)
    assert not scheduler.run_step()
    assert scheduler.take(handle) == []


def test_submit_one_malformed_takes_none_of_the_job() -> None:
    scheduler = a_scheduler(a_model())

    with pytest.raises(InvalidPrompt, match=r"requests\[1\]\.prompt_ids\[0\]=30"):
        scheduler.submit([SAMPLED, replace(SAMPLED, prompt_ids=(30,))])

    assert not scheduler.run_step()


def test_submit_request_larger_than_the_cache_says_what_it_needs() -> None:
    scheduler = a_scheduler(a_model(), cache_bytes=639)

    with pytest.raises(CacheOverflow) as caught:
        scheduler.submit([SAMPLED, replace(SAMPLED, max_new_tokens=40)])

    assert str(caught.value) == (
        "requests[1].max_new_tokens=40: with 3 prompt tokens it needs 640 bytes of "
        "cache, and the engine may use 639; ask for fewer tokens or give the engine "
        "more cache_bytes"
    )
    assert not scheduler.run_step()


def test_submit_request_that_fills_the_cache_exactly_runs() -> None:
    model = a_model()

    answers = run(a_scheduler(model, cache_bytes=320), [SAMPLED, SAMPLED])

    assert answers == [expected(SAMPLED)] * 2
    assert model.max_bytes == 320


def test_run_step_model_fails_frees_all_and_takes_new_jobs() -> None:
    model = a_model()
    scheduler = a_scheduler(model, cache_bytes=160 * TOKEN_BYTES)
    handle = scheduler.submit(MIXED)
    model.fails_at = 5

    with pytest.raises(RuntimeError, match="broke"):
        while scheduler.run_step():
            pass

    assert model.open == {}
    assert not scheduler.is_unfinished(handle)
    model.fails_at = None
    assert run(scheduler, MIXED) == [expected(request) for request in MIXED]


def test_cancel_running_job_frees_its_sequences_only() -> None:
    model = a_model()
    scheduler = a_scheduler(model, prefill_rows=3)
    cancelled, other = scheduler.submit(MIXED[2:]), scheduler.submit(MIXED[:1])
    scheduler.run_step()

    scheduler.cancel(cancelled)
    scheduler.cancel(77)

    assert model.open == {}
    while scheduler.run_step():
        pass
    assert scheduler.take_finished() == {other: [expected(MIXED[0])]}


def test_cancel_finished_job_forgets_its_answers() -> None:
    scheduler = a_scheduler(a_model())
    handle = scheduler.submit([SAMPLED])
    while scheduler.run_step():
        pass

    scheduler.cancel(handle)

    assert scheduler.take_finished() == {}


@pytest.mark.parametrize("seed", range(12))
def test_run_step_stop_rules_end_where_the_definition_does(seed: int) -> None:
    long = replace(SAMPLED, seed=seed, max_new_tokens=40)
    plain = expected(long).ids
    requests = [
        replace(long, stop=(b"zq", VOCABULARY[plain[2]] + VOCABULARY[plain[3]])),
        replace(long, stop=(b"a", b"z")),
        replace(long, stop_ids=(plain[4],)),
        replace(long, stop_ids=(END, 3), stop=(b"d",)),
        replace(long, stop_ids=(plain[0],)),
    ]

    answers = run(a_scheduler(a_model()), requests)

    assert answers == [expected(request) for request in requests]
    assert {answer.finish for answer in answers} >= {FinishReason.STOP}
    assert answers[4].ids == ()


def test_run_step_end_of_text_is_left_out() -> None:
    endings = [
        answer
        for answer in run(
            a_scheduler(a_model()),
            [
                replace(SAMPLED, seed=seed, max_new_tokens=60, top_k=0)
                for seed in range(6)
            ],
        )
        if answer.finish is FinishReason.STOP
    ]

    assert endings
    assert all(END not in answer.ids for answer in endings)


def test_run_step_logprobs_asked_for_gives_one_per_token() -> None:
    model = a_model()
    requests = [
        replace(SAMPLED, logprobs=2),
        SAMPLED,
        replace(SAMPLED, logprobs=0, stop_ids=(expected(SAMPLED).ids[3],)),
    ]

    listed, plain, stopped = run(a_scheduler(model), requests)

    assert plain == expected(SAMPLED) == replace(listed, logprobs=())
    for n, token in enumerate(listed.ids):
        logits = model.logits_after((*SAMPLED.prompt_ids, *listed.ids[:n]))
        assert listed.logprobs[n] == token_logprobs(logits, token, 2)
    assert stopped.ids == plain.ids[:3]
    assert [each.top for each in stopped.logprobs] == [()] * 3
    assert len(listed.logprobs) == len(listed.ids) == 9


@pytest.mark.parametrize(
    "settings",
    [
        {"cache_bytes": 0},
        {"cache_bytes": -1},
        {"cache_bytes": 1.5},
        {"cache_bytes": True},
        {"prefill_rows": 0},
        {"prefill_rows": 65_537},
        {"prefill_rows": "8"},
    ],
)
def test_scheduler_unusable_setting_raises(settings: dict[str, Any]) -> None:
    with pytest.raises(InvalidSetting) as caught:
        a_scheduler(a_model(), **settings)

    assert [caught.value.field] == list(settings)


def test_scheduler_foreign_vocabulary_raises() -> None:
    with pytest.raises(InvalidSetting, match=r"vocabulary=2: the model has 30 tokens"):
        Scheduler(a_model(), [b"a", b"b"], cache_bytes=9, prefill_rows=9)
