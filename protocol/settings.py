"""Settings that every role has, and where they come from.

Precedence: command-line flag, environment (`ASSAY_WORKER_RPC_URL`, …), the role's table
in the settings file (`assay.toml`, or the file that `ASSAY_CONFIG` names), default.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any, ClassVar, Self
from urllib.parse import urlsplit

from pydantic import ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from protocol.errors import ConfigError
from protocol.urls import mask_url

__all__ = ["CONFIG_VARIABLE", "RoleSettings", "settings_file"]

CONFIG_VARIABLE = "ASSAY_CONFIG"
_DEFAULT_FILE = Path(".assay/assay.toml")


def settings_file() -> Path:
    """The settings file in force; it need not exist unless it was named."""
    return Path(os.environ.get(CONFIG_VARIABLE, _DEFAULT_FILE))


class RoleSettings(BaseSettings):
    """What a role needs to reach the chain and the content store.

    Attributes:
        rpc_url: Ethereum JSON-RPC endpoint, http or https.
        deployment: Deployment file that `assay deploy` wrote.
        ipfs_api: RPC address of an IPFS node, http or https.
        key_file: File with the role's private key, mode 600.
    """

    role: ClassVar[str] = ""
    model_config = SettingsConfigDict(extra="forbid", frozen=True)

    rpc_url: str = "http://127.0.0.1:8545"
    deployment: Path = Path(".assay/deployment.json")
    ipfs_api: str = "http://127.0.0.1:5001"
    key_file: Path | None = None

    @field_validator("rpc_url", "ipfs_api")
    @classmethod
    def _require_http(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("give an address such as http://127.0.0.1:8545")
        return url

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
                shown = mask_url(str(shown))
            raise ConfigError(
                f"setting {cls.role}.{name} is {shown!r}: {fault['msg']}; "
                f"set it by flag, {cls._variable(name)} or in {settings_file()}"
            ) from error

    def require_key_file(self) -> Path:
        """The key file. Raises ConfigError if none is set."""
        if self.key_file is None:
            raise ConfigError(
                f"no key file: give --key-file, set {self._variable('key_file')} "
                f"or key_file under [{self.role}] in {settings_file()}"
            )
        return self.key_file

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
