"""A paid batch on real parts, from the command line and with a worker that crashes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from devnet.demo.audit import audit
from protocol.chain.client import MarketClient
from protocol.chain.deployment import Deployment
from protocol.market.events import CommitteeDrawn
from tests.e2e.assay_command import Assay

PROMPTS = (
    "It is a truth universally acknowledged, that",
    "Elizabeth walked across the park, and",
    "Captain Wentworth had not forgiven Anne.",
)


def market_of(network: Assay) -> MarketClient:
    state = network.json("status")
    deployment = Deployment.load(network.folder / ".assay" / "deployment.json")
    return MarketClient.connect(state["rpcUrl"], deployment)


@pytest.fixture(scope="module")
def submitted(network: Assay) -> dict[str, Any]:
    """A batch, submitted without a flag that says where anything is."""
    prompts = network.folder / "prompts.txt"
    prompts.write_text("\n".join(PROMPTS))
    flags = ("--max-new-tokens", "12", "--yes", "--receipt", "receipt.json")
    view: dict[str, Any] = network.json("job", "submit", "--file", str(prompts), *flags)
    return view


def test_submit_batch_is_accepted_and_adds_up(submitted: dict[str, Any]) -> None:
    assert submitted["state"] == "Accepted"
    assert [o["prompt"] for o in submitted["outputs"]] == list(PROMPTS)
    assert all(output["text"] for output in submitted["outputs"])
    assert len(submitted["workersPaid"]) == 3
    parts = (submitted[name] for name in ("paid", "refunded", "fees"))
    assert sum(parts) == submitted["escrowed"]


def test_audit_after_jobs_finds_every_unit(
    network: Assay, submitted: dict[str, Any]
) -> None:
    assert audit(market_of(network)) == []


def test_verify_receipt_is_valid_and_a_tampered_one_is_not(
    network: Assay, submitted: dict[str, Any]
) -> None:
    assert "is valid" in network.ok("verify", "receipt.json")
    receipt = json.loads((network.folder / "receipt.json").read_text())
    receipt["outputs"][0]["output"]["text"] += "!"
    (network.folder / "tampered.json").write_text(json.dumps(receipt))
    done = network.run("verify", "tampered.json")
    assert done.returncode == 4
    assert "outputs" in done.stderr


def test_verify_without_chain_says_that_it_needs_one(
    network: Assay, assay: Assay, submitted: dict[str, Any]
) -> None:
    receipt = network.folder / "receipt.json"
    done = assay.run("verify", str(receipt))
    assert done.returncode != 0
    assert "needs an RPC" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_status_after_jobs_counts_them_by_state(
    network: Assay, submitted: dict[str, Any]
) -> None:
    jobs = network.json("status")["jobs"]
    assert jobs["Accepted"] >= 1
    # Others' tests leave withdrawn jobs behind, none that failed.
    assert set(jobs) <= {"Accepted", "Cancelled"}


def test_committee_drawn_has_three_distinct_workers(
    network: Assay, submitted: dict[str, Any]
) -> None:
    logs = market_of(network).events(kinds=(CommitteeDrawn,))
    drawn = [log.event for log in logs if isinstance(log.event, CommitteeDrawn)]
    assert drawn
    assert all(len(set(event.workers)) == 3 for event in drawn)
