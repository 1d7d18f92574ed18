"""What an honest engine answers, computed once more in the test's own process."""

from __future__ import annotations

from functools import cache

from inference.engine import Engine
from inference.loading import load_engine
from inference.packages.package import BUNDLED_MODEL
from protocol.documents.tokenizer import TokenCodec
from protocol.market.types import JobParams
from requester.jobs.results import Results
from tests.adversarial.scene import Scene
from worker.duties.computation import compute

__all__ = ["is_truth"]


def is_truth(scene: Scene, results: Results, params: JobParams) -> bool:
    """Whether accepted results are the model's, to the byte."""
    engine, codec = _bundled()
    spec = scene.keeper.spec_of(params.model_id)
    prompts = results.prompts.to_bytes()
    honest = compute(prompts, params, spec, engine=engine, codec=codec)
    return honest.outcome == results.outcome


@cache
def _bundled() -> tuple[Engine, TokenCodec]:
    codec = TokenCodec.from_bytes((BUNDLED_MODEL / "tokenizer.json").read_bytes())
    return load_engine(BUNDLED_MODEL, vocabulary=codec.vocabulary), codec
