"""The cursor's decisions over a chain made of values."""

from __future__ import annotations

from collections.abc import Callable, Collection

import pytest
from eth_typing import ChecksumAddress
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.chain.cursor import (
    KEPT_BLOCKS,
    CursorPosition,
    EventBatch,
    EventCursor,
)
from protocol.errors import RpcUnavailable
from protocol.market.events import Event, Log, StakeDeposited
from protocol.market.types import ZERO_ADDRESS

ACCOUNT: ChecksumAddress = ZERO_ADDRESS


class Chain:
    """Blocks by number; each has a hash and at most one log."""

    def __init__(self) -> None:
        self.blocks: list[tuple[str, int | None]] = []
        self.longest = 0
        self._made = 0
        self.before_events: Callable[[], None] = lambda: None

    def mine(self, amount: int | None = None) -> None:
        self._made += 1
        self.blocks.append((f"0x{self._made:064x}", amount))
        self.longest = max(self.longest, len(self.blocks))

    def drop(self, count: int) -> None:
        del self.blocks[len(self.blocks) - count :]

    def amounts(self) -> list[int]:
        return [amount for _, amount in self.blocks if amount is not None]

    def block_number(self) -> int:
        return len(self.blocks) - 1

    def block_hash(self, number: int) -> str | None:
        return self.blocks[number][0] if number < len(self.blocks) else None

    def events(
        self,
        *,
        from_block: int | None = None,
        to_block: int | None = None,
        kinds: Collection[type[Event]] | None = None,
    ) -> list[Log]:
        self.before_events()
        assert from_block is not None
        assert to_block is not None
        return [
            _log(number, *self.blocks[number])
            for number in range(from_block, min(to_block + 1, len(self.blocks)))
            if self.blocks[number][1] is not None
        ]


def _log(number: int, digest: str, amount: int | None) -> Log:
    assert amount is not None
    event = StakeDeposited(ACCOUNT, amount)
    return Log(event, number, digest, "0x", 0, ACCOUNT)


def _amount(log: Log) -> int:
    assert isinstance(log.event, StakeDeposited)
    return log.event.amount


@pytest.fixture
def chain() -> Chain:
    chain = Chain()
    for amount in (None, 1, None, 2):
        chain.mine(amount)
    return chain


def test_poll_of_a_chain_shorter_than_the_start_finds_nothing() -> None:
    chain = Chain()
    chain.mine()
    cursor = EventCursor(chain, start_block=5, confirmations=3)
    assert cursor.poll() == EventBatch((), None, 4)
    assert cursor.position is None


def test_poll_from_the_start_block_leaves_older_logs_out(chain: Chain) -> None:
    batch = EventCursor(chain, start_block=2).poll()
    assert [_amount(log) for log in batch.logs] == [2]


@pytest.mark.parametrize("new_blocks", [(None, 9), (9, None), (None, None)])
def test_poll_that_meets_a_reorg_while_reading_delivers_nothing(
    chain: Chain, new_blocks: tuple[int | None, ...]
) -> None:
    cursor = EventCursor(chain, start_block=0)

    def reorganise() -> None:
        chain.before_events = lambda: None
        chain.drop(len(new_blocks))
        for amount in new_blocks:
            chain.mine(amount)

    chain.before_events = reorganise
    assert cursor.poll() == EventBatch((), None, -1)
    assert [_amount(log) for log in cursor.poll().logs] == chain.amounts()


def test_poll_that_meets_a_reorg_below_what_it_saw_rewinds_next_time(
    chain: Chain,
) -> None:
    cursor = EventCursor(chain, start_block=0)
    cursor.poll()
    chain.mine(3)

    def reorganise() -> None:
        chain.before_events = lambda: None
        chain.drop(2)
        chain.mine(8)
        chain.mine(9)

    chain.before_events = reorganise
    assert cursor.poll() == EventBatch((), None, 3)
    batch = cursor.poll()
    assert batch.rewound_to == 1
    assert [_amount(log) for log in batch.logs] == [8, 9]


def test_poll_that_fails_leaves_the_cursor_where_it_was(chain: Chain) -> None:
    cursor = EventCursor(chain, start_block=0)

    def fail() -> None:
        raise RpcUnavailable("down")

    chain.before_events = fail
    with pytest.raises(RpcUnavailable):
        cursor.poll()
    chain.before_events = lambda: None
    assert [_amount(log) for log in cursor.poll().logs] == [1, 2]


def test_poll_after_a_reorg_beyond_memory_starts_over(chain: Chain) -> None:
    cursor = EventCursor(chain, start_block=1)
    cursor.poll()
    chain.drop(4)
    for amount in (None, 5, 6):
        chain.mine(amount)
    batch = cursor.poll()
    assert batch.rewound_to == 0
    assert [_amount(log) for log in batch.logs] == [5, 6]


def test_poll_of_a_node_that_is_behind_takes_nothing_back(chain: Chain) -> None:
    cursor = EventCursor(chain, start_block=0)
    cursor.poll()
    newest = chain.blocks[-2:]
    chain.drop(2)
    assert cursor.poll() == EventBatch((), None, 3)
    chain.blocks += newest
    chain.mine(7)
    batch = cursor.poll()
    assert ([_amount(log) for log in batch.logs], batch.rewound_to) == ([7], None)


def test_poll_between_a_node_and_one_that_lacks_its_block_takes_nothing_back(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    cursor = EventCursor(chain, start_block=0)
    cursor.poll()
    chain.mine(7)
    with monkeypatch.context() as patched:
        patched.setattr(
            chain, "block_hash", lambda n: chain.blocks[n][0] if n != 3 else None
        )
        batch = cursor.poll()
    assert ([_amount(log) for log in batch.logs], batch.rewound_to) == ([7], None)


def test_poll_of_a_shorter_fork_rewinds_at_once(chain: Chain) -> None:
    cursor = EventCursor(chain, start_block=0)
    for amount in (3, 4, 5):
        cursor.poll()
        chain.mine(amount)
    cursor.poll()
    chain.drop(3)
    chain.mine(8)
    batch = cursor.poll()
    assert batch.rewound_to == 3
    assert [_amount(log) for log in batch.logs] == [8]


def test_position_of_a_block_alone_goes_on_or_starts_over(chain: Chain) -> None:
    digest = chain.blocks[1][0]
    known = CursorPosition(1, digest)
    batch = EventCursor(chain, start_block=0, position=known).poll()
    assert ([_amount(log) for log in batch.logs], batch.rewound_to) == ([2], None)

    gone = CursorPosition(1, "0x" + "ff" * 32)
    batch = EventCursor(chain, start_block=0, position=gone).poll()
    assert ([_amount(log) for log in batch.logs], batch.rewound_to) == ([1, 2], -1)


def test_position_remembers_a_bounded_number_of_blocks() -> None:
    chain = Chain()
    cursor = EventCursor(chain, start_block=0)
    for amount in range(KEPT_BLOCKS + 50):
        chain.mine(amount)
        cursor.poll()
    position = cursor.position
    assert position is not None
    assert len(position.earlier) == KEPT_BLOCKS - 1
    newest = [position.block_number, *(number for number, _ in position.earlier)]
    assert newest == sorted(newest, reverse=True)


STEPS = st.one_of(
    st.tuples(st.just("mine"), st.booleans()),
    st.tuples(st.just("drop"), st.integers(1, 6)),
    st.tuples(st.just("poll"), st.none()),
    st.tuples(st.just("restart"), st.none()),
)


@settings(deadline=None)
@given(st.lists(STEPS, max_size=60), st.integers(0, 2))
def test_poll_whatever_happens_leaves_the_logs_of_the_chain(
    steps: list[tuple[str, int | None]], confirmations: int
) -> None:
    """A caller that undoes what it is told to has the chain's own logs in the end.

    The end comes when the chain is longer than ever, as that of a reorganisation is.
    """
    chain = Chain()
    chain.mine()
    cursor = EventCursor(chain, start_block=0, confirmations=confirmations)
    applied: list[Log] = []

    def poll() -> None:
        nonlocal applied
        batch = cursor.poll()
        if batch.rewound_to is not None:
            applied = [log for log in applied if log.block_number <= batch.rewound_to]
        applied += batch.logs

    for count, (step, argument) in enumerate(steps):
        if step == "mine":
            chain.mine(count if argument else None)
        elif step == "drop":
            chain.drop(min(argument or 0, len(chain.blocks) - 1))
        elif step == "poll":
            poll()
        else:
            cursor = EventCursor(
                chain,
                start_block=0,
                confirmations=confirmations,
                position=cursor.position,
            )
    for _ in range(chain.longest - len(chain.blocks) + confirmations):
        chain.mine()
    poll()
    assert [_amount(log) for log in applied] == chain.amounts()
