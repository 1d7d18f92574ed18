"""The training corpus: reading it, splitting it, making running text of it.

The corpus is public-domain text with hard line wraps. The split into a training
part and a held-out part is made on the characters of the original text, before
anything else looks at it; each part is then normalised on its own.
"""

import lzma
import re
from dataclasses import dataclass
from pathlib import Path

CORPUS_PATH = Path(__file__).with_name("corpus.txt.xz")
"""The six novels of Jane Austen, xz-compressed UTF-8."""

TRAIN_PERCENT = 90
"""Share of the characters that training may see; the rest is held out."""

# A paragraph of only this opens a chapter or frames a book; none is prose.
_HEADING = re.compile(
    r"(?:chapter|volume)\s+[0-9ivxlc]+\.?|by jane austen|\(18\d\d\)|the end|finis",
    re.IGNORECASE,
)

# Shorter "chapters" are title pages and notices, not prose of the novels.
_MIN_CHAPTER_CHARS = 1000


@dataclass(frozen=True, slots=True)
class CorpusSplit:
    """The two parts of the corpus, each as a list of chapters.

    Attributes:
        train: Chapters of the first 90% of the characters.
        held_out: Chapters of the last 10%; never trained on.
    """

    train: list[str]
    held_out: list[str]


def read_corpus(path: Path = CORPUS_PATH) -> str:
    """Returns the whole corpus as one string.

    Args:
        path: An xz-compressed UTF-8 text file.
    """
    return lzma.decompress(path.read_bytes()).decode("utf-8")


def split_corpus(text: str) -> CorpusSplit:
    """Splits raw text by its characters, then normalises each part separately."""
    cut = len(text) * TRAIN_PERCENT // 100
    return CorpusSplit(
        train=normalise_chapters(text[:cut]),
        held_out=normalise_chapters(text[cut:]),
    )


def normalise_chapters(text: str) -> list[str]:
    """Turns hard-wrapped text into chapters of one line per paragraph.

    Line breaks inside a paragraph become spaces, runs of blanks one space, the
    underscores that mark italics go, and headings end a chapter and are dropped,
    as are front matter and notices (anything shorter than 1000 characters).

    Args:
        text: Raw text whose paragraphs are separated by empty lines.

    Returns:
        Chapters; paragraphs inside one are separated by a single line break.
    """
    chapters: list[str] = []
    paragraphs: list[str] = []
    for raw in re.split(r"\n\s*\n", text):
        paragraph = " ".join(raw.replace("_", "").split())
        if paragraph and not _is_heading(paragraph):
            paragraphs.append(paragraph)
        elif paragraph:
            chapters.append("\n".join(paragraphs))
            paragraphs = []
    chapters.append("\n".join(paragraphs))
    return [chapter for chapter in chapters if len(chapter) >= _MIN_CHAPTER_CHARS]


def _is_heading(paragraph: str) -> bool:
    if _HEADING.fullmatch(paragraph):
        return True
    # Book titles stand alone in capitals ("MANSFIELD PARK").
    return paragraph.isupper() and len(paragraph) < 40 and paragraph[-1].isalnum()
