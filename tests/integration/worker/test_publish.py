"""`assay model publish` on a real chain and a real IPFS node."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from assay.cli import run
from devnet.processes.anvil import Anvil, development_account
from devnet.processes.ipfs import IpfsNode
from inference.packages.package import PACKAGE_FILES, read_package
from protocol.chain.keys.accounts import save_key
from protocol.chain.transactions.outbox import Outbox
from protocol.hexadecimal import from_hex
from protocol.market.events import ModelRegistered
from protocol.market.types import ModelId
from protocol.store.ipfs import IpfsStore
from tests.support.models.packages import change_json, write_random_package
from tests.support.network.chain import Stage

Capture = pytest.CaptureFixture[str]
PUBLISHER = 3


@pytest.fixture
def market(
    anvil: Anvil, ipfs: IpfsNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Stage:
    """A market, and the publisher's settings in the environment."""
    market = Stage.deploy(anvil)
    monkeypatch.chdir(tmp_path)
    deployment, key = tmp_path / "deployment.json", tmp_path / "key"
    market.deployment.save(deployment)
    save_key(key, bytes(development_account(PUBLISHER).key))
    settings = {
        "rpc_url": anvil.url,
        "ipfs_api": ipfs.api,
        "deployment": str(deployment),
        "key_file": str(key),
    }
    for name, value in settings.items():
        monkeypatch.setenv(f"ASSAY_WORKER_{name.upper()}", value)
    return market


@pytest.fixture
def package(tmp_path: Path) -> Path:
    write_random_package(tmp_path / "package")
    return tmp_path / "package"


def test_model_publish_package_is_registered_and_can_be_fetched(
    market: Stage, ipfs: IpfsNode, package: Path, capsys: Capture
) -> None:
    command = ["model", "publish", str(package), "--base-price", "7"]

    assert run(command) == 0
    text = capsys.readouterr().out.strip()
    assert run([*command, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"modelId": text}

    spec = market.client(0).spec_of(ModelId(from_hex(text)))
    assert spec.weights_root == read_package(package).weights_root()
    assert spec.profile_name == "int-w8b8"
    assert spec.base_price == 7
    fetched = IpfsStore(ipfs.api).get_directory(spec.package_digest)
    assert fetched == {name: (package / name).read_bytes() for name in PACKAGE_FILES}


def test_model_publish_wrong_vectors_is_refused(
    market: Stage, package: Path, capsys: Capture
) -> None:
    def change(content: dict[str, list[dict[str, list[str]]]]) -> None:
        content["vectors"][4]["logits"][7] = "0" * 64

    change_json(package / "vectors.json", change)

    assert run(["model", "publish", str(package)]) == 1

    assert "sampled with top-p" in capsys.readouterr().err


def test_model_publish_keeps_to_the_limits_and_the_outbox(
    market: Stage, package: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASSAY_WORKER_DATA_DIR", "data")
    monkeypatch.setenv("ASSAY_WORKER_MAX_FEE_PER_GAS_GWEI", "0.000000001")
    assert run(["model", "publish", str(package)]) == 3
    assert "max_fee_per_gas" in capsys.readouterr().err
    assert market.client(0).events(kinds=(ModelRegistered,)) == []

    monkeypatch.delenv("ASSAY_WORKER_MAX_FEE_PER_GAS_GWEI")
    assert run(["model", "publish", str(package)]) == 0
    account = development_account(PUBLISHER).address
    chain_id = market.deployment.chain_id
    outbox = Outbox(Path("data/outbox.sqlite"), chain_id=chain_id, account=account)
    assert outbox.spent_since(0) > 0
