"""Model sources: a folder, a cached hub model, and everything else."""

import shutil
import socket
from pathlib import Path

import pytest

from inference import resolve_source
from inference.errors import ModelSourceError

COMMIT = "0" * 40


@pytest.fixture
def closed_endpoint() -> str:
    """An address on this machine where nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


@pytest.fixture
def hub_cache(tiny_folder: Path, tmp_path: Path) -> Path:
    """A cache of the hub library that holds `someone/tiny`."""
    model = tmp_path / "models--someone--tiny"
    (model / "refs").mkdir(parents=True)
    (model / "refs" / "main").write_text(COMMIT)
    shutil.copytree(tiny_folder, model / "snapshots" / COMMIT)
    return tmp_path


def test_resolve_source_folder_returns_it(tiny_folder: Path) -> None:
    assert resolve_source(str(tiny_folder)) == tiny_folder


def test_resolve_source_folder_named_like_hub_id_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "someone" / "tiny").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)

    assert resolve_source("someone/tiny") == Path("someone/tiny")


def test_resolve_source_cached_hub_id_needs_no_network(
    hub_cache: Path, closed_endpoint: str
) -> None:
    folder = resolve_source("someone/tiny", cache=hub_cache, endpoint=closed_endpoint)

    assert folder == hub_cache / "models--someone--tiny" / "snapshots" / COMMIT


def test_resolve_source_hub_id_offline_says_so(
    tmp_path: Path, closed_endpoint: str
) -> None:
    with pytest.raises(ModelSourceError, match="the hub cannot be reached") as caught:
        resolve_source("someone/other", cache=tmp_path, endpoint=closed_endpoint)

    assert caught.value.value == "someone/other"
    assert "give a folder, or connect" in caught.value.remedy


def test_resolve_source_cache_incomplete_and_offline_raises(
    hub_cache: Path, closed_endpoint: str
) -> None:
    snapshot = hub_cache / "models--someone--tiny" / "snapshots" / COMMIT
    (snapshot / "model.safetensors").unlink()

    with pytest.raises(ModelSourceError):
        resolve_source("someone/tiny", cache=hub_cache, endpoint=closed_endpoint)


@pytest.mark.parametrize(
    "source",
    [
        "",
        "./missing",
        "/missing/folder",
        "a/b/c",
        "-x/y",
        "a b",
        "../up",
        "~/missing",
        "~nobody-of-this-name/x",
        "nul\0byte",
        "a/" + "b" * 5000 + "/c",
    ],
)
def test_resolve_source_neither_folder_nor_id_raises(source: str) -> None:
    with pytest.raises(ModelSourceError, match="neither a folder nor a hub id"):
        resolve_source(source)


def test_resolve_source_file_raises(tiny_folder: Path) -> None:
    with pytest.raises(ModelSourceError, match="neither a folder nor a hub id"):
        resolve_source(str(tiny_folder / "config.json"))
