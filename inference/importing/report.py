"""What an import found out: printed, written as JSON and into the model card."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from inference.importing.fidelity import Fidelity
from inference.importing.saturation import Saturation
from inference.models.layout import IntegerShape
from inference.profiles import ARITHMETIC_VERSION


@dataclass(frozen=True, slots=True)
class ImportReport:
    """The result of an import.

    Attributes:
        source: What was imported, as it was given.
        shape: Shape and profile of the package.
        text: What the model was calibrated and measured on.
        calibration_tokens: Tokens it was calibrated on.
        fraction: Fraction bits of the residual stream.
        capped: Outputs of products whose weights had to be clipped, since their
            multiplier cannot be stored.
        fidelity: Perplexities on held-out text.
        saturation: Clamped values by kind.
        saturation_tokens: Positions whose values were counted.
        file_bytes: Size of every file.
        weights_root: The Merkle root of the tensors.
    """

    source: str
    shape: IntegerShape
    text: str
    calibration_tokens: int
    fraction: int
    capped: int
    fidelity: Fidelity
    saturation: Mapping[str, Saturation]
    saturation_tokens: int
    file_bytes: Mapping[str, int]
    weights_root: bytes

    def as_json(self) -> dict[str, Any]:
        """Returns the report as what JSON can hold."""
        return {
            "source": self.source,
            "profile": self.shape.profile.name,
            "text": self.text,
            "calibrationTokens": self.calibration_tokens,
            "residualFractionBits": self.fraction,
            "cappedOutputs": self.capped,
            "heldOutTokens": self.fidelity.tokens,
            "floatPerplexity": round(self.fidelity.float_perplexity, 4),
            "integerPerplexity": round(self.fidelity.integer_perplexity, 4),
            "perplexityLoss": round(self.fidelity.loss, 6),
            "saturation": {
                kind: {"clamped": found.clamped, "values": found.values}
                for kind, found in self.saturation.items()
            },
            "saturationTokens": self.saturation_tokens,
            "fileBytes": dict(self.file_bytes),
            "totalBytes": sum(self.file_bytes.values()),
            "weightsRoot": "0x" + self.weights_root.hex(),
        }

    def lines(self) -> list[str]:
        """Returns the report for a person to read."""
        fidelity = self.fidelity
        counts = ", ".join(
            f"{kind} {found.clamped} of {found.values:,}"
            for kind, found in self.saturation.items()
        )
        sizes = ", ".join(
            f"{name} {size:,}" for name, size in sorted(self.file_bytes.items())
        )
        return [
            f"profile             {self.shape.profile.name}",
            f"calibrated on       {self.calibration_tokens:,} tokens of {self.text}",
            f"residual stream     {self.fraction} fraction bits",
            f"capped outputs      {self.capped}",
            f"perplexity          float {fidelity.float_perplexity:.3f}, integer "
            f"{fidelity.integer_perplexity:.3f} ({fidelity.loss:+.3%}) on "
            f"{fidelity.tokens:,} held-out tokens",
            f"clamped values      {counts} ({self.saturation_tokens:,} positions)",
            f"bytes               {sizes}; {sum(self.file_bytes.values()):,} in all",
            f"weights root        0x{self.weights_root.hex()}",
        ]


def model_card(report: ImportReport) -> str:
    """Returns the content of `README.md`."""
    shape, fidelity = report.shape, report.fidelity
    counts = "\n".join(
        f"| {kind} | {found.clamped:,} of {found.values:,} |"
        for kind, found in report.saturation.items()
    )
    return f"""# An integer package of `{report.source}`

Runs on Assay's bit-exact engine (arithmetic {ARITHMETIC_VERSION}), with the same bits
on every machine. It is a quantised model, another one than its float original.

| | |
|---|---|
| profile | `{shape.profile.name}` |
| architecture | {shape.FAMILY}: {shape.layers} layers, width {shape.width}, \
{shape.heads} heads of {shape.head_width}, context {shape.context_length}, \
{shape.vocab_size:,} tokens |
| held-out perplexity, float original | {fidelity.float_perplexity:.3f} |
| held-out perplexity, this package | {fidelity.integer_perplexity:.3f} \
({fidelity.loss:+.3%}) |
| measured on | {fidelity.tokens:,} tokens of {report.text}, windows of the full \
context that overlap by half |
| calibrated on | {report.calibration_tokens:,} other tokens of the same |
| residual stream | {report.fraction} fraction bits |
| outputs with clipped weights | {report.capped} |
| weights root | `0x{report.weights_root.hex()}` |

Values that stood at a clamp, over {report.saturation_tokens:,} positions of held-out
text:

| kind | clamped |
|---|---|
{counts}

`vectors.json` holds requests and what a right engine answers; `assay model import`
made this folder.
"""
