"""Every setting of every role changes something."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import base58
import pytest

from gateway.settings import GatewaySettings
from protocol.chain.client import MarketClient
from protocol.chain.deployment import CONTRACT_ROLES, Deployment
from protocol.chain.keys.accounts import save_key, save_keystore
from protocol.errors import ConfigError
from protocol.market.types import ZERO_ADDRESS
from protocol.roles import session
from protocol.roles.settings import RoleSettings
from requester.settings import RequesterSettings
from worker.settings import WorkerSettings

ROOT = Path(__file__).resolve().parents[2]
ROLES: tuple[type[RoleSettings], ...] = (
    WorkerSettings,
    RequesterSettings,
    GatewaySettings,
)
SESSION = ROOT / "protocol/roles/session.py"
# What only the session calls.
BY_HAND = {
    "Introductions",
    "MarketClient.connect",
    "MarketReader.connect",
    "load_account",
    "open_store",
}
PEER = base58.b58encode(b"\x12\x20" + b"\7" * 32).decode()
PASSWORD = "correct horse"
# A weak derivation, which takes no seconds.
QUICK = 1 << 4

# ---------------------------------------------------------------- each role's own


def package_of(role: type[RoleSettings]) -> str:
    return role.__module__.partition(".")[0]


def trees_of(role: type[RoleSettings]) -> list[ast.Module]:
    """What reads the role's settings: its package, and the session if it opens one."""
    own = ROOT / Path(*role.__module__.split(".")).with_suffix(".py")
    paths = [path for path in (ROOT / package_of(role)).rglob("*.py") if path != own]
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in paths]
    if any("open_session" in calls_in(tree) for tree in trees):
        trees.append(ast.parse(SESSION.read_text(encoding="utf-8")))
    return trees


def calls_in(tree: ast.AST) -> set[str]:
    """Functions that are called, as they are written."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return {ast.unparse(call.func) for call in calls}


def read_of(tree: ast.AST, names: frozenset[str]) -> Iterator[str]:
    """Attributes that are read of variables or attributes with one of these names."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            owner = node.value
            name = owner.id if isinstance(owner, ast.Name) else ""
            name = owner.attr if isinstance(owner, ast.Attribute) else name
            if name in names:
                yield node.attr


def reads_within(role: type[RoleSettings]) -> dict[str, set[str]]:
    """What each method and property of a role's settings reads of them."""
    found: dict[str, set[str]] = {}
    for kind in (role, RoleSettings):
        module = importlib.import_module(kind.__module__)
        tree = ast.parse(Path(module.__file__ or "").read_text(encoding="utf-8"))
        (body,) = (
            node.body
            for node in tree.body
            if isinstance(node, ast.ClassDef) and node.name == kind.__name__
        )
        for node in body:
            if isinstance(node, ast.FunctionDef):
                found.setdefault(node.name, set()).update(
                    read_of(node, frozenset({"self"}))
                )
    return found


@pytest.mark.parametrize("role", ROLES)
def test_every_setting_of_a_role_is_read(role: type[RoleSettings]) -> None:
    names = frozenset({"settings", "_settings", "bound", "complete"})
    read = {name for tree in trees_of(role) for name in read_of(tree, names)}
    within = reads_within(role)
    for name in [name for name in read if name in within]:
        read |= within[name]
    assert set(role.model_fields) - read == set()


@pytest.mark.parametrize("role", ROLES)
def test_every_setting_is_described_once(role: type[RoleSettings]) -> None:
    text = f"{RoleSettings.__doc__}\n{role.__doc__}"
    described = re.findall(r"^ {8}([a-z_]+): ", text, flags=re.MULTILINE)
    assert sorted(described) == sorted(role.model_fields)


@pytest.mark.parametrize("role", ROLES)
def test_role_connects_by_a_session_alone(role: type[RoleSettings]) -> None:
    called = {name for tree in trees_of(role)[:-1] for name in calls_in(tree)}
    assert "open_session" in called
    assert called & BY_HAND == set()


# ---------------------------------------------------------------- what all share

OWN = f"/ip4/203.0.114.7/tcp/4001/p2p/{PEER}"


class Opened:
    """What a session was opened with, in the place of chain, store and peers."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.given: dict[str, Any] = {}
        monkeypatch.setattr(MarketClient, "connect", self._connect)
        monkeypatch.setattr(session, "open_store", self._store)
        monkeypatch.setattr(session, "Introductions", self._introductions)

    def _connect(
        self, rpc_url: str, deployment: Deployment, account: Any, *, options: object
    ) -> Any:
        self.given["market"] = (rpc_url, deployment, account.address, options)
        return account

    def _store(self, apis: str) -> str:
        self.given["store"] = apis
        return apis

    def _introductions(self, market: object, node: object, **options: object) -> None:
        self.given["introductions"] = options


def changes(folder: Path) -> dict[str, Any]:
    """Another value than `usual` has of each setting that all roles share."""
    other_deployment, other_key = folder / "other.json", folder / "other"
    save_deployment(other_deployment, block_number=9)
    save_key(other_key, b"\2" * 32)
    return {
        "rpc_url": "http://127.0.0.1:2",
        "deployment": other_deployment,
        "ipfs_api": "http://127.0.0.1:3",
        "announce": OWN,
        "private_peers": True,
        "key_file": other_key,
        "password_file": folder / "missing",
        "data_dir": folder / "elsewhere",
        "replace_after_seconds": 7,
        "max_fee_per_gas_gwei": Decimal(7),
        "max_gas_wei_per_day": 7,
        "low_gas_wei": 7,
    }


def save_deployment(path: Path, *, block_number: int) -> None:
    addresses = dict.fromkeys(CONTRACT_ROLES, ZERO_ADDRESS)
    Deployment(31337, **addresses, block_number=block_number, code_hashes={}).save(path)


def opened_with(
    role: type[RoleSettings],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    **given: Any,
) -> object:
    """What a session of these settings is made of, or why it is not."""
    usual = {
        "rpc_url": "http://127.0.0.1:1",
        "deployment": folder / "deployment.json",
        "key_file": folder / "keystore",
        "password_file": folder / "password",
        "data_dir": folder,
    }
    opened = Opened(monkeypatch)
    try:
        session.open_session(role.load(**{**usual, **given}))
    except ConfigError as error:
        return str(error)
    return opened.given


@pytest.mark.parametrize("role", ROLES)
def test_every_shared_setting_changes_the_session(
    role: type[RoleSettings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_deployment(tmp_path / "deployment.json", block_number=1)
    save_keystore(tmp_path / "keystore", b"\1" * 32, PASSWORD, work_factor=QUICK)
    password = tmp_path / "password"
    password.write_text(PASSWORD)
    password.chmod(0o600)
    usual = opened_with(role, tmp_path, monkeypatch)
    assert isinstance(usual, dict)

    changed = changes(tmp_path)

    assert set(changed) == set(RoleSettings.model_fields)
    for name, value in changed.items():
        assert opened_with(role, tmp_path, monkeypatch, **{name: value}) != usual, name
