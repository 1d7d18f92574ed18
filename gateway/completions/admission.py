"""Letting calls in: what they ask, what they may cost, their money set aside."""

from __future__ import annotations

import hashlib
import secrets

from sqlalchemy.exc import IntegrityError

from gateway.accounts.rate_limits import take_call
from gateway.completions.catalogue import Catalogue
from gateway.completions.chat_template import (
    MAX_TEMPLATE_BYTES,
    TEMPLATE_FILE,
    render_chat,
)
from gateway.completions.parsing import CALLS, parse_body
from gateway.completions.schemas import ChatCall, CompletionCall
from gateway.completions.translating import (
    answer_form,
    chat_prompts,
    completion_prompts,
    draw_seed,
)
from gateway.database.engine import Database
from gateway.errors import CallRefused, GatewayError
from gateway.jobs import calls as records
from gateway.jobs.calls import NewCall
from gateway.jobs.market_access import MarketAccess
from gateway.jobs.terms import Ask, JobTerms
from gateway.settings import GatewaySettings
from protocol.documents.prompts import Prompt
from protocol.errors import BadTokenizer, RequestError
from protocol.host.crash_points import crash_point
from protocol.market.types import ModelId

__all__ = ["Admission", "new_call_id"]


def new_call_id(call: CompletionCall | ChatCall) -> str:
    """An id that nobody can guess, in OpenAI's form."""
    prefix = "chatcmpl-" if isinstance(call, ChatCall) else "cmpl-"
    return prefix + secrets.token_hex(12)


class Admission:
    """Lets calls in for one replica."""

    def __init__(
        self,
        database: Database,
        access: MarketAccess,
        catalogue: Catalogue,
        settings: GatewaySettings,
        *,
        replica: str,
    ) -> None:
        """Join the parts."""
        self._database = database
        self._access = access
        self._catalogue = catalogue
        self._settings = settings
        self._replica = replica

    def admit(
        self, key_id: str, endpoint: str, body: bytes, idempotency_key: str | None
    ) -> tuple[str, CompletionCall | ChatCall]:
        """Reads and checks a call, sets its money aside and writes it down.

        Args:
            key_id: Who calls.
            endpoint: The call's path.
            body: The call.
            idempotency_key: The caller's name for it, if it gave one.

        Returns:
            Its id, that of an earlier call if the idempotency key names one, and the
            call.

        Raises:
            GatewayError: It is not let in; nothing is charged.
            StoreError: The model's tokenizer cannot be had.
            ChainError: The chain cannot be read.
            DatabaseError: The database is down.
        """
        try:
            call = parse_body(CALLS[endpoint], body)
            digest = hashlib.sha256(endpoint.encode() + b"\n" + body).hexdigest()
            earlier = self._earlier(key_id, idempotency_key, digest)
            if earlier is not None:
                return earlier, call
            ask = self.ask(call)
        except GatewayError:
            # Not written down, but counted.
            self._database.write(lambda session: take_call(session, key_id))
            raise
        new = NewCall(
            call_id=new_call_id(call),
            key_id=key_id,
            endpoint=endpoint,
            body_hash=digest,
            idempotency_key=idempotency_key,
        )
        call_id = self._reserve(new, ask)
        crash_point("gateway.reserved")
        return call_id, call

    def _earlier(
        self, key_id: str, idempotency_key: str | None, digest: str
    ) -> str | None:
        if idempotency_key is None:
            return None
        with self._database.reading() as session:
            row = records.earlier_call(session, key_id, idempotency_key, digest)
            return None if row is None else row.call_id

    def ask(self, call: CompletionCall | ChatCall) -> Ask:
        """What a call asks of the market, checked and priced; see `admit`."""
        terms = self._terms(call, self._catalogue.resolve(call.model))
        try:
            prompts = self._prompts(call, terms.model_id)
            self._check_fit(call, prompts, terms.model_id)
            cost = self._access.estimate(terms, prompts)
        except (BadTokenizer, RequestError) as error:
            raise _refused(call, str(error), "invalid_value") from error
        return Ask(terms, tuple(prompts), answer_form(call), cost)

    def _reserve(self, new: NewCall, ask: Ask) -> str:
        try:
            return self._database.write(
                lambda s: records.reserve_call(s, new, ask, self._replica)
            )
        except IntegrityError:
            # The same idempotency key came twice in the same moment.
            return self._database.write(
                lambda s: records.reserve_call(s, new, ask, self._replica)
            )

    def _terms(self, call: CompletionCall | ChatCall, model_id: ModelId) -> JobTerms:
        options, settings = call.options, self._settings
        redundancy = options.redundancy or settings.redundancy
        if redundancy < settings.min_redundancy:
            raise CallRefused(
                f"assay.redundancy is {redundancy}; this gateway has calls run by "
                f"{settings.min_redundancy} workers at least",
                param="assay.redundancy",
                code="invalid_value",
            )
        tick = settings.tick if options.tick is None else options.tick
        return JobTerms(model_id, tick, redundancy, options.rounds or settings.rounds)

    def _prompts(
        self, call: CompletionCall | ChatCall, model_id: ModelId
    ) -> list[Prompt]:
        codec, seed = self._access.codec_of(model_id), draw_seed()
        if isinstance(call, CompletionCall):
            self._check_count(call, _texts(call) * call.choices)
            return completion_prompts(call, codec, seed)
        self._check_count(call, call.choices)
        rendered = render_chat(self._template(call, model_id), call.messages, codec)
        room = self._access.spec_of(model_id).context_length - len(rendered.ids)
        return chat_prompts(call, rendered.text, rendered.ids, room, seed)

    def _check_fit(
        self, call: CompletionCall | ChatCall, prompts: list[Prompt], model_id: ModelId
    ) -> None:
        spec = self._access.spec_of(model_id)
        for number, prompt in enumerate(prompts, start=1):
            misfit = prompt.misfit(spec)
            if misfit is not None:
                is_long = prompt.max_tokens > spec.context_length
                code = "context_length_exceeded" if is_long else "invalid_value"
                raise _refused(call, f"prompt {number}: it {misfit}", code)

    def _check_count(self, call: CompletionCall | ChatCall, count: int) -> None:
        max_count = min(
            self._settings.max_prompts_per_call, self._settings.max_prompts_per_job
        )
        if count > max_count:
            raise CallRefused(
                f"the call asks for {count} outputs (texts times n); at most "
                f"{max_count} are possible: make several calls, or a batch",
                param="n" if call.choices > 1 else "prompt",
                code="invalid_value",
            )

    def _template(self, call: ChatCall, model_id: ModelId) -> str:
        data = self._access.package_file(model_id, TEMPLATE_FILE, MAX_TEMPLATE_BYTES)
        if data is None:
            raise CallRefused(
                f"the model {call.model!r} has no chat template, so it cannot chat; "
                "send its text to /v1/completions",
                param="model",
                code="unsupported_model",
            )
        return data.decode("utf-8", errors="replace")


def _refused(call: CompletionCall | ChatCall, text: str, code: str) -> CallRefused:
    param = "messages" if isinstance(call, ChatCall) else "prompt"
    return CallRefused(text, param=param, code=code)


def _texts(call: CompletionCall) -> int:
    prompt = call.prompt
    if isinstance(prompt, str) or isinstance(prompt[0], int):
        return 1
    return len(prompt)
