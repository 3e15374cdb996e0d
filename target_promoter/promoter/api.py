"""What delivery asks of Promoter: the client does it, and in a dry run something that withholds the requests."""

from __future__ import annotations

from typing import Final, Protocol

from target_promoter.promoter.answers import Answer, Outcome

NO_PACE: Final = 1e9
"""The limit of a run that sends nothing, in requests a minute."""

_CARRIED_OUT: Final = Answer(Outcome.ACCEPTED, 200)


class Api(Protocol):
    """The part of Promoter's API that delivery needs: one call, one request, one answer."""

    def survey(self, body: bytes) -> Answer:
        """Ask for a survey, which e-mails its contact at once."""

    def save_contact(self, body: bytes) -> Answer:
        """Add or update a contact."""

    def remove_contact(self, email: str) -> Answer:
        """Remove a contact."""


class Withheld:
    """Answers for Promoter, and sends nothing."""

    def survey(self, body: bytes) -> Answer:  # noqa: ARG002 - as the client takes it
        """Answer a request for a survey."""
        return _CARRIED_OUT

    def save_contact(self, body: bytes) -> Answer:  # noqa: ARG002 - as the client takes it
        """Answer a request to add or update a contact."""
        return _CARRIED_OUT

    def remove_contact(self, email: str) -> Answer:  # noqa: ARG002 - as the client takes it
        """Answer a request to remove a contact."""
        return _CARRIED_OUT

    def close(self) -> None:
        """Do nothing: there is no connection."""
