"""Settings of the requester."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from protocol.amounts import Amounts
from protocol.roles.settings import RoleSettings

__all__ = ["RequesterSettings"]


class RequesterSettings(RoleSettings):
    """What a requester needs.

    Attributes:
        model: Id of the model to use where a job names none, 0x and 64 digits; without
            it, the only model of a development chain.
        token_decimals: Decimals of the escrow token, for amounts that people read.
        token_symbol: Its name in such amounts.
        poll_seconds: Pause between two looks at the chain while waiting.
        results_timeout_seconds: How long to try to fetch accepted results.
        confirmations: Blocks that a batch's job must have ended under before its end is
            believed.
    """

    role: ClassVar[str] = "requester"
    model_config = SettingsConfigDict(
        env_prefix="ASSAY_REQUESTER_", extra="forbid", frozen=True
    )

    model: str | None = Field(default=None, pattern=r"^0x[0-9a-fA-F]{64}$")
    data_dir: Path = Path(".assay/requester")
    token_decimals: int = Field(default=6, ge=0, le=36)
    token_symbol: str = Field(default="tokens", max_length=16)
    poll_seconds: float = Field(default=0.5, gt=0, le=60)
    results_timeout_seconds: float = Field(default=60, ge=0)
    confirmations: int = Field(default=0, ge=0, le=256)

    @property
    def amounts(self) -> Amounts:
        """How to write and read amounts of the token."""
        return Amounts(self.token_decimals, self.token_symbol)
