"""What the marketplace in memory is made of: accounts, terms, a model, jobs."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from eth_typing import ChecksumAddress

from protocol.market.types import JobParams, JobState, ModelSpec, Outcome
from protocol.store.memory import MemoryStore
from tests.support.market.values import a_model, an_address
from tests.support.models.tokenizers import byte_tokenizer

CHAIN_ID = 31337
START_TIME = 1_000_000


REQUESTER = an_address("requester")
# The first seven serve first rounds, the others second ones.
WORKERS = tuple(an_address(f"worker {index}") for index in range(16))
FIRST_OF_SECOND_ROUND = 7


def a_spec(store: MemoryStore, **changes: object) -> ModelSpec:
    """A model whose package, with the tokenizer, is in the store."""
    package = store.put_directory({"tokenizer.json": byte_tokenizer()})
    spec = a_model(package_digest=package, context_length=128)
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
