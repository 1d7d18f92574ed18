"""Where the parts of a canonical document lie in its bytes, found without parsing it.

A document comes from a stranger and may have 64 MiB. Parsers build trees many times as
large, and reports of a million faults, before anything can be refused. So the bytes are
first cut into prompts or outputs by their shape alone: keys in their order, numbers of
at most 20 digits, strings. What does not have the shape cannot be canonical, and what
has it is parsed part by part. Every pattern is possessive: it runs once over the bytes
and keeps nothing to come back to.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["OUTPUTS", "PROMPTS", "DocumentReader", "Layout", "ShapeError"]

_NUMBER = r"(?>-?[0-9]{1,20})"
_TEXT = r'(?>"[^"\\]*+(?:\\.[^"\\]*+)*+")'
_HEX_WORD = r'(?>"0x[0-9a-f]{64}")'


def _listed(item: str) -> str:
    return rf"(?>\[(?:{item}(?:,{item})*+)?+\])"


def _pattern(text: str) -> re.Pattern[bytes]:
    # Strings may hold any byte here: what is read is parsed afterwards.
    return re.compile(text.encode("ascii"), re.DOTALL)


class ShapeError(ValueError):
    """The bytes have another shape than a canonical document.

    Attributes:
        position: Offset of the first byte that could not be read.
    """

    def __init__(self, position: int) -> None:
        """Keep where it was noticed."""
        super().__init__(f"not the shape of this document at byte {position}")
        self.position = position


@dataclass(frozen=True, slots=True)
class Layout:
    """The shape of one kind of document.

    Attributes:
        head: All before the first part.
        part: One part; its group `ids` is the list of token ids.
        tail: All after the last part.
    """

    head: re.Pattern[bytes]
    part: re.Pattern[bytes]
    tail: re.Pattern[bytes]


PROMPTS = Layout(
    head=_pattern(rf'\{{"modelId":(?P<modelId>{_HEX_WORD}),"prompts":\['),
    part=_pattern(
        rf'\{{"ids":(?P<ids>{_listed(_NUMBER)}),"logprobs":{_NUMBER},'
        rf'"maxNewTokens":{_NUMBER},"seed":{_NUMBER},"stop":{_listed(_TEXT)},'
        rf'"stopIds":{_listed(_NUMBER)},"temperature":{_NUMBER},"text":{_TEXT},'
        rf'"topK":{_NUMBER},"topP":{_NUMBER}\}}'
    ),
    tail=_pattern(r'\],"version":1\}'),
)
OUTPUTS = Layout(
    head=_pattern(rf'\{{"modelId":(?P<modelId>{_HEX_WORD}),"outputs":\['),
    part=_pattern(
        rf'\{{"finish":{_TEXT},"ids":(?P<ids>{_listed(_NUMBER)}),'
        rf'"logprobs":{_listed(_listed(_listed(_NUMBER)))},"text":{_TEXT}\}}'
    ),
    tail=_pattern(rf'\],"promptsDigest":(?P<promptsDigest>{_HEX_WORD}),"version":1\}}'),
)


class DocumentReader:
    """Goes over a document's bytes once, part by part.

    Attributes:
        fields: The strings before and after the parts, by key; those after them once
            `parts` has come to its end.
        id_count: Token ids in the parts so far.
    """

    def __init__(self, data: bytes, layout: Layout) -> None:
        """Begin to read; nothing is copied."""
        self.fields: dict[str, str] = {}
        self.id_count = 0
        self._data = data
        self._layout = layout

    def parts(self) -> Iterator[bytes]:
        """Cuts the document.

        Yields:
            The bytes of one part after the other; `id_count` counts the part's ids
            before anybody has to parse them.

        Raises:
            ShapeError: The bytes have another shape.
        """
        at = self._take(self._layout.head, 0)
        is_first = True
        while is_first or self._data.startswith(b",", at):
            start = at if is_first else at + 1
            found = self._layout.part.match(self._data, start)
            if found is None:
                raise ShapeError(start)
            first, end = found.span("ids")
            if end - first > len("[]"):
                self.id_count += self._data.count(b",", first, end) + 1
            at, is_first = found.end(), False
            yield self._data[start:at]
        end = self._take(self._layout.tail, at)
        if end != len(self._data):
            raise ShapeError(end)

    def _take(self, pattern: re.Pattern[bytes], at: int) -> int:
        found = pattern.match(self._data, at)
        if found is None:
            raise ShapeError(at)
        for key, value in found.groupdict().items():
            self.fields[key] = value.decode("ascii").strip('"')
        return found.end()
