"""The contracts' events as values, and where on the chain one stands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from eth_typing import ChecksumAddress

from protocol.market.types import (
    Answer,
    JobId,
    JobParams,
    JobState,
    ModelId,
    ModelSpec,
    Outcome,
    SlashReason,
)

__all__ = [
    "EVENTS",
    "Announced",
    "BountyPaid",
    "CommitteeDrawn",
    "DrawArmed",
    "Entry",
    "EntrySkipped",
    "Event",
    "JobCancelled",
    "JobPosted",
    "JobSettled",
    "Log",
    "ModelRegistered",
    "ResultAccepted",
    "ResultCommitted",
    "ResultDelivered",
    "ResultRevealed",
    "RevealOpened",
    "RoundSplit",
    "SeatClosed",
    "SeatClosing",
    "SeatOpened",
    "SeatSlashed",
    "StakeDeposited",
    "Withdrawn",
    "WorkerPaid",
    "entries_of",
    "last_entry",
]


@dataclass(frozen=True, slots=True)
class Event:
    """An event of the contracts; its fields are the event's, in their order."""


@dataclass(frozen=True, slots=True)
class JobPosted(Event):
    """A job was posted and `escrowed` units locked."""

    job_id: JobId
    requester: ChecksumAddress
    model_id: ModelId
    params: JobParams
    escrowed: int


@dataclass(frozen=True, slots=True)
class DrawArmed(Event):
    """Seed block and roster of a draw are fixed; `lengths` is eight times 20 bits."""

    job_id: JobId
    round: int
    seed_block: int
    expiry_block: int
    lengths: int


@dataclass(frozen=True, slots=True)
class CommitteeDrawn(Event):
    """The committee is drawn; a vacant place has seat 0 and the zero address."""

    job_id: JobId
    round: int
    seed_block: int
    seed: bytes
    seat_ids: tuple[int, ...]
    workers: tuple[ChecksumAddress, ...]
    commit_deadline: int


@dataclass(frozen=True, slots=True)
class ResultCommitted(Event):
    """A member committed."""

    job_id: JobId
    worker: ChecksumAddress
    round: int
    place: int
    commitment: bytes


@dataclass(frozen=True, slots=True)
class RevealOpened(Event):
    """All members have committed; `reveal_deadline` is Unix time."""

    job_id: JobId
    round: int
    reveal_deadline: int


@dataclass(frozen=True, slots=True)
class ResultRevealed(Event):
    """A member opened its commitment."""

    job_id: JobId
    worker: ChecksumAddress
    round: int
    place: int
    outcome: Outcome
    salt: bytes


@dataclass(frozen=True, slots=True)
class ResultAccepted(Event):
    """A quorum agrees on the outcome that `answer` stands for."""

    job_id: JobId
    round: int
    answer: Answer


@dataclass(frozen=True, slots=True)
class RoundSplit(Event):
    """A round ended without a quorum, and the next one's draw is armed."""

    job_id: JobId
    round: int
    transcript: bytes


@dataclass(frozen=True, slots=True)
class WorkerPaid(Event):
    """A member was paid, in credit."""

    job_id: JobId
    worker: ChecksumAddress
    amount: int


@dataclass(frozen=True, slots=True)
class BountyPaid(Event):
    """Whoever moved the job forward was paid, in credit."""

    job_id: JobId
    caller: ChecksumAddress
    amount: int


@dataclass(frozen=True, slots=True)
class JobSettled(Event):
    """A job ended; `paid + refunded + fee` is what was escrowed."""

    job_id: JobId
    state: JobState
    paid: int
    refunded: int
    fee: int
    transcript: bytes


@dataclass(frozen=True, slots=True)
class JobCancelled(Event):
    """The requester withdrew the job before its draw."""

    job_id: JobId
    refunded: int


@dataclass(frozen=True, slots=True)
class ResultDelivered(Event):
    """The callback was called, once and for all."""

    job_id: JobId
    callback: ChecksumAddress
    has_succeeded: bool


@dataclass(frozen=True, slots=True)
class EntrySkipped(Event):
    """An entry of a batch did not apply; `reason` is an error's selector."""

    job_id: JobId
    worker: ChecksumAddress
    place: int
    reason: bytes


@dataclass(frozen=True, slots=True)
class Announced(Event):
    """An account said where its content can be had."""

    account: ChecksumAddress
    message: bytes


@dataclass(frozen=True, slots=True)
class StakeDeposited(Event):
    """Tokens became credit."""

    account: ChecksumAddress
    amount: int


@dataclass(frozen=True, slots=True)
class Withdrawn(Event):
    """Credit went out as tokens."""

    account: ChecksumAddress
    to: ChecksumAddress
    amount: int


@dataclass(frozen=True, slots=True)
class SeatOpened(Event):
    """A seat joined a roster."""

    seat_id: int
    owner: ChecksumAddress
    model_id: ModelId
    tick: int


@dataclass(frozen=True, slots=True)
class SeatClosing(Event):
    """Its owner asked to close a seat."""

    seat_id: int
    owner: ChecksumAddress


@dataclass(frozen=True, slots=True)
class SeatClosed(Event):
    """A seat left its roster; `returned` of its bond became credit."""

    seat_id: int
    owner: ChecksumAddress
    returned: int


@dataclass(frozen=True, slots=True)
class SeatSlashed(Event):
    """A seat lost `amount` of its bond to the sink."""

    job_id: JobId
    worker: ChecksumAddress
    seat_id: int
    reason: SlashReason
    amount: int


@dataclass(frozen=True, slots=True)
class ModelRegistered(Event):
    """A model exists from now on."""

    model_id: ModelId
    registrant: ChecksumAddress
    spec: ModelSpec


EVENTS: Mapping[str, type[Event]] = {
    name: kind
    for name, kind in list(globals().items())
    if isinstance(kind, type) and issubclass(kind, Event) and kind is not Event
}
"""All classes above by their names, which are those of the contracts' events."""


@dataclass(frozen=True, slots=True)
class Log:
    """An event and where it stands.

    Attributes:
        event: What happened.
        block_number: Block that holds it.
        block_hash: That block's hash, `0x` and 64 digits.
        tx_hash: Hash of the transaction that emitted it, in the same form.
        log_index: Its position among the logs of the block.
        address: Contract that emitted it.
        block_time: Time of the block, Unix seconds, where the node says so.
    """

    event: Event
    block_number: int
    block_hash: str
    tx_hash: str
    log_index: int
    address: ChecksumAddress
    # Older nodes leave it out, so it does not tell two logs apart.
    block_time: int | None = field(default=None, compare=False)

    @property
    def position(self) -> tuple[int, int]:
        """Block and index: what puts logs in the chain's order."""
        return (self.block_number, self.log_index)


_Event = TypeVar("_Event", bound=Event)


@dataclass(frozen=True, slots=True)
class Entry(Generic[_Event]):
    """An event of a known kind, and its log.

    Attributes:
        event: What happened.
        log: Where it stands.
    """

    event: _Event
    log: Log


def entries_of(logs: Iterable[Log], kind: type[_Event]) -> tuple[Entry[_Event], ...]:
    """Events of a kind, in the order of the logs."""
    return tuple(Entry(log.event, log) for log in logs if isinstance(log.event, kind))


def last_entry(logs: Iterable[Log], kind: type[_Event]) -> Entry[_Event] | None:
    """The last event of a kind, if there is one."""
    found = entries_of(logs, kind)
    return found[-1] if found else None
