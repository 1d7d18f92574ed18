"""The one tree of errors that Assay raises.

```text
MarketError
├── ConfigError              a setting, key file or deployment file
│   ├── DevelopmentKeyRefused
│   └── WrongPassword
├── RequestError             what a requester asked for cannot be had
├── BatchError               a requester's batch cannot be gone on with
│   └── BudgetReached        its budget does not pay for the next job
├── ProtocolError            bytes or values that break the protocol
│   ├── BadDocument
│   ├── BadProof
│   ├── BadReceipt
│   └── BadTokenizer
├── ChainError
│   ├── RpcUnavailable       retryable
│   │   ├── RpcRateLimited   retryable
│   │   └── RpcRefusal       the node answered with an error of its own
│   ├── WrongChain
│   ├── NoContract
│   ├── NotEnoughFunds
│   ├── GasPriceTooHigh      retryable
│   ├── SpendingCapReached   retryable
│   ├── OutboxError
│   ├── TransactionDropped   retryable
│   ├── JobNotFound
│   └── ContractReverted     one row of REVERTS for each error of the contracts
├── StoreError
│   ├── StoreUnavailable     retryable
│   ├── ContentNotFound      retryable
│   ├── ContentTooLarge
│   └── DigestMismatch
├── DatabaseError            the gateway's database refuses
│   ├── DatabaseUnavailable  retryable
│   └── DatabaseOutdated     its tables are of another version
├── WaitTimedOut             retryable; what was waited for goes on
└── WorkerError
    ├── ModelRefused
    ├── JournalError
    └── AlreadyRunning
```

A message names the field, its value and the way out. `exit_code` is what a command
exits with, `http_status` what a gateway answers.
"""

from __future__ import annotations

from enum import IntEnum
from typing import ClassVar

from protocol.hexadecimal import to_hex
from protocol.revert_rules import REVERTS, RevertRule

__all__ = [
    "AlreadyRunning",
    "BadDocument",
    "BadProof",
    "BadReceipt",
    "BadTokenizer",
    "BatchError",
    "BudgetReached",
    "ChainError",
    "ConfigError",
    "ContentNotFound",
    "ContentTooLarge",
    "ContractReverted",
    "DatabaseError",
    "DatabaseOutdated",
    "DatabaseUnavailable",
    "DevelopmentKeyRefused",
    "DigestMismatch",
    "GasPriceTooHigh",
    "JobNotFound",
    "JournalError",
    "MarketError",
    "ModelRefused",
    "NoContract",
    "NotEnoughFunds",
    "OutboxError",
    "ProtocolError",
    "RequestError",
    "RpcRateLimited",
    "RpcUnavailable",
    "SpendingCapReached",
    "StoreError",
    "StoreUnavailable",
    "TransactionDropped",
    "WaitTimedOut",
    "WorkerError",
    "WrongChain",
    "WrongPassword",
]


class MarketError(Exception):
    """Root of every error that Assay raises on purpose."""

    exit_code: ClassVar[int] = 1
    http_status: ClassVar[int] = 500
    is_retryable: ClassVar[bool] = False


class ConfigError(MarketError):
    """A setting, key file or deployment file is missing or makes no sense."""

    exit_code = 2


class DevelopmentKeyRefused(ConfigError):
    """A publicly known key was given for a chain where it could lose money."""


class WrongPassword(ConfigError):
    """A password that does not open a keystore."""


class RequestError(MarketError):
    """A request that cannot be posted as it stands."""

    exit_code = 2
    http_status = 400


class BatchError(MarketError):
    """A batch whose journal is missing, held by another process, or damaged."""

    exit_code = 11
    http_status = 409


class BudgetReached(BatchError):
    """A batch's budget does not pay for its next job; nothing more was posted."""

    exit_code = 12
    http_status = 402


class ProtocolError(MarketError):
    """Bytes or values that break a rule of the protocol."""

    exit_code = 4
    http_status = 502


class BadDocument(ProtocolError):
    """A prompts or results document that is not canonical or not valid."""


class BadProof(ProtocolError):
    """Bytes that do not prove what they should, from a receipt or from a node."""


class BadReceipt(ProtocolError):
    """A receipt that does not hold; the message names the step."""


class BadTokenizer(ProtocolError):
    """A `tokenizer.json` that is no byte-level BPE, or ids outside of it."""


class ChainError(MarketError):
    """The chain could not be read or did not do what it was asked."""

    exit_code = 3
    http_status = 503


class RpcUnavailable(ChainError):
    """The RPC endpoint did not answer, or answered with a failure of its own."""

    is_retryable = True


class RpcRateLimited(RpcUnavailable):
    """The RPC endpoint asks to be called less often.

    Attributes:
        retry_after_seconds: How long it asks to wait; None if it did not say.
    """

    def __init__(self, message: str, retry_after_seconds: float | None = None) -> None:
        """Keep the wait apart from the full message."""
        self.retry_after_seconds = retry_after_seconds
        super().__init__(message)


class WrongChain(ChainError):
    """The RPC serves another chain than the deployment is on."""


class NoContract(ChainError):
    """There is no code at an address where a contract should be."""


class NotEnoughFunds(ChainError):
    """Too few tokens, too little allowance, or no gas money."""

    http_status = 402


class GasPriceTooHigh(ChainError):
    """Gas costs more than the account may pay for a unit; nothing was sent."""

    is_retryable = True


class OutboxError(ChainError):
    """The file of sent transactions is locked, damaged or of another version."""


class SpendingCapReached(ChainError):
    """The account may spend no more on gas today; nothing was sent."""

    is_retryable = True


class TransactionDropped(ChainError):
    """A transaction was not mined in time."""

    is_retryable = True


class JobNotFound(ChainError):
    """No job with this id was posted here."""

    http_status = 404


class StoreError(MarketError):
    """Content could not be put or fetched."""

    exit_code = 5
    http_status = 503


class StoreUnavailable(StoreError):
    """The content store did not answer."""

    is_retryable = True


class ContentNotFound(StoreError):
    """The content store does not have the bytes, or not in time."""

    is_retryable = True


class ContentTooLarge(StoreError):
    """The bytes exceed the size they may have."""


class DigestMismatch(StoreError):
    """Bytes were served that do not hash to the digest asked for."""


class DatabaseError(MarketError):
    """The gateway's database refuses a statement."""

    exit_code = 7
    http_status = 503


class DatabaseUnavailable(DatabaseError):
    """The gateway's database is down or locked."""

    is_retryable = True


class DatabaseOutdated(DatabaseError):
    """The tables of the gateway's database are of another version."""


class WaitTimedOut(MarketError):
    """The time given for waiting is over; what was waited for goes on."""

    exit_code = 9
    http_status = 504
    is_retryable = True


class WorkerError(MarketError):
    """A worker cannot start or go on."""

    exit_code = 6


class ModelRefused(WorkerError):
    """A model that this worker cannot or may not serve."""


class JournalError(WorkerError):
    """The worker's journal is locked, damaged or of another version."""


class AlreadyRunning(WorkerError):
    """Another process works with this key."""


class ContractReverted(ChainError):
    """A contract refused a call.

    Attributes:
        name: Solidity name of the error.
        arguments: Its arguments, in order.
        rule: What it means.
    """

    def __init__(self, name: str, arguments: tuple[object, ...] = ()) -> None:
        """Describe a revert by the error's name and its decoded arguments."""
        self.name = name
        self.arguments = arguments
        self.rule = REVERTS.get(name, RevertRule("the contract gave no known reason"))
        shown = tuple(_show(argument) for argument in arguments)
        super().__init__(f"{name}: {self.rule.meaning.format(*shown)}")


def _show(argument: object) -> str:
    if isinstance(argument, bytes):
        return to_hex(argument)
    return argument.name.lower() if isinstance(argument, IntEnum) else str(argument)
