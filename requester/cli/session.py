"""What every command of `assay job` does first and last: settings, connection, JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from protocol.errors import RequestError

if TYPE_CHECKING:
    from requester.client import Client
    from requester.jobs.job import Job
    from requester.settings import RequesterSettings

__all__ = [
    "connect",
    "connect_to_read",
    "find_job",
    "print_json",
    "require_consent",
    "settings_of",
]

_NOBODY_TO_ASK = (
    "nobody can be asked whether to pay: give --yes, or --dry-run to see the price"
)


def settings_of(**flags: Any) -> RequesterSettings:
    """The settings with a command's connection flags over them. Raises ConfigError."""
    from requester.settings import RequesterSettings

    return RequesterSettings.load(**flags)


def connect(settings: RequesterSettings) -> Client:
    """A client. Raises ConfigError and ChainError."""
    from requester.client import Client

    return Client.connect(settings)


def connect_to_read(settings: RequesterSettings) -> Client:
    """A client that sends nothing, so that nobody is asked for a password.

    Raises ConfigError and ChainError.
    """
    return connect(settings.model_copy(update={"key_file": None}))


def find_job(
    settings: RequesterSettings,
    job_id: str,
    connect: Callable[[RequesterSettings], Client] = connect,
) -> Job:
    """The job that a command names. Raises RequestError and JobNotFound."""
    from requester.cli.requests import parse_job_id

    parsed = parse_job_id(job_id)
    return connect(settings).job(parsed)


def require_consent(is_given: bool, as_json: bool) -> None:
    """Raises RequestError where nobody can be asked whether to pay."""
    if not is_given and (as_json or not sys.stdin.isatty()):
        raise RequestError(_NOBODY_TO_ASK)


def print_json(value: dict[str, Any], as_json: bool) -> None:
    """Prints the one document of `--json`; nothing without it."""
    if as_json:
        click.echo(json.dumps(value, indent=2, ensure_ascii=False))
