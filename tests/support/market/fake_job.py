"""What the marketplace in memory is made of: accounts, terms, a model, jobs."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from eth_typing import ChecksumAddress
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from protocol.market.terms import MarketConfig, MarketTerms
from protocol.market.types import JobParams, JobState, ModelSpec, Outcome, Round
from protocol.store.memory import MemoryStore
from tests.support.models.tokenizers import byte_tokenizer

CHAIN_ID = 31337
START_TIME = 1_000_000


def an_address(label: str) -> ChecksumAddress:
    return to_checksum_address(keccak(text=label)[-20:])


REQUESTER = an_address("requester")
# The first seven serve first rounds, the others second ones.
WORKERS = tuple(an_address(f"worker {index}") for index in range(16))
FIRST_OF_SECOND_ROUND = 7


def a_config(**changes: object) -> MarketConfig:
    config = MarketTerms.development().to_config(
        token=an_address("token"),
        registry=an_address("registry"),
        deployer=an_address("treasury"),
    )
    config = replace(config, sink=an_address("sink"))
    return replace(config, **changes)  # type: ignore[arg-type]


def a_round(**changes: object) -> Round:
    """A round of three places, drawn a moment ago."""
    drawn = Round(
        state=JobState.COMMITTING,
        number=1,
        seed_block=0,
        expiry_block=0,
        deadline=1_000,
        seat_ids=(3, 7, 9),
        committed=0,
        revealed=0,
        record=bytes(32),
        is_delivered=False,
    )
    return replace(drawn, **changes)  # type: ignore[arg-type]


def a_spec(store: MemoryStore, **changes: object) -> ModelSpec:
    """A model whose package, with the tokenizer, is in the store."""
    package = store.put_directory({"tokenizer.json": byte_tokenizer()})
    spec = ModelSpec(
        package_digest=package,
        weights_root=bytes(32),
        profile=b"int-w8b8".ljust(32, b"\0"),
        vocab_size=256,
        context_length=128,
        ms_per_token=5,
        base_price=2,
    )
    return replace(spec, **changes)  # type: ignore[arg-type]


class FakeClock:
    """A clock that only sleeping moves, and what happens meanwhile."""

    def __init__(self) -> None:
        self.time = float(START_TIME)
        self.slept = 0
        self.meanwhile: list[object] = []

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds
        self.slept += 1
        if self.meanwhile:
            happening = self.meanwhile.pop(0)
            assert callable(happening)
            happening()


@dataclass(slots=True)
class FakeJob:
    params: JobParams
    state: JobState
    seed_block: int
    expiry_block: int
    deadline: int = 0
    number: int = 1
    outcomes: dict[int, Outcome] = field(default_factory=dict)
    revealed: set[int] = field(default_factory=set)
    is_noted: bool = False
    kept: dict[int, Outcome] = field(default_factory=dict)
    bounties: int = 0
    recorded: tuple[Outcome, bytes] | None = None

    @property
    def places(self) -> int:
        return self.params.places_of(self.number)

    def worker(self, place: int) -> ChecksumAddress:
        return WORKERS[place + (FIRST_OF_SECOND_ROUND if self.number == 2 else 0)]

    def votes(self, outcome: Outcome) -> int:
        return sum(self.outcomes[place] == outcome for place in self.revealed)

    def agreed(self) -> Outcome | None:
        quorum = self.params.quorum_of(self.number)
        found = (self.outcomes[place] for place in sorted(self.revealed))
        return next((one for one in found if self.votes(one) >= quorum), None)
