"""How many blocks are asked for at once."""

from __future__ import annotations

import pytest

from protocol.chain.rpc.event_logs import MAX_BLOCKS_AT_ONCE, ChunkSize


def _fetch(size: ChunkSize, blocks: int, limit: int, reason: str = "") -> list[int]:
    """Ask for that many blocks from a node with a limit; the sizes refused."""
    refused = []
    while blocks:
        span = min(size.blocks, blocks)
        if span > limit:
            refused.append(span)
            size.refused(span, reason)
            continue
        size.succeeded(span)
        blocks -= span
    return refused


def test_refused_size_is_halved_until_it_fits() -> None:
    size = ChunkSize()
    assert _fetch(size, 100_000, limit=2_000)[:3] == [10_000, 5_000, 2_500]


def test_succeeded_sizes_come_close_to_the_limit() -> None:
    size = ChunkSize()
    refused = _fetch(size, 400_000, limit=2_000)
    assert size.blocks > 1_500
    # A refusal costs a question, so they must be few among the 200 and more.
    assert len(refused) <= 12


def test_succeeded_long_enough_grows_back_when_the_limit_is_gone() -> None:
    size = ChunkSize()
    _fetch(size, 20_000, limit=100)
    assert size.blocks <= 100
    assert _fetch(size, 1_000_000, limit=MAX_BLOCKS_AT_ONCE) == []
    assert size.blocks == MAX_BLOCKS_AT_ONCE


def test_succeeded_short_range_teaches_nothing() -> None:
    size = ChunkSize()
    size.refused(10_000, "")
    for _ in range(100):
        size.succeeded(4_999)
    assert size.blocks == 5_000


@pytest.mark.parametrize(
    ("reason", "blocks"),
    [
        ("Try with this block range [0x10, 0x1f].", 16),
        ("this block range should work: [0x0, 0x0]", 1),
        ("Try with this block range [0x20, 0x10].", 1),
        ("Try with this block range [0x0, 0xffffff].", 5_000),
        ("query returned more than 10000 results", 5_000),
    ],
)
def test_refused_with_advice_takes_it_if_it_is_smaller(
    reason: str, blocks: int
) -> None:
    size = ChunkSize()
    size.refused(10_000, reason)
    assert size.blocks == blocks


def test_failed_size_is_smaller_next_time_and_never_none() -> None:
    size = ChunkSize(4)
    for expected in (2, 1, 1):
        size.failed(size.blocks)
        assert size.blocks == expected
    for expected in (2, 3, 4, 4):
        size.succeeded(size.blocks)
        assert size.blocks == expected
