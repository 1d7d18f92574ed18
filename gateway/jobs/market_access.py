"""The market as the gateway uses it: models, tokenizers, limits, drafts."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from eth_typing import ChecksumAddress

from gateway.errors import CallRefused
from gateway.jobs.sharing import JobLimits
from gateway.jobs.terms import JobTerms
from protocol.chain.client import MarketClient
from protocol.documents.prompts import Prompt
from protocol.documents.tokenizer import TokenCodec
from protocol.errors import (
    ConfigError,
    ContentNotFound,
    NotEnoughFunds,
)
from protocol.host.backoff import Tolerance
from protocol.market.events import Entry, JobPosted, last_entry
from protocol.market.prices import max_job_tokens, price_of
from protocol.market.types import JobId, JobState, ModelId, ModelSpec
from protocol.store.port import ContentStore
from requester.jobs.connections import Connections
from requester.jobs.drafts import (
    Draft,
    DraftMarket,
    assemble_job,
    check_terms,
    price_job,
)
from requester.jobs.job import Job

__all__ = ["MarketAccess", "persist"]

# A roster is looked at when a job is posted, not when a call comes in.
_ANY_SEATS = 1 << 32
_MAX_ALLOWANCE = (1 << 256) - 1
_TRIES = 3
_PAUSE_SECONDS = 0.2

Result = TypeVar("Result")


class MarketAccess:
    """One wallet's view of one marketplace; may be shared between threads."""

    def __init__(self, connections: Connections, *, max_prompts: int) -> None:
        """Use connections with an account.

        Args:
            connections: Chain, store, tokenizers, clock.
            max_prompts: Most prompts of a job.

        Raises:
            ConfigError: The connections only read.
        """
        if connections.account is None:
            raise ConfigError("the gateway has no wallet: give --key-file")
        self._connections = connections
        self._account = connections.account
        self._max_prompts = max_prompts
        self._lock = threading.Lock()
        self._specs: dict[ModelId, ModelSpec] = {}
        self._files: dict[tuple[ModelId, str], bytes | None] = {}

    @property
    def connections(self) -> Connections:
        """Chain, store, tokenizers, clock."""
        return self._connections

    @property
    def market(self) -> MarketClient:
        """The marketplace."""
        return self._connections.market

    @property
    def store(self) -> ContentStore:
        """The content store."""
        return self._connections.store

    @property
    def account(self) -> ChecksumAddress:
        """The wallet's address."""
        return self._account

    # ---------------------------------------------------------------- models

    def spec_of(self, model_id: ModelId) -> ModelSpec:
        """A registered model; asked for once. Raises ChainError."""
        spec = self._specs.get(model_id)
        if spec is None:
            spec = self._specs[model_id] = self.market.spec_of(model_id)
        return spec

    def codec_of(self, model_id: ModelId) -> TokenCodec:
        """A model's tokenizer. Raises StoreError, BadTokenizer, ChainError."""
        spec = self.spec_of(model_id)
        with self._lock:
            return self._connections.tokenizers.codec_of(spec.package_digest)

    def package_file(
        self, model_id: ModelId, name: str, max_bytes: int
    ) -> bytes | None:
        """A further file of a model's package; None if it has none of this name.

        Raises:
            StoreError: The package cannot be had.
            ChainError: The chain cannot be read.
        """
        place = (model_id, name)
        if place not in self._files:
            digest = self.spec_of(model_id).package_digest
            try:
                data = self.store.get_file(digest, name, max_bytes=max_bytes)
            except ContentNotFound:
                # The package itself must be there, or nothing is known.
                self.store.get_file(digest, "config.json", max_bytes=1 << 16)
                data = None
            self._files[place] = data
        return self._files[place]

    # ---------------------------------------------------------------- drafts

    def limits(self, terms: JobTerms) -> JobLimits:
        """What one job of these terms may hold. Raises ChainError."""
        price = price_of(self.spec_of(terms.model_id), terms.tick)
        return JobLimits(self._max_prompts, max_job_tokens(self.market.config, price))

    def estimate(self, terms: JobTerms, prompts: Sequence[Prompt]) -> int:
        """What prompts cost at most as a job of their own, units.

        Raises:
            CallRefused: No job could hold them.
            RequestError: No job could be posted on these terms.
            ChainError: The chain cannot be read.
        """
        market = self._market_of(terms, _ANY_SEATS)
        check_terms(terms.terms, market)
        own = [len(prompt.ids) for prompt in prompts]
        new = [prompt.max_new_tokens for prompt in prompts]
        limits, asked = self.limits(terms), sum(own) + sum(new)
        if asked > limits.tokens or len(prompts) > limits.prompts:
            raise CallRefused(
                f"the call has {len(prompts)} prompts and may take {asked} tokens; a "
                f"job of this market holds {limits.prompts} prompts and "
                f"{limits.tokens} tokens: ask for less, or make several calls",
                code="context_length_exceeded",
            )
        return price_job(own, new, terms=terms.terms, market=market).escrow

    def draft(self, terms: JobTerms, prompts: Sequence[Prompt], *, seats: int) -> Draft:
        """A job of prompts that were let in.

        Args:
            terms: The job's terms.
            prompts: At least one.
            seats: How many can be drawn.

        Raises:
            RequestError: It could not be posted now.
            ChainError: The chain cannot be read.
        """
        market = self._market_of(terms, seats)
        check_terms(terms.terms, market)
        return assemble_job(
            prompts, requester=self._account, terms=terms.terms, market=market
        )

    def _market_of(self, terms: JobTerms, seats: int) -> DraftMarket:
        return DraftMarket(
            config=self.market.config,
            model_id=terms.model_id,
            spec=self.spec_of(terms.model_id),
            seats=seats,
        )

    def seats(self, terms: JobTerms) -> int:
        """Seats that a committee of these terms is drawn from. Raises ChainError."""
        return self.market.roster_size(terms.model_id, terms.tick)

    # ---------------------------------------------------------------- money

    def require_funds(self, escrow: int) -> None:
        """Checks that the wallet can post a job.

        Raises:
            NotEnoughFunds: It cannot.
        """
        missing = escrow - self.funds()
        if missing > 0:
            raise NotEnoughFunds(
                f"the wallet {self._account} lacks {missing} of {escrow} units"
            )

    def funds(self) -> int:
        """Units that the wallet can lock: tokens and credit."""
        credit = self.market.account_of(self._account).credit
        return credit + self.market.token_balance(self._account)

    def allow(self, escrow: int) -> None:
        """Lets the marketplace take tokens of the wallet, once for all.

        It takes them in `postJob` and `deposit` alone, from whoever calls. An allowance
        for each job would have the jobs of several replicas overwrite each other's.
        """
        if self.market.allowance(self._account) < escrow:
            self.market.approve(_MAX_ALLOWANCE)

    # ---------------------------------------------------------------- jobs

    def announce(self) -> None:
        """Says where workers find the gateway's prompts; as `Introductions` does."""
        if self._connections.introductions is not None:
            self._connections.introductions.announce()

    def is_posted(self, job_id: JobId) -> bool:
        """Whether a job stands on chain. Raises RpcUnavailable."""
        return self.market.state_of(job_id) is not JobState.NONEXISTENT

    def find_posting(self, job_id: JobId) -> Entry[JobPosted] | None:
        """The posting of a job, if it is on chain. Raises RpcUnavailable."""
        logs = self.market.events(job_id=job_id, kinds=(JobPosted,))
        return last_entry(logs, JobPosted)

    def job(self, posted: Entry[JobPosted]) -> Job:
        """A posted job, to be followed."""
        return Job(self._connections, posted)


def persist(work: Callable[[], Result]) -> Result:
    """Does something idempotent, and retries it after a passing failure.

    Servers close idle connections, and a request sent in that moment gets no answer.
    A caller should see nothing of that.

    Args:
        work: What to do; to repeat it must change nothing.

    Raises:
        MarketError: It failed for good, or every time.
    """
    tolerance = Tolerance(_TRIES - 1)
    while True:
        with tolerance.bear("asked again"):
            return work()
        time.sleep(_PAUSE_SECONDS)
