"""Which family a checkpoint or a package is of; loads no torch.

A new family is a folder beside `gpt2`, a line here and one in `torch_table`.
"""

from typing import Final

from inference.architectures.gpt2.shapes import CheckpointGpt2, IntegerGpt2
from inference.model_folder import Config
from inference.models.layout import CheckpointShape, IntegerShape

_CHECKPOINTS: Final = {shape.MODEL_TYPE: shape for shape in (CheckpointGpt2,)}
_PACKAGES: Final[dict[str, type[IntegerShape]]] = {
    shape.FORMAT: shape for shape in (IntegerGpt2,)
}


def checkpoint_shape(config: Config) -> CheckpointShape:
    """Reads the configuration of a checkpoint in Hugging Face format.

    Raises:
        ModelPackageError: The family is unknown, or a field is not what its family
            and this arithmetic need.
    """
    name = config.values.get("model_type")
    family = _CHECKPOINTS.get(name) if isinstance(name, str) else None
    if family is None:
        problem = f"only {', '.join(map(repr, _CHECKPOINTS))} is supported"
        raise config.error("model_type", name, problem)
    return family.read(config)


def package_family(config: Config) -> type[IntegerShape]:
    """Returns the shapes of the family that a package's configuration names.

    Raises:
        ModelPackageError: The format is unknown.
    """
    name = config.values.get("format")
    family = _PACKAGES.get(name) if isinstance(name, str) else None
    if family is None:
        problem = f"only {', '.join(map(repr, _PACKAGES))} is known"
        raise config.error("format", name, problem)
    return family
