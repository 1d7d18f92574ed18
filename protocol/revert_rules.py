"""What each error of the contracts means to a person.

A row for each error of the ABI; a test compares the two.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["REVERTS", "RevertRule"]


@dataclass(frozen=True, slots=True)
class RevertRule:
    """What an error of the contracts means to a person.

    Attributes:
        meaning: One sentence that may use the error's arguments, `{0}`, `{1}`, ….
        http_status: What a gateway answers.
        is_retryable: Whether the same call can succeed later.
    """

    meaning: str
    http_status: int = 409
    is_retryable: bool = False


_REQUEST = 400
_PAYMENT = 402
_MISSING = 404

REVERTS: Mapping[str, RevertRule] = {
    "AlreadyCommitted": RevertRule("place {1} of job {0} has committed before"),
    "AlreadyDelivered": RevertRule("the result of job {0} was delivered before"),
    "AlreadyRevealed": RevertRule("place {1} of job {0} has revealed before"),
    "CallbackGasTooLow": RevertRule(
        "{0} gas is left, the callback needs {1}: send more", is_retryable=True
    ),
    "CommitmentMismatch": RevertRule(
        "outcome and salt of job {0} hash to {2}, committed was {1}"
    ),
    "CommitmentNotFound": RevertRule("place {1} of job {0} has not committed"),
    "CreditOverflow": RevertRule("the credit of {0} is {1}; {2} more do not fit"),
    "CreditTooSmall": RevertRule(
        "{0} has a credit of {1} units, {2} are needed; deposit more or ask for less",
        _PAYMENT,
    ),
    "DeadlinePassed": RevertRule("the window of job {0} closed at {1} (Unix time)"),
    "ECDSAInvalidSignature": RevertRule("the permit's signature is invalid", _REQUEST),
    "ECDSAInvalidSignatureLength": RevertRule(
        "the permit's signature has {0} bytes", _REQUEST
    ),
    "ECDSAInvalidSignatureS": RevertRule(
        "the permit's signature is malleable: s is {0}", _REQUEST
    ),
    "EmptyCommitment": RevertRule("the commitment to job {0} is zero"),
    "ERC20InsufficientAllowance": RevertRule(
        "{0} may take {1} units, {2} are needed; approve more", _PAYMENT
    ),
    "ERC20InsufficientBalance": RevertRule(
        "{0} holds {1} units of the token, {2} are needed", _PAYMENT
    ),
    "ERC20InvalidApprover": RevertRule("{0} cannot approve"),
    "ERC20InvalidReceiver": RevertRule("{0} cannot receive tokens", _REQUEST),
    "ERC20InvalidSender": RevertRule("{0} cannot send tokens", _REQUEST),
    "ERC20InvalidSpender": RevertRule("{0} cannot be allowed to spend", _REQUEST),
    "ERC2612ExpiredSignature": RevertRule(
        "the permit expired at {0} (Unix time)", _REQUEST
    ),
    "ERC2612InvalidSigner": RevertRule(
        "the permit was signed by {0}, not by {1}", _REQUEST
    ),
    "Error": RevertRule("{0}"),
    "FaucetLimitExceeded": RevertRule("{0} units asked for, {1} at most", _REQUEST),
    "InvalidAccountNonce": RevertRule("the permit of {0} needs nonce {1}", _REQUEST),
    "InvalidAmount": RevertRule("amount {0} must not be zero", _REQUEST),
    "InvalidAnnouncement": RevertRule("{0} bytes; 1 to {1} are possible", _REQUEST),
    "InvalidCallback": RevertRule(
        "callback {0} with {1} gas: a callback takes 1 to {2}, none takes 0", _REQUEST
    ),
    "InvalidConfig": RevertRule("these constructor arguments make no sense: {0}"),
    "InvalidMaxTokens": RevertRule("maxTokens is {0}; it must be 1 to {1}", _REQUEST),
    "InvalidModelSpec": RevertRule(
        "digest, profile, sizes, pace and price must not be zero: {0}", _REQUEST
    ),
    "InvalidOutcome": RevertRule("no honest worker produces this outcome: {1}"),
    "InvalidPrompts": RevertRule(
        "prompts digest {0} and count {1} must not be zero", _REQUEST
    ),
    "InvalidReceiver": RevertRule("money sent to {0} would be lost", _REQUEST),
    "InvalidRedundancy": RevertRule(
        "redundancy is {0}; it must be odd, 1 to {1}", _REQUEST
    ),
    "InvalidRounds": RevertRule("maxRounds is {0}; it must be 1 to {1}", _REQUEST),
    "InvalidSeatCount": RevertRule("{0} seats in one call; 1 to 64 are possible"),
    "InvalidShortString": RevertRule("the token's name is malformed"),
    "InvalidTick": RevertRule("tick {0}; ticks are 0 to 7", _REQUEST),
    "JobAlreadyPosted": RevertRule("job {0} was posted before; use another nonce"),
    "ModelAlreadyRegistered": RevertRule("model {0} is registered already"),
    "NoCallback": RevertRule("job {0} named no contract to call back", _REQUEST),
    "NoReason": RevertRule("the contract gave no reason"),
    "NoSeatLeft": RevertRule("the market has no free seat id"),
    "NotCancellable": RevertRule(
        "job {0} can be cancelled before block {1} or after block {2}, and not in a "
        "second round"
    ),
    "NothingDue": RevertRule(
        "job {0} is in state {1} and nothing is due yet", is_retryable=True
    ),
    "NotOnCommittee": RevertRule("{1} does not hold place {2} of job {0}"),
    "NotRequester": RevertRule("the job belongs to {0}, not to {1}"),
    "NotSeatOwner": RevertRule("seat {0} does not belong to {1}"),
    "Panic": RevertRule("the contract failed an internal check, panic code {0}"),
    "PayAboveBond": RevertRule(
        "a seat would earn {0} units, its bond is {1}; "
        "ask for fewer tokens, a lower tick, or split the job",
        _REQUEST,
    ),
    "RecordMismatch": RevertRule(
        "outcome and transcript of job {0} make the record {2}, it ended with {1}"
    ),
    "ReentrancyGuardReentrantCall": RevertRule("the token called back into the market"),
    "RosterTooThin": RevertRule(
        "the roster has {0} seats at this price, {1} are needed; "
        "lower the redundancy or raise the tick",
        is_retryable=True,
    ),
    "SafeERC20FailedOperation": RevertRule("token {0} refused the transfer", _PAYMENT),
    "SeatAlreadyClosing": RevertRule("seat {0} has been asked to close before"),
    "SeatNotLeaving": RevertRule(
        "seat {0} leaves when it is closing ({1}), not busy ({2}), from block {3}",
        is_retryable=True,
    ),
    "StringTooLong": RevertRule("the token's name is too long: {0}"),
    "TokenDeltaMismatch": RevertRule(
        "the token delivered {1} units instead of {0}; such tokens are not supported"
    ),
    "UnexpectedJobState": RevertRule("job {0} is in state {1}"),
    "UnknownError": RevertRule("the contract reverted with {0}"),
    "UnknownModel": RevertRule("no model is registered under {0}", _MISSING),
    "WindowTooLong": RevertRule(
        "at the model's pace the job needs {0} s to commit, {1} s are possible; "
        "ask for fewer tokens",
        _REQUEST,
    ),
    "WrongHeader": RevertRule(
        "the header of block {0} hashes to {2}, the chain says {1}"
    ),
}
