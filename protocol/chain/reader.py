"""A marketplace's state and history, read through a node."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Literal, Self, TypeVar, cast

from eth_typing import ChecksumAddress
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak
from web3 import Web3

from protocol.chain.abi.contracts import interface
from protocol.chain.abi.decoding import topic_of
from protocol.chain.deployment import CONTRACT_ROLES, Deployment
from protocol.chain.proofs.build import prove_job
from protocol.chain.proofs.verify import JobProof
from protocol.chain.rpc.blocks import BlockHead, MinedBlock, fetch_head
from protocol.chain.rpc.event_logs import ChunkSize, fetch_logs
from protocol.chain.rpc.header import fetch_header
from protocol.chain.rpc.provider import connect
from protocol.chain.rpc.receipts import TxReceipt, fetch_receipt
from protocol.errors import ConfigError, NoContract, RpcUnavailable, WrongChain
from protocol.hexadecimal import to_hex
from protocol.market.events import EVENTS, Event, Log
from protocol.market.terms import MarketConfig
from protocol.market.types import (
    Account,
    JobId,
    JobParams,
    JobState,
    ModelId,
    ModelSpec,
    Outcome,
    Round,
    Seat,
    SplitRound,
)

__all__ = ["BlockId", "MarketReader"]

_T = TypeVar("_T")

BlockId = int | Literal["latest", "pending"]
"""A block: its number, the last mined one, or the one that would be mined next."""


class MarketReader:
    """Reads one deployment; thread-safe, keeps no state of the chain's.

    Every read takes a `block`. All methods raise `RpcUnavailable` when the node fails.
    """

    def __init__(self, web3: Web3, deployment: Deployment) -> None:
        """Check that the deployment is there; see `connect`."""
        self._web3 = web3
        self._deployment = deployment
        self._chunk_size = ChunkSize()
        _check_chain(web3, deployment)
        _check_code(web3, deployment)
        self._config = self._read(MarketConfig, "marketplace", "config")
        _check_config(deployment, self._config)
        _check_lens(deployment, self._read(str, "lens", "marketplace"))

    @classmethod
    def connect(cls, rpc_url: str, deployment: Deployment) -> Self:
        """Connect and check that the deployment is there.

        Args:
            rpc_url: Node of the deployment's chain, or several with commas between
                them.
            deployment: Where the contracts are.

        Raises:
            ConfigError: The URL or the deployment's addresses make no sense.
            WrongChain: The node serves another chain.
            NoContract: There is no code, or other code, at one of the addresses.
            RpcUnavailable: The node does not answer.
        """
        return cls(connect(rpc_url), deployment)

    @property
    def chain_id(self) -> int:
        """Chain id (EIP-155)."""
        return self._deployment.chain_id

    @property
    def deployment(self) -> Deployment:
        """Where the contracts are."""
        return self._deployment

    @property
    def config(self) -> MarketConfig:
        """The marketplace's immutable terms, read once."""
        return self._config

    # ---------------------------------------------------------------- blocks

    def head(self) -> BlockHead:
        """The last mined block."""
        return self._head("latest")

    def block_number(self) -> int:
        """Number of the last mined block."""
        return int(self._web3.eth.block_number)

    def block_time(self, block: MinedBlock = "latest") -> int:
        """Time of a block, Unix seconds."""
        return self._head(block).time

    def block_hash(self, number: int) -> str | None:
        """Hash of the block at a height, `0x` and 64 digits; None if there is none."""
        head = fetch_head(self._web3, number)
        return None if head is None else head.block_hash

    def seed_header(self, block_number: int) -> bytes:
        """RLP header of a mined block, checked against its hash.

        Raises:
            ChainError: The chain's headers have a field unknown to this version.
        """
        return fetch_header(self._web3, block_number)

    def gas_price(self) -> int:
        """What the node suggests to pay for a unit of gas, wei."""
        return int(self._web3.eth.gas_price)

    def receipt(self, tx_hash: str) -> TxReceipt | None:
        """A transaction's receipt; None while it is in no block."""
        return fetch_receipt(self._web3, tx_hash)

    def balance(self, address: ChecksumAddress) -> int:
        """Money for gas of an account, wei."""
        return int(self._web3.eth.get_balance(address))

    # ---------------------------------------------------------------- jobs

    def job_id_of(self, params: JobParams) -> JobId:
        """The job's id on this chain and marketplace; computed, not asked for."""
        return params.job_id(self.chain_id, self._deployment.marketplace)

    def state_of(self, job_id: JobId, *, block: BlockId = "latest") -> JobState:
        """State of a job at a block's time."""
        return self._read(JobState, "marketplace", "stateOf", job_id, block=block)

    def round_of(self, job_id: JobId, *, block: BlockId = "latest") -> Round:
        """State and round of a job."""
        return self._read(Round, "lens", "roundOf", job_id, block=block)

    def split_round_of(
        self, job_id: JobId, *, block: BlockId = "latest"
    ) -> SplitRound | None:
        """What waits of a first round that was split; None if nothing does."""
        split = self._read(SplitRound, "lens", "firstRoundOf", job_id, block=block)
        return split if any(split.transcript) else None

    def escrow_of(self, params: JobParams, *, block: BlockId = "latest") -> int:
        """What posting such a job locks, token units.

        Raises:
            ContractReverted: `UnknownModel`.
        """
        return self._read(int, "marketplace", "escrowOf", params, block=block)

    def is_recorded(
        self,
        job_id: JobId,
        outcome: Outcome,
        transcript: bytes,
        *,
        block: BlockId = "latest",
    ) -> bool:
        """Whether an outcome is a job's accepted one.

        Args:
            job_id: The job.
            outcome: The outcome claimed.
            transcript: Hash from the job's `JobSettled`.
            block: Block to ask at.
        """
        return self._read(
            bool, "lens", "isRecorded", job_id, outcome, transcript, block=block
        )

    # ---------------------------------------------------------------- accounts

    def account_of(
        self, address: ChecksumAddress, *, block: BlockId = "latest"
    ) -> Account:
        """Credit and record of an account."""
        return self._read(Account, "marketplace", "accountOf", address, block=block)

    def seat_of(self, seat_id: int, *, block: BlockId = "latest") -> Seat:
        """A seat; its owner is the zero address if there is none."""
        return self._read(Seat, "lens", "seatOf", seat_id, block=block)

    def roster_size(
        self, model_id: ModelId, tick: int, *, block: BlockId = "latest"
    ) -> int:
        """Seats of a model at or under a tick, busy and closing ones included."""
        return self._read(int, "lens", "rosterSize", model_id, tick, block=block)

    def spec_of(self, model_id: ModelId, *, block: BlockId = "latest") -> ModelSpec:
        """A registered model.

        Raises:
            ContractReverted: `UnknownModel`.
        """
        return self._read(ModelSpec, "registry", "specOf", model_id, block=block)

    def token_balance(
        self, address: ChecksumAddress, *, block: BlockId = "latest"
    ) -> int:
        """Tokens of an account, units."""
        return self._read(int, "token", "balanceOf", address, block=block)

    def allowance(self, owner: ChecksumAddress, *, block: BlockId = "latest") -> int:
        """Tokens that the marketplace may take from an account, units."""
        spender = self._deployment.marketplace
        return self._read(int, "token", "allowance", owner, spender, block=block)

    # ---------------------------------------------------------------- history

    def events(
        self,
        *,
        job_id: JobId | None = None,
        from_block: int | None = None,
        to_block: int | None = None,
        kinds: Collection[type[Event]] | None = None,
        account: ChecksumAddress | None = None,
    ) -> list[Log]:
        """Events of the marketplace and its registry, in the chain's order.

        Args:
            job_id: Only those of this job.
            from_block: First block; that of the deployment when None.
            to_block: Last block; the last mined one when None. A node that does not
                have the block that is named here raises an error instead of leaving
                events out.
            kinds: Only these events; an empty collection has none.
            account: Only those whose first topic is this account; not with `job_id`.
        """
        wanted = tuple(EVENTS.values()) if kinds is None else tuple(kinds)
        if not wanted:
            return []
        if job_id is not None:
            # Of other events the first topic is an account or a seat.
            wanted = tuple(
                kind for kind in wanted if "job_id" in kind.__dataclass_fields__
            )
        topics: list[Any] = [[topic_of(kind) for kind in wanted]]
        if job_id is not None:
            topics.append(to_hex(job_id))
        elif account is not None:
            topics.append("0x" + account[2:].lower().zfill(64))
        first = self._deployment.block_number if from_block is None else from_block
        return fetch_logs(
            self._web3,
            addresses=(self._deployment.marketplace, self._deployment.registry),
            topics=topics,
            from_block=max(first, 0),
            to_block=self.block_number() if to_block is None else to_block,
            chunk_size=self._chunk_size,
            fresh_blocks=0 if to_block is None else _FRESH_BLOCKS,
        )

    def prove_job(self, job_id: JobId, logs: Sequence[Log]) -> JobProof:
        """Prove a job's word and events under one block's hash.

        Args:
            job_id: A job that has ended.
            logs: Its events, in order; the last one ended it.

        Raises:
            RequestError: Too many blocks lie between them.
            ChainError: The chain is of a fork that this version does not know.
        """
        return prove_job(self._web3, self._deployment.marketplace, job_id, logs)

    # ---------------------------------------------------------------- private

    def _head(self, block: MinedBlock) -> BlockHead:
        head = fetch_head(self._web3, block)
        if head is None:
            raise RpcUnavailable(f"the node does not have block {block}")
        return head

    def call(
        self, to: ChecksumAddress, data: bytes, block: BlockId = "latest"
    ) -> bytes:
        """What a contract answers to call data.

        Raises:
            ContractReverted: It refuses.
            RpcUnavailable: The node failed.
        """
        return bytes(self._web3.eth.call({"to": to, "data": data}, block))

    def _read(
        self,
        kind: type[_T],
        role: str,
        function: str,
        *arguments: object,
        block: BlockId = "latest",
    ) -> _T:
        """What a function of one of `CONTRACT_ROLES` returns, of a known kind."""
        contract, address = CONTRACT_ROLES[role], getattr(self._deployment, role)
        abi = interface(contract)
        data = abi.encode_call(function, *arguments)
        result = self.call(address, data, block)
        if not result:
            raise NoContract(f"there is no {contract} at {address} at block {block}")
        try:
            return cast(_T, abi.decode_result(function, result))
        except ValueError as error:
            raise RpcUnavailable(
                f"{contract}.{function} at {address} returned nonsense: {error}"
            ) from error


# A node behind a load balancer is seldom further behind the others.
_FRESH_BLOCKS = 2


def _check_chain(web3: Web3, deployment: Deployment) -> None:
    actual = web3.eth.chain_id
    if actual != deployment.chain_id:
        raise WrongChain(
            f"the RPC serves chain {actual}, the deployment is on chain "
            f"{deployment.chain_id}: use another RPC URL or another deployment file"
        )


def _check_code(web3: Web3, deployment: Deployment) -> None:
    for name in CONTRACT_ROLES:
        address: ChecksumAddress = getattr(deployment, name)
        code = bytes(web3.eth.get_code(to_checksum_address(address)))
        if not code:
            raise NoContract(
                f"there is no {name} at {address} on chain {deployment.chain_id}: "
                "was the chain reset, or is the deployment file another's?"
            )
        expected = deployment.code_hashes.get(name)
        actual = to_hex(keccak(code))
        if expected is not None and actual != expected:
            raise NoContract(
                f"the code of the {name} at {address} hashes to {actual}, "
                f"the deployment file says {expected}: it is another contract"
            )


def _check_config(deployment: Deployment, config: MarketConfig) -> None:
    for name in ("token", "registry"):
        expected, actual = getattr(deployment, name), getattr(config, name)
        if expected != actual:
            raise ConfigError(
                f"the deployment names the {name} {expected}, "
                f"the marketplace uses {actual}"
            )


def _check_lens(deployment: Deployment, marketplace: str) -> None:
    if marketplace != deployment.marketplace:
        raise ConfigError(
            f"the deployment names the lens {deployment.lens}, which reads the "
            f"marketplace {marketplace} instead of {deployment.marketplace}"
        )
