"""What the contracts and everyone off chain mean by the same words.

Every type here is the twin of a Solidity type in `contracts/src/types` or
`contracts/src/interfaces`; `tests/parity` holds them together.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Any, ClassVar, NewType, Self

from eth_abi.abi import decode, encode
from eth_typing import ChecksumAddress
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from protocol.digests import Digest
from protocol.hexadecimal import checksum_address

__all__ = [
    "DEVELOPMENT_CHAIN_IDS",
    "EXACT_PROFILES",
    "TICKS",
    "ZERO_ADDRESS",
    "AbiStruct",
    "Account",
    "Answer",
    "JobId",
    "JobParams",
    "JobState",
    "KeptRound",
    "ModelId",
    "ModelSpec",
    "Outcome",
    "OutcomeStatus",
    "Round",
    "Seat",
    "SlashReason",
    "SplitRound",
]

JobId = NewType("JobId", bytes)
ModelId = NewType("ModelId", bytes)
Answer = NewType("Answer", bytes)

TICKS = 8
ZERO_ADDRESS = to_checksum_address("0x" + "00" * 20)
# Anvil's and Hardhat's, and the older convention of Ganache.
DEVELOPMENT_CHAIN_IDS = frozenset({31337, 1337})

EXACT_PROFILES = frozenset({"int-w8a16", "int-w8b8", "int-w12a16"})
"""Arithmetic profiles whose results are equal on every machine; a quorum over any
other would sooner or later slash an honest worker."""

_ANSWER_TAIL_BITS = 34


class JobState(IntEnum):
    """Where a job stands (`JobState` in `types/Job.sol`)."""

    NONEXISTENT = 0
    OPEN = 1
    COMMITTING = 2
    REVEALING = 3
    ACCEPTED = 4
    FAILED = 5
    CANCELLED = 6

    @property
    def is_final(self) -> bool:
        """Whether the state can never change again."""
        return self >= JobState.ACCEPTED

    @property
    def label(self) -> str:
        """The state as the docs write it, such as `Accepted`."""
        return self.name.capitalize()


class OutcomeStatus(IntEnum):
    """How a job's execution ended (`OutcomeStatus` in `types/Outcome.sol`)."""

    UNSET = 0
    OK = 1
    INPUT_INVALID = 2
    INPUT_UNAVAILABLE = 3


class SlashReason(IntEnum):
    """Why a seat lost bond (`SlashReason` in `interfaces/ISeats.sol`)."""

    NO_SHOW = 0
    NOT_REVEALED = 1
    WRONG_RESULT = 2


@dataclass(frozen=True, slots=True)
class AbiStruct:
    """A Solidity struct of static members; `ABI_TYPES` are their types, in order."""

    ABI_TYPES: ClassVar[tuple[str, ...]]

    @classmethod
    def abi_names(cls) -> tuple[str, ...]:
        """The members' names, in order."""
        return tuple(field.name for field in fields(cls))

    @classmethod
    def abi_type(cls) -> str:
        """The ABI type of the whole struct."""
        return f"({','.join(cls.ABI_TYPES)})"

    def to_abi(self) -> tuple[Any, ...]:
        """The members' values, in order, as `eth_abi` and web3 take them."""
        return tuple(getattr(self, name) for name in self.abi_names())

    @classmethod
    def from_abi(cls, values: Any) -> Self:
        """Rebuild from the tuple that a decoder returns."""
        members = zip(cls.abi_names(), cls.ABI_TYPES, values, strict=True)
        return cls(
            **{
                name: checksum_address(value) if kind == "address" else value
                for name, kind, value in members
            }
        )

    def to_bytes(self) -> bytes:
        """`abi.encode(struct)`."""
        return encode([self.abi_type()], [self.to_abi()])

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """The inverse of `to_bytes`."""
        return cls.from_abi(decode([cls.abi_type()], data)[0])


@dataclass(frozen=True, slots=True)
class ModelSpec(AbiStruct):
    """Everything that makes a model what it is (`types/Model.sol`).

    Attributes:
        package_digest: Digest of the model package's folder.
        weights_root: Merkle root of weights and tables; zero where there is none.
        profile: Name of the arithmetic, ASCII, left-aligned, zero-padded to 32 bytes.
        vocab_size: Number of token ids.
        context_length: Most tokens of a prompt and its answer together.
        ms_per_token: Pace that a seat's owner signs up to, milliseconds a token.
        base_price: Price of a token at tick 0, units of the escrow token.
    """

    package_digest: Digest
    weights_root: bytes
    profile: bytes
    vocab_size: int
    context_length: int
    ms_per_token: int
    base_price: int

    ABI_TYPES = ("bytes32",) * 3 + ("uint32",) * 3 + ("uint96",)

    @property
    def profile_name(self) -> str:
        """The profile as text."""
        return self.profile.rstrip(b"\0").decode("ascii", errors="replace")

    @property
    def is_exact(self) -> bool:
        """Whether its results are equal on every machine."""
        return self.profile_name in EXACT_PROFILES

    def model_id(self) -> ModelId:
        """`keccak256(abi.encode(spec))`."""
        return ModelId(keccak(self.to_bytes()))


@dataclass(frozen=True, slots=True)
class JobParams(AbiStruct):
    """What a requester asks for (`types/Job.sol`); see there for the members."""

    requester: ChecksumAddress
    nonce: int
    model_id: ModelId
    tick: int
    prompts_digest: Digest
    prompt_count: int
    max_tokens: int
    redundancy: int
    max_rounds: int
    min_seats: int
    callback: ChecksumAddress
    callback_gas_limit: int

    ABI_TYPES = (
        *("address", "uint64", "bytes32", "uint8", "bytes32", "uint32", "uint32"),
        *("uint8", "uint8", "uint32", "address", "uint32"),
    )

    @property
    def quorum(self) -> int:
        """Equal reveals needed in the first round; see `quorum_of`."""
        return self.quorum_of(1)

    @property
    def has_callback(self) -> bool:
        """Whether a contract is called back with the result."""
        return self.callback != ZERO_ADDRESS

    @property
    def max_places(self) -> int:
        """Places of all rounds that are bought."""
        return sum(self.places_of(number + 1) for number in range(self.max_rounds))

    def places_of(self, round_number: int) -> int:
        """Places of a round's committee: each round has two more than the last."""
        return self.redundancy + 2 * (round_number - 1)

    def quorum_of(self, round_number: int) -> int:
        """Equal reveals needed in a round: the strict majority of its places."""
        return self.places_of(round_number) // 2 + 1

    def job_id(self, chain_id: int, marketplace: ChecksumAddress) -> JobId:
        """`keccak256(abi.encode(chainid, marketplace, params))`."""
        types = ["uint256", "address", self.abi_type()]
        return JobId(keccak(encode(types, [chain_id, marketplace, self.to_abi()])))


@dataclass(frozen=True, slots=True)
class Outcome(AbiStruct):
    """What a worker claims about a job (`types/Outcome.sol`)."""

    status: OutcomeStatus
    token_count: int
    results_root: bytes
    results_digest: Digest
    fingerprint: bytes

    ABI_TYPES = ("uint8", "uint32", "bytes32", "bytes32", "bytes32")

    @classmethod
    def from_abi(cls, values: Any) -> Self:
        """Rebuild from the tuple that a decoder returns."""
        status, *rest = values
        return cls(OutcomeStatus(status), *rest)

    @classmethod
    def error(cls, status: OutcomeStatus) -> Self:
        """An outcome without results."""
        return cls(status, 0, bytes(32), Digest(bytes(32)), bytes(32))

    @classmethod
    def none(cls) -> Self:
        """What is delivered of a Failed job: every field zero."""
        return cls.error(OutcomeStatus.UNSET)

    def hash(self) -> bytes:
        """`keccak256(abi.encode(outcome))`."""
        return keccak(self.to_bytes())

    def answer(self) -> Answer:
        """The word that tallies compare: hash, token count and status in one."""
        head = int.from_bytes(self.hash()) >> _ANSWER_TAIL_BITS << _ANSWER_TAIL_BITS
        return Answer((head | self.token_count << 2 | self.status).to_bytes(32))


@dataclass(frozen=True, slots=True)
class Account:
    """One account's money and record (`interfaces/ISeats.sol`)."""

    credit: int
    completed: int
    missed: int
    slashed: int
    seats: int
    posted: int


@dataclass(frozen=True, slots=True)
class Seat:
    """A seat as `seatOf` returns it; the zero owner means there is none."""

    owner: ChecksumAddress
    model_id: ModelId
    tick: int
    index: int
    is_busy: bool
    is_closing: bool
    arrived_block: int
    drawn_block: int
    released_block: int
    close_requested_block: int


@dataclass(frozen=True, slots=True)
class Round:
    """State and round of a job (`RoundView` in `types/Job.sol`).

    Attributes:
        state: Derived state at the block the call was made at.
        number: Round, from 1.
        seed_block: Block that gives the draw's seed; zero once drawn.
        expiry_block: Last block in which a committee can be drawn; zero once drawn.
        deadline: Last second of the commit or reveal window, Unix time.
        seat_ids: Seat of each place; zero for a vacant one.
        committed: Bit i is set when place i has committed.
        revealed: Bit i is set when place i has revealed.
        record: Accepted and Failed only: what `isRecorded` proves against.
        is_delivered: Accepted and Failed only: whether the callback was called.
    """

    state: JobState
    number: int
    seed_block: int
    expiry_block: int
    deadline: int
    seat_ids: tuple[int, ...]
    committed: int
    revealed: int
    record: bytes
    is_delivered: bool

    def has_committed(self, place: int) -> bool:
        """Whether a place has committed."""
        return bool(self.committed >> place & 1)

    def has_revealed(self, place: int) -> bool:
        """Whether a place has revealed."""
        return bool(self.revealed >> place & 1)


@dataclass(frozen=True, slots=True)
class SplitRound:
    """What is left of a split first round (`FirstRoundView` in `types/Job.sol`).

    Attributes:
        seat_ids: Seat of each place that waits for the job's end; zero for others.
        expelled: Owners of members whose seats were closed.
        bounties_paid: Number of bounties that the round paid.
        transcript: Hash of the round; zero where no round was split.
    """

    seat_ids: tuple[int, ...]
    expelled: tuple[ChecksumAddress, ...]
    bounties_paid: int
    transcript: bytes


@dataclass(frozen=True, slots=True)
class KeptRound:
    """The same as the marketplace stores it (`FirstRound` in `types/RoundWord.sol`)."""

    kept: int
    transcript: bytes
    expelled: tuple[ChecksumAddress, ...]
