"""The float engine against plain transformers, and its determinism."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import GPT2LMHeadModel

from inference import (
    MILLION,
    Engine,
    FinishReason,
    Generation,
    GenerationRequest,
    load_float_engine,
)
from inference.engines import float_engine
from inference.engines.float_engine import fixed_point
from inference.errors import InvalidPrompt, NumericsError
from inference.models.integer_model import Choice, Int32Array
from inference.models.layout import MAX_REST
from inference.models.sampling import choice_for, choose_token, token_logprobs
from tests.unit.inference.conftest import (
    TINY_CONTEXT,
    TINY_VOCABULARY,
)

PROMPT = (72, 101, 108, 108, 111)
GREEDY = GenerationRequest(PROMPT, max_new_tokens=20)
SAMPLED = GenerationRequest(PROMPT, 20, seed=5, temperature=2 * MILLION, top_k=50)

ANSWER_IN_OTHER_PROCESS = """
import json, sys
from pathlib import Path
from inference import GenerationRequest, load_float_engine
from inference.profiles import FLOAT_DEV

folder, size, requests = sys.argv[1], int(sys.argv[2]), json.loads(sys.argv[3])
engine = load_float_engine(Path(folder), vocabulary=[b"x"] * size)
answers = engine.generate([GenerationRequest(tuple(r.pop("ids")), **r)
                           for r in requests])
sys.stdout.write(json.dumps([a.ids for a in answers]))
"""


def answers_of_other_process(
    folder: Path, size: int, requests: list[GenerationRequest]
) -> list[tuple[int, ...]]:
    wire = [
        {
            "ids": r.prompt_ids,
            "max_new_tokens": r.max_new_tokens,
            "seed": r.seed,
            "temperature": r.temperature,
            "top_k": r.top_k,
        }
        for r in requests
    ]
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            ANSWER_IN_OTHER_PROCESS,
            str(folder),
            str(size),
            json.dumps(wire),
        ],
        cwd=Path(__file__).parents[4],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    # Also: loading and running says nothing on stderr.
    assert (done.returncode, done.stderr) == (0, "")
    return [tuple(ids) for ids in json.loads(done.stdout)]


def logits_without_cache(
    folder: Path, prompt: tuple[int, ...], answer: tuple[int, ...]
) -> torch.Tensor:
    """The reference: logits before every token of an answer, at once, in float64."""
    model = GPT2LMHeadModel.from_pretrained(folder, dtype=torch.float64)
    model.train(False)
    with torch.inference_mode():
        logits: torch.Tensor = model(input_ids=torch.tensor([prompt + answer])).logits
    return logits[0, len(prompt) - 1 : -1]


def test_generate_greedy_takes_highest_logit_of_reference(
    tiny_engine: Engine, tiny_folder: Path
) -> None:
    answer = tiny_engine.generate([GREEDY])[0]

    logits = logits_without_cache(tiny_folder, PROMPT, answer.ids)
    assert answer == Generation(tuple(logits.argmax(1).tolist()), FinishReason.LENGTH)
    assert len(set(answer.ids)) > 5, "the fixture should not just repeat itself"


def test_generate_sampled_chooses_from_logits_of_reference(
    tiny_engine: Engine, tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[Int32Array, Choice]] = []

    def choose(logits: Int32Array, choice: Choice) -> int:
        seen.append((logits, choice))
        return choose_token(logits, choice)

    monkeypatch.setattr(float_engine, "choose_token", choose)

    answer = tiny_engine.generate([SAMPLED])[0]

    assert answer.finish is FinishReason.LENGTH, "the fixture should run to the limit"
    wanted = logits_without_cache(tiny_folder, PROMPT, answer.ids)
    for position, (logits, choice) in enumerate(seen):
        assert choice == choice_for(SAMPLED, position)
        assert answer.ids[position] == choose_token(logits, choice)
        assert abs(logits - fixed_point(wanted[position])).max() < 30
    assert len(set(answer.ids)) > 5, "the fixture should not just repeat itself"


def test_generate_no_requests_returns_nothing(tiny_engine: Engine) -> None:
    assert tiny_engine.generate([]) == []


def test_generate_batch_answers_each_as_if_alone(tiny_engine: Engine) -> None:
    others = [replace(SAMPLED, seed=n, prompt_ids=PROMPT[: n + 1]) for n in range(4)]
    batch = [GREEDY, *others, SAMPLED, GREEDY]

    together = tiny_engine.generate(batch)

    alone = [tiny_engine.generate([request])[0] for request in reversed(batch)]
    assert together == alone[::-1]
    assert len({answer.ids for answer in together}) == len(batch) - 1


def test_generate_seed_and_temperature_change_the_answer(tiny_engine: Engine) -> None:
    requests = [SAMPLED, replace(SAMPLED, seed=6), replace(SAMPLED, temperature=1)]

    first, other_seed, cold = tiny_engine.generate(requests)

    assert first != other_seed
    assert cold == tiny_engine.generate([GREEDY])[0]


def test_generate_shorter_limit_gives_prefix(tiny_engine: Engine) -> None:
    full, short = tiny_engine.generate([SAMPLED, replace(SAMPLED, max_new_tokens=7)])

    assert short.ids == full.ids[:7]


def test_generate_context_filled_exactly_succeeds(tiny_engine: Engine) -> None:
    room = TINY_CONTEXT - len(PROMPT)

    answer = tiny_engine.generate([replace(SAMPLED, max_new_tokens=room)])[0]

    assert len(answer.ids) == room


def test_generate_stop_string_keeps_token_that_completed_it(
    tiny_engine: Engine,
) -> None:
    full = tiny_engine.generate([SAMPLED])[0].ids
    stop = bytes(full[4:7])
    first_end = next(n for n in range(21) if stop in bytes(full[:n]))

    answer = tiny_engine.generate([replace(SAMPLED, stop=(b"\0never", stop))])[0]

    assert answer == Generation(full[:first_end], FinishReason.STOP)


def test_generate_stop_string_in_prompt_does_not_stop(tiny_engine: Engine) -> None:
    assert bytes(PROMPT) == b"Hello"
    full = tiny_engine.generate([SAMPLED])[0]
    assert b"lo" not in bytes(full.ids)

    assert tiny_engine.generate([replace(SAMPLED, stop=(b"lo",))]) == [full]


def test_generate_stop_string_across_prompt_end_does_not_stop(
    tiny_engine: Engine,
) -> None:
    full = tiny_engine.generate([SAMPLED])[0]
    across = b"o" + bytes(full.ids[:1])
    assert across not in bytes(full.ids)

    assert tiny_engine.generate([replace(SAMPLED, stop=(across,))]) == [full]


def test_generate_stop_string_inside_one_token_stops(tiny_folder: Path) -> None:
    vocabulary = [b"<" + token + b">" for token in TINY_VOCABULARY]
    engine = load_float_engine(tiny_folder, vocabulary=vocabulary)
    first = engine.generate([GREEDY])[0].ids[0]

    answer = engine.generate([replace(GREEDY, stop=(bytes([first]),))])[0]

    assert answer == Generation((first,), FinishReason.STOP)


def test_generate_end_of_text_is_left_out(
    spoilt_folder: Path, tiny_engine: Engine
) -> None:
    ids = tiny_engine.generate([GREEDY])[0].ids
    config = json.loads((spoilt_folder / "config.json").read_text())
    config["eos_token_id"] = ids[5]
    (spoilt_folder / "config.json").write_text(json.dumps(config))
    engine = load_float_engine(spoilt_folder, vocabulary=TINY_VOCABULARY)

    answer = engine.generate([GREEDY])[0]

    assert answer == Generation(ids[: ids.index(ids[5])], FinishReason.STOP)


def test_generate_stop_id_is_left_out(tiny_engine: Engine) -> None:
    ids = tiny_engine.generate([GREEDY])[0].ids

    answer = tiny_engine.generate([replace(GREEDY, stop_ids=(1, ids[5]))])[0]

    assert answer == Generation(ids[: ids.index(ids[5])], FinishReason.STOP)


def test_generate_logprobs_asked_for_gives_those_of_each_token(
    tiny_engine: Engine, tiny_folder: Path
) -> None:
    answer = tiny_engine.generate([replace(SAMPLED, logprobs=3)])[0]

    assert replace(answer, logprobs=()) == tiny_engine.generate([SAMPLED])[0]
    model = GPT2LMHeadModel.from_pretrained(tiny_folder)
    model.train(False)
    with torch.inference_mode():
        logits = model(input_ids=torch.tensor([PROMPT])).logits[0, -1]
    wanted = token_logprobs(fixed_point(logits), answer.ids[0], 3)
    assert answer.logprobs[0].logprob == pytest.approx(wanted.logprob, abs=2)
    assert [n for n, _ in answer.logprobs[0].top] == [n for n, _ in wanted.top]
    assert len(answer.logprobs) == len(answer.ids)


def test_fixed_point_any_logits_rounds_and_saturates() -> None:
    logits = torch.tensor([0.0, -1.5, 2**-17 + 2**-20, 1e30, -1e30])

    assert fixed_point(logits).tolist() == [0, -98_304, 1, MAX_REST, -MAX_REST]


def test_generate_one_malformed_request_computes_nothing(tiny_engine: Engine) -> None:
    with pytest.raises(InvalidPrompt, match=r"requests\[1\]\.prompt_ids\[0\]=257"):
        tiny_engine.generate([GREEDY, replace(GREEDY, prompt_ids=(257,))])


def test_generate_weights_overflow_raises(spoilt_folder: Path) -> None:
    path = spoilt_folder / "model.safetensors"
    tensors = load_file(path)
    tensors["transformer.ln_f.weight"].fill_(3e38)
    save_file(tensors, path)
    engine = load_float_engine(spoilt_folder, vocabulary=TINY_VOCABULARY)

    with pytest.raises(NumericsError, match="not finite"):
        engine.generate([GREEDY])


def test_generate_thread_count_changed_outside_is_set_again(
    tiny_folder: Path,
) -> None:
    engine = load_float_engine(tiny_folder, vocabulary=TINY_VOCABULARY, threads=2)
    torch.set_num_threads(1)

    engine.generate([replace(GREEDY, max_new_tokens=1)])

    assert torch.get_num_threads() == 2


def test_generate_in_other_processes_and_orders_gives_same_ids(
    tiny_engine: Engine, tiny_folder: Path
) -> None:
    size = len(TINY_VOCABULARY)
    batch = [GREEDY, SAMPLED, replace(SAMPLED, seed=9, prompt_ids=(1,) * 20)]
    here = [answer.ids for answer in tiny_engine.generate(batch)]

    forward = answers_of_other_process(tiny_folder, size, batch)
    backward = answers_of_other_process(tiny_folder, size, batch[::-1])

    assert forward == here
    assert backward == here[::-1]


def test_import_inference_loads_no_heavy_library() -> None:
    heavy = ("torch", "transformers", "safetensors", "huggingface_hub")
    program = f"import inference, sys; sys.exit(any(m in sys.modules for m in {heavy}))"

    done = subprocess.run(
        [sys.executable, "-c", program], cwd=Path(__file__).parents[4], check=False
    )

    assert done.returncode == 0
