from __future__ import annotations

from pathlib import Path

import pytest

from devnet.processes.anvil import Anvil, development_account
from devnet.processes.ipfs import IpfsNode
from protocol.chain.keys.accounts import save_key
from protocol.store.ipfs import IpfsStore
from tests.integration.requester.network import Network
from tests.support.network.chain import REQUESTER


@pytest.fixture
def network(anvil: Anvil, tmp_path: Path) -> Network:
    """A marketplace with a model and four workers that the test moves."""
    return Network.start(anvil, tmp_path)


@pytest.fixture
def terms() -> dict[str, int]:
    """Terms of the marketplace that are not the usual ones, for tests to override."""
    return {}


@pytest.fixture
def commanded(
    anvil: Anvil,
    ipfs: IpfsNode,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    terms: dict[str, int],
) -> Network:
    """The same on IPFS, with the settings of its requester in the environment."""
    network = Network.start(anvil, tmp_path, IpfsStore(ipfs.api), **terms)
    monkeypatch.chdir(tmp_path)
    deployment, key = tmp_path / "deployment.json", tmp_path / "key"
    network.market.deployment.save(deployment)
    save_key(key, bytes(development_account(REQUESTER).key))
    settings = {
        "rpc_url": anvil.url,
        "ipfs_api": ipfs.api,
        "deployment": str(deployment),
        "key_file": str(key),
        "data_dir": str(tmp_path / "data"),
        "poll_seconds": "0.05",
    }
    for name, value in settings.items():
        monkeypatch.setenv(f"ASSAY_REQUESTER_{name.upper()}", value)
    return network
