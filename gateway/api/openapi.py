"""The OpenAPI document: what FastAPI finds, and the bodies that we parse ourselves."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from gateway.batches.schemas import BatchCall
from gateway.completions.responses import ErrorEnvelope
from gateway.completions.schemas import ChatCall, CompletionCall

__all__ = ["ERRORS", "body_of", "describe"]

_REF = "#/components/schemas/{model}"
_MODELS = (BatchCall, ChatCall, CompletionCall)

ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorEnvelope, "description": text}
    for status, text in {
        400: "The call is wrong.",
        401: "No API key, or an unknown or revoked one.",
        402: "The budget does not hold what the call may cost.",
        404: "No such model, file or batch.",
        408: "The body did not arrive in time.",
        409: "The idempotency key was used for another call.",
        413: "The body is too large.",
        429: "Too many calls; see Retry-After.",
        502: "The job ended without an answer; nothing was charged.",
        503: "Chain, content store or database do not answer; see Retry-After.",
        504: "No answer in time; the call goes on.",
    }.items()
}
"""Answers that any endpoint of the API may give."""


def body_of(model: type[CompletionCall | ChatCall | BatchCall]) -> dict[str, Any]:
    """How an endpoint says which body it parses."""
    schema = {"$ref": _REF.format(model=model.__name__)}
    content = {"application/json": {"schema": schema}}
    return {"requestBody": {"required": True, "content": content}}


def describe(app: FastAPI) -> dict[str, Any]:
    """The document; made once."""
    if app.openapi_schema:
        return app.openapi_schema
    document = get_openapi(
        title=app.title,
        version=app.version,
        description=app.description,
        routes=app.routes,
    )
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    inputs = [(model, "validation") for model in _MODELS]
    _, definitions = models_json_schema(inputs, ref_template=_REF)  # type: ignore[arg-type]
    schemas.update(definitions["$defs"])
    _drop_unused(document, schemas)
    app.openapi_schema = document
    return document


def _drop_unused(document: dict[str, Any], schemas: dict[str, Any]) -> None:
    """FastAPI's own form of wrong parameters: ours are 400 in the usual envelope."""
    for path in document["paths"].values():
        for operation in path.values():
            operation["responses"].pop("422", None)
    schemas.pop("HTTPValidationError", None)
    schemas.pop("ValidationError", None)
