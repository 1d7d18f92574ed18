"""Writes pages of `docs/reference` from the code; `--check` compares.

A page that repeats the code is written by the code, so it cannot go stale.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import click
from pydantic import SecretStr
from pydantic_core import PydanticUndefined

import devnet.errors
import gateway.errors
import protocol.errors
from gateway.settings import GatewaySettings
from protocol.errors import MarketError
from protocol.revert_rules import REVERTS
from protocol.roles.settings import RoleSettings
from requester.settings import RequesterSettings
from tools.attacks import attacks_page
from tools.database_reference import database_page
from tools.sdk import sdk_page
from worker.settings import WorkerSettings

__all__ = ["PAGES", "main", "render"]

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = ROOT / "docs" / "reference"
PAGES = (
    "attacks.md",
    "errors.md",
    "settings.md",
    "cli.md",
    "database.md",
    "sdk.md",
)

_WRITTEN_BY = "<!-- Written by `make reference`; do not edit. -->\n"
_HELP_WIDTH = 88


def render(page: str) -> str:
    """The contents of a page. Raises KeyError for one that is not ours."""
    writers = {
        "attacks.md": attacks_page,
        "errors.md": _errors,
        "settings.md": _settings,
        "cli.md": _cli,
        "sdk.md": sdk_page,
        "database.md": database_page,
    }
    return "\n".join([_WRITTEN_BY, *writers[page]()]) + "\n"


def _errors() -> Iterator[str]:
    yield "# Errors\n"
    yield "One tree, `protocol/errors.py`, with branches for the local network in"
    yield "`devnet/errors.py` and for the gateway in `gateway/errors.py`. `exit` is"
    yield "what a command exits with.\n"
    for module in (protocol.errors, devnet.errors, gateway.errors):
        yield from _tree(module)
    yield "## Errors of the contracts\n"
    yield "`ContractReverted` carries one of these.\n"
    yield "| error | what a person reads | HTTP | retry |\n|---|---|---|---|"
    for name, rule in sorted(REVERTS.items()):
        retry = "yes" if rule.is_retryable else ""
        yield f"| `{name}` | {rule.meaning} | {rule.http_status} | {retry} |"


def _tree(module: ModuleType) -> Iterator[str]:
    tree = (module.__doc__ or "").split("```")[1].removeprefix("text\n")
    yield f"```text\n{tree}```\n"
    yield "| error | means | exit | HTTP | retry |\n|---|---|---|---|---|"
    for name in sorted(module.__all__):
        error = getattr(module, name)
        if isinstance(error, type) and issubclass(error, MarketError):
            meaning = (error.__doc__ or "").splitlines()[0]
            retry = "yes" if error.is_retryable else ""
            yield (
                f"| `{name}` | {meaning} | {error.exit_code} | "
                f"{error.http_status} | {retry} |"
            )
    yield ""


def _settings() -> Iterator[str]:
    yield "# Settings\n"
    yield (
        "Precedence: flag, environment variable, the role's table in\n"
        "`.assay/assay.toml` (or the file that `ASSAY_CONFIG` names), default.\n"
    )
    roles: tuple[type[RoleSettings], ...] = (
        RequesterSettings,
        WorkerSettings,
        GatewaySettings,
    )
    for settings in roles:
        yield f"## {settings.role}\n"
        yield "| setting | environment | default |\n|---|---|---|"
        for name, field in settings.model_fields.items():
            variable = f"ASSAY_{settings.role}_{name}".upper()
            default = field.get_default(call_default_factory=True)
            if isinstance(default, SecretStr):
                default = default.get_secret_value()
            shown = "required" if default is PydanticUndefined else f"`{default}`"
            yield f"| `{name}` | `{variable}` | {shown} |"
        yield ""
        yield from _described(RoleSettings)
        yield from _described(settings)
        yield ""


def _described(settings: type[RoleSettings]) -> Iterator[str]:
    """The attributes of the class's own docstring, as a list."""
    described = (settings.__doc__ or "").partition("Attributes:")[2]
    for line in described.strip().splitlines():
        text = line.strip()
        name, colon, meaning = text.partition(": ")
        is_setting = bool(colon) and name in settings.model_fields
        yield f"- `{name}`: {meaning}" if is_setting else f"  {text}"


def _cli() -> Iterator[str]:
    from assay.cli import assay

    yield "# Commands\n"
    # With the settings that a call has: a command remembers its help option, so another
    # context in the same process would change the page.
    context = click.Context(assay, info_name="assay", **assay.context_settings)
    yield from _help(assay, context)


def _help(command: click.Command, context: click.Context) -> Iterator[str]:
    context.terminal_width = _HELP_WIDTH
    yield f"## {context.command_path}\n"
    yield f"```text\n{command.get_help(context)}\n```\n"
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            if child is not None:
                inner = click.Context(
                    child,
                    info_name=name,
                    parent=context,
                    max_content_width=_HELP_WIDTH,
                )
                yield from _help(child, inner)


def main(arguments: list[str]) -> int:
    """Write the pages, or compare them; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare, do not write")
    is_check = parser.parse_args(arguments).check
    stale = [page for page in PAGES if _is_stale(page)]
    if is_check:
        for page in stale:
            click.echo(
                f"docs/reference/{page} is stale: run `make reference`", err=True
            )
        return 1 if stale else 0
    for page in stale:
        (REFERENCE / page).write_text(render(page), encoding="utf-8")
    return 0


def _is_stale(page: str) -> bool:
    path = REFERENCE / page
    return not path.exists() or path.read_text(encoding="utf-8") != render(page)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
