"""Programs that are started as `assay worker run` is, and do something else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import click

from assay.cli import main
from inference.engine import Engine, ModelLimits
from protocol.host.log_format import configure_logging
from worker.cli.worker import worker
from worker.process.signals import stop_on_signals
from worker.run import run_worker
from worker.settings import WorkerSettings

__all__ = ["WrappedEngine", "run_as_worker", "run_worker_with"]


@dataclass(slots=True)
class WrappedEngine:
    """An engine that says of itself what another one says.

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


def run_as_worker(act: Callable[[WorkerSettings], None]) -> None:
    """Be a command that takes what `assay worker run` takes.

    Args:
        act: What it does.
    """

    def run(json_logs: bool, models: tuple[str, ...], **flags: Any) -> None:
        configure_logging(as_json=json_logs)
        act(WorkerSettings.load(models=models or None, **flags))

    honest = worker.commands["run"]
    main(click.Command("run", params=honest.params, callback=run))


def run_worker_with(wrap_engine: Callable[[Engine], Engine]) -> None:
    """Be `assay worker run` with another engine.

    Args:
        wrap_engine: Makes it of the honest one.
    """
    run_as_worker(
        lambda settings: run_worker(
            settings, stop_on_signals(), wrap_engine=wrap_engine
        )
    )
