"""A job's events with readable defaults, for summaries and books."""

from __future__ import annotations

from collections.abc import Sequence

from eth_typing import ChecksumAddress
from eth_utils.address import to_checksum_address

from protocol.digests import Digest
from protocol.market.events import (
    BountyPaid,
    CommitteeDrawn,
    DrawArmed,
    Event,
    JobPosted,
    JobSettled,
    Log,
    ResultAccepted,
    ResultCommitted,
    ResultRevealed,
    RevealOpened,
    SeatClosed,
    SeatOpened,
    SeatSlashed,
    StakeDeposited,
    WorkerPaid,
)
from protocol.market.terms import MarketTerms
from protocol.market.types import (
    ZERO_ADDRESS,
    JobId,
    JobParams,
    JobState,
    ModelId,
    Outcome,
    OutcomeStatus,
    SlashReason,
)

BOND = 50_000_000
PAY = 20_800
BOUNTY = 10_000
ESCROWED = 83_230
JOB = JobId(b"\x11" * 32)
MODEL = ModelId(b"\x22" * 32)


def address(number: int) -> ChecksumAddress:
    return to_checksum_address(number.to_bytes(20))


REQUESTER, TREASURY, SINK = address(0xA), address(0xB), address(0xDEAD)
WORKERS = (address(1), address(2), address(3))

CONFIG = MarketTerms.development(treasury=TREASURY).to_config(
    token=address(0xC), registry=address(0xD), deployer=TREASURY
)

PARAMS = JobParams(
    requester=REQUESTER,
    nonce=1,
    model_id=MODEL,
    tick=0,
    prompts_digest=Digest(b"\x33" * 32),
    prompt_count=8,
    max_tokens=500,
    redundancy=3,
    max_rounds=1,
    min_seats=3,
    callback=ZERO_ADDRESS,
    callback_gas_limit=0,
)


def an_outcome(name: int = 1) -> Outcome:
    word = name.to_bytes(32)
    return Outcome(OutcomeStatus.OK, 400, word, Digest(word), bytes(32))


HONEST, LIE = an_outcome(1), an_outcome(2)


def seats_opened(count: int = 3) -> list[list[Event]]:
    """A block in which workers deposit and open a seat each."""
    events: list[Event] = []
    for index in range(count):
        worker = WORKERS[index]
        events += [
            StakeDeposited(worker, BOND),
            SeatOpened(index + 1, worker, MODEL, 0),
        ]
    return [events]


def an_accepted_job(*, liar: int | None = None) -> list[list[Event]]:
    """Blocks of a job's transactions; the last reveal settles it.

    Block 0 posts, block 2 draws, blocks 5 and 6 commit, 7 and 8 reveal.
    """
    paid = [w for i, w in enumerate(WORKERS) if i != liar]
    outcomes = [LIE if i == liar else HONEST for i in range(3)]
    total = PAY * len(paid) + BOUNTY
    fee = total // 100
    commits = [ResultCommitted(JOB, w, 1, i, b"c") for i, w in enumerate(WORKERS)]
    reveals = [
        ResultRevealed(JOB, w, 1, i, outcomes[i], b"s") for i, w in enumerate(WORKERS)
    ]
    ending: list[Event] = [WorkerPaid(JOB, worker, PAY) for worker in paid]
    if liar is not None:
        ending += [
            SeatSlashed(JOB, WORKERS[liar], liar + 1, SlashReason.WRONG_RESULT, BOND),
            SeatClosed(liar + 1, WORKERS[liar], 0),
        ]
    refunded = ESCROWED - total - fee
    ending += [JobSettled(JOB, JobState.ACCEPTED, total, refunded, fee, b"t")]
    return [
        [
            JobPosted(JOB, REQUESTER, MODEL, PARAMS, ESCROWED),
            DrawArmed(JOB, 1, 1, 9, 3),
        ],
        [],
        [
            CommitteeDrawn(JOB, 1, 1, b"seed", (1, 2, 3), WORKERS, 99),
            BountyPaid(JOB, REQUESTER, BOUNTY),
        ],
        [],
        [],
        [commits[0], commits[1]],
        [commits[2], RevealOpened(JOB, 1, 160)],
        [reveals[0], reveals[1], ResultAccepted(JOB, 1, HONEST.answer())],
        [reveals[2], *ending],
    ]


def logs_of(blocks: Sequence[Sequence[Event]], first: int = 100) -> list[Log]:
    """Logs of blocks of events, each account's commit and reveal in a transaction."""
    logs = []
    for number, events in enumerate(blocks, start=first):
        transaction = 0
        for index, event in enumerate(events):
            starts = isinstance(event, ResultCommitted | ResultRevealed)
            transaction += 1 if starts and index else 0
            logs.append(
                Log(
                    event=event,
                    block_number=number,
                    block_hash=f"0x{number:064x}",
                    tx_hash=f"0x{number:032x}{transaction:032x}",
                    log_index=index,
                    address=address(0xE),
                )
            )
    return logs
