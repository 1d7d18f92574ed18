"""Requests that a running worker carries out for a command, since it has the key.

A command leaves a file in the data folder, which only its owner can write to; the
worker takes it, does it and leaves the answer. So no second process ever sends
transactions with the same key.
"""

from __future__ import annotations

import json
import logging
import time
import uuid
from dataclasses import asdict, dataclass
from pathlib import Path

from eth_utils.address import is_address, to_checksum_address

from protocol.chain.client import MarketClient
from protocol.errors import (
    ConfigError,
    MarketError,
    RequestError,
    WaitTimedOut,
    WorkerError,
)
from protocol.host.private_files import create_private
from protocol.host.terminal import one_line
from worker.money.wallet import Withdrawal, withdraw_credit
from worker.process.acting import acting_as_worker
from worker.process.data_dir import running_in
from worker.settings import WorkerSettings

__all__ = [
    "RequestServer",
    "WithdrawRequest",
    "ask_running_worker",
    "withdraw_as_worker",
]

logger = logging.getLogger(__name__)

_FOLDER = "control"
_ASKED, _TAKEN, _ANSWERED = ".asked.json", ".taken.json", ".answer.json"
_POLL_SECONDS = 0.1
_MODE_PRIVATE_FOLDER = 0o700


@dataclass(frozen=True, slots=True)
class WithdrawRequest:
    """Pay credit out.

    Attributes:
        amount: Token units; None pays all out.
        to: Who gets them; None means the worker itself.
    """

    amount: int | None
    to: str | None


def ask_running_worker(
    data_dir: Path, request: WithdrawRequest, *, limit_seconds: float
) -> Withdrawal:
    """Have the worker of a data folder do something, and wait for its answer.

    Args:
        data_dir: The worker's folder.
        request: What to do.
        limit_seconds: How long it may take.

    Raises:
        WorkerError: It was refused; the message says why.
        WaitTimedOut: No answer in time. If the worker had not begun, it never will.
    """
    folder = data_dir / _FOLDER
    folder.mkdir(_MODE_PRIVATE_FOLDER, parents=True, exist_ok=True)
    name = uuid.uuid4().hex
    asked, answer = folder / (name + _ASKED), folder / (name + _ANSWERED)
    create_private(asked, json.dumps(asdict(request)), "request")
    deadline = time.monotonic() + limit_seconds
    while not answer.exists():
        if time.monotonic() > deadline:
            raise WaitTimedOut(_silence(asked, limit_seconds))
        time.sleep(_POLL_SECONDS)
    reply = json.loads(answer.read_text(encoding="utf-8"))
    answer.unlink()
    if "error" in reply:
        raise WorkerError(f"the running worker refused: {reply['error']}")
    return Withdrawal(**reply)


def withdraw_as_worker(
    settings: WorkerSettings, request: WithdrawRequest, *, limit_seconds: float
) -> Withdrawal:
    """Pay credit out, through the running worker if there is one.

    Args:
        settings: The worker's.
        request: How much and to whom.
        limit_seconds: How long a running worker may take.

    Raises:
        MarketError: It could not be done; the message says why.
    """
    if running_in(settings.data_dir) is not None:
        return ask_running_worker(
            settings.data_dir, request, limit_seconds=limit_seconds
        )
    with acting_as_worker(settings) as client:
        return _withdraw(client, request)


def _withdraw(client: MarketClient, request: WithdrawRequest) -> Withdrawal:
    to = client.address if request.to is None else request.to
    if not is_address(to):
        raise RequestError(f"{to!r} is no address: give 0x and 40 hexadecimal digits")
    return withdraw_credit(client, request.amount, to_checksum_address(to))


def _silence(asked: Path, seconds: float) -> str:
    try:
        # Taken back, unless the worker has it.
        asked.unlink()
    except FileNotFoundError:
        return (
            f"the running worker has not finished after {seconds:g} s and may still: "
            "look at the credit before asking again"
        )
    return f"the running worker took nothing in {seconds:g} s; nothing was done"


class RequestServer:
    """Finds the requests of commands in the data folder, and answers them."""

    def __init__(self, data_dir: Path, client: MarketClient) -> None:
        """Act with the account of a client.

        Requests to an earlier process are deleted: the commands that asked have ended.
        """
        self._folder = data_dir / _FOLDER
        self._client = client
        for path in self._folder.glob("*.json"):
            path.unlink(missing_ok=True)

    def answer_all(self) -> None:
        """Carry out the requests made since the last call, and write their answers."""
        if not self._folder.is_dir():
            return
        for asked in sorted(self._folder.glob(f"*{_ASKED}")):
            self._do(asked)

    def _do(self, asked: Path) -> None:
        name = asked.name.removesuffix(_ASKED)
        taken = self._folder / (name + _TAKEN)
        try:
            asked.rename(taken)
        except FileNotFoundError:
            return  # taken back
        try:
            reply = asdict(self._withdraw(taken))
        except MarketError as error:
            reply = {"error": one_line(error)}
        draft = self._folder / f".{name}"
        draft.write_text(json.dumps(reply), encoding="utf-8")
        draft.rename(self._folder / (name + _ANSWERED))
        taken.unlink()

    def _withdraw(self, taken: Path) -> Withdrawal:
        try:
            request = WithdrawRequest(**json.loads(taken.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise ConfigError(f"request {taken} makes no sense: {error}") from error
        done = _withdraw(self._client, request)
        logger.info(
            "withdrawn",
            extra={"amount": done.amount, "to": done.to, "tx_hash": done.tx_hash},
        )
        return done
