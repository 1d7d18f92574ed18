"""What a sender finds of the transactions of one that was killed or gave up."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from eth_utils.address import to_checksum_address

from devnet.processes.anvil import Anvil, development_account
from protocol.chain.abi.decoding import topic_of
from protocol.chain.rpc.provider import connect
from protocol.chain.transactions.options import SenderOptions
from protocol.chain.transactions.outbox import Outbox
from protocol.chain.transactions.sender import Call, Sender
from protocol.errors import TransactionDropped
from protocol.host.crash_points import CRASH_AT_VARIABLE
from protocol.market.events import JobSettled
from tests.support.machines.processes import eventually

GWEI = 10**9
ACCOUNT = development_account(7)
ROOT = Path(__file__).resolve().parents[3]
# Sends a wei to nobody with account 7, remembering it in a file.
PROGRAM = """
import sys
from pathlib import Path
from protocol.chain.transactions.outbox import Outbox
from protocol.chain.rpc.provider import connect
from protocol.chain.transactions.sender import Call, Sender
from protocol.chain.transactions.options import SenderOptions
from devnet.processes.anvil import development_account

options = SenderOptions(outbox_path=Path(sys.argv[2]))
sender = Sender(connect(sys.argv[1]), development_account(7), options=options)
sender.send(Call("gift", "0x00000000000000000000000000000000DeaDBeef", b""), value=1)
"""


@pytest.fixture
def outbox(tmp_path: Path) -> Path:
    return tmp_path / "data" / "outbox.sqlite"


def _sender(node: Anvil, outbox: Path, **limits: float) -> Sender:
    usual = {"replace_after_seconds": 60.0, "receipt_timeout_seconds": 30.0}
    options = SenderOptions(outbox_path=outbox, **(usual | limits))  # type: ignore[arg-type]
    return Sender(connect(node.url), ACCOUNT, options=options)


def _gift() -> Call:
    return Call("gift", ACCOUNT.address, b"")


def _leave_behind(node: Anvil, outbox: Path) -> str:
    """A transaction in the pool that nobody waits for; its hash."""
    node.rpc("evm_setAutomine", False)
    with pytest.raises(TransactionDropped, match="0x[0-9a-f]{64}"):
        _sender(node, outbox, receipt_timeout_seconds=0.2).send(_gift())
    pool = node.rpc("txpool_content")["pending"]
    (by_nonce,) = pool.values()
    return str(by_nonce[max(by_nonce, key=int)]["hash"])


def _nonce(node: Anvil) -> int:
    return int(node.rpc("eth_getTransactionCount", ACCOUNT.address, "latest"), 16)


@pytest.mark.parametrize(
    ("label", "sent_before"),
    [
        ("transaction.written", 0),
        ("transaction.sent", 1),
        ("transaction.mined", 1),
        ("transaction.settled", 1),
    ],
)
def test_send_after_a_kill_uses_each_nonce_once(
    own_anvil: Anvil, outbox: Path, label: str, sent_before: int
) -> None:
    killed = subprocess.run(
        [sys.executable, "-c", PROGRAM, own_anvil.url, str(outbox)],
        cwd=ROOT,
        env={**os.environ, CRASH_AT_VARIABLE: label},
        timeout=60,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    # Anvil mines a moment after it has taken a transaction.
    assert eventually(lambda: _nonce(own_anvil) == sent_before)
    sender = _sender(own_anvil, outbox)
    result = sender.send(_gift())
    # Anvil mines a moment after it has taken a transaction.
    assert eventually(lambda: _nonce(own_anvil) == sent_before + 1)
    assert sender.pending_count == 0
    # The one that was mined while nobody looked is counted as well.
    first = sent_before * 21_000
    assert sender.spent_in_a_day() >= (result.gas_used + first) * GWEI


def test_send_after_a_restart_keeps_what_waits_and_goes_behind_it(
    own_anvil: Anvil, outbox: Path
) -> None:
    left = _leave_behind(own_anvil, outbox)
    sender = _sender(own_anvil, outbox)
    assert sender.pending_count == 1
    own_anvil.rpc("evm_setAutomine", True)
    result = sender.send(_gift())
    receipt = own_anvil.rpc("eth_getTransactionReceipt", left)
    assert int(receipt["blockNumber"], 16) <= result.block_number
    assert _nonce(own_anvil) == 2


def test_send_after_a_restart_reuses_the_nonce_of_a_lost_one(
    own_anvil: Anvil, outbox: Path, caplog: pytest.LogCaptureFixture
) -> None:
    left = _leave_behind(own_anvil, outbox)
    own_anvil.rpc("anvil_dropTransaction", left)
    own_anvil.rpc("evm_setAutomine", True)
    sender = _sender(own_anvil, outbox)
    sender.send(Call("other gift", ACCOUNT.address, b""), value=1)
    assert own_anvil.rpc("eth_getTransactionReceipt", left) is None
    assert _nonce(own_anvil) == 1
    assert sender.pending_count == 0
    assert "forgot a lost transaction" in caplog.messages


def test_send_after_a_restart_fills_the_gap_before_what_waits(
    own_anvil: Anvil, outbox: Path
) -> None:
    lost = _leave_behind(own_anvil, outbox)
    waiting = _leave_behind(own_anvil, outbox)
    # One alone: Anvil would take its successor out as well.
    raw = own_anvil.rpc("eth_getRawTransactionByHash", waiting)
    own_anvil.rpc("anvil_dropAllTransactions")
    own_anvil.rpc("eth_sendRawTransaction", raw)
    own_anvil.rpc("evm_setAutomine", True)
    result = _sender(own_anvil, outbox).send(_gift())
    blocks = [
        int(own_anvil.rpc("eth_getTransactionReceipt", tx_hash)["blockNumber"], 16)
        for tx_hash in (lost, waiting)
    ]
    assert max(blocks) <= result.block_number
    assert _nonce(own_anvil) == 3


def test_send_after_a_restart_replaces_a_stuck_one_before_it(
    own_anvil: Anvil, outbox: Path, caplog: pytest.LogCaptureFixture
) -> None:
    left = _leave_behind(own_anvil, outbox)
    own_anvil.rpc("evm_setIntervalMining", 1)
    own_anvil.rpc("anvil_setNextBlockBaseFeePerGas", hex(100 * GWEI))
    sender = _sender(own_anvil, outbox, replace_after_seconds=0.5)
    # Goes behind it, for the node still has it; then the node cannot mine it.
    sender.send(_gift())
    assert own_anvil.rpc("eth_getTransactionReceipt", left) is None
    assert _nonce(own_anvil) == 2
    assert caplog.messages.count("replaced") >= 1
    sender.send(_gift())
    assert sender.pending_count == 0


def test_send_whose_nonce_another_process_took_forgets_its_own(
    own_anvil: Anvil, outbox: Path, caplog: pytest.LogCaptureFixture
) -> None:
    left = _leave_behind(own_anvil, outbox)
    own_anvil.rpc("anvil_dropTransaction", left)
    own_anvil.rpc("evm_setAutomine", True)
    Sender(connect(own_anvil.url), ACCOUNT).send(_gift(), value=1)
    sender = _sender(own_anvil, outbox)
    sender.send(_gift())
    assert sender.pending_count == 0
    assert "another took the nonce" in caplog.messages


def test_senders_of_two_accounts_share_a_file(own_anvil: Anvil, outbox: Path) -> None:
    _leave_behind(own_anvil, outbox)
    own_anvil.rpc("evm_setAutomine", True)
    options = SenderOptions(outbox_path=outbox)
    other = Sender(connect(own_anvil.url), development_account(8), options=options)
    assert other.pending_count == 0
    other.send(_gift())
    assert _sender(own_anvil, outbox).pending_count == 1


def test_send_whose_line_another_process_cleared_finds_its_receipt(
    own_anvil: Anvil, outbox: Path
) -> None:
    """Two commands with one key share the file; the second sees the first's lines."""
    own_anvil.rpc("evm_setAutomine", False)
    sender = _sender(own_anvil, outbox)
    with ThreadPoolExecutor() as pool:
        sent = pool.submit(sender.send, _gift())
        assert eventually(lambda: own_anvil.rpc("txpool_status")["pending"] == "0x1")
        rival = Outbox(outbox, chain_id=own_anvil.chain_id, account=ACCOUNT.address)
        (line,) = rival.pending()
        rival.settle(line.nonce, wei=0, now=line.sent_at)
        own_anvil.mine()
        assert sent.result().tx_hash == line.tx_hash
    assert _nonce(own_anvil) == 1


def test_sender_after_a_contract_wrote_our_topic_sends_on(
    anvil: Anvil, outbox: Path
) -> None:
    """As a callback may, to stop whoever delivers to it."""
    imitator = to_checksum_address("0x" + "1f" * 20)
    # PUSH32 topic, no data, LOG1, STOP.
    code = "0x7f" + topic_of(JobSettled)[2:] + "60006000a100"
    anvil.rpc("anvil_setCode", imitator, code)
    sender = _sender(anvil, outbox, receipt_timeout_seconds=5.0)
    receipt = sender.send(Call("deliver", imitator, b""))
    assert receipt.has_succeeded and receipt.logs == ()
    assert sender.pending_count == 0
    assert _sender(anvil, outbox).send(_gift()).has_succeeded
