"""A file held by one process at a time, and what others learn of the holder."""

from __future__ import annotations

import fcntl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from protocol.host.file_lock import FileHeld, FileLock, holder_of

HOLDER = """
import sys
from pathlib import Path
from protocol.host.file_lock import FileLock
FileLock(Path(sys.argv[1]), says=sys.argv[2])
print("held", flush=True)
sys.stdin.readline()
"""


@contextmanager
def another(path: Path, says: str = "somebody") -> Iterator[subprocess.Popen[str]]:
    """A process that holds the file until it is killed or told to end."""
    command = [sys.executable, "-c", HOLDER, str(path), says]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


def test_a_file_held_by_another_process_is_refused_and_names_it(tmp_path: Path) -> None:
    with another(tmp_path / "lock"):
        assert holder_of(tmp_path / "lock") == "somebody"
        with pytest.raises(FileHeld) as failure:
            FileLock(tmp_path / "lock", says="me")
        assert failure.value.holder == "somebody"
        # Whoever is refused does not write over what the holder says.
        assert holder_of(tmp_path / "lock") == "somebody"


def test_a_killed_holder_leaves_nothing_that_keeps_others_out(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with another(path) as process:
        process.kill()
        process.wait()
        assert path.read_text() == "somebody"
        assert holder_of(path) is None
        with FileLock(path, says="me"):
            assert holder_of(path) == "me"


def test_patience_outlasts_a_holder_that_is_about_to_end(tmp_path: Path) -> None:
    with another(tmp_path / "lock") as process:
        assert process.stdin is not None
        process.stdin.close()
        FileLock(tmp_path / "lock", says="me", patience_seconds=60).release()


def test_a_program_that_the_holder_starts_does_not_hold_on(tmp_path: Path) -> None:
    lock = FileLock(tmp_path / "lock", says="me")
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, close_fds=False):
        lock.release()
        assert holder_of(tmp_path / "lock") is None


def test_a_released_file_says_nothing_and_can_be_taken_again(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    for _ in range(2):
        with FileLock(path, says="me"):
            assert path.stat().st_mode & 0o777 == 0o600
        assert path.read_text() == ""
    assert holder_of(path) is None
    assert holder_of(tmp_path / "missing") is None


def test_a_file_of_somebody_else_is_held_and_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "key"
    with pytest.raises(FileNotFoundError):
        FileLock(path)
    path.write_text("secret")
    path.chmod(0o400)
    with FileLock(path), pytest.raises(FileHeld):
        FileLock(path)
    assert path.read_text() == "secret"


def test_two_who_look_at_once_find_nobody(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    FileLock(path, says="me").release()
    with path.open() as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        assert holder_of(path) is None


def test_releasing_twice_leaves_the_next_holder_alone(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    first = FileLock(path, says="first")
    first.release()
    with FileLock(path, says="second"):
        first.release()
        assert path.read_text() == "second"
        assert holder_of(path) == "second"
