"""Settings of the gateway."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from protocol.settings import RoleSettings

__all__ = ["GatewaySettings"]


class GatewaySettings(RoleSettings):
    """What a gateway needs.

    Attributes:
        database_url: Where accounts and the index live: `sqlite:///FILE`, or
            `postgresql+psycopg://USER:PASSWORD@HOST/NAME`, which replicas can share.
        database_wait_seconds: How long to wait for a locked or unreachable database.
        index_poll_seconds: Pause between two looks at the chain for new events.
        index_confirmations: Blocks that must lie above one before it is indexed.
    """

    role: ClassVar[str] = "gateway"
    model_config = SettingsConfigDict(
        env_prefix="ASSAY_GATEWAY_", extra="forbid", frozen=True
    )

    database_url: SecretStr = SecretStr("sqlite:///.assay/gateway.sqlite")
    database_wait_seconds: float = Field(default=10, gt=0, le=600)
    index_poll_seconds: float = Field(default=0.5, gt=0, le=60)
    index_confirmations: int = Field(default=0, ge=0, le=1_000)
