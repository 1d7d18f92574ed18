"""Quantising a whole GPT-2: from float parameters and a calibration to tensors."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inference.architectures.gpt2.float_model import (
    FloatGpt2,
    LayerParameters,
    Linear,
    Norm,
)
from inference.architectures.gpt2.shapes import IntegerGpt2
from inference.models.layout import (
    LOGIT_SHIFT,
    MAX_REST,
    MAX_TOKEN_SHIFT,
    VALUE_LIMIT,
    norm_fraction,
)
from inference.profiles import Profile
from inference.quantising.calibration import Calibration, Site
from inference.quantising.formats import (
    AttentionFormat,
    HiddenFormat,
    attention_format,
    hidden_format,
    norm_shifts,
    residual_fraction,
)
from inference.quantising.models import QuantisedModel
from inference.quantising.products import (
    ProductInput,
    largest_scale,
    quantise_product,
)

_LOGIT_UNIT = 2.0 ** -(16 - LOGIT_SHIFT)


@dataclass(frozen=True, slots=True)
class _LayerFormat:
    attention: AttentionFormat
    hidden: HiddenFormat


class Gpt2Quantiser:
    """Collects the tensors of one model; `width`, `inner` and so on are its shape's.

    Formats come first, since a product writes in the unit that the next one reads.
    """

    def __init__(
        self, model: FloatGpt2, calibration: Calibration, profile: Profile
    ) -> None:
        """Chooses all formats; computes no tensor yet.

        Args:
            model: The float model.
            calibration: What its operations gave on a text.
            profile: The arithmetic.
        """
        self._model = model
        self._seen = calibration
        self._profile = profile
        self._norm_fraction = norm_fraction(model.shape.width)
        self._formats = [
            self._layer_format(f"layers.{number}", block)
            for number, block in enumerate(model.blocks)
        ]
        self._fraction = residual_fraction(
            calibration["residual"], model.shape.norm_epsilon, self._coarsest()
        )
        self._unit = 2.0**-self._fraction
        self._shape = self._integer_shape()
        self._tensors: dict[str, NDArray[np.generic]] = {}
        self._capped = 0

    def run(self) -> QuantisedModel:
        """Computes every tensor of the package; the head's matrix is (vocab, width)."""
        self._embedding()
        for number, block in enumerate(self._model.blocks):
            self._block(f"layers.{number}", block, self._formats[number])
        token = self._model.token
        self._normed_product(
            "final",
            self._model.final,
            "head",
            Linear(token, torch.zeros(len(token))),
            _each(_LOGIT_UNIT, len(token)),
        )
        return QuantisedModel(self._shape, self._tensors, self._fraction, self._capped)

    def _integer_shape(self) -> IntegerGpt2:
        shape = self._model.shape
        return IntegerGpt2(
            profile=self._profile,
            vocab_size=shape.vocab_size,
            context_length=shape.context_length,
            width=shape.width,
            inner_width=shape.inner_width,
            layers=shape.layers,
            heads=shape.heads,
            epsilon=round(shape.norm_epsilon * 4.0**self._fraction),
            end_of_text=shape.end_of_text,
        )

    def _layer_format(self, name: str, block: LayerParameters) -> _LayerFormat:
        """Units of `qkv`, shape (3 width,), and one each before and after the MLP's
        activation.
        """
        seen = self._seen
        return _LayerFormat(
            attention_format(
                seen[f"{name}.qkv"],
                self._model.shape.heads,
                self._least_units(f"{name}.norm1", block.norm1, block.qkv),
            ),
            hidden_format(
                seen[f"{name}.fc"],
                seen[f"{name}.activation"],
                self._least_units(f"{name}.norm2", block.norm2, block.fc),
            ),
        )

    def _least_units(self, norm_name: str, norm: Norm, linear: Linear) -> Tensor:
        """Returns the least units that multipliers can express, shape (outputs,)."""
        source = self._norm_unit(norm_name) * norm.gain
        largest = (linear.weight * source).abs().amax(1)
        return largest / (largest_scale(self._profile) * self._profile.weight_limit)

    def _norm_unit(self, norm_name: str) -> Tensor:
        """Returns what a step of each of the norm's channels is worth, (width,)."""
        shift = norm_shifts(self._seen[norm_name], self._norm_fraction)
        return 2.0 ** -(self._norm_fraction + shift)

    def _coarsest(self) -> float:
        """Returns the step that the largest weight into the residual stream needs."""
        width = self._model.shape.width
        largest = 0.0
        for block, form in zip(self._model.blocks, self._formats, strict=True):
            v_unit = form.attention.unit[2 * width :]
            proj = float((block.proj.weight * v_unit).abs().max())
            out = float(block.out.weight.abs().max()) * form.hidden.active_unit
            largest = max(largest, proj, out)
        return largest / (largest_scale(self._profile) * self._profile.weight_limit)

    def _embedding(self) -> None:
        """Fills both embeddings, (vocab, width) and (context, width), and the shift of
        every channel, (width,).
        """
        token = self._model.token
        # What all tokens share goes into the positions, which have more bits.
        centre = (token.amax(0) + token.amin(0)) / 2
        steps = (token - centre) / self._unit
        excess = steps.abs().amax(0).clamp(min=1) / VALUE_LIMIT
        shift = torch.ceil(torch.log2(excess)).clamp(0, MAX_TOKEN_SHIFT)
        position = (self._model.position.double() + centre.double()) / self._unit
        self._store("token_embedding", steps / 2**shift, VALUE_LIMIT, np.int16)
        self._store("token_shift", shift, MAX_TOKEN_SHIFT, np.uint8)
        self._store("position_embedding", position, MAX_REST, np.int32)

    def _block(self, name: str, block: LayerParameters, form: _LayerFormat) -> None:
        """Fills a layer: two norms and four products, `sharpness` (heads,), and the
        activation's table (256, 256) over all int16.
        """
        attention, hidden = form.attention, form.hidden
        width, inner = self._shape.width, self._shape.inner_width
        residual = _each(self._unit, width)
        qkv = Linear(block.qkv.weight, block.qkv.bias - attention.centre)
        self._normed_product(
            f"{name}.norm1", block.norm1, f"{name}.qkv", qkv, attention.unit
        )
        self._tensors[f"{name}.sharpness"] = attention.sharpness.numpy().astype(
            np.uint32
        )
        mixed = _input(self._seen[f"{name}.mixed"], attention.unit[2 * width :])
        self._product(f"{name}.proj", block.proj, mixed, residual)
        self._normed_product(
            f"{name}.norm2",
            block.norm2,
            f"{name}.fc",
            block.fc,
            _each(hidden.inner_unit, inner),
        )
        index = torch.arange(-32768, 32768, dtype=torch.float64)
        table = self._model.activation(index * hidden.inner_unit) / hidden.active_unit
        self._store(f"{name}.activation", table.view(256, 256), VALUE_LIMIT, np.int16)
        active = _input(
            self._seen[f"{name}.activation"], _each(hidden.active_unit, inner)
        )
        self._product(f"{name}.out", block.out, active, residual)

    def _normed_product(
        self, norm_name: str, norm: Norm, name: str, linear: Linear, unit: Tensor
    ) -> None:
        """Fills a product that reads a layer norm, whose gain and bias it takes.

        And the norm's shifts, (width,).
        """
        site = self._seen[norm_name]
        shift = norm_shifts(site, self._norm_fraction)
        self._store(f"{norm_name}.shift", shift, VALUE_LIMIT, np.uint8)
        # Biases that cancel an outlier channel are sums of large numbers.
        added = linear.weight.double() @ norm.bias.double()
        folded = Linear(linear.weight * norm.gain, linear.bias.double() + added)
        source = _input(site, self._norm_unit(norm_name))
        self._product(name, folded, source, unit)

    def _product(
        self, name: str, linear: Linear, source: ProductInput, unit: Tensor
    ) -> None:
        """Fills `weight` (outputs, terms), `multiplier` and `bias` (outputs,)."""
        made = quantise_product(linear.weight, linear.bias, source, unit, self._profile)
        self._capped += made.capped
        self._tensors[f"{name}.weight"] = made.weight
        self._tensors[f"{name}.multiplier"] = made.multiplier
        self._tensors[f"{name}.bias"] = made.bias

    def _store(
        self, name: str, values: Tensor, limit: int, dtype: type[np.generic]
    ) -> None:
        """Fills a tensor of any shape with rounded, clamped values."""
        rounded = values.round().clamp(-limit, limit)
        self._tensors[name] = rounded.numpy().astype(dtype)


def _each(unit: float, channels: int) -> Tensor:
    return torch.full((channels,), unit, dtype=torch.float64)


def _input(site: Site, unit: Tensor) -> ProductInput:
    return ProductInput(unit, site.mean / unit, site.variance / unit**2)
