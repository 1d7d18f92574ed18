"""Text to token ids and back, by one written rule.

A token id stands for a byte string: that of its entry in the byte-level BPE
vocabulary of the model package's `tokenizer.json`; added tokens such as
`<|endoftext|>` stand for the UTF-8 of their own spelling. The text of a list of
ids is the concatenation of their byte strings, decoded as UTF-8 where each maximal
subpart of an ill-formed sequence becomes one U+FFFD (Unicode Standard, section
3.9, "U+FFFD Substitution of Maximal Subparts"). Stop strings cut the bytes before
they are decoded, so every worker cuts at the same place.

Only the requester's side encodes: no result depends on a tokenizer's code.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final, Self

from pydantic_core import from_json
from tokenizers import Tokenizer

from protocol.errors import BadTokenizer

MAX_TOKENIZER_BYTES: Final = 32 * 2**20
"""Largest `tokenizer.json` that is read."""

_REMEDY: Final = "use the tokenizer.json of a GPT-2 model package"


class TokenCodec:
    """Encodes text and decodes ids with the tokenizer of one model package."""

    def __init__(self, tokenizer: Tokenizer, vocabulary: tuple[bytes, ...]) -> None:
        """Use `from_bytes`, which checks that the two belong together."""
        self._tokenizer = tokenizer
        self._vocabulary = vocabulary

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Reads a `tokenizer.json`.

        Padding and truncation that the file may ask for are switched off.

        Args:
            data: The file's bytes, at most 32 MiB.

        Raises:
            BadTokenizer: The file is too large, not valid, not a byte-level BPE,
                or its ids are not 0 to n - 1.
        """
        if len(data) > MAX_TOKENIZER_BYTES:
            raise BadTokenizer(
                f"tokenizer.json has {len(data)} bytes, more than "
                f"{MAX_TOKENIZER_BYTES}; {_REMEDY}"
            )
        vocabulary = _read_vocabulary(_parse_json(data))
        try:
            tokenizer = Tokenizer.from_buffer(data)
        # The library raises bare Exception for everything it dislikes.
        except Exception as error:
            raise BadTokenizer(
                f"tokenizer.json is not valid: {error}; {_REMEDY}"
            ) from error
        tokenizer.no_padding()
        tokenizer.no_truncation()
        # A prompt is data: "<|endoftext|>" typed by a person is not the token.
        tokenizer.encode_special_tokens = True
        return cls(tokenizer, vocabulary)

    @property
    def vocabulary(self) -> tuple[bytes, ...]:
        """The byte string of every token id."""
        return self._vocabulary

    def encode(self, text: str) -> tuple[int, ...]:
        """Returns the token ids of a text; none for the empty text.

        Special tokens spelled out in the text are encoded as ordinary text.

        Raises:
            BadTokenizer: The text has a lone surrogate, so no UTF-8.
        """
        _utf8(text, "text")
        return tuple(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def to_bytes(self, ids: Iterable[int]) -> bytes:
        """Returns the concatenated byte strings of token ids.

        Raises:
            BadTokenizer: An id is not of this vocabulary.
        """
        return b"".join(self._token_bytes(token_id) for token_id in ids)

    def decode(self, ids: Iterable[int]) -> str:
        """Returns the text of token ids by the rule of this module.

        Raises:
            BadTokenizer: An id is not of this vocabulary.
        """
        return self.to_bytes(ids).decode("utf-8", errors="replace")

    def decode_until(self, ids: Iterable[int], stop: Sequence[str]) -> str:
        """Returns the text of token ids, cut before the first stop string.

        Args:
            ids: Generated ids.
            stop: Stop strings; of several found, the earliest one cuts.

        Raises:
            BadTokenizer: An id is not of this vocabulary, or a stop string is
                empty or has a lone surrogate.
        """
        data = self.to_bytes(ids)
        cuts = [len(data)]
        for place, string in enumerate(stop):
            if not string:
                raise BadTokenizer(
                    f"stop[{place}]='': empty; give a string of at least one character"
                )
            found = data.find(_utf8(string, f"stop[{place}]"))
            if found >= 0:
                cuts.append(found)
        return data[: min(cuts)].decode("utf-8", errors="replace")

    def _token_bytes(self, token_id: int) -> bytes:
        if not 0 <= token_id < len(self._vocabulary):
            raise BadTokenizer(
                f"token id {token_id} is not of this vocabulary "
                f"(0 to {len(self._vocabulary) - 1}); use ids of the same model"
            )
        return self._vocabulary[token_id]


def byte_alphabet() -> dict[str, int]:
    """Returns the byte that each character of a byte-level vocabulary stands for.

    GPT-2's mapping: printable Latin-1 characters stand for their own byte, the
    other 68 bytes, in rising order, for U+0100 onwards.
    """
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    alphabet = {chr(byte): byte for byte in printable}
    others = (byte for byte in range(256) if byte not in printable)
    alphabet.update((chr(0x100 + n), byte) for n, byte in enumerate(others))
    return alphabet


def _parse_json(data: bytes) -> dict[str, Any]:
    try:
        # Refuses deep nesting; the standard library's parser can exhaust the stack.
        value = from_json(data)
    except ValueError as error:
        raise BadTokenizer(
            f"tokenizer.json is not valid JSON: {error}; {_REMEDY}"
        ) from error
    if not isinstance(value, dict):
        raise BadTokenizer(f"tokenizer.json is not a JSON object; {_REMEDY}")
    return value


def _read_vocabulary(tokenizer: dict[str, Any]) -> tuple[bytes, ...]:
    if not _is_byte_level(tokenizer):
        raise BadTokenizer(f"tokenizer.json is not a byte-level BPE; {_REMEDY}")
    try:
        added = {t["id"]: str(t["content"]) for t in tokenizer["added_tokens"]}
        spellings = {i: str(t) for t, i in tokenizer["model"]["vocab"].items()}
    except (KeyError, TypeError, AttributeError) as error:
        raise BadTokenizer(
            f"tokenizer.json has no readable vocabulary: {error!r}; {_REMEDY}"
        ) from error
    ids = spellings.keys() | added.keys()
    if not ids or ids != set(range(len(ids))):
        raise BadTokenizer(
            f"the {len(ids)} token ids of tokenizer.json are not 0 to n - 1; {_REMEDY}"
        )
    alphabet = byte_alphabet()
    return tuple(
        _utf8(added[i], "added token") if i in added else _spelt(spellings[i], alphabet)
        for i in range(len(ids))
    )


def _is_byte_level(tokenizer: dict[str, Any]) -> bool:
    """Whether vocabulary entries are spelled in the byte alphabet."""
    model, decoder = tokenizer.get("model"), tokenizer.get("decoder")
    if not isinstance(model, dict) or not isinstance(decoder, dict):
        return False
    # Files of older library versions leave out the model's type.
    return model.get("type", "BPE") == "BPE" and decoder.get("type") == "ByteLevel"


def _spelt(spelling: str, alphabet: dict[str, int]) -> bytes:
    try:
        return bytes(alphabet[character] for character in spelling)
    except KeyError as error:
        raise BadTokenizer(
            f"token {spelling!r} of tokenizer.json has a character outside the byte "
            f"alphabet; {_REMEDY}"
        ) from error


def _utf8(text: str, field: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise BadTokenizer(
            f"{field} has a lone surrogate at character {error.start}; "
            "give well-formed Unicode text"
        ) from error
