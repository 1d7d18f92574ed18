"""The settings file of a local network, so that commands need no flags."""

from __future__ import annotations

from pathlib import Path

import tomli_w

from devnet.network.plan import Network
from protocol.errors import ConfigError

__all__ = ["TOKEN_DECIMALS", "TOKEN_SYMBOL", "require_replaceable", "write_settings"]

# Of the test dollar, which this network pays in.
TOKEN_SYMBOL = "ATD"
TOKEN_DECIMALS = 6

_MARK = "# Written by `assay up`, which replaces it at every start."


def require_replaceable(path: Path) -> None:
    """Check that a settings file is ours or not there. Raises ConfigError."""
    if not path.exists():
        return
    with path.open("rb") as file:
        if file.read(len(_MARK)) != _MARK.encode():
            raise ConfigError(
                f"settings file {path} was not written by `assay up` and is not "
                "replaced: move it away, or use another folder with --dir"
            )


def write_settings(network: Network) -> None:
    """Write `assay.toml`: a requester, and one more worker that nobody runs yet."""
    folder = network.folder
    shared = {
        "rpc_url": network.rpc_url,
        "ipfs_api": network.ipfs_api,
        "deployment": str(folder.deployment_file),
    }
    tables = {
        "requester": {
            **shared,
            "key_file": str(network.requester.key_file),
            "model": network.model_hex,
            "token_symbol": TOKEN_SYMBOL,
            "data_dir": str(folder.devnet / "requester"),
        },
        "worker": {
            **shared,
            "key_file": str(network.spare.key_file),
            "models": [network.model_hex],
            "data_dir": str(folder.worker_folder(network.spare.name)),
        },
    }
    text = f"{_MARK}\n\n{tomli_w.dumps(tables)}"
    folder.settings_file.write_text(text, encoding="utf-8")
