"""What a call asks of the market, and its form in the database."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

from protocol.documents.results import Output
from protocol.market.types import ModelId
from requester.jobs.drafts import Terms
from requester.prompts.decoding import Decoding
from requester.prompts.request import PromptRequest

__all__ = [
    "Ask",
    "JobTerms",
    "outputs_from_json",
    "outputs_to_json",
    "prompts_from_json",
    "prompts_to_json",
]


@dataclass(frozen=True, slots=True)
class JobTerms:
    """What calls must have in common to share a job.

    Attributes:
        model_id: The model.
        tick: Price step.
        redundancy: Workers.
        rounds: Rounds that are paid for.
    """

    model_id: ModelId
    tick: int
    redundancy: int
    rounds: int

    def __str__(self) -> str:
        """One word; `parse` reads it."""
        numbers = f"{self.tick}/{self.redundancy}/{self.rounds}"
        return f"0x{self.model_id.hex()}/{numbers}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads what `str` wrote."""
        model, tick, redundancy, rounds = text.split("/")
        model_id = ModelId(bytes.fromhex(model[2:]))
        return cls(model_id, int(tick), int(redundancy), int(rounds))

    @property
    def terms(self) -> Terms:
        """The same as the SDK takes it."""
        return Terms(
            model_id=self.model_id,
            redundancy=self.redundancy,
            rounds=self.rounds,
            tick=self.tick,
        )


@dataclass(frozen=True, slots=True)
class Ask:
    """A call that can be made part of a job.

    Attributes:
        terms: The terms.
        prompts: Its prompts, nothing about decoding left unsaid.
        prompt_tokens: Tokens of the prompts.
        max_tokens: The same with the most that they may generate.
        max_cost: What it costs at most, alone in a job; units.
    """

    terms: JobTerms
    prompts: tuple[PromptRequest, ...]
    prompt_tokens: int
    max_tokens: int
    max_cost: int


def prompts_to_json(prompts: Sequence[PromptRequest]) -> str:
    """Writes prompts."""
    return json.dumps([asdict(prompt) for prompt in prompts])


def prompts_from_json(text: str) -> list[PromptRequest]:
    """Reads what `prompts_to_json` wrote."""
    return [_prompt(value) for value in json.loads(text)]


def outputs_to_json(outputs: Sequence[Output]) -> str:
    """Writes outputs."""
    return json.dumps([output.model_dump(mode="json") for output in outputs])


def outputs_from_json(text: str) -> list[Output]:
    """Reads what `outputs_to_json` wrote."""
    return [Output.model_validate(value, strict=False) for value in json.loads(text)]


def _prompt(value: dict[str, Any]) -> PromptRequest:
    decoding = value["decoding"]
    for name in ("stop", "stop_ids"):
        if decoding[name] is not None:
            decoding[name] = tuple(decoding[name])
    ids = value["ids"]
    return PromptRequest(
        text=value["text"],
        decoding=Decoding(**decoding),
        ids=None if ids is None else tuple(ids),
    )
