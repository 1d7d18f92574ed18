"""A receipt's proof, checked against nothing but the hash of a block."""

from __future__ import annotations

import json
import random
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from protocol.errors import BadReceipt, RequestError, RpcUnavailable
from protocol.hexadecimal import from_hex
from requester.receipts.build import build
from requester.receipts.proof import Trusted
from requester.receipts.verify import verify, verify_offline
from tests.support.market.values import an_address
from tests.support.market.world import TEXTS, World
from tests.unit.requester.receipts.test_verify import STEPS


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World.build(tmp_path)


@pytest.fixture
def receipt(world: World) -> dict[str, Any]:
    return build(world.settled(liar=True))


def _trusted(world: World, receipt: dict[str, Any]) -> Trusted:
    last = receipt["settled"]["blockNumber"]
    block_hash = world.market.block_hash(last)
    assert block_hash is not None
    return Trusted(from_hex(block_hash))


def test_verify_offline_needs_nothing_but_the_hash_of_a_block(
    world: World, receipt: dict[str, Any]
) -> None:
    trusted = _trusted(world, receipt)
    world.market.failures.append(RpcUnavailable("nobody is asked"))
    assert [check.step for check in verify_offline(receipt, trusted)] == STEPS
    with pytest.raises(BadReceipt, match="headers: the proof ends in block"):
        verify_offline(receipt, replace(trusted, block_hash=bytes(32)))
    with pytest.raises(BadReceipt, match="record: the code at .* is another contract"):
        verify_offline(receipt, replace(trusted, code_hash=bytes(32)))
    with pytest.raises(BadReceipt, match="marketplace: .* trusted is 0x"):
        verify_offline(receipt, replace(trusted, marketplace=an_address("another")))


def test_verify_offline_every_flipped_byte_is_rejected(
    world: World, receipt: dict[str, Any]
) -> None:
    trusted = _trusted(world, receipt)
    text = json.dumps(receipt).encode()
    chance = random.Random(7)
    for _ in range(400):
        place, bit = chance.randrange(len(text)), 1 << chance.randrange(7)
        flipped = bytearray(text)
        flipped[place] ^= bit
        with suppress(ValueError):
            value = json.loads(flipped)
            if value != receipt:
                with pytest.raises(BadReceipt):
                    verify_offline(value, trusted)


def test_build_for_one_caller_shows_its_outputs_alone(world: World) -> None:
    job = world.settled()
    value = build(job, [1])
    (only,) = value["outputs"]
    assert (only["index"], only["output"]["text"]) == (1, TEXTS[1])
    assert TEXTS[0] not in json.dumps(value, ensure_ascii=False)
    facts = {check.step: check.fact for check in verify(value, world.market)}
    assert facts["outputs"] == "1 of 3 under the accepted root"
    for missing in ([], [3], [-1]):
        with pytest.raises(RequestError, match="are not some of 0 to 2"):
            build(job, missing)


def test_build_on_a_node_without_old_states_proves_a_later_block(
    world: World, receipt: dict[str, Any]
) -> None:
    job = world.settled()
    settled = job.timeline().settled
    assert settled is not None
    world.market.mine(3)
    world.market.oldest_state = settled.log.block_number + 1
    value = build(job)
    verify(value, world.market)
    posted = value["posted"]["blockNumber"]
    assert posted + len(value["proof"]["headers"]) - 1 == settled.log.block_number + 3
