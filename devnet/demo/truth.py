"""Computing an accepted batch once more, to know what the truth was."""

from __future__ import annotations

from pathlib import Path

from devnet.demo.summary import DemoCheck
from inference.loading import load_engine
from protocol.documents.tokenizer import TokenCodec
from protocol.hexadecimal import to_hex
from protocol.market.types import JobParams, ModelSpec
from requester.jobs.results import Results
from worker.duties.computation import compute

__all__ = ["check_truth"]


def check_truth(
    model: Path, spec: ModelSpec, results: Results, params: JobParams
) -> DemoCheck:
    """Whether accepted results are what an honest engine answers.

    Args:
        model: The model's package.
        spec: Its registered spec.
        results: The accepted results.
        params: The job's parameters.

    Raises:
        EngineError: The model cannot be loaded.
    """
    codec = TokenCodec.from_bytes((model / "tokenizer.json").read_bytes())
    engine = load_engine(model, vocabulary=codec.vocabulary)
    prompts = results.prompts.to_bytes()
    honest = compute(prompts, params, spec, engine=engine, codec=codec)
    return DemoCheck(
        "the accepted result is the honest one",
        honest.outcome == results.outcome,
        f"results digest {to_hex(results.outcome.results_digest)}, computed honestly "
        f"{to_hex(honest.outcome.results_digest)}",
    )
