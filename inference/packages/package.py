"""Integer packages: the folder that is published, hashed and run, checked first.

`docs/spec/arithmetic.md` §9 says what a package holds. Nothing in it is trusted: sizes
are capped before a file is read, the configuration has exactly the known fields, and
there is exactly one tensor of each name that it implies, of the right type and shape
and with every value in range.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from inference.architectures.table import package_family
from inference.errors import ModelPackageError
from inference.model_folder import (
    CARD_FILE,
    CHAT_TEMPLATE_FILE,
    CONFIG_FILE,
    MAX_TOKENIZER_BYTES,
    TOKENIZER_FILE,
    VECTORS_FILE,
    WEIGHTS_FILE,
    Config,
    check_tokenizer,
    read_json_object,
    require_file,
    tensor_error,
)
from inference.models.layout import (
    MAX_CONTEXT,
    MAX_EPSILON,
    MAX_HEAD_WIDTH,
    MAX_INNER_WIDTH,
    MAX_LAYERS,
    MAX_VOCAB,
    MAX_WIDTH,
    IntegerShape,
    TensorLayout,
)
from inference.packages.tensor_file import read_header, read_tensor, write_tensors
from inference.packages.weights_root import root_of_leaves, row_leaves
from inference.profiles import ARITHMETIC_VERSION, PROFILES

BUNDLED_MODEL: Final = Path(__file__).parents[1] / "bundled" / "austen-int"
"""Folder of the small model that ships with the project."""

_MAX_BYTES: Final = {
    CONFIG_FILE: 4 * 2**10,
    TOKENIZER_FILE: MAX_TOKENIZER_BYTES,
    WEIGHTS_FILE: 8 * 2**30,
    VECTORS_FILE: 2**20,
    CARD_FILE: 2**20,
}

PACKAGE_FILES: Final = tuple(sorted(_MAX_BYTES))
"""The files that every package has."""

_OPTIONAL: Final = {CHAT_TEMPLATE_FILE: 64 * 2**10}

_NUMBERS: Final = {
    "vocabSize": ("vocab_size", 1, MAX_VOCAB),
    "contextLength": ("context_length", 1, MAX_CONTEXT),
    "width": ("width", 1, MAX_WIDTH),
    "innerWidth": ("inner_width", 1, MAX_INNER_WIDTH),
    "layers": ("layers", 1, MAX_LAYERS),
    "heads": ("heads", 1, MAX_WIDTH),
    "epsilon": ("epsilon", 0, MAX_EPSILON),
}
"""Fields of the configuration: the shape's attribute and its bounds."""

_FIELDS: Final = {*_NUMBERS, "arithmetic", "format", "profile", "endOfText"}


class IntegerPackage:
    """A package that passed every check short of reading its weights."""

    def __init__(self, folder: Path, shape: IntegerShape) -> None:
        """Checks which tensors the folder's weights file holds.

        Raises:
            ModelPackageError: One is missing, unknown, or of another type or shape.
        """
        self._folder = folder
        self._shape = shape
        self._path = folder / WEIGHTS_FILE
        self._layouts = {layout.name: layout for layout in shape.tensors()}
        self._stored = read_header(self._path)
        self._leaves: dict[str, bytes] = {}
        self._check_stored()

    @property
    def folder(self) -> Path:
        """Where the files are."""
        return self._folder

    @property
    def shape(self) -> IntegerShape:
        """The model's shape and profile."""
        return self._shape

    def load_tensor(self, name: str) -> NDArray[np.generic]:
        """Reads one tensor, checked, and remembers the hashes of its rows.

        Args:
            name: One of the names that the shape's layout gives.

        Raises:
            ModelPackageError: The file was cut off, or a value is out of range.
        """
        layout = self._layouts[name]
        values = read_tensor(self._path, name, self._stored[name])
        self._require_range(layout, values)
        self._leaves[name] = row_leaves(name, values)
        return values

    def weights_root(self) -> bytes:
        """Returns the Merkle root of the tensors as they were loaded.

        Reads those that were not loaded yet.

        Raises:
            ModelPackageError: As `load_tensor`.
        """
        for name in self._layouts:
            if name not in self._leaves:
                self.load_tensor(name)
        return root_of_leaves(self._leaves)

    def _check_stored(self) -> None:
        for name in self._layouts:
            if name not in self._stored:
                raise _tensor_error(name, None, "the file has no such tensor")
        for name, stored in self._stored.items():
            layout = self._layouts.get(name)
            if layout is None:
                raise _tensor_error(name, stored.shape, "not a tensor of this model")
            if stored.shape != layout.shape:
                problem = f"{CONFIG_FILE} implies the shape {layout.shape}"
                raise _tensor_error(name, stored.shape, problem)
            if stored.storage != layout.storage:
                problem = f"{CONFIG_FILE} implies the type {layout.storage}"
                raise _tensor_error(name, stored.storage, problem)

    def _require_range(self, layout: TensorLayout, values: NDArray[Any]) -> None:
        lowest, highest = int(values.min()), int(values.max())
        for value in (lowest, highest):
            if not layout.lowest <= value <= layout.highest:
                problem = f"a value is not within {layout.lowest} to {layout.highest}"
                raise _tensor_error(layout.name, value, problem)


def read_package(folder: Path) -> IntegerPackage:
    """Checks a package folder; reads no weights yet.

    Args:
        folder: A folder with the files of `docs/spec/arithmetic.md` §9.

    Raises:
        ModelPackageError: A file is missing or too large, the configuration is not
            exactly that of an integer model, the tokenizer does not fit the
            vocabulary, or a tensor is missing, unknown, or of the wrong shape or type.
    """
    limits = {**_MAX_BYTES, **_OPTIONAL}
    for name in package_files(folder):
        require_file(folder / name, limits[name])
    shape = _read_shape(folder / CONFIG_FILE)
    check_tokenizer(folder / TOKENIZER_FILE, shape.vocab_size)
    return IntegerPackage(folder, shape)


def package_files(folder: Path) -> tuple[str, ...]:
    """The files of a package: those that every one has, and a chat template if any."""
    optional = (name for name in _OPTIONAL if (folder / name).exists())
    return tuple(sorted((*PACKAGE_FILES, *optional)))


def write_package(
    folder: Path,
    shape: IntegerShape,
    tensors: Callable[[str], NDArray[np.generic]],
    *,
    tokenizer: bytes,
    vectors: bytes = b'{"vectors": []}',
    card: str = "",
) -> None:
    """Writes the files of a package into a folder, which is made if need be.

    Args:
        folder: Where to.
        shape: The model's shape.
        tensors: Returns the tensor of a name, in its layout's type and shape.
        tokenizer: Content of `tokenizer.json`.
        vectors: Content of `vectors.json`; see `inference.packages.vectors`.
        card: Content of `README.md`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    config = json.dumps(_config_of(shape), indent=2) + "\n"
    (folder / CONFIG_FILE).write_text(config, encoding="utf-8")
    (folder / TOKENIZER_FILE).write_bytes(tokenizer)
    (folder / VECTORS_FILE).write_bytes(vectors)
    (folder / CARD_FILE).write_text(card, encoding="utf-8")
    write_tensors(folder / WEIGHTS_FILE, shape.tensors(), tensors)


def _config_of(shape: IntegerShape) -> dict[str, object]:
    return {
        "arithmetic": ARITHMETIC_VERSION,
        "format": shape.FORMAT,
        "profile": shape.profile.name,
        **{name: getattr(shape, field) for name, (field, _, _) in _NUMBERS.items()},
        "endOfText": shape.end_of_text,
    }


def _read_shape(path: Path) -> IntegerShape:
    config = Config(read_json_object(path), "import the model again")
    if set(config.values) != _FIELDS:
        odd = sorted(set(config.values) ^ _FIELDS)[0]
        raise config.error(odd, config.values.get(odd), "missing or unknown field")
    config.integer("arithmetic", ARITHMETIC_VERSION, ARITHMETIC_VERSION)
    family = package_family(config)
    profile = PROFILES.get(str(config.values["profile"]))
    if profile is None:
        problem = f"not one of {', '.join(PROFILES)}"
        raise config.error("profile", config.values["profile"], problem)
    numbers = {
        field: config.integer(name, lowest, highest)
        for name, (field, lowest, highest) in _NUMBERS.items()
    }
    width, heads = numbers["width"], numbers["heads"]
    if width % heads or width // heads > MAX_HEAD_WIDTH:
        problem = f"does not cut width {width} into heads of at most {MAX_HEAD_WIDTH}"
        raise config.error("heads", heads, problem)
    end_of_text = config.token_id("endOfText", numbers["vocab_size"])
    return family(profile=profile, end_of_text=end_of_text, **numbers)


def _tensor_error(name: str, value: object, problem: str) -> ModelPackageError:
    return tensor_error(name, value, problem, "fetch or import the model again")
