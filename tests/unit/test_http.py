"""The HTTP client against small local servers: what is asked, what a status means, where calls may go, what is told."""

from __future__ import annotations

import gzip
import json
import socket
import ssl
import threading
import traceback
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import pytest

from syncd.errors import ConnectionBlocked, RecordError, SyncdError, TransientError, UserError
from syncd.http import Reply
from tests.unit.http_server import SECRET, Act, Call, Client, Server, answer, chunked


def test_a_get_gives_status_headers_and_json(call: Call) -> None:
    server, http = call(answer(200, b'{"orders": [1]}', "Content-Type: application/json\r\nX-Rest: 9\r\n"))
    reply = http.request("GET", "/orders", params={"q": "a b&c"})
    assert (reply.status, reply.json(), reply.headers["x-rest"]) == (200, {"orders": [1]}, "9")
    assert server.requests[0].startswith(b"GET /orders?q=a+b%26c HTTP/1.1\r\n")
    assert b"X-Token: " + SECRET.encode() in server.requests[0]


def test_a_body_is_sent_as_json(call: Call) -> None:
    server, http = call(answer(204, b""))
    http.request("POST", "/x", json={"Zoë": [1.5, None]})
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert json.loads(body) == {"Zoë": [1.5, None]}
    assert b"Content-Type: application/json" in head


def test_calls_share_one_connection_whatever_the_encoding(call: Call) -> None:
    packed = answer(200, gzip.compress(b"[7]"), "Content-Type: application/json\r\nContent-Encoding: gzip\r\n")
    server, http = call(answer(), packed, chunked(b"[", b"7]", b""), answer(404), answer())
    http.request("GET", "/1")
    assert http.request("GET", "/2").json() == [7]
    assert http.request("GET", "/3").json() == [7]
    with pytest.raises(RecordError):
        http.request("GET", "/4")
    http.request("GET", "/5")
    assert server.connections == 1


def test_cookies_are_not_kept(call: Call) -> None:
    server, http = call(answer(200, b"{}", "Set-Cookie: a=b\r\n"))
    http.request("GET", "/1")
    http.request("GET", "/2")
    assert b"cookie" not in server.requests[1].lower()


def test_a_netrc_file_does_not_replace_our_credentials(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login a password b\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    server, http = call(answer(), headers=lambda: {"Authorization": "Bearer ours"})
    http.request("GET", "/")
    assert b"Authorization: Bearer ours" in server.requests[0]


# What a status means


@pytest.mark.parametrize("status", [401, 402, 403, 423, 426])
def test_a_status_that_a_person_must_see_to_blocks_the_connection(call: Call, status: int) -> None:
    server, http = call(answer(status))
    with pytest.raises(ConnectionBlocked, match=r"^shops\.acme: ") as caught:
        http.request("GET", "/orders")
    assert caught.value.connection == "shops.acme"
    assert caught.value.hint
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [400, 404, 405, 409, 410, 413, 414, 422])
def test_a_status_about_one_record_is_not_asked_again(call: Call, status: int) -> None:
    server, http = call(answer(status))
    with pytest.raises(RecordError) as caught:
        http.request("GET", "/orders/7")
    assert caught.value.code == str(status)
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [300, 304, 408, 418, 425, 429, 430, 500, 502, 503, 504, 520, 599])
def test_any_other_status_is_tried_again_and_then_transient(call: Call, status: int) -> None:
    server, http = call(answer(status), attempts=3)
    with pytest.raises(TransientError) as caught:
        http.request("GET", "/orders")
    assert caught.value.status == status
    assert len(server.requests) == 3


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(call: Call, serve: Callable[..., Server], status: int) -> None:
    elsewhere = serve(answer())
    _, http = call(answer(status, b"", f"Location: {elsewhere.origin}/\r\n"))
    with pytest.raises(ConnectionBlocked, match=r"redirected to 127\.0\.0\.1"):
        http.request("GET", "/orders")
    assert elsewhere.requests == []


@pytest.mark.parametrize(
    ("location", "named"),
    [
        ("https://new.myshopify.com/admin?token=x", "new.myshopify.com"),
        ("//new.myshopify.com", "new.myshopify.com"),
        ("https://ann@evil.example:8/x", "evil.example"),
        ("/elsewhere", "another place"),
        ("https://[::1", "another place"),
        ("https://a\x1b[31m.example/", "another place"),
        ("", "another place"),
    ],
)
def test_a_redirect_names_the_host_it_leads_to_and_nothing_else(call: Call, location: str, named: str) -> None:
    _, http = call(answer(301, b"", f"Location: {location}\r\n"))
    with pytest.raises(ConnectionBlocked) as caught:
        http.request("GET", "/orders")
    assert str(caught.value) == f"shops.acme: GET /orders is redirected to {named}, and syncd does not follow"


def test_a_connector_can_read_a_status_its_own_way(call: Call) -> None:
    def classify(reply: Reply) -> SyncdError | None:
        return TransientError("busy", status=403) if reply.status == 403 and not reply.body else None

    server, http = call(answer(403, b""), answer(403), classify=classify)
    with pytest.raises(ConnectionBlocked):
        http.request("GET", "/orders")
    assert len(server.requests) == 2


def test_a_connector_can_find_an_error_in_a_200(call: Call) -> None:
    def classify(reply: Reply) -> SyncdError | None:
        return TransientError("throttled", retry_after=2) if b"THROTTLED" in reply.body else None

    _, http = call(answer(200, b'{"errors": "THROTTLED"}'), answer(200, b"[]"), classify=classify)
    assert http.request("POST", "/graphql", json={}, repeatable=True).json() == []
    assert 2 <= http.waits[0] < 3.1


# Addresses


@pytest.mark.parametrize(
    "origin",
    [
        "http://shop.example",
        "http://10.0.0.1",
        "http://127.0.0.1.evil.example",
        "http://localhost.evil.example",
        "http://127.0.0.1.nip.io",
        "http://[::ffff:8.8.8.8]",
        "http://evil.example\\@127.0.0.1",
        "http://127.0.0.1\\@evil.example",
        "ftp://127.0.0.1",
        "shop.example",
        "https://",
        "https://user:pw@shop.example",
        "https://shop.example/admin",
        "https://shop.example?x=1",
        "https://shop.example:99999",
        "https://[::1",
        "",
    ],
)
def test_an_origin_must_be_https_or_this_machine(origin: str) -> None:
    with pytest.raises(UserError, match=r"^shops\.acme: "):
        Client(origin)


@pytest.mark.parametrize(
    "origin", ["https://shop.example", "https://shop.example:8443/", "http://localhost:1", "http://[::1]:1"]
)
def test_an_origin_over_https_or_on_this_machine_is_taken(origin: str) -> None:
    client = Client(origin)
    assert client.is_local == ("shop.example" not in origin)
    client.close()


@pytest.mark.parametrize(
    "path",
    ["orders", "//evil.example/", "/a/../b", "/a/%2e%2e/b", "/a/%2E./b", "/./b", "/a\\b", "/a%5cb", "/a b", "/é"],
)
def test_a_path_that_could_lead_elsewhere_is_our_bug(path: str) -> None:
    with pytest.raises(ValueError, match="a path"):
        Client("https://shop.example").request("GET", path)


def test_a_next_link_of_our_origin_gives_its_path_and_query() -> None:
    http = Client("https://shop.example")
    assert http.path_of("https://shop.example/orders.json?page_info=a%2Fb&limit=250") == (
        "/orders.json?page_info=a%2Fb&limit=250"
    )
    assert http.path_of("https://SHOP.example:443/x") == "/x"


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/orders",
        "http://shop.example/orders",
        "https://shop.example:8443/orders",
        "https://shop.example@evil.example/orders",
        "https://user@shop.example/orders",
        "https://shop.example.evil.example/",
        "https://shop.example./orders",
        "//shop.example/orders",
        "/orders",
        "https://shop.example",
        "https://shop.example//evil.example/",
        "https://shop.example/a/../b",
        "https://shop.example\\@evil.example/",
        "file:///etc/passwd",
        "https://[::1",
        "https://shop.example:port/x",
        "",
    ],
)
def test_a_next_link_to_another_place_is_refused(url: str) -> None:
    with pytest.raises(ConnectionBlocked, match="another place"):
        Client("https://shop.example").path_of(url)


# Secrets


def all_text_of(err: BaseException) -> str:
    return "".join(traceback.format_exception(err)) + str(getattr(err, "hint", ""))


@pytest.mark.parametrize("act", [answer(401), answer(404), answer(500), answer(302), lambda sock: None])
def test_no_error_shows_credentials_queries_or_addresses(call: Call, act: bytes | Act) -> None:
    _, http = call(act, attempts=1)
    with pytest.raises(SyncdError) as caught:
        http.request(
            "GET", "/members/ann@shop.example/x%40y.example/" + "0f" * 16, params={"email": "bob@shop.example"}
        )
    text = all_text_of(caught.value)
    for hidden in (SECRET, "ann@", "bob", "%40y", "0f0f"):
        assert hidden not in text


@pytest.mark.parametrize("key", ["k3f9a\r\nEvil: 1", "k3f9a\n", "schlüssel…"])
def test_a_key_that_cannot_be_sent_blocks_without_showing_it(call: Call, key: str) -> None:
    server, http = call(answer(), headers=lambda: {"X-Token": key})
    with pytest.raises(ConnectionBlocked) as caught:
        http.request("GET", "/orders")
    assert key.strip()[:5] not in all_text_of(caught.value)
    assert server.requests == []


def test_an_error_names_connection_call_and_the_request_id_for_support(call: Call) -> None:
    _, http = call(answer(500, b"", "X-Request-Id: 4f-2a\r\n"), attempts=1)
    with pytest.raises(TransientError) as caught:
        http.request("GET", "/orders", params={"a": 1})
    assert str(caught.value) == (
        "shops.acme: the service answered 500 Internal Server Error to GET /orders, request 4f-2a"
    )


def test_a_certificate_that_proves_nothing_stops_the_connection_before_anything_is_sent() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # Made for this test, by nobody whom anybody trusts; the key opens nothing else.
    context.load_cert_chain(Path(__file__).with_name("self_signed.pem"))
    said: list[bytes] = []

    def serve(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection, suppress(OSError), context.wrap_socket(connection, server_side=True) as secured:
            said.append(secured.recv(1_000))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=serve, args=[listener])
        server.start()
        with closing(Client(f"https://127.0.0.1:{listener.getsockname()[1]}")) as client:
            with pytest.raises(ConnectionBlocked, match="the certificate does not prove"):
                client.request("GET", "/")
            assert client.waits == []
        server.join()
    assert said in ([], [b""])
