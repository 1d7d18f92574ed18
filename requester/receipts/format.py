"""The receipt of an accepted job as a document, version 3 (`docs/spec/receipts.md`).

JSON with exactly the fields below, in camel case. Hashes and digests are ``0x`` and 64
lower-case digits, addresses carry their checksum (EIP-55), amounts are integers in
units of the escrow token. What is stated twice must agree. Positions are checked
against the proof, which ends in the hash of one block.
"""

from __future__ import annotations

from typing import Annotated, Literal

from eth_typing import ChecksumAddress
from eth_utils.address import is_checksum_address
from pydantic import AfterValidator, Field, StringConstraints

from protocol.chain.proofs.build import MAX_HEADERS
from protocol.documents.results import Output
from protocol.strict_model import HexWord, StrictModel

__all__ = [
    "RECEIPT_VERSION",
    "AcceptedSection",
    "CommittedSection",
    "ContentSection",
    "DrawnSection",
    "MoneySection",
    "OpenedSection",
    "OutcomeSection",
    "OutputSection",
    "PaidSection",
    "ParamsSection",
    "Position",
    "PostedSection",
    "ProofSection",
    "Receipt",
    "RevealedSection",
    "RoundSection",
    "SettledSection",
    "SlashedSection",
    "SplitSection",
    "TransactionSection",
]

RECEIPT_VERSION = 3
"""Version 1 was of the contracts that had one round, version 2 had no proof."""


def _checksummed(text: str) -> ChecksumAddress:
    if not is_checksum_address(text):
        raise ValueError("not an address with its checksum (EIP-55)")
    return ChecksumAddress(text)  # type: ignore[arg-type]


_Bytes = Annotated[str, StringConstraints(pattern=r"^0x(?:[0-9a-f]{2})+$")]
_Address = Annotated[str, AfterValidator(_checksummed)]
_Cid = Annotated[str, StringConstraints(pattern=r"^Qm[1-9A-HJ-NP-Za-km-z]{44}$")]
_Uint8 = Annotated[int, Field(ge=0, lt=1 << 8)]
_Uint32 = Annotated[int, Field(ge=0, lt=1 << 32)]
_Uint40 = Annotated[int, Field(ge=0, lt=1 << 40)]
_Uint64 = Annotated[int, Field(ge=0, lt=1 << 64)]
_Amount = Annotated[int, Field(ge=0, lt=1 << 128)]
_SeatId = Annotated[int, Field(ge=0, lt=1 << 20)]
_Place = Annotated[int, Field(ge=0, lt=9)]


class Position(StrictModel):
    """Where an event stands: its block, and its place among the receipt's events."""

    block_number: _Uint64
    order: _Uint32


class ParamsSection(StrictModel):
    """`JobParams`, field by field."""

    requester: _Address
    nonce: _Uint64
    model_id: HexWord
    tick: _Uint8
    prompts_digest: HexWord
    prompt_count: _Uint32
    max_tokens: _Uint32
    redundancy: _Uint8
    max_rounds: _Uint8
    min_seats: _Uint32
    callback: _Address
    callback_gas_limit: _Uint32


class OutcomeSection(StrictModel):
    """`Outcome`, field by field."""

    status: Annotated[int, Field(ge=1, le=3)]
    token_count: _Uint32
    results_root: HexWord
    results_digest: HexWord
    fingerprint: HexWord


class PostedSection(Position):
    """`JobPosted`; its parameters are the receipt's."""

    escrowed: _Amount


class DrawnSection(Position):
    """`CommitteeDrawn`: who had to answer, and the seed that decided it."""

    round: Annotated[int, Field(ge=1, lt=16)]
    seed_block: _Uint40
    seed: HexWord
    seat_ids: tuple[_SeatId, ...] = Field(min_length=1, max_length=9)
    workers: tuple[_Address, ...] = Field(min_length=1, max_length=9)
    commit_deadline: _Uint40


class CommittedSection(Position):
    """`ResultCommitted`."""

    worker: _Address
    place: _Place
    commitment: HexWord


class OpenedSection(Position):
    """`RevealOpened`: all had committed before their window ended."""

    reveal_deadline: _Uint40


class RevealedSection(Position):
    """`ResultRevealed`."""

    worker: _Address
    place: _Place
    outcome: OutcomeSection
    salt: HexWord


class SplitSection(Position):
    """`RoundSplit`: the round ended without a quorum, another one followed."""

    transcript: HexWord


class RoundSection(StrictModel):
    """One round: who had to answer, what they committed and revealed.

    `split` is null in the last round, which the settlement ended.
    """

    drawn: DrawnSection
    committed: tuple[CommittedSection, ...] = Field(max_length=9)
    reveal_opened: OpenedSection | None
    revealed: tuple[RevealedSection, ...] = Field(max_length=9)
    split: SplitSection | None


class AcceptedSection(Position):
    """`ResultAccepted`."""

    answer: HexWord


class SettledSection(Position):
    """`JobSettled`."""

    state: Literal["Accepted"]
    paid: _Amount
    refunded: _Amount
    fee: _Amount
    transcript: HexWord


class PaidSection(Position):
    """`WorkerPaid` or `BountyPaid`."""

    address: _Address
    amount: _Amount


class SlashedSection(Position):
    """`SeatSlashed`."""

    worker: _Address
    seat_id: _SeatId
    reason: Annotated[int, Field(ge=0, le=2)]
    amount: _Amount


class MoneySection(StrictModel):
    """What became of the escrow, and of bonds.

    `paid` is what workers and callers of `advance` earned, and `delivery`, which waits
    for whoever calls the job's callback; `slashed` is no part of the escrow.
    """

    escrowed: _Amount
    paid: _Amount
    delivery: _Amount
    refunded: _Amount
    fee: _Amount
    slashed: _Amount
    workers_paid: tuple[PaidSection, ...]
    bounties_paid: tuple[PaidSection, ...]
    seats_slashed: tuple[SlashedSection, ...]


class ContentSection(StrictModel):
    """A document's digest and the IPFS address that holds it."""

    digest: HexWord
    cid: _Cid


class OutputSection(StrictModel):
    """One output and its way up to the accepted root.

    `siblings` are the Merkle proof of the output's canonical JSON, lowest first.
    """

    index: _Uint32
    output: Output
    siblings: tuple[HexWord, ...] = Field(max_length=32)


class TransactionSection(StrictModel):
    """A transaction that emitted some of the events.

    `receipt` are the nodes from the block's receipts root down to its receipt.
    """

    block_number: _Uint64
    index: _Uint32
    receipt: tuple[_Bytes, ...] = Field(min_length=1, max_length=64)


class ProofSection(StrictModel):
    """What lies between the events and the hash of one block.

    `headers` are consecutive, from the posting's block to that block; `account` and
    `storage` are what `eth_getProof` says of the job's word there.
    """

    headers: tuple[_Bytes, ...] = Field(min_length=1, max_length=MAX_HEADERS)
    account: tuple[_Bytes, ...] = Field(min_length=1, max_length=64)
    storage: tuple[_Bytes, ...] = Field(min_length=1, max_length=64)
    transactions: tuple[TransactionSection, ...] = Field(min_length=1, max_length=64)


class Receipt(StrictModel):
    """A job's receipt; `results` is null where the accepted outcome has none.

    `outputs` are some of the job's, in order: all of them, or those of one caller.
    """

    # No Literal: that would take 1.0 and true for 1.
    version: Annotated[int, Field(ge=RECEIPT_VERSION, le=RECEIPT_VERSION)]
    chain_id: Annotated[int, Field(ge=1, lt=1 << 256)]
    marketplace: _Address
    job_id: HexWord
    params: ParamsSection
    posted: PostedSection
    rounds: tuple[RoundSection, ...] = Field(min_length=1, max_length=2)
    accepted: AcceptedSection
    settled: SettledSection
    prompts: ContentSection
    results: ContentSection | None
    outputs: tuple[OutputSection, ...]
    money: MoneySection
    proof: ProofSection
