from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from contracts import build

SOURCE = """
// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;
contract Marketplace {{ uint96 internal amount; uint40 immutable AT = 1; {body} }}
contract AnswerBook {{}}
contract MarketplaceLens {{}}
contract ModelRegistry {{}}
contract TestDollar {{}}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository with small contracts."""
    (tmp_path / "contracts" / "src").mkdir(parents=True)
    shutil.copy(build.ROOT / "contracts" / "solc", tmp_path / "contracts" / "solc")
    (tmp_path / "node_modules").symlink_to(build.ROOT / "node_modules")
    write(tmp_path, "")
    return tmp_path


def write(project: Path, body: str) -> None:
    source = project / "contracts" / "src" / "All.sol"
    source.write_text(SOURCE.format(body=body), "utf-8")


def test_main_check_after_a_comment_only_succeeds(project: Path) -> None:
    assert build.main([], project) == 0
    write(project, "/* a comment */")

    assert build.main(["--check"], project) == 0


@pytest.mark.parametrize(
    ("body", "stale"),
    [
        ("function f() external {}", "contracts/artifacts/Marketplace.json"),
        ("uint8 internal b;", "contracts/snapshots/storage.json"),
    ],
)
def test_main_check_changed_source_fails_naming_the_file(
    project: Path, capsys: pytest.CaptureFixture[str], body: str, stale: str
) -> None:
    build.main([], project)
    write(project, body)

    assert build.main(["--check"], project) == 1
    assert f"commit: {stale}\n" in capsys.readouterr().err


def test_main_orphaned_artifact_is_noticed_and_removed(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    orphan = project / "contracts" / "artifacts" / "Old.json"
    orphan.parent.mkdir()
    orphan.write_text("{}", "utf-8")

    assert build.main(["--check"], project) == 1
    assert "contracts/artifacts/Old.json" in capsys.readouterr().err
    assert build.main([], project) == 0
    assert not orphan.exists()


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("function f( external {}", "ParserError"),
        ("function f() external { uint256 unused; }", "Unused local variable"),
    ],
)
def test_main_error_or_warning_fails_with_the_compiler_s_words(
    project: Path, capsys: pytest.CaptureFixture[str], body: str, problem: str
) -> None:
    write(project, body)

    assert build.main([], project) == 1
    assert problem in capsys.readouterr().err
    assert not (project / "contracts" / "artifacts").exists()


def test_main_contract_missing_fails_naming_it(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = project / "contracts" / "src" / "All.sol"
    source.write_text(source.read_text("utf-8").replace("TestDollar", "Other"), "utf-8")

    assert build.main([], project) == 1
    assert "defines TestDollar 0 times" in capsys.readouterr().err


def test_main_no_sources_fails(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "contracts" / "src" / "All.sol").unlink()

    assert build.main([], project) == 1
    assert "no Solidity file" in capsys.readouterr().err


def test_find_compiler_without_node_says_what_to_do(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(project))

    with pytest.raises(build.BuildError, match="make setup"):
        build.find_compiler(project)


def test_find_compiler_native_of_another_version_is_not_used(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    native = tmp_path / "bin" / "solc"
    native.parent.mkdir()
    native.write_text("#!/bin/sh\necho 'Version: 0.8.30+commit.73712a01'\n", "utf-8")
    native.chmod(0o755)
    monkeypatch.setenv("PATH", str(native.parent), prepend=":")

    assert build.find_compiler(project) == project / "contracts" / "solc"


def test_find_compiler_native_of_the_pinned_version_is_used(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    native = tmp_path / "bin" / "solc"
    native.parent.mkdir()
    version = build.COMPILER_VERSION
    native.write_text(f"#!/bin/sh\necho 'Version: {version}+commit.f401782d'\n")
    native.chmod(0o755)
    monkeypatch.setenv("PATH", str(native.parent), prepend=":")

    assert build.find_compiler(project) == native
