"""What an account broadcast and does not know to be mined, and what it spent.

Each transaction is written down before it is broadcast, so that a process that was
killed finds it again: mined, waiting, or gone.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from protocol.chain.transactions.fees import Fees
from protocol.errors import OutboxError
from protocol.host.sqlite_file import SqliteFile, SqliteSchema

__all__ = ["Broadcast", "Outbox"]

# Spending is looked back at for a day; older lines are dropped.
_KEPT_SECONDS = 7 * 24 * 3_600
_TABLES = """
CREATE TABLE broadcasts (
    chain_id INTEGER NOT NULL,
    account TEXT NOT NULL,
    nonce INTEGER NOT NULL,
    tx_hash TEXT NOT NULL,
    call TEXT NOT NULL,
    raw BLOB NOT NULL,
    gas INTEGER NOT NULL,
    max_fee TEXT NOT NULL,
    priority_fee TEXT NOT NULL,
    sent_at REAL NOT NULL,
    PRIMARY KEY (chain_id, account, tx_hash)
);
CREATE TABLE spending (
    chain_id INTEGER NOT NULL,
    account TEXT NOT NULL,
    spent_at REAL NOT NULL,
    wei TEXT NOT NULL
);
CREATE INDEX spending_by_time ON spending (chain_id, account, spent_at);
"""
_SCHEMA = SqliteSchema(
    what="file of sent transactions",
    advice="free it, restore it or move it away",
    error=OutboxError,
    # Version 1 was never released.
    versions={2: _TABLES},
    busy_seconds=10.0,
    # What a power cut takes is found again by asking the chain.
    is_durable=False,
)


@dataclass(frozen=True, slots=True)
class Broadcast:
    """A signed transaction.

    Attributes:
        nonce: Its place among the account's transactions; those that replace each
            other share one.
        tx_hash: `0x` and 64 digits.
        call: What it calls, for messages.
        raw: The signed bytes.
        gas: Most gas that it may take.
        fees: What it offers.
        sent_at: When it was first broadcast, Unix seconds.
    """

    nonce: int
    tx_hash: str
    call: str
    raw: bytes
    gas: int
    fees: Fees
    sent_at: float

    @property
    def max_wei(self) -> int:
        """Most that its gas may cost."""
        return self.gas * self.fees.max_fee


class Outbox:
    """Remembers the broadcasts and the spending of one account. Thread-safe."""

    def __init__(self, path: Path | None, *, chain_id: int, account: str) -> None:
        """Open the file, or make it.

        Args:
            path: An SQLite file, which several accounts, chains and processes can
                share; its folder is made if it is missing. None remembers in memory.
            chain_id: Chain of the account's transactions.
            account: Address of the account.

        Raises:
            OutboxError: It cannot be opened, is damaged or of another version. It is
                left as it is.
        """
        self._key = (chain_id, account)
        self._file = SqliteFile(path, _SCHEMA)
        self._file.migrate()

    def add(self, broadcast: Broadcast) -> None:
        """Remember what is about to be broadcast."""
        row = (
            *self._key,
            broadcast.nonce,
            broadcast.tx_hash,
            broadcast.call,
            broadcast.raw,
            broadcast.gas,
            # SQLite's integers end at 63 bits.
            str(broadcast.fees.max_fee),
            str(broadcast.fees.priority_fee),
            broadcast.sent_at,
        )
        places = ", ".join("?" * len(row))
        self._file.run(f"INSERT OR IGNORE INTO broadcasts VALUES ({places})", row)

    def pending(self) -> list[Broadcast]:
        """All that is not settled, by nonce and then by fee."""
        rows = self._file.rows(
            "SELECT nonce, tx_hash, call, raw, gas, max_fee, priority_fee, sent_at "
            "FROM broadcasts WHERE chain_id = ? AND account = ?",
            self._key,
        )
        found = [
            Broadcast(nonce, tx_hash, call, raw, gas, Fees(int(most), int(tip)), at)
            for nonce, tx_hash, call, raw, gas, most, tip, at in rows
        ]
        return sorted(found, key=lambda x: (x.nonce, x.fees.max_fee))

    def drop(self, tx_hash: str) -> None:
        """Forget one that no node took."""
        self._file.run(
            "DELETE FROM broadcasts WHERE chain_id = ? AND account = ? AND tx_hash = ?",
            (*self._key, tx_hash),
        )

    def settle(self, nonce: int, *, wei: int, now: float) -> None:
        """Forget all of a nonce, and remember what its gas cost, if it was known."""
        with self._file.transaction():
            found = self._file.run(
                "DELETE FROM broadcasts "
                "WHERE chain_id = ? AND account = ? AND nonce = ?",
                (*self._key, nonce),
            )
            self._file.run(
                "DELETE FROM spending "
                "WHERE chain_id = ? AND account = ? AND spent_at <= ?",
                (*self._key, now - _KEPT_SECONDS),
            )
            # Another process may have settled it, and counted its cost, before.
            if wei and found:
                self._file.run(
                    "INSERT INTO spending VALUES (?, ?, ?, ?)",
                    (*self._key, now, str(wei)),
                )

    def spent_since(self, time: float) -> int:
        """Wei that gas cost since a time, Unix seconds."""
        rows = self._file.rows(
            "SELECT wei FROM spending "
            "WHERE chain_id = ? AND account = ? AND spent_at >= ?",
            (*self._key, time),
        )
        return sum(int(wei) for (wei,) in rows)
