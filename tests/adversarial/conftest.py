"""One market for all attacks: a node, an IPFS node and three honest workers."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator

import pytest

from tests.adversarial.contest import UPDATE
from tests.adversarial.scene import ACCOUNTS, Scene
from tests.support.machines.processes import eventually, marked_processes
from tests.support.network.anvil import Anvil
from tests.support.network.ipfs import IpfsNode
from tools.reference import REFERENCE, render

# What is not there is soon known, since there is no other node to ask.
FETCH_SECONDS = "1"


@pytest.fixture(scope="session")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("zoo")
    mark = uuid.uuid4().hex
    with (
        Anvil("--accounts", str(ACCOUNTS)) as anvil,
        IpfsNode(folder / "ipfs", "--fetch-seconds", FETCH_SECONDS) as ipfs,
    ):
        scene = Scene.open(anvil, ipfs.api, folder, mark)
        yield scene
        scene.end()
    assert eventually(lambda: not marked_processes(mark)), marked_processes(mark)
    if os.environ.get(UPDATE) == "true":
        page = render("attacks.md")
        (REFERENCE / "attacks.md").write_text(page, encoding="utf-8")
