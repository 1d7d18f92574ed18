"""Workers that attack, as processes: `python -m tests.adversarial.villains KIND FLAGS`.

They take the flags of `assay worker run`. Each holds a seat of its own and does with a
place on a committee what its class says; what it tries and what it is answered it logs.
The liar is `python -m devnet.demo.liar`, the dead one an honest worker that was killed.
"""

from __future__ import annotations

import json
import logging
import sys
import urllib.request
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from devnet.network.variants import WrappedEngine, run_as_worker
from inference.engine import (
    FinishReason,
    Generation,
    GenerationRequest,
)
from protocol.chain.client import MarketClient
from protocol.chain.deployment import Deployment
from protocol.chain.keys.accounts import load_account, salt_secret
from protocol.digests import cid_to_digest
from protocol.documents.results import ResultsDocument
from protocol.errors import BadDocument, ContractReverted, StoreError
from protocol.hexadecimal import to_hex
from protocol.market.commitments import commitment, derive_salt
from protocol.market.events import (
    CommitteeDrawn,
    JobPosted,
    ResultCommitted,
    ResultRevealed,
)
from protocol.market.types import (
    JobId,
    JobParams,
    JobState,
    ModelId,
    Outcome,
    OutcomeStatus,
    Round,
)
from protocol.store.ipfs import IpfsStore
from worker.duties.computation import compute
from worker.models.loading import ServedModel, serve_model
from worker.process.signals import stop_on_signals
from worker.run import run_worker
from worker.settings import WorkerSettings

logger = logging.getLogger("tests.adversarial")

_MAX_BYTES = 1 << 20
# Looks at the shared node after everybody else has committed.
_COPYCATS_LOOKS = 10


@dataclass(frozen=True, slots=True)
class Place:
    """A place on a committee, and the job that it is for."""

    job_id: JobId
    params: JobParams
    number: int


class Villain(ABC):
    """Opens a seat and looks at its places again and again; subclasses act."""

    def __init__(self, settings: WorkerSettings) -> None:
        deployment = Deployment.load(settings.deployment)
        account = load_account(
            settings.require_key_file(), chain_id=deployment.chain_id
        )
        self.settings = settings
        self.client = MarketClient.connect(settings.rpc_url, deployment, account)
        self.store = IpfsStore(settings.ipfs_api)
        self._secret = salt_secret(account)
        self._model: ServedModel | None = None

    @abstractmethod
    def act(self, place: Place, current: Round) -> None:
        """Does what it does at a place, given how its job stands."""

    def prepare(self) -> None:
        """What has to be ready before the seat is open; most need nothing."""
        return

    def run(self) -> None:
        (model_id,) = self.settings.model_ids
        bond = self.client.config.seat_bond
        self.prepare()
        self.client.approve(bond)
        self.client.deposit(bond)
        self.client.open_seats(model_id, self.settings.tick, 1)
        stop = stop_on_signals()
        while not stop.is_set():
            for place in self._places():
                self.act(place, self.client.round_of(place.job_id))
            stop.wait(self.settings.poll_seconds)

    def _places(self) -> list[Place]:
        logs = self.client.events(kinds=(JobPosted, CommitteeDrawn))
        params: dict[JobId, JobParams] = {}
        places = []
        for log in logs:
            if isinstance(log.event, JobPosted):
                params[log.event.job_id] = log.event.params
            elif isinstance(log.event, CommitteeDrawn):
                event = log.event
                if self.client.address in event.workers:
                    number = event.workers.index(self.client.address)
                    places.append(Place(event.job_id, params[event.job_id], number))
        return places

    # ---------------------------------------------------------------- means

    def honest_outcome(self, params: JobParams) -> Outcome:
        """The truth, computed with the market's own model."""
        model = self.model(params.model_id)
        prompts = self.store.get(params.prompts_digest, max_bytes=_MAX_BYTES)
        return compute(
            prompts, params, model.spec, engine=model.engine, codec=model.codec
        ).outcome

    def model(self, model_id: ModelId) -> ServedModel:
        if self._model is None:
            self._model = serve_model(
                self.client,
                self.store,
                model_id,
                cache=self.settings.data_dir / "models",
                options=self.settings.engine_options,
                wrap_engine=lambda engine: engine,
            )
        return self._model

    def commit(self, place: Place, outcome: Outcome) -> None:
        hidden = commitment(
            chain_id=self.client.chain_id,
            marketplace=self.client.deployment.marketplace,
            job_id=place.job_id,
            round_number=1,
            worker=self.client.address,
            outcome=outcome,
            salt=self.salt(place),
        )
        self.attempt(
            "commit",
            lambda: self.client.commit_result(place.job_id, place.number, hidden),
        )

    def reveal(self, place: Place, outcome: Outcome, salt: bytes | None = None) -> None:
        self.attempt(
            "reveal",
            lambda: self.client.reveal_result(
                place.params, place.number, outcome, salt or self.salt(place)
            ),
        )

    def salt(self, place: Place) -> bytes:
        return derive_salt(
            self._secret,
            chain_id=self.client.chain_id,
            marketplace=self.client.deployment.marketplace,
            job_id=place.job_id,
            round_number=1,
        )

    def attempt(self, what: str, send: Callable[[], object]) -> None:
        """Try something; the contract's answer goes to the log."""
        try:
            send()
        except ContractReverted as error:
            logger.info("refused", extra={"what": what, "reason": error.name})
        else:
            logger.info("went through", extra={"what": what})

    def has_committed(self, place: Place, current: Round) -> bool:
        return bool(current.committed >> place.number & 1)


class Silent(Villain):
    """Holds a seat and never answers."""

    def act(self, place: Place, current: Round) -> None:
        """Nothing."""


class NeverReveals(Villain):
    """Commits to the truth, and keeps it."""

    def prepare(self) -> None:
        self.model(self.settings.model_ids[0])

    def act(self, place: Place, current: Round) -> None:
        is_open = current.state is JobState.COMMITTING
        if is_open and not self.has_committed(place, current):
            self.commit(place, self.honest_outcome(place.params))


class LateCommit(NeverReveals):
    """Has the truth, and commits to it when the window has passed."""

    def __init__(self, settings: WorkerSettings) -> None:
        super().__init__(settings)
        self._deadline: int | None = None
        self._has_tried = False

    def act(self, place: Place, current: Round) -> None:
        if self._deadline is None:
            self._deadline = current.deadline
            logger.info("waits")
        if self.client.block_time() > self._deadline and not self._has_tried:
            self._has_tried = True
            self.commit(place, self.honest_outcome(place.params))


class LateReveal(NeverReveals):
    """Commits to the truth in time, and reveals it when the window has passed."""

    def __init__(self, settings: WorkerSettings) -> None:
        super().__init__(settings)
        self._has_tried = False

    def act(self, place: Place, current: Round) -> None:
        super().act(place, current)
        is_over = self.client.block_time() > current.deadline
        if current.state is JobState.REVEALING and is_over and not self._has_tried:
            self._has_tried = True
            self.reveal(place, self.honest_outcome(place.params))


class Equivocator(NeverReveals):
    """Commits to a lie, tries to commit to the truth as well, to open the truth, and
    opens the lie in the end.
    """

    def __init__(self, settings: WorkerSettings) -> None:
        super().__init__(settings)
        self._has_committed = self._has_revealed = False

    def act(self, place: Place, current: Round) -> None:
        if current.state is JobState.COMMITTING and not self._has_committed:
            self._has_committed = True
            truth = self.honest_outcome(place.params)
            self.commit(place, _lie(truth))
            self.commit(place, truth)
        if current.state is JobState.REVEALING and not self._has_revealed:
            self._has_revealed = True
            truth = self.honest_outcome(place.params)
            self.reveal(place, truth)
            self.reveal(place, _lie(truth))


class Copycat(Villain):
    """Computes nothing: looks for others' results on the shared IPFS node, copies a
    commitment when it finds none, and tries to open it with what its author reveals.
    """

    def __init__(self, settings: WorkerSettings) -> None:
        super().__init__(settings)
        self._looks = 0
        self._has_revealed = False
        self._seen: dict[str, ResultsDocument | None] = {}

    def act(self, place: Place, current: Round) -> None:
        if current.state is JobState.COMMITTING:
            if not self.has_committed(place, current):
                self._copy(place)
        elif not self._has_revealed:
            self._open(place)

    def _copy(self, place: Place) -> None:
        found = self._results_on_ipfs(place.params)
        if found:
            logger.info("found", extra={"when": "before", "count": len(found)})
            self.commit(place, found[0])
            return
        theirs = self._others(place, ResultCommitted)
        # All but itself, so that nobody has a reason to hold back any longer.
        if len(theirs) == place.params.redundancy - 1:
            self._looks += 1
        if self._looks == _COPYCATS_LOOKS:
            logger.info("found nothing", extra={"looks": self._looks})
            copied = theirs[0].commitment
            self.attempt(
                "copied commitment",
                lambda: self.client.commit_result(place.job_id, place.number, copied),
            )

    def _open(self, place: Place) -> None:
        revealed = self._others(place, ResultRevealed)
        if not revealed:
            return
        self._has_revealed = True
        found = self._results_on_ipfs(place.params)
        logger.info("found", extra={"when": "after", "count": len(found)})
        self.reveal(place, revealed[0].outcome, revealed[0].salt)
        self.reveal(place, revealed[0].outcome)

    def _others(self, place: Place, kind: type[Any]) -> list[Any]:
        logs = self.client.events(job_id=place.job_id, kinds=(kind,))
        events = [log.event for log in logs]
        own = self.client.address
        return [one for one in events if getattr(one, "worker", None) != own]

    def _results_on_ipfs(self, params: JobParams) -> list[Outcome]:
        """Outcomes of results documents for a job that the node holds."""
        return [
            Outcome(
                status=OutcomeStatus.OK,
                token_count=1,
                results_root=document.root(),
                results_digest=cid_to_digest(cid),
                fingerprint=bytes(32),
            )
            for cid in self._pins()
            if (document := self._read(cid)) is not None
            and document.prompts_digest == to_hex(params.prompts_digest)
        ]

    def _read(self, cid: str) -> ResultsDocument | None:
        if cid not in self._seen:
            self._seen[cid] = None
            with suppress(StoreError, BadDocument):
                data = self.store.get(cid_to_digest(cid), max_bytes=_MAX_BYTES)
                self._seen[cid] = ResultsDocument.from_bytes(data)
        return self._seen[cid]

    def _pins(self) -> list[str]:
        request = urllib.request.Request(
            f"{self.settings.ipfs_api}/api/v0/pin/ls", method="POST"
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return list(json.load(answer)["Keys"])


@dataclass(slots=True)
class LazyEngine(WrappedEngine):
    """Computes once, and gives the same answer to everything afterwards."""

    answer: Generation | None = None

    def generate(self, requests: Sequence[GenerationRequest]) -> list[Generation]:
        if self.answer is None:
            self.answer = self.honest.generate(requests[:1])[0]
        return [
            replace(
                self.answer,
                ids=self.answer.ids[: request.max_new_tokens],
                finish=FinishReason.LENGTH,
            )
            for request in requests
        ]


def _lie(truth: Outcome) -> Outcome:
    return replace(truth, results_root=bytes(31) + b"\x01")


KINDS: Mapping[str, Callable[[WorkerSettings], None]] = {
    # Honest in all but its engine.
    "lazy": lambda settings: run_worker(
        settings, stop_on_signals(), wrap_engine=LazyEngine
    ),
    **{
        name: lambda settings, kind=kind: kind(settings).run()  # type: ignore[misc]
        for name, kind in {
            "silent": Silent,
            "never-reveals": NeverReveals,
            "late-commit": LateCommit,
            "late-reveal": LateReveal,
            "equivocator": Equivocator,
            "copycat": Copycat,
        }.items()
    },
}


if __name__ == "__main__":
    logger.setLevel(logging.INFO)
    run_as_worker(KINDS[sys.argv.pop(1)])
