"""Many strangers at once: each gets its own output, and pays its own share."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import openai
from sqlalchemy import select

from gateway.jobs.tables import CallRow, CallState, GatewayJobRow, SharedJobStage
from tests.support.machines.processes import eventually
from tests.support.network.gateway import GatewayMarket, GatewayProcess

MODEL = "austen"
CALLERS = 100


def states(gateway: GatewayProcess, key_id: str) -> list[str]:
    with gateway.database.reading() as session:
        statement = select(CallRow.state).where(CallRow.key_id == key_id)
        return list(session.scalars(statement))


def are_all_settled(gateway: GatewayProcess, key_id: str) -> bool:
    return set(states(gateway, key_id)) == {CallState.SETTLED}


def test_hundred_callers_each_receive_exactly_their_own_output(
    gateway: GatewayProcess,
) -> None:
    keys = [gateway.key(budget=10**9) for _ in range(4)]
    prompts = [f"In chapter {number} of the novel, Emma" for number in range(CALLERS)]
    ready = threading.Barrier(CALLERS)

    def call(number: int) -> tuple[str, str]:
        client = gateway.client(keys[number % len(keys)][1])
        ready.wait(60)
        answer = client.completions.create(
            model=MODEL, prompt=prompts[number], max_tokens=4, seed=number, echo=True
        )
        return answer.choices[0].text, answer.model_dump()["assay"]["job_id"]

    with ThreadPoolExecutor(CALLERS) as pool:
        answers = list(pool.map(call, range(CALLERS)))

    for (text, _), prompt in zip(answers, prompts, strict=True):
        assert text.startswith(prompt)
    jobs = {job_id for _, job_id in answers}
    assert len(jobs) <= CALLERS // 5, "strangers' calls did not share jobs"
    # The outputs are those that each prompt has alone.
    sample = (0, 41, 99)
    for number in sample:
        alone = gateway.client().completions.create(
            model=MODEL, prompt=prompts[number], max_tokens=4, seed=number, echo=True
        )
        assert alone.choices[0].text == answers[number][0]
    for key_id, _ in keys:
        assert eventually(lambda k=key_id: are_all_settled(gateway, k), 60)  # type: ignore[misc]


def test_settled_jobs_are_charged_to_the_unit(
    gateway: GatewayProcess, market: GatewayMarket
) -> None:
    key_id, key = gateway.key(budget=10**9)
    client = gateway.client(key)
    with ThreadPoolExecutor(3) as pool:
        list(
            pool.map(
                lambda n: client.completions.create(
                    model=MODEL, prompt=["Anne"] * n, max_tokens=3 * n
                ),
                (1, 2, 3),
            )
        )
    assert eventually(lambda: are_all_settled(gateway, key_id), 60)
    with gateway.database.reading() as session:
        calls = session.scalars(select(CallRow).where(CallRow.key_id == key_id)).all()
        wanted = {call.job_id for call in calls}
        statement = select(GatewayJobRow).where(GatewayJobRow.job_id.in_(wanted))
        jobs = session.scalars(statement).all()
    assert all(job.stage == SharedJobStage.SETTLED for job in jobs)
    assert sum(call.charge or 0 for call in calls) == sum(job.cost or 0 for job in jobs)
    assert all(job.absorbed == 0 for job in jobs)
    balance = gateway.balance(key_id)
    assert balance.spent == sum(call.charge or 0 for call in calls)
    assert balance.reserved == 0


def test_stream_cut_off_by_its_caller_leaves_others_unharmed(
    gateway: GatewayProcess,
) -> None:
    key_id, key = gateway.key(budget=10**9)
    client = gateway.client(key)
    stream = client.completions.create(
        model=MODEL, prompt="Mr. Darcy", max_tokens=64, stream=True
    )
    first = next(iter(stream))
    assert first.choices[0].text
    stream.close()
    assert eventually(lambda: are_all_settled(gateway, key_id), 60)
    client.completions.create(model=MODEL, prompt="Mr. Darcy", max_tokens=1)


def test_caller_that_hangs_up_in_the_window_is_charged_nothing(
    market: GatewayMarket, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path}/gateway.sqlite"
    with market.gateway(url, batch_window_ms=60_000) as gateway:
        key_id, key = gateway.key(budget=10**9)
        client = gateway.client(key, timeout=3.0)
        began = time.monotonic()
        for is_stream in (False, True):
            call = client.completions.create
            try:
                answer = call(
                    model=MODEL, prompt="Emma", max_tokens=1, stream=is_stream
                )
                list(answer)
            except (openai.APITimeoutError, openai.APIConnectionError):
                pass
        released = [CallState.RELEASED] * 2
        assert eventually(lambda: states(gateway, key_id) == released, 30)
        assert time.monotonic() - began < 60
        balance = gateway.balance(key_id)
        assert (balance.spent, balance.reserved) == (0, 0)
