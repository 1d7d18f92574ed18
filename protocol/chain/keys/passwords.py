"""Where the password of an encrypted key file comes from."""

from __future__ import annotations

import getpass
import sys
from dataclasses import dataclass
from pathlib import Path

from protocol.errors import ConfigError
from protocol.host.private_files import read_private

__all__ = ["ASK_TERMINAL", "PasswordSource"]

_SHORTEST_PASSWORD = 8
_LONGEST_PASSWORD_BYTES = 4096


@dataclass(frozen=True, slots=True)
class PasswordSource:
    """Where a keystore's password comes from: a file, or the person at the terminal.

    Attributes:
        file: File whose first line is the password, mode 600; None asks the terminal.
    """

    file: Path | None = None

    def read(self, what: str) -> str:
        """The password of an existing keystore.

        Args:
            what: Whose password, for the prompt and for errors.

        Raises:
            ConfigError: The file cannot be used, or there is neither a file nor a
                terminal.
        """
        if self.file is not None:
            return _first_line(self.file)
        return self._ask(f"Password of {what}: ", what)

    def choose(self, what: str) -> str:
        """A password for a new keystore; typed twice at a terminal.

        Raises:
            ConfigError: As `read`, it is too short, or was typed differently.
        """
        if self.file is not None:
            password = _first_line(self.file)
        else:
            password = self._ask(f"New password of {what}: ", what)
            if password != self._ask("The same again: ", what):
                raise ConfigError("the passwords differ: try again")
        if len(password) < _SHORTEST_PASSWORD:
            raise ConfigError(
                f"the password of {what} has {len(password)} characters, at least "
                f"{_SHORTEST_PASSWORD} are needed: whoever copies the file can try "
                "as long as they like"
            )
        return password

    def _ask(self, prompt: str, what: str) -> str:
        if not sys.stdin.isatty():
            raise ConfigError(
                f"{what} needs a password and there is no terminal to ask: "
                "give --password-file, or set password_file"
            )
        return getpass.getpass(prompt)


ASK_TERMINAL = PasswordSource()


def _first_line(path: Path) -> str:
    text = read_private(path, "password file", _LONGEST_PASSWORD_BYTES)
    line, _, rest = text.partition("\n")
    if not line.strip() or rest.strip():
        raise ConfigError(f"password file {path} must hold one line, the password")
    return line.rstrip("\r")
