"""The requester's SDK: price a batch, post it, find jobs again."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Self

from eth_typing import ChecksumAddress

from protocol.chain.client import MarketClient
from protocol.chain.rpc.receipts import TxReceipt
from protocol.chain.transactions.sender import Call
from protocol.errors import (
    ConfigError,
    ContractReverted,
    RequestError,
)
from protocol.hexadecimal import from_hex, to_hex
from protocol.market.events import JobPosted, ModelRegistered, entries_of
from protocol.market.prices import Estimate, escrow_of
from protocol.market.timeline import Timeline
from protocol.market.types import (
    DEVELOPMENT_CHAIN_IDS,
    TICKS,
    ZERO_ADDRESS,
    JobId,
    JobParams,
    JobState,
    ModelId,
)
from protocol.roles.session import open_read_only, open_session
from requester.jobs.connections import Connections
from requester.jobs.drafts import Draft, DraftMarket, Terms, draft_job
from requester.jobs.job import Job
from requester.jobs.posting import ALREADY_POSTED, post, publish
from requester.prompts.decoding import Decoding
from requester.prompts.request import PromptRequest
from requester.prompts.tasks import Task
from requester.receipts.build import build
from requester.settings import RequesterSettings

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
        """Use connections that are open.

        Args:
            connections: Chain, store, tokenizers, clock.
            model_id: The model for jobs that name none.
        """
        self._connections = connections
        self._model_id = model_id

    @classmethod
    def connect(
        cls, settings: RequesterSettings | None = None, **given: object
    ) -> Self:
        """Connects to the chain and the content store.

        Without a key file the client only reads: it prices, finds and follows jobs.

        Args:
            settings: None reads them from the environment and the settings file.
            given: Single settings that win over those read, such as `rpc_url` or
                `key_file`; not beside `settings`.

        Raises:
            ConfigError: A setting, deployment or key file is missing or makes no sense.
            ChainError: The RPC does not answer, serves another chain, or has no
                contract where the deployment says; or the outbox in the data folder
                cannot be used.
        """
        if settings is None:
            settings = RequesterSettings.load(**given)
        elif given:
            raise ConfigError(
                f"settings and {', '.join(given)} are given: set them in the settings"
            )
        has_key = settings.key_file is not None
        session = open_session(settings) if has_key else open_read_only(settings)
        connections = Connections.of(
            session,
            data_dir=settings.data_dir,
            poll_seconds=settings.poll_seconds,
            results_timeout_seconds=settings.results_timeout_seconds,
            confirmations=settings.confirmations,
        )
        model = settings.model
        return cls(
            connections,
            model_id=ModelId(from_hex(model)) if model else None,
        )

    @property
    def connections(self) -> Connections:
        """Chain, store, tokenizers and clock that its jobs share."""
        return self._connections

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
        market = self.market_for(terms)
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
            approve: Whether to allow the marketplace what is missing: by a permit in
                the posting where the token takes them (EIP-2612), else beforehand.

        Returns:
            The posted job.

        Raises:
            ConfigError: There is no account.
            NotEnoughFunds: Tokens and credit, or the allowance, are too little.
            StoreError: The prompts could not be stored.
            ContractReverted: The marketplace refuses; nothing was taken.
            TransactionDropped: Posting was sent and not mined in time.
        """
        self._require_account()
        return post(
            self._connections,
            draft.params,
            draft.content,
            escrow=draft.estimate.escrow,
            approve=approve,
        )

    def ensure_posted(
        self,
        params: JobParams,
        content: bytes,
        *,
        from_block: int | None = None,
        approve: bool = True,
    ) -> Job:
        """Posts exactly this job unless it stands on the chain already.

        A job's id is the hash of its parameters, and no id is taken twice. So who wrote
        the parameters down before posting may call this again after any crash, and pays
        once.

        Args:
            params: Parameters of a draft.
            content: Its prompts document.
            from_block: Earliest block that the posting can be in; None for any.
            approve: As for `post`.

        Returns:
            The posted job.

        Raises:
            MarketError: As `post`.
        """
        self._require_account()
        market = self.market
        job_id = market.job_id_of(params)
        if market.state_of(job_id) is not JobState.NONEXISTENT:
            return self.job(job_id, from_block=from_block)
        escrow = escrow_of(market.config, market.spec_of(params.model_id), params)
        try:
            return post(
                self._connections, params, content, escrow=escrow, approve=approve
            )
        except ContractReverted as error:
            # An earlier posting was mined while this one was prepared.
            if error.name != ALREADY_POSTED:
                raise
            return self.job(job_id, from_block=from_block)

    def publish(self, draft: Draft) -> None:
        """Stores and pins a draft's prompts, which `post` does by itself.

        For jobs that a contract posts. Reads the prompts back: workers that cannot
        fetch them cost a failed job.

        Raises:
            StoreError: They could not be stored.
        """
        publish(self._connections.store, draft.params.prompts_digest, draft.content)

    def transact(self, name: str, to: ChecksumAddress | None, data: bytes) -> TxReceipt:
        """Sends a transaction of one's own, such as a call of a contract that asks.

        Sent like all others of this client: simulated, within the limits of the
        settings, and under a nonce that no other of them has.

        Args:
            name: What is called, for messages and logs.
            to: The contract; None creates one.
            data: Call data, or creation code with its arguments.

        Returns:
            What became of it.

        Raises:
            ConfigError: There is no account.
            ContractReverted: The contract refuses.
            ChainError: It could not be sent, or was not mined in time.
        """
        self._require_account()
        return self.market.sender.send(Call(name, to, data))

    def call(self, to: ChecksumAddress, data: bytes) -> bytes:
        """What a contract answers to call data, without a transaction."""
        return self.market.call(to, data)

    # ---------------------------------------------------------------- finding

    def job(self, job_id: JobId, *, from_block: int | None = None) -> Job:
        """Finds a job of anybody's.

        Args:
            job_id: The job.
            from_block: Earliest block that it can be posted in; None for any.

        Raises:
            JobNotFound: It was not posted here, or not since.
        """
        logs = self.market.events(
            job_id=job_id, kinds=(JobPosted,), from_block=from_block
        )
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
            Job(self._connections, posted)
            for posted in entries_of(logs, JobPosted)
            if posted.event.requester == owner
        ]

    def receipt(
        self, job: Job, outputs: Collection[int] | None = None
    ) -> dict[str, Any]:
        """Proof of an accepted job's outputs that anybody can check; see `verify`.

        Args:
            job: A job that was settled as Accepted.
            outputs: Indices of the outputs to show; all of them if None.

        Returns:
            The receipt as a JSON value.

        Raises:
            RequestError: There is nothing to prove, or not yet.
            StoreError: The results cannot be had.
        """
        return build(job, outputs)

    def market_for(self, terms: Terms) -> DraftMarket:
        """What a draft needs of the chain, for the model that terms name or default to.

        Raises:
            ConfigError: Neither they nor the settings name one.
            RequestError: It is not registered.
        """
        model_id = terms.model_id or self._model_id or self._only_model()
        try:
            spec = self.market.spec_of(model_id)
        except ContractReverted as error:
            if error.name != "UnknownModel":
                raise
            raise RequestError(
                f"model {to_hex(model_id)} is not registered at "
                f"{self.market.deployment.registry}; check the id and the deployment"
            ) from error
        is_tick = 0 <= terms.tick < TICKS
        seats = self.market.roster_size(model_id, terms.tick) if is_tick else 0
        return DraftMarket(
            config=self.market.config,
            model_id=model_id,
            spec=spec,
            seats=seats,
        )

    # ---------------------------------------------------------------- private

    def _require_account(self) -> ChecksumAddress:
        if self.account is None:
            raise ConfigError(
                "no key file, so nothing can be paid: give --key-file, or set "
                "ASSAY_REQUESTER_KEY_FILE"
            )
        return self.account

    def _only_model(self) -> ModelId:
        """The only model of a development chain; elsewhere anyone could plant it."""
        registered = []
        if self.market.chain_id in DEVELOPMENT_CHAIN_IDS:
            logs = self.market.events(kinds=(ModelRegistered,))
            models = entries_of(logs, ModelRegistered)
            registered = [model.event.model_id for model in models]
        if len(registered) == 1:
            return registered[0]
        raise ConfigError(
            "no model is named: give --model, or set ASSAY_REQUESTER_MODEL"
            + (f"; {len(registered)} are registered" if registered else "")
        )


def _requests(prompts: Prompts) -> list[PromptRequest]:
    listed = [prompts] if isinstance(prompts, str | PromptRequest) else list(prompts)
    return [PromptRequest(p) if isinstance(p, str) else p for p in listed]
