"""From prompts to jobs: how a batch is split and what it costs; nothing is paid."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from protocol.documents.tokenizer import TokenCodec
from protocol.errors import BadTokenizer, RequestError
from protocol.market.prices import max_job_tokens, price_of
from requester.batches.records import BatchOptions, Chunk
from requester.jobs.drafts import DraftMarket, check_terms, price_job
from requester.prompts.files import PromptRow, RowFault
from requester.prompts.tasks import decoding_of
from requester.prompts.tokenising import tokenise

__all__ = ["BatchEstimate", "PlannedChunk", "max_tokens", "plan_chunks"]

_SHOWN_LINES = 20
_MAX_FAULTS = 1_000


@dataclass(frozen=True, slots=True)
class PlannedChunk:
    """A chunk and its prompts, each with the seed and token ids that it will have."""

    chunk: Chunk
    rows: tuple[PromptRow, ...]


@dataclass(frozen=True, slots=True)
class BatchEstimate:
    """What a batch locks and can cost, units of the escrow token.

    Attributes:
        prompts: Prompts.
        jobs: Jobs that they are split into.
        prompt_tokens: Tokens of the prompts themselves.
        max_tokens: Tokens of prompts and answers at most.
        max_cost: Cost if every token is generated: the sum of all escrows.
        min_cost: Cost if nothing is.
        largest_escrow: What the dearest job locks.
    """

    prompts: int = 0
    jobs: int = 0
    prompt_tokens: int = 0
    max_tokens: int = 0
    max_cost: int = 0
    min_cost: int = 0
    largest_escrow: int = 0

    def plus(self, chunk: Chunk) -> BatchEstimate:
        """The estimate with one more job."""
        return BatchEstimate(
            prompts=self.prompts + chunk.row_count,
            jobs=self.jobs + 1,
            prompt_tokens=self.prompt_tokens + chunk.prompt_tokens,
            max_tokens=self.max_tokens + chunk.max_tokens,
            max_cost=self.max_cost + chunk.escrow,
            min_cost=self.min_cost + chunk.min_cost,
            largest_escrow=max(self.largest_escrow, chunk.escrow),
        )


def max_tokens(market: DraftMarket, options: BatchOptions) -> int:
    """Most tokens of one job: a seat must not earn more than its bond.

    Raises:
        RequestError: Not even one token would do.
    """
    config = market.config
    price = price_of(market.spec, options.terms.tick)
    limit = max_job_tokens(config, price)
    if limit < 1:
        raise RequestError(
            f"at tick {options.terms.tick} a single token costs more than a seat's "
            f"bond of {config.seat_bond} units, so lying could pay; lower the tick"
        )
    chosen = options.terms.max_job_tokens
    if chosen is not None and chosen < 1:
        raise RequestError(f"max_job_tokens is {chosen}; give 1 or more")
    return min(limit, chosen or limit)


def plan_chunks(
    rows: Iterable[PromptRow | RowFault],
    *,
    source: str,
    options: BatchOptions,
    market: DraftMarket,
    codec: TokenCodec,
) -> Iterator[PlannedChunk]:
    """Splits prompts into jobs, in their order.

    Args:
        rows: The prompts as they were read.
        source: What errors call them: the file's name.
        options: The batch's options.
        market: What the chain says.
        codec: The model's tokenizer.

    Yields:
        The chunks.

    Raises:
        RequestError: No job could be posted on these terms, or some rows are wrong:
            every one's line is named, and the reason of the first.
    """
    check_terms(options.terms, market)
    planner = _Planner(source, options, market, codec, max_tokens(market, options))
    yield from planner.chunks(rows)


class _Planner:
    def __init__(
        self,
        source: str,
        options: BatchOptions,
        market: DraftMarket,
        codec: TokenCodec,
        limit: int,
    ) -> None:
        self._source = source
        self._options = options
        self._decoding = options.decoding.over(decoding_of(options.task))
        self._market = market
        self._codec = codec
        self._limit = limit
        self._faults: list[RowFault] = []
        self._next_row = 0
        self._next_chunk = 0

    def chunks(self, rows: Iterable[PromptRow | RowFault]) -> Iterator[PlannedChunk]:
        held: list[tuple[PromptRow, int, int]] = []
        tokens = 0
        for index, row in enumerate(rows):
            checked = row if isinstance(row, RowFault) else self._check(index, row)
            if isinstance(checked, RowFault):
                self._note(checked)
                continue
            is_full = len(held) == self._options.job_size
            if held and (is_full or tokens + checked[2] > self._limit):
                yield self._close(held)
                held, tokens = [], 0
            held.append(checked)
            tokens += checked[2]
        self._raise_faults()
        if not held:
            raise RequestError("there are no prompts; give at least one")
        yield self._close(held)

    def _check(
        self, index: int, row: PromptRow
    ) -> tuple[PromptRow, int, int] | RowFault:
        """The row with its seed and ids, its prompt tokens and its bound."""
        options = self._options
        try:
            prompt = tokenise(
                row.request,
                index=index,
                task=options.task,
                decoding=self._decoding,
                spec=self._market.spec,
                codec=self._codec,
            )
        except (RequestError, BadTokenizer) as error:
            return RowFault(row.line, f"prompt: {error}")
        if prompt.max_tokens > self._limit:
            return RowFault(
                row.line,
                f"prompt: it has {len(prompt.ids)} tokens and asks for "
                f"{prompt.max_new_tokens} more; a job may have {self._limit}: shorten "
                "it, or lower maxNewTokens",
            )
        decoding = replace(row.request.decoding, seed=prompt.seed)
        # With its ids, so that no text is tokenised twice.
        request = replace(row.request, decoding=decoding, ids=prompt.ids)
        return replace(row, request=request), len(prompt.ids), prompt.max_tokens

    def _close(self, held: Sequence[tuple[PromptRow, int, int]]) -> PlannedChunk:
        own = [tokens for _, tokens, _ in held]
        new = [bound - tokens for _, tokens, bound in held]
        costs = price_job(own, new, terms=self._options.terms, market=self._market)
        chunk = Chunk(
            number=self._next_chunk,
            first_row=self._next_row,
            row_count=len(held),
            prompt_tokens=sum(own),
            max_tokens=costs.max_tokens,
            escrow=costs.escrow,
            min_cost=costs.min_cost,
        )
        self._next_chunk += 1
        self._next_row += len(held)
        return PlannedChunk(chunk, tuple(row for row, _, _ in held))

    def _note(self, fault: RowFault) -> None:
        self._faults.append(fault)
        if len(self._faults) >= _MAX_FAULTS:
            self._raise_faults()

    def _raise_faults(self) -> None:
        if not self._faults:
            return
        first, *others = self._faults
        text = f"{self._source}, line {first.line}: {first.reason}"
        if others:
            lines = ", ".join(str(fault.line) for fault in others[:_SHOWN_LINES])
            more = ", …" if len(others) > _SHOWN_LINES else ""
            text += f" ({len(others)} more lines are wrong: {lines}{more})"
        raise RequestError(text)
