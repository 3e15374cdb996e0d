"""What a dry run has in Promoter's place: every request is withheld, and answered as if it were carried out."""

from __future__ import annotations

from typing import Final

from target_promoter.promoter.answers import Answer

NO_PACE: Final = 1e9
"""The limit of a run that sends nothing, in requests a minute."""

_CARRIED_OUT: Final = Answer("accepted", 200)


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
