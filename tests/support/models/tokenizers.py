"""A tokenizer small enough to reason about: one id for each byte."""

from __future__ import annotations

from tokenizers import Tokenizer, decoders, models, pre_tokenizers

__all__ = ["byte_tokenizer"]


def byte_tokenizer() -> bytes:
    """A byte-level BPE `tokenizer.json` without merges: 256 ids, one a byte."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {symbol: index for index, symbol in enumerate(alphabet)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer.to_str().encode()
