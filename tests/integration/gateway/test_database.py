"""Transactions, exact amounts, leases and migrations, on both databases."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, insert, select, text
from sqlalchemy.exc import IntegrityError, StatementError
from sqlalchemy.orm import Session

from gateway.database import leases
from gateway.database.engine import Database, create_database
from gateway.database.leases import Lease
from gateway.database.schema import migrate, require_current, schema_metadata
from gateway.database.sums import ExactSum
from gateway.indexer.models import SeatRow
from protocol.errors import (
    ConfigError,
    DatabaseError,
    DatabaseOutdated,
    DatabaseUnavailable,
)
from tests.support.machines.databases import KINDS
from tests.support.machines.postgres import PostgresServer
from tests.support.machines.processes import eventually

LARGEST = 2**96 - 1


@pytest.fixture(params=KINDS)
def blank(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database without any table."""
    if request.param == "sqlite":
        with create_database(f"sqlite:///{tmp_path}/blank.sqlite") as database:
            yield database
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    with server.database() as url, create_database(url) as database:
        yield database


def a_seat(number: int, returned: int | None) -> dict[str, Any]:
    return {
        "seat_id": number,
        "opened_block": 1,
        "opened_index": number,
        "owner": "0x" + "1" * 40,
        "model_id": bytes(32),
        "tick": 0,
        "opened_at": 2**40,
        "returned": returned,
    }


def _returned(database: Database) -> list[int | None]:
    with database.reading() as session:
        return list(session.scalars(select(SeatRow.returned).order_by(SeatRow.seat_id)))


# ---------------------------------------------------------------- connections


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("nonsense", "malformed"),
        ("mysql://user@host/name", "not supported"),
        ("sqlite://", "in memory"),
        ("sqlite:///:memory:", "in memory"),
    ],
)
def test_create_database_with_a_senseless_url_says_what_to_give(
    url: str, reason: str
) -> None:
    with pytest.raises(ConfigError, match=reason):
        create_database(url)


def test_create_database_for_a_file_makes_its_folder(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "gateway.sqlite"
    with create_database(f"sqlite:///{path}") as database:
        database.check()
    assert path.exists()


def test_check_of_a_server_that_is_not_there_hides_the_password() -> None:
    url = "postgresql://someone:hunter2@127.0.0.1:1/name"
    with (
        create_database(url, wait_seconds=1) as database,
        pytest.raises(DatabaseUnavailable) as failure,
    ):
        database.check()
    assert "hunter2" not in str(failure.value)
    assert "someone:***@127.0.0.1:1/name does not answer" in str(failure.value)


def test_check_of_a_file_that_is_no_database_refuses(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a database at all, but long enough to be read as one" * 20)
    with (
        create_database(f"sqlite:///{path}") as database,
        pytest.raises(DatabaseError, match="not a database") as failure,
    ):
        database.check()
    assert not failure.value.is_retryable


def test_writing_that_raises_is_undone(database: Database) -> None:
    with pytest.raises(ZeroDivisionError), database.writing() as session:
        session.execute(insert(SeatRow), [a_seat(1, 1)])
        raise ZeroDivisionError
    assert _returned(database) == []


def test_writing_that_breaks_a_rule_says_so(database: Database) -> None:
    with database.writing() as session:
        session.execute(insert(SeatRow), [a_seat(1, 1)])
    with pytest.raises(IntegrityError), database.writing() as session:
        session.execute(insert(SeatRow), [a_seat(2, 2), a_seat(1, 1)])
    assert _returned(database) == [1]


def test_writing_nonsense_is_refused_without_a_retry(database: Database) -> None:
    with (
        pytest.raises(DatabaseError, match="refuses") as failure,
        database.writing() as session,
    ):
        session.execute(text("SELECT * FROM nowhere"))
    assert not failure.value.is_retryable
    assert failure.value.exit_code == 7


def test_reading_sees_one_moment_in_all_of_its_queries(database: Database) -> None:
    with database.writing() as session:
        session.execute(insert(SeatRow), [a_seat(1, 1)])
    count = select(SeatRow.seat_id)
    with database.reading() as session:
        assert len(session.scalars(count).all()) == 1
        with database.writing() as other:
            other.execute(insert(SeatRow), [a_seat(2, 2)])
        assert len(session.scalars(count).all()) == 1
    assert _returned(database) == [1, 2]


def test_writes_of_many_threads_are_serialised(database: Database) -> None:
    """Each reads a number and writes the next one; none may be lost."""
    with database.writing() as session:
        session.execute(insert(SeatRow), [a_seat(1, 0)])

    def count_up() -> None:
        for _ in range(5):
            with database.writing() as session:
                row = session.get_one(SeatRow, (1, 1, 1), with_for_update=True)
                row.returned = (row.returned or 0) + 1

    threads = [threading.Thread(target=count_up) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert _returned(database) == [20]


def test_write_while_another_replica_is_frozen_in_a_transaction_goes_on(
    postgres: PostgresServer,
) -> None:
    with (
        postgres.database() as url,
        create_database(url, wait_seconds=0.5) as frozen,
        create_database(url) as other,
    ):
        migrate(other)
        with other.writing() as session:
            session.execute(insert(SeatRow), [a_seat(1, 0)])

        def count_up(session: Session) -> None:
            row = session.get_one(SeatRow, (1, 1, 1), with_for_update=True)
            row.returned = (row.returned or 0) + 1

        with pytest.raises(DatabaseUnavailable), frozen.writing() as session:
            count_up(session)
            session.flush()
            # Frozen here, for as long as the other one needs.
            other.write(count_up)
        assert _returned(other) == [1]
        frozen.write(count_up)
        assert _returned(other) == [2]


# ---------------------------------------------------------------- amounts


@given(amounts=st.lists(st.integers(0, LARGEST), min_size=1, max_size=8))
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_amounts_come_back_sorted_and_summed_exactly(
    database: Database, amounts: list[int]
) -> None:
    with database.writing() as session:
        session.execute(delete(SeatRow))
        rows = [a_seat(number, amount) for number, amount in enumerate(amounts)]
        session.execute(insert(SeatRow), rows)
    with database.reading() as session:
        stored = session.scalars(select(SeatRow.returned).order_by(SeatRow.seat_id))
        assert list(stored) == amounts
        ordered = session.scalars(select(SeatRow.returned).order_by(SeatRow.returned))
        assert list(ordered) == sorted(amounts)
        middle = amounts[0]
        above = session.scalars(
            select(SeatRow.returned).where(SeatRow.returned > middle)
        )
        assert sorted(map(int, filter(None, above))) == sorted(
            x for x in amounts if x > middle
        )
        assert session.scalar(select(ExactSum(SeatRow.returned))) == sum(amounts)


def test_exact_sum_of_no_rows_and_of_none_is_zero(database: Database) -> None:
    with database.reading() as session:
        assert session.scalar(select(ExactSum(SeatRow.returned))) == 0
    with database.writing() as session:
        session.execute(insert(SeatRow), [a_seat(1, None)])
    with database.reading() as session:
        assert session.scalar(select(ExactSum(SeatRow.returned))) == 0


@pytest.mark.parametrize("amount", [-1, 10**38])
def test_amount_out_of_range_is_refused(database: Database, amount: int) -> None:
    with (
        pytest.raises(StatementError, match="no amount"),
        database.writing() as session,
    ):
        session.execute(insert(SeatRow), [a_seat(1, amount)])


# ---------------------------------------------------------------- leases


def test_acquire_of_a_held_lease_waits_for_its_end(database: Database) -> None:
    def take(holder: str, seconds: float) -> bool:
        with database.writing() as session:
            return leases.acquire(session, "work", holder, seconds)

    assert take("one", 0.3)
    assert not take("two", 60)
    assert take("one", 0.3)
    assert eventually(lambda: take("two", 60), seconds=10)
    with database.writing() as session:
        assert leases.is_held(session, "work", "two")
        assert not leases.is_held(session, "work", "one")
        leases.release(session, "work", "one")
        assert leases.is_held(session, "work", "two")
        leases.release(session, "work", "two")
    assert take("one", 1)


def test_acquire_by_many_at_once_gives_it_to_one(database: Database) -> None:
    taken: list[str] = []

    def take(holder: str) -> None:
        with database.writing() as session:
            if leases.acquire(session, "work", holder, 60):
                taken.append(holder)

    threads = [threading.Thread(target=take, args=(f"r{n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == 1
    with database.reading() as session:
        assert session.scalars(select(Lease.holder)).all() == taken


# ---------------------------------------------------------------- migrations


def test_migrate_of_a_blank_database_makes_the_tables_of_the_models(
    blank: Database,
) -> None:
    with pytest.raises(DatabaseOutdated, match="assay gateway migrate"):
        require_current(blank)
    before, after = migrate(blank)
    assert before is None
    assert migrate(blank) == (after, after)
    require_current(blank)
    with blank.reading() as session:
        context = MigrationContext.configure(
            session.connection(), opts={"compare_type": True}
        )
        assert compare_metadata(context, schema_metadata()) == []


def test_migrate_by_replicas_that_start_together_does_it_once(blank: Database) -> None:
    results: list[tuple[str | None, str]] = []

    def start() -> None:
        results.append(migrate(blank))

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4
    assert [before for before, _ in results].count(None) == 1


def test_migrate_of_a_newer_database_is_refused(blank: Database) -> None:
    migrate(blank)
    with blank.writing() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    for step in (migrate, require_current):
        with pytest.raises(DatabaseOutdated, match="install the newer program"):
            step(blank)


def test_migrate_that_fails_leaves_nothing_behind(
    blank: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    upgrade = command.upgrade

    def fail_late(*arguments: Any) -> None:
        upgrade(*arguments)
        raise OSError("the machine stops here")

    with monkeypatch.context() as patch:
        patch.setattr(command, "upgrade", fail_late)
        with pytest.raises(OSError, match="stops here"):
            migrate(blank)
    before, _ = migrate(blank)
    assert before is None
