"""The client over real connections: to the sandbox, and to peers that behave as no sandbox does."""

from __future__ import annotations

import contextlib
import gzip
import json
import logging
import socket
import ssl
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate
from typing import TYPE_CHECKING

import pytest

from target_promoter.errors import AddressError, ConfigError, DeliveryError, KeyRefusedError
from target_promoter.promoter import client as listings
from target_promoter.promoter import transport
from target_promoter.promoter.answers import Answer, Outcome
from target_promoter.promoter.client import Client, ContactList
from target_promoter.sandbox.faults import Faults
from target_promoter.sandbox.server import SandboxServer
from tests.programs import peak_kib

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import Self

    from target_promoter.sandbox.faults import Kind

    Script = Callable[[socket.socket], None]

KEY = "sandbox"
EMAIL = "tom.tester@example.com"


def survey(email: str = EMAIL, campaign: int = 78) -> bytes:
    """Return the body of a survey call."""
    return json.dumps({"campaign_id": campaign, "contact": {"email": email}}).encode()


def contact(email: str = EMAIL) -> bytes:
    """Return the body of a contact call."""
    return json.dumps({"email": email, "attributes": {"plan": "Premium"}}).encode()


def http(status: int, body: bytes = b"{}", *headers: str) -> bytes:
    """Return a whole HTTP answer."""
    lines = [f"HTTP/1.1 {status} So", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class Peer:
    """A server that answers each request with the next of its scripts, the last one for ever.

    Attributes:
        requests: What came, as bytes, head and body.
        connections: How many were accepted.
    """

    def __init__(self, *scripts: Script | bytes, context: ssl.SSLContext | None = None) -> None:
        """Listen."""
        self._scripts = list(scripts)
        self._context = context
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.requests: list[bytes] = []
        self.connections = 0
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def port(self) -> int:
        """The port it listens on."""
        port: int = self._socket.getsockname()[1]
        return port

    @property
    def url(self) -> str:
        """Its address as `api_url`."""
        return f"{'https' if self._context else 'http'}://127.0.0.1:{self.port}/api"

    def __enter__(self) -> Self:
        """Go on listening."""
        return self

    def __exit__(self, *_: object) -> None:
        """Listen no more."""
        self._socket.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                self.connections += 1
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            wrapped = self._context.wrap_socket(connection, server_side=True) if self._context else connection
            with wrapped:
                while request := _read(wrapped):
                    self.requests.append(request)
                    script = self._scripts.pop(0) if len(self._scripts) > 1 else self._scripts[0]
                    if isinstance(script, bytes):
                        wrapped.sendall(script)
                    else:
                        script(wrapped)
                        return


def _read(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        part = connection.recv(65536)
        if not part:
            return b""
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    length = next((int(line[16:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length: ")), 0)
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


def header(request: bytes, name: str) -> list[str]:
    """Return the values of a header of a raw request."""
    lines = request.partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
    return [line.partition(": ")[2] for line in lines if line.lower().startswith(f"{name.lower()}: ")]


def dripping(start: bytes) -> Script:
    """Return a script that answers a byte at a time, for ever."""

    def script(connection: socket.socket) -> None:
        connection.sendall(start)
        while True:
            time.sleep(0.05)
            connection.sendall(b"x")

    return script


def closing(answer: bytes) -> Script:
    """Return a script that answers and closes."""
    return lambda connection: connection.sendall(answer)


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture(scope="module")
def shared_server() -> Iterator[SandboxServer]:
    """A sandbox account with more lists than a page holds."""
    with SandboxServer(lists={number: f"List {number}" for number in range(1, 121)}) as started:
        yield started


@pytest.fixture
def server(shared_server: SandboxServer) -> SandboxServer:
    """The same with a clean sheet."""
    shared_server.account.reset()
    shared_server.account.key = KEY
    shared_server.set_faults(Faults())
    return shared_server


@pytest.fixture
def client(server: SandboxServer) -> Iterator[Client]:
    """A client of that account."""
    made = Client(server.url, KEY)
    yield made
    made.close()


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a second instead of thirty for an answer."""
    monkeypatch.setattr(transport, "ANSWER_SECONDS", 0.5)
    monkeypatch.setattr(transport, "_TIMEOUT", (0.5, 0.5))


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for 127.0.0.1 that nobody vouches for, with its key in the same file."""
    path, public = tmp_path / "peer.pem", tmp_path / "public.pem"
    command = (
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1"
    )
    subprocess.run([*command.split(), "-keyout", path, "-out", public], check=True, capture_output=True)
    path.write_text(path.read_text() + public.read_text())
    return path


def tls(certificate: Path) -> ssl.SSLContext:
    """Return a server's context."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


# What Promoter answers.


def test_accepted(server: SandboxServer, client: Client) -> None:
    """A survey and a contact that Promoter takes are accepted, and stand in the account."""
    assert client.save_contact(contact()) == Answer(Outcome.ACCEPTED, 201)
    assert client.save_contact(contact()) == Answer(Outcome.ACCEPTED, 200)
    assert client.survey(survey()) == Answer(Outcome.ACCEPTED, 200)
    assert server.account.contacts[EMAIL].attributes == {"plan": "Premium"}
    assert server.account.surveys_by_email == {EMAIL: 1}


def test_removed(server: SandboxServer, client: Client) -> None:
    """A contact is removed, and removing it once more is no failure."""
    client.save_contact(contact())
    assert client.remove_contact(EMAIL).outcome == "accepted"
    assert not server.account.contacts
    assert client.remove_contact(EMAIL) == Answer(Outcome.ACCEPTED, 404)


def test_throttled(server: SandboxServer, client: Client) -> None:
    """A second survey within the throttle is not eligible, in Promoter's words."""
    client.survey(survey())
    assert client.survey(survey()) == Answer(Outcome.NOT_ELIGIBLE, 400, "Contact is not eligible for survey.")
    assert len(server.account.surveys) == 1


def test_unknown_campaign(client: Client) -> None:
    """A campaign that the account does not have is told apart from a refused contact."""
    answer = client.survey(survey(campaign=5))
    assert (answer.outcome, answer.words) == (
        "unknown_campaign",
        'campaign_id: Invalid pk "5" - object does not exist.',
    )


def test_refused(client: Client) -> None:
    """A refusal names the field that is wrong."""
    words = "contact.email: Enter a valid email address."
    assert client.survey(survey("tom")) == Answer(Outcome.REFUSED, 400, words)
    assert client.save_contact(contact("")) == Answer(Outcome.REFUSED, 400, "email: This field may not be blank.")
    assert client.remove_contact("").outcome == "refused"


@pytest.mark.parametrize("as_date", [False, True])
def test_rate_limited(*, as_date: bool) -> None:
    """Over the account's limit, the wait is told, whether Promoter writes it as seconds or as a date."""
    with SandboxServer(requests_per_minute=1, faults=Faults(retry_after_date=as_date)) as server:
        client = Client(server.url, KEY)
        assert client.save_contact(contact()).outcome == "accepted"
        answer = client.save_contact(contact())
        client.close()
    assert (answer.outcome, answer.status) == ("rate_limited", 429)
    assert answer.retry_after is not None
    assert 55 < answer.retry_after <= 61


def test_retry_after_by_the_clock() -> None:
    """A date in Retry-After is compared with the clock that the client was given."""
    date = formatdate(1_000_090, usegmt=True)
    with Peer(http(503, b"{}", f"Retry-After: {date}")) as peer:
        client = Client(peer.url, KEY, clock=lambda: 1_000_000.0)
        assert client.survey(survey()) == Answer(Outcome.UNAVAILABLE, 503, retry_after=90.0)


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (400, "refused"),
        (408, "unanswered"),
        (409, "refused"),
        (422, "refused"),
        (429, "rate_limited"),
        (500, "unanswered"),
        (502, "unanswered"),
        (503, "unavailable"),
        (504, "unanswered"),
    ],
)
def test_statuses(server: SandboxServer, client: Client, status: int, outcome: Outcome) -> None:
    """Each status has one meaning for all three calls."""
    server.set_faults(Faults(rate=1, kinds=("error",), statuses=(status,)))
    for answer in (client.survey(survey()), client.save_contact(contact()), client.remove_contact(EMAIL)):
        assert (answer.outcome, answer.status) == (outcome, status)


@pytest.mark.parametrize("status", [401, 403])
def test_refused_key(server: SandboxServer, client: Client, status: int) -> None:
    """A refused key ends the run with a sentence, for every call."""
    server.set_faults(Faults(rate=1, kinds=("error",), statuses=(status,)))
    calls: tuple[Callable[[], object], ...] = (
        lambda: client.survey(survey()),
        lambda: client.save_contact(contact()),
        lambda: client.remove_contact(EMAIL),
        client.campaigns,
        client.contact_lists,
    )
    for call in calls:
        with pytest.raises(KeyRefusedError, match=f"status {status}.*set `api_key`"):
            call()


def test_wrong_key(server: SandboxServer) -> None:
    """The account's own refusal of a wrong key is one, and the sentence does not show the key."""
    client = Client(server.url, "wr0ng-key")
    with pytest.raises(KeyRefusedError) as caught:
        client.survey(survey())
    assert "wr0ng" not in str(caught.value)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308, 404, 405, 406, 410])
def test_foreign_answers(status: int) -> None:
    """What Promoter's API never answers ends the run with a sentence about `api_url`."""
    with Peer(http(status, b"<h1>Elsewhere</h1>", "Location: https://example.com/")) as peer:
        client = Client(peer.url, KEY)
        for call in (client.survey, client.save_contact):
            with pytest.raises(AddressError, match=f"POST /.* with status {status}.*set `api_url`"):
                call(survey())
        with pytest.raises(AddressError):
            client.remove_contact(EMAIL)


def test_wrong_path(server: SandboxServer) -> None:
    """A base address that lacks a part of its path is told."""
    client = Client(server.origin, KEY)
    with pytest.raises(AddressError, match="POST /v2/survey/ with status 404"):
        client.survey(survey())


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(status: int) -> None:
    """A redirect is not followed: neither the key nor the body reaches where it points to."""
    with Peer(http(200)) as other, Peer(http(status, b"", f"Location: {other.url}/v2/survey/")) as peer:
        with pytest.raises(AddressError):
            Client(peer.url, KEY).survey(survey())
        with pytest.raises(AddressError):
            Client(peer.url, KEY).campaigns()
        assert other.connections == 0


# Requests without a usable answer.


@pytest.mark.parametrize(
    ("kind", "done"),
    [("reset_before", False), ("reset_after", True), ("error_after", True)],
)
def test_broken_requests(server: SandboxServer, client: Client, kind: Kind, *, done: bool) -> None:
    """A request that left and met a broken connection is unanswered, and never repeated by the client."""
    server.set_faults(Faults(rate=1, kinds=(kind,)))
    assert client.survey(survey()).outcome == "unanswered"
    assert client.save_contact(contact("ann@example.com")).outcome == "unanswered"
    assert [request.path for request in server.account.requests] == ["/api/v2/survey/", "/api/contacts/"]
    assert bool(server.account.surveys) is done
    assert ("ann@example.com" in server.account.contacts) is done


def test_garbage(server: SandboxServer, client: Client) -> None:
    """Garbage for an answer is a yes to a survey, and doubt to what is harmless to repeat."""
    server.set_faults(Faults(rate=1, kinds=("garbage",)))
    assert client.survey(survey()) == Answer(Outcome.ACCEPTED, 200, is_json=False)
    assert client.save_contact(contact()).outcome == "unanswered"
    assert client.remove_contact(EMAIL).outcome == "unanswered"


@pytest.mark.usefixtures("hasty")
def test_no_answer(server: SandboxServer, client: Client) -> None:
    """A request that is never answered is unanswered when its time is over."""
    server.set_faults(Faults(rate=1, kinds=("hang",)))
    started = time.monotonic()
    assert client.survey(survey()).outcome == "unanswered"
    assert 0.4 < time.monotonic() - started < 3


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize(
    "start",
    [b"", b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n{", b"HTTP/1.1 200 OK\r\n\r\n"],
    ids=["status", "header", "body", "endless"],
)
def test_dripping_answer(start: bytes) -> None:
    """A server that drips bytes holds a request no longer than one that sends none."""
    with Peer(dripping(start)) as peer:
        started = time.monotonic()
        assert Client(peer.url, KEY).survey(survey()).outcome == "unanswered"
        assert time.monotonic() - started < 3


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\x16\x03\x01\x02\x00",
        b"Hello.\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
    ],
    ids=["nothing", "tls", "no http", "short", "cut chunk", "no chunk", "no gzip", "many headers", "long header"],
)
def test_broken_answers(answer: bytes) -> None:
    """An answer that breaks off, or is none of HTTP, leaves the request unanswered."""
    with Peer(closing(answer)) as peer:
        client = Client(peer.url, KEY)
        assert client.survey(survey()).outcome == "unanswered"
        assert client.save_contact(contact()).outcome == "unanswered"
        assert len(peer.requests) == 2


def test_endless_answer() -> None:
    """Of an answer of any size no more is read than may be of use; a yes that is cut off is one all the same."""
    with Peer(http(200, b"[" + b"0," * 5_000_000 + b"0]")) as peer:
        client = Client(peer.url, KEY)
        assert client.survey(survey()) == Answer(Outcome.ACCEPTED, 200)
        assert client.save_contact(contact()) == Answer(Outcome.ACCEPTED, 200)
        assert peer.connections == 2


@pytest.mark.parametrize("layers", [1, 2])
def test_an_answer_that_was_blown_up(layers: int) -> None:
    """Of a compressed answer no more is unpacked than may be of use: a megabyte of it would be a gigabyte."""
    body = b"0" * 100_000_000
    for _ in range(layers):
        body = gzip.compress(body, 9)
    with Peer(http(200, body, f"Content-Encoding: {', '.join(['gzip'] * layers)}")) as peer:
        before = peak_kib()
        Client(peer.url, KEY).survey(survey())
        assert peak_kib() - before < 50_000


@pytest.mark.parametrize("proxy", ["http://[", "[", "http://", "http://[::1"])
def test_a_proxy_that_is_no_address(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    """The variable is named at once; trying it would take the five minutes of an outage."""
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    monkeypatch.setenv("https_proxy", proxy)
    with pytest.raises(ConfigError, match="HTTPS_PROXY"):
        Client("https://app.promoter.example/api", KEY)


def test_unreached() -> None:
    """A connection that is refused says that nothing was sent."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    answer = Client(f"http://127.0.0.1:{port}/api", KEY).survey(survey())
    assert answer == Answer(Outcome.UNREACHED, words="Connection refused")


def test_unknown_host() -> None:
    """A name that stands for no address says that nothing was sent."""
    assert Client("https://promoter.invalid/api", KEY).survey(survey()).outcome == "unreached"


@pytest.mark.usefixtures("hasty")
def test_connect_timeout() -> None:
    """A connection that is not made in time says that nothing was sent."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, contextlib.ExitStack() as stack:
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        answer = Client(f"http://127.0.0.1:{full.getsockname()[1]}/api", KEY).survey(survey())
    assert answer == Answer(Outcome.UNREACHED, words="no connection in time")


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("script", [b"HTTP/1.1 400 Bad Request\r\n\r\n", dripping(b"")])
def test_no_tls(script: Script | bytes) -> None:
    """A handshake that fails, or never ends, says that nothing was sent."""
    with socket.create_server(("127.0.0.1", 0)) as plain:

        def accept() -> None:
            with contextlib.suppress(OSError), plain.accept()[0] as connection:
                if isinstance(script, bytes):
                    connection.sendall(script)
                else:
                    time.sleep(2)

        threading.Thread(target=accept, daemon=True).start()
        answer = Client(f"https://127.0.0.1:{plain.getsockname()[1]}/api", KEY).survey(survey())
    assert answer.outcome == "unreached"


@pytest.mark.parametrize("variable", [None, "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_certificates_are_verified(certificate: Path, monkeypatch: pytest.MonkeyPatch, variable: str | None) -> None:
    """A server that nobody vouches for gets nothing, whatever the environment says of certificates."""
    if variable:
        monkeypatch.setenv(variable, str(certificate))
    with Peer(http(200), context=tls(certificate)) as peer:
        answer = Client(peer.url, KEY).survey(survey())
        assert answer.outcome == "unreached"
        assert "certificate verify failed" in answer.words
        assert not peer.requests


def test_broken_tls_after_sending(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that breaks in the midst of TLS leaves a request that was sent unanswered."""
    monkeypatch.setattr("requests.adapters.DEFAULT_CA_BUNDLE_PATH", str(certificate))

    def garble(connection: socket.socket) -> None:
        with socket.socket(fileno=connection.detach()) as bare:
            bare.sendall(b"\x17\x03\x03\x00\x20" + b"?" * 32)

    with Peer(garble, context=tls(certificate)) as peer:
        answer = Client(peer.url, KEY).survey(survey())
        assert answer.outcome == "unanswered"
        assert len(peer.requests) == 1


# Connections and headers.


def test_headers() -> None:
    """A request carries the key once, in its header, and says who asks; nothing else of the machine."""
    with Peer(http(200)) as peer:
        Client(peer.url + "/", KEY).survey(survey())
        (request,) = peer.requests
    assert request.startswith(b"POST /api/v2/survey/ HTTP/1.1\r\n")
    assert request.endswith(survey())
    assert header(request, "Authorization") == [f"Token {KEY}"]
    assert header(request, "Content-Type") == ["application/json"]
    assert header(request, "User-Agent")[0].startswith("target-promoter/")
    names = {line.partition(b":")[0].lower() for line in request.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]}
    assert names == {
        *(b"host", b"authorization", b"content-type", b"content-length"),
        *(b"user-agent", b"accept", b"accept-encoding"),
    }


def test_logins_of_the_machine_are_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A login in .netrc, or in the address, does not replace the key."""
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1 login tom password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(netrc))
    with Peer(http(200, b'{"results": []}')) as peer:
        Client(peer.url, KEY).survey(survey())
        Client(peer.url, KEY).campaigns()
        Client(peer.url.replace("//", "//tom:secret@"), KEY).survey(survey())
        assert [header(request, "Authorization") for request in peer.requests] == [[f"Token {KEY}"]] * 3


def test_cookies_are_not_kept() -> None:
    """A cookie that an answer sets is not sent back."""
    with Peer(http(200, b"{}", "Set-Cookie: a=b; Path=/")) as peer:
        client = Client(peer.url, KEY)
        client.survey(survey())
        client.survey(survey())
        assert header(peer.requests[1], "Cookie") == []


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
def test_proxy(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    """The proxy of the environment is used, and learns of neither key nor body; one that refuses lets nothing out."""
    with Peer(http(403, b"no")) as proxy:
        monkeypatch.setenv(variable, f"http://127.0.0.1:{proxy.port}")
        answer = Client("https://promoter.invalid/api", KEY).survey(survey())
        assert answer.outcome == "unreached"
        assert proxy.requests[0].startswith(b"CONNECT promoter.invalid:443 ")
        assert KEY.encode() not in proxy.requests[0]
        assert header(proxy.requests[0], "Authorization") == []


def test_unreached_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy that is not there says that nothing was sent."""
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    assert Client("https://promoter.invalid/api", KEY).survey(survey()).outcome == "unreached"


def test_no_proxy_for_this_machine(server: SandboxServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy is not asked for what runs on this machine: it would look for it on its own."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    assert Client(server.url, KEY).survey(survey()).outcome == "accepted"
    assert Client(server.url.replace("127.0.0.1", "localhost"), KEY).survey(survey()).outcome == "not_eligible"


def test_connections_are_kept() -> None:
    """A thread's requests share one connection; a closed client still answers, over a new one."""
    with Peer(http(200)) as peer:
        client = Client(peer.url, KEY)
        for _ in range(5):
            client.survey(survey())
            client.save_contact(contact())
        assert peer.connections == 1
        client.close()
        assert client.survey(survey()).outcome == "accepted"
        assert peer.connections == 2


def test_idle_connections_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that idled long is not used again: the server may be closing it just then."""
    monkeypatch.setattr(transport, "_IDLE_SECONDS", 0.2)
    with Peer(http(200)) as peer:
        client = Client(peer.url, KEY)
        client.survey(survey())
        client.survey(survey())
        assert peer.connections == 1
        time.sleep(0.3)
        client.survey(survey())
        assert peer.connections == 2


def test_closed_connections_are_not_used() -> None:
    """A connection that the server closed after its answer is noticed before the next request leaves."""
    with Peer(closing(http(200))) as peer:
        client = Client(peer.url, KEY)
        for _ in range(5):
            assert client.survey(survey()).outcome == "accepted"
            time.sleep(0.05)


def test_threads(server: SandboxServer, client: Client) -> None:
    """Many threads share a client, and every request is answered for itself."""

    def save(number: int) -> Answer:
        return client.save_contact(contact(f"p{number}@example.com"))

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(save, range(200)))
    assert {answer.outcome for answer in answers} == {"accepted"}
    assert len(server.account.contacts) == 200


# Campaigns and lists.


def test_campaigns(server: SandboxServer, client: Client) -> None:
    """The account's campaigns come with names and with how they are spread."""
    found = client.campaigns()
    assert {campaign.id for campaign in found} == set(server.account.campaigns)
    assert (78, "After the order", 0.0) in {(one.id, one.name, one.drip) for one in found}


def test_contact_lists(client: Client) -> None:
    """All pages of the account's contact lists are read, each list once."""
    assert client.contact_lists() == [ContactList(number, f"List {number}") for number in range(1, 121)]


@pytest.mark.parametrize(
    ("drip", "number"),
    [
        (0, 0.0),
        ("7", 7.0),
        (1.5, 1.5),
        (None, None),
        ("a week", None),
        ([], None),
        (10**400, None),
        ("1e999", None),
        ("nan", None),
    ],
)
def test_any_drip_duration(drip: object, number: float | None) -> None:
    """How long surveys are spread is taken in every form, and None where it cannot be read."""
    page = json.dumps({"results": [{"id": 5, "name": None, "drip_duration": drip}]}).encode()
    with Peer(http(200, page)) as peer:
        (found,) = Client(peer.url, KEY).campaigns()
    assert (found.id, found.drip) == (5, number)


@pytest.mark.parametrize(
    "following",
    [
        "http://192.0.2.1/api/lists/?page=2",
        "?page=2",
        "?page=1",
        "?page=0",
        "?page=" + "9" * 5000,
        "http://[",
        "elsewhere",
    ],
)
def test_pages_are_asked_for_here(following: str) -> None:
    """That there is a next page is all that its address says: no other host is asked, and no page twice."""
    first = json.dumps({"results": [{"id": 1, "name": "A"}], "next": following}).encode()
    with Peer(http(200, first), http(200, b'{"results": [{"id": 2, "name": "B"}], "next": null}')) as peer:
        assert [found.id for found in Client(peer.url, KEY).contact_lists()] == [1, 2]
        paths = [request.split()[1] for request in peer.requests]
    assert paths == [b"/api/lists/?page=1", b"/api/lists/?page=2"]


def test_pages_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A listing that goes on after more pages than any account has ends with a sentence."""
    monkeypatch.setattr(listings, "_MOST_PAGES", 3)
    pages = [
        http(200, json.dumps({"results": [{"id": one, "name": "A"}], "next": "?page=2"}).encode()) for one in range(4)
    ]
    with Peer(*pages) as peer, pytest.raises(DeliveryError, match="pages of /lists/ do not end"):
        Client(peer.url, KEY).contact_lists()


def test_a_page_that_comes_again() -> None:
    """A server that has one page, and says of it that there is a next one, is not asked ten thousand times."""
    page = json.dumps({"results": [{"id": 1, "name": "A"}], "next": "http://["}).encode()
    with Peer(http(200, page)) as peer:
        with pytest.raises(DeliveryError, match="pages of /lists/ do not end"):
            Client(peer.url, KEY).contact_lists()
        assert len(peer.requests) == 2


def test_page_that_vanished() -> None:
    """A page that is no longer there when it is asked for is the end, and no foreign address."""
    first = json.dumps({"results": [{"id": 1, "name": "A"}], "next": "?page=2"}).encode()
    with Peer(http(200, first), http(404, b'{"detail": "Invalid page."}')) as peer:
        assert [found.id for found in Client(peer.url, KEY).contact_lists()] == [1]


@pytest.mark.parametrize("kind", ["error", "error_after", "reset_before", "reset_after", "garbage", "burst_429"])
def test_passing_failures_of_a_listing(
    server: SandboxServer, client: Client, monkeypatch: pytest.MonkeyPatch, kind: Kind
) -> None:
    """A failure that passes is waited for, each on its own page."""
    monkeypatch.setattr(listings, "_FIRST_PAUSE", 0.01)
    server.set_faults(Faults(rate=1, kinds=(kind,), times=2, burst=1, retry_after=0))
    assert len(client.contact_lists()) == 120


def test_retry_after_of_a_listing(server: SandboxServer, client: Client) -> None:
    """A listing waits as long as Promoter asks."""
    server.set_faults(Faults(rate=1, kinds=("burst_429",), times=1, burst=1, retry_after=1))
    started = time.monotonic()
    client.campaigns()
    assert 1 <= time.monotonic() - started < 4


def test_lasting_failure_of_a_listing(server: SandboxServer, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failure that does not pass ends with a sentence after a few tries."""
    monkeypatch.setattr(listings, "_FIRST_PAUSE", 0.01)
    server.set_faults(Faults(rate=1, kinds=("error",), statuses=(503,)))
    with pytest.raises(
        DeliveryError, match=r"GET /campaigns/ \(status 503, «The sandbox was told to fail.»\): run again"
    ):
        client.campaigns()
    assert len(server.account.requests) == 3


def test_long_retry_after_of_a_listing(server: SandboxServer, client: Client) -> None:
    """A wait longer than the patience is not begun; the sentence tells it."""
    server.set_faults(Faults(rate=1, kinds=("burst_429",), retry_after=3600))
    with pytest.raises(DeliveryError, match="run again in 3600 seconds"):
        client.campaigns()
    assert len(server.account.requests) == 1


@pytest.mark.parametrize(
    "page", [b"<html>", b"[]", b"{}", b'{"results": [{"name": "A"}]}', b'{"results": [{"id": "A"}]}']
)
def test_foreign_listing(monkeypatch: pytest.MonkeyPatch, page: bytes) -> None:
    """A yes that is no page of Promoter's is a matter of `api_url`."""
    monkeypatch.setattr(listings, "_FIRST_PAUSE", 0.01)
    with Peer(http(200, page)) as peer, pytest.raises(AddressError, match="GET /campaigns/ with status 200"):
        Client(peer.url, KEY).campaigns()


def test_only_these_paths(server: SandboxServer, client: Client) -> None:
    """All that a client ever asks for are these five paths; mass sending is not among them."""
    client.survey(survey())
    client.save_contact(contact())
    client.remove_contact(EMAIL)
    client.campaigns()
    client.contact_lists()
    assert {route for route, _ in server.account.ledger.counters} == {
        "/api/v2/survey/",
        "/api/contacts/",
        "/api/contacts/remove/",
        "/api/campaigns/",
        "/api/lists/",
    }
    assert not server.account.ledger.mass_sends


# What nobody may see.


@pytest.mark.parametrize("key", ["", "two words", "line\nbreak", "schlüssel", "nul\0"])
def test_impossible_keys(key: str) -> None:
    """A key that no header can carry is refused at once, and not shown."""
    with pytest.raises(ConfigError, match="api_key") as caught:
        Client("http://127.0.0.1:9/api", key)
    assert not key or key not in str(caught.value)


def test_nothing_private_is_shown(server: SandboxServer, caplog: pytest.LogCaptureFixture) -> None:
    """Neither key nor address nor body stands in a log record, an answer or the client's own form."""
    caplog.set_level(logging.DEBUG)
    key = server.account.key = "s3cret-0123456789"
    client = Client(server.url, key)
    shown = [repr(client)]
    kinds: tuple[Kind, ...] = ("error", "error_after", "reset_before", "reset_after", "garbage", "burst_429")
    for faults in (Faults(), *(Faults(rate=1, kinds=(kind,)) for kind in kinds)):
        server.set_faults(faults)
        shown += map(repr, (client.survey(survey()), client.save_contact(contact()), client.remove_contact(EMAIL)))
    echo = json.dumps({"detail": f"Token {key} may not mail to {EMAIL}"}).encode()
    with Peer(http(400, echo)) as peer:
        shown.append(repr(Client(peer.url, key).survey(survey())))
    server.account.key = "another"
    server.set_faults(Faults())
    with pytest.raises(KeyRefusedError) as caught:
        client.survey(survey())
    shown.append(repr(caught.value))
    records = [
        record for record in caplog.records if record.name.startswith(("target_promoter", "urllib3", "requests"))
    ]
    assert any("POST /v2/survey/: 200 in" in record.getMessage() for record in records)
    everything = "\n".join([*shown, *(f"{record.getMessage()} {record.args} {record.exc_text}" for record in records)])
    for private in (key, EMAIL, "tom.tester", "Premium"):
        assert private not in everything
    assert "may not mail to t…@example.com" in everything
