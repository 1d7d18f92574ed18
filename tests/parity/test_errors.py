"""Every error of the contracts has a row that explains it."""

from __future__ import annotations

import pytest

from protocol.chain.abi.contracts import CONTRACTS, interface
from protocol.chain.abi.reverts import NO_REASON, UNKNOWN_ERROR, error_definitions
from protocol.errors import ContractReverted
from protocol.revert_rules import REVERTS

# What Solidity itself or a foreign contract reverts with.
FOREIGN = {"Error", "Panic", NO_REASON, UNKNOWN_ERROR}


def _declared() -> dict[str, int]:
    """Errors of all ABIs with their number of arguments."""
    return {
        definition["name"]: len(definition["inputs"])
        for name in CONTRACTS
        for definition in interface(name).errors.values()
    }


def test_reverts_has_a_row_for_each_error_of_the_abis() -> None:
    assert set(_declared()) - set(REVERTS) == set()


def test_reverts_has_no_row_for_an_error_that_does_not_exist() -> None:
    assert set(REVERTS) - set(_declared()) - FOREIGN == set()


@pytest.mark.parametrize("name", sorted(REVERTS))
def test_reverts_meaning_uses_arguments_that_the_error_has(name: str) -> None:
    count = _declared().get(name, 1)
    arguments = tuple(f"<{i}>" for i in range(count))
    assert str(ContractReverted(name, arguments)).startswith(f"{name}: ")


def test_errors_of_different_contracts_never_share_a_name() -> None:
    """One name has one selector, so the table by name is unambiguous."""
    names = [definition["name"] for definition in error_definitions().values()]
    assert len(names) == len(set(names))
