"""What delivery asks of Promoter: the client does it, and in a dry run something that withholds the requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from target_promoter.promoter.answers import Answer


class Api(Protocol):
    """The part of Promoter's API that delivery needs: one call, one request, one answer."""

    def survey(self, body: bytes) -> Answer:
        """Ask for a survey, which e-mails its contact at once."""

    def save_contact(self, body: bytes) -> Answer:
        """Add or update a contact."""

    def remove_contact(self, email: str) -> Answer:
        """Remove a contact."""
