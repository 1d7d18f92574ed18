from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace

import base58
import pytest
from eth_typing import ChecksumAddress
from eth_utils.address import to_checksum_address

from protocol.digests import Digest
from protocol.errors import ConfigError, RpcUnavailable, StoreUnavailable
from protocol.market.events import Announced, Event, Log, ModelRegistered
from protocol.peers.introductions import AUTO, OFF, Introductions
from tests.support.machines.processes import eventually
from tests.support.market.values import a_model

ME, ALICE, BOB = (to_checksum_address("0x" + f"{n:02x}" * 20) for n in (1, 2, 3))
ID = base58.b58encode(b"\x12\x20" + b"\7" * 32).decode()
PUBLIC = f"/ip4/203.0.114.7/tcp/4001/p2p/{ID}"
OTHER = f"/ip4/203.0.114.8/tcp/4001/p2p/{ID}"
LOOPBACK = f"/ip4/127.0.0.1/tcp/4001/p2p/{ID}"
PACKAGE = Digest(b"\5" * 32)
SPEC = a_model(package_digest=PACKAGE, vocab_size=100, context_length=16)


@dataclass
class Chain:
    """Announcements in blocks; one's own are mined at once."""

    address: ChecksumAddress = ME
    head: int = 1_000_000
    logs: list[Log] = field(default_factory=list)
    sent: list[bytes] = field(default_factory=list)
    failure: Exception | None = None

    def say(self, account: ChecksumAddress, message: str, *, age: int = 0) -> None:
        self.add(Announced(account, message.encode()), age=age)

    def add(self, event: Event, *, age: int = 0) -> None:
        block = self.head - age
        log = Log(event, block, "", "", len(self.logs), self.address)
        self.logs.append(log)
        self.logs.sort(key=lambda log: log.block_number)

    def block_number(self) -> int:
        return self.head

    def events(
        self,
        *,
        from_block: int | None = None,
        kinds: tuple[type[Event], ...] | None = None,
        account: ChecksumAddress | None = None,
    ) -> list[Log]:
        if self.failure is not None:
            raise self.failure
        return [
            log
            for log in self.logs
            if log.block_number >= (from_block or 0)
            and isinstance(log.event, kinds or Event)
            and (account is None or getattr(log.event, "account", None) == account)
        ]

    def announce(self, message: bytes) -> object:
        self.sent.append(message)
        self.say(self.address, message.decode())
        return None


@dataclass
class Node:
    told: tuple[str, ...] = ()
    met: list[str] = field(default_factory=list)
    failure: Exception | None = None
    lets_go: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.lets_go.set()

    def addresses(self) -> tuple[str, ...]:
        if self.failure is not None:
            raise self.failure
        return self.told

    def connect(self, address: str) -> None:
        self.met.append(address)
        assert self.lets_go.wait(30)
        if self.failure is not None:
            raise self.failure


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def introduced(
    chain: Chain,
    node: Node,
    own_address: str = OFF,
    *,
    allow_private: bool = False,
    clock: Clock | None = None,
) -> Introductions:
    return Introductions(
        chain,
        node,
        allow_private=allow_private,
        own_address=own_address,
        clock=clock or Clock(),
    )


# ---------------------------------------------------------------- announcing


def test_announce_auto_says_the_public_address_once() -> None:
    chain, node = Chain(), Node(told=(LOOPBACK, PUBLIC))

    for _ in range(2):
        introduced(chain, node, AUTO).announce()

    assert chain.sent == [PUBLIC.encode()]


def test_announce_auto_without_a_public_address_says_nothing() -> None:
    chain, node = Chain(), Node(told=(LOOPBACK,))
    introduced(chain, node, AUTO).announce()
    assert chain.sent == []
    introduced(chain, node, AUTO, allow_private=True).announce()
    assert chain.sent == [LOOPBACK.encode()]


def test_announce_off_asks_nobody() -> None:
    chain = Chain(failure=RpcUnavailable("down"))
    node = Node(failure=StoreUnavailable("down"))
    introduced(chain, node, OFF, allow_private=True).announce()
    assert chain.sent == []


def test_announce_another_address_than_before_says_it() -> None:
    chain = Chain()
    for address in (PUBLIC, OTHER, PUBLIC):
        introduced(chain, Node(), address).announce()
    assert chain.sent == [text.encode() for text in (PUBLIC, OTHER, PUBLIC)]


def test_announce_long_ago_is_said_again() -> None:
    chain = Chain()
    chain.say(ME, PUBLIC, age=30_000)
    introduced(chain, Node(), PUBLIC).announce()
    assert len(chain.sent) == 1


def test_announce_private_address_in_the_setting_is_refused() -> None:
    with pytest.raises(ConfigError, match="private_peers"):
        introduced(Chain(), Node(), LOOPBACK)


def test_announce_node_down_is_tried_again_by_the_next_call() -> None:
    chain, node = Chain(), Node(told=(PUBLIC,), failure=StoreUnavailable("down"))
    introductions = introduced(chain, node, AUTO)
    introductions.announce()
    assert chain.sent == []
    node.failure = None
    introductions.announce()
    introductions.announce()
    assert chain.sent == [PUBLIC.encode()]


def test_announce_by_several_threads_is_said_once() -> None:
    chain, node = Chain(), Node(told=(PUBLIC,))
    introductions = introduced(chain, node, AUTO)
    both_asked = threading.Barrier(2)

    def announce() -> None:
        both_asked.wait(30)
        introductions.announce()

    threads = [threading.Thread(target=announce) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert chain.sent == [PUBLIC.encode()]


# ---------------------------------------------------------------- meeting


def test_meet_now_dials_the_latest_announcement_of_that_account() -> None:
    chain, node = Chain(), Node()
    chain.say(ALICE, OTHER, age=9)
    chain.say(ALICE, PUBLIC, age=5)
    chain.say(BOB, OTHER)

    assert introduced(chain, node).meet_now(ALICE) == PUBLIC
    assert node.met == [PUBLIC]


@pytest.mark.parametrize("message", [LOOPBACK, "nonsense", f"/dns4/x/tcp/1/p2p/{ID}"])
def test_meet_now_address_of_another_kind_is_not_dialled(message: str) -> None:
    chain, node = Chain(), Node()
    chain.say(ALICE, message)
    assert introduced(chain, node).meet_now(ALICE) is None
    assert node.met == []


def test_meet_now_private_address_is_dialled_with_permission() -> None:
    chain, node = Chain(), Node()
    chain.say(ALICE, LOOPBACK)
    assert introduced(chain, node, allow_private=True).meet_now(ALICE) == LOOPBACK


def test_meet_now_old_announcement_is_not_looked_for() -> None:
    chain, node = Chain(), Node()
    chain.say(ALICE, PUBLIC, age=60_000)
    assert introduced(chain, node).meet_now(ALICE) is None


@pytest.mark.parametrize("failure", [RpcUnavailable("down"), StoreUnavailable("down")])
def test_meet_now_failure_changes_nothing(failure: Exception) -> None:
    chain, node = Chain(), Node()
    chain.say(ALICE, PUBLIC)
    if isinstance(failure, RpcUnavailable):
        chain.failure = failure
    else:
        node.failure = failure
    assert introduced(chain, node).meet_now(ALICE) is None


def test_meet_now_a_minute_has_room_for_so_many_only() -> None:
    chain, node, clock = Chain(), Node(), Clock()
    introductions = introduced(chain, node, clock=clock)
    for number in range(100):
        account = to_checksum_address(f"0x{number + 1_000:040x}")
        chain.say(account, PUBLIC)
        introductions.meet_now(account)
    assert len(node.met) == 30
    clock.now = 61.0
    assert introductions.meet_now(ALICE) is None  # has not announced
    chain.say(BOB, OTHER)
    assert introductions.meet_now(BOB) == OTHER


def test_meet_publisher_dials_who_registered_the_package() -> None:
    chain, node = Chain(), Node()
    elsewhere = replace(SPEC, package_digest=Digest(b"\6" * 32))
    chain.add(ModelRegistered(elsewhere.model_id(), BOB, elsewhere))
    chain.add(ModelRegistered(SPEC.model_id(), ALICE, SPEC))
    chain.say(ALICE, PUBLIC)
    introductions = introduced(chain, node)

    assert introductions.meet_publisher(PACKAGE) == PUBLIC
    assert introductions.meet_publisher(Digest(bytes(32))) is None
    chain.failure = RpcUnavailable("down")
    assert introductions.meet_publisher(PACKAGE) is None


def test_meet_never_waits_and_dials_each_once_for_a_while() -> None:
    chain, node, clock = Chain(), Node(), Clock()
    chain.say(ALICE, PUBLIC)
    chain.say(BOB, OTHER)
    node.lets_go.clear()
    introductions = introduced(chain, node, clock=clock)

    introductions.meet([ALICE])  # returns while the node connects
    assert eventually(lambda: node.met == [PUBLIC])
    introductions.meet([ALICE, BOB, ALICE])
    node.lets_go.set()
    assert eventually(lambda: node.met == [PUBLIC, OTHER])
    introductions.meet([ALICE, BOB])
    clock.now = 31.0
    introductions.meet([ALICE])
    assert eventually(lambda: node.met == [PUBLIC, OTHER, PUBLIC])
    introductions.close()


def test_meet_after_close_dials_nobody() -> None:
    chain, node = Chain(), Node()
    chain.say(ALICE, PUBLIC)
    others = _threads()
    introductions = introduced(chain, node)
    introductions.close()
    introductions.meet([ALICE])
    assert _threads() <= others
    assert node.met == []


def test_close_ends_the_thread() -> None:
    chain, node = Chain(), Node()
    chain.say(ALICE, PUBLIC)
    others = _threads()
    introductions = introduced(chain, node)
    introductions.meet([ALICE])
    assert eventually(lambda: node.met == [PUBLIC])
    (thread,) = _threads() - others
    introductions.close()
    assert eventually(lambda: not thread.is_alive())


def _threads() -> set[threading.Thread]:
    """The threads of this test, and of what others have not closed."""
    return {t for t in threading.enumerate() if t.name == "introductions"}
