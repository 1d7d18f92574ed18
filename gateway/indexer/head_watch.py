"""Tells pages that the index has moved, by server-sent events."""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncIterator

import anyio
import anyio.to_thread
from sqlalchemy import select
from sse_starlette import ServerSentEvent

from gateway.database.engine import Database
from gateway.indexer.models import IndexRow
from protocol.errors import DatabaseError

__all__ = ["HeadWatch", "Place"]

Place = tuple[int, int]
"""Last block that is indexed, and a number that grows with every change."""

_LOOK_SECONDS = 0.5


class HeadWatch:
    """Looks at the index for all streams together, twice a second at most."""

    def __init__(self, database: Database, *, max_streams: int = 256) -> None:
        """Watch a database.

        Args:
            database: With the index.
            max_streams: Most streams at the same time.
        """
        self._database = database
        self._max_streams = max_streams
        self._count = 0
        self._lock = threading.Lock()
        self._seen: Place = (-1, 0)
        self._seen_at = 0.0

    @property
    def is_full(self) -> bool:
        """Whether no more streams are taken."""
        return self._count >= self._max_streams

    def look(self) -> Place:
        """Where the index is, or was half a second ago. Raises DatabaseError."""
        with self._lock:
            if time.monotonic() - self._seen_at >= _LOOK_SECONDS:
                with self._database.reading() as session:
                    row = session.execute(
                        select(IndexRow.head_number, IndexRow.version)
                    ).first()
                self._seen = (-1, 0) if row is None else (row[0], row[1])
                self._seen_at = time.monotonic()
            return self._seen

    async def stream(self) -> AsyncIterator[ServerSentEvent]:
        """An event `block` with the last block's number, now and at every change."""
        self._count += 1
        try:
            last: Place | None = None
            while True:
                try:
                    place = await anyio.to_thread.run_sync(self.look)
                except DatabaseError:
                    # Whoever watches comes back; nothing is shown that is not known.
                    return
                if place != last:
                    last = place
                    yield ServerSentEvent(event="block", data=str(place[0]))
                await anyio.sleep(_LOOK_SECONDS)
        finally:
            self._count -= 1
