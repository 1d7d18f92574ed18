"""Trains the bundled model: `python -m inference.bundled.train --out DIR`.

A small GPT-2 and its own byte-level BPE tokenizer, from the compressed corpus
beside this file. The learning rate follows a cosine over the given minutes, the
weights written out are those of the lowest held-out loss.
"""

import argparse
import copy
import logging
import math
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional
from torch.optim import AdamW, Muon, Optimizer
from transformers import GPT2Config, GPT2LMHeadModel
from transformers.utils import logging as transformers_logging

from inference.bundled.corpus import CorpusSplit, read_corpus, split_corpus
from inference.bundled.tokens import (
    encode_chapters,
    end_of_text_id,
    train_tokenizer,
)

logger = logging.getLogger(__name__)

_WARM_UP = 0.03
_FINAL_RATE = 0.02


@dataclass(frozen=True, slots=True)
class TrainSettings:
    """Shape of the model and how it is trained.

    Attributes:
        minutes: Wall-clock budget; the learning-rate schedule spans it.
        muon_rate: Peak learning rate of the hidden matrices (Muon).
        adam_rate: Peak learning rate of embeddings, gains and biases (AdamW).
        evaluate_every: Steps between two looks at the held-out part.
    """

    minutes: float = 54.0
    seed: int = 1
    threads: int = 2
    vocab_size: int = 4096
    context: int = 512
    width: int = 256
    layers: int = 4
    head_size: int = 64
    dropout: float = 0.1
    batch: int = 8
    muon_rate: float = 3e-3
    adam_rate: float = 2e-3
    weight_decay: float = 0.3
    evaluate_every: int = 300


def build_model(settings: TrainSettings, end_of_text: int) -> GPT2LMHeadModel:
    """Returns an untrained GPT-2 of the given shape with tied embeddings."""
    config = GPT2Config(
        vocab_size=settings.vocab_size,
        n_positions=settings.context,
        n_embd=settings.width,
        n_layer=settings.layers,
        n_head=settings.width // settings.head_size,
        resid_pdrop=settings.dropout,
        embd_pdrop=settings.dropout,
        attn_pdrop=0.0,  # keeps the fused attention kernel
        activation_function="gelu_pytorch_tanh",  # gelu_new in one kernel
        bos_token_id=end_of_text,
        eos_token_id=end_of_text,
        tie_word_embeddings=True,
    )
    return GPT2LMHeadModel(config)


def build_optimizers(
    model: GPT2LMHeadModel, settings: TrainSettings
) -> list[Optimizer]:
    """Muon for the hidden matrices, AdamW for everything else."""
    hidden = [p for n, p in model.named_parameters() if ".h." in n and p.ndim == 2]
    tables = [p for n, p in model.named_parameters() if ".h." not in n and p.ndim == 2]
    vectors = [p for p in model.parameters() if p.ndim < 2]
    muon = Muon(
        hidden,
        lr=settings.muon_rate,
        weight_decay=settings.weight_decay,
        momentum=0.95,
        adjust_lr_fn="match_rms_adamw",
    )
    adam = AdamW(
        [
            {"params": tables, "weight_decay": settings.weight_decay},
            {"params": vectors, "weight_decay": 0.0},
        ],
        lr=settings.adam_rate,
        betas=(0.9, 0.97),
    )
    return [muon, adam]


def rate_factor(progress: float) -> float:
    """Learning-rate factor: linear warm-up, then a cosine down to 2%.

    Args:
        progress: Share of the budget already spent, 0 to 1.
    """
    if progress < _WARM_UP:
        return (progress + 0.001) / (_WARM_UP + 0.001)
    turn = min(1.0, (progress - _WARM_UP) / (1 - _WARM_UP))
    return _FINAL_RATE + (1 - _FINAL_RATE) * 0.5 * (1 + math.cos(math.pi * turn))


def epoch_batches(
    tokens: Tensor, settings: TrainSettings, generator: torch.Generator
) -> Iterator[Tensor]:
    """Yields one epoch of shuffled windows, cut at a fresh random offset.

    Every window holds context + 1 tokens: inputs and their successors.
    """
    span = settings.context
    offset = int(torch.randint(span, (1,), generator=generator))
    starts = torch.arange(offset, len(tokens) - span - 1, span)
    starts = starts[torch.randperm(len(starts), generator=generator)]
    steps = torch.arange(span + 1)
    for i in range(0, len(starts) - settings.batch + 1, settings.batch):
        yield tokens[starts[i : i + settings.batch, None] + steps]


def window_loss(model: GPT2LMHeadModel, window: Tensor) -> Tensor:
    """Mean cross-entropy in nats of each token after the first, in bfloat16."""
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = model(input_ids=window[:, :-1], use_cache=False).logits
    flat = logits.float().flatten(0, 1)
    return functional.cross_entropy(flat, window[:, 1:].flatten())


@torch.no_grad()
def held_out_loss(
    model: GPT2LMHeadModel, tokens: Tensor, settings: TrainSettings
) -> float:
    """Mean loss in nats per token over disjoint windows of the held-out part."""
    model.train(False)
    span = settings.context
    starts = torch.arange(0, len(tokens) - span - 1, span)
    windows = tokens[starts[:, None] + torch.arange(span + 1)]
    losses = [
        window_loss(model, windows[i : i + 8]).item() * len(windows[i : i + 8])
        for i in range(0, len(windows), 8)
    ]
    model.train()
    return sum(losses) / len(windows)


def save_package(model: GPT2LMHeadModel, tokenizer: Tokenizer, out: Path) -> None:
    """Writes config, tokenizer and float16 weights; the model itself is unchanged."""
    out.mkdir(parents=True, exist_ok=True)
    config = copy.deepcopy(model.config)
    config.activation_function = "gelu_new"  # the same function's usual name
    stored = GPT2LMHeadModel(config)
    stored.load_state_dict(model.state_dict())
    stored.to(torch.float16)  # type: ignore[arg-type]
    stored.save_pretrained(out)
    (out / "generation_config.json").unlink(missing_ok=True)
    tokenizer.save(str(out / "tokenizer.json"))


class Trainer:
    """One training run; `run` returns the best held-out loss."""

    def __init__(
        self,
        settings: TrainSettings,
        parts: CorpusSplit,
        out: Path,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Trains the tokenizer and builds the model.

        Args:
            settings: Shape and schedule.
            parts: Text to train on, and text to judge by.
            out: Folder that receives the package at every new best loss.
            clock: Returns seconds; only differences count.
        """
        torch.manual_seed(settings.seed)
        torch.set_num_threads(settings.threads)
        self._tokenizer = train_tokenizer(parts.train, settings.vocab_size)
        # A text too small for so many merges gives fewer tokens.
        settings = replace(settings, vocab_size=self._tokenizer.get_vocab_size())
        end = end_of_text_id(self._tokenizer)
        self._train, self._held_out = (
            torch.tensor(encode_chapters(self._tokenizer, chapters, end))
            for chapters in (parts.train, parts.held_out)
        )
        self._model = build_model(settings, end)
        self._optimizers = build_optimizers(self._model, settings)
        self._base_rates = [o.param_groups[0]["lr"] for o in self._optimizers]
        self._generator = torch.Generator().manual_seed(settings.seed)
        self._settings = settings
        self._out = out
        self._clock = clock
        self._best = math.inf
        self._recent: list[float] = []

    def run(self) -> float:
        """Trains until the minutes are spent; returns the best held-out loss."""
        parameters = sum(p.numel() for p in self._model.parameters())
        logger.info(
            "parameters=%d train_tokens=%d held_out_tokens=%d",
            parameters,
            len(self._train),
            len(self._held_out),
        )
        self._model.train()
        started = self._clock()
        step = 0
        while True:
            for window in epoch_batches(self._train, self._settings, self._generator):
                spent = (self._clock() - started) / 60
                if spent >= self._settings.minutes:
                    self._evaluate(step, spent)
                    return self._best
                if step and step % self._settings.evaluate_every == 0:
                    self._evaluate(step, spent)
                self._step(window, spent / self._settings.minutes)
                step += 1

    def _step(self, window: Tensor, progress: float) -> None:
        loss = window_loss(self._model, window)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self._model.parameters(), 1.0)
        for optimizer, base in zip(self._optimizers, self._base_rates, strict=True):
            for group in optimizer.param_groups:
                group["lr"] = base * rate_factor(progress)
            optimizer.step()
            optimizer.zero_grad()
        self._recent.append(loss.item())

    def _evaluate(self, step: int, minutes: float) -> None:
        loss = held_out_loss(self._model, self._held_out, self._settings)
        recent = sum(self._recent) / max(1, len(self._recent))
        self._recent = []
        epochs = step * self._settings.batch * self._settings.context / len(self._train)
        logger.info(
            "minutes=%.1f step=%d epochs=%.2f train_loss=%.4f held_out_loss=%.4f "
            "perplexity=%.2f",
            minutes,
            step,
            epochs,
            recent,
            loss,
            math.exp(loss),
        )
        if loss < self._best:
            self._best = loss
            save_package(self._model, self._tokenizer, self._out)


def parse_arguments(arguments: list[str]) -> tuple[TrainSettings, Path]:
    """Returns settings and output folder of a command line."""
    parser = argparse.ArgumentParser(description="Train the bundled GPT-2.")
    parser.add_argument("--out", type=Path, required=True, help="package folder")
    defaults = TrainSettings()
    for name in TrainSettings.__slots__:
        default: Any = getattr(defaults, name)
        flag = "--" + name.replace("_", "-")
        parser.add_argument(
            flag, type=type(default), default=default, help=f"default {default}"
        )
    values = vars(parser.parse_args(arguments))
    out: Path = values.pop("out")
    return TrainSettings(**values), out


def main(arguments: list[str]) -> None:
    """Runs one training from command-line arguments."""
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    settings, out = parse_arguments(arguments)
    logger.info("%s", settings)
    best = Trainer(settings, split_corpus(read_corpus()), out).run()
    logger.info("best_held_out_loss=%.4f ppl=%.2f", best, math.exp(best))


if __name__ == "__main__":
    main(sys.argv[1:])
