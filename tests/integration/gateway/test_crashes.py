"""A gateway that is killed at every step settles every account exactly afterwards."""

from __future__ import annotations

import signal
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import openai
import pytest
from sqlalchemy import select

from gateway.database.engine import Database
from gateway.jobs.tables import CallRow, CallState, GatewayJobRow, SharedJobStage
from protocol.market.events import BountyPaid, JobPosted, Log
from tests.support.machines.processes import eventually
from tests.support.network.gateway import GatewayMarket, GatewayProcess

MODEL = "austen"
BUDGET = 10**9
ENDED = {CallState.SETTLED, CallState.RELEASED, CallState.REFUNDED}
# Where a kill falls, and whether the call is part of a job by then for certain. The
# last step first: what one kill leaves behind must not run into the next.
CRASHES = {
    "gateway.settled": True,
    "gateway.accepted": True,
    "gateway.posted": True,
    "gateway.posting": True,
    "gateway.drafted": False,
    "gateway.reserved": False,
}


def calls_of(database: Database) -> list[CallRow]:
    with database.reading() as session:
        rows = list(session.scalars(select(CallRow)))
        session.expunge_all()
    return rows


def jobs_of(database: Database) -> list[GatewayJobRow]:
    with database.reading() as session:
        rows = list(session.scalars(select(GatewayJobRow)))
        session.expunge_all()
    return rows


def are_ended(database: Database, count: int) -> bool:
    calls = calls_of(database)
    return len(calls) == count and {call.state for call in calls} <= ENDED


def postings(market: GatewayMarket, from_block: int) -> list[Log]:
    return market.wallet.events(from_block=from_block, kinds=(JobPosted,))


def bounties(market: GatewayMarket, from_block: int) -> int:
    wallet = market.wallet
    events = (
        log.event for log in wallet.events(from_block=from_block, kinds=(BountyPaid,))
    )
    return sum(
        event.amount
        for event in events
        if isinstance(event, BountyPaid) and event.caller == wallet.address
    )


def call(gateway: GatewayProcess, key: str, name: str) -> str:
    answer = gateway.client(key).completions.create(
        model=MODEL,
        prompt="Mr. Knightley",
        max_tokens=3,
        temperature=0,
        extra_headers={"Idempotency-Key": name},
    )
    return answer.choices[0].text


def stream(gateway: GatewayProcess, key: str, name: str) -> str:
    """The same call as a stream."""
    chunks = gateway.client(key).completions.create(
        model=MODEL,
        prompt="Mr. Knightley",
        max_tokens=3,
        temperature=0,
        stream=True,
        extra_headers={"Idempotency-Key": name},
    )
    return "".join(chunk.choices[0].text for chunk in chunks)


def test_kill_at_every_step_settles_every_account_to_the_unit(
    market: GatewayMarket, database_url: str
) -> None:
    first_block = market.wallet.block_number() + 1
    before = market.wealth()
    keys: dict[str, tuple[str, str]] = {}
    with market.gateway(database_url).start() as gateway:
        gateway.stop()
        for label in CRASHES:
            keys[label] = gateway.key(budget=BUDGET)
            gateway.start(crash_at=label)
            # The last step comes after the answer.
            with suppress(openai.APIConnectionError):
                call(gateway, keys[label][1], label)
                assert label == "gateway.settled"
            assert gateway.wait_until_dead() == -signal.SIGKILL
        gateway.start()
        database = gateway.database
        assert eventually(lambda: are_ended(database, len(CRASHES)), 120), (
            [
                (
                    c.state,
                    c.fault,
                    c.batch_id,
                    c.replica,
                    c.job_id and c.job_id.hex()[:6],
                )
                for c in calls_of(database)
            ]
            + [(j.stage, j.job_id.hex()[:6], j.holder) for j in jobs_of(database)]
            + [gateway.log()[-6000:]]
        )

        calls = {row.key_id: row for row in calls_of(database)}
        for label, is_charged in CRASHES.items():
            key_id, _ = keys[label]
            row, balance = calls[key_id], gateway.balance(key_id)
            assert balance.reserved == 0, label
            assert balance.spent == row.charge, label
            assert (balance.spent > 0) is is_charged, label
        posted = postings(market, first_block)
        assert len(posted) == sum(CRASHES.values())
        jobs = [job for job in jobs_of(database) if job.stage == SharedJobStage.SETTLED]
        assert {job.job_id for job in jobs} == {
            log.event.job_id for log in posted if isinstance(log.event, JobPosted)
        }
        spent = sum(gateway.balance(key_id).spent for key_id, _ in keys.values())
        cost = sum(job.cost or 0 for job in jobs)
        assert spent == cost
        earned = bounties(market, first_block)
        assert before - market.wealth() == cost - earned

        # The same call again: its answer, where there is one, costs nothing more.
        texts = {call(gateway, key, label) for label, (_, key) in keys.items()}
        assert len(texts) == 1
        again = len(postings(market, first_block)) - len(posted)
        assert again == sum(not is_charged for is_charged in CRASHES.values())


def test_kill_in_a_stream_is_no_end_of_it(
    market: GatewayMarket, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path}/gateway.sqlite"
    with market.gateway(url).start(crash_at="gateway.accepted") as gateway:
        _, key = gateway.key(budget=BUDGET)
        with pytest.raises(openai.APIConnectionError):
            stream(gateway, key, "once")
        gateway.wait_until_dead()
        gateway.start()
        assert eventually(lambda: are_ended(gateway.database, 1), 60)
        assert stream(gateway, key, "once") == call(gateway, key, "other")


def test_stop_with_calls_under_way_answers_them_and_exits_cleanly(
    market: GatewayMarket, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path}/gateway.sqlite"
    with market.gateway(url, batch_window_ms=500).start() as gateway:
        key_id, key = gateway.key(budget=BUDGET)
        texts: list[str] = []
        caller = threading.Thread(target=lambda: texts.append(call(gateway, key, "x")))
        caller.start()
        assert eventually(lambda: len(calls_of(gateway.database)) == 1)
        assert gateway.stop() == 0
        caller.join()
        assert texts and texts[0]
        gateway.start()
        assert eventually(lambda: are_ended(gateway.database, 1), 60)
        balance = gateway.balance(key_id)
        assert balance.spent > 0
        assert balance.reserved == 0


def has_stage(database: Database, *stages: SharedJobStage) -> Callable[[], bool]:
    return lambda: any(job.stage in stages for job in jobs_of(database))


def freeze(gateway: GatewayProcess) -> None:
    """Stop a replica's process for a while, but not while it holds a file's lock.

    PostgreSQL takes the locks of a frozen replica from it, SQLite cannot.
    """
    while True:
        gateway.signal(signal.SIGSTOP)
        if not gateway.database.is_sqlite or not _is_locked(gateway.database):
            return
        gateway.signal(signal.SIGCONT)


def _is_locked(database: Database) -> bool:
    with closing(
        sqlite3.connect(str(database.engine.url.database), timeout=0.1)
    ) as file:
        try:
            file.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return True
    return False


def test_replicas_on_one_database_take_over_and_never_post_twice(
    market: GatewayMarket, database_url: str
) -> None:
    if database_url.startswith("sqlite"):
        # Several processes on one machine may share a file as well.
        database_url += "?timeout=30"
    first_block = market.wallet.block_number() + 1
    with (
        market.gateway(database_url).start() as one,
        market.gateway(database_url).start() as other,
    ):
        key_id, key = one.key(budget=BUDGET)
        clients = [one.client(key, timeout=280), other.client(key, timeout=280)]
        refused: list[int] = []

        def ask(client: openai.OpenAI) -> None:
            try:
                client.completions.create(
                    model=MODEL, prompt="Emma", n=8, max_tokens=100
                )
            except openai.APIStatusError as error:
                refused.append(error.status_code)

        askers = [threading.Thread(target=ask, args=(c,)) for c in clients * 2]
        for asker in askers:
            asker.start()
        under_way = has_stage(
            one.database, SharedJobStage.POSTING, SharedJobStage.POSTED
        )
        assert eventually(under_way, 60)
        # One replica is held up for longer than its lease, and comes back.
        freeze(one)
        try:
            assert eventually(lambda: are_ended(other.database, 4), 120)
        finally:
            one.signal(signal.SIGCONT)
        for asker in askers:
            asker.join()
        # What had no job yet when its replica fell silent is told so, and is free.
        assert set(refused) <= {503}
        states = [call.state for call in calls_of(one.database)]
        assert states.count(CallState.RELEASED) == len(refused)
        assert states.count(CallState.SETTLED) == 4 - len(refused) > 0
        jobs = jobs_of(one.database)
        posted = postings(market, first_block)
        settled = [job for job in jobs if job.stage == SharedJobStage.SETTLED]
        assert len(posted) == len(settled)
        # One may have been made up, and its replica stopped before it was sent.
        unsent = [job for job in jobs if job.stage != SharedJobStage.SETTLED]
        assert {job.stage for job in unsent} <= {SharedJobStage.FORGOTTEN}
        balance = one.balance(key_id)
        assert balance.reserved == 0
        assert balance.spent == sum(job.cost or 0 for job in settled)
