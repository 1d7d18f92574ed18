"""Text for import: one part to calibrate on, another to measure on."""

from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import Tensor

from inference.bundled.corpus import TRAIN_PERCENT, read_corpus, split_corpus
from inference.bundled.tokens import encode_chapters
from inference.checkpoints.checkpoint import Checkpoint
from inference.errors import ModelPackageError, ModelSourceError
from inference.model_folder import TOKENIZER_FILE

CALIBRATION_WINDOWS = 16
_MAX_TEXT_BYTES = 64 * 2**20


@dataclass(frozen=True, slots=True)
class ImportText:
    """Token ids of the two parts.

    Attributes:
        windows: To calibrate on, shape (windows, context).
        held_out: To measure on; shares no text with `windows`.
    """

    windows: Tensor
    held_out: list[int]


def read_text(checkpoint: Checkpoint, path: Path | None) -> ImportText:
    """Reads and encodes text with a checkpoint's tokenizer.

    Args:
        checkpoint: Whose tokenizer and context to use.
        path: UTF-8 text, of which the last tenth is held out; the novels that come
            with the bundled model if None, split as they were for its training.

    Raises:
        ModelPackageError: The tokenizer cannot be used.
        ModelSourceError: The text cannot be read or is too short.
    """
    if path is None:
        novels = split_corpus(read_corpus())
        train, held_out = novels.train, novels.held_out
    else:
        text = _read(path)
        cut = len(text) * TRAIN_PERCENT // 100
        train, held_out = [text[:cut]], [text[cut:]]
    tokenizer = _tokenizer(checkpoint.folder / TOKENIZER_FILE)
    end = checkpoint.shape.end_of_text
    context = checkpoint.shape.context_length
    stream = encode_chapters(tokenizer, train, end)
    held_out_ids = encode_chapters(tokenizer, held_out, end)
    if min(len(stream), len(held_out_ids)) <= context:
        raise ModelSourceError(
            "text",
            str(path or "the bundled novels"),
            f"its parts have {len(stream)} and {len(held_out_ids)} tokens",
            f"give a text of which a tenth is more than {context} tokens",
        )
    return ImportText(_spread_windows(stream, context), held_out_ids)


def _read(path: Path) -> str:
    try:
        if path.stat().st_size > _MAX_TEXT_BYTES:
            raise ModelSourceError(
                "text",
                str(path),
                f"larger than {_MAX_TEXT_BYTES} bytes",
                "give a part of it; a megabyte is plenty",
            )
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ModelSourceError(
            "text", str(path), str(error), "give a readable file of UTF-8 text"
        ) from error


def _tokenizer(path: Path) -> Tokenizer:
    try:
        return Tokenizer.from_buffer(path.read_bytes())
    # The library raises nothing narrower.
    except Exception as error:
        raise ModelPackageError(
            path.name,
            str(error),
            "the tokenizers library cannot use it",
            "put the model's own tokenizer into the folder",
        ) from error


def _spread_windows(stream: list[int], context: int) -> Tensor:
    count = len(stream) // context
    windows = torch.tensor(stream[: count * context]).view(count, context)
    chosen = torch.linspace(0, count - 1, min(count, CALIBRATION_WINDOWS))
    return windows[chosen.long()]
