"""The committed artifacts are what the sources give, by one compiler configuration."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest

from contracts import build


@pytest.fixture(scope="session")
def foundry() -> dict[str, Any]:
    text = (build.ROOT / "foundry.toml").read_text("utf-8")
    profile: dict[str, Any] = tomllib.loads(text)["profile"]["default"]
    return profile


def test_main_check_committed_artifacts_are_fresh(
    capsys: pytest.CaptureFixture[str],
) -> None:
    status = build.main(["--check"])

    assert (status, capsys.readouterr().err) == (0, "")


def test_foundry_compiles_with_the_settings_of_the_artifacts(
    foundry: dict[str, Any],
) -> None:
    assert {
        "solc": foundry["solc"],
        "evm_version": foundry["evm_version"],
        "optimizer": foundry["optimizer"],
        "optimizer_runs": foundry["optimizer_runs"],
        "via_ir": foundry["via_ir"],
        "bytecode_hash": foundry["bytecode_hash"],
        "cbor_metadata": foundry["cbor_metadata"],
        "remappings": tuple(foundry["remappings"]),
        "src": foundry["src"],
    } == {
        "solc": "contracts/solc",
        "evm_version": build.EVM_VERSION,
        "optimizer": True,
        "optimizer_runs": build.OPTIMIZER_RUNS,
        "via_ir": False,
        "bytecode_hash": "none",
        "cbor_metadata": False,
        "remappings": build.REMAPPINGS,
        "src": build.SOURCES,
    }
