"""Endpoints of models, completions and chat: HTTP only."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
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
    AdmissionDep,
    Caller,
    CatalogueDep,
    DeliveryDep,
    EngineDep,
    MeteredCaller,
    SettingsDep,
    refuse_unknown_parameters,
)
from gateway.api.openapi import ERRORS, body_of
from gateway.completions.admission import Admission
from gateway.completions.catalogue import Listed
from gateway.completions.delivery import CallerGone, Delivery
from gateway.completions.parsing import CHAT, COMPLETIONS
from gateway.completions.responses import ChatCompletion, Completion, Model, ModelList
from gateway.completions.schemas import ChatCall, CompletionCall
from gateway.envelope import GONE, answer_of
from gateway.jobs.loop import JobEngine
from gateway.settings import GatewaySettings
from protocol.errors import MarketError

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


@dataclass(frozen=True, slots=True)
class _CallParts:
    """What takes a call and answers it."""

    settings: GatewaySettings
    admission: Admission
    engine: JobEngine
    delivery: Delivery


def _parts(
    settings: SettingsDep,
    admission: AdmissionDep,
    engine: EngineDep,
    delivery: DeliveryDep,
) -> _CallParts:
    return _CallParts(settings, admission, engine, delivery)


_Calls = Annotated[_CallParts, Depends(_parts)]
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
    parts: _Calls,
    key: MeteredCaller,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Continues one or several texts, verified by a quorum of workers.

    A stream begins when the answer is verified; until then it holds comments only.
    """
    return await _respond(request, parts, key, COMPLETIONS, idempotency_key)


@router.post(
    CHAT,
    response_model=ChatCompletion,
    responses={200: {"content": _STREAM}},
    openapi_extra=body_of(ChatCall),
)
async def create_chat_completion(
    request: Request,
    parts: _Calls,
    key: MeteredCaller,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Answers a conversation in the form of the model's chat template."""
    return await _respond(request, parts, key, CHAT, idempotency_key)


async def _respond(
    request: Request,
    parts: _CallParts,
    key: ApiKey,
    endpoint: str,
    idempotency_key: str | None,
) -> Response:
    body = await request.body()
    call_id, call = await anyio.to_thread.run_sync(
        parts.admission.admit, key.key_id, endpoint, body, idempotency_key
    )
    parts.engine.notice()
    if call.stream:
        return _stream(parts, call_id)
    try:
        row = await parts.delivery.wait(call_id, request)
    except CallerGone:
        return Response(status_code=GONE)
    answer = await anyio.to_thread.run_sync(parts.delivery.answer, row)
    headers = {
        "X-Assay-Job-Id": answer.assay.job_id,
        "X-Assay-Receipt-Url": answer.assay.receipt_url,
    }
    return JSONResponse(answer.model_dump(mode="json"), headers=headers)


def _stream(parts: _CallParts, call_id: str) -> EventSourceResponse:
    settings = parts.settings

    async def hang_up(message: Message) -> None:
        # Before the stream has begun nothing else notices.
        await parts.delivery.take_back(call_id)

    return EventSourceResponse(
        _events(parts, call_id),
        ping=settings.keep_alive_seconds,
        ping_message_factory=lambda: ServerSentEvent(comment="waiting"),
        shutdown_grace_period=max(0, settings.shutdown_seconds - 1),
        client_close_handler_callable=hang_up,
        sep="\n",
    )


async def _events(parts: _CallParts, call_id: str) -> AsyncIterator[ServerSentEvent]:
    # The status is sent by now, so what goes wrong from here on is an event.
    yield ServerSentEvent(comment=f"{call_id} is taken; its answer is being verified")
    try:
        row = await parts.delivery.wait(call_id)
        chunks = await anyio.to_thread.run_sync(parts.delivery.chunks, row)
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
    told: dict[str, Any] = {
        "model_id": "0x" + listed.model_id.hex(),
        "profile": spec.profile_name,
        "context_length": spec.context_length,
        "price_per_token": str(spec.base_price),
    }
    return Model(id=listed.name, created=listed.created_at, assay=told)
