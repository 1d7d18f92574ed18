"""What `assay doctor` thinks of chains, good and bad."""

from __future__ import annotations

from dataclasses import replace

import pytest

from assay.chain_checks import ChainFacts, judge_chain
from assay.findings import Finding, Level
from protocol.chain.deploying.inspection import BlockFacts
from tests.unit.devnet.demo.builders import CONFIG


def _blocks(count: int = 10, seconds: int = 2) -> list[BlockFacts]:
    return [
        BlockFacts(n, 1_000 + seconds * n, n.to_bytes(32)) for n in range(1, count + 1)
    ]


FACTS = ChainFacts(
    blocks=_blocks(),
    seen_number=10,
    has_transient_storage=True,
    keeps_old_hashes=True,
    header_fault=None,
)


def _judged(facts: ChainFacts = FACTS, **terms: int) -> dict[str, Finding]:
    config = replace(CONFIG, **terms)  # type: ignore[arg-type]
    return {finding.what: finding for finding in judge_chain(facts, config)}


def test_judge_chain_that_serves_finds_nothing_bad() -> None:
    found = _judged()
    assert {finding.level for finding in found.values()} == {Level.FINE}
    assert found["block interval"].fact == "2.0 s over the last 10 blocks"
    # Some nodes run a call in the next block.
    assert _judged(replace(FACTS, seen_number=11))["block.number"].level is Level.FINE


@pytest.mark.parametrize(
    ("facts", "what", "told"),
    [
        (replace(FACTS, seen_number=21_000_000), "block.number", "contracts see block"),
        (replace(FACTS, has_transient_storage=False), "opcodes", "TLOAD"),
        (replace(FACTS, header_fault="unknown field"), "headers", "unknown field"),
        (
            replace(
                FACTS, blocks=[replace(b, prev_randao=bytes(32)) for b in _blocks()]
            ),
            "prevRandao",
            "has 1 values in the last 10 blocks",
        ),
        (replace(FACTS, blocks=_blocks(seconds=12)), "commit window", "0.8 blocks"),
    ],
)
def test_judge_chain_that_cannot_serve_says_why(
    facts: ChainFacts, what: str, told: str
) -> None:
    finding = _judged(facts)[what]
    assert finding.level is Level.BAD
    assert told in finding.fact and finding.advice


def test_judge_chain_reveal_window_of_few_blocks_is_bad() -> None:
    found = _judged(reveal_window_seconds=5)
    assert found["reveal window"].level is Level.BAD
    assert "at least 6 s" in found["reveal window"].advice


def test_judge_chain_without_old_hashes_depends_on_the_deadline() -> None:
    facts = replace(FACTS, keeps_old_hashes=False)
    assert _judged(facts, draw_deadline_blocks=256)["old hashes"].level is Level.FINE
    assert _judged(facts, draw_deadline_blocks=257)["old hashes"].level is Level.ODD


def test_judge_chain_too_young_to_tell_is_odd() -> None:
    found = _judged(replace(FACTS, blocks=_blocks(1), seen_number=1))
    assert found["prevRandao"].level is Level.ODD
    assert found["block interval"].level is Level.ODD


def test_judge_chain_whose_node_refuses_to_call_is_odd() -> None:
    finding = _judged(replace(FACTS, seen_number=None))["block.number"]
    assert finding.level is Level.ODD
