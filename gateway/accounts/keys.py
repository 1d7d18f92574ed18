"""API keys: made, listed, revoked, recognised.

A key is `assay-` and 43 characters of random; it is shown when it is made and never
again. What is stored is its SHA-256: the key itself has 256 bits of chance, so a slow
hash would add nothing.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from gateway.accounts.ledger import Balance
from gateway.accounts.tables import ApiKeyRow
from gateway.database.clock import DatabaseNow
from gateway.errors import ApiKeyRefused, NothingFound
from protocol.errors import RequestError

__all__ = [
    "ApiKey",
    "authenticate",
    "create_key",
    "list_keys",
    "revoke_key",
    "set_budget",
]

_PREFIX = "assay-"
_KEY_BYTES = 32
_ID_BYTES = 6
_MAX_NAME = 100
_MAX_RATE = 1_000_000
MAX_BUDGET = (1 << 96) - 1


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What is known about a key.

    Attributes:
        key_id: Names it; no secret.
        name: The operator's word for it.
        created_at: Unix time, seconds.
        revoked_at: Since when it is refused; None while it holds.
        balance: What it has spent and may spend.
        calls_per_minute: Its rate limit.
    """

    key_id: str
    name: str
    created_at: int
    revoked_at: int | None
    balance: Balance
    calls_per_minute: int


def create_key(
    session: Session, name: str, *, budget: int | None, calls_per_minute: int
) -> tuple[ApiKey, str]:
    """Makes a key.

    Args:
        session: A writing session.
        name: The operator's word for it.
        budget: Most units it may spend; None for no limit.
        calls_per_minute: Its rate limit.

    Returns:
        What is known about it, and the key itself, which nothing else keeps.

    Raises:
        RequestError: A value makes no sense.
    """
    if not name.strip() or len(name) > _MAX_NAME or not name.isprintable():
        raise RequestError(f"the name must be 1 to {_MAX_NAME} printable characters")
    if not 1 <= calls_per_minute <= _MAX_RATE:
        raise RequestError(f"{calls_per_minute} calls a minute; give 1 to {_MAX_RATE}")
    _check_budget(budget)
    key = _PREFIX + secrets.token_urlsafe(_KEY_BYTES)
    now = float(session.scalars(select(DatabaseNow())).one())
    row = ApiKeyRow(
        key_id="key-" + secrets.token_hex(_ID_BYTES),
        key_hash=_hash(key),
        name=name.strip(),
        created_at=int(now),
        revoked_at=None,
        budget=budget,
        spent=0,
        reserved=0,
        calls_per_minute=calls_per_minute,
        rate_level=float(calls_per_minute),
        rate_at=now,
    )
    session.add(row)
    return _describe(row), key


def list_keys(session: Session) -> list[ApiKey]:
    """All keys, oldest first."""
    statement = select(ApiKeyRow).order_by(ApiKeyRow.created_at, ApiKeyRow.key_id)
    return [_describe(row) for row in session.scalars(statement)]


def revoke_key(session: Session, key_id: str) -> ApiKey:
    """Refuses a key from now on; calls under way go on. Raises NothingFound."""
    row = _find(session, key_id)
    if row.revoked_at is None:
        row.revoked_at = int(session.scalars(select(DatabaseNow())).one())
    return _describe(row)


def set_budget(session: Session, key_id: str, budget: int | None) -> ApiKey:
    """Changes what a key may ever spend, what it has spent included.

    A budget below what is spent and reserved lets no new call through.

    Raises:
        NothingFound: There is no such key.
        RequestError: The budget makes no sense.
    """
    _check_budget(budget)
    row = _find(session, key_id)
    row.budget = budget
    return _describe(row)


def authenticate(session: Session, key: str | None) -> ApiKey:
    """Recognises a key. Raises ApiKeyRefused, which does not say more than needed."""
    if not key:
        raise ApiKeyRefused(
            "no API key: send it as `Authorization: Bearer KEY`, or give it to the "
            "OpenAI client as api_key"
        )
    statement = select(ApiKeyRow).where(ApiKeyRow.key_hash == _hash(key))
    row = session.scalars(statement).one_or_none()
    if row is None:
        raise ApiKeyRefused("this API key is unknown here; ask the operator for one")
    if row.revoked_at is not None:
        raise ApiKeyRefused("this API key was revoked; ask the operator for a new one")
    return _describe(row)


def _find(session: Session, key_id: str) -> ApiKeyRow:
    statement = select(ApiKeyRow).where(ApiKeyRow.key_id == key_id).with_for_update()
    row = session.scalars(statement).one_or_none()
    if row is None:
        raise NothingFound(
            f"there is no API key {key_id[:80]!r}: `assay gateway keys list` shows all"
        )
    return row


def _check_budget(budget: int | None) -> None:
    if budget is not None and not 0 <= budget <= MAX_BUDGET:
        raise RequestError(f"the budget is {budget} units; give 0 to 2**96 - 1")


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", errors="replace")).hexdigest()


def _describe(row: ApiKeyRow) -> ApiKey:
    return ApiKey(
        key_id=row.key_id,
        name=row.name,
        created_at=row.created_at,
        revoked_at=row.revoked_at,
        balance=Balance(row.budget, row.spent, row.reserved),
        calls_per_minute=row.calls_per_minute,
    )
