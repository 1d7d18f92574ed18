"""The programs that a benchmark starts, without any of the large engines."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.engine.bandwidth import BandwidthReader, compile_reader
from benchmarks.engine.process import EngineProcess
from benchmarks.engine.workspace import ROOT
from benchmarks.errors import BenchmarkError

CHILD = """
import os, sys
from benchmarks.engine.child import peak_bytes, serve, timed_generate

def echo(prompts, new_tokens):
    return [row[:new_tokens] for row in prompts]

def load():
    print("chatter of a library")
    if "broken" in sys.argv:
        raise OSError("no such model")
    return {
        "generate": lambda **request: timed_generate(echo, **request),
        "peak_bytes": peak_bytes,
        "leave": lambda: os._exit(3),
    }

serve(load)
"""


def start(log: Path, *arguments: str) -> EngineProcess:
    return EngineProcess(
        "echo",
        [sys.executable, "-c", CHILD, *arguments],
        folder=ROOT,
        environment=dict(os.environ),
        log=log,
    )


@pytest.fixture
def echo(tmp_path: Path) -> Iterator[EngineProcess]:
    with start(tmp_path / "logs" / "echo.log") as process:
        process.wait_until_ready()
        yield process


def test_call_of_an_engine_returns_tokens_and_seconds(echo: EngineProcess) -> None:
    reply = echo.call("generate", prompts=[[1, 2, 3], [4, 5, 6]], new_tokens=2)
    assert reply["tokens"] == [[1, 2], [4, 5]]
    assert reply["seconds"] > 0
    assert echo.call("peak_bytes") > 2**20


def test_call_of_an_engine_that_stops_early_is_refused(echo: EngineProcess) -> None:
    with pytest.raises(BenchmarkError, match="asked for 4 tokens a row, got \\[3\\]"):
        echo.call("generate", prompts=[[1, 2, 3]], new_tokens=4)
    # And the process is still of use.
    echo.call("generate", prompts=[[1, 2, 3]], new_tokens=3)


def test_call_of_an_engine_that_died_names_it(echo: EngineProcess) -> None:
    with pytest.raises(BenchmarkError, match="the engine echo has ended"):
        echo.call("leave")


def test_wait_until_ready_for_a_broken_model_gives_reason_and_log(
    tmp_path: Path,
) -> None:
    expected = "failed: OSError: no such model\nchatter of a library"
    with (
        start(tmp_path / "echo.log", "broken") as process,
        pytest.raises(BenchmarkError, match=expected),
    ):
        process.wait_until_ready()


def test_measure_of_a_small_array_gives_a_rate(tmp_path: Path) -> None:
    program = compile_reader(tmp_path)
    with BandwidthReader(program, threads=2, mebibytes=1) as reader:
        # No memory is that slow or that fast.
        assert all(1e7 < reader.measure() < 1e13 for _ in range(2))


def test_measure_of_no_threads_says_that_the_program_ended(tmp_path: Path) -> None:
    program = compile_reader(tmp_path)
    with (
        BandwidthReader(program, threads=0, mebibytes=1) as reader,
        pytest.raises(BenchmarkError, match="memory bandwidth ended"),
    ):
        reader.measure()


def test_compile_reader_without_a_compiler_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CC", "no-such-compiler")
    with pytest.raises(BenchmarkError, match="no C compiler 'no-such-compiler'"):
        compile_reader(tmp_path)
