"""Hostile documents of many megabytes take little more memory than their bytes."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from collections.abc import Callable

from protocol.documents.prompts import PromptsDocument
from protocol.documents.results import ResultsDocument
from protocol.errors import BadDocument

MIB = 1 << 20
SIZE = 16 * MIB
MAX_TOKENS = 10_000
# A parser's tree of any of these has hundreds of megabytes, its report gigabytes.
ALLOWED = 24 * MIB
# The child fails here instead of troubling the machine.
CEILING = 3 * 1024 * MIB

HEAD = b'{"modelId":"0x' + b"ab" * 32 + b'","prompts":['
OUTPUTS = HEAD.replace(b"prompts", b"outputs")
PROMPT_TAIL = (
    b'],"logprobs":0,"maxNewTokens":1,"seed":0,"stop":[],"stopIds":[],'
    b'"temperature":0,"text":"","topK":0,"topP":1000000}'
)
END = b'],"version":1}'


def filled(before: bytes, unit: bytes, after: bytes) -> bytes:
    return before + unit * (SIZE // len(unit)) + after


BOMBS: dict[str, Callable[[], bytes]] = {
    "nesting": lambda: filled(b"", b"[", b""),
    "nested objects": lambda: filled(b"", b'{"a":', b""),
    "empty prompts": lambda: filled(HEAD, b"{},", b"{}" + END),
    "empty lists": lambda: filled(HEAD, b"[],", b"[]" + END),
    "unknown keys": lambda: filled(b"{", b'"k":1,', b'"k":1}'),
    "text for ids": lambda: filled(HEAD + b'{"ids":[', b'"",', b'""' + PROMPT_TAIL),
    "ids": lambda: filled(HEAD + b'{"ids":[', b"1,", b"1" + PROMPT_TAIL + END),
    "large ids": lambda: filled(
        HEAD + b'{"ids":[', b"9999999999,", b"1" + PROMPT_TAIL + END
    ),
    "long number": lambda: filled(HEAD + b'{"ids":[', b"9", PROMPT_TAIL + END),
    "stops": lambda: filled(
        HEAD + b'{"ids":[1],"logprobs":0,"maxNewTokens":1,"seed":0,"stop":[',
        b'"a",',
        b'"a"],"stopIds":[',
    ),
    "bad last prompt": lambda: filled(
        HEAD, b'{"ids":[1' + PROMPT_TAIL + b",", b'{"ids":[' + PROMPT_TAIL + END
    ),
    "outputs": lambda: filled(OUTPUTS, b"{},", b"{}" + END),
}


def refuse(name: str) -> str:
    """Refuses a bomb in this process; what it says of it."""
    data = BOMBS[name]()
    kind = ResultsDocument if name == "outputs" else PromptsDocument
    try:
        kind.from_bytes(data, max_tokens=MAX_TOKENS)
    except BadDocument as error:
        return str(error)
    raise AssertionError(f"{name} was read")


def test_from_bytes_bombs_take_no_memory_to_speak_of() -> None:
    child = subprocess.run(
        [sys.executable, "-m", __spec__.name],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert child.returncode == 0, child.stderr[-2_000:]
    told = json.loads(child.stdout)
    assert set(told) == set(BOMBS)
    assert {name: grown for name, (grown, _) in told.items() if grown > ALLOWED} == {}
    assert all(0 < len(said) < 1_000 for _, said in told.values())


def main() -> None:
    """Writes by how many bytes the process grew for each bomb, and what was said."""
    resource.setrlimit(resource.RLIMIT_AS, (CEILING, CEILING))
    told = {}
    for name, bomb in BOMBS.items():
        bomb()  # so that the peak holds the document itself
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        said = refuse(name)
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        told[name] = (grown * 1024, said)
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main()
