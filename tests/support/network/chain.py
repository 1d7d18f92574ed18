"""Builders for tests that run a marketplace on a real node."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cache
from itertools import count
from typing import Any, Self

from devnet.processes.anvil import Anvil, development_account
from protocol.chain.client import MarketClient
from protocol.chain.deploying.deploy import deploy_market
from protocol.chain.deployment import Deployment
from protocol.chain.keys.accounts import salt_secret
from protocol.chain.rpc.receipts import TxReceipt
from protocol.market.calls import CommitEntry
from protocol.market.commitments import commitment, derive_salt
from protocol.market.events import CommitteeDrawn
from protocol.market.terms import MarketTerms
from protocol.market.types import (
    JobId,
    JobParams,
    ModelSpec,
    Outcome,
)
from tests.support.market.values import a_job, a_model

__all__ = ["Stage", "Player"]

DOLLARS = 1_000_000
WORKER_STAKE = 200 * DOLLARS
REQUESTER_MONEY = 1_000 * DOLLARS
REQUESTER = 1
FIRST_WORKER = 2
MOST_ACCOUNTS = 26


@cache
def _address(index: int) -> str:
    return str(development_account(index).address)


@dataclass(frozen=True, slots=True)
class Player:
    """A worker on a committee, with the salt of its commitment."""

    client: MarketClient
    place: int
    secret: bytes
    round_number: int

    def salt(self, job_id: JobId) -> bytes:
        return derive_salt(
            self.secret,
            chain_id=self.client.chain_id,
            marketplace=self.client.deployment.marketplace,
            job_id=job_id,
            round_number=self.round_number,
        )

    def entry(self, job_id: JobId, outcome: Outcome) -> CommitEntry:
        hidden = commitment(
            chain_id=self.client.chain_id,
            marketplace=self.client.deployment.marketplace,
            job_id=job_id,
            round_number=self.round_number,
            worker=self.client.address,
            outcome=outcome,
            salt=self.salt(job_id),
        )
        return CommitEntry(job_id, self.place, hidden)

    def commit(self, job_id: JobId, outcome: Outcome) -> TxReceipt:
        entry = self.entry(job_id, outcome)
        return self.client.commit_result(job_id, self.place, entry.commitment)

    def reveal(self, params: JobParams, outcome: Outcome) -> TxReceipt:
        salt = self.salt(self.client.job_id_of(params))
        return self.client.reveal_result(params, self.place, outcome, salt)


@dataclass(slots=True)
class Stage:
    """A fresh marketplace: accounts 0 deploys, 1 requests, 2, 3, … work."""

    anvil: Anvil
    deployment: Deployment
    model: ModelSpec = field(default_factory=a_model)
    nonces: count[int] = field(default_factory=lambda: count(1))

    @classmethod
    def deploy(
        cls, anvil: Anvil, *, has_plain_addresses: bool = True, **terms: Any
    ) -> Self:
        deployment = deploy_market(
            anvil.url,
            development_account(0),
            token=None,
            terms=replace(MarketTerms.development(), **terms),
            # Otherwise the second deployment on a node would find the first one.
            has_plain_addresses=has_plain_addresses,
        )
        return cls(anvil, deployment)

    def client(self, index: int | None) -> MarketClient:
        account = None if index is None else development_account(index)
        return MarketClient.connect(self.anvil.url, self.deployment, account)

    def worker(self, index: int, seats: int = 1) -> MarketClient:
        """A worker with money, stake and seats at tick 0."""
        worker = self.client(index)
        worker.faucet(WORKER_STAKE)
        worker.approve(WORKER_STAKE)
        worker.deposit(WORKER_STAKE)
        if seats:
            worker.open_seats(self.model.model_id(), 0, seats)
        return worker

    def requester(self) -> MarketClient:
        """A requester with money, whose allowance is set."""
        requester = self.client(REQUESTER)
        requester.faucet(REQUESTER_MONEY)
        requester.approve(REQUESTER_MONEY)
        return requester

    def job(self, requester: MarketClient, **changes: object) -> JobParams:
        """Parameters of a new job for the market's model."""
        defaults = {
            "requester": requester.address,
            "model_id": self.model.model_id(),
            "nonce": next(self.nonces),
        }
        return a_job(**(defaults | changes))

    def post(self, requester: MarketClient, **changes: object) -> JobParams:
        """Post a new job for the market's model."""
        params = self.job(requester, **changes)
        requester.post_job(params)
        return params

    def draw(self, caller: MarketClient, params: JobParams) -> CommitteeDrawn:
        """Mine the seed block and draw the committee in the one after it."""
        self.anvil.mine(2)
        logs = caller.advance(params).logs
        (drawn,) = (x.event for x in logs if isinstance(x.event, CommitteeDrawn))
        return drawn

    def members(self, drawn: CommitteeDrawn) -> list[Player]:
        """Committee in the order of its places; vacant ones left out."""
        known = {_address(i): i for i in range(FIRST_WORKER, MOST_ACCOUNTS)}
        return [
            Player(
                client=self.client(known[worker]),
                place=place,
                secret=salt_secret(development_account(known[worker])),
                round_number=drawn.round,
            )
            for place, worker in enumerate(drawn.workers)
            if drawn.seat_ids[place] != 0
        ]
