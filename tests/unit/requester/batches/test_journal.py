from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from protocol.errors import BatchError
from requester.batches.batch import Batch
from requester.batches.database import SCHEMA_VERSION
from requester.batches.encoding import (
    decode_options,
    decode_request,
    encode_options,
    encode_request,
)
from requester.batches.records import BatchOptions
from requester.jobs.drafts import Terms
from requester.prompts.decoding import Decoding
from requester.prompts.files import PromptRequest
from requester.prompts.tasks import Task
from tests.support.market.batch_world import BatchWorld
from tests.support.market.values import an_address


@pytest.fixture
def here(tmp_path: Path) -> BatchWorld:
    return BatchWorld.build(tmp_path)


@pytest.fixture
def batch(here: BatchWorld) -> Batch:
    with here.create(["one", "two", "three"]) as made:
        made.run()
    return made


def _path(here: BatchWorld, batch: Batch) -> Path:
    return here.folder / "data" / "batches" / f"{batch.batch_id}.sqlite"


def test_open_damaged_journal_is_reported_and_left_alone(
    here: BatchWorld, batch: Batch
) -> None:
    path = _path(here, batch)
    damaged = b"not a database at all" * 400
    path.write_bytes(damaged)
    with pytest.raises(BatchError, match="file is not a database.*nothing was changed"):
        here.open(batch)
    assert path.read_bytes() == damaged


def test_open_journal_damaged_inside_is_reported(
    here: BatchWorld, batch: Batch
) -> None:
    with sqlite3.connect(_path(here, batch)) as connection:
        connection.execute("UPDATE rows SET request = 'nonsense' WHERE number = 1")
    connection.close()
    with here.open(batch) as again, pytest.raises(BatchError, match="cannot be used"):
        list(again.results())


def test_open_journal_without_a_fact_names_it(here: BatchWorld, batch: Batch) -> None:
    with sqlite3.connect(_path(here, batch)) as connection:
        connection.execute("DELETE FROM about WHERE name = 'out'")
    connection.close()
    with here.open(batch) as again, pytest.raises(BatchError, match="lacks out"):
        again.run()


def test_open_locked_journal_is_reported(here: BatchWorld, batch: Batch) -> None:
    holder = sqlite3.connect(_path(here, batch), isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    with (
        here.open(batch) as again,
        pytest.raises(BatchError, match="database is locked.*another process"),
    ):
        again.change(budget=1)
    holder.close()


def test_open_journal_of_a_later_program_is_refused(
    here: BatchWorld, batch: Batch
) -> None:
    path = _path(here, batch)
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    connection.close()
    with pytest.raises(BatchError, match="use the program that wrote it"):
        here.open(batch)


def test_open_journal_cut_off_while_it_was_made_says_nothing_was_posted(
    here: BatchWorld, batch: Batch
) -> None:
    path = _path(here, batch)
    path.unlink()
    sqlite3.connect(path).close()
    path.touch()
    with pytest.raises(BatchError, match="never completed, so nothing was posted"):
        here.open(batch)


def test_create_folder_that_cannot_be_made_is_named(here: BatchWorld) -> None:
    (here.folder / "data").write_text("a file is in the way")
    with pytest.raises(BatchError, match="cannot be made: .*set data_dir"):
        here.create(["one"])


def test_open_batch_held_by_another_process_is_refused_until_it_ends(
    here: BatchWorld, batch: Batch
) -> None:
    lock = _path(here, batch).with_suffix(".lock")
    program = (
        "import fcntl, sys; f = open(sys.argv[1], 'ab'); "
        "fcntl.flock(f, fcntl.LOCK_EX); print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(lock)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(BatchError, match="another process works on batch"):
            here.open(batch)
        holder.kill()
    here.open(batch).close()


def test_options_survive_the_journal_as_they_were() -> None:
    options = BatchOptions(
        task=Task.ANSWER,
        decoding=Decoding(max_new_tokens=5, stop=("a", "\n"), stop_ids=(1, 2), seed=9),
        terms=Terms(
            model_id=None, redundancy=5, callback=an_address("book"), callback_gas=9
        ),
        job_size=7,
        in_flight=3,
        budget=2**90,
    )
    assert decode_options(encode_options(options)) == options
    assert decode_options(encode_options(BatchOptions())) == BatchOptions()


def test_request_survives_the_journal_whatever_its_text() -> None:
    request = PromptRequest('\x00"🦉\u2028', Decoding(temperature=0, stop=("\n",)))
    assert decode_request(encode_request(request)) == request
