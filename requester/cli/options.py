"""Flags that several commands of `assay job` share."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = [
    "BATCH",
    "DECODING",
    "RECEIPT",
    "TERMS",
    "TIMEOUT",
    "UNTIL",
]

BATCH = (
    click.option(
        "--out",
        type=Path,
        help="Post a file as a batch of jobs; results go here, .jsonl or .csv.",
    ),
    click.option(
        "--job-size", type=int, help="Prompts a job of a batch. [default: 32]"
    ),
    click.option(
        "--in-flight",
        type=int,
        help="Jobs at once of a batch. [default: as many as the seats can serve]",
    ),
    click.option("--budget", help="Most that a batch may cost, in whole tokens."),
)
DECODING = (
    click.option("--max-new-tokens", type=int, help="Most tokens for each prompt."),
    click.option("--temperature", help="0 is greedy; at most 6 decimals."),
    click.option("--top-k", type=int, help="Candidates kept; 0 keeps all."),
    click.option("--top-p", help="Probability mass kept, above 0 and up to 1."),
    click.option("--seed", type=int, help="Prompt i of a file gets this seed plus i."),
    click.option("--stop", multiple=True, help="Ends an output; up to four."),
    click.option(
        "--stop-id", type=int, multiple=True, help="Token id that ends an output."
    ),
    click.option(
        "--logprobs",
        type=int,
        help="Log-probabilities: of each token and so many likeliest ones (0 to 20).",
    ),
)
TERMS = (
    click.option("--model", help="Model id, 0x and 64 digits."),
    click.option(
        "--redundancy", type=int, default=3, help="Workers, odd. [default: 3]"
    ),
    click.option(
        "--rounds",
        type=int,
        default=1,
        help="Rounds to pay for: with 2, a second committee decides a split. "
        "[default: 1]",
    ),
    click.option("--tick", type=int, default=0, help="Price step, 0 to 7."),
    click.option("--min-seats", type=int, help="Least roster to draw from."),
    click.option("--max-job-tokens", type=int, help="Most tokens of the whole job."),
    click.option("--max-cost", help="Most that may be locked, in whole tokens."),
    click.option("--callback", help="Contract that is called back with the result."),
    click.option("--callback-gas", type=int, default=0, help="Gas of the callback."),
)
UNTIL = click.option(
    "--until",
    type=click.Choice(["accepted", "settled"]),
    default="accepted",
    help="A quorum agrees, or all money is accounted for. [default: accepted]",
)
TIMEOUT = click.option(
    "--timeout", "timeout_seconds", type=float, help="Seconds to wait at most."
)
RECEIPT = click.option(
    "--receipt", "receipt_file", type=Path, help="Write the settled job's receipt here."
)
