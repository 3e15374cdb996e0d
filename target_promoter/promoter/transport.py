"""Requests over HTTP: whether one left is known, none is repeated, and no answer takes for ever."""

from __future__ import annotations

import http.client
import io
import ipaddress
import logging
import threading
import time
import weakref
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.utils import get_environ_proxies
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError
from urllib3.util import Retry

from target_promoter.errors import ConfigError
from target_promoter.promoter.answers import Answer, Outcome, Reply

if TYPE_CHECKING:
    import socket

    from _typeshed import WriteableBuffer

_log = logging.getLogger(__name__)

CONNECT_SECONDS: Final = 10.0
"""The time within which a request leaves, or is not sent at all: whoever made it counts on that."""

ANSWER_SECONDS: Final = 30.0
"""The time within which an answer must be there, head and body together."""

LATE_SECONDS: Final = 5.0
"""How long after its time a request may still be begun: a machine that slept must not send on a lease of long ago."""

SETTLING_SECONDS: Final = 2 * ANSWER_SECONDS
"""How long a request without an answer may still be at work at Promoter."""

_TIMEOUT: Final = (CONNECT_SECONDS, ANSWER_SECONDS)
# A server that closes an idle connection just as it is used again leaves a survey in doubt: use none that idled long.
_IDLE_SECONDS: Final = 20.0
_LONGEST_BODY: Final = 1024 * 1024


def settled_at(slot: float) -> float:
    """Return when a request that nobody answers for is surely no longer at work, in epoch seconds.

    Until then nobody but the process that made it sends it again, or anything that it must not overtake.

    Args:
        slot: The time it was to leave at, in epoch seconds.
    """
    return slot + LATE_SECONDS + CONNECT_SECONDS + SETTLING_SECONDS


class _Thread(threading.local):
    left = True
    leaves_by = 0.0


_thread: Final = _Thread()


def nothing_left() -> None:
    """Begin a request of this thread: nothing of it was sent yet."""
    _thread.left = False
    _thread.leaves_by = time.monotonic() + CONNECT_SECONDS


def has_left() -> bool:
    """Say whether any of this thread's last request may have reached the server."""
    return _thread.left


class _Timed(io.RawIOBase):
    """A socket's bytes, read until a deadline.

    The time-out of a socket starts again with every byte: a server that drips would hold a thread for ever.
    """

    def __init__(self, raw: io.RawIOBase, sock: socket.socket) -> None:
        self._raw = raw
        self._sock = sock
        self._end = time.monotonic() + ANSWER_SECONDS

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int | None:
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._sock.settimeout(left)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **options: Any) -> None:  # noqa: ANN401 - handed on unread
        super().__init__(sock, *args, **options)
        self.fp: io.BufferedReader = io.BufferedReader(_Timed(self.fp.detach(), sock))


class _Connection(HTTPConnection):
    response_class = _Response

    def request(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - handed on unread
        # Connecting apart from sending is what tells a request that never left from one that did.
        if self.is_closed:
            self.connect()
        # Looking up a name has no time-out, and a host's addresses are tried one after the other.
        if time.monotonic() > _thread.leaves_by:
            raise TimeoutError
        _thread.left = True
        super().request(*args, **options)


class _TlsConnection(_Connection, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


_PROXIED: Final = frozenset({"http", "https", "all"})
_POOLS: Final[dict[str, type[HTTPConnectionPool]]] = {"http": _Pool, "https": _TlsPool}


class Adapter(HTTPAdapter):
    """An adapter of requests that repeats nothing; for the use of one thread."""

    def __init__(self) -> None:
        super().__init__(pool_connections=1, pool_maxsize=1, max_retries=Retry(0, read=False, redirect=False))

    def init_poolmanager(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - handed on unread
        """Make the pools of direct connections."""
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:  # noqa: ANN401 - requests types it so
        """Return the pools of connections through a proxy."""
        pools = super().proxy_manager_for(proxy, **options)
        if proxy.lower().startswith("socks"):
            # Its connections are of their own kind and cannot be watched: any request may have left.
            _thread.left = True
        else:
            pools.pool_classes_by_scheme = _POOLS
        return pools


@dataclass(frozen=True, slots=True)
class Call:
    """A request that is ready but for its body.

    Attributes:
        request: With its headers, the key among them.
        method: Of HTTP.
        path: What the log shows of its address.
    """

    request: requests.PreparedRequest
    method: str
    path: str


class _Connected(threading.local):
    adapter: Adapter | None = None
    last_used = 0.0


class Exchange:
    """The way to one API with one key, for any number of threads.

    Args:
        url: Base address of the API, without a slash at its end.
        key: The API key; it is sent in a header and shown nowhere.
    """

    def __init__(self, url: str, key: str) -> None:
        self._url = url
        self._proxies = _proxies(url)
        self._headers = {
            "Authorization": f"Token {key}",
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": f"target-promoter/{version('target-promoter')}",
        }
        self._thread = _Connected()
        self._adapters: weakref.WeakSet[Adapter] = weakref.WeakSet()
        self._lock = threading.Lock()

    def call(self, method: str, path: str) -> Call:
        """Return a call of the API.

        Args:
            path: Below the base address; it stands in the log.
        """
        request = requests.Request(method, self._url + path).prepare()
        # Set after preparing: a login in the address must not replace the key.
        request.headers.clear()
        request.headers.update(self._headers)
        if method == "POST":
            request.headers["Content-Type"] = "application/json"
        return Call(request, method, path)

    def send(self, call: Call, body: bytes | None = None, *, longest: int = _LONGEST_BODY) -> Reply | Answer:
        """Send one request, once.

        Args:
            call: What to ask.
            body: JSON text.
            longest: The most bytes of the answer that are read.

        Returns:
            The reply of whatever status; without one the answer that says whether the request left.
        """
        request = call.request.copy()
        if body is not None:
            request.body = body
            request.headers["Content-Length"] = str(len(body))
        started = time.monotonic()
        nothing_left()
        reply: Reply | None = None
        try:
            reply = self._sent(request, longest)
        except (OSError, HTTPError, http.client.HTTPException) as error:
            if self._thread.adapter is not None:
                # What answered once with something else than HTTP is not asked again on the same connection.
                self._thread.adapter.close()
            outcome = Outcome.UNANSWERED if has_left() else Outcome.UNREACHED
            return Answer(outcome, words=_what_happened(error))
        finally:
            self._thread.last_used = time.monotonic()
            if _log.isEnabledFor(logging.DEBUG):
                status = reply.status if reply else "no answer"
                _log.debug("%s %s: %s in %.3f s", call.method, call.path, status, self._thread.last_used - started)
        return reply

    def close(self) -> None:
        """Close the connections that no thread uses just now; the next call would make new ones."""
        with self._lock:
            adapters = list(self._adapters)
        for adapter in adapters:
            adapter.close()

    def _sent(self, request: requests.PreparedRequest, longest: int) -> Reply:
        # The adapter and not a session: a session reads environment and cookies, and a redirect's body to its end.
        response = self._adapter().send(request, stream=True, timeout=_TIMEOUT, verify=True, proxies=self._proxies)
        try:
            body: bytes = response.raw.read(longest + 1, decode_content=True)
        finally:
            # Closes the connection only if something is left to read.
            response.close()
        is_cut = len(body) > longest
        return Reply.read(response.status_code, body, response.headers.get("Retry-After"), is_cut=is_cut)

    def _adapter(self) -> Adapter:
        thread = self._thread
        if thread.adapter is None:
            thread.adapter = Adapter()
            with self._lock:
                self._adapters.add(thread.adapter)
        elif time.monotonic() - thread.last_used > _IDLE_SECONDS:
            thread.adapter.close()
        return thread.adapter


def _proxies(url: str) -> dict[str, str]:
    """Return the proxies that the environment names; none for this machine itself, whatever NO_PROXY says."""
    host = urlsplit(url).hostname or ""
    try:
        is_here = ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_here = host == "localhost"
    proxies = {} if is_here else get_environ_proxies(url)
    for scheme in _PROXIED & proxies.keys():
        proxy = proxies[scheme]
        try:
            is_address = bool(urlsplit(proxy if "://" in proxy else f"//{proxy}").hostname)
        except ValueError:
            is_address = False
        if not is_address:
            raise ConfigError(
                f"The environment's proxy for {scheme} is not an address: correct `{scheme.upper()}_PROXY`."
            )
    return proxies


def _what_happened(error: BaseException) -> str:
    """Return what the system said of a broken connection; no request and no address stands in it."""
    words = "the connection broke off"
    link: BaseException | None = error
    while link is not None:
        if isinstance(link, TimeoutError):
            words = f"no answer within {ANSWER_SECONDS:.0f} seconds" if has_left() else "no connection in time"
        elif isinstance(link, OSError) and link.strerror:
            words = link.strerror
        link = link.__cause__ or link.__context__
    return words
