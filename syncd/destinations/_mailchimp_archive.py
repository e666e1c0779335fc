"""The results of a batch: a compressed archive at an address that Mailchimp names, somewhere else.

It knows that both the address and the archive come from outside: no credentials are sent there, no
private address is asked, nothing is written to disk, and a bomb stops at a cap.
"""

from __future__ import annotations

import gzip
import io
import socket
import tarfile
import zlib
from ipaddress import ip_address
from itertools import count
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from syncd._origin import is_loopback
from syncd.errors import ConnectionBlocked, SyncdError, TransientError
from syncd.http import MIB, Http, OversizeError, Reply

if TYPE_CHECKING:
    from collections.abc import Iterator

DOWNLOAD_BYTES = 64 * MIB
DOWNLOAD_SECONDS = 120.0
# Source: Mailchimp hands out its results from its own hosts or from Amazon S3.
KEEPERS = (".mailchimp.com", ".amazonaws.com")


TOO_LARGE = "the results of a batch are larger than they can be"


class Caps(Struct, frozen=True):
    """How much an archive may hold: a thousand answers of Mailchimp are a few MiB."""

    files: int = 10_000
    file_bytes: int = 64 * MIB
    total_bytes: int = 256 * MIB


CAPS = Caps()


class Result(Struct, frozen=True):
    """What became of one operation. `response` is the answer's body, as text."""

    status_code: int
    operation_id: str | None = None
    response: str | None = None

    def document(self) -> Any:
        """The answer's body; None where it is no JSON."""
        try:
            return msgspec.json.decode((self.response or "").encode())
        except (ValueError, RecursionError):
            return None


def download(api: Http, url: str) -> dict[str, Result]:
    """The results behind `url` by operation id, the first one for each.

    Raises: TransientError where they cannot be had or read; ConnectionBlocked for an address that is
    not Mailchimp's.
    """
    keeper, path = _keeper(api, url)
    try:
        body = keeper.request("GET", path, max_bytes=DOWNLOAD_BYTES).body
    finally:
        keeper.close()
    results: dict[str, Result] = {}
    for result in unpack(body):
        if result.operation_id is not None:
            results.setdefault(result.operation_id, result)
    return results


def unpack(archive: bytes, caps: Caps = CAPS) -> Iterator[Result]:
    """Every result in the archive, whatever its files are called and however many there are.

    Raises: TransientError where it is damaged; OversizeError where it is larger than results can be.
    """
    try:
        # Empty files occur.
        for text in filter(None, _files(_Capped(archive, caps.total_bytes), caps)):
            yield from msgspec.json.decode(text, type=list[Result])
    except (tarfile.TarError, OSError, EOFError, zlib.error, ValueError, RecursionError) as err:
        raise TransientError("the results of a batch are damaged") from err


def _files(archive: _Capped, caps: Caps) -> Iterator[bytes]:
    """The content of every regular file; all else is passed over.

    Entry by entry and by hand: names mean nothing here, and whoever follows the extended headers, which
    are for names, can be kept busy for hours by a kilobyte of them, or made to fill the memory.
    Raises: OversizeError, TarError, EOFError.
    """
    for n in count():
        header = archive.read(tarfile.BLOCKSIZE)
        if n and not header.strip(b"\0"):
            # Its checksum comes at the very end.
            while archive.read(1 << 16):
                pass
            return
        entry = tarfile.TarInfo.frombuf(header, "utf-8", "replace")
        if n >= caps.files or not 0 <= entry.size <= caps.file_bytes:
            raise OversizeError(TOO_LARGE)
        content = archive.read(entry.size)
        padding = archive.read(-entry.size % tarfile.BLOCKSIZE)
        if len(content) < entry.size or len(padding) < -entry.size % tarfile.BLOCKSIZE:
            raise EOFError
        if entry.type in (tarfile.REGTYPE, tarfile.AREGTYPE):
            yield content


class _Capped:
    """The unpacked bytes of a gzip file, up to the cap: what is skipped counts as well."""

    def __init__(self, packed: bytes, cap: int) -> None:
        self._plain = gzip.GzipFile(fileobj=io.BytesIO(packed))
        self._left = cap

    def read(self, size: int) -> bytes:
        """The next `size` bytes, fewer only at the end. Raises: OversizeError beyond the cap."""
        text = self._plain.read(size)
        self._left -= len(text)
        if self._left < 0:
            raise OversizeError(TOO_LARGE)
        return text


def _keeper(api: Http, url: str) -> tuple[Http, str]:
    """A client without credentials for the host that keeps the results, and the path there."""
    try:
        parts = urlsplit(url)
        host, origin = parts.hostname or "", f"{parts.scheme}://{parts.netloc}"
        named = parts.scheme == "https" and parts.port in (None, 443) and host.endswith(KEEPERS)
        allowed = parts.username is None and ((named and _is_public(host)) or (api.is_local and is_loopback(host)))
    except ValueError:
        allowed = False
    if not allowed:
        raise ConnectionBlocked(
            f"{api.connection}: Mailchimp names a place for its results that is not its own",
            connection=api.connection,
            hint="Nothing was asked there. If it stays, tell the makers of syncd.",
        )
    keeper = Http(
        origin, connection=api.connection, headers=dict, classify=_classify, attempts=1, deadline=DOWNLOAD_SECONDS
    )
    return keeper, keeper.path_of(url)


def _is_public(host: str) -> bool:
    """Whether every address of the host is on the open internet; TLS then holds the host to its name."""
    try:
        found = socket.getaddrinfo(host, 443, type=socket.SOCK_STREAM)
    except OSError:
        return True  # nothing to protect; the download says that there is no such host
    return all(ip_address(str(address[0]).partition("%")[0]).is_global for *_, address in found)


def _classify(reply: Reply) -> SyncdError | None:
    # An address that is too old or too new answers 400, 403 or 404: it is asked for anew.
    if reply.status == 200:
        return None
    return TransientError("the results of a batch are not there yet, or no longer", status=reply.status)
