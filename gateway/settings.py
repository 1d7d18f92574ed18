"""Settings of the gateway."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, StringConstraints, field_validator
from pydantic_settings import SettingsConfigDict

from protocol.amounts import Amounts
from protocol.errors import ConfigError
from protocol.market.types import TICKS
from protocol.roles.settings import RoleSettings
from protocol.strict_model import HexWord

__all__ = ["GatewaySettings"]

_ModelName = Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]{1,128}$")]


class GatewaySettings(RoleSettings):
    """What a gateway needs.

    Attributes:
        database_url: Where accounts and the index live: `sqlite:///FILE`, or
            `postgresql+psycopg://USER:PASSWORD@HOST/NAME`, which replicas can share.
        database_wait_seconds: How long to wait for a locked or unreachable database.
        index_poll_seconds: Pause between two looks at the chain for new events.
        index_confirmations: Blocks that must lie above one before it is indexed.
        host: Address to listen on.
        port: Port to listen on; 0 takes a free one.
        public_url: Where callers reach the gateway, for the URLs in its answers; by
            default the address that it listens on.
        models: Models that can be called: their ids by the names that calls use. On a
            development chain without any, all that are registered, by id.
        redundancy: Workers of a job where a call does not say.
        min_redundancy: Least that a call may say.
        rounds: Rounds that are paid for where a call does not say.
        tick: Price step where a call does not say.
        batch_window_ms: How long a call waits for others to share a job.
        max_prompts_per_job: Most prompts of a job.
        max_prompts_per_call: Most prompts of a call: texts times choices.
        max_live_jobs: Most jobs of this replica at the same time.
        confirmations: Blocks that must lie above an event before it counts.
        poll_seconds: Pause between two looks at the chain.
        lease_seconds: After how long of silence other replicas take a replica's jobs.
        posting_patience_seconds: How long a posting may be in doubt before its callers
            are told that nothing came of it.
        results_timeout_seconds: How long to try to fetch accepted results at a time.
        results_patience_seconds: After how long of trying callers get their money back.
        call_timeout_seconds: How long a caller waits for an answer at most.
        keep_alive_seconds: Pause between two comments in a stream that waits.
        shutdown_seconds: How long calls under way may take once it was told to stop.
        max_body_bytes: Largest body of a call.
        max_file_bytes: Largest uploaded file.
        body_timeout_seconds: How long a body may take to arrive.
        max_concurrent_calls: Most calls at the same time; more are told to come back.
        calls_per_minute: Rate limit of a new API key.
        max_files_per_key: Most files that an API key may keep.
        retention_hours: How long prompts and answers of ended calls are kept.
        cors_origins: Origins whose pages may call the API; none by default.
        token_decimals: Decimals of the escrow token, for amounts that people read.
        token_symbol: Its name in such amounts.
    """

    role: ClassVar[str] = "gateway"
    model_config = SettingsConfigDict(
        env_prefix="ASSAY_GATEWAY_", extra="forbid", frozen=True
    )

    database_url: SecretStr = SecretStr("sqlite:///.assay/gateway.sqlite")
    database_wait_seconds: float = Field(default=10, gt=0, le=600)
    index_poll_seconds: float = Field(default=0.5, gt=0, le=60)
    index_confirmations: int = Field(default=0, ge=0, le=1_000)

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, lt=1 << 16)
    public_url: str | None = None
    models: dict[_ModelName, HexWord] = Field(default={}, max_length=256)
    redundancy: int = Field(default=3, ge=1, le=255)
    min_redundancy: int = Field(default=3, ge=1, le=255)
    rounds: int = Field(default=1, ge=1, le=2)
    tick: int = Field(default=0, ge=0, lt=TICKS)
    batch_window_ms: int = Field(default=200, ge=0, le=60_000)
    max_prompts_per_job: int = Field(default=256, ge=1, le=100_000)
    max_prompts_per_call: int = Field(default=128, ge=1, le=100_000)
    max_live_jobs: int = Field(default=32, ge=1, le=1_000)
    confirmations: int = Field(default=0, ge=0, le=256)
    poll_seconds: float = Field(default=0.25, gt=0, le=60)
    lease_seconds: float = Field(default=15, ge=1, le=600)
    posting_patience_seconds: float = Field(default=30, ge=0, le=3_600)
    results_timeout_seconds: float = Field(default=20, ge=0, le=600)
    results_patience_seconds: float = Field(default=900, ge=0, le=86_400)
    call_timeout_seconds: float = Field(default=600, ge=1, le=86_400)
    keep_alive_seconds: int = Field(default=10, ge=1, le=600)
    shutdown_seconds: int = Field(default=30, ge=0, le=3_600)
    max_body_bytes: int = Field(default=1 << 20, ge=1 << 10, le=1 << 26)
    max_file_bytes: int = Field(default=1 << 24, ge=1 << 10, le=1 << 28)
    body_timeout_seconds: float = Field(default=30, gt=0, le=600)
    max_concurrent_calls: int = Field(default=512, ge=1, le=100_000)
    calls_per_minute: int = Field(default=600, ge=1, le=1_000_000)
    max_files_per_key: int = Field(default=100, ge=1, le=10_000)
    retention_hours: float = Field(default=72, gt=0, le=87_600)
    cors_origins: tuple[str, ...] = Field(default=(), max_length=64)
    data_dir: Path = Path(".assay/gateway")
    token_decimals: int = Field(default=6, ge=0, le=36)
    token_symbol: str = Field(default="tokens", max_length=16)

    @field_validator("public_url")
    @classmethod
    def _require_web_address(cls, url: str | None) -> str | None:
        if url is None:
            return None
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("give an address such as https://assay.example.org")
        return url.rstrip("/")

    def require_key_file(self) -> Path:
        """The wallet's keystore. Raises ConfigError if none is set."""
        if self.key_file is None:
            raise ConfigError(
                "the gateway has no wallet: give --key-file with a keystore; "
                "`assay gateway wallet create` makes one"
            )
        return self.key_file

    @property
    def amounts(self) -> Amounts:
        """How pages write amounts of the token."""
        return Amounts(self.token_decimals, self.token_symbol)

    @property
    def base_url(self) -> str:
        """Where callers reach the gateway."""
        return self.public_url or f"http://{self.host}:{self.port}"
