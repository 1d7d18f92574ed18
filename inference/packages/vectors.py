"""Test vectors of a package: requests, and what any right engine computes for them.

A worker runs them before it serves a model: an engine that is miscompiled, a machine
that computes wrongly or a file that was damaged shows here, and not in a lost bond.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from inference.engine import MILLION, GenerationRequest, ModelLimits, validate_request
from inference.errors import InvalidRequest, ModelPackageError, VectorMismatch
from inference.model_folder import VECTORS_FILE, read_json_object
from inference.models.integer_model import IntegerModel, Piece
from inference.models.sampling import choice_for

MAX_VECTORS: Final = 64

_NEW_TOKENS: Final = 8
_LONGEST_PROMPT: Final = 300
_SAMPLING: Final = {
    "seed": "seed",
    "temperature": "temperature",
    "topK": "top_k",
    "topP": "top_p",
}
"""Fields of a vector: the request's attributes."""

_FIELDS: Final = {"name", "promptIds", *_SAMPLING, "ids", "logits"}


@dataclass(frozen=True, slots=True)
class Vector:
    """A request and its right answer.

    Attributes:
        name: What error messages call it.
        request: Asks for as many tokens as `ids` has.
        ids: The tokens chosen, an end-of-text token like any other.
        logits: SHA-256 of the logits that each was chosen from, in hexadecimal.
    """

    name: str
    request: GenerationRequest
    ids: tuple[int, ...]
    logits: tuple[str, ...]


def make_vectors(model: IntegerModel, text: Sequence[int]) -> list[Vector]:
    """Computes vectors for a model: short and long, greedy and sampled.

    Args:
        model: A model that computes rightly.
        text: Token ids to take prompts from, at least one.
    """
    made = []
    for name, request in _requests(model.shape.limits, tuple(text)):
        steps = list(_steps(model, request))
        ids = tuple(token for token, _ in steps)
        made.append(Vector(name, request, ids, tuple(digest for _, digest in steps)))
    return made


def encode_vectors(vectors: Sequence[Vector]) -> bytes:
    """Returns the content of `vectors.json`."""
    listed = [
        {
            "name": vector.name,
            "promptIds": vector.request.prompt_ids,
            **{key: getattr(vector.request, name) for key, name in _SAMPLING.items()},
            "ids": vector.ids,
            "logits": vector.logits,
        }
        for vector in vectors
    ]
    lines = ",\n".join(json.dumps(vector) for vector in listed)
    return f'{{"vectors": [\n{lines}\n]}}\n'.encode("ascii")


def read_vectors(folder: Path, limits: ModelLimits) -> list[Vector]:
    """Reads the vectors of a package that `read_package` has accepted.

    Raises:
        ModelPackageError: There is none, or one is malformed.
    """
    content = read_json_object(folder / VECTORS_FILE)
    listed = content.get("vectors")
    if set(content) != {"vectors"} or not isinstance(listed, list):
        raise _malformed("vectors", content, "not an object with a list of vectors")
    if not 1 <= len(listed) <= MAX_VECTORS:
        raise _malformed("vectors", len(listed), f"not 1 to {MAX_VECTORS} vectors")
    return [
        _decode(f"vectors[{place}]", entry, limits)
        for place, entry in enumerate(listed)
    ]


def check_vectors(folder: Path, model: IntegerModel) -> int:
    """Computes every vector of a package and compares; returns how many there are.

    Args:
        folder: A package that `read_package` has accepted.
        model: The package's model, loaded.

    Raises:
        ModelPackageError: The vectors are malformed.
        VectorMismatch: The model computes something else; names the vector.
    """
    vectors = read_vectors(folder, model.shape.limits)
    for vector in vectors:
        expected = zip(vector.ids, vector.logits, strict=True)
        for place, found in enumerate(_steps(model, vector.request)):
            wanted = next(expected)
            if found != wanted:
                what = "token" if found[0] != wanted[0] else "logits"
                raise VectorMismatch(
                    f"{VECTORS_FILE} {vector.name}",
                    f"{what} {place}",
                    f"the model gives {found}, the package says {wanted}",
                    "fetch the package again; if that does not help, this engine or "
                    "machine computes wrongly and must not serve",
                )
    return len(vectors)


def _requests(
    limits: ModelLimits, text: tuple[int, ...]
) -> Iterator[tuple[str, GenerationRequest]]:
    room = limits.context_length - 1
    new_tokens = min(_NEW_TOKENS, room)
    # Length of the prompt, seed, temperature, top-k, top-p.
    kinds = (
        ("greedy after one token", 1, 0, 0, 0, MILLION),
        ("greedy after a long prompt", _LONGEST_PROMPT, 0, 0, 0, MILLION),
        ("sampled", 33, 2**64 - 1, MILLION, 0, MILLION),
        ("sampled with top-k", 7, 1, 800_000, 40, MILLION),
        ("sampled with top-p", 130, 2, 1_500_000, 0, 900_000),
    )
    for name, length, seed, temperature, top_k, top_p in kinds:
        yield (
            name,
            GenerationRequest(
                prompt_ids=text[: min(length, room + 1 - new_tokens)],
                max_new_tokens=new_tokens,
                seed=seed,
                temperature=temperature,
                top_k=top_k,
                top_p=top_p,
            ),
        )


def _steps(
    model: IntegerModel, request: GenerationRequest
) -> Iterator[tuple[int, str]]:
    """Yields each token chosen and the hash of the logits it was chosen from."""
    fed = len(request.prompt_ids)
    sequence = model.open_sequence(fed + request.max_new_tokens - 1)
    try:
        piece = Piece(sequence, 0, request.prompt_ids)
        for place in range(request.max_new_tokens):
            (token,) = model.step([piece], [choice_for(request, place)])
            logits = model.logits(0).astype("<i4", copy=False)
            yield token, sha256(logits.tobytes()).hexdigest()
            piece = Piece(sequence, fed + place, (token,))
    finally:
        model.close_sequence(sequence)


def _decode(field: str, entry: object, limits: ModelLimits) -> Vector:
    if not isinstance(entry, dict) or set(entry) != _FIELDS:
        raise _malformed(field, entry, f"not an object with {', '.join(_FIELDS)}")
    name, prompt, ids, logits = (
        entry[key] for key in ("name", "promptIds", "ids", "logits")
    )
    if not isinstance(name, str) or not all(
        isinstance(part, list) for part in (prompt, ids, logits)
    ):
        raise _malformed(field, name, "its name is no text, or a list is none")
    if len(ids) != len(logits) or not all(map(_is_digest, logits)):
        raise _malformed(field, name, "it has not one SHA-256 of logits for each id")
    request = _request(field, entry, limits)
    return Vector(name, request, tuple(ids), tuple(logits))


def _request(
    field: str, entry: dict[str, Any], limits: ModelLimits
) -> GenerationRequest:
    request = GenerationRequest(
        prompt_ids=tuple(entry["promptIds"]),
        max_new_tokens=len(entry["ids"]),
        **{name: entry[key] for key, name in _SAMPLING.items()},
    )
    try:
        validate_request(request, limits, field)
    except InvalidRequest as error:
        raise _malformed(field, error.value, str(error)) from error
    return request


def _is_digest(value: object) -> bool:
    return (
        isinstance(value, str)
        and len(value) == 64
        and not set(value) - set("0123456789abcdef")
    )


def _malformed(field: str, value: object, problem: str) -> ModelPackageError:
    return ModelPackageError(
        f"{VECTORS_FILE} {field}", value, problem, "fetch or import the model again"
    )
