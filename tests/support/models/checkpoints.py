"""A tiny float GPT-2 over bytes, with a tokenizer and a text that fit it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import GPT2Config, GPT2LMHeadModel
from transformers.utils import logging as transformers_logging

from tests.support.models.tokenizers import byte_tokenizer

CONTEXT = 32
TEXT = "".join(
    f"{number} green bottles hanging on the wall, {number * 7 % 13} fell. "
    for number in range(120)
)


def write_tiny_gpt2(
    folder: Path, *, vocab_size: int, context: int, spread: float, end: int | None
) -> None:
    """Writes configuration and weights; large ones make its predictions vary.

    Args:
        folder: Where to.
        vocab_size: Tokens.
        context: Positions.
        spread: Deviation of the weights.
        end: The end-of-text token, if any.
    """
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    torch.manual_seed(7)
    config = GPT2Config(
        vocab_size=vocab_size,
        n_positions=context,
        n_embd=32,
        n_layer=2,
        n_head=2,
        initializer_range=spread,
        bos_token_id=end,
        eos_token_id=end,
    )
    GPT2LMHeadModel(config).save_pretrained(folder)


def write_tiny_checkpoint(folder: Path) -> None:
    """Writes a random GPT-2 over bytes with a tokenizer that encodes."""
    write_tiny_gpt2(folder, vocab_size=256, context=CONTEXT, spread=0.2, end=None)
    (folder / "tokenizer.json").write_bytes(byte_tokenizer())


def rewrite_weights(
    folder: Path, change: Callable[[dict[str, torch.Tensor]], object]
) -> None:
    """Changes a checkpoint's tensors in place."""
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors")
