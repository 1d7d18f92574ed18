from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from eth_utils.address import to_checksum_address

from protocol.digests import Digest
from protocol.errors import JournalError
from protocol.market import (
    ZERO_ADDRESS,
    JobId,
    JobParams,
    ModelId,
    Outcome,
    OutcomeStatus,
)
from worker.journal import Journal
from worker.pipeline import Duty

MARKET = to_checksum_address("0x" + "11" * 20)
WORKER = to_checksum_address("0x" + "22" * 20)
PARAMS = JobParams(
    requester=to_checksum_address("0x" + "33" * 20),
    nonce=5,
    model_id=ModelId(b"\x44" * 32),
    tick=1,
    prompts_digest=Digest(b"\x55" * 32),
    prompt_count=2,
    max_tokens=100,
    redundancy=3,
    max_rounds=1,
    min_seats=3,
    callback=ZERO_ADDRESS,
    callback_gas_limit=0,
)
JOB = JobId(b"\x66" * 32)
DUTY = Duty(
    job_id=JOB,
    round_number=1,
    place=2,
    seat_id=9,
    drawn_at=100,
    commit_deadline=200,
)
OUTCOME = replace(
    Outcome.error(OutcomeStatus.OK),
    token_count=3,
    results_root=b"\x77" * 32,
    results_digest=Digest(b"\x88" * 32),
)


def open_journal(path: Path, worker: str = WORKER, chain_id: int = 31337) -> Journal:
    return Journal.open(
        path,
        chain_id=chain_id,
        marketplace=MARKET,
        worker=to_checksum_address(worker),
    )


def with_duty(path: Path) -> Journal:
    journal = open_journal(path)
    with journal.transaction():
        journal.record_job(JOB, PARAMS, block_number=10)
        journal.record_duty(DUTY, block_number=12)
    return journal


def test_save_outcome_survives_reopening(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    journal = with_duty(path)
    with journal.transaction():
        journal.save_outcome(DUTY, OUTCOME, b"results")
        journal.save_position("somewhere")
    journal.close()
    journal = open_journal(path)
    assert journal.live_duties() == [replace(DUTY, outcome=OUTCOME, results=b"results")]
    assert journal.params_of(JOB) == PARAMS
    assert journal.open_jobs() == [(JOB, PARAMS)]
    assert journal.position() == "somewhere"


def test_transaction_failing_leaves_nothing(tmp_path: Path) -> None:
    journal = open_journal(tmp_path / "journal.sqlite")
    with pytest.raises(RuntimeError), journal.transaction():
        journal.record_job(JOB, PARAMS, block_number=10)
        raise RuntimeError("stop")
    assert journal.open_jobs() == []


def test_close_job_ends_its_duties(tmp_path: Path) -> None:
    journal = with_duty(tmp_path / "journal.sqlite")
    with journal.transaction():
        journal.close_job(JOB, block_number=20, now=1_000)
    assert journal.live_duties() == []
    assert journal.open_jobs() == []


def test_rewind_before_the_draw_keeps_the_outcome_for_the_next_draw(
    tmp_path: Path,
) -> None:
    journal = with_duty(tmp_path / "journal.sqlite")
    with journal.transaction():
        journal.save_outcome(DUTY, OUTCOME, b"results")
        journal.rewind(11)
    assert journal.live_duties() == []
    assert journal.open_jobs() == [(JOB, PARAMS)]
    moved = replace(DUTY, place=0, seat_id=4)
    with journal.transaction():
        journal.record_duty(moved, block_number=13)
    assert journal.live_duties() == [
        replace(moved, outcome=OUTCOME, results=b"results")
    ]


def test_rewind_before_the_end_reopens_the_job(tmp_path: Path) -> None:
    journal = with_duty(tmp_path / "journal.sqlite")
    with journal.transaction():
        journal.close_job(JOB, block_number=20, now=1_000)
        journal.rewind(19)
    assert journal.live_duties() == [DUTY]
    assert journal.open_jobs() == [(JOB, PARAMS)]


def test_rewind_before_the_posting_forgets_the_job(tmp_path: Path) -> None:
    journal = with_duty(tmp_path / "journal.sqlite")
    with journal.transaction():
        journal.rewind(9)
    assert journal.live_duties() == []
    assert journal.params_of(JOB) is None


def test_undelivered_jobs_wait_from_the_end_to_the_delivery(tmp_path: Path) -> None:
    journal = with_duty(tmp_path / "journal.sqlite")
    assert journal.undelivered_jobs() == []
    with journal.transaction():
        journal.close_job(JOB, block_number=20, now=1_000)
        journal.await_delivery(JOB, block_number=20)
    assert journal.undelivered_jobs() == [(JOB, PARAMS)]
    with journal.transaction():
        journal.record_delivery(JOB, block_number=22)
    assert journal.undelivered_jobs() == []
    with journal.transaction():
        journal.rewind(21)
    assert journal.undelivered_jobs() == [(JOB, PARAMS)]
    with journal.transaction():
        journal.rewind(19)
    assert journal.undelivered_jobs() == []
    assert journal.open_jobs() == [(JOB, PARAMS)]


def test_record_duty_of_a_second_round_leaves_the_first_alone(tmp_path: Path) -> None:
    journal = with_duty(tmp_path / "journal.sqlite")
    second = replace(DUTY, round_number=2, place=4, commit_deadline=300)
    with journal.transaction():
        journal.save_outcome(DUTY, OUTCOME, b"results")
        journal.record_duty(second, block_number=30)
    first = replace(DUTY, outcome=OUTCOME, results=b"results")
    assert journal.live_duties() == [first, second]
    with journal.transaction():
        journal.finish_duty(first)
    assert journal.live_duties() == [second]


def test_live_duties_come_most_urgent_first(tmp_path: Path) -> None:
    journal = with_duty(tmp_path / "journal.sqlite")
    urgent = replace(DUTY, job_id=JobId(b"\x99" * 32), commit_deadline=150)
    with journal.transaction():
        journal.record_duty(urgent, block_number=12)
    assert journal.live_duties() == [urgent, DUTY]


def test_open_for_another_worker_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    open_journal(path).close()
    with pytest.raises(JournalError, match="belongs to worker"):
        open_journal(path, worker="0x" + "99" * 20)


def test_open_for_another_chain_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    open_journal(path).close()
    with pytest.raises(JournalError, match="belongs to chain_id"):
        open_journal(path, chain_id=1)


def test_open_damaged_file_is_refused_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    damaged = b"not a database at all, but long enough to be read as one" * 40
    path.write_bytes(damaged)
    with pytest.raises(JournalError, match="damaged"):
        open_journal(path)
    assert path.read_bytes() == damaged
