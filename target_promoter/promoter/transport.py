"""The connections under the client: whether a request left, and an end to answers that take too long."""

from __future__ import annotations

import http.client
import io
import threading
import time
from typing import TYPE_CHECKING, Any, Final

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.util import Retry

if TYPE_CHECKING:
    import socket

    from _typeshed import WriteableBuffer

CONNECT_SECONDS: Final = 10.0
"""The time within which a request leaves, or is not sent at all: whoever made it counts on that."""

ANSWER_SECONDS: Final = 30.0
"""The time within which an answer must be there, head and body together."""


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

    The time-out of a socket starts anew with every byte: a server that drips would hold a thread for ever.
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
