"""One request and what came of it: prepared calls, connections by thread, and nothing ever repeated."""

from __future__ import annotations

import ipaddress
import logging
import threading
import time
import weakref
from dataclasses import dataclass
from http.client import HTTPException
from importlib.metadata import version
from typing import Final
from urllib.parse import urlsplit

import requests
from requests.utils import get_environ_proxies
from urllib3.exceptions import HTTPError

from target_promoter.promoter.answers import Answer, Reply
from target_promoter.promoter.transport import ANSWER_SECONDS, CONNECT_SECONDS, Adapter, has_left, nothing_left

_TIMEOUT: Final = (CONNECT_SECONDS, ANSWER_SECONDS)
# A server that closes an idle connection just as it is used again leaves a survey in doubt: use none that idled long.
_IDLE_SECONDS: Final = 20.0
_LONGEST_BODY: Final = 1024 * 1024

_log = logging.getLogger(__name__)


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


class _Thread(threading.local):
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
        self._thread = _Thread()
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

    def send(self, call: Call, body: bytes | None = None) -> Reply | Answer:
        """Send one request, once.

        Args:
            call: What to ask.
            body: JSON text.

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
            reply = self._sent(request)
        except (OSError, HTTPError, HTTPException) as error:
            if self._thread.adapter is not None:
                # What answered once with something else than HTTP is not asked again on the same connection.
                self._thread.adapter.close()
            return Answer("unanswered" if has_left() else "unreached", words=_what_happened(error))
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

    def _sent(self, request: requests.PreparedRequest) -> Reply:
        # The adapter and not a session: a session reads environment and cookies, and a redirect's body to its end.
        response = self._adapter().send(request, stream=True, timeout=_TIMEOUT, verify=True, proxies=self._proxies)
        try:
            body: bytes = response.raw.read(_LONGEST_BODY, decode_content=True)
        finally:
            # Closes the connection only if something is left to read.
            response.close()
        return Reply.read(response.status_code, body, response.headers.get("Retry-After"))

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
    return {} if is_here else get_environ_proxies(url)


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
