"""Settings of a worker."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from eth_typing import ChecksumAddress
from eth_utils.address import is_address, to_checksum_address
from pydantic import AfterValidator, Field
from pydantic_settings import SettingsConfigDict

from protocol.amounts import Amounts
from protocol.hexadecimal import from_hex
from protocol.market.types import TICKS, ModelId
from protocol.roles.settings import RoleSettings
from protocol.strict_model import HexWord

__all__ = ["EngineOptions", "WorkerSettings"]

_MIB = 1 << 20
_HIGHEST_PORT = 65_535


def _to_address(text: str) -> ChecksumAddress:
    if not is_address(text):
        raise ValueError("give an address: 0x and 40 hexadecimal digits")
    return to_checksum_address(text)


def _require_host_and_port(text: str) -> str:
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or int(port) > _HIGHEST_PORT:
        raise ValueError("give a host and a port such as 127.0.0.1:9464")
    return text


_Address = Annotated[str, AfterValidator(_to_address)]
_HostAndPort = Annotated[str, AfterValidator(_require_host_and_port)]


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """How an engine runs; no result depends on it.

    Attributes:
        threads: CPU threads.
        backend: The native library, PyTorch, or the first that can be used.
        cache_bytes: Most memory of all sequences' caches together.
        prefill_rows: Most rows of one step.
    """

    threads: int
    backend: Literal["auto", "native", "torch"]
    cache_bytes: int
    prefill_rows: int


class WorkerSettings(RoleSettings):
    """Settings of one worker process, which works with one key.

    Attributes:
        models: Ids of the models to serve.
        tick: Price step of the seats, 0 to 7.
        max_seats: Most seats for each model; the machine's speed may allow fewer.
        threads: Threads of the engine.
        engine: `native`, `torch`, or `auto` for the first that can be used.
        cache_mib: Most memory of the engine's sequences together, MiB.
        prefill_rows: Most tokens that one step of the engine computes.
        start_patience_seconds: How long to wait, at the start, for a chain that does
            not answer.
        poll_seconds: Pause between two looks at the chain.
        confirmations: Blocks that an event must be under before it is acted on.
        keeper: Whether to move others' jobs forward for their bounties.
        withdraw_above: Credit above this many token units is paid out; None keeps it.
        withdraw_to: Address that withdrawals go to; the worker's own if None.
        fetch_share: Part of the commit window spent on fetching prompts, percent.
        token_wei: What a unit of the escrow token is worth in wei; with it, jobs that
            would cost more gas than they pay are declined.
        keep_results_days: Results of a job are kept on IPFS for so long after its end.
        on_stop: What Ctrl-C and SIGTERM ask for: `leave` closes the seats, finishes
            what is owed and stops; `finish` does so and keeps the seats, for a restart;
            `now` stops at once. A second signal always means now.
        drain_seconds: How long finishing may take.
        monitor_address: Host and port of `/healthz`, `/readyz` and `/metrics`; none
            are served if None.
        token_decimals: Decimals of the escrow token, for amounts that people read.
        token_symbol: Its name in such amounts.
    """

    role: ClassVar[str] = "worker"
    model_config = SettingsConfigDict(
        env_prefix="ASSAY_WORKER_", extra="forbid", frozen=True
    )

    data_dir: Path = Path(".assay/worker")
    models: tuple[HexWord, ...] = Field(default=(), max_length=16)
    tick: int = Field(default=0, ge=0, lt=TICKS)
    max_seats: int = Field(default=1, ge=1, le=1024)
    threads: int = Field(default=1, ge=1, le=256)
    engine: Literal["auto", "native", "torch"] = "auto"
    cache_mib: int = Field(default=1024, ge=64, le=1 << 20)
    prefill_rows: int = Field(default=512, ge=1, le=4096)
    start_patience_seconds: float = Field(default=60, ge=0, le=86_400)
    poll_seconds: float = Field(default=0.25, gt=0, le=60)
    confirmations: int = Field(default=0, ge=0, le=256)
    keeper: bool = True
    withdraw_above: int | None = Field(default=None, ge=0)
    withdraw_to: _Address | None = None
    fetch_share: int = Field(default=50, ge=10, le=90)
    token_wei: Decimal | None = Field(default=None, gt=0)
    keep_results_days: int = Field(default=30, ge=1, le=3_650)
    on_stop: Literal["leave", "finish", "now"] = "leave"
    drain_seconds: float = Field(default=900, gt=0, le=86_400)
    monitor_address: _HostAndPort | None = None
    token_decimals: int = Field(default=6, ge=0, le=36)
    token_symbol: str = Field(default="tokens", max_length=16)

    @property
    def engine_options(self) -> EngineOptions:
        """How the engine of each model runs."""
        return EngineOptions(
            threads=self.threads,
            backend=self.engine,
            cache_bytes=self.cache_mib * _MIB,
            prefill_rows=self.prefill_rows,
        )

    @property
    def amounts(self) -> Amounts:
        """How amounts of the escrow token are written."""
        return Amounts(self.token_decimals, self.token_symbol)

    def journal_path(self, marketplace: ChecksumAddress) -> Path:
        """The journal for one marketplace."""
        return self.data_dir / f"journal-{marketplace.lower()}.sqlite"

    @property
    def payee(self) -> ChecksumAddress | None:
        """Where withdrawals go, if not to the worker's own address."""
        to = self.withdraw_to
        return None if to is None else to_checksum_address(to)

    @property
    def model_ids(self) -> tuple[ModelId, ...]:
        """The models as 32-byte ids."""
        return tuple(ModelId(from_hex(text)) for text in self.models)
