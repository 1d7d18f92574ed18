"""A tiny random GPT-2 in a folder, and engines on it and on the bundled model."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from inference import BUNDLED_CHECKPOINT, Engine, load_float_engine
from protocol.documents.tokenizer import TokenCodec
from tests.support.models.checkpoints import write_tiny_gpt2
from tests.support.models.packages import change_json

TINY_END_OF_TEXT = 256
TINY_CONTEXT = 48
TINY_VOCABULARY = (*(bytes([byte]) for byte in range(256)), b"<|endoftext|>")


def write_tiny_package(folder: Path) -> None:
    """Writes a random GPT-2 over bytes and an end of text."""
    write_tiny_gpt2(
        folder,
        vocab_size=257,
        context=TINY_CONTEXT,
        spread=0.6,
        end=TINY_END_OF_TEXT,
    )
    vocab: dict[str, int] = {f"byte {byte}": byte for byte in range(256)}
    added = [{"id": TINY_END_OF_TEXT, "content": "<|endoftext|>"}]
    tokenizer = {"model": {"type": "BPE", "vocab": vocab}, "added_tokens": added}
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    write_tiny_package(folder)
    return folder


@pytest.fixture
def spoilt_folder(tiny_folder: Path, tmp_path: Path) -> Path:
    """A copy of the tiny package that a test may damage."""
    return Path(shutil.copytree(tiny_folder, tmp_path / "package"))


@pytest.fixture
def set_config(spoilt_folder: Path) -> Callable[[str, Any], None]:
    """Changes one field of the copied package's configuration."""

    def change(name: str, value: Any) -> None:
        change_json(
            spoilt_folder / "config.json", lambda old: old.update({name: value})
        )

    return change


@pytest.fixture(scope="session")
def tiny_engine(tiny_folder: Path) -> Engine:
    return load_float_engine(tiny_folder, vocabulary=TINY_VOCABULARY)


@pytest.fixture(scope="session")
def bundled_codec() -> TokenCodec:
    return TokenCodec.from_bytes((BUNDLED_CHECKPOINT / "tokenizer.json").read_bytes())


@pytest.fixture(scope="session")
def bundled_engine(bundled_codec: TokenCodec) -> Engine:
    return load_float_engine(BUNDLED_CHECKPOINT, vocabulary=bundled_codec.vocabulary)


@pytest.fixture(autouse=True)
def restored_threads() -> Iterator[None]:
    """Engines set torch's process-wide thread count; tests must not leak theirs."""
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
