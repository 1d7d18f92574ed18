"""The training script on a model and a text that take seconds."""

import itertools
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import BPE
from transformers import GPT2LMHeadModel

from inference import read_checkpoint
from inference.bundled.corpus import CorpusSplit
from inference.bundled.evaluate import (
    load_stored_model,
    score_chapters,
    stream_losses,
)
from inference.bundled.tokens import (
    END_OF_TEXT,
    encode_chapters,
    end_of_text_id,
    train_tokenizer,
)
from inference.bundled.train import (
    Trainer,
    TrainSettings,
    epoch_batches,
    rate_factor,
)

TEXT = "The cat sat on the mat, and the dog sat on the log. " * 60
PARTS = CorpusSplit(train=[TEXT] * 6, held_out=[TEXT])
STEPS = 40
SMALL = TrainSettings(
    minutes=STEPS / 60,
    vocab_size=300,
    context=32,
    width=64,
    layers=1,
    batch=4,
    threads=1,
    evaluate_every=10,
)


def test_train_tokenizer_any_bytes_round_trip() -> None:
    tokenizer = train_tokenizer([TEXT], 300)

    text = "naïve ☃ \n\t\0 the cat"
    assert tokenizer.decode(tokenizer.encode(text).ids) == text
    assert tokenizer.get_vocab_size() <= 300


def test_encode_chapters_end_of_text_surrounds_each() -> None:
    tokenizer = train_tokenizer([TEXT], 300)
    end = end_of_text_id(tokenizer)

    ids = encode_chapters(tokenizer, ["the cat", "the dog"], end)

    assert [n for n, token in enumerate(ids) if token == end] == [
        0,
        1 + len(tokenizer.encode("the cat").ids),
        len(ids) - 1,
    ]


def test_end_of_text_id_tokenizer_without_it_raises() -> None:
    with pytest.raises(ValueError, match=END_OF_TEXT.replace("|", r"\|")):
        end_of_text_id(Tokenizer(BPE()))


def test_rate_factor_schedule_warms_up_then_falls() -> None:
    rates = [rate_factor(n / 1000) for n in range(1001)]

    peak = rates.index(max(rates))
    assert max(rates) == pytest.approx(1.0)
    assert rates[: peak + 1] == sorted(rates[: peak + 1])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)
    assert 0 < rates[0] < 0.1
    assert rates[-1] == pytest.approx(0.02)


def test_epoch_batches_one_epoch_covers_each_token_once() -> None:
    tokens = torch.arange(1000)

    windows = torch.cat(list(epoch_batches(tokens, SMALL, torch.Generator())))

    inputs = windows[:, :-1].flatten().tolist()
    assert len(inputs) == len(set(inputs))
    assert len(inputs) > 1000 - SMALL.batch * SMALL.context - 2 * SMALL.context
    assert torch.equal(windows[:, 1:], windows[:, :-1] + 1)


def one_second_a_step() -> Callable[[], float]:
    """A clock that moves on by a second whenever it is read."""
    seconds = itertools.count()
    return lambda: float(next(seconds))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float]:
    folder = tmp_path_factory.mktemp("trained")
    return folder, Trainer(SMALL, PARTS, folder, one_second_a_step()).run()


def test_run_small_model_learns(trained: tuple[Path, float], tmp_path: Path) -> None:
    at_once = replace(SMALL, minutes=1 / 60)
    untrained = Trainer(at_once, PARTS, tmp_path, one_second_a_step()).run()

    assert untrained == pytest.approx(math.log(279), abs=1.0)
    assert trained[1] < untrained - 2


def test_run_stored_package_has_the_returned_loss(trained: tuple[Path, float]) -> None:
    folder, loss = trained

    score = score_chapters(folder, PARTS.held_out)

    # Other windows, and float32 in place of bfloat16.
    assert math.log(score.perplexity) == pytest.approx(loss, abs=0.3)
    assert score.text_bytes == len(TEXT)
    assert score.bits_per_byte == pytest.approx(
        math.log2(score.perplexity) * score.tokens / len(TEXT)
    )


def test_run_package_loads_as_plain_gpt2(trained: tuple[Path, float]) -> None:
    folder, _ = trained

    model = GPT2LMHeadModel.from_pretrained(folder, local_files_only=True)

    shape = read_checkpoint(folder).shape
    assert model.config.n_embd == shape.width == 64
    assert shape.end_of_text == 0
    assert model.lm_head.weight is model.transformer.wte.weight
    assert sorted(path.name for path in folder.iterdir()) == [
        "config.json",
        "model.safetensors",
        "tokenizer.json",
    ]


def test_stream_losses_every_token_is_scored_once(trained: tuple[Path, float]) -> None:
    model = load_stored_model(trained[0])
    tokens = torch.arange(32 + 1 + 16 + 5) % 250

    losses = stream_losses(model, tokens)

    head = stream_losses(model, tokens[:33])
    assert torch.allclose(losses[:32], head, atol=1e-5)
    # The last window starts a whole context before the end of the second one.
    second = stream_losses(model, tokens[16:49])
    assert torch.allclose(losses[32:48], second[16:], atol=1e-5)
    assert len(losses) == len(tokens) - 1


def test_epoch_batches_same_seed_takes_the_same_batches() -> None:
    first, second = (
        list(epoch_batches(torch.arange(999), SMALL, torch.Generator().manual_seed(3)))
        for _ in range(2)
    )

    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
