"""What a call asks of the market, and of the form of its answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pydantic import ConfigDict

from protocol.documents.prompts import Prompt
from protocol.market.types import ModelId
from requester.jobs.drafts import Terms

__all__ = ["AnswerForm", "Ask", "JobTerms"]


@dataclass(frozen=True, slots=True)
class JobTerms:
    """What calls must have in common to share a job.

    Attributes:
        model_id: The model.
        tick: Price step.
        redundancy: Workers.
        rounds: Rounds that are paid for.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(
        ser_json_bytes="hex", val_json_bytes="hex"
    )

    model_id: ModelId
    tick: int
    redundancy: int
    rounds: int

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
class AnswerForm:
    """What a call says about the form of its answer.

    Attributes:
        model: The model's name as the caller wrote it.
        choices: Outputs of each prompt.
        has_logprobs: Whether log-probabilities are returned.
        has_echo: Whether the prompt precedes the output.
        has_usage: Whether a stream ends with the tokens used.
    """

    model: str
    choices: int = 1
    has_logprobs: bool = False
    has_echo: bool = False
    has_usage: bool = False


@dataclass(frozen=True, slots=True)
class Ask:
    """A call that can be made part of a job.

    Attributes:
        terms: The terms.
        prompts: Its prompts, as they will stand in the job's document.
        form: How it wants to be answered.
        max_cost: What it costs at most, alone in a job; units.
    """

    terms: JobTerms
    prompts: tuple[Prompt, ...]
    form: AnswerForm
    max_cost: int

    @property
    def prompt_tokens(self) -> int:
        """Tokens of the prompts."""
        return sum(len(prompt.ids) for prompt in self.prompts)

    @property
    def max_tokens(self) -> int:
        """The same with the most that they may generate."""
        return sum(prompt.max_tokens for prompt in self.prompts)
