from __future__ import annotations

import pytest

from requester.prompts.tasks import Task, decoding_of, frame


def test_frame_complete_leaves_the_text_alone() -> None:
    assert frame(Task.COMPLETE, "  It is a truth ") == "  It is a truth "


def test_frame_summarize_ends_with_the_papers_hint() -> None:
    assert frame(Task.SUMMARIZE, "A long story.\n\n") == "A long story.\nTL;DR:"


def test_frame_translate_puts_the_sentence_last() -> None:
    framed = frame(Task.TRANSLATE, "i am\n tired.")
    *pairs, last = framed.split("\n")
    assert last == "i am tired. ="
    assert len(pairs) >= 2
    assert all(pair.count(" = ") == 1 for pair in pairs)


def test_frame_answer_without_a_passage_gives_examples() -> None:
    framed = frame(Task.ANSWER, "Who was Emma?")
    assert framed.endswith("\nQ: Who was Emma?\nA:")
    assert framed.startswith("Q: ")
    assert framed.count("Q: ") == framed.count("\nA:") > 1


def test_frame_answer_with_a_passage_asks_about_it() -> None:
    framed = frame(Task.ANSWER, "Emma was rich.\nShe was clever.\n\nWho was rich?\n")
    assert framed == "Emma was rich.\nShe was clever.\n\nQ: Who was rich?\nA:"


@pytest.mark.parametrize("task", list(Task))
def test_decoding_of_leaves_nothing_unsaid(task: Task) -> None:
    decoding = decoding_of(task)
    assert None not in (
        decoding.max_new_tokens,
        decoding.temperature,
        decoding.top_k,
        decoding.top_p,
        decoding.seed,
        decoding.stop,
    )


@pytest.mark.parametrize("task", [Task.TRANSLATE, Task.ANSWER])
def test_decoding_of_a_one_line_task_is_greedy_and_stops_at_the_line(
    task: Task,
) -> None:
    assert decoding_of(task).temperature == 0
    assert decoding_of(task).stop == ("\n",)
