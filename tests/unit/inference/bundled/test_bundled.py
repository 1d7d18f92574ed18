"""The bundled model as it is in the repository."""

import re
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer

from inference import (
    BUNDLED_CHECKPOINT,
    MILLION,
    Engine,
    GenerationRequest,
    measure_tokens_per_second,
    read_checkpoint,
)
from inference.bundled.corpus import CORPUS_PATH, CorpusSplit, read_corpus, split_corpus
from inference.bundled.evaluate import SAMPLE_PROMPTS, score_chapters
from inference.bundled.tokens import END_OF_TEXT, train_tokenizer
from inference.bundled.train import parse_arguments
from protocol.documents.tokenizer import TokenCodec
from tests.unit.inference.engines.test_float_engine import answers_of_other_process

FILES = ("README.md", "config.json", "model.safetensors", "tokenizer.json")
MAX_BYTES_IN_GIT = 12 * 10**6


@pytest.fixture(scope="module")
def parts() -> CorpusSplit:
    return split_corpus(read_corpus())


def requests_for(
    codec: TokenCodec, temperature: int, *, max_new_tokens: int = 48
) -> list[GenerationRequest]:
    return [
        GenerationRequest(
            codec.encode(prompt), max_new_tokens, seed=n, temperature=temperature
        )
        for n, prompt in enumerate(SAMPLE_PROMPTS)
    ]


def test_bundled_model_files_are_complete_and_small() -> None:
    assert sorted(path.name for path in BUNDLED_CHECKPOINT.iterdir()) == sorted(FILES)

    sizes = [(BUNDLED_CHECKPOINT / name).stat().st_size for name in FILES]
    assert sum(sizes) + CORPUS_PATH.stat().st_size <= MAX_BYTES_IN_GIT


def test_bundled_model_has_a_few_million_float16_parameters() -> None:
    tensors = load_file(BUNDLED_CHECKPOINT / "model.safetensors")

    assert {tensor.dtype for tensor in tensors.values()} == {torch.float16}
    assert 3_000_000 <= sum(t.numel() for t in tensors.values()) <= 5_500_000


def test_bundled_model_shape_suits_integer_kernels() -> None:
    shape = read_checkpoint(BUNDLED_CHECKPOINT).shape

    assert shape.width % 64 == 0
    assert shape.width // shape.heads in (32, 64)
    assert shape.inner_width == 4 * shape.width
    assert shape.context_length in (256, 512)


def test_bundled_tokenizer_is_the_one_of_the_training_part(parts: CorpusSplit) -> None:
    stored = Tokenizer.from_file(str(BUNDLED_CHECKPOINT / "tokenizer.json"))

    again = train_tokenizer(parts.train, stored.get_vocab_size())

    assert again.to_str() == stored.to_str()


def test_bundled_tokenizer_vocabulary_agrees_with_the_text_rule(
    bundled_codec: TokenCodec, bundled_engine: Engine
) -> None:
    limits = bundled_engine.limits

    assert len(bundled_codec.vocabulary) == limits.vocab_size
    assert limits.end_of_text is not None
    assert bundled_codec.vocabulary[limits.end_of_text] == END_OF_TEXT.encode()
    text = 'She said, "naïve ☃"\n'
    assert bundled_codec.decode(bundled_codec.encode(text)) == text


def test_bundled_model_held_out_perplexity_is_near_its_card(
    parts: CorpusSplit,
) -> None:
    card = (BUNDLED_CHECKPOINT / "README.md").read_text(encoding="utf-8")
    stated = re.search(r"perplexity per token \| ([\d.]+)", card)
    assert stated is not None, "the model card states no perplexity"

    # A part, for time: chapters differ a little from the whole.
    score = score_chapters(BUNDLED_CHECKPOINT, [parts.held_out[3][:40_000]])

    assert score.perplexity == pytest.approx(float(stated[1]), rel=0.15)


def test_bundled_model_samples_are_words_of_the_novels(
    bundled_engine: Engine, bundled_codec: TokenCodec, parts: CorpusSplit
) -> None:
    known = set(re.findall(r"[a-z]+", " ".join(parts.train).lower()))

    answers = bundled_engine.generate(requests_for(bundled_codec, 7 * MILLION // 10))

    text = " ".join(bundled_codec.decode(answer.ids) for answer in answers)
    words = re.findall(r"[a-z]+", text.lower())
    assert len(words) > 150
    assert sum(word in known for word in words) > 0.97 * len(words)
    assert len(set(words)) > len(words) / 3
    assert "\ufffd" not in text


def test_bundled_model_answers_are_equal_in_every_process(
    bundled_engine: Engine, bundled_codec: TokenCodec
) -> None:
    sampled = requests_for(bundled_codec, MILLION, max_new_tokens=24)
    batch = [*sampled, *(replace(request, temperature=0) for request in sampled)]
    here = [answer.ids for answer in bundled_engine.generate(batch)]

    there = answers_of_other_process(
        BUNDLED_CHECKPOINT, bundled_engine.limits.vocab_size, batch[::-1]
    )

    assert there == here[::-1]


def test_bundled_model_stop_string_cuts_text_at_it(
    bundled_engine: Engine, bundled_codec: TokenCodec
) -> None:
    request = requests_for(bundled_codec, 0)[0]
    full = bundled_codec.decode(bundled_engine.generate([request])[0].ids)
    stop = full[10:14]

    answer = bundled_engine.generate([replace(request, stop=(stop.encode(),))])[0]

    assert bundled_codec.decode_until(answer.ids, [stop]) == full[: full.find(stop)]


def test_bundled_model_decodes_at_a_useful_pace(bundled_engine: Engine) -> None:
    # Even a busy core does several times that.
    assert measure_tokens_per_second(bundled_engine) > 20


def test_bundled_model_card_command_describes_this_model() -> None:
    card = (BUNDLED_CHECKPOINT / "README.md").read_text(encoding="utf-8")
    command = re.search(r"python -m inference\.bundled\.train (--out .*)", card)
    assert command is not None, "the model card names no training command"

    settings, _ = parse_arguments(command[1].split())

    shape = read_checkpoint(BUNDLED_CHECKPOINT).shape
    assert (settings.vocab_size, settings.context, settings.width, settings.layers) == (
        shape.vocab_size,
        shape.context_length,
        shape.width,
        shape.layers,
    )
