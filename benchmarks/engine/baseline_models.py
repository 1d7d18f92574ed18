"""Makes the baselines' models, run in `.venv-bench`: a checkpoint and its export.

    python -m benchmarks.engine.baseline_models CHECKPOINT EXPORT

Speed does not depend on the weights, so the checkpoint is GPT-2 124M with random
ones from a fixed seed: nothing is downloaded.
"""

import sys
from pathlib import Path

import torch
from optimum.intel import OVModelForCausalLM, OVWeightQuantizationConfig
from transformers import GPT2Config, GPT2LMHeadModel

SEED = 1234


def write_checkpoint(folder: Path) -> None:
    """Writes GPT-2 124M, float32, as a Hugging Face folder."""
    torch.manual_seed(SEED)
    GPT2LMHeadModel(GPT2Config()).save_pretrained(folder)


def export(checkpoint: Path, folder: Path) -> None:
    """Writes the checkpoint as an OpenVINO model with 8-bit weights per channel."""
    quantization = OVWeightQuantizationConfig(bits=8)
    model = OVModelForCausalLM.from_pretrained(
        checkpoint, export=True, compile=False, quantization_config=quantization
    )
    model.save_pretrained(folder)


if __name__ == "__main__":
    write_checkpoint(Path(sys.argv[1]))
    export(Path(sys.argv[1]), Path(sys.argv[2]))
