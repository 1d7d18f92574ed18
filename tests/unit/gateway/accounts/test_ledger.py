from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from gateway.accounts import ledger
from gateway.accounts.keys import (
    authenticate,
    create_key,
    list_keys,
    revoke_key,
    set_budget,
)
from gateway.accounts.rate_limits import take_call
from gateway.accounts.tables import ApiKeyRow
from gateway.database.engine import Database
from gateway.errors import ApiKeyRefused, BudgetExceeded, NothingFound, RateLimited
from protocol.errors import RequestError

LARGEST = (1 << 96) - 1


def a_key(database: Database, budget: int | None = 1_000, rate: int = 5) -> str:
    made, _ = database.write(
        lambda s: create_key(s, "test", budget=budget, calls_per_minute=rate)
    )
    return made.key_id


def balance(database: Database, key_id: str) -> tuple[int, int]:
    with database.reading() as session:
        found = ledger.balances(session)[key_id]
    return found.spent, found.reserved


def test_create_key_shows_it_once_and_keeps_its_hash(database: Database) -> None:
    made, secret = database.write(
        lambda s: create_key(s, "shop", budget=5, calls_per_minute=7)
    )
    assert secret.startswith("assay-") and len(secret) > 40
    with database.reading() as session:
        row = session.get(ApiKeyRow, made.key_id)
        assert row is not None
        values = [getattr(row, c.name) for c in ApiKeyRow.__table__.columns]
        assert not any(secret in str(value) for value in values)
        assert authenticate(session, secret).key_id == made.key_id
        assert [key.name for key in list_keys(session)] == ["shop"]


def test_create_key_of_a_bad_name_rate_or_budget_is_refused(database: Database) -> None:
    for name, rate, budget in (("", 1, 1), ("a\nb", 1, 1), ("a", 0, 1), ("a", 1, -1)):
        with pytest.raises(RequestError), database.writing() as session:
            create_key(session, name, budget=budget, calls_per_minute=rate)


def test_authenticate_of_a_revoked_or_unknown_key_is_refused(
    database: Database,
) -> None:
    made, secret = database.write(
        lambda s: create_key(s, "shop", budget=None, calls_per_minute=7)
    )
    database.write(lambda s: revoke_key(s, made.key_id))
    with database.reading() as session:
        for key in (secret, secret + "x", "", None):
            with pytest.raises(ApiKeyRefused):
                authenticate(session, key)


def test_revoke_and_budget_of_an_unknown_key_find_nothing(database: Database) -> None:
    changes: list[Callable[[Session], object]] = [
        lambda s: revoke_key(s, "key-none"),
        lambda s: set_budget(s, "key-none", 1),
    ]
    for change in changes:
        with pytest.raises(NothingFound), database.writing() as session:
            change(session)


def test_reserve_up_to_the_last_unit_and_not_beyond(database: Database) -> None:
    key_id = a_key(database, budget=LARGEST)
    database.write(lambda s: ledger.reserve(s, key_id, LARGEST - 1))
    database.write(lambda s: ledger.reserve(s, key_id, 1))
    with pytest.raises(BudgetExceeded, match="0 of"), database.writing() as session:
        ledger.reserve(session, key_id, 1)
    assert balance(database, key_id) == (0, LARGEST)


def test_reserve_for_a_revoked_key_is_refused(database: Database) -> None:
    key_id = a_key(database)
    database.write(lambda s: revoke_key(s, key_id))
    with pytest.raises(ApiKeyRefused), database.writing() as session:
        ledger.reserve(session, key_id, 1)


def test_settle_charges_and_gives_the_rest_back(database: Database) -> None:
    key_id = a_key(database)
    database.write(lambda s: ledger.reserve(s, key_id, 700))
    database.write(lambda s: ledger.settle(s, key_id, 700, 650))
    assert balance(database, key_id) == (650, 0)
    with pytest.raises(BudgetExceeded), database.writing() as session:
        ledger.reserve(session, key_id, 351)


def test_settle_beyond_the_reservation_changes_nothing(database: Database) -> None:
    key_id = a_key(database)
    database.write(lambda s: ledger.reserve(s, key_id, 10))
    with pytest.raises(ValueError, match="exceeds"), database.writing() as session:
        ledger.settle(session, key_id, 10, 11)
    with pytest.raises(ValueError, match="given back"), database.writing() as session:
        ledger.release(session, key_id, 11)
    assert balance(database, key_id) == (0, 10)


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(st.tuples(st.integers(1, 400), st.integers(0, 400)), max_size=12))
def test_reserve_and_settle_in_any_order_never_exceed_the_budget(
    database: Database, calls: list[tuple[int, int]]
) -> None:
    key_id = a_key(database, budget=1_000)
    spent, held = 0, []
    for amount, charge in calls:
        try:
            database.write(lambda s, a=amount: ledger.reserve(s, key_id, a))  # type: ignore[misc]
            held.append(amount)
        except BudgetExceeded:
            assert spent + sum(held) + amount > 1_000
        if len(held) > 2:
            first = held.pop(0)
            cost = min(first, charge)
            database.write(
                lambda s, a=first, c=cost: ledger.settle(s, key_id, a, c)  # type: ignore[misc]
            )
            spent += cost
        assert balance(database, key_id) == (spent, sum(held))
        assert spent + sum(held) <= 1_000


def test_set_budget_below_what_is_spent_lets_nothing_through(
    database: Database,
) -> None:
    key_id = a_key(database)
    database.write(lambda s: ledger.reserve(s, key_id, 500))
    database.write(lambda s: set_budget(s, key_id, 100))
    with pytest.raises(BudgetExceeded), database.writing() as session:
        ledger.reserve(session, key_id, 1)
    database.write(lambda s: set_budget(s, key_id, None))
    database.write(lambda s: ledger.reserve(s, key_id, 10**12))


def test_take_call_beyond_the_rate_is_refused_on_either_database(
    database: Database,
) -> None:
    key_id = a_key(database, rate=3)
    for _ in range(3):
        database.write(lambda s: take_call(s, key_id))
    with pytest.raises(RateLimited) as caught, database.writing() as session:
        take_call(session, key_id)
    assert 0 < caught.value.retry_after_seconds <= 20
