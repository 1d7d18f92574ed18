"""`assay worker` as a person sees it, where no chain is needed."""

from __future__ import annotations

import json
import stat
import tomllib
from pathlib import Path

import pytest
from eth_account import Account

import protocol.chain.keys.accounts
from assay.cli import run
from protocol.chain.keys.accounts import read_key, save_key
from protocol.chain.keys.keystore import encrypt_key
from protocol.chain.keys.passwords import PasswordSource
from protocol.errors import AlreadyRunning, ConfigError, WrongPassword
from worker.process.data_dir import hold_key
from worker.settings import WorkerSettings
from worker.setup.key_ring import KeyRing
from worker.setup.prepare import prepare, write_worker_table

KEY = bytes.fromhex("11" * 31 + "a7")
ADDRESS = Account.from_key(KEY).address


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to be in, where keystores cost nearly nothing."""

    def quick(key: bytes, password: str, *, work_factor: int) -> str:
        return encrypt_key(key, password, work_factor=16)

    monkeypatch.setattr(protocol.chain.keys.accounts, "encrypt_key", quick)
    monkeypatch.chdir(tmp_path)
    for name, text in {"old": "Netherfield Park", "new": "Pemberley, north"}.items():
        (tmp_path / name).touch(0o600)
        (tmp_path / name).write_text(text + "\n")
    return tmp_path


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = run(["worker", *arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_keys_new_makes_an_encrypted_key_and_shows_its_address_only(
    capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    code, out, _ = said(capsys, "keys", "new", "--password-file", "old", "--json")
    made = json.loads(out)
    path = folder / ".assay/worker/keys/worker.json"
    assert code == 0
    assert folder / made["path"] == path
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    key = read_key(path, PasswordSource(folder / "old"))
    assert Account.from_key(key).address == made["address"]
    assert key.hex() not in out


def test_keys_new_over_a_key_is_refused(
    capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    assert said(capsys, "keys", "new", "--password-file", "old")[0] == 0
    before = (folder / ".assay/worker/keys/worker.json").read_text()
    code, _, err = said(capsys, "keys", "new", "--password-file", "old")
    assert code == 2
    assert "exists and is not replaced" in err
    assert (folder / ".assay/worker/keys/worker.json").read_text() == before


def test_keys_new_without_password_or_terminal_names_the_way_out(
    capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    code, _, err = said(capsys, "keys", "new")
    assert code == 2
    assert "give --password-file" in err
    assert list((folder / ".assay/worker/keys").iterdir()) == []


@pytest.mark.parametrize("name", ["../other", ".hidden", "a/b"])
def test_keys_new_of_an_odd_name_is_refused(
    capsys: pytest.CaptureFixture[str], name: str
) -> None:
    code, _, err = said(capsys, "keys", "new", name, "--password-file", "old")
    assert code == 2
    assert "give a plain one such as worker" in err


def test_keys_import_encrypts_a_plain_key_and_keeps_the_source(
    capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    save_key(folder / "plain", KEY)
    code, out, _ = said(
        capsys, "keys", "import", "plain", "mine", "--password-file", "old"
    )
    assert code == 0 and ADDRESS in out
    kept = folder / ".assay/worker/keys/mine.json"
    assert KEY.hex() not in kept.read_text()
    assert read_key(kept, PasswordSource(folder / "old")) == KEY
    assert read_key(folder / "plain") == KEY


def test_keys_import_of_no_key_never_shows_what_it_holds(
    capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    (folder / "broken").touch(0o600)
    (folder / "broken").write_text(KEY.hex() + "zz")
    code, out, err = said(capsys, "keys", "import", "broken", "--password-file", "old")
    assert code == 2
    assert KEY.hex() not in out + err


def test_keys_list_shows_each_kind_and_what_is_wrong(
    capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    KeyRing(folder / ".assay/worker").new("first", PasswordSource(folder / "old"))
    keys = folder / ".assay/worker/keys"
    save_key(keys / "plain.json", KEY)
    (keys / "open.json").write_text("{}")
    (keys / "open.json").chmod(0o644)
    listed = json.loads(said(capsys, "keys", "list", "--json")[1])
    by_name = {Path(key["path"]).stem: key for key in listed}
    assert by_name["first"]["isEncrypted"] and by_name["first"]["address"]
    assert by_name["plain"] == {
        **by_name["plain"],
        "address": ADDRESS,
        "isEncrypted": False,
        "fault": "",
    }
    assert "chmod 600" in by_name["open"]["fault"]
    text = said(capsys, "keys", "list")[1]
    assert "encrypted" in text and "plain" in text and "chmod 600" in text


def test_keys_change_password_opens_with_the_new_one_only(
    capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    made = KeyRing(folder).new("worker", PasswordSource(folder / "old"))
    files = ("--old-password-file", "old", "--new-password-file", "new")
    code, _, _ = said(capsys, "keys", "change-password", str(made.path), *files)
    assert code == 0
    assert read_key(made.path, PasswordSource(folder / "new"))
    with pytest.raises(WrongPassword):
        read_key(made.path, PasswordSource(folder / "old"))
    code, _, err = said(capsys, "keys", "change-password", str(made.path), *files)
    assert code == 2
    assert "does not open" in err


def test_keys_change_password_of_a_running_worker_is_refused(
    capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    made = KeyRing(folder).new("worker", PasswordSource(folder / "old"))
    files = ("--old-password-file", "old", "--new-password-file", "new")
    with hold_key(made.path):
        code, _, err = said(capsys, "keys", "change-password", str(made.path), *files)
    assert code == AlreadyRunning.exit_code
    assert "stop it first" in err


@pytest.mark.parametrize("address", ["9464", "localhost", ":9464", "127.0.0.1:70000"])
def test_run_with_an_odd_monitor_address_says_what_to_give(
    capsys: pytest.CaptureFixture[str], address: str
) -> None:
    code, _, err = said(capsys, "run", "--monitor-address", address)
    assert code == 2
    assert "worker.monitor_address" in err and "such as 127.0.0.1:9464" in err


def test_status_without_a_key_file_names_the_way_out(
    capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    code, _, err = said(capsys, "status", "--once")
    assert code == 2
    assert ".assay/deployment.json" in err


def test_withdraw_of_no_amount_is_refused_before_anything_is_asked(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, _, err = said(capsys, "withdraw", "lots")
    assert code == 2
    assert "AMOUNT" in err


def test_prepare_with_nothing_makes_key_and_settings_that_load(folder: Path) -> None:
    settings = WorkerSettings.load(
        password_file=folder / "old", models=("0x" + "07" * 32,), max_seats=3
    )
    file = folder / ".assay/assay.toml"
    made = prepare(settings, file)
    assert made.has_new_key and made.has_new_table
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    loaded = WorkerSettings.load()
    assert loaded.max_seats == 3
    assert loaded.models == settings.models
    assert loaded.key_file == (folder / ".assay/worker/keys/worker.json").resolve()
    assert loaded.require_key_file().exists()
    again = prepare(loaded, file)
    assert not again.has_new_key and not again.has_new_table
    assert again.address == made.address


def test_prepare_with_a_key_file_keeps_it(folder: Path) -> None:
    save_key(folder / "mine.key", KEY)
    made = prepare(
        WorkerSettings.load(key_file=folder / "mine.key"), folder / "assay.toml"
    )
    assert made.address == ADDRESS
    assert not made.has_new_key
    assert not (folder / ".assay/worker/keys").exists()


def test_write_worker_table_keeps_the_other_tables(folder: Path) -> None:
    file = folder / "assay.toml"
    file.write_text('[requester]\nrpc_url = "http://127.0.0.1:1"\n')
    assert write_worker_table(file, {"max_seats": 2})
    assert file.read_text() == (
        '[requester]\nrpc_url = "http://127.0.0.1:1"\n\n[worker]\nmax_seats = 2\n'
    )
    assert not write_worker_table(file, {"max_seats": 9})
    assert "9" not in file.read_text()


def test_write_worker_table_of_any_text_can_be_read(folder: Path) -> None:
    odd = 'a "quoted" \\ path\x7f\u2028\n'
    assert write_worker_table(folder / "assay.toml", {"data_dir": odd})
    table = tomllib.loads((folder / "assay.toml").read_text(encoding="utf-8"))
    assert table == {"worker": {"data_dir": odd}}


def test_write_worker_table_where_it_cannot_raises_config_error(folder: Path) -> None:
    (folder / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be written"):
        write_worker_table(folder / "file" / "assay.toml", {})
