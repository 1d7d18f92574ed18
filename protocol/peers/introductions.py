"""How parties on different IPFS nodes find each other: by announcements on the chain.

An account announces one address of its node. Who has business with it, and with nobody
else, looks that up and connects its own node: a worker to the requesters of its jobs, a
requester to the members of its committees. So nobody can make others dial much by
announcing, and whoever is dialled too often was announced by an account that pays.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from typing import Protocol

from eth_typing import ChecksumAddress

from protocol.digests import Digest
from protocol.errors import ConfigError, MarketError
from protocol.market.events import Announced, Event, Log, ModelRegistered
from protocol.peers.address import AddressRefused, PeerAddress, own_address
from protocol.store.port import PeerNode

__all__ = [
    "AUTO",
    "OFF",
    "AnnouncementSource",
    "Announcer",
    "Introductions",
    "announce",
]

logger = logging.getLogger(__name__)

AUTO, OFF = "auto", "off"
"""Settings of what to announce, besides an address itself."""

# Announcements are looked for in so many of the last blocks, and made anew in time.
_LOOK_BACK_BLOCKS = 50_000
_RENEW_BLOCKS = _LOOK_BACK_BLOCKS // 2
# An account's peer is dialled again after so long, if there is still business with it.
_AGAIN_SECONDS = 30.0
_MAX_DIALS_PER_MINUTE = 30
_MAX_WAITING = 256
_MINUTE = 60.0


class AnnouncementSource(Protocol):
    """Where announcements are read; `MarketReader` is one. Raises `ChainError`."""

    def block_number(self) -> int:
        """Number of the last block."""
        ...

    def events(
        self,
        *,
        from_block: int | None = None,
        kinds: tuple[type[Event], ...] | None = None,
        account: ChecksumAddress | None = None,
    ) -> list[Log]:
        """Events of an account since a block."""
        ...


class Announcer(AnnouncementSource, Protocol):
    """Who can announce; `MarketClient` with an account is one."""

    @property
    def address(self) -> ChecksumAddress:
        """The account."""
        ...

    def announce(self, message: bytes) -> object:
        """Announces in the account's name."""
        ...


def announce(
    client: Announcer, node: PeerNode, setting: str, *, allow_private: bool
) -> str | None:
    """Says on the chain where one's content can be had, unless it was said lately.

    Args:
        client: Whose account announces, and pays for gas.
        node: The account's IPFS node.
        setting: `auto` for an address that the node itself knows, `off`, or an address.
        allow_private: Whether the address may be one of a private network.

    Returns:
        The address that peers find now; None if there is none to announce.

    Raises:
        ConfigError: The address in the setting may not be dialled by others.
        StoreError: The node does not tell its addresses.
        ChainError: The announcement could not be made.
    """
    address = _chosen(node, setting, allow_private=allow_private)
    if address is None:
        return None
    known = _latest(client, client.address, _RENEW_BLOCKS)
    if known != address.text.encode("ascii"):
        client.announce(address.text.encode("ascii"))
        logger.info("announced", extra={"address": address.text})
    return address.text


def _chosen(node: PeerNode, setting: str, *, allow_private: bool) -> PeerAddress | None:
    if setting == OFF:
        return None
    if setting == AUTO:
        return own_address(node.addresses(), allow_private=allow_private)
    try:
        return PeerAddress.parse(setting, allow_private=allow_private)
    except AddressRefused as error:
        raise ConfigError(f"the address to announce: {error}") from error


def _latest(
    source: AnnouncementSource, account: ChecksumAddress, blocks: int
) -> bytes | None:
    logs = source.events(
        from_block=max(source.block_number() - blocks, 0),
        kinds=(Announced,),
        account=account,
    )
    found = [log.event.message for log in logs if isinstance(log.event, Announced)]
    return found[-1] if found else None


class Introductions:
    """Connects one's node to the nodes of accounts that one has business with.

    Work is done on a thread of its own, which `close` ends. Failures are logged and
    change nothing: what cannot be fetched is missed by whoever fetches it.
    """

    def __init__(
        self,
        source: AnnouncementSource,
        node: PeerNode,
        *,
        allow_private: bool,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Nobody is met before `meet`.

        Args:
            source: Where announcements are read.
            node: The node that connects.
            allow_private: Whether to connect to addresses of private networks.
            clock: Seconds that only go forward.
        """
        self._source = source
        self._node = node
        self._allow_private = allow_private
        self._clock = clock
        self._tried: dict[ChecksumAddress, float] = {}
        self._dials: list[float] = []
        self._waiting: dict[ChecksumAddress, None] = {}
        self._changed = threading.Condition()
        self._is_closed = False
        self._has_announced = False
        self._thread: threading.Thread | None = None

    def announce(self, client: Announcer, setting: str) -> None:
        """Announce one's own address, once for each process.

        A failure is logged; the next call tries again.

        Args:
            client: As for the function `announce`.
            setting: As for the function `announce`.

        Raises:
            ConfigError: The address in the setting may not be dialled by others.
        """
        if self._has_announced:
            return
        try:
            announce(client, self._node, setting, allow_private=self._allow_private)
        except ConfigError:
            raise
        except MarketError as error:
            logger.warning("not announced", extra={"reason": str(error)})
        else:
            self._has_announced = True

    def meet(self, accounts: Iterable[ChecksumAddress]) -> None:
        """Connect to their nodes soon. Never waits.

        Args:
            accounts: Whose announcements to look up. Who was met lately is left out;
                so are those beyond what one minute has room for, until named again.
        """
        with self._changed:
            for account in accounts:
                if self._is_due(account) and len(self._waiting) < _MAX_WAITING:
                    self._waiting[account] = None
            if self._waiting and self._thread is None and not self._is_closed:
                self._thread = threading.Thread(
                    target=self._run, name="introductions", daemon=True
                )
                self._thread.start()
            self._changed.notify()

    def meet_now(self, account: ChecksumAddress) -> str | None:
        """Connect to an account's node and wait for it.

        Args:
            account: Whose announcement to look up.

        Returns:
            The address connected to; None if there is none, it is refused, too many
            were dialled lately, or it does not answer.
        """
        with self._changed:
            now = self._clock()
            # Names cost their requesters little, so those of long ago are not kept.
            self._tried = {
                known: at
                for known, at in self._tried.items()
                if now - at < _AGAIN_SECONDS
            }
            self._tried[account] = now
            self._dials = [at for at in self._dials if now - at < _MINUTE]
            if len(self._dials) >= _MAX_DIALS_PER_MINUTE:
                return None
            self._dials.append(now)
        try:
            return self._connect(account)
        except (AddressRefused, MarketError) as error:
            facts = {"account": account, "reason": str(error)}
            logger.info("peer not reached", extra=facts)
            return None

    def meet_publisher(self, package_digest: Digest) -> str | None:
        """Connect to the node of who registered a model first, and wait for it.

        Args:
            package_digest: The model's package.

        Returns:
            As `meet_now`.
        """
        try:
            logs = self._source.events(kinds=(ModelRegistered,))
        except MarketError as error:
            logger.info("publisher not found", extra={"reason": str(error)})
            return None
        events = [log.event for log in logs]
        for event in events:
            if not isinstance(event, ModelRegistered):
                continue
            if event.spec.package_digest == package_digest:
                return self.meet_now(event.registrant)
        return None

    def close(self) -> None:
        """Meet nobody any more. A connection being made is not waited for."""
        with self._changed:
            self._is_closed = True
            self._waiting.clear()
            self._changed.notify()

    def _is_due(self, account: ChecksumAddress) -> bool:
        tried = self._tried.get(account)
        return tried is None or self._clock() - tried >= _AGAIN_SECONDS

    def _connect(self, account: ChecksumAddress) -> str | None:
        message = _latest(self._source, account, _LOOK_BACK_BLOCKS)
        if message is None:
            return None
        peer = PeerAddress.parse(message, allow_private=self._allow_private)
        self._node.connect(peer.text)
        logger.info("peer met", extra={"account": account, "address": peer.text})
        return peer.text

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._is_closed)
                if self._is_closed:
                    return
                account = next(iter(self._waiting))
            self.meet_now(account)
            with self._changed:
                self._waiting.pop(account, None)
