from __future__ import annotations

import pytest

from gateway.jobs import market_access
from gateway.jobs.market_access import persist
from protocol.errors import DigestMismatch, MarketError, StoreUnavailable


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
