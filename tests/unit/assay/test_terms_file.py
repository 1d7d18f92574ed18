"""Market terms from flags and a file: every mistake is named, nothing is sent."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from assay import deploy_cli
from assay.terms_file import MONEY_TERMS, parse_address, read_terms
from protocol.errors import ConfigError
from protocol.market.terms import BURN_ADDRESS, MarketTerms
from protocol.market.types import ZERO_ADDRESS

MONEY = {"seat_bond": 10**20, "base_fee": 10**15, "bounty": 10**14}


def test_read_terms_without_anything_are_the_local_networks() -> None:
    assert read_terms(None, {}, has_own_token=False) == MarketTerms.development()


def test_read_terms_flag_wins_over_file_over_default(tmp_path: Path) -> None:
    path = tmp_path / "terms.toml"
    path.write_text("fee_bps = 7\nbounty = 8\n")
    given = {"bounty": 9, "max_rounds": None}
    terms = read_terms(path, given, has_own_token=False)
    assert (terms.fee_bps, terms.bounty, terms.max_rounds) == (7, 9, 2)


@pytest.mark.parametrize("missing", MONEY_TERMS)
def test_read_terms_of_an_own_token_need_every_amount(missing: str) -> None:
    given = {name: value for name, value in MONEY.items() if name != missing}
    with pytest.raises(ConfigError, match=f"--{missing.replace('_', '-')}, or --terms"):
        read_terms(None, given, has_own_token=True)
    assert read_terms(None, MONEY, has_own_token=True).bounty == 10**14


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"max_redundancy": 9}, "max_redundancy is 9, give 1 to 7"),
        ({"max_redundancy": 4}, "max_redundancy is 4, give an odd number"),
        ({"max_rounds": 3}, "max_rounds is 3, give 1 to 2"),
        ({"fee_bps": 2_001}, "fee_bps is 2001, give 0 to 2000"),
        ({"base_fee": 50_000_000}, "it must be below seat_bond"),
        ({"commit_floor_seconds": 0}, "commit_floor_seconds is 0, give 1 to 2592000"),
        ({"draw_deadline_blocks": 8_192}, "draw_deadline_blocks is 8192"),
        ({"max_callback_gas": -1}, "max_callback_gas is -1"),
        ({"sink": ZERO_ADDRESS}, "sink is the zero address; to burn, name"),
        ({"treasury": "0x12"}, "treasury 0x12 is no address"),
        ({"bounty": "9"}, "bounty is '9'; give a whole number"),
        ({"bounty": True}, "bounty is True; give a whole number"),
        ({"fee_bps": 3_000, "max_rounds": 0}, "fee_bps is 3000.*max_rounds is 0"),
    ],
)
def test_read_terms_that_no_constructor_takes_are_named(
    changes: dict[str, Any], told: str
) -> None:
    with pytest.raises(ConfigError, match=told):
        read_terms(None, changes, has_own_token=False)


@pytest.mark.parametrize(
    ("content", "told"),
    [("x = 1", "x: no such term"), ("x =", "cannot be read"), (None, "cannot be read")],
)
def test_read_terms_of_a_bad_file_name_it(
    tmp_path: Path, content: str | None, told: str
) -> None:
    path = tmp_path / "terms.toml"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ConfigError, match=f"terms.toml.*{told}"):
        read_terms(path, {}, has_own_token=False)


def test_parse_address_with_a_wrong_checksum_is_refused() -> None:
    assert parse_address("--sink", BURN_ADDRESS.lower()) == BURN_ADDRESS
    with pytest.raises(ConfigError, match="--sink"):
        parse_address("--sink", BURN_ADDRESS.replace("dEaD", "dEad"))


def test_flags_of_the_command_are_the_terms() -> None:
    assert set(deploy_cli._TERMS) == {field.name for field in fields(MarketTerms)}
