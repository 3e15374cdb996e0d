"""A request that came back, whatever it was for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from target_promoter.contacts.delivery import ContactRequest
from target_promoter.surveys.claims import Claim

if TYPE_CHECKING:
    from target_promoter.promoter.answers import Answer, Outcome

Request = Claim | ContactRequest


@dataclass(frozen=True, slots=True)
class Answered:
    """A request that came back.

    Attributes:
        request: The request.
        answer: What came of it; None if it was surely not carried out.
    """

    request: Request
    answer: Answer | None

    @property
    def outcome(self) -> Outcome | None:
        """What its answer means; None if it was surely not carried out."""
        return None if self.answer is None else self.answer.outcome
