from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
from eth_utils.address import to_checksum_address

from protocol.digests import Digest
from protocol.errors import JournalError
from protocol.market.types import (
    ZERO_ADDRESS,
    JobId,
    JobParams,
    ModelId,
    Outcome,
    OutcomeStatus,
)
from worker.duty import Duty
from worker.journal.journal import Journal

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

VERSION_2 = """
CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE jobs (
    job_id BLOB PRIMARY KEY,
    params BLOB NOT NULL,
    posted_block INTEGER NOT NULL,
    closed_block INTEGER,
    settled_block INTEGER,
    delivered_block INTEGER
) STRICT;
CREATE INDEX open_jobs ON jobs (job_id) WHERE closed_block IS NULL;
CREATE INDEX undelivered_jobs ON jobs (job_id)
    WHERE settled_block IS NOT NULL AND delivered_block IS NULL;
CREATE TABLE duties (
    job_id BLOB NOT NULL,
    round_number INTEGER NOT NULL,
    place INTEGER NOT NULL,
    seat_id INTEGER NOT NULL,
    drawn_block INTEGER NOT NULL,
    drawn_at INTEGER NOT NULL,
    commit_deadline INTEGER NOT NULL,
    is_live INTEGER NOT NULL DEFAULT 1,
    outcome BLOB,
    results BLOB,
    is_published INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (job_id, round_number)
) STRICT;
CREATE INDEX live_duties ON duties (commit_deadline) WHERE is_live;
"""


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


def test_open_file_with_a_damaged_page_is_refused_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    journal = with_duty(path)
    for number in range(200):
        duty = replace(DUTY, job_id=JobId(number.to_bytes(32)))
        with journal.transaction():
            journal.record_duty(duty, block_number=12)
    journal.close()
    damaged = bytearray(path.read_bytes())
    for offset in range(8192, len(damaged), 4096):
        damaged[offset : offset + 64] = b"\xa5" * 64
    path.write_bytes(damaged)
    with pytest.raises(JournalError, match="damaged"):
        open_journal(path)
    assert path.read_bytes() == damaged


def test_open_journal_of_version_2_keeps_all_that_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    old = sqlite3.connect(path, isolation_level=None)
    old.executescript(VERSION_2)
    about = {"chain_id": "31337", "marketplace": MARKET, "worker": WORKER}
    old.executemany("INSERT INTO about VALUES (?, ?)", about.items())
    ended = JobId(b"\x67" * 32)
    jobs = [(JOB, PARAMS.to_bytes(), 10, None), (ended, PARAMS.to_bytes(), 5, 9)]
    old.executemany(
        "INSERT INTO jobs (job_id, params, posted_block, closed_block) "
        "VALUES (?, ?, ?, ?)",
        jobs,
    )
    old.execute(
        "INSERT INTO duties (job_id, round_number, place, seat_id, drawn_block, "
        "drawn_at, commit_deadline, outcome, results) "
        "VALUES (?, 1, 2, 9, 12, 100, 200, ?, ?)",
        (JOB, OUTCOME.to_bytes(), b"results"),
    )
    old.execute("PRAGMA user_version = 2")
    old.close()

    journal = open_journal(path)

    assert journal.live_duties() == [replace(DUTY, outcome=OUTCOME, results=b"results")]
    assert journal.open_jobs() == [(JOB, PARAMS)]
    # What ended before is kept as if it had ended now.
    assert journal.expired_jobs(1_000_000_000, limit=9) == []
    assert [e.job_id for e in journal.expired_jobs(2**40, limit=9)] == [ended]
    journal.close()
    assert open_journal(path).open_jobs() == [(JOB, PARAMS)]


def test_expired_jobs_are_those_that_ended_before_and_wait_for_no_callback(
    tmp_path: Path,
) -> None:
    journal = open_journal(tmp_path / "journal.sqlite")
    ids = [JobId(bytes([n]) * 32) for n in range(4)]
    with journal.transaction():
        for n, job_id in enumerate(ids):
            journal.record_job(job_id, PARAMS, block_number=10)
            if n < 3:
                journal.close_job(job_id, block_number=20, now=100 + n)
        journal.await_delivery(ids[0], block_number=20)
    assert [one.job_id for one in journal.expired_jobs(102, limit=9)] == [ids[1]]
    with journal.transaction():
        journal.record_delivery(ids[0], block_number=21)
    found = [one.job_id for one in journal.expired_jobs(1_000, limit=2)]
    assert found == [ids[0], ids[1]]


def test_delete_jobs_forgets_them_and_leaves_what_others_share_pinned(
    tmp_path: Path,
) -> None:
    journal = with_duty(tmp_path / "journal.sqlite")
    other = replace(DUTY, job_id=JobId(b"\x67" * 32))
    own = replace(OUTCOME, results_digest=Digest(b"\x99" * 32))
    with journal.transaction():
        journal.record_job(other.job_id, PARAMS, block_number=10)
        journal.record_duty(other, block_number=12)
        journal.record_duty(replace(DUTY, round_number=2), block_number=13)
        for duty, outcome in (
            (DUTY, OUTCOME),
            (other, OUTCOME),
            (replace(DUTY, round_number=2), own),
        ):
            journal.save_outcome(duty, outcome, b"results")
            journal.mark_published(duty)
        journal.close_job(JOB, block_number=20, now=100)
        journal.close_job(other.job_id, block_number=20, now=200)
    first, second = journal.expired_jobs(1_000, limit=9)
    assert (first.job_id, first.digests) == (JOB, (own.results_digest,))
    assert second.digests == ()
    with journal.transaction():
        journal.delete_jobs([JOB])
    assert journal.params_of(JOB) is None
    # Nobody else has them any more.
    (last,) = journal.expired_jobs(1_000, limit=9)
    assert last.digests == (OUTCOME.results_digest,)


def test_rewind_before_the_end_keeps_the_job_from_expiring(tmp_path: Path) -> None:
    journal = with_duty(tmp_path / "journal.sqlite")
    with journal.transaction():
        journal.close_job(JOB, block_number=20, now=100)
        journal.rewind(19)
    assert journal.expired_jobs(1_000, limit=9) == []
