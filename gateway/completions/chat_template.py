"""A model's chat template, applied to a conversation.

A package may hold `chat_template.jinja`, in the form of Hugging Face's templates. It
comes from strangers, so it runs in a sandbox, its size and its text's are capped, and
the text of a message can never become one of the model's special tokens.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from jinja2 import TemplateError, TemplateSyntaxError
from jinja2.exceptions import SecurityError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from gateway.completions.schemas import ChatMessage
from gateway.errors import CallRefused
from protocol.documents.tokenizer import TokenCodec

__all__ = [
    "MAX_TEMPLATE_BYTES",
    "TEMPLATE_FILE",
    "Conversation",
    "render_chat",
    "special_ids",
]

TEMPLATE_FILE = "chat_template.jinja"
MAX_TEMPLATE_BYTES = 64 * 1024
_MAX_TEXT = 1 << 20


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation as the model reads it.

    Attributes:
        text: The template's text.
        ids: Its tokens.
    """

    text: str
    ids: tuple[int, ...]


def special_ids(codec: TokenCodec) -> Mapping[str, int]:
    """The model's special tokens by their spelling: those written `<|…|>`."""
    found = {}
    for token_id, entry in enumerate(codec.vocabulary):
        if len(entry) > 4 and entry.startswith(b"<|") and entry.endswith(b"|>"):
            found[entry.decode("utf-8", errors="replace")] = token_id
    return found


def render_chat(
    template: str, messages: Sequence[ChatMessage], codec: TokenCodec
) -> Conversation:
    """Applies a template.

    Args:
        template: The model's template.
        messages: The conversation.
        codec: The model's tokenizer.

    Raises:
        CallRefused: The template refuses the conversation or is broken, a message holds
            a special token, or the text is too long.
    """
    specials = special_ids(codec)
    _refuse_specials(messages, specials)
    text = _render(template, messages, specials)
    ids: list[int] = []
    for part in _split(text, specials):
        ids += [specials[part]] if part in specials else codec.encode(part)
    if not ids:
        raise _refused("the model's template makes an empty text of these messages")
    return Conversation(text, tuple(ids))


def _refuse_specials(messages: Sequence[ChatMessage], specials: Iterable[str]) -> None:
    for message in messages:
        for token in specials:
            if token in message.text or token in (message.name or ""):
                raise _refused(
                    f"a message holds {token}, which commands the model; leave it out"
                )


def _render(
    template: str, messages: Sequence[ChatMessage], specials: Mapping[str, int]
) -> str:
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    environment.globals.clear()
    environment.globals["raise_exception"] = _raise
    end = "<|endoftext|>" if "<|endoftext|>" in specials else ""
    values: dict[str, Any] = {
        "messages": [
            {"role": message.role, "content": message.text}
            | ({"name": message.name} if message.name else {})
            for message in messages
        ],
        "add_generation_prompt": True,
        "bos_token": end,
        "eos_token": end,
    }
    parts, length = [], 0
    try:
        for part in environment.from_string(template).generate(values):
            length += len(part)
            if length > _MAX_TEXT:
                raise _refused(f"the conversation has over {_MAX_TEXT} characters")
            parts.append(part)
    except TemplateSyntaxError as error:
        raise _refused(
            f"the model's chat template is broken: {error.message}"
        ) from error
    except (TemplateError, SecurityError) as error:
        raise _refused(f"the model's chat template refuses: {error}") from error
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise _refused(
            f"the model's chat template fails: {type(error).__name__}"
        ) from error
    return "".join(parts)


def _raise(message: str) -> NoReturn:
    raise TemplateError(str(message)[:200])


def _split(text: str, specials: Iterable[str]) -> list[str]:
    """The text, cut around every special token."""
    parts = [text]
    for token in specials:
        cut: list[str] = []
        for part in parts:
            for place, piece in enumerate(part.split(token)):
                cut += [token] * (place > 0) + [piece]
        parts = cut
    return [part for part in parts if part]


def _refused(message: str) -> CallRefused:
    return CallRefused(message, param="messages", code="invalid_value")
