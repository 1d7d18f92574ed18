from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pytest
from pydantic_settings import SettingsConfigDict

from protocol.chain.client import MarketClient
from protocol.chain.deployment import CONTRACT_ROLES, Deployment
from protocol.chain.keys.accounts import save_key
from protocol.digests import Digest
from protocol.errors import ConfigError, ContentNotFound
from protocol.market.types import ZERO_ADDRESS, ModelId
from protocol.roles.session import Session, open_read_only, open_session
from protocol.roles.settings import RoleSettings
from protocol.store.memory import MemoryStore

MODEL = ModelId(bytes(32))
PACKAGE = {"config.json": b"{}"}
PRIVATE = "/ip4/127.0.0.1/tcp/4001/p2p/QmcgpsyWgH8Y8ajJz1Cu72KnS5uo2Aa2LpzU7kinSupNKC"


class ExampleSettings(RoleSettings):
    role: ClassVar[str] = "worker"
    model_config = SettingsConfigDict(
        env_prefix="ASSAY_WORKER_", extra="forbid", frozen=True
    )


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ExampleSettings:
    """Of a role with a key, on a chain that nobody asks anything."""
    monkeypatch.chdir(tmp_path)
    addresses = dict.fromkeys(CONTRACT_ROLES, ZERO_ADDRESS)
    deployment = Deployment(31337, **addresses, block_number=0, code_hashes={})
    deployment.save(tmp_path / "deployment.json")
    save_key(tmp_path / "key", b"\1" * 32)
    return ExampleSettings.load(
        deployment=tmp_path / "deployment.json",
        key_file=tmp_path / "key",
        data_dir=tmp_path / "data",
    )


@pytest.fixture
def connected(monkeypatch: pytest.MonkeyPatch) -> list[tuple[object, object]]:
    """Account and options of each client that was connected."""
    found: list[tuple[object, object]] = []

    def connect(
        rpc_url: str, deployment: Deployment, account: Any, *, options: object
    ) -> Any:
        found.append((account, options))
        return account

    monkeypatch.setattr(MarketClient, "connect", connect)
    return found


def test_open_read_only_takes_neither_key_nor_outbox(
    settings: ExampleSettings, connected: list[tuple[object, object]]
) -> None:
    lost = settings.model_copy(update={"key_file": Path("missing"), "announce": "?"})
    session = open_read_only(lost)
    assert session.account is None
    assert connected == [(None, None)]
    session.introductions.announce()  # nothing, not even the address of the setting


def test_open_session_private_address_to_announce_is_refused(
    settings: ExampleSettings, connected: list[tuple[object, object]]
) -> None:
    private = settings.model_copy(update={"announce": PRIVATE})
    with pytest.raises(ConfigError, match="private_peers"):
        open_session(private)


@dataclass
class Market:
    """A market with one model, whose publisher's node must be met first."""

    store: MemoryStore
    package_digest: Digest
    met: list[Digest] = field(default_factory=list)

    def spec_of(self, model_id: ModelId) -> Market:
        assert model_id == MODEL
        return self

    def meet_publisher(self, digest: Digest) -> str | None:
        self.met.append(digest)
        self.store.put_directory(PACKAGE)
        return "/ip4/203.0.114.7"

    def close(self) -> None:
        self.met.clear()


def test_fetch_package_meets_its_publisher_only_if_need_be(tmp_path: Path) -> None:
    market: Any = Market(MemoryStore(), MemoryStore().put_directory(PACKAGE))
    store: Any = market.store
    with Session(market, store, market, None) as session:
        for cache in ("one", "other"):
            session.fetch_package(MODEL, tmp_path / cache)
        assert market.met == [market.package_digest]
    assert market.met == []
    for cache in ("one", "other"):
        (config,) = (tmp_path / cache).rglob("config.json")
        assert config.read_bytes() == b"{}"


def test_fetch_package_of_nobody_is_not_found(tmp_path: Path) -> None:
    market: Any = Market(MemoryStore(), MemoryStore().put_directory(PACKAGE))
    market.meet_publisher = lambda digest: None
    store: Any = market.store
    with pytest.raises(ContentNotFound):
        Session(market, store, market, None).fetch_package(MODEL, tmp_path)


def test_open_session_with_a_data_folder_that_cannot_be_made_names_it(
    settings: ExampleSettings, connected: list[tuple[object, object]], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    given = settings.model_copy(update={"data_dir": tmp_path / "file" / "data"})
    with pytest.raises(ConfigError, match=r"data folder .*file/data cannot be written"):
        open_session(given)
    assert connected == []
    open_read_only(given)
