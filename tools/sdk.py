"""Writes `docs/reference/sdk.md`: what programs import, from signatures and docstrings.

The public names of `assay` and what they return; read from the source.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import assay

__all__ = ["RETURNED", "sdk_page"]

_ROOT = Path(__file__).resolve().parent.parent

RETURNED = {
    "Draft": "requester.jobs.drafts",
    "Estimate": "protocol.market.prices",
    "Job": "requester.jobs.job",
    "Results": "requester.jobs.results",
}
"""What the names of `assay` return, and where it is defined."""

_EXAMPLES = {
    "gateway_client": "OpenAI's own client on a gateway",
    "generation": "one job, several prompts",
    "summary": "summing an article up",
    "translation": "sentences into French",
    "questions": "answers, about a passage or not, with log-probabilities",
    "batch": "many jobs within a budget, safe from crashes",
    "receipt": "proof that anybody can check",
    "cancel": "taking a job back",
    "consumer": "a contract that asks and is called back",
}
_SECTION = re.compile(r"^(Args|Attributes|Returns|Raises|Yields):$")
_ITEM = re.compile(r"^(\*{0,2}\w[\w.]*): (.*)$")
_PRIVATE_DEFAULT = re.compile(r"=_[A-Z_]+")
_Function = ast.FunctionDef | ast.AsyncFunctionDef


def sdk_page() -> Iterator[str]:
    """The page's lines."""
    yield "# The requester's SDK\n"
    yield "Every error is a `MarketError` ([errors](errors.md)). Amounts are units of"
    yield "the escrow token. Examples, all run by the tests:\n"
    for name, use in _EXAMPLES.items():
        yield f"- [{name}.py](../../examples/{name}.py): {use}"
    yield ""
    yield "## From `assay`\n"
    yield f"`from assay import {', '.join(assay.__all__)}`\n"
    for name in assay.__all__:
        yield from _definition(name, getattr(assay, name).__module__)
    yield "## What they return\n"
    for name, module in RETURNED.items():
        yield from _definition(name, module)


def _definition(name: str, module: str) -> Iterator[str]:
    path = _ROOT.joinpath(*module.split(".")).with_suffix(".py")
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            yield from _class(node)
        elif isinstance(node, _Function) and node.name == name:
            yield from _function(node, "")


def _class(node: ast.ClassDef) -> Iterator[str]:
    yield f"### {node.name}\n"
    fields = [
        ast.unparse(part)
        for part in node.body
        if isinstance(part, ast.AnnAssign | ast.Assign) and not _is_private(part)
    ]
    if fields:
        body = "\n".join(f"    {line}" for line in fields)
        yield f"```python\nclass {node.name}:\n{body}\n```\n"
    yield from _described(ast.get_docstring(node) or "")
    for part in node.body:
        if isinstance(part, _Function) and not part.name.startswith("_"):
            yield from _function(part, f"{node.name}.")


def _is_private(node: ast.AnnAssign | ast.Assign) -> bool:
    target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
    return ast.unparse(target).startswith(("_", "model_config", "role"))


def _function(node: _Function, owner: str) -> Iterator[str]:
    decorators = [ast.unparse(decorator) for decorator in node.decorator_list]
    if any(decorator.endswith(".setter") for decorator in decorators):
        return
    yield f"#### {owner}{node.name}\n"
    result = "" if node.returns is None else f" -> {ast.unparse(node.returns)}"
    arguments = _PRIVATE_DEFAULT.sub("=…", ast.unparse(node.args))
    head = f"{node.name}({arguments}){result}"
    if "property" in decorators:
        head = f"{node.name}{result.replace(' ->', ':')}"
    elif "classmethod" in decorators:
        head = f"classmethod {head}"
    yield f"```python\n{head}\n```\n"
    yield from _described(ast.get_docstring(node) or "")


def _described(docstring: str) -> Iterator[str]:
    """A Google-style docstring as Markdown: sections become lists."""
    section = ""
    for line in docstring.splitlines():
        heading = _SECTION.match(line)
        if heading is not None:
            section = heading.group(1)
            yield f"**{section}**\n"
        elif section and line.startswith("    "):
            yield _entry(line[4:], section)
        else:
            section = section if not line else ""
            yield line
    yield ""


def _entry(line: str, section: str) -> str:
    item = _ITEM.match(line)
    if item is None or line.startswith(" "):
        return line if section in ("Returns", "Yields") else f"  {line.strip()}"
    if section in ("Returns", "Yields"):
        return line
    return f"- `{item.group(1)}`: {item.group(2)}"
