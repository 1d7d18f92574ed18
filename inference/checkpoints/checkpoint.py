"""Checkpoints: a folder with a float model in Hugging Face format, checked first.

A checkpoint holds `config.json`, `tokenizer.json` and `model.safetensors`. It is what
import makes packages of and what the float engine runs. Nothing in it is trusted:
sizes are capped before a file is read, only known fields of the configuration are
used, and every tensor must be there with the shape the configuration implies.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from inference.architectures.table import checkpoint_shape
from inference.errors import ModelPackageError
from inference.model_folder import (
    CONFIG_FILE,
    MAX_TOKENIZER_BYTES,
    TOKENIZER_FILE,
    WEIGHTS_FILE,
    Config,
    check_tokenizer,
    read_json_object,
    require_file,
    tensor_error,
)
from inference.models.layout import CheckpointShape

BUNDLED_CHECKPOINT: Final = Path(__file__).parents[1] / "bundled" / "austen"
"""Folder of the float checkpoint that the bundled model was imported from."""

_MAX_BYTES: Final = {
    CONFIG_FILE: 64 * 2**10,
    TOKENIZER_FILE: MAX_TOKENIZER_BYTES,
    WEIGHTS_FILE: 8 * 2**30,
}
_DTYPES: Final = ("F16", "BF16", "F32")
_CONFIG_REMEDY: Final = "use a plain checkpoint of a supported family"
_WEIGHTS_REMEDY: Final = "use weights that fit the configuration"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint folder that passed every check short of reading its weights.

    Attributes:
        folder: Where the files are.
        shape: What the configuration says.
    """

    folder: Path
    shape: CheckpointShape

    @property
    def weights_path(self) -> Path:
        """The safetensors file."""
        return self.folder / WEIGHTS_FILE


def read_checkpoint(folder: Path) -> Checkpoint:
    """Checks a checkpoint folder and returns its description; loads no torch.

    Args:
        folder: A folder in Hugging Face format.

    Raises:
        ModelPackageError: A file is missing or too large, the configuration is not
            that of a supported family, the tokenizer does not fit the vocabulary, or a
            tensor is missing, unknown, or of the wrong shape or type.
    """
    for name, limit in _MAX_BYTES.items():
        require_file(folder / name, limit)
    config = Config(read_json_object(folder / CONFIG_FILE), _CONFIG_REMEDY)
    shape = checkpoint_shape(config)
    check_tokenizer(folder / TOKENIZER_FILE, shape.vocab_size)
    _check_tensors(folder / WEIGHTS_FILE, shape)
    return Checkpoint(folder, shape)


def _check_tensors(path: Path, shape: CheckpointShape) -> None:
    found = dict(_stored_tensors(path, shape.PREFIX))
    expected = dict(shape.tensors())
    for name in expected:
        if name not in found:
            raise _tensor_error(name, None, "the file has no such tensor")
    allowed = expected | {
        copy: expected[source] for copy, source in shape.COPIES.items()
    }
    for name, (dims, dtype) in found.items():
        if name.endswith(shape.IGNORED):
            continue
        if name not in allowed:
            raise _tensor_error(name, dims, "not a tensor of this model")
        if dims != allowed[name]:
            problem = f"{CONFIG_FILE} implies the shape {allowed[name]}"
            raise _tensor_error(name, dims, problem)
        if dtype not in _DTYPES:
            problem = f"not stored as one of {', '.join(_DTYPES)}"
            raise _tensor_error(name, dtype, problem)


def _tensor_error(name: str, value: object, problem: str) -> ModelPackageError:
    return tensor_error(name, value, problem, _WEIGHTS_REMEDY)


def _stored_tensors(
    path: Path, prefix: str
) -> Iterator[tuple[str, tuple[tuple[int, ...], str]]]:
    from safetensors import SafetensorError, safe_open

    seen: set[str] = set()
    try:
        with safe_open(path, framework="numpy") as weights:
            for name in weights.keys():  # noqa: SIM118 (no mapping)
                stored = weights.get_slice(name)
                dims = tuple(stored.get_shape())
                plain = name.removeprefix(prefix)
                if plain in seen:
                    raise _tensor_error(plain, dims, "stored twice")
                seen.add(plain)
                yield plain, (dims, stored.get_dtype())
    except SafetensorError as error:
        raise ModelPackageError(
            path.name, str(error), "not a valid safetensors file", "fetch it again"
        ) from error
