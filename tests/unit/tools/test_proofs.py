"""What decides whether a proof tool's run is good; the tools themselves run apart."""

from __future__ import annotations

import pytest

from tools.proofs.analysis import (
    SlitherFinding,
    Waiver,
    complaints,
    findings_of,
    read_waivers,
)
from tools.proofs.coverage import Missed, missed_branches
from tools.proofs.mutation_report import (
    Explained,
    Fate,
    Mutant,
    Result,
    explanation_of,
    page,
    sample,
    score,
)
from tools.proofs.toolbox import ToolFailure

CLOCK = SlitherFinding("timestamp", "Marketplace.advance")
WAIVER = Waiver("timestamp", "windows are seconds", {"Marketplace.advance": 1})


def a_mutant(
    start: int = 1, old: str = "a == b", new: str = "a <= b", contract: str = "Seats"
) -> Mutant:
    return Mutant("contracts/src/Seats.sol", contract, "ROR", 7, start, 9, old, new)


# ---------------------------------------------------------------- coverage


def test_missed_branches_of_a_report_are_those_of_the_sources() -> None:
    report = """\
SF:contracts/src/Seats.sol
BRDA:7,0,0,3
BRDA:7,0,1,0
BRDA:9,1,0,-
end_of_record
SF:contracts/test/support/Ledger.sol
BRDA:5,0,0,0
end_of_record
"""
    missed = [Missed("contracts/src/Seats.sol", line) for line in (7, 9)]
    assert missed_branches(report) == (3, missed)


# ---------------------------------------------------------------- Slither


def test_complaints_of_waived_findings_are_none() -> None:
    assert complaints([CLOCK], [WAIVER]) == []


@pytest.mark.parametrize(
    ("found", "told"),
    [
        ([CLOCK, CLOCK], "2 found, 1 waived"),
        (
            [CLOCK, SlitherFinding("reentrancy", "Seats.deposit")],
            "reentrancy in Seats.deposit",
        ),
        ([], "1 waived, 0 found; correct the waiver"),
    ],
)
def test_complaints_of_what_was_not_judged_name_it(
    found: list[SlitherFinding], told: str
) -> None:
    (line,) = complaints(found, [WAIVER])
    assert told in line


def test_read_waivers_without_a_reason_is_refused() -> None:
    text = '[[waiver]]\ncheck = "timestamp"\nwhere = { "A.b" = 1 }\n'
    with pytest.raises(ToolFailure, match="timestamp needs a reason"):
        read_waivers(text)
    (waiver,) = read_waivers(text + 'reason = "so"\n')
    assert waiver == Waiver("timestamp", "so", {"A.b": 1})


def test_findings_of_a_statement_are_placed_in_its_function() -> None:
    contract = {"type": "contract", "name": "Seats"}
    function = {
        "type": "function",
        "name": "deposit",
        "type_specific_fields": {"parent": contract},
    }
    statement = {
        "type": "node",
        "name": "x = 1",
        "type_specific_fields": {"parent": function},
    }
    results = [
        {"check": "a", "elements": [statement]},
        {"check": "b", "elements": [function]},
        {"check": "c", "elements": [contract]},
    ]
    report = {"success": True, "results": {"detectors": results}}
    found = [(one.check, one.where) for one in findings_of(report)]
    assert found == [("a", "Seats.deposit"), ("b", "Seats.deposit"), ("c", "Seats")]


def test_findings_of_a_breakdown_are_an_error() -> None:
    with pytest.raises(ToolFailure, match="no solc"):
        findings_of({"success": False, "error": "no solc"})


# ---------------------------------------------------------------- mutation


def test_sample_is_the_same_each_time_and_has_no_change_twice() -> None:
    mutants = [a_mutant(start) for start in range(20)] + [a_mutant(3)]
    chosen = sample(mutants, 5)
    assert chosen == sample(reversed(mutants), 5)
    assert len(sample(mutants, None)) == 20


def test_score_counts_neither_invalid_nor_equal_mutants() -> None:
    fates = [Fate.KILLED, Fate.KILLED, Fate.KILLED, Fate.SURVIVED]
    fates += [Fate.INVALID, Fate.EQUAL]
    assert score([Result(a_mutant(), fate) for fate in fates]) == 0.75
    assert score([]) == 1.0


def test_explained_survivor_fits_by_contract_and_change() -> None:
    text = (
        '[[survivor]]\ncontract = "Seats"\nold = "a == b"\nnew = "a <= b"\n'
        'reason = "unsigned"\n'
    )
    explained = Explained.read(text)
    assert explanation_of(a_mutant(), explained) == "unsigned"
    assert explanation_of(a_mutant(old="a ==\n  b"), explained) == "unsigned"
    assert explanation_of(a_mutant(contract="Rounds"), explained) is None
    assert explanation_of(a_mutant(new="a >= b"), explained) is None


@pytest.mark.parametrize(
    ("old", "new", "is_same"),
    [
        ("a == 0 && b", "a <= 0 && b", True),
        ("a !=\n 0", "a > 0", True),
        ("a == 0", "a >= 0", False),
        ("a == 1", "a <= 1", False),
        ("a != 0", "a < 0", False),
    ],
)
def test_mutant_that_differs_below_zero_only_is_the_same(
    old: str, new: str, is_same: bool
) -> None:
    assert a_mutant(old=old, new=new).is_same_for_unsigned is is_same


def test_page_shows_score_and_survivors() -> None:
    results = [Result(a_mutant(1), Fate.KILLED), Result(a_mutant(2), Fate.SURVIVED)]
    text = page(results, 9, [])
    assert "Of 9 changes" in text and "**50.0%**" in text
    assert "| Seats:7 | `==` → `<=` | not explained yet |" in text
