from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pytest
from pydantic_settings import SettingsConfigDict

from protocol.chain.transactions.options import SenderOptions
from protocol.errors import ConfigError
from protocol.roles.settings import RoleSettings


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


def test_load_several_urls_keeps_them_all() -> None:
    urls = "http://first:1, https://second/key"
    assert ExampleSettings.load(rpc_url=urls).rpc_url == urls


def test_load_several_urls_with_a_bad_one_hides_all_credentials() -> None:
    urls = "http://me:hunter2@first:1,ftp://you:hunter3@second"
    with pytest.raises(ConfigError, match="rpc_url") as failure:
        ExampleSettings.load(rpc_url=urls)
    assert "hunter" not in str(failure.value)


def test_sender_options_without_settings_set_no_limit(tmp_path: Path) -> None:
    options = ExampleSettings.load(data_dir=tmp_path).sender_options
    assert options == SenderOptions(outbox_path=tmp_path / "outbox.sqlite")


def test_sender_options_hold_the_limits_in_wei(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_file(
        monkeypatch,
        "[worker]\nmax_fee_per_gas_gwei = 0.05\nmax_gas_wei_per_day = 7\n"
        "low_gas_wei = 8\nreplace_after_seconds = 9\n",
    )
    options = ExampleSettings.load(data_dir=tmp_path).sender_options
    assert options == SenderOptions(
        replace_after_seconds=9,
        max_fee_per_gas_wei=50_000_000,
        max_gas_wei_per_day=7,
        low_balance_wei=8,
        outbox_path=tmp_path / "outbox.sqlite",
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_fee_per_gas_gwei", "0"),
        ("max_fee_per_gas_gwei", "cheap"),
        ("max_gas_wei_per_day", "-1"),
        ("replace_after_seconds", "0"),
    ],
)
def test_load_senseless_limits_name_the_setting(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"ASSAY_WORKER_{name.upper()}", value)
    with pytest.raises(ConfigError, match=rf"worker\.{name} is '{value}'"):
        ExampleSettings.load()
