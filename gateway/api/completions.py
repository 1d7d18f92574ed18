"""Endpoints of models, completions and chat: HTTP only."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any

import anyio.to_thread
from fastapi import APIRouter, Depends, Header
from fastapi.responses import JSONResponse
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message

from gateway.accounts.keys import ApiKey
from gateway.api.access import (
    Caller,
    CallsDep,
    CatalogueDep,
    MeteredCaller,
    SettingsDep,
    refuse_unknown_parameters,
)
from gateway.api.openapi import ERRORS, body_of
from gateway.completions.catalogue import Listed
from gateway.completions.delivery import CallerGone, Calls, Delivery
from gateway.completions.parsing import CHAT, COMPLETIONS
from gateway.completions.responses import ChatCompletion, Completion, Model, ModelList
from gateway.completions.schemas import ChatCall, CompletionCall
from gateway.envelope import GONE, answer_of
from gateway.settings import GatewaySettings
from protocol.errors import MarketError
from protocol.hexadecimal import to_hex

__all__ = ["router"]

router = APIRouter(
    tags=["OpenAI"],
    responses=ERRORS,
    dependencies=[Depends(refuse_unknown_parameters)],
)

IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=128,
        pattern=r"^[\x21-\x7e]+$",
        description="Names a call, so that repeating it costs nothing more.",
    ),
]


_STREAM = {"text/event-stream": {"schema": {"type": "string"}}}


@router.get("/v1/models")
def list_models(catalogue: CatalogueDep, key: Caller) -> ModelList:
    """Lists the models that can be called."""
    return ModelList(data=[_model(one) for one in catalogue.all()])


@router.get("/v1/models/{model:path}")
def show_model(model: str, catalogue: CatalogueDep, key: Caller) -> Model:
    """Shows a model."""
    return _model(catalogue.find(model))


@router.post(
    COMPLETIONS,
    response_model=Completion,
    responses={200: {"content": _STREAM}},
    openapi_extra=body_of(CompletionCall),
)
async def create_completion(
    request: Request,
    calls: CallsDep,
    settings: SettingsDep,
    key: MeteredCaller,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Continues one or several texts, verified by a quorum of workers.

    A stream begins when the answer is verified; until then it holds comments only.
    """
    taken = await _take(request, calls, key, COMPLETIONS, idempotency_key)
    return await _respond(request, taken, settings)


@router.post(
    CHAT,
    response_model=ChatCompletion,
    responses={200: {"content": _STREAM}},
    openapi_extra=body_of(ChatCall),
)
async def create_chat_completion(
    request: Request,
    calls: CallsDep,
    settings: SettingsDep,
    key: MeteredCaller,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Answers a conversation in the form of the model's chat template."""
    taken = await _take(request, calls, key, CHAT, idempotency_key)
    return await _respond(request, taken, settings)


async def _take(
    request: Request,
    calls: Calls,
    key: ApiKey,
    endpoint: str,
    idempotency_key: str | None,
) -> Delivery:
    body = await request.body()
    return await anyio.to_thread.run_sync(
        calls.open, key.key_id, endpoint, body, idempotency_key
    )


async def _respond(
    request: Request, delivery: Delivery, settings: GatewaySettings
) -> Response:
    if delivery.is_stream:
        return _stream(delivery, settings)
    try:
        answer = await delivery.whole(request)
    except CallerGone:
        return Response(status_code=GONE)
    headers = {
        "X-Assay-Job-Id": answer.assay.job_id,
        "X-Assay-Receipt-Url": answer.assay.receipt_url,
    }
    return JSONResponse(answer.model_dump(mode="json"), headers=headers)


def _stream(delivery: Delivery, settings: GatewaySettings) -> EventSourceResponse:
    async def hang_up(message: Message) -> None:
        # Before the stream has begun nothing else notices.
        await delivery.take_back()

    return EventSourceResponse(
        _events(delivery),
        ping=settings.keep_alive_seconds,
        ping_message_factory=lambda: ServerSentEvent(comment="waiting"),
        shutdown_grace_period=max(0, settings.shutdown_seconds - 1),
        client_close_handler_callable=hang_up,
        sep="\n",
    )


async def _events(delivery: Delivery) -> AsyncIterator[ServerSentEvent]:
    # The status is sent by now, so what goes wrong from here on is an event.
    comment = f"{delivery.call_id} is taken; its answer is being verified"
    yield ServerSentEvent(comment=comment)
    try:
        chunks = await delivery.chunks()
    except MarketError as error:
        yield ServerSentEvent(data=_fault(error))
        return
    for chunk in chunks:
        yield ServerSentEvent(data=chunk.model_dump_json())
    yield ServerSentEvent(data="[DONE]")


def _fault(error: MarketError) -> str:
    return bytes(answer_of(error).to_response().body).decode()


def _model(listed: Listed) -> Model:
    spec = listed.spec
    details: dict[str, Any] = {
        "model_id": to_hex(listed.model_id),
        "profile": spec.profile_name,
        "context_length": spec.context_length,
        "price_per_token": str(spec.base_price),
    }
    return Model(id=listed.name, created=listed.created_at, assay=details)
