from __future__ import annotations

from pathlib import Path

import pytest

from gateway.database.engine import Database
from gateway.errors import CallRefused
from gateway.jobs import market_access
from gateway.jobs.market_access import persist
from protocol.documents.prompts import Prompt
from protocol.errors import DigestMismatch, MarketError, StoreUnavailable
from tests.unit.gateway.jobs.desk import Desk


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(market_access, "_PAUSE_SECONDS", 0)


class Work:
    """Fails with these errors, then succeeds."""

    def __init__(self, *errors: MarketError) -> None:
        self.errors = list(errors)
        self.tries = 0

    def __call__(self) -> str:
        self.tries += 1
        if self.errors:
            raise self.errors.pop(0)
        return "done"


def test_persist_through_passing_faults_succeeds() -> None:
    work = Work(StoreUnavailable("a"), StoreUnavailable("b"))
    assert persist(work) == "done"
    assert work.tries == 3


def test_persist_against_a_lasting_fault_gives_up() -> None:
    work = Work(*(StoreUnavailable(f"{n}") for n in range(9)))
    with pytest.raises(StoreUnavailable, match="2"):
        persist(work)
    assert work.tries == 3


def test_persist_after_a_final_fault_does_not_try_again() -> None:
    work = Work(DigestMismatch("other bytes"))
    with pytest.raises(DigestMismatch):
        persist(work)
    assert work.tries == 1


def test_estimate_of_a_call_is_what_a_job_of_its_own_locks(
    database: Database, tmp_path: Path
) -> None:
    desk = Desk.build(database, tmp_path)
    prompts = [Prompt(ids=(1, 2), max_new_tokens=7), Prompt(ids=(3,), max_new_tokens=1)]
    draft = desk.access.draft(desk.terms, prompts, seats=3)
    assert desk.access.estimate(desk.terms, prompts) == draft.estimate.escrow


def test_estimate_of_more_than_a_job_holds_is_refused(
    database: Database, tmp_path: Path
) -> None:
    desk = Desk.build(database, tmp_path)
    room = desk.access.limits(desk.terms).tokens
    full = Prompt(ids=(1,), max_new_tokens=room - 1)
    assert desk.access.estimate(desk.terms, [full]) > 0
    with pytest.raises(CallRefused, match=f"{room + 2} tokens") as caught:
        desk.access.estimate(desk.terms, [full, Prompt(ids=(1,), max_new_tokens=1)])
    assert caught.value.code == "context_length_exceeded"
