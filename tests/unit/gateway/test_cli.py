from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from gateway.cli import gateway


def test_keys_commands_write_amounts_as_the_gateways_settings_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASSAY_GATEWAY_DATABASE_URL", f"sqlite:///{tmp_path}/db.sqlite")
    monkeypatch.setenv("ASSAY_GATEWAY_TOKEN_DECIMALS", "2")
    monkeypatch.setenv("ASSAY_GATEWAY_TOKEN_SYMBOL", "POUND")
    run = CliRunner().invoke

    made = run(gateway, ["keys", "create", "shop", "--budget", "2.5", "--json"])

    assert json.loads(made.stdout)["budget"] == 250
    assert "of 2.5 POUND" in run(gateway, ["keys", "list"]).stdout
