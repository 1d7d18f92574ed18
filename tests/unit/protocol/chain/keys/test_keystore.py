from __future__ import annotations

import json
import os
import pty
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account

from devnet.processes.anvil import development_account
from protocol.chain.keys.accounts import (
    address_in,
    change_password,
    load_account,
    read_key,
    save_key,
    save_keystore,
)
from protocol.chain.keys.keystore import decrypt_key, encrypt_key
from protocol.chain.keys.passwords import PasswordSource
from protocol.errors import ConfigError, DevelopmentKeyRefused, WrongPassword

MAINNET = 1
KEY = bytes.fromhex("11" * 31 + "a7")
ADDRESS = Account.from_key(KEY).address
PASSWORD = "Netherfield Park"
QUICK = 2**4  # scrypt's work, for tests only

ASK = """
import sys
from pathlib import Path
from protocol.chain.keys.passwords import PasswordSource
print("got", PasswordSource().choose("key file worker.json"))
"""


def private(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


@pytest.fixture
def keystore(tmp_path: Path) -> Path:
    path = tmp_path / "worker.json"
    assert save_keystore(path, KEY, PASSWORD, work_factor=QUICK) == ADDRESS
    return path


@pytest.fixture
def password(tmp_path: Path) -> PasswordSource:
    return PasswordSource(private(tmp_path / "password", PASSWORD + "\n"))


def test_load_account_of_a_keystore_returns_the_account(
    keystore: Path, password: PasswordSource
) -> None:
    account = load_account(keystore, chain_id=MAINNET, password=password)
    assert account.address == ADDRESS
    assert bytes(account.key) == KEY


def test_save_keystore_keeps_the_key_to_itself_in_mode_600(keystore: Path) -> None:
    assert stat.S_IMODE(keystore.stat().st_mode) == 0o600
    assert KEY.hex() not in keystore.read_text()
    assert os.listdir(keystore.parent) == [keystore.name]


def test_encrypt_key_by_default_costs_a_guess_what_wallets_ask() -> None:
    assert json.loads(encrypt_key(KEY, PASSWORD))["crypto"]["kdfparams"]["n"] == 2**18


def test_save_keystore_over_a_file_raises_and_keeps_it(keystore: Path) -> None:
    before = keystore.read_text()
    with pytest.raises(ConfigError, match="not replaced"):
        save_keystore(keystore, b"\2" * 32, PASSWORD, work_factor=QUICK)
    assert keystore.read_text() == before


def test_load_account_with_another_password_raises_without_showing_it(
    keystore: Path, tmp_path: Path
) -> None:
    other = PasswordSource(private(tmp_path / "other", "Longbourn House"))
    with pytest.raises(WrongPassword) as failure:
        load_account(keystore, chain_id=MAINNET, password=other)
    assert str(keystore) in str(failure.value)
    assert "Longbourn" not in str(failure.value)
    assert failure.value.__cause__ is None


def test_load_account_without_password_or_terminal_names_the_way_out(
    keystore: Path,
) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from protocol.chain.keys.accounts import load_account\n"
        "load_account(Path(sys.argv[1]), chain_id=1)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(keystore)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "give --password-file" in done.stderr


def test_load_account_of_a_well_known_keystore_is_refused_outside_development(
    tmp_path: Path, password: PasswordSource
) -> None:
    path = tmp_path / "known.json"
    key = bytes(development_account(0).key)
    save_keystore(path, key, PASSWORD, work_factor=QUICK)
    with pytest.raises(DevelopmentKeyRefused):
        load_account(path, chain_id=MAINNET, password=password)


def test_load_account_of_a_keystore_others_can_read_says_chmod(
    keystore: Path, password: PasswordSource
) -> None:
    keystore.chmod(0o640)
    with pytest.raises(ConfigError, match=f"chmod 600 {keystore}"):
        load_account(keystore, chain_id=MAINNET, password=password)


def without(name: str) -> str:
    store = json.loads(encrypt_key(KEY, PASSWORD, work_factor=QUICK))
    del store["crypto"][name]
    return json.dumps(store)


def changed(**changes: Any) -> str:
    store = json.loads(encrypt_key(KEY, PASSWORD, work_factor=QUICK))
    store["crypto"]["kdfparams"] |= changes
    return json.dumps(store)


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "{}",
        '{"version": 3}',
        '{"version": 3, "crypto": []}',
        '{"version": 1, "crypto": {}}',
        without("mac"),
        without("kdf"),
        without("ciphertext"),
        changed(n="many"),
        changed(n=2**30),
        changed(salt="zz"),
    ],
)
def test_read_key_of_a_broken_keystore_raises_config_error(
    tmp_path: Path, password: PasswordSource, text: str
) -> None:
    path = private(tmp_path / "key.json", text)
    with pytest.raises(ConfigError, match=str(path)) as failure:
        read_key(path, password)
    assert not isinstance(failure.value, WrongPassword)


@pytest.mark.parametrize("text", ["", "\n", "one line\nand another\n"])
def test_password_file_of_no_single_line_is_refused(tmp_path: Path, text: str) -> None:
    source = PasswordSource(private(tmp_path / "password", text))
    with pytest.raises(ConfigError, match="must hold one line"):
        source.read("key file k")


def test_password_file_others_can_read_says_chmod(tmp_path: Path) -> None:
    path = private(tmp_path / "password", PASSWORD, 0o644)
    with pytest.raises(ConfigError, match=f"chmod 600 {path}"):
        PasswordSource(path).read("key file k")


def test_choose_password_too_short_is_refused(tmp_path: Path) -> None:
    source = PasswordSource(private(tmp_path / "password", "seven77"))
    with pytest.raises(ConfigError, match="has 7 characters, at least 8"):
        source.choose("key file k")


@pytest.mark.parametrize(
    ("second", "said"),
    [(PASSWORD, f"got {PASSWORD}"), ("else", "the passwords differ")],
)
def test_choose_password_at_a_terminal_asks_twice_and_shows_nothing(
    second: str, said: str
) -> None:
    leader, follower = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", ASK],
        stdin=follower,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        preexec_fn=lambda: os.close(os.open(os.ttyname(follower), os.O_RDWR)),
    ) as asked:
        os.close(follower)
        shown = b""
        for prompt, answer in (("New password", PASSWORD), ("again", second)):
            while prompt.encode() not in shown:
                shown += os.read(leader, 1024)
            os.write(leader, answer.encode() + b"\n")
        output, _ = asked.communicate(timeout=60)
    os.close(leader)
    assert said in output.decode()
    assert PASSWORD not in shown.decode()


def test_change_password_of_a_keystore_opens_with_the_new_one_only(
    keystore: Path, password: PasswordSource, tmp_path: Path
) -> None:
    new = PasswordSource(private(tmp_path / "new", "Pemberley, Derbyshire"))
    change_password(keystore, password, new, work_factor=QUICK)
    assert read_key(keystore, new) == KEY
    with pytest.raises(WrongPassword):
        read_key(keystore, password)
    assert stat.S_IMODE(keystore.stat().st_mode) == 0o600


def test_change_password_of_a_plain_key_encrypts_it(
    tmp_path: Path, password: PasswordSource
) -> None:
    path = tmp_path / "plain.key"
    save_key(path, KEY)
    change_password(path, PasswordSource(), password, work_factor=QUICK)
    assert KEY.hex() not in path.read_text()
    assert read_key(path, password) == KEY


def test_change_password_with_the_wrong_one_leaves_the_file(
    keystore: Path, tmp_path: Path
) -> None:
    before = keystore.read_text()
    other = PasswordSource(private(tmp_path / "other", "Longbourn House"))
    with pytest.raises(WrongPassword):
        change_password(keystore, other, other, work_factor=QUICK)
    assert keystore.read_text() == before


def test_address_in_either_kind_of_file_needs_no_password(
    keystore: Path, tmp_path: Path
) -> None:
    plain = tmp_path / "plain.key"
    save_key(plain, KEY)
    assert address_in(keystore) == address_in(plain) == ADDRESS


def test_address_in_a_keystore_that_hides_it_is_none(tmp_path: Path) -> None:
    store = json.loads(encrypt_key(KEY, PASSWORD, work_factor=QUICK))
    del store["address"]
    assert address_in(private(tmp_path / "k", json.dumps(store))) is None


def test_decrypt_key_of_another_wallets_pbkdf2_store_returns_the_key() -> None:
    store = Account.encrypt(KEY, PASSWORD, kdf="pbkdf2", iterations=1)
    assert decrypt_key(json.dumps(store), PASSWORD, "it") == KEY
