"""The fuse: how many people one run may e-mail."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from target_promoter.surveys.claims import Claim

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from target_promoter.delivery.answered import Answered, Request


@dataclass(frozen=True, slots=True)
class Fuse:
    """What is left of the fuse `max_surveys_per_run`.

    Attributes:
        most: How many surveys a run may send.
        burnt: How many requests were answered so that they e-mailed somebody, or may have.
        open: The numbers of the surveys whose request was claimed and not answered.
    """

    most: int
    burnt: int = 0
    open: frozenset[int] = frozenset()

    @property
    def allowance(self) -> int:
        """How many more surveys may be claimed."""
        return self.most - self.burnt - len(self.open)

    def after(self, answered: Sequence[Answered], unsent: Iterable[Request]) -> Fuse:
        """Return the fuse after requests came back; a claim without an answer stays open."""
        closed = {one.id for one in unsent if isinstance(one, Claim)}
        burnt = self.burnt
        for one in answered:
            if isinstance(one.request, Claim) and one.outcome != "unanswered":
                closed.add(one.request.id)
                burnt += one.outcome == "accepted" or one.request.unanswered > 0
        return replace(self, burnt=burnt, open=self.open - closed)

    def claiming(self, requests: Iterable[Request]) -> Fuse:
        """Return the fuse after requests were claimed."""
        return replace(self, open=self.open.union(one.id for one in requests if isinstance(one, Claim)))
