"""Imports from end to end on a tiny checkpoint, and what is refused."""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from inference.architectures.torch_model import TorchModel
from inference.errors import (
    EngineError,
    InvalidSetting,
    ModelPackageError,
    ModelSourceError,
    UnknownProfile,
)
from inference.importing.run import ImportSettings, import_model
from inference.packages.package import PACKAGE_FILES, read_package
from inference.packages.vectors import check_vectors
from inference.profiles import PROFILES
from tests.support.models.checkpoints import CONTEXT, TEXT, rewrite_weights
from tests.support.models.packages import change_json

WEIGHTS = "model.safetensors"


@pytest.fixture
def checkpoint(sound: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(sound, tmp_path / "checkpoint"))


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "text.txt"
    path.write_text(TEXT)
    return path


def settings(text: Path, profile: str = "int-w8b8") -> ImportSettings:
    return ImportSettings(profile=profile, text=text, held_out_tokens=200)


@pytest.mark.parametrize("profile", PROFILES)
def test_import_model_tiny_checkpoint_becomes_a_package(
    sound: Path, text: Path, tmp_path: Path, profile: str
) -> None:
    out = tmp_path / "deep" / "package"

    report = import_model(sound, out, settings(text, profile), name="tiny")

    assert sorted(path.name for path in out.iterdir()) == sorted(PACKAGE_FILES)
    assert [path.name for path in out.parent.iterdir()] == ["package"]
    package = read_package(out)
    assert package.shape.profile.name == profile
    assert package.weights_root() == report.weights_root
    assert check_vectors(out, TorchModel(package.shape, package.load_tensor)) == 5
    assert abs(report.fidelity.loss) < 0.02
    assert report.fidelity.tokens == 200
    card = (out / "README.md").read_text()
    assert "`tiny`" in card
    assert report.weights_root.hex() in card
    json.dumps(report.as_json())
    assert any("perplexity" in line for line in report.lines())


def test_import_model_twice_in_a_process_gives_the_same_weights(
    sound: Path, text: Path, tmp_path: Path
) -> None:
    roots = {
        import_model(sound, tmp_path / name, settings(text)).weights_root
        for name in ("one", "two")
    }

    assert len(roots) == 1


def test_import_model_unknown_profile_raises(
    sound: Path, text: Path, tmp_path: Path
) -> None:
    with pytest.raises(UnknownProfile, match="int-w8a16"):
        import_model(sound, tmp_path / "out", settings(text, "float-dev"))


def test_import_model_out_exists_raises(
    sound: Path, text: Path, tmp_path: Path
) -> None:
    with pytest.raises(InvalidSetting, match="exists already"):
        import_model(sound, tmp_path, settings(text))


def test_import_model_out_below_a_file_raises(
    sound: Path, text: Path, tmp_path: Path
) -> None:
    with pytest.raises(InvalidSetting, match="cannot be made"):
        import_model(sound, text / "out", settings(text))


@pytest.mark.parametrize(
    "content", [b"", b"too short", TEXT.encode()[: 10 * CONTEXT - 1], b"\xff" * 9_000]
)
def test_import_model_text_unusable_raises(
    sound: Path, text: Path, tmp_path: Path, content: bytes
) -> None:
    text.write_bytes(content)

    with pytest.raises(ModelSourceError) as caught:
        import_model(sound, tmp_path / "out", settings(text))

    assert caught.value.field == "text"


def test_import_model_text_missing_or_enormous_raises(
    sound: Path, text: Path, tmp_path: Path
) -> None:
    with pytest.raises(ModelSourceError):
        import_model(sound, tmp_path / "out", settings(tmp_path / "nowhere"))
    os.truncate(text, 2**27)
    with pytest.raises(ModelSourceError, match="larger than"):
        import_model(sound, tmp_path / "out", settings(text))


Change = Callable[[Path], None]


def with_config(**changes: object) -> Change:
    return lambda folder: change_json(
        folder / "config.json", lambda config: config.update(changes)
    )


def with_weights(change: Callable[[dict[str, torch.Tensor]], object]) -> Change:
    return lambda folder: rewrite_weights(folder, change)


def _spoil(tensors: dict[str, torch.Tensor]) -> None:
    tensors["transformer.h.0.attn.c_attn.weight"][1, 1] = math.nan


def _narrow(tensors: dict[str, torch.Tensor]) -> None:
    name = "transformer.h.0.mlp.c_proj.weight"
    tensors[name] = tensors[name][:-1].contiguous()


def _with_long_context(folder: Path) -> None:
    with_config(n_positions=2_048)(folder)
    longer = {"transformer.wpe.weight": torch.zeros(2_048, 32)}
    rewrite_weights(folder, lambda tensors: tensors.update(longer))


def _cut(folder: Path) -> None:
    os.truncate(folder / WEIGHTS, (folder / WEIGHTS).stat().st_size - 100)


def _with_other_tokenizer(folder: Path) -> None:
    change_json(
        folder / "tokenizer.json", lambda content: content["model"]["vocab"].popitem()
    )


def _with_broken_tokenizer(folder: Path) -> None:
    # Of the right ids, but nothing that encodes.
    content = {"model": {"vocab": {f"token {n}": n for n in range(256)}}}
    (folder / "tokenizer.json").write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (with_config(model_type="llama"), "model_type"),
        (with_config(scale_attn_by_inverse_layer_idx=True), "only False"),
        (
            with_weights(lambda tensors: tensors.pop("transformer.h.1.ln_2.bias")),
            "h.1.ln_2.bias",
        ),
        (with_weights(_spoil), "NaN"),
        (with_weights(_narrow), "h.0.mlp.c_proj.weight"),
        (_with_long_context, "goes to 1024"),
        (_cut, "not a valid safetensors file"),
        (_with_other_tokenizer, "token ids are not exactly"),
        (_with_broken_tokenizer, "cannot use it"),
        (lambda folder: (folder / "tokenizer.json").unlink(), "no such file"),
    ],
)
def test_import_model_unusable_checkpoint_is_refused_and_leaves_nothing(
    checkpoint: Path, text: Path, tmp_path: Path, change: Change, problem: str
) -> None:
    change(checkpoint)
    out = tmp_path / "new" / "out"

    with pytest.raises(ModelPackageError, match=problem):
        import_model(checkpoint, out, settings(text))

    assert not out.parent.exists()


def test_import_model_failing_while_measuring_leaves_nothing(
    sound: Path, text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise EngineError("engine", "none", "broken", "mend it")

    monkeypatch.setattr("inference.importing.run.load_model", fail)

    with pytest.raises(EngineError, match="broken"):
        import_model(sound, tmp_path / "new" / "out", settings(text))

    assert [*(tmp_path / "new").iterdir()] == []
