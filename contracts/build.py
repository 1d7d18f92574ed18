"""Compiles the Solidity sources into the committed artifacts.

``python -m contracts.build`` writes ``artifacts/<Name>.json`` and the storage layouts
in ``snapshots/storage.json``; with ``--check`` it compares instead and fails when a
committed file differs from what the sources give. Compiler, optimizer and EVM version
are fixed here and repeated in ``foundry.toml``; a test keeps the two equal.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import solcx
from solcx.exceptions import SolcError
from solcx.wrapper import get_solc_version

__all__ = ["BuildError", "compile_contracts", "find_compiler", "main", "render"]

COMPILER_VERSION = "0.8.37"
EVM_VERSION = "cancun"
OPTIMIZER_RUNS = 200
REMAPPINGS = ("@openzeppelin/=node_modules/@openzeppelin/",)

ROOT = Path(__file__).resolve().parent.parent
SOURCES = "contracts/src"
ARTIFACTS = "contracts/artifacts"
STORAGE_LAYOUTS = "contracts/snapshots/storage.json"

# What other code loads: the contracts that get deployed. A contract's ABI holds the
# errors and events of the interfaces it inherits, so these need no file of their own.
CONTRACTS = (
    "AnswerBook",
    "Marketplace",
    "MarketplaceLens",
    "ModelRegistry",
    "TestDollar",
)

_OUTPUTS = (
    "abi",
    "evm.bytecode.object",
    "evm.deployedBytecode.object",
    "evm.deployedBytecode.immutableReferences",
    "storageLayout",
)


class BuildError(Exception):
    """The sources cannot be compiled, or not by the compiler at hand."""


def find_compiler(root: Path = ROOT) -> Path:
    """Finds a compiler of exactly the pinned version.

    Args:
        root: The repository.

    Returns:
        A native ``solc`` on the PATH if it is that version, else the executable that
        wraps the npm package.

    Raises:
        BuildError: If neither is there, or the npm package is another version.
    """
    native = shutil.which("solc")
    if native is not None and _version_of(Path(native)) == COMPILER_VERSION:
        return Path(native)
    if shutil.which("node") is None:
        raise BuildError("node is not on the PATH: run `make setup`, then `make build`")
    wrapped = root / "contracts" / "solc"
    found = _version_of(wrapped)
    if found != COMPILER_VERSION:
        raise BuildError(
            f"the Solidity compiler must be {COMPILER_VERSION}, "
            f"found {found or 'none'}: run `make setup`"
        )
    return wrapped


def compile_contracts(root: Path = ROOT) -> dict[str, dict[str, Any]]:
    """Compiles everything under ``contracts/src``.

    Args:
        root: The repository.

    Returns:
        The compiler's output for each name in `CONTRACTS`.

    Raises:
        BuildError: If there is no source, if the compiler reports an error or a
            warning, or if one of `CONTRACTS` is missing or defined twice.
    """
    files = sorted((root / SOURCES).rglob("*.sol"))
    if not files:
        raise BuildError(f"no Solidity file under {SOURCES}")
    request = {
        "language": "Solidity",
        "sources": {
            file.relative_to(root).as_posix(): {"content": file.read_text("utf-8")}
            for file in files
        },
        "settings": _settings(),
    }
    try:
        output = solcx.compile_standard(
            request,
            base_path=root,
            allow_paths=root,
            solc_binary=find_compiler(root),
        )
    except SolcError as error:
        raise BuildError(error.message) from error
    warnings = [
        entry["formattedMessage"]
        for entry in output.get("errors", [])
        if _is_ours(entry)
    ]
    if warnings:
        raise BuildError("compiler warnings:\n" + "\n".join(warnings))
    return {name: _pick(output["contracts"], name) for name in CONTRACTS}


def _settings() -> dict[str, Any]:
    return {
        "remappings": list(REMAPPINGS),
        "optimizer": {"enabled": True, "runs": OPTIMIZER_RUNS},
        "evmVersion": EVM_VERSION,
        "viaIR": False,
        # Without the hash of sources and settings the bytecode depends on nothing
        # but the code, so a comment does not change an artifact.
        "metadata": {"bytecodeHash": "none", "appendCBOR": False},
        "outputSelection": {"*": {"*": list(_OUTPUTS)}},
    }


def _is_ours(problem: dict[str, Any]) -> bool:
    # Warnings inside a library are its authors' to weigh.
    location = problem.get("sourceLocation") or {}
    return not location.get("file", SOURCES).startswith("node_modules/")


def _version_of(binary: Path) -> str | None:
    try:
        return str(get_solc_version(binary))
    except (SolcError, OSError, subprocess.CalledProcessError, ValueError):
        return None


def _pick(contracts: dict[str, dict[str, dict[str, Any]]], name: str) -> dict[str, Any]:
    found = [
        units[name]
        for path, units in contracts.items()
        if name in units and path.startswith(SOURCES)
    ]
    if len(found) != 1:
        raise BuildError(
            f"{SOURCES} defines {name} {len(found)} times, not once: "
            "CONTRACTS in contracts/build.py lists what is built"
        )
    return found[0]


def render(contracts: dict[str, dict[str, Any]]) -> dict[str, str]:
    """Renders compiler output as the files that are committed.

    Args:
        contracts: What `compile_contracts` returned.

    Returns:
        File contents by path relative to the repository.
    """
    files = {
        f"{ARTIFACTS}/{name}.json": _to_json(_artifact(name, output))
        for name, output in contracts.items()
    }
    layouts = {
        name: _layout(output["storageLayout"])
        for name, output in sorted(contracts.items())
    }
    files[STORAGE_LAYOUTS] = _to_json(layouts)
    return files


def _artifact(name: str, output: dict[str, Any]) -> dict[str, Any]:
    deployed = output["evm"]["deployedBytecode"]
    references = deployed.get("immutableReferences", {})
    return {
        "contractName": name,
        "abi": output["abi"],
        "bytecode": "0x" + output["evm"]["bytecode"]["object"],
        "deployedBytecode": "0x" + deployed["object"],
        # The compiler keys these by syntax-tree id, which any edit renumbers.
        "immutableReferences": sorted(
            [use["start"], use["length"]]
            for uses in references.values()
            for use in uses
        ),
    }


def _layout(layout: dict[str, Any]) -> dict[str, Any]:
    types = layout["types"] or {}
    members = {
        kind["label"]: [_slot(member, types) for member in kind["members"]]
        for kind in types.values()
        if "members" in kind
    }
    return {
        "storage": [_slot(entry, types) for entry in layout["storage"]],
        "structs": dict(sorted(members.items())),
    }


def _slot(entry: dict[str, Any], types: dict[str, Any]) -> dict[str, Any]:
    kind = types[entry["type"]]
    return {
        "slot": int(entry["slot"]),
        "offset": entry["offset"],
        "bytes": int(kind["numberOfBytes"]),
        "label": entry["label"],
        "type": kind["label"],
    }


def _to_json(document: Any) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _drift(root: Path, files: dict[str, str]) -> list[str]:
    """Paths whose committed contents differ, and artifacts that nothing builds."""
    stale = [
        path
        for path, contents in files.items()
        if not (root / path).is_file() or (root / path).read_text("utf-8") != contents
    ]
    return stale + _orphans(root, files)


def _orphans(root: Path, files: dict[str, str]) -> list[str]:
    committed = sorted((root / ARTIFACTS).glob("*.json"))
    paths = [file.relative_to(root).as_posix() for file in committed]
    return [path for path in paths if path not in files]


def _write(root: Path, files: dict[str, str]) -> None:
    for path in _drift(root, files):
        file = root / path
        if path in files:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(files[path], "utf-8")
        else:
            file.unlink()


def main(arguments: Sequence[str] | None = None, root: Path = ROOT) -> int:
    """Builds or checks the artifacts.

    Args:
        arguments: Command line without the program's name; the process's own when
            None.
        root: The repository.

    Returns:
        The exit code: 0 when all is well, 1 when the build fails or ``--check``
        finds a difference.
    """
    parser = argparse.ArgumentParser(prog="python -m contracts.build")
    parser.add_argument(
        "--check", action="store_true", help="compare with the committed files"
    )
    options = parser.parse_args(arguments)
    try:
        files = render(compile_contracts(root))
    except BuildError as error:
        sys.stderr.write(f"contracts.build: {error}\n")
        return 1
    if not options.check:
        _write(root, files)
        return 0
    drift = _drift(root, files)
    if drift:
        sys.stderr.write(
            "contracts.build: out of date, run `make build` and commit: "
            f"{', '.join(drift)}\n"
        )
    return 1 if drift else 0


if __name__ == "__main__":
    # Node may live beside the interpreter, in a virtual environment not activated.
    beside = str(Path(sys.executable).parent)
    os.environ["PATH"] = f"{os.environ.get('PATH', os.defpath)}{os.pathsep}{beside}"
    sys.exit(main())
