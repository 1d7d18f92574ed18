"""The steps by which a receipt's proof ties it to the hash of one block."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Self

from eth_typing import ChecksumAddress
from eth_utils.address import to_checksum_address

from protocol.chain.abi.decoding import decode_log
from protocol.chain.deployment import Deployment
from protocol.chain.proofs.verify import (
    Header,
    JobProof,
    RawLog,
    proven_account,
    proven_logs,
    proven_word,
    record_slot,
)
from protocol.errors import BadProof, BadReceipt, RpcUnavailable
from protocol.hexadecimal import from_hex, to_hex
from protocol.market.events import JobSettled, Log
from protocol.market.timeline import RESULT_EVENTS
from protocol.market.transcript import final_word
from protocol.market.types import JobState
from requester.receipts.checks import ReceiptCase, require
from requester.receipts.format import ProofSection, TransactionSection
from requester.receipts.sections import (
    NOT_STATED,
    ordered_logs,
)

__all__ = ["PROVEN", "Trusted", "proof_section"]

_STATE_BITS = 0xF


@dataclass(frozen=True, slots=True)
class Trusted:
    """What a verifier relies on.

    Attributes:
        block_hash: Of the block that the receipt's proof ends in; None if the chain
            has no such block.
        marketplace: Whose receipts count; None takes the receipt's word for it.
        chain_id: Its chain; None takes the receipt's word for it.
        code_hash: Hash of its code, where that is known.
    """

    block_hash: bytes | None
    marketplace: ChecksumAddress | None = None
    chain_id: int | None = None
    code_hash: bytes | None = None

    @classmethod
    def by(cls, deployment: Deployment, block_hash: bytes | None) -> Self:
        """Trust a deployment, and a block that its chain is known to have."""
        code_hash = deployment.code_hashes.get("marketplace")
        return cls(
            block_hash=block_hash,
            marketplace=deployment.marketplace,
            chain_id=deployment.chain_id,
            code_hash=None if code_hash is None else from_hex(code_hash),
        )


def proof_section(proof: JobProof) -> ProofSection:
    """The proof as a receipt writes it."""
    return ProofSection(
        headers=tuple(map(to_hex, proof.headers)),
        account=tuple(map(to_hex, proof.account)),
        storage=tuple(map(to_hex, proof.storage)),
        transactions=tuple(
            TransactionSection(
                block_number=one.block_number,
                index=one.index,
                receipt=tuple(map(to_hex, one.nodes)),
            )
            for one in proof.transactions
        ),
    )


# ---------------------------------------------------------------- steps


def _check_marketplace(case: ReceiptCase, trusted: Trusted) -> str:
    receipt = case.receipt
    require(
        trusted.chain_id in (None, receipt.chain_id),
        f"the receipt is of chain {receipt.chain_id}, the deployment file is of chain "
        f"{trusted.chain_id}",
    )
    require(
        trusted.marketplace in (None, receipt.marketplace),
        f"the receipt is of the marketplace {receipt.marketplace}, trusted is "
        f"{trusted.marketplace}",
    )
    if trusted.marketplace is None:
        return f"{receipt.marketplace}, by its own word: see that it is the one you use"
    return f"marketplace {trusted.marketplace}"


def _check_headers(case: ReceiptCase, trusted: Trusted) -> str:
    headers = _headers(case)
    for before, after in zip(headers, headers[1:], strict=False):
        require(
            after.parent_hash == before.hash and after.number == before.number + 1,
            f"block {after.number} does not follow block {before.number}",
        )
    first, tip = case.receipt.posted.block_number, headers[-1]
    require(
        headers[0].number == first,
        f"the headers begin with block {headers[0].number}, the job with {first}",
    )
    if trusted.block_hash is None:
        raise BadReceipt(f"the chain has no block {tip.number}")
    require(
        tip.hash == trusted.block_hash,
        f"the proof ends in block {to_hex(tip.hash)}, trusted is "
        f"{to_hex(trusted.block_hash)}",
    )
    return f"blocks {first} to {tip.number} end in {to_hex(tip.hash)}"


def _check_record(case: ReceiptCase, trusted: Trusted) -> str:
    proof, tip = case.receipt.proof, _headers(case)[-1]
    marketplace = to_checksum_address(case.receipt.marketplace)
    account = proven_account(tip.state_root, marketplace, _nodes(proof.account))
    require(
        trusted.code_hash in (None, account.code_hash),
        f"the code at {marketplace} hashes to {to_hex(account.code_hash)}, it is "
        "another contract",
    )
    slot = record_slot(case.job_id)
    word = proven_word(account.storage_root, slot, _nodes(proof.storage))
    expected = final_word(
        JobState.ACCEPTED,
        case.outcome.answer(),
        from_hex(case.receipt.settled.transcript),
    )
    # Above the state are bits that a later delivery sets.
    is_same_record = word >> 8 == expected >> 8
    require(
        is_same_record and word & _STATE_BITS == expected & _STATE_BITS,
        "the marketplace has not recorded this outcome with this transcript",
    )
    return "the marketplace recorded outcome and transcript"


def _check_events(case: ReceiptCase, trusted: Trusted) -> str:
    claimed = case.timeline.logs
    actual = ordered_logs(_proven_events(case))
    require(
        len(actual) == len(claimed),
        f"{len(actual)} events of the job are proven, the receipt has {len(claimed)}",
    )
    for stated, found in zip(claimed, actual, strict=True):
        require(
            stated == found,
            f"event {found.log_index} is {type(found.event).__name__} in block "
            f"{found.block_number}, not as stated",
        )
    return f"{len(claimed)} events are in the logs of those blocks"


def _proven_events(case: ReceiptCase) -> list[Log]:
    headers = {header.number: header for header in _headers(case)}
    found: list[Log] = []
    places = [(t.block_number, t.index) for t in case.receipt.proof.transactions]
    require(sorted(set(places)) == places, "the transactions are not in order")
    for section in case.receipt.proof.transactions:
        header = headers.get(section.block_number)
        if header is None:
            raise BadReceipt(f"there is no header of block {section.block_number}")
        logs = proven_logs(header.receipts_root, section.index, _nodes(section.receipt))
        events = [log for log in map(_decoder(case, header), logs) if log is not None]
        require(
            bool(events),
            f"transaction {section.index} of block {header.number} has no event of "
            "the job",
        )
        found += events
    ends = [index for index, log in enumerate(found) if _is_end(log)]
    require(len(ends) == 1, "the job's end is not proven once")
    return found


def _is_end(log: Log) -> bool:
    return isinstance(log.event, JobSettled)


def _decoder(case: ReceiptCase, header: Header) -> Callable[[RawLog], Log | None]:
    """Makes events of the job out of proven logs; None of others."""

    def decode(raw: RawLog) -> Log | None:
        if raw.address != case.receipt.marketplace:
            return None
        try:
            log = decode_log(
                {
                    "address": raw.address,
                    "topics": [to_hex(topic) for topic in raw.topics],
                    "data": to_hex(raw.data),
                    "blockNumber": hex(header.number),
                    "blockHash": NOT_STATED,
                    "transactionHash": NOT_STATED,
                    "logIndex": "0x0",
                }
            )
        except RpcUnavailable as error:
            raise BadProof(f"a log that is no event: {error}") from error
        if log is None or not isinstance(log.event, RESULT_EVENTS):
            return None
        return log if getattr(log.event, "job_id", None) == case.job_id else None

    return decode


def _headers(case: ReceiptCase) -> list[Header]:
    return [Header.parse(from_hex(text)) for text in case.receipt.proof.headers]


def _nodes(texts: tuple[str, ...]) -> list[bytes]:
    return [from_hex(text) for text in texts]


PROVEN: Mapping[str, Callable[[ReceiptCase, Trusted], str]] = {
    "marketplace": _check_marketplace,
    "headers": _check_headers,
    "record": _check_record,
    "events": _check_events,
}
"""Steps that tie a receipt to a block; each may also raise BadProof."""
