"""Writes `docs/reference/sdk.md`: what programs import, from signatures and docstrings.

Read from the source, so that nothing has to be imported or connected.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

__all__ = ["MODULES", "sdk_page"]

_ROOT = Path(__file__).resolve().parent.parent

MODULES = {
    "requester.client": "The way in: price, post, find.",
    "requester.settings": "Where chain, content store and key are.",
    "requester.prompts.request": "Prompts.",
    "requester.prompts.files": "Files of prompts.",
    "requester.prompts.decoding": "How prompts are continued.",
    "requester.prompts.tasks": "What is done with prompts.",
    "requester.jobs.drafts": "Terms of a job, and a job before it is posted.",
    "protocol.market.prices": "What a job costs.",
    "requester.jobs.job": "A posted job.",
    "protocol.market.timeline": "A job's history.",
    "requester.jobs.results": "Verified results.",
    "requester.receipts.verify": "Proof of results.",
    "requester.batches.batch": "Thousands of prompts as many jobs.",
    "requester.batches.records": "Options and progress of a batch.",
    "requester.batches.plan": "What a batch costs.",
}
"""Modules of the SDK and what they are for, in the order of a job's life."""

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
    for module, purpose in MODULES.items():
        yield f"## {module}\n"
        yield f"{purpose}\n"
        path = _ROOT.joinpath(*module.split(".")).with_suffix(".py")
        tree = ast.parse(path.read_text(encoding="utf-8"))
        exported = _exported(tree)
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and node.name in exported:
                yield from _class(node)
            elif isinstance(node, _Function) and node.name in exported:
                yield from _function(node, "")


def _exported(tree: ast.Module) -> set[str]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return set(ast.literal_eval(node.value))
    return set()


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
