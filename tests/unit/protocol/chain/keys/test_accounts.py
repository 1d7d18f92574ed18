from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from eth_account import Account

from devnet.processes.anvil import development_account
from protocol.chain.keys.accounts import (
    WELL_KNOWN_ADDRESSES,
    load_account,
    salt_secret,
    save_key,
)
from protocol.errors import ConfigError, DevelopmentKeyRefused
from protocol.hexadecimal import to_hex

MAINNET = 1
KEY = bytes.fromhex("11" * 31 + "a7")


def _write(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


def test_save_key_then_load_account_returns_the_account(tmp_path: Path) -> None:
    path = tmp_path / "worker.key"
    save_key(path, KEY)
    account = load_account(path, chain_id=MAINNET)
    assert account.address == Account.from_key(KEY).address
    assert bytes(account.key) == KEY
    assert os.listdir(tmp_path) == ["worker.key"]


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_save_key_whatever_the_umask_has_mode_600(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        save_key(tmp_path / "key", KEY)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600


def test_save_key_over_a_file_raises_and_keeps_it(tmp_path: Path) -> None:
    path = tmp_path / "key"
    save_key(path, KEY)
    with pytest.raises(ConfigError, match="not replaced"):
        save_key(path, b"\2" * 32)
    assert bytes(load_account(path, chain_id=MAINNET).key) == KEY
    assert os.listdir(tmp_path) == ["key"]


def test_save_key_into_a_missing_folder_raises_config_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot be written: No such file"):
        save_key(tmp_path / "missing" / "key", KEY)


def test_save_key_of_another_length_raises_config_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="32 bytes, got 31"):
        save_key(tmp_path / "key", KEY[1:])
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("text", [KEY.hex(), f"{to_hex(KEY)}\n", KEY.hex().upper()])
def test_load_account_of_any_usual_notation_succeeds(tmp_path: Path, text: str) -> None:
    path = _write(tmp_path / "key", text)
    assert bytes(load_account(path, chain_id=MAINNET).key) == KEY


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o620, 0o777])
def test_load_account_of_a_file_others_can_use_says_chmod(
    tmp_path: Path, mode: int
) -> None:
    path = _write(tmp_path / "key", KEY.hex(), mode)
    with pytest.raises(ConfigError, match=f"{mode:o}.*chmod 600 {path}"):
        load_account(path, chain_id=MAINNET)


def test_load_account_of_a_missing_file_names_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"{tmp_path / 'key'} cannot be read"):
        load_account(tmp_path / "key", chain_id=MAINNET)


@pytest.mark.parametrize(
    "text",
    [
        "",
        KEY.hex()[1:],
        KEY.hex() + "00",
        "zz" * 32,
        "00" * 32,
        # The order of the curve.
        "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141",
        "é" * 64,
    ],
)
def test_load_account_of_no_key_raises_without_showing_it(
    tmp_path: Path, text: str
) -> None:
    path = _write(tmp_path / "key", text)
    with pytest.raises(ConfigError) as failure:
        load_account(path, chain_id=MAINNET)
    assert str(path) in str(failure.value)
    assert not text or text not in str(failure.value)
    assert failure.value.__cause__ is None


@pytest.mark.parametrize("index", [0, 19])
def test_load_account_of_a_well_known_key_is_refused_outside_development(
    tmp_path: Path, index: int
) -> None:
    account = development_account(index)
    path = tmp_path / "key"
    save_key(path, bytes(account.key))
    with pytest.raises(DevelopmentKeyRefused) as refusal:
        load_account(path, chain_id=MAINNET)
    assert account.address in str(refusal.value)
    assert account.key.hex() not in str(refusal.value)
    for chain_id in (31337, 1337):
        assert load_account(path, chain_id=chain_id).address == account.address


def test_well_known_addresses_are_those_of_the_test_mnemonic() -> None:
    derived = {development_account(i).address for i in range(20)}
    assert derived == WELL_KNOWN_ADDRESSES


def test_salt_secret_depends_on_the_key_alone() -> None:
    first, second = (Account.from_key(bytes([i]) * 32) for i in (1, 2))
    assert salt_secret(first) == salt_secret(Account.from_key(b"\1" * 32))
    assert salt_secret(first) != salt_secret(second)
    assert len(salt_secret(first)) == 32
    assert salt_secret(first) != bytes(first.key)
