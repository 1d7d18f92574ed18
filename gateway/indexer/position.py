"""Which market the index is of, and how far it has come."""

from __future__ import annotations

from dataclasses import dataclass

from eth_typing import ChecksumAddress
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from gateway.database.inserts import insert_if_absent
from gateway.indexer.models import BlockRow, IndexRow
from protocol.chain.cursor import KEPT_BLOCKS, CursorPosition
from protocol.errors import ConfigError
from protocol.hexadecimal import from_hex, to_hex

__all__ = [
    "IndexedHead",
    "IndexedMarket",
    "load_position",
    "move",
    "note_block",
    "prepare",
    "read_head",
]

_ONLY = 1


@dataclass(frozen=True, slots=True)
class IndexedMarket:
    """What identifies a market, and what its numbers need.

    Attributes:
        chain_id: Chain (EIP-155).
        marketplace: Its contract.
        start_block: First block of interest.
        seat_bond: Bond of a seat, units.
    """

    chain_id: int
    marketplace: ChecksumAddress
    start_block: int
    seat_bond: int


@dataclass(frozen=True, slots=True)
class IndexedHead:
    """How far the index has come.

    Attributes:
        number: Last block that is indexed.
        at: Its time, Unix seconds; 0 before the first one.
        version: Grows with every change.
    """

    number: int
    at: int
    version: int


def prepare(session: Session, market: IndexedMarket) -> None:
    """Note the market on first use; check that it is the same later.

    Raises:
        ConfigError: The database holds the index of another market.
    """
    insert_if_absent(
        session,
        IndexRow,
        id=_ONLY,
        chain_id=market.chain_id,
        marketplace=market.marketplace,
        start_block=market.start_block,
        seat_bond=market.seat_bond,
        version=0,
        head_number=market.start_block - 1,
        head_at=0,
    )
    row = session.get_one(IndexRow, _ONLY)
    if (row.chain_id, row.marketplace) != (market.chain_id, market.marketplace):
        raise ConfigError(
            f"the database holds the index of marketplace {row.marketplace} on chain "
            f"{row.chain_id}, the deployment names {market.marketplace} on chain "
            f"{market.chain_id}: use another database"
        )


def read_head(session: Session) -> IndexedHead | None:
    """How far the index has come; None before an indexer has ever run."""
    row = session.execute(
        select(IndexRow.head_number, IndexRow.head_at, IndexRow.version)
    ).first()
    return (
        None if row is None else IndexedHead(row.head_number, row.head_at, row.version)
    )


def load_position(session: Session) -> CursorPosition | None:
    """Where a cursor goes on; None at the start."""
    blocks = session.execute(
        select(BlockRow.number, BlockRow.hash)
        .order_by(BlockRow.number.desc())
        .limit(KEPT_BLOCKS)
    )
    seen = [(row.number, to_hex(row.hash)) for row in blocks]
    if not seen:
        return None
    (number, digest), *earlier = seen
    return CursorPosition(number, digest, tuple(earlier))


def move(session: Session, expected: int, number: int, at: int) -> bool:
    """Note a new head, unless another writer was faster.

    Args:
        session: A writing session; the row stays locked until it ends.
        expected: Version that the change was made for.
        number: Last block that is indexed now.
        at: Its time, Unix seconds; 0 before the first block.

    Returns:
        Whether the version was the expected one. Only then is anything written.
    """
    moved = session.execute(
        update(IndexRow)
        .where(IndexRow.id == _ONLY, IndexRow.version == expected)
        .values(version=expected + 1, head_number=number, head_at=at)
        .returning(IndexRow.id)
    ).first()
    if moved is None:
        return False
    # Blocks without events serve to find a fork among the last ones only.
    old = number - 2 * KEPT_BLOCKS
    stale = (BlockRow.event_count == 0, BlockRow.number < old)
    near = BlockRow.number >= old - 2 * KEPT_BLOCKS
    session.execute(delete(BlockRow).where(*stale, near))
    return True


def note_block(session: Session, number: int, digest: str, at: int) -> None:
    """Remember a head, if it is not remembered for its events already."""
    block_hash = from_hex(digest)
    insert_if_absent(
        session, BlockRow, number=number, hash=block_hash, at=at, event_count=0
    )
