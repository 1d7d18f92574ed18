"""Lists the mutants of the contracts, by Slither's own mutation operators.

    .venv-proofs/bin/python tools/proofs/mutants.py ROOT OUT CONTRACT… > mutants.json

Run by `tools.proofs.mutation` in the environment that has Slither, so it imports
nothing of ours. `slither-mutate` itself compiles the whole project for each mutant,
tests included; ours compiles the mutated contracts only.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from slither import Slither
from slither.core.declarations import Contract
from slither.tools.mutator.mutators import all_mutators
from slither.tools.mutator.mutators.abstract_mutator import AbstractMutator

# The first changes what the compiler refuses or what makes no difference, the second
# fails on the first boolean; `numbers_of` takes its place.
_LEFT_OUT = {"", "FHR", "LIR"}
_NUMBER = re.compile(rb"//[^\n]*|(?<![\w.$])(\d[\d_]*)(?![\w.])")


def operators() -> list[Any]:
    """Slither's operators, by name."""
    kinds: set[Any] = {
        kind
        for kind in vars(all_mutators).values()
        if isinstance(kind, type) and issubclass(kind, AbstractMutator)
    }
    kept = [kind for kind in kinds if kind.NAME not in _LEFT_OUT]
    return sorted(kept, key=lambda kind: str(kind.NAME))


def mutants_of(slither: Slither, contract: Contract) -> Iterator[dict[str, Any]]:
    """What each operator does to a contract, one change at a time."""
    for kind in operators():
        unit = slither.compilation_units[0]
        operator = kind(unit, 0, "", "", contract, None, False, Path(), [])
        found = operator._mutate().get("patches", {})
        for path, patches in found.items():
            for patch in patches:
                yield {
                    "file": str(path),
                    "contract": contract.name,
                    "operator": kind.NAME,
                    "line": patch["line_number"],
                    "start": patch["start"],
                    "end": patch["end"],
                    "old": patch["old_string"],
                    "new": patch["new_string"],
                }


def numbers_of(slither: Slither, contract: Contract) -> Iterator[dict[str, Any]]:
    """Each whole number of a contract's code made larger by one."""
    path = contract.source_mapping.filename.absolute
    source = slither.source_code[path].encode()
    start = contract.source_mapping.start
    body = source[start : start + contract.source_mapping.length]
    for match in _NUMBER.finditer(body):
        if match[1] is None:
            continue  # a comment
        old = match[1].decode()
        yield {
            "file": path,
            "contract": contract.name,
            "operator": "INC",
            "line": source.count(b"\n", 0, start + match.start()) + 1,
            "start": start + match.start(),
            "end": start + match.end(),
            "old": old,
            "new": str(int(old.replace("_", "")) + 1),
        }


def main(root: str, out: str, *names: str) -> None:
    """Print the mutants as JSON."""
    slither = Slither(root, ignore_compile=True, foundry_out_directory=out)
    contracts = {contract.name: contract for contract in slither.contracts}
    found = [
        mutant
        for name in names
        for listed in (mutants_of, numbers_of)
        for mutant in listed(slither, contracts[name])
    ]
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
