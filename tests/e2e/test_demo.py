"""The demo as a newcomer runs it, with honest workers and with a liar."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from eth_utils.crypto import keccak

from protocol.hexadecimal import to_hex
from tests.e2e.assay_command import Assay

BOND = 50_000_000
LIMIT_SECONDS = 90.0
KEYS = {
    *("prompts", "redundancy", "quorum", "state", "escrowed", "paid", "refunded"),
    *("fees", "slashed", "workersPaid", "gasByPhase", "gasTotal", "blocksToResult"),
    *("inferenceSeconds", "totalSeconds"),
}


def summary_of(assay: Assay) -> dict[str, Any]:
    folder = assay.folder / ".assay" / "demo"
    # The network's own folder goes when all went well.
    written = {"summary.json", "receipt.json", "gateway-receipt.json"}
    assert {path.name for path in folder.iterdir()} == written
    summary: dict[str, Any] = json.loads((folder / "summary.json").read_text())
    return summary


def assert_adds_up(summary: dict[str, Any]) -> None:
    assert set(summary) >= KEYS
    assert summary["state"] == "Accepted"
    parts = (summary[name] for name in ("paid", "refunded", "fees"))
    assert sum(parts) == summary["escrowed"]
    given = [*summary["workersPaid"], *summary["bountiesPaid"]]
    assert sum(entry["amount"] for entry in given) == summary["paid"]
    assert sum(summary["gasByPhase"].values()) == summary["gasTotal"]
    assert all(check["holds"] for check in summary["checks"])
    assert len(summary["outputs"]) == summary["prompts"] >= 8
    assert (summary["redundancy"], summary["quorum"]) == (3, 2)
    assert 0 < summary["inferenceSeconds"] < summary["totalSeconds"]


def test_demo_honest_workers_are_all_paid(assay: Assay) -> None:
    output = assay.ok("demo")
    summary = summary_of(assay)
    assert_adds_up(summary)
    assert len(summary["workersPaid"]) == 3
    assert summary["slashed"] == 0
    assert summary["totalSeconds"] <= LIMIT_SECONDS
    for text in summary["outputs"]:
        assert text["prompt"] in output
    assert "is valid" in output
    assert_verify_needs_a_chain(assay, Path(".assay/demo/receipt.json"))
    assert_verifies_offline(assay, Path(".assay/demo/gateway-receipt.json"))


def assert_verifies_offline(assay: Assay, receipt: Path) -> None:
    """The network is gone; the hash of one block of it is enough."""
    header = json.loads((assay.folder / receipt).read_text())["proof"]["headers"][-1]
    block_hash = to_hex(keccak(hexstr=header))
    assert "is valid" in assay.ok("verify", str(receipt), "--block-hash", block_hash)


def assert_verify_needs_a_chain(assay: Assay, receipt: Path) -> None:
    done = assay.run("verify", str(receipt))
    assert done.returncode != 0
    assert "needs an RPC" in done.stderr


def test_demo_liar_is_slashed_and_the_honest_are_paid(assay: Assay) -> None:
    assay.ok("demo", "--liar")
    summary = summary_of(assay)
    assert_adds_up(summary)
    liar = summary["liar"]
    assert summary["slashed"] == BOND
    assert summary["workersSlashed"] == [
        {"address": liar, "amount": BOND, "reason": "wrong_result"}
    ]
    paid = {entry["address"] for entry in summary["workersPaid"]}
    assert len(paid) == 2
    assert liar not in paid
    names = {check["name"] for check in summary["checks"]}
    assert "the accepted result is the honest one" in names
    assert summary["totalSeconds"] <= LIMIT_SECONDS
