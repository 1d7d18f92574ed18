from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from eth_account import Account

from gateway.settings import GatewaySettings
from gateway.wallet import create_keystore, load_wallet
from protocol.chain.keys import save_key
from protocol.errors import ConfigError, DevelopmentKeyRefused
from tests.support.anvil import development_account

PASSWORD = "correct horse"
KEY = bytes(range(1, 33))


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A weaker derivation, which takes no seconds."""
    encrypt = Account.encrypt
    monkeypatch.setattr(
        Account,
        "encrypt",
        lambda key, password: encrypt(key, password, kdf="pbkdf2", iterations=1),
    )


def settings(**given: object) -> GatewaySettings:
    return GatewaySettings.load(**given)


@pytest.mark.usefixtures("quick")
def test_create_keystore_can_be_loaded_with_its_password_alone(tmp_path: Path) -> None:
    path = tmp_path / "keystore.json"
    address = create_keystore(path, PASSWORD, KEY)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert KEY.hex() not in path.read_text()
    given = settings(keystore=path, keystore_password=PASSWORD)
    account = load_wallet(given, chain_id=1)
    assert (account.address, bytes(account.key)) == (address, KEY)
    with pytest.raises(ConfigError, match="password is wrong"):
        load_wallet(settings(keystore=path, keystore_password="wrong one"), chain_id=1)


@pytest.mark.usefixtures("quick")
def test_create_keystore_never_replaces_one(tmp_path: Path) -> None:
    path = tmp_path / "keystore.json"
    create_keystore(path, PASSWORD)
    before = path.read_bytes()
    with pytest.raises(ConfigError, match="exists"):
        create_keystore(path, PASSWORD)
    assert path.read_bytes() == before
    with pytest.raises(ConfigError, match="8 characters"):
        create_keystore(tmp_path / "other.json", "short")


@pytest.mark.usefixtures("quick")
def test_load_wallet_with_a_password_file_reads_its_first_line(tmp_path: Path) -> None:
    path, password = tmp_path / "keystore.json", tmp_path / "password"
    create_keystore(path, PASSWORD, KEY)
    password.write_text(PASSWORD + "\nnot this\n")
    given = settings(keystore=path, keystore_password_file=password)
    password.chmod(0o644)
    with pytest.raises(ConfigError, match="password file .* has mode 644"):
        load_wallet(given, chain_id=1)
    password.chmod(0o600)
    assert bytes(load_wallet(given, chain_id=1).key) == KEY


@pytest.mark.usefixtures("quick")
def test_load_wallet_of_a_known_key_is_refused_off_development_chains(
    tmp_path: Path,
) -> None:
    path = tmp_path / "keystore.json"
    create_keystore(path, PASSWORD, bytes(development_account(0).key))
    given = settings(keystore=path, keystore_password=PASSWORD)
    load_wallet(given, chain_id=31337)
    with pytest.raises(DevelopmentKeyRefused):
        load_wallet(given, chain_id=1)


def test_load_wallet_without_exactly_one_source_says_which(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="has no wallet"):
        load_wallet(settings(), chain_id=1)
    key_file = tmp_path / "key"
    save_key(key_file, KEY)
    assert bytes(load_wallet(settings(key_file=key_file), chain_id=1).key) == KEY
    both = settings(key_file=key_file, keystore=tmp_path / "keystore.json")
    with pytest.raises(ConfigError, match="leave one of them out"):
        load_wallet(both, chain_id=1)


@pytest.mark.parametrize(
    "content", ["nonsense", "[]", "{}", json.dumps({"version": 3})]
)
def test_load_wallet_of_a_broken_keystore_says_so(tmp_path: Path, content: str) -> None:
    path = tmp_path / "keystore.json"
    path.write_text(content)
    path.chmod(0o600)
    given = settings(keystore=path, keystore_password=PASSWORD)
    with pytest.raises(ConfigError, match="keystore"):
        load_wallet(given, chain_id=1)
