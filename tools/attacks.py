"""Writes `docs/reference/attacks.md` from two files of measured losses.

`contracts/snapshots/attacks.json` comes from the contracts' own tests,
`tests/adversarial/profits.json` from attackers that were processes on a real chain and
a real IPFS node. What each attack tries, and what stops it, is said here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["CONTRACT_ATTACKS", "CONTRACT_LOSSES", "PROFITS", "ZOO", "attacks_page"]

_ROOT = Path(__file__).resolve().parent.parent
PROFITS = _ROOT / "tests" / "adversarial" / "profits.json"
CONTRACT_LOSSES = _ROOT / "contracts" / "snapshots" / "attacks.json"


@dataclass(frozen=True, slots=True)
class Attack:
    """An attack in words.

    Attributes:
        tries: What its authors do, and hope for.
        stopped_by: The rule that makes it a loss.
    """

    tries: str
    stopped_by: str


ZOO: Mapping[str, Attack] = {
    "liar": Attack(
        "runs the model and alters a token",
        "a revealed outcome that the quorum does not share costs the bond",
    ),
    "lazy": Attack(
        "gives one cached answer to every prompt",
        "the same; its commitment cannot follow the others', which are salted",
    ),
    "copycat": Attack(
        "computes nothing, polls the shared IPFS node for others' results before the "
        "reveal, then copies a commitment",
        "bytes are published in the reveal phase only, when nobody can commit any more "
        "(I13); a commitment holds its author's address (I16)",
    ),
    "silent": Attack(
        "holds a seat and never answers",
        "a no-show costs a tenth of the bond and the seat",
    ),
    "commits, never reveals": Attack(
        "commits to the truth and keeps it, to spoil the round",
        "an unopened commitment costs the bond; a quorum of the others is enough",
    ),
    "late to commit": Attack(
        "commits after the window, when others may reveal",
        "refused (I13): a no-show",
    ),
    "late to reveal": Attack(
        "commits in time and reveals after the window, to choose when a job ends",
        "refused: an unopened commitment; `advance` ends the round without it",
    ),
    "equivocator": Attack(
        "commits to a lie, commits again to the truth, opens the truth, opens the lie",
        "one commitment a place; only what was committed can be opened (I16)",
    ),
    "cartel below a quorum": Attack(
        "two of five members tell the same lie",
        "a quorum is a strict majority of the places (I14); each loses its bond",
    ),
    "dead on arrival": Attack(
        "a worker that is killed once its seat is open",
        "a no-show; the seat is gone, so it is drawn once",
    ),
    "requester withholds prompts": Attack(
        "posts the digest of bytes that nobody can fetch, so that workers fail",
        "all say InputUnavailable, which is accepted if nobody had the bytes; each "
        "earns its base fee",
    ),
    "requester posts garbage": Attack(
        "posts bytes that are no prompts document",
        "whether a document is valid follows from its bytes alone: all say "
        "InputInvalid, and each earns its base fee",
    ),
    "IPFS node serves wrong bytes": Attack(
        "alters the prompts on their way to one worker, so that it computes something "
        "else and is slashed",
        "every byte is hashed again before it is used; the worker says "
        "InputUnavailable, which costs no bond",
    ),
}

CONTRACT_ATTACKS: Mapping[str, Attack] = {
    "C1 another's outcome": Attack(
        "commits to nothing known, opens it with what another revealed",
        "only what was committed can be opened (I16)",
    ),
    "C1 copied commitment, other chain": Attack(
        "copies a commitment made on another chain",
        "the commitment holds the chain's id (I16)",
    ),
    "C1 copied commitment, other deployment": Attack(
        "copies one made on another marketplace",
        "it holds the marketplace's address (I16)",
    ),
    "C1 copied commitment, other job": Attack(
        "copies its own commitment to another job", "it holds the job's id (I16)"
    ),
    "C1 copied commitment, other round": Attack(
        "copies its own commitment to another round", "it holds the round (I16)"
    ),
    "C1 copied commitment, same job": Attack(
        "copies another member's commitment", "it holds the worker's address (I16)"
    ),
    "C2 poisoned batch": Attack(
        "ends a round just before another's batch reveals in it",
        "an entry that does not apply is skipped, the others go through",
    ),
    "E1 lazy majority": Attack(
        "two of three say that the prompts cannot be had, to save the work",
        "unpaid, and the seats are lost: such a quorum stands only if nobody had them",
    ),
    "E1 no prompts for the second round": Attack(
        "a requester buys a second round and withholds the prompts from it",
        "an unavailable quorum does not judge members that had the bytes",
    ),
    "E1 prompts served to some only": Attack(
        "a requester with two seats keeps the prompts from the third member",
        "InputUnavailable costs no bond; the requester pays for the work",
    ),
    "E1 prompts that nobody can fetch": Attack(
        "a requester withholds the prompts from all",
        "accepted as unavailable; base fees are paid",
    ),
    "P1 cartel of quorum minus one, of 3": Attack(
        "one of three lies", "a strict majority decides (I14)"
    ),
    "P1 cartel of quorum minus one, of 5": Attack(
        "two of five lie alike", "a strict majority decides (I14)"
    ),
    "P1 cartel of quorum minus one, of 7": Attack(
        "three of seven lie alike", "a strict majority decides (I14)"
    ),
    "P2 hoping for no-shows": Attack(
        "a requester posts a job too large for the window, for workers to fail",
        "the window follows from the work (I17); what is slashed goes to the sink (I4)",
    ),
    "P5 withheld last reveal": Attack(
        "the last member, who alone decides whether there is a quorum, keeps silent",
        "an unopened commitment costs the bond",
    ),
    "P7 minority copies a lie": Attack(
        "lies in the second round as one did in the first",
        "a minority's lie is slashed in both rounds (I18)",
    ),
    "R2 requester with one seat of three": Attack(
        "a requester's own seat lies, for a result that is not paid",
        "two honest members are a quorum",
    ),
    "R2 requester with two silent seats of three": Attack(
        "two own seats keep silent, for one honest result at a base fee",
        "silence after a commitment costs a bond each",
    ),
    "R2 split by two lies, judged by a second round": Attack(
        "two own seats lie differently, to split the round and cancel",
        "a second round cannot be cancelled (I12), and judges the first",
    ),
    "R6 dust of a hundred jobs": Attack(
        "many tiny jobs, to gain by rounding",
        "the fee loses less than a unit a job; base fees and bounties are paid (I1)",
    ),
    "S3 cancelled after the seed": Attack(
        "a requester cancels because it knows the committee",
        "a committee that can be known cannot be declined (I12)",
    ),
    "T1 dead seat, each time it is drawn": Attack(
        "seats that never answer, to make draws fail",
        "a no-show costs a tenth of the bond and the seat",
    ),
    "T2 roster of one's own": Attack(
        "a look-alike model that only its author serves",
        "a job names the least roster to draw from (`minSeats`)",
    ),
    "T5 leaving before the slash": Attack(
        "closes its seat while it is drawn, and withdraws",
        "a seat leaves only when no draw can pick it and no job holds it (I8)",
    ),
}

_INTRODUCTION = """\
# Attacks, and what they cost

Profits in millionths of the test dollar, gas not counted; a seat's bond is 50,000,000.
Rules in brackets are [invariants](../spec/invariants.md); the others are in the
[protocol](../spec/protocol.md), §4. From a quorum of a committee on a cartel can lie
and be paid; nothing here says otherwise.
"""

_OF_THE_ZOO = """\
## Real processes

Attackers as processes on a real chain and a real IPFS node, beside honest workers that
run `assay worker run`. The committee is exactly who is meant to be on it. Weighed are
tokens, credit and bonds, before and after, by the chain's balances; afterwards the
market's books are kept again from its events, to the unit. Workers hold one bond and
lose all of it or the tenth of a no-show. Honest members were paid in full wherever a
result was accepted. `pytest tests/adversarial` measures again and compares.

| attacker | tries | stopped by | profit | bonds of honest | seats of honest closed |
|---|---|---|---:|---:|---:|"""

_OF_THE_CONTRACTS = """\

## The contracts alone

Every attack that the contracts' own tests play (`contracts/test/attacksOn…`), with what
it cost its authors. The codes are those of the tests and the invariants.

| attack | tries | stopped by | profit |
|---|---|---|---:|"""


def attacks_page() -> Iterator[str]:
    """The page's lines.

    Raises:
        KeyError: An attack was measured that is not described here, or the reverse.
    """
    yield _INTRODUCTION
    yield _OF_THE_ZOO
    measured = json.loads(PROFITS.read_text(encoding="utf-8"))
    _require_same(ZOO, measured)
    for name, attack in ZOO.items():
        worth = measured[name]
        yield (
            f"| {name} | {attack.tries} | {attack.stopped_by} | "
            f"{_units(worth['profit'])} | {_units(-worth['honestBondsLost'])} | "
            f"{worth['honestSeatsClosed']} |"
        )
    yield _OF_THE_CONTRACTS
    losses = json.loads(CONTRACT_LOSSES.read_text(encoding="utf-8"))
    _require_same(CONTRACT_ATTACKS, losses)
    for name, attack in CONTRACT_ATTACKS.items():
        yield (
            f"| {name} | {attack.tries} | {attack.stopped_by} | "
            f"{_units(-int(losses[name]))} |"
        )


def _require_same(
    described: Mapping[str, Attack], measured: Mapping[str, object]
) -> None:
    if odd := sorted(set(described) ^ set(measured)):
        raise KeyError(f"described or measured only: {', '.join(odd)}")


def _units(amount: int) -> str:
    return f"{amount:,}".replace("-", "−")
