"""Zero-shot framings of prompts, as in the GPT-2 paper (Radford et al., 2019, §3).

A model that was only trained to continue text is made to do a task by the text that
stands before: "TL;DR:" makes it summarise, pairs of sentences make it translate,
questions with answers make it answer.
"""

from __future__ import annotations

from enum import StrEnum

from protocol.documents.prompts import GREEDY, MILLION
from requester.prompts.decoding import Decoding

__all__ = ["Task", "decoding_of", "frame"]


class Task(StrEnum):
    """What is to be done with a prompt."""

    COMPLETE = "complete"
    SUMMARIZE = "summarize"
    TRANSLATE = "translate"
    ANSWER = "answer"


# The paper: top-k 2 and 100 tokens for summaries, greedy decoding for translations
# and answers; 40 candidates for the samples of its appendix. A line ends a translation
# or an answer, because the next line would be the next example.
_DECODING = {
    Task.COMPLETE: Decoding(48, temperature=800_000, top_k=40, stop=()),
    Task.SUMMARIZE: Decoding(100, temperature=1_000_000, top_k=2, stop=()),
    Task.TRANSLATE: Decoding(48, temperature=GREEDY, top_k=0, stop=("\n",)),
    Task.ANSWER: Decoding(32, temperature=GREEDY, top_k=0, stop=("\n",)),
}

_PAIRS = (
    ("good morning.", "bonjour."),
    ("thank you very much.", "merci beaucoup."),
    ("where is the station?", "où est la gare ?"),
    ("i do not understand.", "je ne comprends pas."),
)
_QUESTIONS = (
    ("What is the capital of France?", "Paris"),
    ("How many days are there in a week?", "seven"),
    ("Who wrote the play Hamlet?", "William Shakespeare"),
)


def decoding_of(task: Task) -> Decoding:
    """A task's default decoding parameters, all of them."""
    return _DECODING[task].over(Decoding(top_p=MILLION, seed=0))


def frame(task: Task, text: str) -> str:
    """Puts a prompt into the form that makes the model do the task.

    Args:
        task: The task.
        text: The text to continue, the article to summarise, the English sentence to
            translate, or the question. A question's last line is the question itself;
            lines before it are the passage that it is about.

    Returns:
        The text that is tokenised.
    """
    match task:
        case Task.COMPLETE:
            return text
        case Task.SUMMARIZE:
            return f"{text.rstrip()}\nTL;DR:"
        case Task.TRANSLATE:
            pairs = "".join(f"{english} = {french}\n" for english, french in _PAIRS)
            return f"{pairs}{' '.join(text.split())} ="
        case Task.ANSWER:
            return _frame_question(text)


def _frame_question(text: str) -> str:
    passage, _, question = text.strip().rpartition("\n")
    if passage:
        context = passage.rstrip() + "\n\n"
    else:
        context = "".join(f"Q: {asked}\nA: {answer}\n" for asked, answer in _QUESTIONS)
    return f"{context}Q: {question.strip()}\nA:"
