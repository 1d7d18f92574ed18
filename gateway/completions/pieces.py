"""An output's text, token by token: for streams and log-probabilities."""

from __future__ import annotations

import codecs
from collections.abc import Sequence

from protocol.documents.results import LOGPROB_SCALE, Output
from protocol.documents.tokenizer import TokenCodec

__all__ = ["logprob_of", "offsets_of", "pieces_of", "token_text"]


def pieces_of(output: Output, codec: TokenCodec) -> list[str]:
    """The text that each token adds; together they are exactly the output's text.

    A token that ends inside a character adds nothing, the one that completes the
    character adds it. What follows a stop string is left out.
    """
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    last = len(output.ids) - 1
    left = len(output.text)
    pieces = []
    for place, token_id in enumerate(output.ids):
        piece = decoder.decode(codec.to_bytes([token_id]), final=place == last)[:left]
        left -= len(piece)
        pieces.append(piece)
    return pieces


def offsets_of(pieces: Sequence[str], start: int) -> list[int]:
    """Where each piece begins, in characters, when the first begins at `start`."""
    offsets = []
    for piece in pieces:
        offsets.append(start)
        start += len(piece)
    return offsets


def token_text(token_id: int, codec: TokenCodec) -> str:
    """A token by itself, as people read it."""
    return codec.decode([token_id])


def logprob_of(value: int) -> float:
    """Nats of a log-probability in a results document."""
    return round(value / LOGPROB_SCALE, 6)
