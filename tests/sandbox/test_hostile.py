"""Attacks on the sandbox: names pointed at this machine, requests that are no HTTP, endless or take for ever."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING

import pytest

from target_promoter.sandbox import app, server
from target_promoter.sandbox.records import ContactForm
from target_promoter.sandbox.server import SandboxServer
from tests.programs import peak_kib

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = "Authorization: Token sandbox\r\n"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[SandboxServer]:
    """Yield a sandbox on this machine alone, which goes on whatever was sent to it."""
    with SandboxServer() as one:
        yield one


def connected(sandbox: SandboxServer) -> socket.socket:
    """Return a new connection to a sandbox."""
    host, port = sandbox.origin.removeprefix("http://").rsplit(":", 1)
    return socket.create_connection((host, int(port)), timeout=30)


def answered(one: socket.socket) -> bytes:
    """Return all that a connection answers before it is closed; nothing if it is cut."""
    found = b""
    try:
        while part := one.recv(65_536):
            found += part
    except ConnectionResetError:
        pass
    return found


def asked(sandbox: SandboxServer, path: str, host: str, *headers: str) -> int:
    """Return the status of an answer to a GET that names a host."""
    with connected(sandbox) as one:
        lines = [f"GET {path} HTTP/1.1", f"Host: {host}", "Connection: close", *headers]
        one.sendall(("\r\n".join(lines) + "\r\n" + KEY + "\r\n").encode("latin-1"))
        return int(answered(one).split()[1])


@pytest.mark.parametrize("path", ["/", "/api/contacts/", "/api/campaigns/", "/sandbox/state", "/sandbox/view"])
@pytest.mark.parametrize("host", ["evil.example", "[", "[::1", "127.0.0.1.evil.example", "", "[::1]@evil.example", "é"])
def test_a_name_that_was_pointed_here_is_answered_nothing(sandbox: SandboxServer, path: str, host: str) -> None:
    """A page elsewhere whose name leads to this machine must not read contacts through a browser here."""
    assert asked(sandbox, path, host) == 403


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:80", "[::1]:8089", "LOCALHOST"])
def test_its_own_names_are_answered(sandbox: SandboxServer, host: str) -> None:
    """Who knows this machine by an address of its own is answered."""
    assert asked(sandbox, "/api/contacts/", host) == 200


def test_a_sandbox_for_other_machines_has_names_of_theirs() -> None:
    """In a container it is known by a name that it does not know itself; its knobs are this machine's still."""
    with SandboxServer(host="0.0.0.0") as one:  # noqa: S104 - this is what is tried
        here = SandboxServer.__new__(SandboxServer)
        here.origin = one.origin.replace("0.0.0.0", "127.0.0.1")  # noqa: S104
        assert asked(here, "/api/contacts/", "sandbox:8089") == 200
        assert asked(here, "/sandbox/state", "sandbox:8089") == 403


@pytest.mark.parametrize(
    "head",
    [
        "Content-Length: 700000000\r\n",
        f"Content-Length: {'9' * 400}\r\n",
        "Transfer-Encoding: chunked\r\n",
    ],
)
def test_a_body_of_hundreds_of_megabytes_is_refused(sandbox: SandboxServer, head: str) -> None:
    """Whatever it says of its length, no more of it than a few megabytes is ever in memory."""
    before = peak_kib()
    part = b"x" * 1_000_000
    chunk = b"%x\r\n%s\r\n" % (len(part), part) if "chunked" in head else part
    with connected(sandbox) as one:
        one.sendall(f"POST /api/contacts/ HTTP/1.1\r\nHost: localhost\r\n{KEY}{head}\r\n".encode())
        sent = 0
        try:
            for _ in range(300):
                one.sendall(chunk)
                sent += 1
        except OSError:
            pass
        status = answered(one).split(b" ")[1:2]
    assert sent < 300
    assert status in ([b"413"], [b"400"], [])
    assert peak_kib() - before < 100_000
    assert asked(sandbox, "/api/contacts/", "localhost") == 200


@pytest.mark.parametrize("name", ["X-Long: ", "X-Many: 1\r\n"])
def test_an_endless_head_is_cut(sandbox: SandboxServer, name: str) -> None:
    """No server of its kind bounds the head of a request by itself."""
    with connected(sandbox) as one:
        one.sendall(b"GET /api/contacts/ HTTP/1.1\r\nHost: localhost\r\n")
        sent = 0
        try:
            for _ in range(300):
                one.sendall((name * (100_000 // len(name))).encode())
                sent += 1
        except OSError:
            pass
        assert answered(one) == b"" or sent < 300
    assert sent < 300
    assert asked(sandbox, "/api/contacts/", "localhost") == 200


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET /api/contacts/ HTTP/1.1\r\nHost: loc",
        b"POST /api/contacts/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{",
    ],
)
def test_a_client_that_takes_for_ever_is_cut(monkeypatch: pytest.MonkeyPatch, sent: bytes) -> None:
    """One that says nothing, half a head, or half a body holds no connection for long."""
    monkeypatch.setattr(server, "_HEAD_SECONDS", 0.1)
    monkeypatch.setattr(app, "_BODY_SECONDS", 0.1)
    with SandboxServer() as one, connected(one) as slow:
        slow.sendall(sent)
        began = time.monotonic()
        answer = answered(slow)
        assert time.monotonic() - began < 20
        assert answer == b"" or answer.split(b" ")[1] == b"408"


def test_a_client_that_reads_nothing_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that nobody takes is not kept for ever."""
    monkeypatch.setattr(app, "_ANSWER_SECONDS", 0.1)
    long: dict[str, object] = {f"n{number}": "x" * 10_000 for number in range(100)}
    with SandboxServer() as one:
        for number in range(40):
            one.account.save_contact(ContactForm(f"p{number}@example.com", None, None, long))
        with connected(one) as slow:
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            slow.sendall(f"GET /api/contacts/ HTTP/1.1\r\nHost: localhost\r\n{KEY}\r\n".encode())
            deadline = time.monotonic() + 20
            while one._server.server_state.connections and time.monotonic() < deadline:
                time.sleep(0.01)
            assert not one._server.server_state.connections
        assert asked(one, "/api/campaigns/", "localhost") == 200


@pytest.mark.parametrize(
    "line",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc",
        b"GET\r\n\r\n",
        b"\x00" * 1000,
        b"GET /\xff\xfe HTTP/1.1\r\n\r\n",
        b"A" * 3_000_000,
    ],
)
def test_what_is_no_http_harms_nobody(sandbox: SandboxServer, line: bytes) -> None:
    """It is refused or cut, and the next one is served."""
    with connected(sandbox) as one:
        try:
            one.sendall(line)
            one.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        answered(one)
    assert asked(sandbox, "/api/contacts/", "localhost") == 200
