from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pytest
from pydantic_settings import SettingsConfigDict

from protocol.errors import ConfigError
from protocol.settings import RoleSettings


class ExampleSettings(RoleSettings):
    role: ClassVar[str] = "worker"
    model_config = SettingsConfigDict(
        env_prefix="ASSAY_WORKER_", extra="forbid", frozen=True
    )


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write_file(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    Path("assay.toml").write_text(text, encoding="utf-8")
    monkeypatch.setenv("ASSAY_CONFIG", "assay.toml")


def test_load_flag_wins_over_environment_over_file_over_default(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert ExampleSettings.load().rpc_url == "http://127.0.0.1:8545"
    write_file(monkeypatch, '[worker]\nrpc_url = "http://file:1"\n')
    assert ExampleSettings.load().rpc_url == "http://file:1"
    monkeypatch.setenv("ASSAY_WORKER_RPC_URL", "http://environment:1")
    assert ExampleSettings.load().rpc_url == "http://environment:1"
    assert ExampleSettings.load(rpc_url="http://flag:1").rpc_url == "http://flag:1"
    assert ExampleSettings.load(rpc_url=None).rpc_url == "http://environment:1"


def test_load_bad_value_names_setting_value_and_way_out() -> None:
    with pytest.raises(ConfigError, match=r"worker\.rpc_url is 'localhost'.*flag"):
        ExampleSettings.load(rpc_url="localhost")


def test_load_unknown_name_in_file_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    write_file(monkeypatch, "[worker]\nrpc_ulr = 'http://x'\n")
    with pytest.raises(ConfigError, match="rpc_ulr"):
        ExampleSettings.load()


def test_load_missing_named_file_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY_CONFIG", "nowhere.toml")
    with pytest.raises(ConfigError, match=r"nowhere\.toml"):
        ExampleSettings.load()


def test_load_broken_file_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    write_file(monkeypatch, "[worker\n")
    with pytest.raises(ConfigError, match="cannot be read"):
        ExampleSettings.load()


def test_require_key_file_without_one_says_how_to_give_it() -> None:
    with pytest.raises(ConfigError, match="ASSAY_WORKER_KEY_FILE"):
        ExampleSettings.load().require_key_file()


def test_load_bad_url_with_password_does_not_show_it() -> None:
    with pytest.raises(ConfigError) as caught:
        ExampleSettings.load(rpc_url="ftp://user:secret@rpc.example/key")
    assert "secret" not in str(caught.value)
