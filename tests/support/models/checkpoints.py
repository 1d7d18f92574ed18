"""A tiny float GPT-2 over bytes, with a tokenizer and a text that fit it."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import GPT2Config, GPT2LMHeadModel
from transformers.utils import logging as transformers_logging

from tests.support.models.tokenizers import byte_tokenizer

CONTEXT = 32
TEXT = "".join(
    f"{number} green bottles hanging on the wall, {number * 7 % 13} fell. "
    for number in range(120)
)


def write_tiny_checkpoint(folder: Path) -> None:
    """Writes a random GPT-2; large weights make its predictions vary."""
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    torch.manual_seed(11)
    config = GPT2Config(
        vocab_size=256,
        n_positions=CONTEXT,
        n_embd=32,
        n_layer=2,
        n_head=2,
        initializer_range=0.2,
        bos_token_id=None,
        eos_token_id=None,
    )
    GPT2LMHeadModel(config).save_pretrained(folder)
    (folder / "tokenizer.json").write_bytes(byte_tokenizer())
