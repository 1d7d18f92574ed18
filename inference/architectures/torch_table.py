"""The parts of every family that need torch, by the names that `table` knows."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from torch import Tensor

from inference.architectures.gpt2 import float_model as gpt2
from inference.architectures.gpt2.network import Gpt2Network
from inference.architectures.gpt2.quantise import Gpt2Quantiser
from inference.architectures.gpt2.shapes import CheckpointGpt2, IntegerGpt2
from inference.models.layout import CheckpointShape, IntegerShape
from inference.models.torch_network import Loader, TorchNetwork
from inference.profiles import Profile
from inference.quantising.calibration import Calibration
from inference.quantising.models import FloatModel, QuantisedModel

Weights = Mapping[str, Tensor]
"""Float32 parameters by the names that `CheckpointShape.tensors` gives."""


@dataclass(frozen=True, slots=True)
class _FloatParts:
    transformers_model: Callable[[CheckpointShape, Weights], Any]
    model: Callable[[CheckpointShape, Weights], FloatModel]
    quantiser: Callable[[Any, Calibration, Profile], Gpt2Quantiser]


_NETWORKS: Final[dict[str, Callable[[IntegerShape, Loader], TorchNetwork]]] = {
    IntegerGpt2.FORMAT: Gpt2Network
}
_FLOAT_PARTS: Final = {
    CheckpointGpt2.MODEL_TYPE: _FloatParts(
        gpt2.transformers_model, gpt2.FloatGpt2.of_weights, Gpt2Quantiser
    )
}


def load_network(shape: IntegerShape, loader: Loader) -> TorchNetwork:
    """Loads the layers of an integer model."""
    return _NETWORKS[shape.FORMAT](shape, loader)


def transformers_model(shape: CheckpointShape, weights: Weights) -> Any:
    """Makes the transformers library's causal model, in evaluation mode."""
    return _FLOAT_PARTS[shape.MODEL_TYPE].transformers_model(shape, weights)


def float_model(shape: CheckpointShape, weights: Weights) -> FloatModel:
    """Makes the float model whose operations can be watched."""
    return _FLOAT_PARTS[shape.MODEL_TYPE].model(shape, weights)


def quantise(
    model: FloatModel, calibration: Calibration, profile: Profile
) -> QuantisedModel:
    """Quantises a float model into a profile.

    Args:
        model: What `float_model` returned.
        calibration: What its operations gave on a text.
        profile: The arithmetic.
    """
    parts = _FLOAT_PARTS[model.shape.MODEL_TYPE]
    return parts.quantiser(model, calibration, profile).run()
