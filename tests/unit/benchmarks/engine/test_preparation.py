"""What benchmarks prepare: environment, packages, and what they say of the machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.engine.cases import ALL_CASES
from benchmarks.engine.launcher import Launcher
from benchmarks.engine.lock import bench_lines
from benchmarks.engine.run import Options, baseline_versions, weight_bytes
from benchmarks.engine.workspace import LOCK, ROOT, Workspace, torch_pin
from benchmarks.errors import BenchmarkError
from benchmarks.machine import busy_note, processor_name
from benchmarks.random_package import VOCAB_SIZE, gpt2_shape
from inference.profiles import W8A16, W12A16


def test_gpt2_shape_of_a_benchmark_never_ends_a_text() -> None:
    shape = gpt2_shape(W8A16)
    assert (shape.end_of_text, shape.vocab_size) == (None, VOCAB_SIZE)


def test_weight_bytes_of_the_shape_count_the_matrices_once() -> None:
    matrices = 12 * 12 * 768 * 768 + 50_257 * 768
    assert weight_bytes(W8A16) == matrices
    assert weight_bytes(W12A16) == 2 * matrices


def options(*cases: str) -> Options:
    return Options(1, 8, 2, cases, ("int-w8a16",), ("hf-fp32",), True, False)


def test_timed_cases_of_bandwidth_alone_include_a_batch_of_one() -> None:
    assert [case.name for case in options("bandwidth_b1").timed_cases] == ["decode_b1"]


def test_timed_cases_of_all_are_in_their_order() -> None:
    names = [case.name for case in options(*reversed(ALL_CASES)).timed_cases]
    assert names == ["decode_b1", "decode_b8", "decode_b32", "prefill_512"]


def test_torch_pin_of_the_lock_file_is_its_line() -> None:
    assert torch_pin("numpy==2\ntorch==2.13.0\ntorch-x==1\n") == "torch==2.13.0"


def test_torch_pin_without_torch_is_refused() -> None:
    with pytest.raises(BenchmarkError, match="pins no torch"):
        torch_pin("numpy==2\n")


def test_bench_lines_of_an_environment_leave_torchvision_and_builds_out() -> None:
    frozen = "pip==24\ntorch==2.13.0+cpu\ntorchvision==0.28.0\nnvidia-x==1\nrich==15\n"
    assert bench_lines(frozen) == ["rich==15", "torch==2.13.0"]


def test_lock_file_of_the_baselines_holds_every_direct_requirement() -> None:
    wanted = LOCK.with_suffix(".in").read_text("ascii").splitlines()
    pins = LOCK.read_text("ascii").splitlines()
    direct = [line for line in wanted if "==" in line]
    assert len(direct) == 6
    assert set(direct) <= set(pins)
    assert set(baseline_versions(LOCK.read_text("ascii"))) == {
        "openvino-genai",
        "torch",
        "transformers",
    }


@pytest.mark.parametrize("engine", ["int-w8a16", "hf-fp32", "openvino-int8"])
def test_command_of_an_engine_names_a_module_that_exists(
    tmp_path: Path, engine: str
) -> None:
    command, _ = Launcher(Workspace(tmp_path), 2, print).command(engine)
    assert command[1] == "-m"
    assert (ROOT / command[2].replace(".", "/")).with_suffix(".py").is_file()
    assert Path(command[3]).parent == tmp_path / ".bench"
    assert command[4] == "2"


def test_child_environment_of_a_workspace_declines_telemetry(tmp_path: Path) -> None:
    environment = Workspace(tmp_path).child_environment()
    home = Path(environment["HOME"])
    assert home.is_relative_to(tmp_path)
    assert (home / "intel" / "openvino_telemetry").read_text("ascii") == "0"
    assert environment["HF_HUB_OFFLINE"] == "1"


def test_prepare_environment_that_is_up_to_date_does_nothing(tmp_path: Path) -> None:
    workspace, lock = Workspace(tmp_path), tmp_path / "bench.lock"
    lock.write_bytes(b"")
    workspace.environment.mkdir()
    # SHA-256 of nothing.
    stamp = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    (workspace.environment / ".stamp").write_text(stamp, "ascii")
    workspace.prepare_environment(lock, pytest.fail)


def test_processor_name_of_linux_is_the_model_name(tmp_path: Path) -> None:
    info = tmp_path / "cpuinfo"
    info.write_text("processor\t: 0\nmodel name\t: Fast 3000: two cores\n", "ascii")
    assert processor_name(info) == "Fast 3000: two cores"


def test_processor_name_without_that_file_is_something(tmp_path: Path) -> None:
    assert processor_name(tmp_path / "none")


def test_busy_note_of_a_quiet_machine_is_silent() -> None:
    assert busy_note(0.5, 2) is None


def test_busy_note_of_a_loaded_machine_gives_the_load() -> None:
    note = busy_note(1.6, 2)
    assert note is not None
    assert "load 1.6 on 2 CPUs" in note
