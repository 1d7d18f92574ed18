"""Changes the contracts in small ways and looks whether a test notices.

    python -m tools.proofs.mutation [--sample N | --all] [--page]

Mutants come from Slither's operators (`mutants.py`). Each is compiled by one process
that stays (`compiler.cjs`) and put in the place of the original's artifact; the tests
were compiled once and deploy what lies there. So a mutant takes seconds, and the tests'
own copies of the libraries stay as they are. The tests run with few random cases
first, then survivors face the whole suite.

Results are kept in `.forge/mutation` and a run that was interrupted goes on. It fails
below a score of 90%, or when a survivor is not explained in `contracts/mutants.toml`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from contracts.build import EVM_VERSION, OPTIMIZER_RUNS, REMAPPINGS
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
from tools.proofs.toolbox import (
    ROOT,
    ToolFailure,
    build_sources,
    environment,
    forge,
    run,
)

__all__ = ["main"]

MIN_SCORE = 0.9
EXPLAINED = ROOT / "contracts" / "mutants.toml"
PAGE = ROOT / "docs" / "reference" / "mutation.md"
_SAMPLE = 200
_FOLDER = ROOT / ".forge" / "mutation"
_PYTHON = ROOT / ".venv-proofs" / "bin" / "python"
_HERE = Path(__file__).resolve().parent
# What is deployed, and what is changed: these and the libraries inside them.
_DEPLOYED = ("Marketplace", "MarketplaceLens", "ModelRegistry")
_FILES = ("contracts/src/*.sol", "contracts/src/libraries/*.sol")
_TYPES = "contracts/src/types/*.sol"
# A mutant that runs for so many times as long as the original never ends.
_PATIENCE = 6
_MIN_PATIENCE_SECONDS = 120.0
# Gas is measured elsewhere; slow tests are for those that survive the others.
_QUICK = ("--no-match-contract", "Gas|Invariants|RosterScale", "--fail-fast")
_WHOLE = ("--no-match-contract", "Gas", "--fail-fast")


@dataclass(frozen=True, slots=True)
class _Bench:
    """The compiled tests, and the process that compiles mutants.

    Attributes:
        compiler: Takes a request a line, gives an answer a line.
        original: Bytecode of the unchanged contracts.
        patience: Seconds after which a run is given up, quick and whole.
    """

    compiler: subprocess.Popen[str]
    original: dict[str, str]
    patience: tuple[float, float]

    def judge(self, mutant: Mutant) -> Fate:
        """Compile a mutant and run the tests on it."""
        compiled = _ask(self.compiler, {**asdict(mutant)})
        if compiled is None:
            return Fate.INVALID
        if compiled == self.original or mutant.is_same_for_unsigned:
            return Fate.EQUAL
        _install(compiled)
        quick, whole = self.patience
        is_noticed = not _passes(_QUICK, quick) or not _passes(_WHOLE, whole)
        return Fate.KILLED if is_noticed else Fate.SURVIVED


@contextmanager
def _bench() -> Iterator[_Bench]:
    """Compile the tests once, start the compiler, put everything back at the end."""
    _build_tests()
    node = ["node", str(_HERE / "compiler.cjs"), str(ROOT), json.dumps(_settings())]
    with subprocess.Popen(
        node, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as compiler:
        original = _ask(compiler, {})
        if original is None:
            raise ToolFailure("the sources do not compile")
        _install(original)
        patience = (_patience_for(_QUICK), _patience_for(_WHOLE))
        try:
            yield _Bench(compiler, original, patience)
        finally:
            _install(original)
            compiler.terminate()


def _settings() -> dict[str, Any]:
    wanted = {name: ["evm.bytecode.object"] for name in _DEPLOYED}
    return {
        "remappings": list(REMAPPINGS),
        "optimizer": {"enabled": True, "runs": OPTIMIZER_RUNS},
        "evmVersion": EVM_VERSION,
        "metadata": {"bytecodeHash": "none", "appendCBOR": False},
        "outputSelection": {
            f"contracts/src/{name}.sol": {name: kinds} for name, kinds in wanted.items()
        },
    }


def _ask(compiler: subprocess.Popen[str], request: dict[str, Any]) -> Any:
    requests, answers = _pipes(compiler)
    requests.write(json.dumps(request) + "\n")
    requests.flush()
    answer = answers.readline()
    if not answer:
        raise ToolFailure("the compiler's process ended")
    return json.loads(answer)


def _pipes(process: subprocess.Popen[str]) -> tuple[IO[str], IO[str]]:
    assert process.stdin is not None and process.stdout is not None
    return process.stdin, process.stdout


def _install(compiled: dict[str, str]) -> None:
    """Put bytecode where the tests deploy it from."""
    for name, code in compiled.items():
        path = _FOLDER / "out" / f"{name}.sol" / f"{name}.json"
        artifact = json.loads(path.read_text("utf-8"))
        artifact["bytecode"]["object"] = "0x" + code
        path.write_text(json.dumps(artifact), "utf-8")


def _patience_for(options: Sequence[str]) -> float:
    """How long to wait for these tests; raises ToolFailure if they fail unmutated."""
    start = time.monotonic()
    if not _passes(options, timeout=None):
        raise ToolFailure(f"the tests fail without any mutation: {' '.join(options)}")
    return max(_PATIENCE * (time.monotonic() - start), _MIN_PATIENCE_SECONDS)


def _passes(options: Sequence[str], timeout: float | None) -> bool:
    """Whether all tests pass; a run without an end does not."""
    fuzz_runs = 16 if options == _QUICK else 256
    try:
        done = subprocess.run(
            [forge(), "test", *options],
            cwd=ROOT,
            env=_settings_of_forge(fuzz_runs),
            capture_output=True,
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def _build_tests() -> None:
    run([forge(), "build"], _settings_of_forge(fuzz_runs=1))


def _settings_of_forge(fuzz_runs: int) -> dict[str, str]:
    return environment(
        OUT=str(_FOLDER / "out"),
        CACHE_PATH=str(_FOLDER / "cache"),
        SNAPSHOTS=str(_FOLDER / "snapshots"),
        DYNAMIC_TEST_LINKING="true",
        DENY="never",
        FUZZ_RUNS=str(fuzz_runs),
    )


def _contract_names() -> list[str]:
    """Contracts and libraries that end up in what is deployed, the token left out."""
    paths = [path for glob in (*_FILES, _TYPES) for path in sorted(ROOT.glob(glob))]
    names = []
    for path in paths:
        for line in path.read_text("utf-8").splitlines():
            words = line.replace("abstract ", "").split()
            if words[:1] in (["contract"], ["library"]) and path.stem != "TestDollar":
                names.append(words[1])
    return names


def _mutants() -> list[Mutant]:
    sources = _FOLDER / "sources"
    build_sources(sources)
    out = str((sources / "out").relative_to(ROOT))
    script = [str(_PYTHON), "-P", str(_HERE / "mutants.py"), str(ROOT), out]
    done = subprocess.run(
        [*script, *_contract_names()],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise ToolFailure(f"slither cannot list mutants:\n{done.stderr[-4000:]}")
    listed = [Mutant(**entry) for entry in json.loads(done.stdout)]
    return [_relative(mutant) for mutant in listed]


def _relative(mutant: Mutant) -> Mutant:
    file = Path(mutant.file).resolve().relative_to(ROOT).as_posix()
    return Mutant(**{**asdict(mutant), "file": file})


def _digest() -> str:
    """Of all that decides a mutant's fate: sources, tests and forge's settings."""
    paths = sorted((ROOT / "contracts").rglob("*.sol"))
    state = hashlib.sha256((ROOT / "foundry.toml").read_bytes())
    for path in paths:
        state.update(path.read_bytes())
    return state.hexdigest()[:12]


def _run(chosen: Sequence[Mutant]) -> list[Result]:
    """Judge every mutant that has not been judged in this state of the sources."""
    _FOLDER.mkdir(parents=True, exist_ok=True)
    kept = _FOLDER / f"results-{_digest()}.jsonl"
    known = _known(kept)
    with _bench() as bench, kept.open("a", encoding="utf-8") as file:
        for number, mutant in enumerate(chosen, start=1):
            if mutant.key in known:
                continue
            fate = bench.judge(mutant)
            known[mutant.key] = fate
            file.write(json.dumps({"key": mutant.key, "fate": fate.value}) + "\n")
            file.flush()
            place = f"{mutant.contract}:{mutant.line} {mutant.operator}"
            sys.stderr.write(f"{number}/{len(chosen)} {fate.value} {place}\n")
    return [Result(mutant, known[mutant.key]) for mutant in chosen]


def _known(path: Path) -> dict[str, Fate]:
    if not path.is_file():
        return {}
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    return {line["key"]: Fate(line["fate"]) for line in lines}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, report, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sample", type=int, default=_SAMPLE, help="mutants to try")
    parser.add_argument("--all", action="store_true", help="try all of them")
    parser.add_argument("--page", action="store_true", help="write the reference page")
    options = parser.parse_args(arguments)
    try:
        mutants = _mutants()
        chosen = sample(mutants, None if options.all else options.sample)
        results = _run(chosen)
    except ToolFailure as error:
        sys.stderr.write(f"mutation: {error}\n")
        return 1
    explained = Explained.read(EXPLAINED.read_text("utf-8"))
    if options.page:
        total = len(sample(mutants, None))
        PAGE.write_text(page(results, total, explained), "utf-8")
    return _verdict(results, explained)


def _verdict(results: Sequence[Result], explained: Sequence[Explained]) -> int:
    survivors = [one.mutant for one in results if one.fate is Fate.SURVIVED]
    open_ones = [one for one in survivors if explanation_of(one, explained) is None]
    for mutant in open_ones:
        old, new = mutant.change
        sys.stdout.write(
            f"survived: {mutant.file}:{mutant.line} {mutant.operator}\n"
            f"  - {old}\n  + {new}\n"
        )
    part = score(results)
    sys.stdout.write(
        f"mutation: {part:.1%} of {len(results)} mutants killed, {len(survivors)} "
        f"survived, {len(open_ones)} of them unexplained\n"
    )
    return 1 if part < MIN_SCORE or open_ones else 0


if __name__ == "__main__":
    sys.exit(main())
