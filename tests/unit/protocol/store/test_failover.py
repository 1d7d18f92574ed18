from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from protocol.digests import Digest
from protocol.errors import (
    ConfigError,
    ContentNotFound,
    ContentTooLarge,
    DigestMismatch,
    StoreError,
    StoreUnavailable,
)
from protocol.store.failover import FailoverStore, open_store
from protocol.store.ipfs import IpfsStore
from protocol.store.memory import MemoryStore

MISSING = Digest(b"\1" * 32)


@dataclass
class Node(MemoryStore):
    """A node in memory that fails as it is told, and counts what it is asked."""

    api: str
    failure: StoreError | None = None
    told: tuple[str, ...] = ()
    asked: int = 0
    met: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def put(self, data: bytes) -> Digest:
        self._fail()
        return super().put(data)

    def get(self, digest: Digest, *, max_bytes: int) -> bytes:
        self._fail()
        return super().get(digest, max_bytes=max_bytes)

    def unpin(self, digest: Digest) -> None:
        self._fail()
        super().unpin(digest)

    def ping(self) -> str:
        self._fail()
        return self.api

    def addresses(self) -> tuple[str, ...]:
        self._fail()
        return self.told

    def connect(self, address: str) -> None:
        self._fail()
        self.met.append(address)

    def _fail(self) -> None:
        self.asked += 1
        if self.failure is not None:
            raise self.failure


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def joined(*nodes: Node, clock: Clock | None = None) -> FailoverStore:
    return FailoverStore(nodes, clock=clock or Clock())


DOWN = StoreUnavailable("is down")


def test_get_first_node_down_comes_from_the_second() -> None:
    first, second = Node("a", DOWN), Node("b")
    digest = second.put(b"data")

    assert joined(first, second).get(digest, max_bytes=4) == b"data"


def test_get_first_node_lies_comes_from_the_second() -> None:
    first, second = Node("a"), Node("b")
    digest = second.put(b"data")
    first.files[digest] = b"lies"

    assert joined(first, second).get(digest, max_bytes=4) == b"data"


def test_get_first_node_has_it_asks_nobody_else() -> None:
    first, second = Node("a"), Node("b")
    digest = first.put(b"data")

    assert joined(first, second).get(digest, max_bytes=4) == b"data"
    assert second.asked == 0


def test_get_after_a_failure_asks_that_node_last_for_a_while() -> None:
    clock = Clock()
    first, second = Node("a", DOWN), Node("b")
    digest = second.put(b"data")
    store = joined(first, second, clock=clock)
    store.get(digest, max_bytes=4)
    store.get(digest, max_bytes=4)
    assert first.asked == 1

    clock.now = 60.0
    store.get(digest, max_bytes=4)
    assert first.asked == 2


def test_get_all_mistrusted_are_asked_all_the_same() -> None:
    first, second = Node("a", DOWN), Node("b", DOWN)
    store = joined(first, second)
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            store.get(MISSING, max_bytes=4)
    assert (first.asked, second.asked) == (2, 2)


def test_get_missing_node_is_not_mistrusted() -> None:
    first, second = Node("a"), Node("b")
    store = joined(first, second)
    with pytest.raises(ContentNotFound):
        store.get(MISSING, max_bytes=4)
    first.put(b"data")
    store.put(b"other")
    assert first.asked == 3


@pytest.mark.parametrize(
    ("failures", "kind"),
    [
        ((DOWN, ContentNotFound("no")), ContentNotFound),
        ((ContentNotFound("no"), DOWN), ContentNotFound),
        ((DigestMismatch("lies"), DOWN), StoreUnavailable),
        ((ContentTooLarge("big"), ContentNotFound("no")), ContentNotFound),
        ((DigestMismatch("lies"), ContentTooLarge("big")), DigestMismatch),
    ],
)
def test_get_no_node_has_it_is_retryable_if_any_is(
    failures: tuple[StoreError, ...], kind: type[StoreError]
) -> None:
    nodes = [Node(str(number), failure) for number, failure in enumerate(failures)]
    with pytest.raises(StoreError) as caught:
        joined(*nodes).get(MISSING, max_bytes=4)
    assert type(caught.value) is kind
    assert caught.value.is_retryable == any(f.is_retryable for f in failures)
    for failure in failures:
        assert str(failure) in str(caught.value)


def test_put_first_node_down_goes_to_the_second() -> None:
    first, second = Node("a", DOWN), Node("b")
    digest = joined(first, second).put(b"data")
    assert second.pinned == {digest}


def test_unpin_is_told_to_every_node() -> None:
    first, second = Node("a"), Node("b")
    digest = first.put(b"data")
    second.put(b"data")
    joined(first, second).unpin(digest)
    assert first.pinned == second.pinned == set()


def test_unpin_one_node_down_raises_after_telling_the_others() -> None:
    first, second = Node("a", DOWN), Node("b")
    digest = second.put(b"data")
    with pytest.raises(StoreUnavailable):
        joined(first, second).unpin(digest)
    assert second.pinned == set()


def test_put_directory_and_get_file_pass_through() -> None:
    store = joined(Node("a"), Node("b"))
    digest = store.put_directory({"x": b"1", "y": b"22"})
    store.pin(digest)
    assert store.get_directory(digest) == {"x": b"1", "y": b"22"}
    assert store.get_file(digest, "y", max_bytes=2) == b"22"


def test_addresses_are_those_of_all_nodes_that_answer() -> None:
    nodes = Node("a", told=("1",)), Node("b", DOWN), Node("c", told=("2", "3"))
    assert joined(*nodes).addresses() == ("1", "2", "3")
    assert joined(Node("a")).addresses() == ()
    with pytest.raises(StoreUnavailable):
        joined(Node("a", DOWN)).addresses()


def test_connect_is_told_to_every_node_and_needs_one() -> None:
    first, second = Node("a"), Node("b", DOWN)
    joined(first, second).connect("peer")
    assert first.met == ["peer"]
    with pytest.raises(StoreUnavailable):
        joined(Node("a", DOWN), second).connect("peer")


def test_ping_names_the_first_that_answers() -> None:
    store = joined(Node("a", DOWN), Node("b"))
    assert (store.ping(), store.api) == ("b", "a,b")


def test_failover_store_without_nodes_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        FailoverStore([])


def test_open_store_one_address_is_that_node() -> None:
    assert isinstance(open_store("http://127.0.0.1:5001"), IpfsStore)


def test_open_store_several_addresses_hide_credentials() -> None:
    store = open_store("http://u:secret@127.0.0.1:1, http://127.0.0.1:2")
    assert isinstance(store, FailoverStore)
    assert store.api == "http://127.0.0.1:1,http://127.0.0.1:2"


def test_open_store_empty_address_is_refused() -> None:
    with pytest.raises(ConfigError, match="IPFS address"):
        open_store("http://127.0.0.1:1,")
