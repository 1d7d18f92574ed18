"""What happens to the index when the database is locked, down or shared."""

from __future__ import annotations

import signal
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.database import leases
from gateway.database.engine import Database, create_database
from gateway.database.schema import migrate
from gateway.indexer import indexer as indexer_module
from gateway.indexer.apply import apply_logs
from gateway.indexer.indexer import Indexer, IndexStep
from gateway.indexer.service import IndexService
from protocol.errors import ConfigError, DatabaseError, DatabaseUnavailable
from tests.integration.gateway.index_contents import MARKET, contents, index_all
from tests.support.machines.databases import open_quick
from tests.support.machines.postgres import PostgresServer
from tests.support.machines.processes import eventually
from tests.support.market.market_history import (
    MadeChain,
    a_job_life,
    an_account,
    opening,
)


def _open_migrated(url: str) -> Database:
    database = create_database(url, wait_seconds=2)
    migrate(database)
    return database


@pytest.fixture
def chain() -> MadeChain:
    chain = MadeChain()
    chain.mine(opening(3))
    for block in a_job_life(1):
        chain.mine(*block)
    return chain


@pytest.fixture
def own_server() -> Iterator[PostgresServer]:
    """A server that a test may end."""
    with PostgresServer() as server:
        yield server


def _more(chain: MadeChain) -> None:
    for block in a_job_life(2):
        chain.mine(*block)


def _is_up_to_date(service: IndexService, chain: MadeChain) -> bool:
    status = service.status
    return status.trouble is None and status.head == chain.block_number()


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Another program holds the file's write lock."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")
        connection.close()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_step_on_a_locked_file_fails_clearly_and_goes_on_afterwards(
    database_url: str, tmp_path: Path, chain: MadeChain
) -> None:
    with create_database(database_url, wait_seconds=0.1) as database:
        indexer = Indexer(database, chain, MARKET)
        indexer.step()
        before = contents(database)
        _more(chain)
        with _locked(tmp_path / "gateway.sqlite"):
            with pytest.raises(DatabaseUnavailable, match="locked"):
                indexer.step()
            assert contents(database) == before
        assert indexer.step().event_count == 16
        assert indexer.step().event_count == 0


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_write_waits_for_a_lock_that_is_let_go(
    database_url: str, tmp_path: Path
) -> None:
    """Longer than one attempt lasts, shorter than the whole wait."""
    with create_database(database_url, wait_seconds=20) as database:
        held, freed = threading.Event(), threading.Event()

        def hold() -> None:
            with _locked(tmp_path / "gateway.sqlite"):
                held.set()
                freed.wait(10)

        holder = threading.Thread(target=hold)
        holder.start()
        held.wait(10)
        timer = threading.Timer(0.3, freed.set)
        timer.start()
        assert database.write(lambda s: leases.acquire(s, "work", "me", 60))
        holder.join()


def test_step_that_fails_between_statements_writes_nothing(
    database: Database, chain: MadeChain, monkeypatch: pytest.MonkeyPatch
) -> None:
    indexer = Indexer(database, chain, MARKET)
    indexer.step()
    before = contents(database)
    _more(chain)

    def fail_late(*arguments: object) -> None:
        apply_logs(*arguments)  # type: ignore[arg-type]
        raise OSError("the machine stops here")

    with monkeypatch.context() as patch:
        patch.setattr(indexer_module, "apply_logs", fail_late)
        with pytest.raises(OSError, match="stops here"):
            indexer.step()
    assert contents(database) == before
    assert indexer.step().event_count == 16


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT])
def test_service_on_a_server_that_restarts_goes_on(
    own_server: PostgresServer, chain: MadeChain, how: signal.Signals
) -> None:
    """An orderly end and a crash; the index is then that of the chain."""
    with (
        own_server.database() as url,
        _open_migrated(url) as database,
        own_server.database() as fresh_url,
        _open_migrated(fresh_url) as fresh,
    ):
        service = IndexService(database, chain, MARKET, poll_seconds=0.05)
        service.start()
        try:
            assert eventually(lambda: _is_up_to_date(service, chain), seconds=30)
            own_server.stop(how)
            _more(chain)
            assert eventually(lambda: service.status.trouble is not None, seconds=30)
            assert "does not answer" in str(service.status.trouble)
            with pytest.raises(DatabaseError, match="does not move"):
                service.check()
            own_server.start()
            assert eventually(lambda: _is_up_to_date(service, chain), seconds=30)
            service.check()
        finally:
            service.stop()
        index_all(fresh, chain)
        assert contents(database, has_costs=False) == contents(fresh)


def test_step_whose_connection_is_cut_writes_nothing(
    own_server: PostgresServer, chain: MadeChain, monkeypatch: pytest.MonkeyPatch
) -> None:
    with own_server.database() as url, _open_migrated(url) as database:
        indexer = Indexer(database, chain, MARKET)
        indexer.step()
        before = contents(database)
        _more(chain)

        def cut_late(*arguments: object) -> None:
            apply_logs(*arguments)  # type: ignore[arg-type]
            own_server.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname LIKE 'test_%' AND state = 'idle in transaction'"
            )

        with monkeypatch.context() as patch:
            patch.setattr(indexer_module, "apply_logs", cut_late)
            with pytest.raises(DatabaseUnavailable):
                indexer.step()
        assert contents(database) == before
        assert indexer.step().event_count == 16


def test_step_with_a_lost_answer_to_its_commit_indexes_once(
    database: Database, chain: MadeChain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The transaction took place, and the indexer does not know."""
    indexer = Indexer(database, chain, MARKET)
    write = Indexer._write

    def lose_the_answer(*arguments: object) -> None:
        write(*arguments)  # type: ignore[arg-type]
        raise DatabaseUnavailable("the connection broke")

    with monkeypatch.context() as patch:
        patch.setattr(Indexer, "_write", lose_the_answer)
        with pytest.raises(DatabaseUnavailable):
            indexer.step()
    after = contents(database)
    assert indexer.step() == IndexStep(True, 0, None, 5, 5)
    assert contents(database) == after


def test_step_of_a_second_replica_follows_until_the_first_resigns(
    database: Database, chain: MadeChain
) -> None:
    first = Indexer(database, chain, MARKET, holder="first")
    second = Indexer(database, chain, MARKET, holder="second")
    assert first.step().is_leader
    assert second.step() == IndexStep(False, 0, None, 5, 5)
    _more(chain)
    first.resign()
    assert second.step() == IndexStep(True, 16, None, 9, 9)
    assert not first.step().is_leader


def test_step_of_a_replica_takes_over_from_one_that_died(
    database: Database, chain: MadeChain
) -> None:
    first = Indexer(database, chain, MARKET, holder="first", lease_seconds=0.2)
    second = Indexer(database, chain, MARKET, holder="second", lease_seconds=60)
    first.step()
    assert eventually(lambda: second.step().is_leader, seconds=10)


def test_step_of_a_replica_that_lost_its_lease_writes_nothing(
    database: Database, chain: MadeChain
) -> None:
    """A leader that was held up between its look and its write is overtaken."""
    slow = Indexer(database, chain, MARKET, holder="slow", lease_seconds=60)
    slow.step()
    _more(chain)

    def overtake() -> None:
        chain.before_events = lambda: None
        with database.writing() as session:
            leases.release(session, indexer_module.LEASE, "slow")
        assert Indexer(database, chain, MARKET, holder="quick").step().event_count == 16

    chain.before_events = overtake
    assert slow.step() == IndexStep(False, 0, None, 9, 9)


def test_services_of_two_replicas_index_each_event_once(
    database: Database, database_url: str
) -> None:
    chain = MadeChain()
    chain.mine(opening(3))
    with open_quick(database_url) as other:
        services = [
            IndexService(one, chain, MARKET, poll_seconds=0.01)
            for one in (database, other)
        ]
        for service in services:
            service.start()
        try:
            for number in range(20):
                for block in a_job_life(number):
                    chain.mine(*block)
            assert eventually(
                lambda: all(_is_up_to_date(one, chain) for one in services), seconds=60
            )
        finally:
            for service in services:
                service.stop()
    assert sum(service.status.events for service in services) == 7 + 20 * 16
    assert sorted(service.status.events > 0 for service in services) == [False, True]


def test_indexer_for_another_market_is_refused(
    database: Database, chain: MadeChain
) -> None:
    Indexer(database, chain, MARKET)
    other = replace(MARKET, marketplace=an_account(0xBAD))
    with pytest.raises(ConfigError, match="use another database"):
        Indexer(database, chain, other)
