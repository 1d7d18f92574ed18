"""Float models of checked checkpoints, in float32."""

from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from inference.architectures import torch_table
from inference.checkpoints.checkpoint import Checkpoint
from inference.errors import ModelPackageError
from inference.quantising.models import FloatModel


def read_float_model(checkpoint: Checkpoint) -> FloatModel:
    """Reads the model whose operations can be watched.

    Raises:
        ModelPackageError: A weight is NaN or infinite.
    """
    return torch_table.float_model(checkpoint.shape, finite_weights(checkpoint))


def read_transformers_model(checkpoint: Checkpoint) -> Any:
    """Reads the transformers library's causal model, in evaluation mode.

    Raises:
        ModelPackageError: A weight is NaN or infinite.
    """
    weights = finite_weights(checkpoint)
    return torch_table.transformers_model(checkpoint.shape, weights)


def finite_weights(checkpoint: Checkpoint) -> dict[str, Tensor]:
    """Reads the parameters of a checked checkpoint.

    Returns:
        By the names that its shape's `tensors` gives, without the common prefix.

    Raises:
        ModelPackageError: A weight is NaN or infinite.
    """
    shape = checkpoint.shape
    wanted = {name for name, _ in shape.tensors()}
    weights = {}
    for stored_name, tensor in load_file(checkpoint.weights_path).items():
        name = stored_name.removeprefix(shape.PREFIX)
        if name not in wanted:
            continue
        if not bool(torch.isfinite(tensor).all()):
            raise ModelPackageError(
                f"{checkpoint.weights_path.name} {name}",
                "NaN or infinity",
                "every weight must be finite",
                "fetch the weights again or use another model",
            )
        # A copy in any case, so that alignment does not depend on the file.
        weights[name] = tensor.to(torch.float32, copy=True)
    return weights
