"""How long a request may be on its way, and that one which is late does not leave."""

from __future__ import annotations

from typing import TYPE_CHECKING

from target_promoter.promoter import transport
from target_promoter.promoter.client import Client

if TYPE_CHECKING:
    import pytest

    from target_promoter.sandbox.server import SandboxServer


def test_a_connection_that_took_too_long_is_not_used(sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever made the request counts on its having left by then: it counts as never sent, and is not."""
    client = Client(sandbox.url, "sandbox")
    body = b'{"campaign_id": 78, "contact": {"email": "ann@example.com"}}'
    monkeypatch.setattr(transport, "CONNECT_SECONDS", -1.0)
    assert client.survey(body).outcome == "unreached"
    monkeypatch.undo()
    assert sandbox.account.surveys == []
    assert client.survey(body).outcome == "accepted"


def test_delivery_counts_on_no_more_than_the_client_holds_to() -> None:
    """A request is sent again only when the first has surely left, and is surely no longer at work."""
    least = transport.LATE_SECONDS + transport.CONNECT_SECONDS + 2 * transport.ANSWER_SECONDS
    assert transport.settled_at(1000.0) >= 1000.0 + least
