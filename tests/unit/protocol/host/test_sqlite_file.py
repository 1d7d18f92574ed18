"""An SQLite file: made, migrated, shared, refused; what is refused is left alone."""

from __future__ import annotations

import sqlite3
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from protocol.errors import MarketError
from protocol.host.sqlite_file import SqliteFile, SqliteSchema


class SongsError(MarketError):
    """What the schema of these tests raises."""


FIRST = """
CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE songs (title TEXT PRIMARY KEY) STRICT;
"""
SCHEMA = SqliteSchema(
    what="song book",
    advice="sing from memory",
    error=SongsError,
    versions={1: FIRST},
    busy_seconds=0.05,
)
LATER = replace(
    SCHEMA,
    versions={
        1: FIRST,
        2: "ALTER TABLE songs ADD COLUMN year INTEGER;\n"
        "UPDATE songs SET year = 1969;\n",
    },
)
OWNER = {"choir": "alto", "town": "Ulm"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "songs.sqlite"


def songs(file: SqliteFile) -> list[str]:
    return [title for (title,) in file.rows("SELECT title FROM songs ORDER BY title")]


def add(file: SqliteFile, title: str) -> int:
    return file.run("INSERT OR IGNORE INTO songs (title) VALUES (?)", (title,))


def made(path: Path, schema: SqliteSchema = SCHEMA) -> SqliteFile:
    file = SqliteFile(path, schema)
    file.migrate(OWNER)
    return file


@contextmanager
def locked(path: Path, statement: str = "BEGIN IMMEDIATE") -> Iterator[None]:
    other = sqlite3.connect(path, isolation_level=None)
    other.execute(statement)
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()


def test_what_is_written_is_there_when_it_is_opened_again(path: Path) -> None:
    with made(path) as file:
        assert (add(file, "Yesterday"), add(file, "Yesterday")) == (1, 0)
    with made(path) as file:
        assert songs(file) == ["Yesterday"]
        assert list(file.stream("SELECT title FROM songs")) == [("Yesterday",)]
        assert file.about("town") == "Ulm"


def test_files_are_for_their_owner_only(path: Path) -> None:
    with made(path):
        modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in path.parent.iterdir()}
    assert len(modes) == 3
    assert set(modes.values()) == {0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("is_durable", [True, False])
def test_a_durable_file_waits_for_the_disk(path: Path, is_durable: bool) -> None:
    with made(path, replace(SCHEMA, is_durable=is_durable)) as file:
        assert file.rows("PRAGMA synchronous") == [(2 if is_durable else 1,)]
        assert file.rows("PRAGMA journal_mode") == [("wal",)]


def test_migrate_keeps_what_an_older_version_holds(path: Path) -> None:
    with made(path) as file:
        add(file, "Yesterday")
    with SqliteFile(path, LATER) as file:
        assert file.version == 1
        file.migrate(OWNER)
        assert file.version == 2
        assert file.rows("SELECT * FROM songs") == [("Yesterday", 1969)]


def test_migrate_that_fails_leaves_the_older_version(path: Path) -> None:
    made(path).close()
    broken = replace(LATER, versions={**LATER.versions, 3: "nonsense"})
    with (
        SqliteFile(path, broken) as file,
        pytest.raises(SongsError, match="syntax error"),
    ):
        file.migrate(OWNER)
    with SqliteFile(path, LATER) as file:
        assert file.version == 1


def test_migrate_by_two_at_once_makes_the_tables_once(path: Path) -> None:
    with SqliteFile(path, SCHEMA) as first, SqliteFile(path, SCHEMA) as second:
        first.migrate(OWNER)
        second.migrate(OWNER)
        add(first, "Yesterday")
        assert songs(second) == ["Yesterday"]


def test_migrate_of_others_is_refused_before_anything_changes(path: Path) -> None:
    made(path).close()
    with SqliteFile(path, LATER) as file:
        with pytest.raises(SongsError, match="belongs to town Ulm, not Rom"):
            file.migrate({**OWNER, "town": "Rom"})
        assert file.version == 1


def test_open_read_only_sees_what_others_write_and_writes_nothing(path: Path) -> None:
    with pytest.raises(SongsError, match="unable to open"):
        SqliteFile(path, SCHEMA, is_read_only=True)
    with made(path) as file, SqliteFile(path, SCHEMA, is_read_only=True) as look:
        add(file, "Yesterday")
        assert songs(look) == ["Yesterday"]
        with pytest.raises(SongsError, match="readonly"):
            add(look, "Tomorrow")


def test_open_new_refuses_a_file_that_is_there(path: Path) -> None:
    SqliteFile(path, SCHEMA, is_new=True).close()
    with pytest.raises(SongsError, match="File exists; set data_dir"):
        SqliteFile(path, SCHEMA, is_new=True)


def test_open_in_a_folder_that_cannot_be_made_names_the_setting(path: Path) -> None:
    path.parent.write_text("a file is in the way")
    with pytest.raises(SongsError, match="song book .* cannot be written: .*data_dir"):
        SqliteFile(path, SCHEMA)


def refused(path: Path, schema: SqliteSchema, reason: str) -> None:
    before = path.read_bytes()
    with pytest.raises(SongsError, match=reason):
        SqliteFile(path, schema)
    assert path.read_bytes() == before


def test_open_damaged_file_is_refused(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"no database at all" * 400)
    refused(path, SCHEMA, "not a database.*nothing was changed.*sing from memory")


def test_open_checked_file_with_a_damaged_page_is_refused(path: Path) -> None:
    with made(path) as file, file.transaction():
        for number in range(2_000):
            add(file, f"song {number}")
    damaged = bytearray(path.read_bytes())
    for offset in range(16_384, len(damaged), 4_096):
        damaged[offset : offset + 64] = b"\xa5" * 64
    path.write_bytes(damaged)
    SqliteFile(path, SCHEMA).close()
    refused(path, replace(SCHEMA, is_checked=True), "damaged")


def test_open_file_of_a_later_version_is_refused(path: Path) -> None:
    made(path, LATER).close()
    refused(path, SCHEMA, "has version 2, this program writes 1: use the program")


def test_open_database_of_another_program_is_refused(path: Path) -> None:
    path.parent.mkdir()
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE birds (name TEXT)")
    other.close()
    refused(path, SCHEMA, "another program's database")


def test_open_file_that_another_locks_is_refused_until_it_lets_go(path: Path) -> None:
    with made(path) as file:
        file.run("PRAGMA journal_mode = DELETE")
    with locked(path, "BEGIN EXCLUSIVE"):
        refused(path, SCHEMA, "database is locked.*another process may hold it")
    made(path).close()


def test_transaction_of_a_locked_file_raises_and_can_be_tried_again(path: Path) -> None:
    with made(path) as file:
        with (
            locked(path),
            pytest.raises(SongsError, match="locked"),
            file.transaction(),
        ):
            pass
        with file.transaction():
            add(file, "Yesterday")
        assert songs(file) == ["Yesterday"]


def test_transaction_that_fails_leaves_nothing_of_inner_ones_either(path: Path) -> None:
    with made(path) as file:
        with pytest.raises(RuntimeError), file.transaction():
            with file.transaction():
                add(file, "Yesterday")
            raise RuntimeError("stop")
        assert songs(file) == []


def test_transaction_that_a_full_disk_ends_says_so_and_leaves_nothing(
    path: Path,
) -> None:
    with made(path) as file:
        ((pages,),) = file.rows("PRAGMA page_count")
        file.run(f"PRAGMA max_page_count = {pages}")
        with (
            pytest.raises(SongsError, match=r"disk is full.*disk may be full"),
            file.transaction(),
        ):
            for number in range(2_000):
                add(file, f"song {number}")
        assert songs(file) == []


def test_transaction_keeps_other_threads_out(path: Path) -> None:
    file = made(path)
    is_inside = threading.Event()

    def copy_number() -> None:
        is_inside.wait()
        with file.transaction():
            add(file, f"{len(songs(file))} before")

    other = threading.Thread(target=copy_number)
    other.start()
    with file.transaction():
        is_inside.set()
        for number in range(100):
            add(file, f"song {number}")
    other.join()
    assert "100 before" in songs(file)
    file.close()


def test_decoded_names_the_file_that_holds_nonsense(path: Path) -> None:
    with made(path) as file:
        with (
            pytest.raises(SongsError, match=r"songs\.sqlite.*literal"),
            file.decoded(),
        ):
            int("nonsense")
        with pytest.raises(SongsError, match="lacks village"):
            file.about("village")


def test_discard_leaves_no_file(path: Path) -> None:
    made(path).discard()
    assert list(path.parent.iterdir()) == []


def test_file_of_before_the_first_release_is_refused_by_its_version(path: Path) -> None:
    made(path).close()
    released = replace(SCHEMA, versions={2: FIRST})
    with pytest.raises(SongsError, match="version 1, from before the first release"):
        SqliteFile(path, released)
    assert songs(made(path)) == []
