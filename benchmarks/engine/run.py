"""One run of the engine benchmark: what is measured in which order."""

import random
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Final

from benchmarks.engine.bandwidth import BandwidthReader, compile_reader
from benchmarks.engine.cases import BANDWIDTH, CASES, DECODE_PROMPT, MEMORY, Case
from benchmarks.engine.launcher import Launcher
from benchmarks.engine.process import EngineProcess
from benchmarks.engine.rounds import BARE, EngineRounds, compare_bits
from benchmarks.engine.rows import Row, bandwidth_row, memory_row, speed_row, speed_rows
from benchmarks.engine.workspace import LOCK, Workspace
from benchmarks.machine import busy_note, describe_machine
from benchmarks.random_package import gpt2_shape
from inference.profiles import Profile, profile_named

SEED: Final = 20_261_124
BITS_TOKENS: Final = 24
MEMORY_CASE: Final = CASES["decode_b8"]


@dataclass(frozen=True, slots=True)
class Options:
    """What to run, as the command line says it."""

    rounds: int
    new_tokens: int
    threads: int
    cases: tuple[str, ...]
    profiles: tuple[str, ...]
    baselines: tuple[str, ...]
    compares_bits: bool
    measures_bare: bool

    @property
    def timed_cases(self) -> list[Case]:
        """The cases to time; bandwidth is read beside decoding at batch 1."""
        wanted = {*self.cases, *(["decode_b1"] if BANDWIDTH in self.cases else [])}
        return [case for name, case in CASES.items() if name in wanted]


def run_benchmark(
    options: Options, workspace: Workspace, say: Callable[[str], None]
) -> dict[str, Any]:
    """Measures everything and returns the report.

    Args:
        options: What to measure.
        workspace: Where models and environments are kept.
        say: Called with lines of progress.

    Raises:
        BenchmarkError: Something is missing, or an engine failed.
    """
    machine = describe_machine()
    note = busy_note(machine["load_before"], machine["cpus"])
    if note is not None:
        say(note)
    launcher = Launcher(workspace, options.threads, say)
    launcher.prepare(options.profiles, options.baselines)
    source = random.Random(SEED)
    memory = _memory_rows(options, launcher, source, say)
    with ExitStack() as stack:
        engines = []
        for name in (*options.profiles, *options.baselines):
            say(f"loading {name}")
            engines.append(stack.enter_context(launcher.start(name)))
        bare = options.profiles if options.measures_bare else ()
        rounds = EngineRounds(engines, bare, options.new_tokens, None, say, source)
        if BANDWIDTH in options.cases:
            program = compile_reader(workspace.folder)
            reader = stack.enter_context(BandwidthReader(program, options.threads))
            rounds.read_bandwidth = reader.measure
        say("warming up")
        rounds.warm_up(options.timed_cases)
        rounds.run(options.timed_cases, options.rounds)
        bits = _compare(options, engines, source, say)
        peaks = {engine.name: engine.call("peak_bytes") for engine in engines}
    return {
        "machine": machine,
        "settings": {
            "threads": options.threads,
            "rounds": options.rounds,
            "prompt_tokens": DECODE_PROMPT,
            "new_tokens": options.new_tokens,
            "baselines": baseline_versions(LOCK.read_text("ascii")),
        },
        "rows": [*_timed_rows(options, rounds), *memory],
        "bits": bits,
        "peak_bytes": peaks,
    }


def weight_bytes(profile: Profile) -> int:
    """Returns the bytes of all matrices of the 124M shape, embeddings not counted."""
    weights = sum(
        outputs * terms for _, outputs, terms in gpt2_shape(profile).products()
    )
    return weights * profile.weight_bytes


def baseline_versions(lock: str) -> dict[str, str]:
    """Returns what the lock file pins of the baselines' own packages."""
    pins = dict(line.split("==") for line in lock.splitlines() if "==" in line)
    return {name: pins[name] for name in ("openvino-genai", "torch", "transformers")}


def _timed_rows(options: Options, rounds: EngineRounds) -> list[Row]:
    rows = speed_rows(
        options.cases, options.profiles, options.baselines, rounds.samples
    )
    if options.measures_bare:
        rows += [
            speed_row(case.name, name, name + BARE, rounds.samples)
            for case in options.timed_cases
            for name in options.profiles
        ]
    if BANDWIDTH in options.cases:
        rows += [
            bandwidth_row(
                name,
                rounds.samples["decode_b1", name],
                weight_bytes(profile_named(name)),
                rounds.bandwidths[name],
            )
            for name in options.profiles
        ]
    return rows


def _compare(
    options: Options,
    engines: Sequence[EngineProcess],
    source: random.Random,
    say: Callable[[str], None],
) -> list[Any]:
    if not options.compares_bits:
        return []
    say("comparing bits")
    case = CASES["decode_b8"]
    return [compare_bits(engine, case, BITS_TOKENS, source) for engine in engines]


def _memory_rows(
    options: Options,
    launcher: Launcher,
    source: random.Random,
    say: Callable[[str], None],
) -> list[Row]:
    """Loads and decodes in a fresh process for each profile."""
    rows = []
    for name in options.profiles if MEMORY in options.cases else ():
        say(f"measuring the memory of {name}")
        with launcher.start(name) as engine:
            prompts = MEMORY_CASE.prompts(source)
            engine.call("generate", prompts=prompts, new_tokens=options.new_tokens)
            peak = engine.call("peak_bytes")
            per_token = engine.call("cache_bytes_per_token")
        positions = MEMORY_CASE.batch * (DECODE_PROMPT + options.new_tokens)
        weights = weight_bytes(profile_named(name))
        rows.append(memory_row(name, peak, weights, positions * per_token))
    return rows
