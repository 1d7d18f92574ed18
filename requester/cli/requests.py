"""Flags of `assay job` as the values that the SDK takes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from eth_typing import ChecksumAddress
from eth_utils.address import is_address, is_checksum_address, to_checksum_address

from protocol.amounts import MILLIONTHS, parse_scaled
from protocol.errors import RequestError
from protocol.hexadecimal import from_hex
from protocol.market.types import JobId, ModelId
from requester.batches.records import DEFAULT_JOB_SIZE, BatchOptions
from requester.jobs.drafts import Terms
from requester.jobs.job import Milestone
from requester.prompts.decoding import Decoding
from requester.prompts.files import read_prompts
from requester.prompts.request import PromptRequest
from requester.prompts.tasks import Task
from requester.settings import RequesterSettings

__all__ = [
    "SubmitOptions",
    "parse_address",
    "parse_job_id",
    "parse_model_id",
]

_SETTINGS = ("model", "rpc_url", "deployment", "ipfs_api", "key_file", "password_file")


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitOptions:
    """What `assay job submit` was given: an argument and flags, by their names."""

    prompt: str | None
    file: Path | None
    task: str

    max_new_tokens: int | None
    temperature: str | None
    top_k: int | None
    top_p: str | None
    seed: int | None
    stop: tuple[str, ...]
    stop_id: tuple[int, ...]
    logprobs: int | None

    redundancy: int
    rounds: int
    tick: int
    min_seats: int | None
    max_job_tokens: int | None
    max_cost: str | None
    callback: str | None
    callback_gas: int

    approve: bool
    yes: bool
    dry_run: bool
    wait: bool
    until: Milestone
    timeout_seconds: float | None
    receipt_file: Path | None

    out: Path | None
    job_size: int | None
    in_flight: int | None
    budget: str | None

    model: str | None
    rpc_url: str | None
    deployment: Path | None
    ipfs_api: str | None
    key_file: Path | None
    password_file: Path | None
    as_json: bool

    @property
    def is_batch(self) -> bool:
        """Whether many jobs are to be made of a file."""
        return self.out is not None

    def settings(self) -> RequesterSettings:
        """The settings with the flags over them. Raises ConfigError."""
        return RequesterSettings.load(**{n: getattr(self, n) for n in _SETTINGS})

    def prompts(self) -> list[PromptRequest]:
        """The prompts of one job. Raises RequestError."""
        if self.prompt is not None and self.file is None:
            return [PromptRequest(self.prompt)]
        if self.file is not None and self.prompt is None:
            return read_prompts(self.file)
        raise RequestError("give one prompt, or --file with prompts")

    def decoding(self) -> Decoding:
        """Parameters for all prompts. Raises RequestError, naming the flag."""
        return Decoding(
            max_new_tokens=self.max_new_tokens,
            temperature=_millionths(self.temperature, "--temperature"),
            top_k=self.top_k,
            top_p=_millionths(self.top_p, "--top-p"),
            seed=self.seed,
            stop=self.stop or None,
            stop_ids=self.stop_id or None,
            logprobs=self.logprobs,
        )

    def terms(self, settings: RequesterSettings) -> Terms:
        """The terms of each job, by the settings' model and the token's decimals.

        Raises:
            RequestError: Names the flag.
        """
        callback = None
        if self.callback is not None:
            callback = parse_address(self.callback, "--callback")
        return Terms(
            model_id=parse_model_id(settings.model) if settings.model else None,
            redundancy=self.redundancy,
            rounds=self.rounds,
            tick=self.tick,
            min_seats=self.min_seats,
            max_job_tokens=self.max_job_tokens,
            max_cost=_units(self.max_cost, "--max-cost", settings),
            callback=callback,
            callback_gas=self.callback_gas,
        )

    def batch_options(self, settings: RequesterSettings) -> BatchOptions:
        """How to run a batch; see `terms`. Raises RequestError, naming the flag."""
        size = DEFAULT_JOB_SIZE if self.job_size is None else self.job_size
        return BatchOptions(
            task=Task(self.task),
            decoding=self.decoding(),
            terms=self.terms(settings),
            job_size=size,
            in_flight=self.in_flight,
            budget=_units(self.budget, "--budget", settings),
        )


def parse_job_id(text: str) -> JobId:
    """Reads a job id. Raises RequestError."""
    return JobId(_word(text, "job id"))


def parse_model_id(text: str) -> ModelId:
    """Reads a model id. Raises RequestError."""
    return ModelId(_word(text, "model id"))


def parse_address(text: str, name: str = "--requester") -> ChecksumAddress:
    """Reads an address; capitals must be its checksum (EIP-55). Raises RequestError."""
    is_plain = is_address(text) and text[2:].islower()
    if not text.startswith("0x") or not (is_plain or is_checksum_address(text)):
        raise RequestError(
            f"{name} is {text[:60]!r}; give 0x and 40 hexadecimal digits, with "
            "the checksum if it has capitals"
        )
    return to_checksum_address(text)


def _units(text: str | None, name: str, settings: RequesterSettings) -> int | None:
    return None if text is None else settings.amounts.units(text, name)


def _millionths(text: str | None, name: str) -> int | None:
    return None if text is None else parse_scaled(text, MILLIONTHS, name)


def _word(text: str, name: str) -> bytes:
    try:
        return from_hex(text, 32)
    except ValueError as error:
        raise RequestError(
            f"{name} {text[:80]!r} is none; give 0x and 64 hexadecimal digits"
        ) from error
