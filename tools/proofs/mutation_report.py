"""What a mutation run found: the score, the survivors, the page that shows them."""

from __future__ import annotations

import hashlib
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

__all__ = ["Explained", "Fate", "Mutant", "Result", "page", "sample", "score"]


class Fate(StrEnum):
    """What became of a mutant.

    Invalid ones do not compile, equal ones compile to the same code; neither counts.
    """

    INVALID = "invalid"
    EQUAL = "equal"
    KILLED = "killed"
    SURVIVED = "survived"


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change of a contract.

    Attributes:
        file: Source, relative to the repository.
        contract: Contract or library.
        operator: Name of the operator, Slither's but for `INC`.
        line: Line of the change.
        start: First byte that is replaced.
        end: First byte that is kept again.
        old: What stood there.
        new: What stands there now.
    """

    file: str
    contract: str
    operator: str
    line: int
    start: int
    end: int
    old: str
    new: str

    @property
    def key(self) -> str:
        """Names the change within one state of the sources."""
        text = f"{self.file}:{self.start}:{self.end}:{self.new}"
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def is_same_for_unsigned(self) -> bool:
        """Whether it only says `<= 0` for `== 0`, or `> 0` for `!= 0`.

        No number in the contracts has a sign.
        """
        old, new = _one_line(self.old), _one_line(self.new)
        return old in (new.replace("<= 0", "== 0"), new.replace("> 0", "!= 0"))

    @property
    def change(self) -> tuple[str, str]:
        """What differs between old and new, without the common text around it."""
        return _difference(self.old, self.new)


@dataclass(frozen=True, slots=True)
class Result:
    """A mutant and its fate."""

    mutant: Mutant
    fate: Fate


@dataclass(frozen=True, slots=True)
class Explained:
    """Survivors that somebody has judged, as `contracts/mutants.toml` lists them.

    Attributes:
        contract: Contract or library.
        old: Text of the changed piece before the change; part of it is enough.
        new: Text of the changed piece after it; part of it is enough.
        reason: Why no test can, or need, notice.
    """

    contract: str
    old: str
    new: str
    reason: str

    @classmethod
    def read(cls, text: str) -> list[Explained]:
        """The entries of a file."""
        entries: list[dict[str, Any]] = tomllib.loads(text).get("survivor", [])
        return [cls(**entry) for entry in entries]

    def fits(self, mutant: Mutant) -> bool:
        """Whether this explains a mutant."""
        old, new = _one_line(mutant.old), _one_line(mutant.new)
        is_there = self.contract == mutant.contract
        return is_there and self.old in old and self.new in new


def sample(mutants: Iterable[Mutant], count: int | None) -> list[Mutant]:
    """The same `count` mutants each time, or all; each change once."""
    unique = {mutant.key: mutant for mutant in mutants}
    chosen = [unique[key] for key in sorted(unique)]
    return chosen if count is None else chosen[:count]


def score(results: Iterable[Result]) -> float:
    """Part of the mutants that a test noticed; 1 if there are none."""
    fates = Counter(result.fate for result in results)
    counted = fates[Fate.KILLED] + fates[Fate.SURVIVED]
    return fates[Fate.KILLED] / counted if counted else 1.0


def explanation_of(mutant: Mutant, explained: Sequence[Explained]) -> str | None:
    """Why a survivor is no gap, if somebody has said so."""
    return next((entry.reason for entry in explained if entry.fits(mutant)), None)


def page(results: Sequence[Result], total: int, explained: Sequence[Explained]) -> str:
    """The reference page as Markdown.

    Args:
        results: What was tried.
        total: Mutants that there are.
        explained: Judged survivors.
    """
    tried: dict[str, Counter[Fate]] = {}
    for result in results:
        tried.setdefault(result.mutant.contract, Counter())[result.fate] += 1
    lines = [
        "<!-- Written by `make mutation`; do not edit. -->\n",
        "# Mutation testing of the contracts\n",
        f"Of {total} changes that {_OPERATORS} make possible, {len(results)} chosen by",
        "hash were tried. A mutant is killed when a forge test fails. Those that do",
        "not compile, or compile to the very same code, do not count.\n",
        f"Score: **{score(results):.1%}**.\n",
        "| contract | killed | survived | equal | invalid | score |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for name, fates in sorted(tried.items()):
        own = [result for result in results if result.mutant.contract == name]
        lines.append(_row(name, fates, score(own)))
    lines += ["", "## Survivors\n", "| where | change | why |", "|---|---|---|"]
    for result in results:
        if result.fate is Fate.SURVIVED:
            reason = explanation_of(result.mutant, explained)
            lines.append(_survivor(result.mutant, reason or "not explained yet"))
    return "\n".join(lines) + "\n"


_OPERATORS = "Slither's operators, and one that makes numbers larger by one,"


def _row(name: str, fates: Mapping[Fate, int], part: float) -> str:
    counts = (Fate.KILLED, Fate.SURVIVED, Fate.EQUAL, Fate.INVALID)
    cells = " | ".join(str(fates.get(fate, 0)) for fate in counts)
    return f"| {name} | {cells} | {part:.1%} |"


def _survivor(mutant: Mutant, reason: str) -> str:
    old, new = mutant.change
    shown = f"`{_cell(old)}` → `{_cell(new)}`"
    return f"| {mutant.contract}:{mutant.line} | {shown} | {reason} |"


def _cell(text: str) -> str:
    shown = _one_line(text).replace("|", "\\|").replace("`", "'") or " "
    return shown if len(shown) <= 90 else shown[:89] + "…"


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _difference(old: str, new: str) -> tuple[str, str]:
    """Both without their common start and end, whole words kept."""
    before, after = _one_line(old).split(" "), _one_line(new).split(" ")
    while len(before) > 1 and len(after) > 1 and before[0] == after[0]:
        before, after = before[1:], after[1:]
    while len(before) > 1 and len(after) > 1 and before[-1] == after[-1]:
        before, after = before[:-1], after[:-1]
    return " ".join(before), " ".join(after)
