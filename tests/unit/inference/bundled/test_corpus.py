"""The corpus: its split, and running text made of hard-wrapped lines."""

import lzma
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.bundled.corpus import (
    normalise_chapters,
    read_corpus,
    split_corpus,
)

PROSE = "It was a fine day, and everybody said so at some length. " * 20


def test_normalise_chapters_wrapped_lines_become_one_line() -> None:
    text = f"{PROSE}\n\n  She was\n_quite_  sure\nof it.\n\n\nHe was not.\n"

    (chapter,) = normalise_chapters(text)

    assert chapter == f"{PROSE.strip()}\nShe was quite sure of it.\nHe was not."


@pytest.mark.parametrize(
    "heading",
    ["CHAPTER 1", "Chapter 12", "CHAPTER XIV", "VOLUME II", "THE END", "Finis", "EMMA"],
)
def test_normalise_chapters_heading_ends_chapter_and_goes(heading: str) -> None:
    chapters = normalise_chapters(f"{PROSE}\n\n{heading}\n\n{PROSE}")

    assert chapters == [PROSE.strip(), PROSE.strip()]


@pytest.mark.parametrize("paragraph", ['"YES!"', "Chapter 1 was read aloud.", "I."])
def test_normalise_chapters_prose_like_heading_stays(paragraph: str) -> None:
    chapters = normalise_chapters(f"{PROSE}\n\n{paragraph}\n\n{PROSE}")

    assert chapters == [f"{PROSE.strip()}\n{paragraph}\n{PROSE.strip()}"]


def test_normalise_chapters_front_matter_goes() -> None:
    text = f"EMMA\n\nA short notice.\n\nCHAPTER 1\n\n{PROSE}"

    assert normalise_chapters(text) == [PROSE.strip()]


@given(st.text(alphabet=" \n_abC.1", max_size=300))
def test_normalise_chapters_any_text_has_no_double_space(text: str) -> None:
    for chapter in normalise_chapters(text + PROSE):
        assert "  " not in chapter
        assert "\n\n" not in chapter
        assert "_" not in chapter


def test_split_corpus_cuts_at_nine_tenths_of_the_characters() -> None:
    text = "a" * 8999 + "b" + "c" * 1000

    parts = split_corpus(text)

    assert parts.train == ["a" * 8999 + "b"]
    assert parts.held_out == ["c" * 1000]


def test_read_corpus_bundled_file_is_the_six_novels() -> None:
    text = read_corpus()

    assert len(text) > 4_000_000
    for opening in ("The family of Dashwood", "It is a truth universally", "Emma Wood"):
        assert opening in text


def test_read_corpus_other_file_is_decoded(tmp_path: Path) -> None:
    path = tmp_path / "text.xz"
    path.write_bytes(lzma.compress("Ünïcode".encode()))

    assert read_corpus(path) == "Ünïcode"
