"""Serving the account over HTTP: in a thread of this process, or in the foreground."""

from __future__ import annotations

import asyncio
import signal
import socket
import threading
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import uvicorn
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from target_promoter.sandbox.account import Account
from target_promoter.sandbox.app import App, is_loopback
from target_promoter.sandbox.faults import Faults

_KEEP_ALIVE_SECONDS: Final = 75
_HEAD_SECONDS: Final = 10.0
_LONGEST_HEAD: Final = 1024 * 1024
_MOST_CONNECTIONS: Final = 1000
_START_SECONDS: Final = 10.0
_LOOK_SECONDS: Final = 1.0


class _Protocol(AutoHTTPProtocol):  # type: ignore[misc, valid-type] # uvicorn types it as a variable
    """uvicorn's HTTP, whose requests can cut their own connection, and which waits for no endless head of one."""

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Hand every request of this connection the means to abort it."""
        super().connection_made(transport)
        self.app_state: dict[str, Any] = {**self.app_state, "cut": transport.abort, "drained": self.flow.drain}
        self._head_bytes = 0
        self._late: asyncio.TimerHandle | None = self.loop.call_later(_HEAD_SECONDS, transport.abort)

    def data_received(self, data: bytes) -> None:
        """Read on; a request whose head is too long or too slow is cut."""
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:  # Its head is there.
            self._head_bytes = 0
            self._in_time()
            return
        self._head_bytes += len(data)
        if self._head_bytes > _LONGEST_HEAD:
            self.transport.abort()
        elif self._late is None:
            self._late = self.loop.call_later(_HEAD_SECONDS, self.transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._in_time()
        super().connection_lost(exc)

    def _in_time(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None


class _Server(uvicorn.Server):
    """uvicorn's server, that says when it listens and wakes what waits when it ends."""

    def __init__(self, app: App) -> None:
        config = uvicorn.Config(
            app,
            http=_Protocol,
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            limit_concurrency=_MOST_CONNECTIONS,
        )
        super().__init__(config)
        self.ready = threading.Event()
        self._app = app

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say so."""
        await super().startup(sockets)
        self.ready.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End; what a fault holds up is cut."""
        self._app.close()
        await super().shutdown(sockets)


class SandboxServer:
    """A Promoter account on a free port of this machine, in a daemon thread.

    ::

        with SandboxServer(campaigns={99: "After the order"}) as server:
            requests.get(server.url + "/campaigns/", headers={"Authorization": "Token sandbox"})
            assert server.account.surveys == []

    Args:
        account_path: SQLite file that keeps the account between runs, or None.
        faults: What goes wrong.
        host: Address to listen on.
        port: Port to listen on; 0 finds a free one.
        options: Those of an `Account`.

    Attributes:
        account: The account served; its properties are safe to read from any thread.

    Raises:
        OSError: The port is taken, or another process has the account's file open.
    """

    def __init__(
        self,
        account_path: Path | None = None,
        *,
        faults: Faults | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        **options: Any,  # noqa: ANN401 - the account's own
    ) -> None:
        self._socket = _listen(host, port)
        try:
            self.account = Account(account_path, **options)
        except BaseException:
            self._socket.close()
            raise
        shown = f"[{host}]" if ":" in host else host
        self.origin = f"http://{shown}:{self._socket.getsockname()[1]}"
        self._app = App(self.account, faults or Faults(), is_local=is_loopback(host))
        self._server = _Server(self._app)
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), name="sandbox", daemon=True)

    @property
    def url(self) -> str:
        """The API's base address, as `api_url` takes it."""
        return f"{self.origin}/api"

    def set_faults(self, faults: Faults) -> None:
        """Let other things go wrong from now on."""
        self._app.set_faults(faults)

    def start(self) -> Self:
        """Answer requests from now on.

        Raises:
            TimeoutError: The server did not come up.
        """
        self._thread.start()
        if not self._server.ready.wait(_START_SECONDS):
            raise TimeoutError(f"The sandbox did not start on {self.origin}: see the log for the reason.")
        return self

    def stop(self) -> None:
        """Cut what is still open, and keep the account; a second call does nothing."""
        if self._thread.is_alive():
            self._server.should_exit = True
            self._server.force_exit = True
            self._thread.join()
        self._socket.close()
        self.account.close()

    def serve(self) -> None:
        """Answer requests until SIGINT or SIGTERM, then keep the account; only from the main thread.

        Raises:
            TimeoutError: The server did not come up.
        """
        # uvicorn, run in this thread, would send itself the signal again and so end the process unfinished.
        ended = threading.Event()
        before = {number: signal.signal(number, lambda *_: ended.set()) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            self.start()
            while not ended.wait(_LOOK_SECONDS) and self._thread.is_alive():
                pass
        finally:
            self.stop()
            for number, handler in before.items():
                signal.signal(number, handler)

    def __enter__(self) -> Self:
        """Start."""
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop."""
        self.stop()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio turns Nagle's delay off only for sockets that name their protocol.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(1024)
    except OSError:
        listener.close()
        raise
    return listener
