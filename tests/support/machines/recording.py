"""Answers together with the logits they were chosen from, in one hash."""

import hashlib
from collections.abc import Sequence

from inference.engine import GenerationRequest
from inference.engines.integer_engine import IntegerEngine
from inference.models.integer_model import Choice, Int32Array, IntegerModel, Piece
from inference.models.layout import IntegerShape
from inference.models.sampling import choice_for

Texts = list[tuple[int, ...]]


class RecordingModel:
    """A model that keeps the hash of every row of logits, by the text before it."""

    def __init__(self, model: IntegerModel) -> None:
        self.digests: dict[tuple[int, ...], bytes] = {}
        self._model = model
        self._texts: dict[int, tuple[int, ...]] = {}

    @property
    def shape(self) -> IntegerShape:
        return self._model.shape

    def bytes_per_token(self) -> int:
        return self._model.bytes_per_token()

    def open_sequence(self, capacity: int) -> int:
        number = self._model.open_sequence(capacity)
        self._texts[number] = ()
        return number

    def close_sequence(self, sequence: int) -> None:
        self._model.close_sequence(sequence)

    def step(
        self, pieces: Sequence[Piece], choices: Sequence[Choice | None]
    ) -> list[int]:
        tokens = self._model.step(pieces, choices)
        for index, piece in enumerate(pieces):
            self._texts[piece.sequence] += piece.ids
            if choices[index] is not None:
                self._record(self._texts[piece.sequence], self.logits(index))
        return tokens

    def logits(self, index: int) -> Int32Array:
        return self._model.logits(index)

    def trace(self, pieces: Sequence[Piece]) -> dict[str, Int32Array]:
        return self._model.trace(pieces)

    def _record(self, text: tuple[int, ...], logits: Int32Array) -> None:
        digest = hashlib.sha256(logits.astype("<i4").tobytes()).digest()
        # Equal texts may come from several requests of one batch.
        assert self.digests.setdefault(text, digest) == digest


def batched_hash(
    model: IntegerModel, batches: Sequence[Sequence[GenerationRequest]], rows: int
) -> str:
    """Answers batch after batch, with at most `rows` rows per step and a cache."""
    recorder = RecordingModel(model)
    vocabulary = [b""] * model.shape.vocab_size
    engine = IntegerEngine(recorder, vocabulary, prefill_rows=rows)
    texts: Texts = []
    for batch in batches:
        for request, answer in zip(batch, engine.generate(batch), strict=True):
            texts += _texts(request.prompt_ids, answer.ids)
    return _hash(recorder, texts)


def recomputed_hash(
    model: IntegerModel, requests: Sequence[GenerationRequest], rows: int
) -> str:
    """Answers without a cache: for every token the whole text anew."""
    recorder = RecordingModel(model)
    texts: Texts = []
    for request in requests:
        ids: tuple[int, ...] = ()
        while len(ids) < request.max_new_tokens:
            text = request.prompt_ids + ids
            token = _next_token(recorder, text, choice_for(request, len(ids)), rows)
            if token == model.shape.end_of_text:
                break
            ids += (token,)
        texts += _texts(request.prompt_ids, ids)
    return _hash(recorder, texts)


def _next_token(
    model: IntegerModel, text: tuple[int, ...], choice: Choice, rows: int
) -> int:
    sequence = model.open_sequence(len(text))
    token = -1
    for start in range(0, len(text), rows):
        piece = Piece(sequence, start, text[start : start + rows])
        is_last = start + rows >= len(text)
        [token] = model.step([piece], [choice if is_last else None])
    model.close_sequence(sequence)
    return token


def _texts(prompt: tuple[int, ...], ids: tuple[int, ...]) -> Texts:
    """All texts that an answer goes through, the last of which nothing follows."""
    return [prompt + ids[:length] for length in range(len(ids) + 1)]


def _hash(recorder: RecordingModel, texts: Texts) -> str:
    whole = hashlib.sha256()
    for text in texts:
        whole.update(repr(text).encode())
        whole.update(recorder.digests.get(text, b"not computed"))
    return whole.hexdigest()
