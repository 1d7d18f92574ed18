"""Whether a chain can carry a marketplace: what is asked of it, and the verdicts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from assay.findings import Finding, bad, fine, odd
from protocol.chain.deploying.inspection import BlockFacts, ChainInspection
from protocol.market.terms import MarketConfig

__all__ = ["ChainFacts", "judge_chain", "look_at_chain"]

_LOOKED_AT = 32
# The block-hash opcode reaches so far back.
_OPCODE_REACH = 256
# A window must leave room for a transaction to be seen, sent and mined.
_BLOCKS_IN_A_WINDOW = 3


@dataclass(frozen=True, slots=True)
class ChainFacts:
    """What was asked of a chain.

    Attributes:
        blocks: The newest blocks, oldest first.
        seen_number: `block.number` as a contract sees it at the last of them.
        has_transient_storage: Whether contracts compiled for Cancun run.
        keeps_old_hashes: Whether EIP-2935 answers.
        header_fault: Why the last header cannot be rebuilt, if it cannot.
    """

    blocks: Sequence[BlockFacts]
    seen_number: int | None
    has_transient_storage: bool
    keeps_old_hashes: bool
    header_fault: str | None


def look_at_chain(chain: ChainInspection) -> ChainFacts:
    """Ask all that `judge_chain` needs. Raises RpcUnavailable."""
    blocks = chain.last_blocks(_LOOKED_AT)
    head = blocks[-1].number
    return ChainFacts(
        blocks=blocks,
        seen_number=chain.number_seen_by_contracts(head),
        has_transient_storage=chain.has_transient_storage(),
        keeps_old_hashes=head > 0 and chain.keeps_old_hashes(head - 1),
        header_fault=chain.header_fault(head),
    )


def judge_chain(facts: ChainFacts, config: MarketConfig | None) -> Iterator[Finding]:
    """What is right and wrong with a chain.

    Args:
        facts: What it answered.
        config: The marketplace's terms; None when there is no marketplace.
    """
    yield _height(facts)
    yield _opcodes(facts)
    yield _header(facts)
    yield _randomness(facts.blocks)
    deadline = None if config is None else config.draw_deadline_blocks
    yield _old_hashes(facts.keeps_old_hashes, deadline)
    yield from _pace(facts.blocks, config)


def _height(facts: ChainFacts) -> Finding:
    head, seen = facts.blocks[-1].number, facts.seen_number
    if seen is None:
        return odd("block.number", "the node refused to tell", "try another node")
    # Some nodes run a call in the block after the one that was named.
    if seen in (head, head + 1):
        return fine("block.number", f"is the chain's own height, {head}")
    return bad(
        "block.number",
        f"contracts see block {seen}, the chain is at {head}",
        "draws take their seed from the chain's own blocks: this chain (an Arbitrum "
        "chain, say, which shows its parent's height) is not supported",
    )


def _opcodes(facts: ChainFacts) -> Finding:
    if facts.has_transient_storage:
        return fine("opcodes", "those of Cancun are there")
    return bad(
        "opcodes",
        "transient storage (TLOAD) is missing",
        "the contracts need a chain with the Cancun upgrade or a later one",
    )


def _header(facts: ChainFacts) -> Finding:
    if facts.header_fault is None:
        return fine("headers", "can be rebuilt and hash to what the chain says")
    return bad(
        "headers",
        facts.header_fault,
        "no committee can be drawn: use a newer version of this program, or a chain "
        "with Ethereum's own headers",
    )


def _randomness(blocks: Sequence[BlockFacts]) -> Finding:
    values = [block.prev_randao for block in blocks if block.number > 0]
    if len(values) < 2:
        return odd("prevRandao", "too few blocks to tell", "look again later")
    different = len(set(values))
    if different == len(values) and all(any(value) for value in values):
        return fine("prevRandao", f"differs in each of the last {different} blocks")
    return bad(
        "prevRandao",
        f"has {different} values in the last {len(values)} blocks",
        "committees could be foreseen: a chain without randomness of its own in its "
        "headers is not supported",
    )


def _old_hashes(is_kept: bool, deadline: int | None) -> Finding:
    if is_kept:
        return fine("old hashes", "EIP-2935 keeps 8191 of them")
    fact = f"EIP-2935 is missing, so seeds can be read for {_OPCODE_REACH} blocks"
    if deadline is not None and deadline > _OPCODE_REACH:
        return odd(
            "old hashes",
            f"{fact}; the draw deadline is {deadline}",
            "a draw that nobody makes in time is armed again: keep a worker or a "
            "requester running",
        )
    return fine("old hashes", fact)


def _pace(
    blocks: Sequence[BlockFacts], config: MarketConfig | None
) -> Iterator[Finding]:
    mined = [block for block in blocks if block.number > 0]
    if len(mined) < 2:
        yield odd("block interval", "too few blocks to tell", "look again later")
        return
    seconds = (mined[-1].time - mined[0].time) / (len(mined) - 1)
    yield fine("block interval", f"{seconds:.1f} s over the last {len(mined)} blocks")
    if config is None:
        return
    minimum = _BLOCKS_IN_A_WINDOW * seconds
    for name, window in (
        ("commit window", config.commit_floor_seconds),
        ("reveal window", config.reveal_window_seconds),
    ):
        if window < minimum:
            yield bad(
                name,
                f"{window} s, that is {window / seconds:.1f} blocks",
                f"workers would be late through no fault of theirs: deploy with at "
                f"least {minimum:.0f} s",
            )
