"""Measures the stored model: `python -m inference.bundled.evaluate`.

Perplexity and bits per byte on the held-out part, from the float16 file as it is
read for use (computed in float32), and samples for the model card.
"""

import argparse
import logging
import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional
from transformers import GPT2LMHeadModel
from transformers.utils import logging as transformers_logging

from inference.bundled.corpus import read_corpus, split_corpus
from inference.bundled.tokens import encode_chapters, end_of_text_id
from inference.checkpoints.checkpoint import BUNDLED_CHECKPOINT
from inference.engine import GenerationRequest
from inference.loading import load_float_engine
from inference.model_folder import TOKENIZER_FILE

logger = logging.getLogger(__name__)

SAMPLE_PROMPTS = (
    "It is a truth universally acknowledged, that",
    "Mr. Darcy looked at her with",
    "Emma could not help",
    "The house was large, and",
    '"I am very glad to see you," said',
    "Her mother was of opinion that",
    "On the following morning, Captain Wentworth",
    "She had never been to London;",
)


@dataclass(frozen=True, slots=True)
class HeldOutScore:
    """How well a model predicts held-out text.

    Attributes:
        perplexity: Exponential of the mean loss per predicted token.
        bits_per_byte: Loss in bits over the UTF-8 bytes of the text.
        tokens: Tokens predicted.
        text_bytes: UTF-8 bytes of the text they stand for.
    """

    perplexity: float
    bits_per_byte: float
    tokens: int
    text_bytes: int


def load_stored_model(folder: Path) -> GPT2LMHeadModel:
    """Loads a package with plain transformers, in float32."""
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    options: dict[str, Any] = {"dtype": torch.float32, "local_files_only": True}
    model: GPT2LMHeadModel = GPT2LMHeadModel.from_pretrained(folder, **options)
    model.train(False)
    return model


@torch.no_grad()
def stream_losses(model: GPT2LMHeadModel, tokens: Tensor) -> Tensor:
    """Returns the loss in nats of each token after the first.

    Windows of the full context overlap by half, so every token but the first few
    is predicted from at least half a context.
    """
    context = model.config.n_positions
    stride = context // 2
    losses = torch.empty(len(tokens) - 1)
    done = 0
    start = 0
    while done < len(losses):
        window = tokens[start : start + context + 1]
        logits = model(input_ids=window[None, :-1], use_cache=False).logits[0]
        scored = functional.cross_entropy(logits, window[1:], reduction="none")
        fresh = start + len(scored) - done
        losses[done : done + fresh] = scored[-fresh:]
        done += fresh
        start += stride
    return losses


def score_chapters(folder: Path, chapters: list[str]) -> HeldOutScore:
    """Scores a stored model on chapters of text.

    Args:
        folder: A model package.
        chapters: Normalised chapters the model has not seen.
    """
    tokenizer = Tokenizer.from_file(str(folder / TOKENIZER_FILE))
    end = end_of_text_id(tokenizer)
    tokens = torch.tensor(encode_chapters(tokenizer, chapters, end))
    losses = stream_losses(load_stored_model(folder), tokens)
    text_bytes = sum(len(chapter.encode()) for chapter in chapters)
    total = losses.double().sum().item()
    return HeldOutScore(
        perplexity=math.exp(total / len(losses)),
        bits_per_byte=total / math.log(2) / text_bytes,
        tokens=len(losses),
        text_bytes=text_bytes,
    )


def sample(folder: Path, prompts: tuple[str, ...], temperature: int) -> list[str]:
    """Continues prompts by 60 tokens each with the float engine.

    Args:
        folder: A model package.
        prompts: Texts to continue; the place of a prompt is its seed.
        temperature: In millionths; 0 is greedy.
    """
    tokenizer = Tokenizer.from_file(str(folder / TOKENIZER_FILE))
    size = tokenizer.get_vocab_size()
    engine = load_float_engine(folder, vocabulary=[b""] * size)
    requests = [
        GenerationRequest(
            prompt_ids=tuple(tokenizer.encode(prompt).ids),
            max_new_tokens=60,
            seed=seed,
            temperature=temperature,
        )
        for seed, prompt in enumerate(prompts)
    ]
    return [tokenizer.decode(list(answer.ids)) for answer in engine.generate(requests)]


def main(arguments: list[str]) -> None:
    """Logs the score and the samples of a model package."""
    parser = argparse.ArgumentParser(description="Measure the bundled GPT-2.")
    parser.add_argument("--folder", type=Path, default=BUNDLED_CHECKPOINT)
    folder: Path = parser.parse_args(arguments).folder
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    logger.info("%s", score_chapters(folder, split_corpus(read_corpus()).held_out))
    for temperature in (700_000, 0):
        texts = sample(folder, SAMPLE_PROMPTS, temperature)
        for prompt, text in zip(SAMPLE_PROMPTS, texts, strict=True):
            logger.info("temperature=%d\n%s|%s\n", temperature, prompt, text)


if __name__ == "__main__":
    main(sys.argv[1:])
