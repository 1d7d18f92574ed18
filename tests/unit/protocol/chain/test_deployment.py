from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from eth_typing import ChecksumAddress
from eth_utils.address import to_checksum_address

from protocol.chain.deployment import Deployment
from protocol.errors import ConfigError


def _address(digit: str) -> ChecksumAddress:
    return to_checksum_address("0x" + digit * 40)


DEPLOYMENT = Deployment(
    chain_id=31337,
    marketplace=_address("a"),
    lens=_address("d"),
    registry=_address("b"),
    token=_address("c"),
    block_number=7,
    code_hashes={"marketplace": "0x" + "ab" * 32},
)


def _saved(path: Path) -> dict[str, Any]:
    DEPLOYMENT.save(path)
    document: dict[str, Any] = json.loads(path.read_text())
    return document


def test_load_of_a_saved_file_returns_the_same(tmp_path: Path) -> None:
    path = tmp_path / "deployment.json"
    DEPLOYMENT.save(path)
    assert Deployment.load(path) == DEPLOYMENT
    # Overwrites, and leaves nothing else behind.
    DEPLOYMENT.save(path)
    assert os.listdir(tmp_path) == ["deployment.json"]


@pytest.mark.parametrize(
    "field",
    ["chainId", "marketplace", "registry", "token", "blockNumber", "codeHashes"],
)
def test_load_without_a_field_names_field_and_file(tmp_path: Path, field: str) -> None:
    path = tmp_path / "deployment.json"
    document = _saved(path)
    del document[field]
    path.write_text(json.dumps(document))
    with pytest.raises(ConfigError, match=f"{path}: {field}: Field required"):
        Deployment.load(path)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("chainId", "31337"),
        ("chainId", 0),
        ("chainId", True),
        ("blockNumber", -1),
        ("blockNumber", 1.5),
        ("token", None),
        ("token", "0x12"),
        ("token", _address("c").lower()),
        ("codeHashes", []),
        ("codeHashes", {"token": "0x12"}),
        ("codeHashes", {"token": 5}),
        ("codeHashes", {"token": "0x" + "zz" * 32}),
    ],
)
def test_load_of_a_bad_value_names_field_and_file(
    tmp_path: Path, field: str, value: object
) -> None:
    path = tmp_path / "deployment.json"
    document = _saved(path)
    path.write_text(json.dumps({**document, field: value}))
    with pytest.raises(ConfigError, match=f"{path}: {field}"):
        Deployment.load(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", ": its content: Invalid JSON"),
        (b"{", ": its content: Invalid JSON"),
        (b"\xff\xfe", ": its content: Invalid JSON"),
        (b"[]", ": its content: Input should be an object"),
        (b"[" * 16_000, ": its content: Invalid JSON: recursion limit"),
        (b" " * 17_000, " is above"),
    ],
)
def test_load_of_another_file_raises_config_error(
    tmp_path: Path, content: bytes, message: str
) -> None:
    path = tmp_path / "deployment.json"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=f"{path}{message}"):
        Deployment.load(path)


def test_load_of_a_missing_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file.*deploy a marketplace"):
        Deployment.load(tmp_path / "none.json")


def test_save_into_a_missing_folder_raises_config_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be written"):
        DEPLOYMENT.save(tmp_path / "none" / "deployment.json")
