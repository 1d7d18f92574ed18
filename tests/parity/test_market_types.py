"""Solidity types and their Python twins say the same."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import fields
from enum import IntEnum
from pathlib import Path
from typing import Any

import pytest
from eth_utils.crypto import keccak

from contracts import load_artifact
from protocol.chain.abi.contracts import CONTRACTS, TWINS, interface, parameter_types
from protocol.market import commitments, output_tree
from protocol.market import types as market
from protocol.market.calls import CommitEntry, PermitSignature, RevealEntry
from protocol.market.terms import MarketConfig
from protocol.market.types import (
    AbiStruct,
    Account,
    JobParams,
    JobState,
    KeptRound,
    ModelSpec,
    Outcome,
    OutcomeStatus,
    Round,
    Seat,
    SlashReason,
    SplitRound,
)

SOURCES = Path(__file__).resolve().parents[2] / "contracts" / "src"
ENUM = re.compile(r"\benum (\w+) \{([^}]*)\}")
NUMBER = re.compile(r"\bconstant (\w+) = ([0-9_]+);")
TAG = re.compile(r"\bconstant (\w+) = keccak256\(\"([^\"]+)\"\);")

ENUMS: Mapping[str, type[IntEnum]] = {
    "JobState": JobState,
    "OutcomeStatus": OutcomeStatus,
    "SlashReason": SlashReason,
}
STRUCTS: Mapping[str, type[Any]] = {
    "Account": Account,
    "CommitEntry": CommitEntry,
    "FirstRound": KeptRound,
    "FirstRoundView": SplitRound,
    "JobParams": JobParams,
    "MarketConfig": MarketConfig,
    "ModelSpec": ModelSpec,
    "Outcome": Outcome,
    "PermitSignature": PermitSignature,
    "RevealEntry": RevealEntry,
    "RoundView": Round,
    "SeatView": Seat,
}
# `round.round` would read badly in Python.
RENAMED = {"RoundView": {"round": "number"}}


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)([A-Z])", r"_\1", name).lower()


def _source(path: str) -> str:
    return (SOURCES / path).read_text("utf-8")


def _declared_enums() -> dict[str, list[str]]:
    text = "\n".join(path.read_text("utf-8") for path in SOURCES.rglob("*.sol"))
    return {name: re.findall(r"\w+", body) for name, body in ENUM.findall(text)}


def _mentions(parameters: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for parameter in parameters:
        yield parameter
        yield from _mentions(parameter.get("components", []))


def _abi_types() -> dict[str, dict[str, Any]]:
    """Every enum and struct that an ABI mentions, by `enum X` or `struct X`."""
    found = {}
    for name in CONTRACTS:
        for entry in load_artifact(name).abi:
            listed = entry.get("inputs", []) + entry.get("outputs", [])
            for parameter in _mentions(listed):
                kind = parameter["internalType"].removesuffix("[]")
                # A dot marks a type of a library that is not ours.
                if kind.startswith(("enum ", "struct ")) and "." not in kind:
                    found[kind] = parameter
    return found


@pytest.mark.parametrize("name", ENUMS)
def test_enum_members_equal_those_of_solidity(name: str) -> None:
    twin = {member.value: member.name for member in ENUMS[name]}
    declared = dict(enumerate(_snake(x).upper() for x in _declared_enums()[name]))
    assert twin == declared


def test_job_state_labels_are_solidity_names() -> None:
    assert [state.label for state in JobState] == _declared_enums()["JobState"]


@pytest.mark.parametrize("name", STRUCTS)
def test_struct_fields_equal_those_of_solidity(name: str) -> None:
    members = _abi_types()[f"struct {name}"]["components"]
    renamed = RENAMED.get(name, {})
    names = [renamed.get(m["name"], _snake(m["name"])) for m in members]
    if issubclass(STRUCTS[name], AbiStruct):
        assert set(STRUCTS[name].abi_names()) == {f.name for f in fields(STRUCTS[name])}
        assert list(STRUCTS[name].abi_names()) == names
        assert list(STRUCTS[name].ABI_TYPES) == parameter_types(members)
    else:
        assert [field.name for field in fields(STRUCTS[name])] == names


def test_every_type_of_the_abi_has_a_twin() -> None:
    assert set(TWINS) == set(_abi_types())
    tested = {f"enum {n}" for n in ENUMS} | {f"struct {n}" for n in STRUCTS}
    assert tested == set(TWINS)


@pytest.mark.parametrize("name", ["JobId", "ModelId", "Answer"])
def test_ids_are_32_bytes_in_solidity(name: str) -> None:
    folder = {"JobId": "Job", "ModelId": "Model", "Answer": "Outcome"}[name]
    assert f"type {name} is bytes32;" in _source(f"types/{folder}.sol")


def test_constants_equal_those_of_solidity() -> None:
    rosters = dict(NUMBER.findall(_source("types/RosterEntry.sol")))
    outcomes = dict(NUMBER.findall(_source("types/Outcome.sol")))
    assert int(rosters["TICKS"]) == market.TICKS
    assert int(outcomes["TAIL_BITS"]) == market._ANSWER_TAIL_BITS


def test_hash_domains_equal_those_of_solidity() -> None:
    commitment = dict(TAG.findall(_source("libraries/Commitments.sol")))
    tree = dict(TAG.findall(_source("libraries/OutputTree.sol")))
    assert keccak(text=commitment["DOMAIN"]) == commitments._DOMAIN
    assert keccak(text=tree["LEAF"]) == output_tree._LEAF
    assert keccak(text=tree["NODE"]) == output_tree._NODE


def test_no_function_of_the_abi_is_overloaded() -> None:
    for name in CONTRACTS:
        entries = [e for e in load_artifact(name).abi if e["type"] == "function"]
        assert len(interface(name).functions) == len(entries)
