"""The account as a bare ASGI application: the API with its faults, the control calls, the page."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import secrets
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Annotated, Any, Final
from urllib.parse import parse_qsl, urlsplit

import msgspec

from target_promoter.sandbox.account import Account
from target_promoter.sandbox.api import answer, as_json, detail, route_of, throttled
from target_promoter.sandbox.faults import NOT_CARRIED_OUT, Dice, Fault, Faults
from target_promoter.sandbox.records import Call, RefusedError, Request, Response
from target_promoter.sandbox.view import page, view

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

# How long the page's question for changes stays open, and how often it looks for them.
_VIEW_SECONDS: Final = 20.0
_LOOK_SECONDS: Final = 0.2

_LONGEST_BODY: Final = 8 * 1024 * 1024
_BODY_SECONDS: Final = 30.0
_ANSWER_SECONDS: Final = 60.0
_Hours = Annotated[float, msgspec.Meta(ge=0, le=24 * 366)]
_CLOSE: Final = (b"connection", b"close")


class App:
    """The ASGI application.

    To cut a connection it calls `scope["state"]["cut"]`, and to know that an answer is read `drained` of the same,
    which the server puts there: ASGI itself has no way to do either.

    Args:
        faults: What goes wrong, until told otherwise.
        is_local: Whether only callers on this machine, which know it by an address of its own, are answered at all.
    """

    def __init__(self, account: Account, faults: Faults, *, is_local: bool = True) -> None:
        self._account = account
        self._is_local = is_local
        self._dice = Dice(faults)
        self._closing = asyncio.Event()
        # Another run of the sandbox counts its changes anew: a page that outlived one must not mistake them.
        self._run = secrets.token_hex(4)
        self._fault_changes = 0

    def set_faults(self, faults: Faults) -> None:
        """Let other things go wrong from now on."""
        self._dice = Dice(faults)
        self._fault_changes += 1

    def close(self) -> None:
        """Cut the requests that still wait for a fault's time to pass; call it on the loop."""
        self._closing.set()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request."""
        headers = dict(scope["headers"])
        response: Response | None = self._refusal(scope, headers)
        if response is None:
            body = await _read(receive, headers)
            if body is None:
                return
            if isinstance(body, Response):
                response = body
            else:
                call = Call(scope["method"], scope["path"], scope["query_string"], headers, body)
                response = await self._called(call)
        if response is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_ANSWER_SECONDS):
                    await _answer(send, response)
                    await scope["state"]["drained"]()  # The server itself keeps what nobody reads.
                return
        scope["state"]["cut"]()
        # The server takes a return without an answer for a mistake unless it has already
        # seen the connection end.
        while (await receive())["type"] != "http.disconnect":
            pass

    def _refusal(self, scope: Message, headers: Mapping[bytes, bytes]) -> Response | None:
        """Return why a request is not even read, if it is not."""
        client = scope.get("client")
        is_control = scope["path"].startswith("/sandbox/")
        if (self._is_local or is_control) and not _is_local(client[0] if client else None, headers.get(b"host", b"")):
            return detail(403, "Only from the sandbox's own machine.", _CLOSE)
        if is_control and not _is_same_origin(headers):
            return detail(403, "Only from the sandbox's own page.", _CLOSE)
        return None

    async def _called(self, call: Call) -> Response | None:
        if call.path.startswith("/sandbox/"):
            return await self._control(call)
        if call.path == "/" and call.method == "GET":
            return page()
        return await self._api(call)

    async def _control(self, call: Call) -> Response:
        """Answer one call under `/sandbox/`, which looks into the account or turns a knob of it; it needs no key."""
        account = self._account
        try:
            match call.method, call.path.strip("/").split("/")[1:]:
                case "GET", ["view"]:
                    return await self._view(call)
                case "GET", ["state"]:
                    return as_json(_state(account, self._dice.faults))
                case "POST", ["faults"]:
                    self.set_faults(msgspec.json.decode(call.body or b"{}", type=Faults))
                case "POST", ["contacts", *email, "unsubscribe"]:
                    account.unsubscribe("/".join(email))
                case "POST", ["reset"]:
                    account.reset()
                    self.set_faults(Faults())
                case "POST", ["advance"]:
                    account.advance(msgspec.json.decode(call.body, type=dict[str, _Hours])["hours"])
                case _:
                    return detail(404, "Not found.")
        except RefusedError as refused:
            return as_json(refused.body, refused.status)
        except (ValueError, KeyError) as error:
            return detail(400, f"Not understood: {error}")
        return as_json({})

    async def _view(self, call: Call) -> Response:
        """Answer what the page shows; a page that knows it already waits for the next change."""
        query = dict(parse_qsl(call.query.decode("latin-1")))
        waited = 0.0
        while query.get("after") == self._version() and waited < _VIEW_SECONDS:
            if not await self._pause(_LOOK_SECONDS):
                break
            waited += _LOOK_SECONDS
        # Read first: what changes between the two is then shown once more, and not missed.
        version = self._version()
        if query.get("after") == version:
            return Response(204)
        return as_json({"version": version, **view(self._account, self._dice.faults, query.get("search", ""))})

    def _version(self) -> str:
        changes = self._account.changes, self._account.ledger.changes, self._fault_changes
        return "-".join([self._run, *map(str, changes)])

    async def _api(self, call: Call) -> Response | None:
        """Answer an API call, or None to cut it, and note it."""
        now = self._account.now()
        self._account.ledger.arrived(now)
        fault = self._dice.draw(call.path, call.body)
        if fault is None:
            response: Response | None = self._carry_out(call)
        else:
            response = await self._go_wrong(call, fault)
        status = response.status if response else None
        kind = fault.kind if fault else None
        request = Request(now, call.method, call.path, status, kind)
        self._account.ledger.note(request, route_of(call.path))
        return response

    def _carry_out(self, call: Call) -> Response:
        as_date = self._dice.faults.retry_after_date
        return answer(self._account, call, retry_after_date=as_date)

    async def _go_wrong(self, call: Call, fault: Fault) -> Response | None:
        if fault.kind in NOT_CARRIED_OUT:
            return await self._instead(fault)
        latency = self._dice.faults.latency
        if fault.kind == "slow_before" and not await self._pause(latency):
            return None
        response: Response | None = self._carry_out(call)
        match fault.kind:
            case "reset_after":
                response = None
            case "slow_after" if not await self._pause(latency):
                response = None
            case "error_after":
                response = detail(500, "The sandbox was told to fail.")
            case "garbage":
                response = Response(200, b"<html>Gateway", (), b"text/html")
        return response

    async def _instead(self, fault: Fault) -> Response | None:
        """Answer, or not, a request that is not carried out."""
        faults = self._dice.faults
        if fault.kind == "error":
            return detail(fault.status, "The sandbox was told to fail.")
        if fault.kind == "burst_429":
            as_date = faults.retry_after_date
            return throttled(self._account, faults.retry_after, as_date=as_date)
        if fault.kind == "hang":
            await self._pause(None)
        return None

    async def _pause(self, seconds: float | None) -> bool:
        """Wait so long (None: for ever); False when the server closes meanwhile."""
        try:
            await asyncio.wait_for(self._closing.wait(), seconds)
        except TimeoutError:
            return True
        return False


async def _read(receive: Receive, headers: Mapping[bytes, bytes]) -> bytes | Response | None:
    """Read the whole body; the answer that refuses one too long or too slow, None when the caller is gone before."""
    told = headers.get(b"content-length", b"")
    if told.isdigit() and (len(told) > len(str(_LONGEST_BODY)) or int(told) > _LONGEST_BODY):
        return detail(413, f"A body has at most {_LONGEST_BODY:,} bytes.", _CLOSE)
    body = bytearray()
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return None
                body += message.get("body", b"")
                if len(body) > _LONGEST_BODY:
                    return detail(413, f"A body has at most {_LONGEST_BODY:,} bytes.", _CLOSE)
                if not message.get("more_body", False):
                    return bytes(body)
    except TimeoutError:
        return detail(408, f"A body is there within {_BODY_SECONDS:g} seconds.", _CLOSE)


async def _answer(send: Send, response: Response) -> None:
    headers = [
        (b"content-type", response.content_type),
        (b"content-length", str(len(response.body)).encode()),
        *response.headers,
    ]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": response.body})


def _is_local(client: str | None, host: bytes) -> bool:
    """Say whether a caller is on this machine and knows it by an address of its own.

    The second half keeps out web pages elsewhere whose name was pointed at this machine.
    """
    try:
        name = urlsplit(f"//{host.decode('latin-1')}").hostname
    except ValueError:
        return False
    return is_loopback(client) and is_loopback(name)


def _is_same_origin(headers: Mapping[bytes, bytes]) -> bool:
    """Say whether a request comes from the sandbox's own page or from no page at all.

    Any page that a browser on this machine shows could otherwise reset the account.

    Args:
        headers: Of the request, by lower-case name.
    """
    origin = headers.get(b"origin")
    site = headers.get(b"sec-fetch-site", b"none")
    return site in {b"none", b"same-origin"} and origin in {None, b"http://" + headers.get(b"host", b"")}


def is_loopback(address: str | None) -> bool:
    """Say whether an address is one by which this machine reaches itself."""
    try:
        return ipaddress.ip_address(address or "").is_loopback
    except ValueError:
        return address == "localhost"


def _state(account: Account, faults: Faults) -> dict[str, object]:
    """Return all there is to see of an account, ready for JSON."""
    counters: dict[str, dict[str, int]] = {}
    for (route, status), number in sorted(account.ledger.counters.items(), key=str):
        counters.setdefault(route, {})["cut" if status is None else str(status)] = number
    with account.lock:
        return {
            "now": account.now(),
            "contacts": list(account.contacts.values()),
            "lists": list(account.lists.values()),
            "campaigns": list(account.campaigns.values()),
            "surveys": account.surveys,
            "surveys_by_email": account.surveys_by_email,
            "mass_sends": account.ledger.mass_sends,
            "requests": account.requests,
            "counters": counters,
            "busiest_minute": account.ledger.busiest_minute,
            "posted": account.posted,
            "faults": faults,
        }
