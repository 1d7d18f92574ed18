"""The bundled model's tokenizer: a byte-level BPE of the training part only."""

from collections.abc import Iterable

from tokenizers import Tokenizer
from tokenizers.decoders import ByteLevel as ByteLevelDecoder
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from tokenizers.trainers import BpeTrainer

END_OF_TEXT = "<|endoftext|>"
"""The one special token: it ends a chapter, and so starts the next."""


def train_tokenizer(chapters: list[str], vocab_size: int) -> Tokenizer:
    """Trains a byte-level BPE; every one of the 256 bytes has a token.

    Args:
        chapters: Text of the training part.
        vocab_size: Tokens in all, the special one included.
    """
    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer = ByteLevel(add_prefix_space=False)
    tokenizer.decoder = ByteLevelDecoder()
    trainer = BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[END_OF_TEXT],
        initial_alphabet=ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(chapters, trainer)
    return tokenizer


def end_of_text_id(tokenizer: Tokenizer) -> int:
    """Returns the id of the end-of-text token."""
    token_id = tokenizer.token_to_id(END_OF_TEXT)
    if token_id is None:
        raise ValueError(f"tokenizer has no {END_OF_TEXT} token: train it again")
    return int(token_id)


def encode_chapters(
    tokenizer: Tokenizer, chapters: Iterable[str], end: int | None
) -> list[int]:
    """Returns one stream of ids in which `end`, if any, surrounds every chapter."""
    separator = [] if end is None else [end]
    stream = [*separator]
    for encoding in tokenizer.encode_batch([*chapters], add_special_tokens=False):
        stream.extend(encoding.ids)
        stream.extend(separator)
    return stream
