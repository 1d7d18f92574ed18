"""Continuous batching: which rows the next step of an integer model computes.

Requests of any number of jobs share the steps. They join as soon as there is memory,
in the order in which they came, and leave as soon as they are answered. A row's result
depends on its own sequence alone, so the sharing shows in the time only.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count

from inference.engine import Generation, GenerationRequest, validate_requests
from inference.engines.progress import Progress, check_vocabulary
from inference.errors import CacheOverflow, InvalidSetting
from inference.models.integer_model import Choice, IntegerModel, Piece
from inference.models.sampling import choice_for, token_logprobs

MAX_PREFILL_ROWS = 65_536

CACHE_BLOCK = 32
"""Models may reserve caches in blocks of so many positions."""


@dataclass(slots=True)
class _Job:
    """The requests of one submission and the answers so far."""

    answers: list[Generation | None]
    missing: int


@dataclass(slots=True)
class _Run:
    """One request, waiting or in a sequence of its own."""

    handle: int
    place: int
    request: GenerationRequest
    progress: Progress
    pending: tuple[int, ...]
    """Tokens to feed: what is left of the prompt, or the token generated last."""

    fed: int = 0
    sequence: int = field(default=-1)

    @property
    def capacity(self) -> int:
        """Positions it may fill; the last token generated is never fed."""
        return len(self.request.prompt_ids) + self.request.max_new_tokens - 1


class Scheduler:
    """Runs jobs on one model, step by step; not safe for use by two threads.

    `submit` may be called between any two steps, also while other jobs run.
    """

    def __init__(
        self,
        model: IntegerModel,
        vocabulary: Sequence[bytes],
        *,
        cache_bytes: int,
        prefill_rows: int,
    ) -> None:
        """Starts without a job.

        Args:
            model: What computes; nobody else may feed it.
            vocabulary: The byte string of every token id, for stop strings.
            cache_bytes: Most memory that all sequences may take together.
            prefill_rows: Most rows of one step, and so most requests that run at
                a time. Those that already generate go first; prompts share what
                they leave.

        Raises:
            InvalidSetting: A setting is not a usable integer, or the vocabulary is
                not the model's.
        """
        limits = model.shape.limits
        check_vocabulary(vocabulary, limits.vocab_size)
        _check_setting("cache_bytes", cache_bytes, 2**63 - 1)
        _check_setting("prefill_rows", prefill_rows, MAX_PREFILL_ROWS)
        self._model = model
        self._limits = limits
        self._vocabulary = tuple(vocabulary)
        self._block_bytes = model.bytes_per_token() * CACHE_BLOCK
        self._cache_bytes = cache_bytes
        self._prefill_rows = prefill_rows
        self._free_bytes = cache_bytes
        self._jobs: dict[int, _Job] = {}
        self._waiting: deque[_Run] = deque()
        self._active: list[_Run] = []
        self._finished: dict[int, list[Generation]] = {}
        self._handles = count()

    def submit(self, requests: Sequence[GenerationRequest]) -> int:
        """Takes a job; returns a handle by which `take_finished` names it.

        All requests are checked before any is taken.

        Raises:
            InvalidRequest: A request is malformed or beyond the model's limits.
            CacheOverflow: A request alone needs more than `cache_bytes`.
        """
        validate_requests(requests, self._limits)
        handle = next(self._handles)
        runs = [self._new_run(handle, n, each) for n, each in enumerate(requests)]
        for run in runs:
            self._check_memory(run)
        if not runs:
            self._finished[handle] = []
            return handle
        self._jobs[handle] = _Job([None] * len(runs), len(runs))
        self._waiting.extend(runs)
        return handle

    def run_step(self) -> bool:
        """Computes one step; returns whether any job is still unfinished.

        An error of the model drops all unfinished jobs and frees their sequences.
        """
        if not self._jobs:
            return False
        try:
            self._admit()
            self._step(list(self._compose()))
        except BaseException:
            self._drop_all()
            raise
        return bool(self._jobs)

    def take_finished(self) -> dict[int, list[Generation]]:
        """Returns the answers of jobs finished since the last call, by handle.

        The answers of a job come in the order of its requests.
        """
        finished, self._finished = self._finished, {}
        return finished

    def is_unfinished(self, handle: int) -> bool:
        """Whether steps are still to be computed for a job."""
        return handle in self._jobs

    def take(self, handle: int) -> list[Generation]:
        """Returns the answers of one finished job; `take_finished` gives all.

        Raises:
            KeyError: The job is unknown, unfinished or was taken before.
        """
        return self._finished.pop(handle)

    def cancel(self, handle: int) -> None:
        """Forgets a job and frees its sequences; one that is unknown is ignored."""
        self._finished.pop(handle, None)
        if self._jobs.pop(handle, None) is None:
            return
        self._waiting = deque(run for run in self._waiting if run.handle != handle)
        for run in [run for run in self._active if run.handle == handle]:
            self._release(run)

    # ---- joining and leaving

    def _new_run(self, handle: int, place: int, request: GenerationRequest) -> _Run:
        progress = Progress(request, self._limits, self._vocabulary)
        return _Run(handle, place, request, progress, request.prompt_ids)

    def _needed_bytes(self, run: _Run) -> int:
        return -(-run.capacity // CACHE_BLOCK) * self._block_bytes

    def _check_memory(self, run: _Run) -> None:
        needed = self._needed_bytes(run)
        if needed > self._cache_bytes:
            raise CacheOverflow(
                f"requests[{run.place}].max_new_tokens",
                run.request.max_new_tokens,
                f"with {len(run.request.prompt_ids)} prompt tokens it needs {needed} "
                f"bytes of cache, and the engine may use {self._cache_bytes}",
                "ask for fewer tokens or give the engine more cache_bytes",
            )

    def _admit(self) -> None:
        """Lets requests join in their order, so that a large one waits its turn."""
        while self._waiting and len(self._active) < self._prefill_rows:
            needed = self._needed_bytes(self._waiting[0])
            if needed > self._free_bytes:
                return
            run = self._waiting.popleft()
            run.sequence = self._model.open_sequence(run.capacity)
            self._free_bytes -= needed
            self._active.append(run)

    def _release(self, run: _Run) -> None:
        self._active.remove(run)
        self._free_bytes += self._needed_bytes(run)
        self._model.close_sequence(run.sequence)

    def _drop_all(self) -> None:
        self._jobs.clear()
        self._waiting.clear()
        for run in list(self._active):
            self._release(run)

    # ---- one step

    def _compose(self) -> Iterator[tuple[_Run, Piece]]:
        """Yields the pieces of a step: what generates first, then prompts.

        That is the order of joining, since prompts are fed in that order.
        """
        room = self._prefill_rows
        for run in self._active:
            length = min(room, len(run.pending))
            if length:
                yield run, Piece(run.sequence, run.fed, run.pending[:length])
                room -= length

    def _step(self, batch: list[tuple[_Run, Piece]]) -> None:
        pieces = [piece for _, piece in batch]
        choices = [_choice(run, piece) for run, piece in batch]
        tokens = self._model.step(pieces, choices)
        for index, (run, piece) in enumerate(batch):
            run.fed += len(piece.ids)
            run.pending = run.pending[len(piece.ids) :]
            if choices[index] is not None:
                self._take(run, index, tokens[index])

    def _take(self, run: _Run, index: int, token: int) -> None:
        logprobs = None
        if run.request.logprobs is not None:
            logits = self._model.logits(index)
            logprobs = token_logprobs(logits, token, run.request.logprobs)
        answer = run.progress.take(token, logprobs)
        if answer is None:
            run.pending = (token,)
            return
        self._release(run)
        job = self._jobs[run.handle]
        job.answers[run.place] = answer
        job.missing -= 1
        if job.missing == 0:
            del self._jobs[run.handle]
            whole = [each for each in job.answers if each is not None]
            self._finished[run.handle] = whole


def _choice(run: _Run, piece: Piece) -> Choice | None:
    """Returns how to choose after a piece, None while the prompt goes on."""
    if len(piece.ids) < len(run.pending):
        return None
    return choice_for(run.request, run.progress.generated)


def _check_setting(name: str, value: object, highest: int) -> None:
    is_integer = isinstance(value, int) and not isinstance(value, bool)
    if not is_integer or not 1 <= value <= highest:  # type: ignore[operator]
        raise InvalidSetting(
            name, value, "out of range", f"give an integer from 1 to {highest}"
        )
