"""A delivering process whose requests a test answers, at times that it says."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from target_promoter.delivery.sender import Answered
from target_promoter.delivery.turn import Turns
from target_promoter.promoter.answers import Answer, Outcome
from target_promoter.store import schema

if TYPE_CHECKING:
    from target_promoter.delivery.sender import Request
    from target_promoter.delivery.turn import Turn
    from tests.house import House


@dataclass(slots=True)
class Process:
    """A process that delivers from a house's store.

    Attributes:
        house: The house.
        last: The requests of the last turn that had any.
    """

    house: House
    last: list[Request] = field(default_factory=list)
    _turns: Turns = field(init=False)

    def __post_init__(self) -> None:
        """Begin with nothing claimed."""
        self._turns = Turns(self.house.store, self.house.settings)

    @property
    def turns(self) -> Turns:
        """What takes its turns."""
        return self._turns

    def turn(self, seconds: float, outcome: str | None = None, *, room: int = 64, **answer: Any) -> Turn:  # noqa: ANN401 - of an answer
        """Take a turn.

        Args:
            seconds: When, in seconds from now.
            outcome: How the requests of the last turn were answered before it; None if they were not yet.
            room: How many requests may be sent at the most.
            answer: What else the answers say.
        """
        came = [] if outcome is None else [Answered(one, Answer(Outcome(outcome), **answer)) for one in self.last]
        turn = self._turns.take(self.house.now + seconds, came, room=room)
        if turn.requests:
            self.last = turn.requests
        elif outcome is not None:
            self.last = []
        return turn

    def give_back(self, seconds: float) -> Turn:
        """Take a turn that sends nothing and gives back the requests of the last one, unsent."""
        return self._turns.take(self.house.now + seconds, [Answered(one, None) for one in self.last], room=0)


def survey(house: House, message_id: str) -> Any:  # noqa: ANN401 - a database row
    """Return the row of a survey."""
    query = select(schema.surveys).where(schema.surveys.c.message_id == message_id)
    return house.store.read(lambda connection: connection.execute(query).one())


def contact(house: House, email: str) -> Any:  # noqa: ANN401 - a database row
    """Return the row of a contact."""
    query = select(schema.contacts).where(schema.contacts.c.email == email)
    return house.store.read(lambda connection: connection.execute(query).one())
