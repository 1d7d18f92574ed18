"""From samples to the rows of the report."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any, Final

from benchmarks.engine.cases import BANDWIDTH, CASES, MEMORY

HUGGING_FACE: Final = "hf-fp32"
OPENVINO: Final = "openvino-int8"
BASELINES: Final = (HUGGING_FACE, OPENVINO)

MEMORY_MARGIN: Final = 1.2
MEMORY_FIXED_BYTES: Final = 150_000_000

Samples = Mapping[tuple[str, str], Sequence[float]]
"""From case and engine to one figure per round."""

Row = dict[str, Any]

TARGETS: Final[Mapping[tuple[str, str, str | None], float]] = {
    ("decode_b1", "int-w8a16", HUGGING_FACE): 8.0,
    ("decode_b8", "int-w8a16", HUGGING_FACE): 8.0,
    ("decode_b32", "int-w8a16", HUGGING_FACE): 4.0,
    ("prefill_512", "int-w8a16", HUGGING_FACE): 2.2,
    ("decode_b1", "int-w8a16", OPENVINO): 1.2,
    ("decode_b8", "int-w8a16", OPENVINO): 1.0,
    ("decode_b32", "int-w8a16", OPENVINO): 0.75,
    ("prefill_512", "int-w8a16", OPENVINO): 0.8,
    ("decode_b1", "int-w8b8", HUGGING_FACE): 8.0,
    ("decode_b8", "int-w8b8", HUGGING_FACE): 9.0,
    ("decode_b32", "int-w8b8", HUGGING_FACE): 5.0,
    ("prefill_512", "int-w8b8", HUGGING_FACE): 3.0,
    ("decode_b1", "int-w8b8", OPENVINO): 1.2,
    ("decode_b8", "int-w8b8", OPENVINO): 1.2,
    ("decode_b32", "int-w8b8", OPENVINO): 1.0,
    ("prefill_512", "int-w8b8", OPENVINO): 1.1,
    ("decode_b1", "int-w12a16", HUGGING_FACE): 4.5,
    ("decode_b8", "int-w12a16", HUGGING_FACE): 6.0,
    ("decode_b32", "int-w12a16", HUGGING_FACE): 3.5,
    ("prefill_512", "int-w12a16", HUGGING_FACE): 2.0,
    (BANDWIDTH, "int-w8a16", None): 0.65,
    (MEMORY, "int-w8a16", None): 1.0,
}
"""Least ratio that the project set itself, by case, profile and baseline."""


@dataclass(frozen=True, slots=True)
class Summary:
    """Figures of all rounds of one engine in one case."""

    median: float
    lowest: float
    highest: float
    samples: tuple[float, ...]


def summarise(samples: Sequence[float]) -> Summary:
    """Returns median and extremes of one figure per round."""
    return Summary(median(samples), min(samples), max(samples), tuple(samples))


def speed_row(case: str, profile: str, baseline: str, samples: Samples) -> Row:
    """Compares one profile with one baseline in one case.

    Returns:
        `ratio` of the medians, above 1 where the profile is faster, the extremes of
        the ratios within a round, and both sides in tokens per second.
    """
    ours, theirs = samples[case, profile], samples[case, baseline]
    pairs = [mine / other for mine, other in zip(ours, theirs, strict=True)]
    return _row(
        case,
        profile,
        baseline,
        median(ours) / median(theirs),
        ratio_lowest=min(pairs),
        ratio_highest=max(pairs),
        unit="tokens/s",
        ours=asdict(summarise(ours)),
        theirs=asdict(summarise(theirs)),
    )


def bandwidth_row(
    profile: str,
    rates: Sequence[float],
    bytes_per_token: int,
    bandwidths: Sequence[float],
) -> Row:
    """Says which share of the memory's read bandwidth decoding at batch 1 uses.

    Args:
        profile: The engine's profile.
        rates: Its tokens per second, one per round.
        bytes_per_token: Bytes of weights that a token reads.
        bandwidths: Bytes per second read just before, one per round.
    """
    used = [rate * bytes_per_token for rate in rates]
    pairs = [mine / all_ for mine, all_ in zip(used, bandwidths, strict=True)]
    return _row(
        BANDWIDTH,
        profile,
        None,
        median(used) / median(bandwidths),
        ratio_lowest=min(pairs),
        ratio_highest=max(pairs),
        unit="bytes/s",
        ours=asdict(summarise(used)),
        theirs=asdict(summarise(bandwidths)),
    )


def memory_row(
    profile: str, peak_bytes: int, weight_bytes: int, cache_bytes: int
) -> Row:
    """Compares the peak memory of a fresh process with its bound."""
    bound = weight_bytes * MEMORY_MARGIN + cache_bytes + MEMORY_FIXED_BYTES
    return _row(
        MEMORY,
        profile,
        None,
        bound / peak_bytes,
        unit="bytes",
        peak=peak_bytes,
        bound=round(bound),
        weights=weight_bytes,
        cache=cache_bytes,
    )


def speed_rows(
    cases: Sequence[str],
    profiles: Sequence[str],
    baselines: Sequence[str],
    samples: Samples,
) -> list[Row]:
    """Returns the rows of all timed cases."""
    return [
        speed_row(case, profile, baseline, samples)
        for case in cases
        if case in CASES
        for profile in profiles
        for baseline in baselines
    ]


def _row(
    case: str, profile: str, baseline: str | None, ratio: float, **more: object
) -> Row:
    target = TARGETS.get((case, profile, baseline))
    return {
        "case": case,
        "profile": profile,
        "baseline": baseline,
        "ratio": ratio,
        "target": target,
        "met": None if target is None else ratio >= target,
        **more,
    }
