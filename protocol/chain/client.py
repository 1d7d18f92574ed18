"""The marketplace as an account uses it: everything that sends a transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from eth_account.signers.local import LocalAccount
from eth_typing import ChecksumAddress
from web3 import Web3

from protocol.chain.abi.contracts import interface
from protocol.chain.deployment import CONTRACT_ROLES, Deployment
from protocol.chain.permit import sign_permit, takes_permits
from protocol.chain.reader import MarketReader
from protocol.chain.rpc.endpoint import RpcRefusal
from protocol.chain.rpc.provider import connect, request
from protocol.chain.rpc.receipts import TxReceipt
from protocol.chain.transactions.options import SenderOptions
from protocol.chain.transactions.sender import Call, Sender
from protocol.errors import ConfigError
from protocol.market.calls import CommitEntry, RevealEntry
from protocol.market.types import (
    DEVELOPMENT_CHAIN_IDS,
    JobId,
    JobParams,
    JobState,
    ModelId,
    ModelSpec,
    Outcome,
)

__all__ = ["MarketClient"]


class MarketClient(MarketReader):
    """Reads a marketplace, and writes to it when it has an account.

    Each write returns once it is mined. All of them raise `ContractReverted` when the
    contract refuses, `NotEnoughFunds` without money for gas, `TransactionDropped` when
    it is not mined in time, `RequestError` for an argument that does not fit its type,
    and `ConfigError` when the client has no account.
    """

    def __init__(
        self,
        web3: Web3,
        deployment: Deployment,
        account: LocalAccount | None = None,
        options: SenderOptions | None = None,
    ) -> None:
        """Check that the deployment is there; see `connect`."""
        super().__init__(web3, deployment)
        self._sender = (
            None if account is None else Sender(web3, account, options=options)
        )

    @classmethod
    def connect(
        cls,
        rpc_url: str,
        deployment: Deployment,
        account: LocalAccount | None = None,
        *,
        options: SenderOptions | None = None,
    ) -> Self:
        """Connect and check that the deployment is there.

        Args:
            rpc_url: As `MarketReader.connect`.
            deployment: Where the contracts are.
            account: Whose transactions to send; None reads only.
            options: How to send them.

        Raises:
            ChainError: As `MarketReader.connect`.
            ConfigError: As `MarketReader.connect`.
            OutboxError: The options name a file that cannot be used.
        """
        return cls(connect(rpc_url), deployment, account, options)

    @property
    def sender(self) -> Sender:
        """What sends the account's transactions. Raises ConfigError without one."""
        if self._sender is None:
            raise ConfigError(
                "this client has no account and only reads: connect it with a key"
            )
        return self._sender

    @property
    def address(self) -> ChecksumAddress:
        """Address of the account. Raises ConfigError if there is none."""
        return self.sender.address

    # ---------------------------------------------------------------- models, money

    def register_model(self, spec: ModelSpec) -> TxReceipt:
        """Register a model; its id is `spec.model_id()`."""
        return self._send("registry", "registerModel", spec)

    def faucet(self, amount: int) -> TxReceipt:
        """Mint test dollars to the account, units; development tokens only."""
        return self._send("token", "faucet", amount)

    def approve(self, amount: int) -> TxReceipt:
        """Allow the marketplace to take up to `amount` units of tokens."""
        return self._send("token", "approve", self._deployment.marketplace, amount)

    def deposit(self, amount: int) -> TxReceipt:
        """Turn tokens into credit, units; needs an allowance."""
        return self._do("deposit", amount)

    def withdraw(self, amount: int, to: ChecksumAddress) -> TxReceipt:
        """Pay credit out as tokens, units."""
        return self._do("withdraw", amount, to)

    # ---------------------------------------------------------------- seats

    def open_seats(self, model_id: ModelId, tick: int, count: int) -> TxReceipt:
        """Open seats, each locking one bond of credit; `SeatOpened` names their ids."""
        return self._do("openSeats", model_id, tick, count)

    def close_seat(self, seat_id: int) -> TxReceipt:
        """Ask a seat of the account's to close."""
        return self._do("closeSeat", seat_id)

    def leave_seat(self, seat_id: int) -> TxReceipt:
        """Take a closing seat off its roster; the bond becomes its owner's credit."""
        return self._do("leaveSeat", seat_id)

    # ---------------------------------------------------------------- jobs

    def post_job(self, params: JobParams) -> TxReceipt:
        """Post a job: takes `escrow_of(params)` from credit, the rest in tokens."""
        return self._do("postJob", params)

    def post_job_with_permit(self, params: JobParams, amount: int) -> TxReceipt:
        """Post a job with a permit (EIP-2612) for `amount` units instead of `approve`.

        Raises:
            ConfigError: The token takes no permits; see `takes_permits`.
        """
        permit = sign_permit(
            self._web3,
            self.sender.account,
            token=self._deployment.token,
            spender=self._deployment.marketplace,
            value=amount,
            now=self.block_time(),
        )
        return self._do("postJobWithPermit", params, permit)

    def takes_permits(self) -> bool:
        """Whether the token takes permits (EIP-2612) of the account."""
        return takes_permits(self._web3, self._deployment.token, self.address)

    def cancel_job(self, params: JobParams) -> TxReceipt:
        """Withdraw a job before its seed block or after its draw deadline."""
        return self._do("cancelJob", params)

    def advance(self, params: JobParams) -> TxReceipt:
        """Do what is due, for a bounty: draw, arm again, settle or fail a job.

        The seed block's header is fetched when a draw is due.
        """
        return self._do("advance", params, self._header_if_due(params))

    def commit_result(self, job_id: JobId, place: int, commitment: bytes) -> TxReceipt:
        """Commit to an outcome by `commitments.commitment`."""
        return self._do("commitResult", job_id, place, commitment)

    def reveal_result(
        self, params: JobParams, place: int, outcome: Outcome, salt: bytes
    ) -> TxReceipt:
        """Open the account's commitment."""
        spare = _spare_gas(params)
        return self._do("revealResult", params, place, outcome, salt, spare_gas=spare)

    def commit_results(self, entries: Sequence[CommitEntry]) -> TxReceipt:
        """Commit to many jobs at once; `EntrySkipped` names what did not apply."""
        return self._do("commitResults", list(entries))

    def reveal_results(self, entries: Sequence[RevealEntry]) -> TxReceipt:
        """Open many commitments at once; `EntrySkipped` names those that did not."""
        spare = sum(_spare_gas(entry.params) for entry in entries)
        return self._do("revealResults", list(entries), spare_gas=spare)

    def deliver(
        self, params: JobParams, outcome: Outcome, transcript: bytes
    ) -> TxReceipt:
        """Call the job's callback with its result, for a bounty.

        Args:
            params: The job's parameters.
            outcome: The accepted one; `Outcome.none()` of a Failed job.
            transcript: Hash from the job's `JobSettled`.
        """
        return self._do("deliver", params, outcome, transcript)

    # ---------------------------------------------------------------- others

    def announce(self, message: bytes) -> TxReceipt:
        """Say where the account's content can be had, as an IPFS multiaddress."""
        return self._do("announce", message)

    def mine_on_demand(self) -> bool:
        """Mine a block if the chain is a development one that mines only when asked.

        There nothing else would bring a seed block about.

        Returns:
            Whether it did.
        """
        if self.chain_id not in DEVELOPMENT_CHAIN_IDS:
            return False
        try:
            if request(self._web3, "anvil_getAutomine"):
                request(self._web3, "evm_mine")
                return True
        except RpcRefusal:
            pass  # not Anvil
        return False

    # ---------------------------------------------------------------- private

    def _header_if_due(self, params: JobParams) -> bytes:
        current = self.round_of(self.job_id_of(params))
        # What we send is mined in the next block, or later.
        has_seed = current.seed_block <= self.block_number() < current.expiry_block
        is_due = current.state == JobState.OPEN and has_seed
        return self.seed_header(current.seed_block) if is_due else b""

    def _do(self, function: str, *arguments: object, spare_gas: int = 0) -> TxReceipt:
        return self._send("marketplace", function, *arguments, spare_gas=spare_gas)

    def _send(
        self, role: str, function: str, *arguments: object, spare_gas: int = 0
    ) -> TxReceipt:
        data = interface(CONTRACT_ROLES[role]).encode_call(function, *arguments)
        to: ChecksumAddress = getattr(self._deployment, role)
        return self.sender.send(Call(function, to, data, spare_gas))


def _spare_gas(params: JobParams) -> int:
    """Gas of ending a round, which any reveal may turn out to do."""
    return _GAS_OF_AN_END + _GAS_OF_A_MEMBERS_END * params.max_places


# Slashing is the dearest fate of a member: about 60,000 for the first time.
_GAS_OF_AN_END = 150_000
_GAS_OF_A_MEMBERS_END = 70_000
