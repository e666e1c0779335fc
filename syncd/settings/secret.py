"""A secret and where it is kept. Knows nothing of what it opens; never shows it in a repr, an error or a log.

It is read when it is used and not before, so that a configuration can be checked on a machine without
the secrets, and a rotated one is taken up without a restart.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from syncd.errors import UserError

Keeper = Literal["env", "file", "credential", "literal"]


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret kept in an environment variable, a file, a systemd credential, or (sandbox only) right here.

    `place` is the name of the variable or credential, the path of the file, or the secret itself.
    """

    keeper: Keeper
    place: str = field(repr=False)

    def __str__(self) -> str:
        return "***" if self.keeper == "literal" else f"{{ {self.keeper} = {self.place!r} }}"

    def get(self) -> str:
        """The secret itself, without the line break that editors append.

        Raises: UserError, saying what to do, where it is missing, empty or open to everybody.
        """
        value = _READERS[self.keeper](self.place).rstrip("\r\n")
        if not value.strip():
            raise UserError(f"the secret {self} is empty", hint="Put the secret there and try again.")
        return value


def _from_environment(name: str) -> str:
    try:
        return os.environ[name]
    except KeyError:
        raise UserError(
            f"the environment variable {name} is not set", hint=f"Set {name} for the user that runs syncd."
        ) from None


def _from_file(path: str) -> str:
    try:
        with Path(path).open(encoding="utf-8") as file:
            # Asked of the open file, so that what is read is what was checked.
            if os.fstat(file.fileno()).st_mode & stat.S_IROTH:
                raise UserError(f"the secret file {path} can be read by every user", hint=f"Run: chmod o= {path}")
            return file.read()
    except UnicodeDecodeError:
        raise UserError(
            f"the secret file {path} is not text", hint="It must hold the secret and nothing else."
        ) from None
    except (OSError, ValueError) as err:  # ValueError: what is no file's name at all
        raise UserError(
            f"the secret file {path!r} cannot be read: {getattr(err, 'strerror', err)}",
            hint="Write the secret to that file, readable only by the user that runs syncd.",
        ) from err


def _from_credential(name: str) -> str:
    directory = os.environ.get("CREDENTIALS_DIRECTORY")
    if not directory:
        raise UserError(
            f"the credential {name} is not there: syncd was not started by systemd with credentials",
            hint=f"Add LoadCredential={name}:/path/to/secret to the unit, or use {{ file = … }}.",
        )
    return _from_file(str(Path(directory) / name))


def _itself(value: str) -> str:
    return value


_READERS = {"env": _from_environment, "file": _from_file, "credential": _from_credential, "literal": _itself}


def parse_secret(value: object, directory: Path) -> Secret:
    """The Secret that a configuration value describes; a relative file is looked for in `directory`.

    A plain string becomes a literal secret: whether it may be one depends on what it opens.
    Raises: ValueError, never repeating the value, for anything else.
    """
    match value:
        case Secret():
            return value
        case str():
            return Secret("literal", value)
        case {"env": str(name), **rest} if not rest and name:
            return Secret("env", name)
        case {"file": str(path), **rest} if not rest and path:
            return Secret("file", str(directory / path))
        case {"credential": str(name), **rest} if not rest and name and "/" not in name:
            return Secret("credential", name)
    raise ValueError('expected one of { env = "NAME" }, { file = "/path" }, { credential = "name" }')
