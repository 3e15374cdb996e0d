"""Delivery that begins as late as it can: with the first batch, after a moment, or at the end if anything is open."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Final

from target_promoter.delivery.backlog import is_anything_open
from target_promoter.errors import PromoterError, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_promoter.delivery.delivery import Delivery
    from target_promoter.store.database import Store

logger = logging.getLogger("target-promoter.delivery")

_GRACE_SECONDS: Final = 1.0
"""How long delivery lets intake go first: a stream that is refused early in the input stops the run before it sends."""

_AGAIN_SECONDS: Final = 10.0
"""How long after a failure it is tried again to begin beside an input that is silent."""


class LateDelivery:
    """The delivery of one run, which is made only when there may be something to deliver.

    To load all that it takes is most of what a run on an empty input would do.

    Args:
        make: Returns what delivers.
    """

    def __init__(self, store: Store, make: Callable[[], Delivery]) -> None:
        self._store = store
        self._make = make
        self._lock = threading.Lock()
        self._delivery: Delivery | None = None
        self._has_ended = False
        self._found_nothing = False
        self._problem: PromoterError | None = None
        self._grace = self._timer(_GRACE_SECONDS)

    @property
    def problem(self) -> PromoterError | None:
        """Why it stopped before all was delivered; None if it did not."""
        return self._problem if self._delivery is None else self._delivery.problem

    @property
    def is_done(self) -> bool:
        """Whether it ended because nothing that was due was left; other processes may have brought more since."""
        return self._found_nothing if self._delivery is None else self._delivery.is_done

    @property
    def waited_seconds(self) -> float:
        """How long requests waited for the account's limit so far."""
        return 0.0 if self._delivery is None else self._delivery.waited_seconds

    def left_behind(self) -> list[str]:
        """Return, in sentences with the mend, why surveys that are due were not sent though Promoter answers."""
        return [] if self._delivery is None else self._delivery.left_behind()

    def start(self) -> None:
        """Deliver beside intake, which goes first for a moment."""
        self._grace.start()

    def hold(self) -> None:
        """Deliver beside intake, which goes first for another moment: it begins only now.

        Raises:
            PromoterError: What delivers cannot be made.
        """
        delivery = self._begin(held_seconds=_GRACE_SECONDS)
        if delivery is not None:
            delivery.hold(_GRACE_SECONDS)

    def wake(self, *, surveys: bool) -> None:
        """Have a look at the store now: there is something new in it.

        Args:
            surveys: Whether there are surveys among it.
        """
        if self._delivery is not None:
            self._delivery.wake(surveys=surveys)

    def finish(self) -> None:
        """Deliver until all that is due is delivered: nothing more will come."""
        self._grace.cancel()
        try:
            with self._lock:  # Else the grace could end just now.
                if self._delivery is None and not self._store.read(is_anything_open):
                    self._found_nothing = self._has_ended = True
            delivery = self._begin()
        except StoreError as error:
            self._problem = error
            return
        if delivery is not None:
            delivery.finish()
            delivery.join()

    def end(self) -> None:
        """End now, but for the answers to requests in flight; it takes a few seconds."""
        self._grace.cancel()
        with self._lock:
            self._has_ended = True
        if self._delivery is not None:
            self._delivery.stop()
            self._delivery.join()

    def _begin(self, *, held_seconds: float = 0.0) -> Delivery | None:
        """Begin, if it did not, and return what delivers; None if it has ended before."""
        with self._lock:
            if self._delivery is None and not self._has_ended:
                self._delivery = self._make()
                self._delivery.hold(held_seconds)
                self._delivery.start()
            return self._delivery

    def _begin_beside(self) -> None:
        try:
            self._begin()
        except PromoterError as error:
            logger.warning("Delivery cannot begin yet, and is tried again: %s", error)
            self._grace = self._timer(_AGAIN_SECONDS)
            self._grace.start()

    def _timer(self, seconds: float) -> threading.Timer:
        timer = threading.Timer(seconds, self._begin_beside)
        timer.daemon = True
        return timer
