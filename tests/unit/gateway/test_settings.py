from __future__ import annotations

import json
import stat
import tempfile
from pathlib import Path

import pytest
from eth_account.signers.local import LocalAccount

from devnet.processes.anvil import development_account
from gateway.settings import GatewaySettings
from protocol.chain.deployment import CONTRACT_ROLES, Deployment
from protocol.chain.keys.accounts import create_keystore, save_key, save_keystore
from protocol.chain.keys.passwords import PasswordSource
from protocol.errors import ConfigError, DevelopmentKeyRefused, WrongPassword
from protocol.market.types import ZERO_ADDRESS
from protocol.roles.session import unlock_account

PASSWORD = "correct horse"
KEY = bytes(range(1, 33))
# A weak derivation, which takes no seconds.
QUICK = 1 << 4


def a_password(folder: Path, text: str = PASSWORD) -> Path:
    path = folder / f"password-{len(list(folder.iterdir()))}"
    path.write_text(text + "\n")
    path.chmod(0o600)
    return path


def settings(**given: object) -> GatewaySettings:
    return GatewaySettings.load(**given)


def unlocked(given: GatewaySettings, *, chain_id: int) -> LocalAccount:
    """The wallet of a gateway in a market on a chain."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "deployment.json"
        addresses = dict.fromkeys(CONTRACT_ROLES, ZERO_ADDRESS)
        Deployment(chain_id, **addresses, block_number=0, code_hashes={}).save(path)
        return unlock_account(given.model_copy(update={"deployment": path}))


def test_create_keystore_can_be_loaded_with_its_password_alone(tmp_path: Path) -> None:
    path, password = tmp_path / "wallet.json", a_password(tmp_path)
    address = create_keystore(path, PasswordSource(password), KEY)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert KEY.hex() not in path.read_text()
    given = settings(key_file=path, password_file=password)
    account = unlocked(given, chain_id=1)
    assert (account.address, bytes(account.key)) == (address, KEY)
    wrong = settings(key_file=path, password_file=a_password(tmp_path, "wrong one"))
    with pytest.raises(WrongPassword):
        unlocked(wrong, chain_id=1)


def test_create_keystore_never_replaces_a_file(tmp_path: Path) -> None:
    path = tmp_path / "wallet.json"
    save_keystore(path, KEY, PASSWORD, work_factor=QUICK)
    before = path.read_bytes()
    with pytest.raises(ConfigError, match="exists"):
        create_keystore(path, PasswordSource(a_password(tmp_path)))
    assert path.read_bytes() == before
    short = PasswordSource(a_password(tmp_path, "short"))
    with pytest.raises(ConfigError, match="at least 8"):
        create_keystore(tmp_path / "other.json", short)


def test_unlock_account_of_a_known_key_is_refused_off_development_chains(
    tmp_path: Path,
) -> None:
    path = tmp_path / "wallet.json"
    known = bytes(development_account(0).key)
    save_keystore(path, known, PASSWORD, work_factor=QUICK)
    given = settings(key_file=path, password_file=a_password(tmp_path))
    unlocked(given, chain_id=31337)
    with pytest.raises(DevelopmentKeyRefused):
        unlocked(given, chain_id=1)


def test_unlock_account_without_a_key_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="assay gateway wallet create"):
        unlocked(settings(), chain_id=1)
    key_file = tmp_path / "key"
    save_key(key_file, KEY)
    assert bytes(unlocked(settings(key_file=key_file), chain_id=1).key) == KEY


@pytest.mark.parametrize(
    "content", ["nonsense", "[]", "{}", json.dumps({"version": 3})]
)
def test_unlock_account_of_a_broken_file_says_so(tmp_path: Path, content: str) -> None:
    path = tmp_path / "wallet.json"
    path.write_text(content)
    path.chmod(0o600)
    given = settings(key_file=path, password_file=a_password(tmp_path))
    with pytest.raises(ConfigError, match="keystore|key file"):
        unlocked(given, chain_id=1)
