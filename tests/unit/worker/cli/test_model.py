"""`assay model` from the command line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from assay.cli import run
from inference.packages.package import read_package
from protocol.hexadecimal import to_hex
from tests.support.models.checkpoints import TEXT, write_tiny_checkpoint
from tests.support.models.packages import write_random_package

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def restored_threads() -> Iterator[None]:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    write_tiny_checkpoint(folder)
    (folder / "text.txt").write_text(TEXT)
    return folder


def arguments(checkpoint: Path, out: Path, *more: str) -> list[str]:
    return [
        *("model", "import", str(checkpoint), "--profile", "int-w8b8"),
        *("--out", str(out), "--text", str(checkpoint / "text.txt")),
        *("--held-out-tokens", "100", *more),
    ]


def test_model_import_tiny_checkpoint_prints_the_report(
    checkpoint: Path, tmp_path: Path, capsys: Capture
) -> None:
    out = tmp_path / "package"

    assert run(arguments(checkpoint, out)) == 0

    printed = capsys.readouterr().out
    root = to_hex(read_package(out).weights_root())
    assert f"weights root        {root}" in printed
    assert "perplexity          float" in printed
    assert "100 held-out tokens" in printed
    assert "clamped values      hidden" in printed
    assert printed.endswith(f"written to          {out}\n")


def test_model_import_json_is_one_document(
    checkpoint: Path, tmp_path: Path, capsys: Capture
) -> None:
    assert run(arguments(checkpoint, tmp_path / "package", "--json")) == 0

    report = json.loads(capsys.readouterr().out)
    assert report["profile"] == "int-w8b8"
    assert report["heldOutTokens"] == 100
    assert report["floatPerplexity"] > 1
    assert report["saturation"]["norm"]["values"] > 0
    assert report["totalBytes"] == sum(report["fileBytes"].values())


@pytest.mark.parametrize(
    ("more", "code", "problem"),
    [
        (["--text", "/nowhere/text"], 1, "give a readable file"),
        (["--threads", "0"], 1, "threads"),
        (["--profile", "float-dev"], 2, "float-dev"),
        (["--held-out-tokens", "0"], 2, "held-out-tokens"),
        (["--backend", "gpu"], 2, "gpu"),
    ],
)
def test_model_import_bad_option_says_so_in_a_line(
    checkpoint: Path,
    tmp_path: Path,
    capsys: Capture,
    more: list[str],
    code: int,
    problem: str,
) -> None:
    assert run(arguments(checkpoint, tmp_path / "package", *more)) == code

    assert problem in capsys.readouterr().err
    assert not (tmp_path / "package").exists()


def test_model_import_source_that_is_no_model_says_so(
    tmp_path: Path, capsys: Capture
) -> None:
    assert run(arguments(tmp_path, tmp_path / "package")) == 1

    error = capsys.readouterr().err
    assert error.startswith("assay: config.json=")
    assert error.count("\n") == 1


def test_model_publish_without_a_key_says_how_to_give_one(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_random_package(tmp_path / "package")

    assert run(["model", "publish", str(tmp_path / "package")]) != 0

    assert "--key-file" in capsys.readouterr().err
