"""The archive with the results of a batch, as hostile as it may be."""

from __future__ import annotations

import gzip
import io
import json
import os
import socket
import tarfile
import threading
import time
import tracemalloc
from contextlib import closing, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from syncd.destinations._mailchimp_archive import Caps, Result, download, unpack
from syncd.errors import ConnectionBlocked, SyncdError, TransientError
from syncd.http import Http

if TYPE_CHECKING:
    from collections.abc import Iterator


def entry(n: int, status: int = 204) -> dict[str, object]:
    return {"status_code": status, "operation_id": f"op{n}", "response": ""}


def packed(*files: tuple[str, bytes] | tarfile.TarInfo) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz") as archive:
        for file in files:
            if isinstance(file, tarfile.TarInfo):
                archive.addfile(file)
                continue
            info = tarfile.TarInfo(file[0])
            info.size = len(file[1])
            archive.addfile(info, io.BytesIO(file[1]))
    return target.getvalue()


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def text(*entries: object) -> bytes:
    return json.dumps(entries).encode()


def test_results_are_taken_from_every_file_and_empty_ones_do_no_harm() -> None:
    archive = packed(
        special("b1/", tarfile.DIRTYPE),
        ("b1/0.json", text(entry(2), entry(1, 404))),
        ("b1/1.json", b""),
        ("b1/2.json", text(entry(3))),
    )
    assert [(each.operation_id, each.status_code) for each in unpack(archive)] == [
        ("op2", 204),
        ("op1", 404),
        ("op3", 204),
    ]


def test_names_mean_nothing_and_only_regular_files_are_read() -> None:
    archive = packed(
        ("../../etc/passwd", text(entry(1))),
        ("/abs.json", text(entry(2))),
        special("link.json", tarfile.SYMTYPE, "/etc/passwd"),
        special("hard.json", tarfile.LNKTYPE, "../../etc/passwd"),
        special("pipe", tarfile.FIFOTYPE),
        special("device", tarfile.CHRTYPE),
    )
    before = sorted(os.listdir("."))
    assert [each.operation_id for each in unpack(archive)] == ["op1", "op2"]
    assert sorted(os.listdir(".")) == before


@pytest.mark.parametrize(
    "archive",
    [
        b"",
        b"<Error>expired</Error>",
        gzip.compress(b"not a tar" * 100),
        packed(("0.json", text(entry(1))))[:-30],
        packed(("0.json", text(*map(entry, range(2000)))))[:400],
        packed(("0.json", b"{")),
        packed(("0.json", b'{"a": 1}')),
        packed(("0.json", b'[{"status_code": "x"}]')),
        packed(("0.json", b"[" * 5000 + b"]" * 5000)),
        packed(("0.json", b'["\xff"]')),
    ],
    ids=["empty", "xml", "no tar", "cut", "cut early", "bad json", "object", "bad status", "deep", "bytes"],
)
def test_a_damaged_archive_is_transient(archive: bytes) -> None:
    with pytest.raises(TransientError):
        list(unpack(archive))


def test_a_bomb_stops_at_the_cap() -> None:
    caps = Caps(file_bytes=4 << 20, total_bytes=8 << 20)
    large = packed(("0.json", bytes(5 << 20)))
    skipped = special("huge", tarfile.CONTTYPE)
    skipped.type = b"Z"  # a kind that is not read, only passed over
    skipped.size = 64 << 20
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w:") as archive:
        archive.addfile(skipped, io.BytesIO(bytes(64 << 20)))
    for bomb in (large, gzip.compress(raw.getvalue())):
        tracemalloc.start()
        with pytest.raises(TransientError, match="larger than they can be"):
            list(unpack(bomb, caps))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 12 << 20


def extended(kind: bytes, data: bytes) -> bytes:
    """An entry that describes the next one, and where our own library would look for its meaning."""
    info = special("x", kind)
    info.size = len(data)
    return info.tobuf() + data + bytes(-len(data) % tarfile.BLOCKSIZE)


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK])
def test_extended_headers_are_passed_over_unread(kind: bytes) -> None:
    # So many digits took the standard library the square of their number: hours.
    plain = gzip.decompress(packed(("0.json", text(entry(1)))))
    archive = gzip.compress(extended(kind, b"1" * 4_000_000) + plain)
    began = time.process_time()
    assert [each.operation_id for each in unpack(archive)] == ["op1"]
    assert time.process_time() - began < 5


def test_a_sparse_file_is_no_result() -> None:
    blocks = (b"00000000001\0" * 42).ljust(504, b"\0") + b"\1" + bytes(7)
    with pytest.raises(TransientError):
        list(unpack(gzip.compress(extended(tarfile.GNUTYPE_SPARSE, b"") + blocks * 1000 + bytes(1024))))


@pytest.mark.parametrize("size", [-1, -(2**40), 2**40])
def test_a_file_of_an_absurd_size_is_refused(size: int) -> None:
    info = special("0.json", tarfile.REGTYPE)
    info.size = size
    with pytest.raises(TransientError):
        list(unpack(gzip.compress(info.tobuf(tarfile.GNU_FORMAT) + bytes(1024))))


def test_an_archive_of_very_many_files_is_refused() -> None:
    with pytest.raises(TransientError, match="larger"):
        list(unpack(packed(*((f"{n}.json", b"") for n in range(11))), Caps(files=10)))


@pytest.mark.parametrize(("response", "document"), [('{"title": "x"}', {"title": "x"}), ("", None), (None, None)])
def test_the_body_of_an_answer_is_a_text_of_its_own(response: str | None, document: object) -> None:
    assert Result(400, "op", response).document() == document
    assert Result(400, "op", "[" * 5000).document() is None


# Where it is fetched from


class Keeper(BaseHTTPRequestHandler):
    seen: list[str]
    status = 200

    def do_GET(self) -> None:
        self.seen.append(str(self.headers))
        body = packed(("0.json", text(entry(1, 200), entry(1, 404), {"status_code": 200, "operation_id": None})))
        self.send_response(self.status)
        self.send_header("Location", "https://elsewhere.example/")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def keeper() -> Iterator[tuple[type[Keeper], str]]:
    handler = type("Handler", (Keeper,), {"seen": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield handler, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def api(origin: str) -> Http:
    return Http(origin, connection="audiences.main", headers=lambda: {"Authorization": "Basic secret"})


def test_the_first_result_of_an_operation_counts_and_no_credentials_go_out(keeper: tuple[type[Keeper], str]) -> None:
    handler, origin = keeper
    found = download(api(origin), f"{origin}/results?Signature=a%2Fb")
    assert {name: result.status_code for name, result in found.items()} == {"op1": 200}
    assert "secret" not in "".join(handler.seen)


@pytest.mark.parametrize("status", [302, 400, 403, 404, 500])
def test_an_address_that_is_too_old_or_too_new_is_transient(keeper: tuple[type[Keeper], str], status: int) -> None:
    handler, origin = keeper
    handler.status = status
    with pytest.raises(TransientError):
        download(api(origin), f"{origin}/results")
    assert len(handler.seen) == 1


@pytest.mark.parametrize(
    "url",
    [
        "http://mailchimp-api-batch.s3.amazonaws.com/x",
        "https://evil.example/x",
        "https://amazonaws.com.evil.example/x",
        "https://evilamazonaws.com/x",
        "https://amazonaws.com/x",
        "https://s3.amazonaws.com@evil.example/x",
        "https://user@s3.amazonaws.com/x",
        "https://s3.amazonaws.com./x",
        "https://s3.amazonaws.com:8443/x",
        "https://s3.amazonaws.com:0/x",
        "https://127.0.0.1/x",
        "https://2130706433/x",
        "https://0x7f.1/x",
        "https://0177.0.0.1/x",
        "https://[::1]/x",
        "https://[::ffff:127.0.0.1]/x",
        "https://169.254.169.254/latest/meta-data",
        "https://localhost/x",
        "http://localhost/x",
        "file:///etc/passwd",
        "gopher://s3.amazonaws.com/x",
        "//s3.amazonaws.com/x",
        "https://",
        "https://[/x",
        "",
    ],
)
def test_any_other_address_is_refused(url: str) -> None:
    with pytest.raises(SyncdError) as caught:
        download(api("https://us6.api.mailchimp.com"), url)
    assert isinstance(caught.value, ConnectionBlocked)


def test_a_host_of_mailchimp_that_leads_into_our_own_network_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def resolve(host: str, port: int, **options: object) -> list[object]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.7", port))]

    # The name server is the only part of the world that is played here.
    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with pytest.raises(ConnectionBlocked):
        download(api("https://us6.api.mailchimp.com"), "https://batch.s3.amazonaws.com/x")


def test_a_host_that_cannot_be_reached_is_transient() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as free, suppress(OSError):
        port = free.getsockname()[1]
    with pytest.raises(TransientError):
        download(api(f"http://127.0.0.1:{port}"), f"http://127.0.0.1:{port}/x")
