"""Loading a package: which backend runs it, and what is refused."""

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from inference.architectures.torch_model import TorchModel
from inference.engine import MILLION, GenerationRequest
from inference.engines.integer_engine import IntegerEngine
from inference.errors import (
    InvalidSetting,
    InvalidThreads,
    ModelPackageError,
    NativeUnavailable,
)
from inference.loading import load_engine, load_model
from inference.native import NativeModel, is_built
from inference.packages.package import read_package, write_package
from inference.profiles import W12A16
from tests.support.models.random_models import random_shape, random_tensors

SHAPE = random_shape(W12A16, vocab_size=256, end_of_text=3)
VOCABULARY = tuple(bytes([byte]) for byte in range(256))
REQUESTS = [
    GenerationRequest((72, 101), 12, seed=n, temperature=n * MILLION, logprobs=1)
    for n in range(3)
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("package")
    vocab = {f"byte {byte}": byte for byte in range(256)}
    tokenizer = json.dumps({"model": {"type": "BPE", "vocab": vocab}})
    write_package(path, SHAPE, random_tensors(SHAPE, 1), tokenizer=tokenizer.encode())
    return path


@pytest.fixture
def without_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine where nothing was compiled."""

    def fail() -> None:
        raise NativeUnavailable("backend", "native", "not built", "run `make setup`")

    monkeypatch.setattr("inference.native.library.load_library", fail)


def test_load_engine_either_backend_gives_the_same_answers(folder: Path) -> None:
    assert is_built(), "run `make setup`"
    engines = [
        load_engine(folder, vocabulary=VOCABULARY, **settings)  # type: ignore[arg-type]
        for settings in (
            {"backend": "torch", "prefill_rows": 1},
            {"backend": "native", "threads": 2},
            {"backend": "native", "isa": "plain", "cache_bytes": 2**20},
            {},
        )
    ]

    answers = [engine.generate(REQUESTS) for engine in engines]

    assert all(each == answers[0] for each in answers)
    assert engines[0].profile == "int-w12a16"
    assert engines[0].limits == SHAPE.limits


def test_load_model_auto_takes_the_native_library(folder: Path) -> None:
    assert is_built(), "run `make setup`"

    assert isinstance(load_model(read_package(folder), backend="auto"), NativeModel)


@pytest.mark.usefixtures("without_library")
def test_load_model_auto_without_library_warns_and_takes_torch(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        model = load_model(read_package(folder), threads=2, backend="auto")

    assert isinstance(model, TorchModel)
    assert torch.get_num_threads() == 2
    assert "not built; run `make setup`" in caplog.text


@pytest.mark.usefixtures("without_library")
def test_load_model_native_without_library_raises(folder: Path) -> None:
    with pytest.raises(NativeUnavailable, match="not built"):
        load_model(read_package(folder), backend="native")


@pytest.mark.parametrize("threads", [0, -1, 257, True, 1.0, "2"])
@pytest.mark.parametrize("backend", ["native", "torch"])
def test_load_engine_unusable_threads_raises(
    folder: Path, threads: Any, backend: Any
) -> None:
    with pytest.raises(InvalidThreads, match=r"^threads="):
        load_engine(folder, vocabulary=VOCABULARY, threads=threads, backend=backend)


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"backend": "cuda"}, "backend"),
        ({"backend": None}, "backend"),
        ({"isa": "sse9", "backend": "native"}, "isa"),
        ({"cache_bytes": 0, "backend": "torch"}, "cache_bytes"),
        ({"prefill_rows": 0, "backend": "torch"}, "prefill_rows"),
        ({"vocabulary": (b"a",), "backend": "torch"}, "vocabulary"),
    ],
)
def test_load_engine_unusable_setting_names_it(
    folder: Path, settings: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidSetting, match=rf"^{field}="):
        load_engine(folder, **{"vocabulary": VOCABULARY} | settings)


def test_load_engine_no_package_raises(tmp_path: Path) -> None:
    with pytest.raises(ModelPackageError, match="no such file"):
        load_engine(tmp_path, vocabulary=VOCABULARY)


def test_load_model_every_tensor_is_read_for_the_weights_root(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = read_package(folder)
    load_model(package, backend="torch")
    read = _count_calls(monkeypatch, "inference.packages.package.read_tensor")

    assert package.weights_root() == read_package(folder).weights_root()
    # The second package had read nothing yet, the first everything.
    assert len(read) == len(list(SHAPE.tensors()))


def _count_calls(monkeypatch: pytest.MonkeyPatch, name: str) -> list[Any]:
    module, attribute = name.rsplit(".", 1)
    original: Callable[..., Any] = getattr(
        __import__(module, fromlist=[attribute]), attribute
    )
    calls: list[Any] = []

    def counted(*arguments: Any) -> Any:
        calls.append(arguments)
        return original(*arguments)

    monkeypatch.setattr(name, counted)
    return calls


def test_load_engine_loaded_is_an_integer_engine(folder: Path) -> None:
    assert isinstance(load_engine(folder, vocabulary=VOCABULARY), IntegerEngine)
