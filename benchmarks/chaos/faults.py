"""What goes wrong and when, drawn from a seed before anything starts."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Fault", "FaultKind", "draw_faults"]

_DEEPEST_REORG = 4
_LONGEST_DOWN_SECONDS = 4.0
_LONGEST_STALL_SECONDS = 5.0


class FaultKind(StrEnum):
    """What goes wrong."""

    KILL_WORKER = "killWorker"
    KILL_REQUESTER = "killRequester"
    KILL_IPFS = "killIpfs"
    RPC_STALL = "rpcStall"
    RPC_REFUSAL = "rpcRefusal"
    RPC_LOST_ANSWER = "rpcLostAnswer"
    REORG = "reorg"


# How often each kind comes, out of a hundred.
_SHARES = {
    FaultKind.KILL_WORKER: 52,
    FaultKind.KILL_REQUESTER: 18,
    FaultKind.KILL_IPFS: 10,
    FaultKind.RPC_STALL: 5,
    FaultKind.RPC_REFUSAL: 3,
    FaultKind.RPC_LOST_ANSWER: 4,
    FaultKind.REORG: 8,
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong.

    Attributes:
        at: Seconds after the first job.
        kind: What it is.
        victim: Number of the worker, for a kill of one.
        seconds: How long it lasts: until the restart, or the end of a stall.
        depth: Blocks that a reorganisation replaces.
    """

    at: float
    kind: FaultKind
    victim: int
    seconds: float
    depth: int


def draw_faults(
    seed: int, *, seconds: float, pause_seconds: float, workers: int
) -> list[Fault]:
    """The faults of a run; the same for the same arguments.

    Args:
        seed: Of the random numbers.
        seconds: How long faults come.
        pause_seconds: Mean time between two.
        workers: How many workers there are.
    """
    return list(_draw(random.Random(seed), seconds, pause_seconds, workers))


def _draw(
    rng: random.Random, seconds: float, pause_seconds: float, workers: int
) -> Iterator[Fault]:
    kinds, shares = zip(*_SHARES.items(), strict=True)
    at = rng.expovariate(1 / pause_seconds)
    while at < seconds:
        (kind,) = rng.choices(kinds, shares)
        is_kill = kind.value.startswith("kill")
        longest = _LONGEST_DOWN_SECONDS if is_kill else _LONGEST_STALL_SECONDS
        yield Fault(
            at=at,
            kind=kind,
            victim=rng.randrange(workers),
            seconds=rng.uniform(0.0, longest),
            depth=rng.randint(1, _DEEPEST_REORG),
        )
        at += rng.expovariate(1 / pause_seconds)
