"""From the bytes of a body to a call, or to an error that names the parameter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from gateway.completions.schemas import ChatCall, CompletionCall
from gateway.errors import CallRefused

__all__ = ["CALLS", "CHAT", "COMPLETIONS", "parse_body"]

COMPLETIONS = "/v1/completions"
CHAT = "/v1/chat/completions"

CALLS: Mapping[str, type[CompletionCall] | type[ChatCall]] = {
    COMPLETIONS: CompletionCall,
    CHAT: ChatCall,
}
"""Forms of calls by endpoint: those that a batch can hold."""

# Accepted at the one value that changes nothing; see `gateway.completions.schemas`.
_NEUTRAL_ONLY = frozenset(
    {
        "best_of",
        "frequency_penalty",
        "logit_bias",
        "presence_penalty",
        "response_format",
        "store",
        "suffix",
    }
)
_FORMS = {
    "prompt": "must be a text, a list of texts, a list of token ids or a list of such "
    "lists; none of them empty",
    "stop": "must be a text of 1 to 64 characters or a list of at most four such texts",
    "content": "must be a text or a list of text parts",
}
_MAX_NAME = 60

Call = TypeVar("Call", bound=BaseModel)


def parse_body(model: type[Call], body: bytes | str) -> Call:
    """Reads a body. What it holds is never quoted.

    Args:
        model: The form that it must have.
        body: JSON.

    Raises:
        CallRefused: It is not JSON or not of this form.
    """
    try:
        # Refuses deep nesting, where the standard library's parser would exhaust the
        # stack: web3 lifts Python's recursion limit.
        return model.model_validate_json(body)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False)
        raise _explain(faults[0]) from None


def _explain(fault: ErrorDetails) -> CallRefused:
    kind, where = fault["type"], fault["loc"]
    if kind == "json_invalid":
        return CallRefused("the body is not valid JSON", code="invalid_json")
    if not where:
        return CallRefused("the body must be a JSON object", code="invalid_type")
    name = str(where[0])[:_MAX_NAME]
    if kind == "extra_forbidden":
        path = _path(where)
        return CallRefused(
            f"the parameter {path!r} is not supported; leave it out",
            param=path,
            code="unsupported_parameter",
        )
    if name in _NEUTRAL_ONLY:
        return CallRefused(
            f"the parameter {name!r} is not supported beyond the value that changes "
            "nothing; leave it out",
            param=name,
            code="unsupported_parameter",
        )
    if kind == "missing":
        path = _path(where)
        return CallRefused(f"the parameter {path!r} is missing", param=path, code=kind)
    return _explain_value(fault, where)


def _explain_value(fault: ErrorDetails, where: tuple[int | str, ...]) -> CallRefused:
    form = next((_FORMS[str(s)] for s in where if str(s) in _FORMS), None)
    path = _path(where)
    # A union's alternatives show in the location; only our own names are told.
    if form is not None:
        name = next(str(step) for step in where if str(step) in _FORMS)
        path = _path(where[: where.index(name) + 1])
        return CallRefused(f"{path} {form}", param=path, code="invalid_value")
    message = fault["msg"].replace("Input", "it", 1)
    return CallRefused(f"{path} is wrong: {message}", param=path, code="invalid_value")


def _path(where: tuple[int | str, ...]) -> str:
    """Such as `messages.0.role`, in characters that any log and header bears."""
    path = ".".join(str(step) for step in where)[:_MAX_NAME]
    return path.encode("ascii", errors="backslashreplace").decode()
