"""A worker that lies: it runs the model and alters what came out.

`python -m devnet.demo.liar` takes the flags of `assay worker run`. It exists to be
caught.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import click

from assay.cli import main
from inference.engine import Engine, Generation, GenerationRequest, ModelLimits

__all__ = ["LyingEngine"]


@dataclass(frozen=True, slots=True)
class LyingEngine:
    """Changes the first generated id of the first answer that has one.

    Always in the same way, and to another id of the vocabulary: a lie that only a
    comparison with others brings to light.

    Attributes:
        honest: Computes the truth.
    """

    honest: Engine

    @property
    def profile(self) -> str:
        """That of the honest engine."""
        return self.honest.profile

    @property
    def limits(self) -> ModelLimits:
        """Those of the honest engine."""
        return self.honest.limits

    def generate(self, requests: Sequence[GenerationRequest]) -> list[Generation]:
        """What the honest engine answers, but for one token."""
        answers = list(self.honest.generate(requests))
        for index, answer in enumerate(answers):
            if answer.ids:
                altered = (answer.ids[0] + 1) % self.limits.vocab_size
                answers[index] = replace(answer, ids=(altered, *answer.ids[1:]))
                break
        return answers


def _lie(json_logs: bool, models: tuple[str, ...], **flags: Any) -> None:
    from protocol.host.log_format import configure_logging
    from worker.process.signals import stop_on_signals
    from worker.run import run_worker
    from worker.settings import WorkerSettings

    configure_logging(as_json=json_logs)
    settings = WorkerSettings.load(models=models or None, **flags)
    run_worker(settings, stop_on_signals(), wrap_engine=LyingEngine)


def _command() -> click.Command:
    """`assay worker run` in all but what it does."""
    from worker.cli.worker import worker

    honest = worker.commands["run"]
    return click.Command("liar", params=honest.params, callback=_lie)


if __name__ == "__main__":
    main(_command())
