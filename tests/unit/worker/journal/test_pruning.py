from __future__ import annotations

from pathlib import Path

from protocol.digests import Digest
from protocol.errors import StoreUnavailable
from protocol.store.memory import MemoryStore
from tests.support.machines.processes import eventually
from tests.unit.protocol.host.test_backoff import Clock
from tests.unit.worker.journal.test_journal import DUTY, JOB, OUTCOME, with_duty
from worker.journal.journal import Journal
from worker.journal.pruning import Pruning
from worker.process.background import TaskPool

DAY = 86_400
ENDED = 1_000


class FailingStore(MemoryStore):
    is_down = False

    def unpin(self, digest: Digest) -> None:
        if self.is_down:
            raise StoreUnavailable("down")
        super().unpin(digest)


def ended_job(path: Path) -> Journal:
    journal = with_duty(path)
    with journal.transaction():
        journal.save_outcome(DUTY, OUTCOME, b"results")
        journal.mark_published(DUTY)
        journal.close_job(JOB, block_number=20, now=ENDED)
    return journal


def settle(background: TaskPool) -> None:
    def is_settled() -> bool:
        background.collect()
        return background.count == 0

    assert eventually(is_settled)


def test_look_lets_go_of_a_job_once_its_time_is_over(tmp_path: Path) -> None:
    journal = ended_job(tmp_path / "journal.sqlite")
    store, background, clock = FailingStore(), TaskPool(threads=1), Clock()
    store.pinned.add(OUTCOME.results_digest)
    pruning = Pruning(journal, store, background, keep_days=2, clock=clock)

    clock.now = ENDED + 2 * DAY
    pruning.prune()
    settle(background)
    assert journal.params_of(JOB) is not None
    assert store.pinned == {OUTCOME.results_digest}

    # Looked at once a minute only.
    clock.now += 1
    pruning.prune()
    settle(background)
    assert journal.params_of(JOB) is not None
    clock.now += 60
    pruning.prune()
    settle(background)
    background.close()
    assert journal.params_of(JOB) is None
    assert store.pinned == set()


def test_look_while_the_store_is_down_keeps_the_job(tmp_path: Path) -> None:
    journal = ended_job(tmp_path / "journal.sqlite")
    store, background, clock = FailingStore(), TaskPool(threads=1), Clock()
    store.is_down = True
    pruning = Pruning(journal, store, background, keep_days=1, clock=clock)
    clock.now = ENDED + 3 * DAY
    pruning.prune()
    settle(background)
    assert journal.params_of(JOB) is not None

    store.is_down = False
    clock.now += 61
    pruning.prune()
    settle(background)
    background.close()
    assert journal.params_of(JOB) is None
