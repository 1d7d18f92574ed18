"""An indexer that is killed at any moment is gone on with, and nothing is lost."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import event

from gateway.database.engine import Database
from gateway.database.leases import Lease
from gateway.indexer.indexer import Indexer
from tests.integration.gateway.index_contents import (
    MARKET,
    contents,
    empty,
    index_all,
)
from tests.support.market.market_history import MadeChain, a_job_life, opening

ROOT = Path(__file__).resolve().parents[3]
# Kills itself before one of the statements that change the database.
VICTIM = """
import os, signal, sys
from sqlalchemy import event
from gateway.indexer.indexer import Indexer
from gateway.database.engine import create_database
from tests.integration.gateway.index_contents import MARKET
from tests.integration.gateway.test_index_kill import a_chain, is_change

url, moment = sys.argv[1], int(sys.argv[2])
database = create_database(url)
indexer = Indexer(database, a_chain(), MARKET)
seen = 0

def count(connection, cursor, statement, *_):
    global seen
    seen += is_change(statement)
    if seen == moment:
        os.kill(os.getpid(), signal.SIGKILL)

event.listen(database.engine, "before_cursor_execute", count)
while indexer.step().lag_blocks:
    pass
"""


def is_change(statement: str) -> bool:
    return statement.startswith(("INSERT", "DELETE", "UPDATE"))


def a_chain() -> MadeChain:
    chain = MadeChain()
    chain.mine(opening(3))
    for number in range(4):
        for block in a_job_life(number):
            chain.mine(*block)
    return chain


def changes_of_an_index(database: Database, chain: MadeChain) -> int:
    """How many statements that change something it takes."""
    changes: list[str] = []

    def note(_: object, __: object, statement: str, *___: object) -> None:
        if is_change(statement):
            changes.append(statement)

    event.listen(database.engine, "before_cursor_execute", note)
    indexer = Indexer(database, chain, MARKET)
    changes.clear()
    while indexer.step().lag_blocks:
        pass
    event.remove(database.engine, "before_cursor_execute", note)
    indexer.resign()
    return len(changes)


# Parts of all statements: the middle, and the last before the commit.
@pytest.mark.parametrize("part", [0.5, 1])
def test_index_of_a_killed_process_is_untouched_and_gone_on_with(
    database: Database, database_url: str, part: float
) -> None:
    chain = a_chain()
    moment = round(part * changes_of_an_index(database, chain))
    expected = contents(database)
    empty(database)

    victim = subprocess.run(
        [sys.executable, "-c", VICTIM, database_url, str(moment)],
        cwd=ROOT,
        check=False,
        capture_output=True,
        timeout=120,
    )
    assert victim.returncode == -signal.SIGKILL, victim.stderr.decode()
    with database.reading() as session:
        assert session.query(Lease).count() <= 1
    untouched = {name for name, rows in contents(database).items() if rows}
    assert untouched <= {"market_index"}
    # Another replica would wait for the lease to run out.
    with database.writing() as session:
        session.query(Lease).delete()
    assert index_all(database, chain) == 7 + 4 * 16
    assert contents(database) == expected
