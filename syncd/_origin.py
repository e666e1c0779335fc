"""Where a connection may go: https, or this machine; and nowhere else once it is set up.

Links and paths that a service sends are never followed as they are: credentials would go with them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import SplitResult, unquote, urlsplit

from syncd.errors import ConnectionBlocked, UserError

_PORTS = {"https": 443, "http": 80}


@dataclass(frozen=True, slots=True)
class Origin:
    """Scheme, host and port of the connection called `connection`."""

    connection: str
    scheme: str
    host: str
    port: int

    @classmethod
    def of(cls, url: str, connection: str) -> Origin:
        """The origin that a configured address means.

        Raises: UserError where it is more than that, or neither https nor this machine.
        """
        try:
            parts = urlsplit(url.rstrip("/"))
            scheme, host, port = _place(parts)
            bare = bool(host) and not (parts.path or parts.query or parts.fragment or parts.username)
            if bare and (scheme == "https" or (scheme == "http" and is_loopback(host))):
                return cls(connection, scheme, host, port)
        except ValueError:
            pass  # not even an address: told below
        raise UserError(
            f"{connection}: the address must be https://HOST; plain http is for this machine only",
            hint="Correct base_url or domain in the configuration.",
        )

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + ("" if self.port == _PORTS[self.scheme] else f":{self.port}")

    @property
    def is_local(self) -> bool:
        """Whether it is this machine: a sandbox."""
        return is_loopback(self.host)

    def url(self, path: str) -> str:
        """The address of a path, which is quoted already. Raises: ValueError for one that could lead elsewhere."""
        if not _is_plain(path):
            raise ValueError("a path begins with one slash, is quoted, and does not climb")
        return f"{self}{path}"

    def path_of(self, url: str) -> str:
        """Path and query of an absolute URL of this origin. Raises: ConnectionBlocked where it leads anywhere else."""
        try:
            parts = urlsplit(url)
            same = _place(parts) == (self.scheme, self.host, self.port) and parts.username is None
        except ValueError:
            same = False
        path = parts.path + (f"?{parts.query}" if parts.query else "") if same else ""
        if not _is_plain(path):
            raise ConnectionBlocked(
                f"{self.connection}: the service sent a link that leads to another place",
                connection=self.connection,
                hint="Nothing was sent there. Check the address in the configuration.",
            )
        return path


def is_loopback(host: str) -> bool:
    """True for names and addresses that never leave this machine."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _place(parts: SplitResult) -> tuple[str, str, int]:
    port = parts.port if parts.port is not None else _PORTS.get(parts.scheme, 0)
    return parts.scheme, parts.hostname or "", port


def _is_plain(path: str) -> bool:
    way = unquote(path.partition("?")[0])
    return (
        re.fullmatch(r"/(?!/)[!-~]*", path) is not None
        and "#" not in path
        and "\\" not in unquote(path)
        and not {".", ".."} & set(way.split("/"))
    )
