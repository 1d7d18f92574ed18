"""A prompt from a page to its verified answer."""

from __future__ import annotations

import json
import secrets
from typing import Annotated, Any

import anyio.to_thread
from fastapi import APIRouter, Form
from starlette.responses import RedirectResponse, Response

from gateway.accounts.keys import authenticate
from gateway.api.access import (
    CallsDep,
    CatalogueDep,
    DatabaseDep,
    SettingsDep,
)
from gateway.completions.answers import receipt_url
from gateway.completions.catalogue import Catalogue
from gateway.completions.parsing import COMPLETIONS
from gateway.errors import GatewayError, NothingFound
from gateway.explorer.page_route import PageRoute
from gateway.explorer.pages import PageDep, WebPage
from gateway.explorer.words import Tone
from gateway.jobs.calls import find_call
from gateway.jobs.tables import CallRow, CallState
from protocol.hexadecimal import to_hex

__all__ = ["router"]

router = APIRouter(route_class=PageRoute, include_in_schema=False)

_SEE_OTHER = 303
_EMPTY: dict[str, Any] = {
    "model": "",
    "prompt": "",
    "max_tokens": "32",
    "temperature": "0.8",
    "seed": "",
}
_PROGRESS = {
    CallState.QUEUED: Tone("waiting to be taken", "wait"),
    CallState.RESERVED: Tone("its price is set aside; a job is made of it", "wait"),
    CallState.POSTED: Tone("posted: its committee is at work", "wait"),
    CallState.ACCEPTED: Tone("verified by a quorum", "good"),
    CallState.SETTLED: Tone("verified and paid for", "good"),
    CallState.RELEASED: Tone("not taken, nothing was charged", "bad"),
    CallState.REFUNDED: Tone("ended without an answer, refunded", "bad"),
}


@router.get("/playground")
def ask(page: PageDep, catalogue: CatalogueDep) -> Response:
    """The form."""
    return _form(page, catalogue, _EMPTY)


@router.post("/playground")
async def take(
    page: PageDep,
    database: DatabaseDep,
    catalogue: CatalogueDep,
    calls: CallsDep,
    key: Annotated[str, Form(max_length=200)],
    model: Annotated[str, Form(max_length=200)],
    prompt: Annotated[str, Form(max_length=20_000)],
    once: Annotated[str, Form(pattern=r"^[0-9a-f]{32}$")],
    max_tokens: Annotated[str, Form(max_length=10)] = "32",
    temperature: Annotated[str, Form(max_length=20)] = "0.8",
    seed: Annotated[str, Form(max_length=20)] = "",
) -> Response:
    """Takes a prompt; the answer is on a page of its own."""
    given = {
        "model": model,
        "prompt": prompt,
        "max_tokens": max_tokens,
        "temperature": temperature,
        "seed": seed,
    }

    def admit() -> str:
        with database.reading() as session:
            caller = authenticate(session, key.strip())
        # The page sent twice is one call.
        return calls.open(caller.key_id, COMPLETIONS, _body(given), once).call_id

    try:
        call_id = await anyio.to_thread.run_sync(admit)
    except GatewayError as error:
        # What was written stays in the form, but for the key.
        return _form(page, catalogue, given, str(error), error.http_status)
    root = str(page.request.scope.get("root_path", "")).rstrip("/")
    return RedirectResponse(f"{root}/playground/{call_id}", _SEE_OTHER)


@router.get("/playground/{call_id}")
def asked(
    page: PageDep, database: DatabaseDep, settings: SettingsDep, call_id: str
) -> Response:
    """How a prompt is doing; whoever has the address may see it."""
    with database.reading() as session:
        row = find_call(session, call_id, with_texts=True)
        session.expunge_all()
    if row is None or row.endpoint != COMPLETIONS:
        raise NothingFound(f"there is no call {call_id[:80]}")
    return page.draw("asked.html", "playground", **_state(row, settings.base_url))


def _body(given: dict[str, str]) -> bytes:
    """The call that a form makes."""
    body: dict[str, Any] = {
        "model": given["model"],
        "prompt": given["prompt"].replace("\r\n", "\n"),
        "max_tokens": _number(given["max_tokens"]),
        "temperature": _number(given["temperature"]),
    }
    if given["seed"]:
        body["seed"] = _number(given["seed"])
    return json.dumps(body).encode()


def _number(text: str) -> int | float | str:
    """A number where it is one; what is none is refused by name like any call's."""
    try:
        return json.loads(text, parse_constant=str) if text else text
    except ValueError:
        return text


def _form(
    page: WebPage,
    catalogue: Catalogue,
    given: dict[str, Any],
    problem: str = "",
    status: int = 200,
) -> Response:
    return page.draw(
        "playground.html",
        "playground",
        shows_index=False,
        status=status,
        models=[one.name for one in catalogue.all()],
        given=given,
        problem=problem,
        once=secrets.token_hex(16),
    )


def _state(row: CallRow, base_url: str) -> dict[str, Any]:
    state = CallState(row.state)
    texts, receipt = [], None
    if state.has_answer and row.outputs is not None:
        texts = [output.text for output in row.outputs]
    if state is CallState.SETTLED and row.job_id and row.first_output is not None:
        outputs = range(row.first_output, row.first_output + row.prompt_count)
        receipt = receipt_url(base_url, row.job_id, outputs)
    return {
        "prompt": row.prompts[0].text if row.prompts else "",
        "progress": _PROGRESS[state],
        "fault": row.fault.message if row.fault else None,
        "job_id": to_hex(row.job_id) if row.job_id else None,
        "texts": texts,
        "receipt_url": receipt,
        "output": row.first_output,
        "is_over": state is CallState.SETTLED or state.is_refused,
    }
