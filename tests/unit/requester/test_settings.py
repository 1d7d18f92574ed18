from __future__ import annotations

from pathlib import Path

import pytest

from protocol.errors import ConfigError
from requester.settings import RequesterSettings


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ASSAY_CONFIG", raising=False)


def test_load_flag_wins_over_environment_over_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "assay.toml"
    file.write_text(
        '[requester]\nrpc_url = "http://file:1"\nipfs_api = "http://file:2"\n'
        'token_symbol = "ATD"\n'
    )
    monkeypatch.setenv("ASSAY_CONFIG", str(file))
    monkeypatch.setenv("ASSAY_REQUESTER_RPC_URL", "http://environment:1")
    monkeypatch.setenv("ASSAY_REQUESTER_IPFS_API", "http://environment:2")
    settings = RequesterSettings.load(rpc_url="http://flag:1", ipfs_api=None)
    assert settings.rpc_url == "http://flag:1"
    assert settings.ipfs_api == "http://environment:2"
    assert settings.amounts.text(1_500_000) == "1.5 ATD"


@pytest.mark.parametrize(
    ("name", "value"),
    [("model", "0x12"), ("token_decimals", -1), ("poll_seconds", 0), ("nonsense", 1)],
)
def test_load_bad_value_is_named(name: str, value: object) -> None:
    with pytest.raises(ConfigError, match=f"setting requester.{name} is {value!r}"):
        RequesterSettings.load(**{name: value})
