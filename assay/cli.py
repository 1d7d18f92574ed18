"""The `assay` command: finds the sub-command, and says in one line what went wrong."""

from __future__ import annotations

import gc
import os
import signal
import sys
import traceback
from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import NoReturn

import click

from assay.lazy import LazyCommand, LazyGroup, missing_package
from protocol.errors import MarketError
from protocol.host.interrupts import StopRequested
from protocol.host.terminal import one_line

__all__ = ["assay", "main", "run"]

TRACEBACK_VARIABLE = "ASSAY_TRACEBACK"
_INTERNAL_ERROR = 70
# What shells report for a command that a signal ended, plus the signal's number.
_SIGNALLED = 128

_COMMANDS: Mapping[str, LazyCommand] = {
    "demo": LazyCommand(
        "devnet.cli.demo", "demo", "A paid, verified batch on a network of its own."
    ),
    "up": LazyCommand("devnet.cli.network", "up", "Start a local network."),
    "down": LazyCommand("devnet.cli.network", "down", "Stop it."),
    "status": LazyCommand("devnet.cli.network", "status", "Show how it is."),
    "deploy": LazyCommand(
        "assay.deploy_cli", "deploy", "Deploy the contracts to any chain."
    ),
    "doctor": LazyCommand(
        "assay.doctor_cli", "doctor", "Check a deployment and its chain."
    ),
    "job": LazyCommand(
        "requester.cli.job", "job", "Post jobs, follow them, read their results."
    ),
    "verify": LazyCommand(
        "requester.cli.verify", "verify", "Check a receipt, also without a chain."
    ),
    "model": LazyCommand(
        "worker.cli.model", "model", "Import a GPT-2 into integers, and publish it."
    ),
    "worker": LazyCommand("worker.cli.worker", "worker", "Run inference for others."),
    "gateway": LazyCommand(
        "gateway.cli", "gateway", "Serve the OpenAI API over the market."
    ),
}


@click.group(
    cls=LazyGroup,
    lazy=_COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 88},
)
@click.version_option(
    metadata.version("assay"),
    "--version",
    prog_name="assay",
    message="%(prog)s %(version)s",
)
def assay() -> None:
    """A marketplace for language-model inference that verifies before it pays."""


def main(command: click.Command | None = None) -> NoReturn:
    """Entry point of the command, or of another one with the same manners."""
    exit_code = run(sys.argv[1:], command or assay)
    # The process ends anyway. Collecting a loaded model first takes seconds.
    gc.freeze()
    sys.exit(exit_code)


def run(arguments: Sequence[str], command: click.Command = assay) -> int:
    """Run a command and return its exit code; what went wrong is one line on stderr.

    `ASSAY_TRACEBACK=1` in the environment shows where an error came from.
    """
    try:
        result = command.main([*arguments], prog_name="assay", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except StopRequested as request:
        return _fail(f"stopped by {request}", _SIGNALLED + request.signal_number)
    except (click.Abort, KeyboardInterrupt):
        return _SIGNALLED + signal.SIGINT
    except BrokenPipeError:
        # Whoever read our output has enough. Nothing may be flushed into the pipe.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if os.environ.get(TRACEBACK_VARIABLE):
            traceback.print_exc()
        return _explain(error)


def _explain(error: Exception) -> int:
    """Print an error for a person and return the exit code."""
    if isinstance(error, ModuleNotFoundError):
        error = missing_package(error)
    if isinstance(error, MarketError):
        return _fail(str(error), error.exit_code)
    from inference.errors import EngineError

    if isinstance(error, EngineError):
        return _fail(str(error), MarketError.exit_code)
    return _fail(
        f"internal error, {type(error).__name__}: {error}; please report it "
        f"(set {TRACEBACK_VARIABLE}=1 to see where it happened)",
        _INTERNAL_ERROR,
    )


def _fail(message: str, exit_code: int) -> int:
    click.echo(f"assay: {one_line(message)}", err=True)
    return exit_code


if __name__ == "__main__":
    main()
