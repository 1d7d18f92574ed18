from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from protocol.chain.abi.decoding import topic_of
from protocol.chain.rpc.receipts import TxReceipt, fetch_receipt
from protocol.errors import RpcUnavailable
from protocol.market.events import JobSettled

TX_HASH = "0x" + "ab" * 32
MINED = {
    "blockNumber": "0x10",
    "blockHash": "0x" + "cd" * 32,
    "status": "0x0",
    "gasUsed": "0x5208",
    "effectiveGasPrice": "0x3b9aca00",
    "logs": [{"topics": ["0x" + "12" * 32]}],
    "contractAddress": "0x" + "ab" * 20,
}


def _fetch(answer: object) -> TxReceipt | None:
    manager = SimpleNamespace(request_blocking=lambda method, params: answer)
    web3: Any = SimpleNamespace(manager=manager)
    return fetch_receipt(web3, TX_HASH)


def test_fetch_receipt_of_a_failed_transaction_tells_what_it_cost() -> None:
    created: Any = "0xABaBaBaBABabABabAbAbABAbABabababaBaBABaB"
    block_hash = "0x" + "cd" * 32
    assert _fetch(MINED) == TxReceipt(
        TX_HASH, 16, block_hash, False, 21_000, 10**9, (), created
    )


def test_fetch_receipt_without_a_price_costs_nothing() -> None:
    """As nodes of before EIP-1559 write it."""
    receipt = _fetch({k: v for k, v in MINED.items() if k != "effectiveGasPrice"})
    assert receipt is not None
    assert receipt.gas_price == 0


def test_fetch_receipt_with_a_strangers_log_under_our_topic_leaves_it_out() -> None:
    receipt = _fetch({**MINED, "logs": [{"topics": [topic_of(JobSettled)]}]})
    assert receipt is not None
    assert receipt.logs == ()


@pytest.mark.parametrize("answer", [None, {**MINED, "blockNumber": None}])
def test_fetch_receipt_of_a_transaction_in_no_block_is_none(answer: object) -> None:
    assert _fetch(answer) is None


@pytest.mark.parametrize(
    "changes",
    [{"gasUsed": None}, {"status": "ok"}, {"logs": None}, {"contractAddress": "0x12"}],
)
def test_fetch_receipt_that_is_malformed_raises(changes: dict[str, object]) -> None:
    with pytest.raises(RpcUnavailable, match=f"malformed receipt of {TX_HASH}"):
        _fetch({**MINED, **changes})
