"""A checkpoint whose residual stream has outliers of hundreds to thousands.

Trained GPT-2 models have a few residual channels that are that much larger than all
others. The bundled model is too small to have grown any, so some are put into it:
channels that follow the deviation of all others, times a large factor. A layer norm
then divides by a deviation that is larger by one factor for every token; its gains
make up for that, and its bias takes back what the channels themselves add. The
channels begin in the token embedding, every product that writes to the residual
stream keeps them in step (as well as a linear function of what it reads can), and
biases carry what is constant. The result writes nearly as well as its original.
"""

import math
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from inference.architectures.gpt2.float_model import (
    FloatGpt2,
    apply,
    apply_norm,
    attend,
    standardise,
)
from inference.checkpoints.checkpoint import read_checkpoint
from inference.checkpoints.weights import finite_weights

FACTORS = {7: 900.0, 90: -320.0, 201: 110.0}
"""Value of each outlier channel, in deviations of all other channels."""

_RIDGE = 1e-3


def inject_outliers(source: Path, target: Path, ids: Tensor) -> None:
    """Writes the checkpoint of `source` with outliers to `target`.

    Args:
        source: A checkpoint in Hugging Face format.
        target: Folder to make.
        ids: Token ids to fit the products on, shape (texts, positions).
    """
    shutil.copytree(source, target)
    (target / "README.md").unlink(missing_ok=True)
    stored = load_file(source / "model.safetensors")
    weights = {name: tensor.float() for name, tensor in stored.items()}
    checkpoint = read_checkpoint(source)
    model = FloatGpt2.of_weights(checkpoint.shape, finite_weights(checkpoint))
    _Injection(model, weights).run(ids)
    save_file(weights, target / "model.safetensors")


class _Injection:
    """Walks through a model and changes its stored weights."""

    def __init__(self, model: FloatGpt2, weights: dict[str, Tensor]) -> None:
        self._model = model
        self._weights = weights
        factors = torch.zeros(model.shape.width)
        factors[list(FACTORS)] = torch.tensor([*FACTORS.values()])
        self._factors = factors

    @torch.inference_mode()
    def run(self, ids: Tensor) -> None:
        model, weights = self._model, self._weights
        token = weights["transformer.wte.weight"]
        typical = model.position.square().mean().sqrt()
        spread = torch.hypot(token.std(1, unbiased=False), typical)
        self._add("transformer.wte.weight", torch.outer(spread, self._factors))
        x = model.token[ids] + model.position[: ids.shape[1]]
        followed = spread[ids]
        for number, block in enumerate(model.blocks):
            name = f"transformer.h.{number}"
            y = apply_norm(block.norm1, self._normalise(f"{name}.ln_1", x))
            mixed = attend(apply(block.qkv, y), model.shape.heads)
            x = x + apply(block.proj, mixed)
            followed = followed + self._follow(
                f"{name}.attn.c_proj", mixed, _spread(x) - followed
            )
            y = apply_norm(block.norm2, self._normalise(f"{name}.ln_2", x))
            active = model.activation(apply(block.fc, y))
            x = x + apply(block.out, active)
            followed = followed + self._follow(
                f"{name}.mlp.c_proj", active, _spread(x) - followed
            )
        self._normalise("transformer.ln_f", x)
        # The head's weights are the token embedding, with outliers now.
        for part in ("weight", "bias"):
            weights[f"transformer.ln_f.{part}"][self._factors != 0] = 0

    def _add(self, name: str, values: Tensor) -> None:
        self._weights[name] = self._weights[name] + values

    def _follow(self, name: str, read: Tensor, wanted: Tensor) -> Tensor:
        """Makes a product write what keeps the outliers in step; returns it."""
        rows = torch.nn.functional.pad(read.flatten(0, 1), (0, 1), value=1.0).double()
        square = rows.T @ rows
        square += _RIDGE * square.diagonal().mean() * torch.eye(len(square))
        solution = torch.linalg.solve(square, rows.T @ wanted.flatten().double())
        self._add(f"{name}.weight", torch.outer(solution[:-1].float(), self._factors))
        self._add(f"{name}.bias", solution[-1].float() * self._factors)
        written: Tensor = (rows @ solution).float()
        return written.view_as(wanted)

    def _normalise(self, norm: str, x: Tensor) -> Tensor:
        """Adapts a layer norm; returns what it gave before, standardised."""
        off_centre = self._factors - self._factors.mean()
        wide = math.sqrt(1 + float(off_centre.square().mean()))
        gain, bias = (self._weights[f"{norm}.{part}"] for part in ("weight", "bias"))
        adapted = torch.where(self._factors == 0, gain * wide, gain)
        self._weights[f"{norm}.weight"] = adapted
        self._weights[f"{norm}.bias"] = bias - adapted * off_centre / wide
        return standardise(x, self._model.shape.norm_epsilon)


def _spread(x: Tensor) -> Tensor:
    return x.std(-1, unbiased=False)
