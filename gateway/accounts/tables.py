"""The table of API keys and what each has spent."""

from __future__ import annotations

from sqlalchemy import Float, String
from sqlalchemy.orm import Mapped, mapped_column

from gateway.database.base import Amount, Base, Count

__all__ = ["ApiKeyRow"]


class ApiKeyRow(Base):
    """An API key. The key itself is nowhere, only its hash."""

    __tablename__ = "api_keys"

    key_id: Mapped[str] = mapped_column(
        String(32), primary_key=True, doc="Names the key, to people and in logs."
    )
    key_hash: Mapped[str] = mapped_column(
        String(64), unique=True, doc="SHA-256 of the key, hexadecimal."
    )
    name: Mapped[str] = mapped_column(String(100), doc="The operator's word for it.")
    created_at: Mapped[int] = mapped_column(Count, doc="Unix time, seconds.")
    revoked_at: Mapped[int | None] = mapped_column(
        Count, doc="Unix time from which on it is refused."
    )
    budget: Mapped[int | None] = mapped_column(
        Amount, doc="Most units it may ever spend; null for no limit."
    )
    spent: Mapped[int] = mapped_column(Amount, doc="Units that settled calls cost.")
    reserved: Mapped[int] = mapped_column(
        Amount, doc="Units that calls under way may cost at most."
    )
    calls_per_minute: Mapped[int] = mapped_column(Count, doc="The rate limit.")
    rate_level: Mapped[float] = mapped_column(
        Float(53), doc="Calls that the token bucket held when last looked at."
    )
    rate_at: Mapped[float] = mapped_column(Float(53), doc="Unix time of that look.")
