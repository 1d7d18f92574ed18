from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.market.types import JobId
from tests.unit.worker.journal.test_journal import (
    DUTY,
    OUTCOME,
    PARAMS,
    open_journal,
    with_duty,
)
from worker.journal.journal import Journal
from worker.journal.live import LiveJobs

JOBS = [JobId(bytes([number]) * 32) for number in range(3)]


def write(journal: Journal, what: str, job_id: JobId, block: int) -> None:
    duty = replace(DUTY, job_id=job_id)
    if what == "posted":
        journal.record_job(job_id, PARAMS, block)
    elif what == "drawn":
        journal.record_duty(duty, block)
    elif what == "computed":
        journal.save_outcome(duty, OUTCOME, b"results")
    elif what == "published":
        journal.mark_published(duty)
    elif what == "finished":
        journal.finish_duty(duty)
    elif what == "settled":
        journal.await_delivery(job_id, block)
        journal.close_job(job_id, block, now=block)
    else:
        journal.record_delivery(job_id, block)


def assert_same(live: LiveJobs, read_anew: LiveJobs) -> None:
    assert sorted(live.duties(), key=lambda d: d.job_id) == sorted(
        read_anew.duties(), key=lambda d: d.job_id
    )
    assert dict(live.open_jobs()) == dict(read_anew.open_jobs())
    assert dict(live.undelivered_jobs()) == dict(read_anew.undelivered_jobs())
    for duty in live.duties():
        assert live.duty(duty.key) == duty


EVENTS = st.sampled_from(
    ("posted", "drawn", "computed", "published", "finished", "settled", "delivered")
)


@given(
    steps=st.lists(
        st.tuples(EVENTS, st.sampled_from(JOBS), st.booleans()), max_size=30
    ),
    rewound_to=st.integers(0, 30),
)
def test_live_jobs_always_say_what_the_journal_says(
    tmp_path_factory: pytest.TempPathFactory,
    steps: list[tuple[str, JobId, bool]],
    rewound_to: int,
) -> None:
    journal = open_journal(tmp_path_factory.mktemp("live") / "journal.sqlite")
    live = LiveJobs(journal)
    for block, (what, job_id, fails) in enumerate(steps):
        try:
            with live.transaction([job_id]):
                write(journal, what, job_id, block)
                if fails:
                    raise RuntimeError("stop")
        except RuntimeError:
            pass
        assert_same(live, LiveJobs(journal))
    with live.transaction(None):
        journal.rewind(rewound_to)
    assert_same(live, LiveJobs(journal))
    journal.close()


def test_duties_come_most_urgent_first(tmp_path: Path) -> None:
    journal = with_duty(tmp_path / "journal.sqlite")
    live = LiveJobs(journal)
    urgent = replace(DUTY, job_id=JOBS[1], commit_deadline=150)
    with live.transaction([urgent.job_id]) as opened:
        opened.record_duty(urgent, block_number=12)
    assert live.duties() == [urgent, DUTY]
    assert live.duty(urgent.key) == urgent
    journal.close()
