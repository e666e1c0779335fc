"""One call after the other over TLS: Mailchimp's own client as it is published, and the same under syncd.

    python -m benchmarks.calls serve DIRECTORY             a server that takes everything; prints its address
    python -m benchmarks.calls ours|vendor URL CERTIFICATE prints the CPU milliseconds of a call

The certificate is put in the place of the usual authorities before anything is imported, for both alike.
"""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import process_time

import certifi

from benchmarks.goals import Row
from benchmarks.processes import run, serving

CALLS, WARM_UP, ROUNDS = 300, 5, 3
SHARE = 1 / 3
MAKE_CERTIFICATE = (
    "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1"
    " -keyout key.pem -out cert.pem"
)
HASH, TAGS = "0" * 32, {"tags": [{"name": "loyal", "status": "active"}]}
TAKEN = b"HTTP/1.1 204 No Content\r\nContent-Type: application/json\r\n\r\n"


def rows(full: bool) -> Iterator[Row]:
    """The CPU time of a call, ours and theirs in turns."""
    program = [sys.executable, "-m", "benchmarks.calls"]
    with TemporaryDirectory() as room, serving([*program, "serve", room]) as urls:
        where = [urls["mailchimp"], f"{room}/cert.pem"]
        took = [(run([*program, "ours", *where]).told, run([*program, "vendor", *where]).told) for _ in range(ROUNDS)]
    ours, theirs = (median(each) for each in zip(*took, strict=True))
    yield Row(work="a call to Mailchimp", size="over TLS", unit="CPU ms", ours=ours, peer=theirs, at_most=SHARE)


def milliseconds_of(call: Callable[[], object]) -> float:
    """The CPU time of one call, of many."""
    for _ in range(WARM_UP):
        call()
    began = process_time()
    for _ in range(CALLS):
        call()
    return 1_000 * (process_time() - began) / CALLS


def ours(url: str) -> Callable[[], object]:
    """Tags one member by syncd's gateway."""
    from syncd.destinations._mailchimp_gateway import connect

    lists = connect(lambda: "none-us1", url, "audiences.main").lists
    return lambda: lists.update_list_member_tags("a1", HASH, TAGS)


def vendor(url: str) -> Callable[[], object]:
    """Tags one member by the published client."""
    from mailchimp_marketing import Client

    client = Client({"api_key": "none-us1", "server": "us1"})
    client.api_client.host = f"{url}/3.0"
    return lambda: client.lists.update_list_member_tags("a1", HASH, TAGS)


async def serve(room: Path) -> None:
    """Takes every request with 204, until it is ended."""
    subprocess.run(MAKE_CERTIFICATE.split(), cwd=room, check=True, capture_output=True)  # noqa: S603  # our own
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(room / "cert.pem", room / "key.pem")

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
                await reader.readexactly(int(length.partition(b":")[2]))
                writer.write(TAKEN)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", 0, ssl=context)
    sys.stdout.write(json.dumps({"mailchimp": f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"}) + "\n")
    sys.stdout.flush()
    await server.serve_forever()


def main(what: str, where: str, certificate: str = "") -> None:
    if what == "serve":
        asyncio.run(serve(Path(where)))
    certifi.where = lambda: certificate
    os.environ["REQUESTS_CA_BUNDLE"] = certificate  # the vendor's client looks here first
    call = {"ours": ours, "vendor": vendor}[what](where)
    sys.stdout.write(f"{milliseconds_of(call)}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
