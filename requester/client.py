"""The requester's SDK: price a batch, post it, find jobs again."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Self

from eth_typing import ChecksumAddress

from protocol.chain.client import MarketClient
from protocol.chain.deployment import Deployment
from protocol.chain.events import JobPosted, ModelRegistered
from protocol.chain.keys import load_account
from protocol.errors import (
    ConfigError,
    ContractReverted,
    NotEnoughFunds,
    RequestError,
    StoreError,
    TransactionDropped,
)
from protocol.market import DEVELOPMENT_CHAIN_IDS, TICKS, ZERO_ADDRESS, JobId, ModelId
from protocol.store.ipfs import IpfsStore
from requester.clock import SystemClock
from requester.connections import Connections
from requester.decoding import Decoding
from requester.drafts import Draft, Market, Terms, draft_job
from requester.job import Job
from requester.posting import store_prompts
from requester.pricing import Estimate
from requester.prompts import PromptRequest
from requester.rounds import Entry
from requester.settings import RequesterSettings
from requester.tasks import Task
from requester.timeline import Timeline
from requester.tokenizers import TokenizerCache

__all__ = ["Client", "Prompts"]

Prompts = str | PromptRequest | Sequence[str | PromptRequest]
"""One prompt or several; a string has no parameters of its own."""

_NOTHING_SAID = Decoding()
_USUAL_TERMS = Terms()


class Client:
    """A requester's view of one marketplace."""

    def __init__(
        self, connections: Connections, *, model_id: ModelId | None = None
    ) -> None:
        """Use connections that stand.

        Args:
            connections: Chain, store, tokenizers, clock.
            model_id: The model for jobs that name none.
        """
        self._connections = connections
        self._model_id = model_id

    @classmethod
    def connect(cls, settings: RequesterSettings) -> Self:
        """Connects to the chain and the content store.

        Without a key file the client only reads: it prices, finds and follows jobs.

        Raises:
            ConfigError: Deployment or key file are missing or make no sense.
            ChainError: The RPC does not answer, serves another chain, or has no
                contract where the deployment says.
        """
        deployment = Deployment.load(settings.deployment)
        account = None
        if settings.key_file is not None:
            account = load_account(settings.key_file, chain_id=deployment.chain_id)
        market = MarketClient.connect(settings.rpc_url, deployment, account)
        store = IpfsStore(settings.ipfs_api)
        connections = Connections(
            market=market,
            account=market.address if account is not None else None,
            store=store,
            tokenizers=TokenizerCache(store, settings.data_dir / "tokenizers"),
            clock=SystemClock(),
            poll_seconds=settings.poll_seconds,
            results_timeout_seconds=settings.results_timeout_seconds,
        )
        model = settings.model
        return cls(
            connections,
            model_id=ModelId(bytes.fromhex(model[2:])) if model else None,
        )

    @property
    def market(self) -> MarketClient:
        """The marketplace itself."""
        return self._connections.market

    @property
    def account(self) -> ChecksumAddress | None:
        """Address that posts and pays; None without a key."""
        return self._connections.account

    # ---------------------------------------------------------------- posting

    def prepare(
        self,
        prompts: Prompts,
        *,
        task: Task = Task.COMPLETE,
        decoding: Decoding = _NOTHING_SAID,
        terms: Terms = _USUAL_TERMS,
    ) -> Draft:
        """Tokenises, checks and prices a batch. Costs nothing, sends nothing.

        Args:
            prompts: What to run.
            task: How to frame the prompts.
            decoding: Parameters for all prompts; their own ones win.
            terms: The job's terms.

        Raises:
            RequestError: It could not be posted; the message says what to change.
            StoreError: The model's tokenizer cannot be had.
            ChainError: The chain cannot be read.
        """
        market = self._market_for(terms)
        return draft_job(
            _requests(prompts),
            requester=self.account or ZERO_ADDRESS,
            task=task,
            decoding=decoding,
            terms=terms,
            market=market,
            codec=self._connections.tokenizers.codec_of(market.spec.package_digest),
        )

    def estimate(
        self,
        prompts: Prompts,
        *,
        task: Task = Task.COMPLETE,
        decoding: Decoding = _NOTHING_SAID,
        terms: Terms = _USUAL_TERMS,
    ) -> Estimate:
        """What `submit` would lock and could cost; see `prepare`."""
        return self.prepare(prompts, task=task, decoding=decoding, terms=terms).estimate

    def submit(
        self,
        prompts: Prompts,
        *,
        task: Task = Task.COMPLETE,
        decoding: Decoding = _NOTHING_SAID,
        terms: Terms = _USUAL_TERMS,
        approve: bool = True,
    ) -> Job:
        """Posts a batch as one job; see `prepare` and `post`."""
        draft = self.prepare(prompts, task=task, decoding=decoding, terms=terms)
        return self.post(draft, approve=approve)

    def post(self, draft: Draft, *, approve: bool = True) -> Job:
        """Stores the prompts, then locks the escrow and posts the job.

        Args:
            draft: From `prepare` of this client.
            approve: Whether to raise the token allowance by what is missing.

        Returns:
            The posted job.

        Raises:
            ConfigError: There is no account.
            NotEnoughFunds: Tokens and credit, or the allowance, are too little.
            StoreError: The prompts could not be stored.
            ContractReverted: The marketplace refuses; nothing was taken.
            TransactionDropped: Posting was sent and not mined in time.
        """
        account = self._require_account()
        if draft.params.requester != account:
            raise RequestError(
                f"the draft is for {draft.params.requester}, this client posts as "
                f"{account}; prepare it again"
            )
        needed = self._check_funds(account, draft.estimate.escrow)
        allowance = self.market.allowance(account)
        if allowance < needed and not approve:
            raise NotEnoughFunds(
                f"the marketplace may take {allowance} units from {account}, "
                f"{needed} are needed; approve them, or let this client do it"
            )
        store_prompts(
            self._connections.store, draft.content, draft.params.prompts_digest
        )
        try:
            if allowance < needed:
                self.market.approve(needed)
            return self._post(draft)
        except (ContractReverted, NotEnoughFunds):
            with suppress(StoreError):
                self._connections.store.unpin(draft.params.prompts_digest)
            raise

    # ---------------------------------------------------------------- finding

    def job(self, job_id: JobId) -> Job:
        """Finds a job of anybody's. Raises JobNotFound."""
        logs = self.market.events(job_id=job_id, kinds=(JobPosted,))
        return Job(self._connections, Timeline.of(job_id, logs).posted)

    def jobs(self, requester: ChecksumAddress | None = None) -> list[Job]:
        """Jobs that a requester posted, oldest first.

        Args:
            requester: Whose; None for this client's account.

        Raises:
            ConfigError: Neither is given.
        """
        owner = requester or self._require_account()
        logs = self.market.events(kinds=(JobPosted,))
        return [
            Job(self._connections, Entry(log.event, log))
            for log in logs
            if isinstance(log.event, JobPosted) and log.event.requester == owner
        ]

    # ---------------------------------------------------------------- private

    def _require_account(self) -> ChecksumAddress:
        if self.account is None:
            raise ConfigError(
                "no key file, so nothing can be paid: give --key-file, or set "
                "ASSAY_REQUESTER_KEY_FILE"
            )
        return self.account

    def _market_for(self, terms: Terms) -> Market:
        model_id = terms.model_id or self._model_id or self._only_model()
        try:
            spec = self.market.spec_of(model_id)
        except ContractReverted as error:
            if error.name != "UnknownModel":
                raise
            raise RequestError(
                f"model 0x{model_id.hex()} is not registered at "
                f"{self.market.deployment.registry}; check the id and the deployment"
            ) from error
        is_tick = 0 <= terms.tick < TICKS
        seats = self.market.roster_size(model_id, terms.tick) if is_tick else 0
        return Market(
            chain_id=self.market.chain_id,
            config=self.market.config,
            model_id=model_id,
            spec=spec,
            seats=seats,
        )

    def _only_model(self) -> ModelId:
        """The only model of a development chain; elsewhere anyone could plant it."""
        registered = []
        if self.market.chain_id in DEVELOPMENT_CHAIN_IDS:
            logs = self.market.events(kinds=(ModelRegistered,))
            events = (log.event for log in logs)
            registered = [e.model_id for e in events if isinstance(e, ModelRegistered)]
        if len(registered) == 1:
            return registered[0]
        raise ConfigError(
            "no model is named: give --model, or set ASSAY_REQUESTER_MODEL"
            + (f"; {len(registered)} are registered" if registered else "")
        )

    def _check_funds(self, account: ChecksumAddress, escrow: int) -> int:
        """Tokens that posting takes besides credit. Raises NotEnoughFunds."""
        credit = self.market.account_of(account).credit
        balance = self.market.token_balance(account)
        if balance + credit < escrow:
            raise NotEnoughFunds(
                f"posting locks {escrow} units; {account} has {balance} in tokens and "
                f"{credit} in credit: {escrow - balance - credit} are missing; get "
                "more tokens or ask for less"
            )
        return escrow - min(credit, escrow)

    def _post(self, draft: Draft) -> Job:
        job_id = self.market.job_id_of(draft.params)
        try:
            result = self.market.post_job(draft.params)
        except TransactionDropped as error:
            raise TransactionDropped(
                f"{error}; the job's id is 0x{job_id.hex()}"
            ) from error
        return Job(self._connections, Timeline.of(job_id, result.logs).posted)


def _requests(prompts: Prompts) -> list[PromptRequest]:
    listed = [prompts] if isinstance(prompts, str | PromptRequest) else list(prompts)
    return [PromptRequest(p) if isinstance(p, str) else p for p in listed]
