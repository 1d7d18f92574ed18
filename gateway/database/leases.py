"""Leases: one of several replicas does a piece of work, and another takes over.

A lease spares the others the work. It is no lock: a holder that was held up may find
that it lost the lease, so what it writes must be checked in the same transaction, by
`is_held` or by a comparison of its own.
"""

from __future__ import annotations

from sqlalchemy import Float, String, and_, delete, or_, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from gateway.database.base import Base
from gateway.database.clock import DatabaseNow
from gateway.database.inserts import insert_if_absent

__all__ = ["Lease", "acquire", "is_held", "release"]


class Lease(Base):
    """Who does a piece of work at present, and until when others leave it alone."""

    __tablename__ = "leases"

    name: Mapped[str] = mapped_column(
        String(64), primary_key=True, doc="The piece of work."
    )
    holder: Mapped[str] = mapped_column(
        String(64), doc="The replica that does it, a name of its own choice."
    )
    expires_at: Mapped[float] = mapped_column(
        Float(53), doc="Unix time from which on another may take it."
    )


def acquire(session: Session, name: str, holder: str, seconds: float) -> bool:
    """Take a lease that is free or has run out, or prolong one's own.

    Args:
        session: A writing session.
        name: The piece of work.
        holder: Who asks; unique among all replicas.
        seconds: How long others stay away, from now, by the database's clock.

    Returns:
        Whether the lease is the holder's now.
    """
    insert_if_absent(session, Lease, name=name, holder="", expires_at=0.0)
    taken = session.execute(
        update(Lease)
        .where(
            Lease.name == name,
            or_(Lease.holder == holder, Lease.expires_at <= DatabaseNow()),
        )
        .values(holder=holder, expires_at=DatabaseNow() + seconds)
        .returning(Lease.name)
    )
    return taken.first() is not None


def is_held(session: Session, name: str, holder: str) -> bool:
    """Whether a lease is the holder's and has not run out; locks its row.

    Until the transaction ends nobody else can take it.
    """
    return (
        session.scalar(
            select(Lease.name)
            .where(
                and_(Lease.name == name, Lease.holder == holder),
                Lease.expires_at > DatabaseNow(),
            )
            .with_for_update()
        )
        is not None
    )


def release(session: Session, name: str, holder: str) -> None:
    """Give a lease back early, if it is the holder's."""
    session.execute(delete(Lease).where(Lease.name == name, Lease.holder == holder))
