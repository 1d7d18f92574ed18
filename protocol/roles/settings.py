"""Settings that every role has, and where they come from.

Precedence: command-line flag, environment (`ASSAY_WORKER_RPC_URL`, …), the role's table
in the settings file (`assay.toml`, or the file that `ASSAY_CONFIG` names), default.
"""

from __future__ import annotations

import os
import tomllib
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar, Self
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from protocol.chain.keys.passwords import PasswordSource
from protocol.chain.transactions.options import REPLACE_AFTER_SECONDS, SenderOptions
from protocol.errors import ConfigError
from protocol.urls import mask_url

__all__ = ["CONFIG_VARIABLE", "RoleSettings", "settings_file"]

CONFIG_VARIABLE = "ASSAY_CONFIG"
_WEI_PER_GWEI = 10**9
_DEFAULT_FILE = Path(".assay/assay.toml")


def settings_file() -> Path:
    """The settings file in force; it need not exist unless it was named."""
    return Path(os.environ.get(CONFIG_VARIABLE, _DEFAULT_FILE))


class RoleSettings(BaseSettings):
    """What a role needs to reach the chain and the content store.

    Attributes:
        rpc_url: Ethereum JSON-RPC endpoint, http or https; several with commas between
            them, the best one first.
        deployment: Deployment file that `assay deploy` wrote.
        ipfs_api: RPC address of an IPFS node, http or https; several with commas
            between them, the best one first.
        announce: Where others' IPFS nodes reach this role's: a multiaddress that is
            announced on the chain, `auto` for one that the node itself knows, or `off`.
        private_peers: Whether IPFS nodes of this machine and of private networks are
            announced and connected to.
        key_file: File with the role's private key, plain or a keystore, mode 600.
        password_file: File with the keystore's password, mode 600; None asks at the
            terminal.
        data_dir: Folder of what the role keeps across restarts: transactions that it
            sent (`outbox.sqlite`), its journal or batches, models and tokenizers.
        replace_after_seconds: A transaction that is not mined after so long is sent
            again with higher fees.
        max_fee_per_gas_gwei: Most to pay for a unit of gas; None for any price.
        max_gas_wei_per_day: Most to spend on gas in any 24 hours, wei; None for no
            limit. Counted with what transactions may cost at most.
        low_gas_wei: Warn when less than this is left for gas; None warns when twenty
            more transactions like the last could not be paid.
    """

    role: ClassVar[str] = ""
    model_config = SettingsConfigDict(extra="forbid", frozen=True)

    rpc_url: str = "http://127.0.0.1:8545"
    deployment: Path = Path(".assay/deployment.json")
    ipfs_api: str = "http://127.0.0.1:5001"
    announce: str = Field(default="auto", max_length=512)
    private_peers: bool = False
    key_file: Path | None = None
    password_file: Path | None = None
    data_dir: Path = Path(".assay")
    replace_after_seconds: float = Field(default=REPLACE_AFTER_SECONDS, ge=1, le=3_600)
    max_fee_per_gas_gwei: Decimal | None = Field(default=None, gt=0)
    max_gas_wei_per_day: int | None = Field(default=None, ge=0)
    low_gas_wei: int | None = Field(default=None, ge=0)

    @field_validator("rpc_url", "ipfs_api")
    @classmethod
    def _require_http(cls, urls: str) -> str:
        for url in urls.split(","):
            parts = urlsplit(url.strip())
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise ValueError("give an address such as http://127.0.0.1:8545")
        return urls

    @classmethod
    def load(cls, **flags: Any) -> Self:
        """Read the settings; a flag that is None was not given.

        Raises:
            ConfigError: A value makes no sense or a name is unknown; says which.
        """
        given = {name: value for name, value in flags.items() if value is not None}
        try:
            return cls(**given)
        except ValidationError as error:
            fault = error.errors(include_url=False)[0]
            name = ".".join(str(step) for step in fault["loc"])
            shown = fault["input"]
            if name in ("rpc_url", "ipfs_api") and "@" in str(shown):
                shown = ",".join(map(mask_url, str(shown).split(",")))
            raise ConfigError(
                f"setting {cls.role}.{name} is {shown!r}: {fault['msg']}; "
                f"set it by flag, {cls._variable(name)} or in {settings_file()}"
            ) from error

    @property
    def sender_options(self) -> SenderOptions:
        """How the role's transactions are sent, and where they are remembered."""
        gwei = self.max_fee_per_gas_gwei
        return SenderOptions(
            replace_after_seconds=self.replace_after_seconds,
            max_fee_per_gas_wei=None if gwei is None else int(gwei * _WEI_PER_GWEI),
            max_gas_wei_per_day=self.max_gas_wei_per_day,
            low_balance_wei=self.low_gas_wei,
            outbox_path=self.data_dir / "outbox.sqlite",
        )

    def require_key_file(self) -> Path:
        """The key file. Raises ConfigError if none is set."""
        if self.key_file is None:
            raise ConfigError(
                f"no key file: give --key-file, set {self._variable('key_file')} "
                f"or key_file under [{self.role}] in {settings_file()}"
            )
        return self.key_file

    @property
    def password(self) -> PasswordSource:
        """Where the password of the key file comes from, should it need one."""
        return PasswordSource(self.password_file)

    @classmethod
    def _variable(cls, name: str) -> str:
        return f"ASSAY_{cls.role}_{name}".upper()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flag, environment, the role's table of the settings file."""
        table = InitSettingsSource(settings_cls, init_kwargs=_read_table(cls.role))
        return (init_settings, env_settings, table)


def _read_table(role: str) -> dict[str, Any]:
    path = settings_file()
    if not path.exists():
        if CONFIG_VARIABLE in os.environ:
            raise ConfigError(f"{CONFIG_VARIABLE} names {path}, which does not exist")
        return {}
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"settings file {path} cannot be read: {error}") from error
    table = values.get(role, {})
    if not isinstance(table, dict):
        raise ConfigError(f"settings file {path}: [{role}] must be a table")
    return table
