"""Files of model folders, from anybody: size, syntax and tokenizer, checked first.

Packages and checkpoints alike; what a configuration says is read field by field.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pydantic_core import from_json

from inference.errors import ModelPackageError

CONFIG_FILE: Final = "config.json"
TOKENIZER_FILE: Final = "tokenizer.json"
WEIGHTS_FILE: Final = "model.safetensors"
VECTORS_FILE: Final = "vectors.json"
CARD_FILE: Final = "README.md"
CHAT_TEMPLATE_FILE: Final = "chat_template.jinja"

MAX_TOKENIZER_BYTES: Final = 32 * 2**20
_AGAIN: Final = "fetch the file again"


def require_file(path: Path, limit: int) -> None:
    """Checks that a file is there and not larger than `limit` bytes.

    Raises:
        ModelPackageError: It is missing, no regular file or too large.
    """
    if not path.is_file():
        raise ModelPackageError(
            path.name,
            str(path.parent),
            "the folder has no such file",
            "give a complete model folder",
        )
    size = path.stat().st_size
    if size > limit:
        raise ModelPackageError(
            path.name, size, f"larger than {limit} bytes", "use a smaller model"
        )


def read_json_object(path: Path) -> dict[str, Any]:
    """Reads a JSON object; check the file's size before.

    Raises:
        ModelPackageError: It is not JSON in UTF-8, nested too deeply, or no object.
    """
    try:
        # Refuses deep nesting; the standard library's parser can exhaust the stack.
        value = from_json(path.read_bytes(), allow_inf_nan=False)
    except ValueError as error:
        raise ModelPackageError(
            path.name, str(error), "not valid JSON in UTF-8", _AGAIN
        ) from error
    if not isinstance(value, dict):
        raise ModelPackageError(
            path.name, type(value).__name__, "not a JSON object", _AGAIN
        )
    return value


class Config:
    """The fields of a `config.json`, checked as they are read."""

    def __init__(self, values: Mapping[str, Any], remedy: str) -> None:
        """Takes what `read_json_object` returned.

        Args:
            values: Field to value.
            remedy: What every error tells the reader to do.
        """
        self.values = values
        self.remedy = remedy

    def error(self, name: str, value: object, problem: str) -> ModelPackageError:
        """Returns the error about a field."""
        return ModelPackageError(f"{CONFIG_FILE} {name}", value, problem, self.remedy)

    def integer(self, name: str, lowest: int, highest: int) -> int:
        """Returns a field that is an integer of a closed range.

        Raises:
            ModelPackageError: It is missing or anything else.
        """
        value = self.values.get(name)
        if type(value) is not int or not lowest <= value <= highest:
            problem = f"not an integer within {lowest} to {highest}"
            raise self.error(name, value, problem)
        return value

    def token_id(self, name: str, vocab_size: int) -> int | None:
        """Returns a field that is a token id, or None where it is null or missing.

        Raises:
            ModelPackageError: It is anything else.
        """
        if self.values.get(name) is None:
            return None
        return self.integer(name, 0, vocab_size - 1)


def tensor_error(
    name: str, value: object, problem: str, remedy: str
) -> ModelPackageError:
    """Returns the error about a tensor of the weights' file."""
    return ModelPackageError(f"{WEIGHTS_FILE} {name}", value, problem, remedy)


def check_tokenizer(path: Path, vocab_size: int) -> None:
    """Checks that a tokenizer's ids are exactly those of the model.

    Raises:
        ModelPackageError: It has no vocabulary, or one of other ids.
    """
    require_file(path, MAX_TOKENIZER_BYTES)
    tokenizer = read_json_object(path)
    try:
        ids = set(tokenizer["model"]["vocab"].values())
        ids.update(token["id"] for token in tokenizer.get("added_tokens") or ())
    except (KeyError, TypeError, AttributeError) as error:
        raise ModelPackageError(
            path.name,
            str(error),
            "not a tokenizer with a vocabulary",
            "use a tokenizer.json of the Hugging Face tokenizers library",
        ) from error
    if ids != set(range(vocab_size)):
        raise ModelPackageError(
            path.name,
            len(ids),
            f"its token ids are not exactly 0 to {vocab_size - 1}, "
            f"the vocabulary of {CONFIG_FILE}",
            "put the model's own tokenizer into the folder",
        )
