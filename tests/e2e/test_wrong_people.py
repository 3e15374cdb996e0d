"""No way for an e-mail to reach the wrong person, or the right one too often."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from target_promoter.sandbox.faults import Faults
from tests.e2e.shop import SCHEMA, Watch, identify, iso, order, record, schema_of, state
from tests.programs import Programs, until

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from target_promoter.sandbox.server import SandboxServer
    from tests.conftest import Outcome

ANN, BOB = "ann@example.com", "bob@example.com"
HOUR = 3600.0


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Programs]:
    """Yield what starts the program."""
    with Programs(tmp_path_factory.mktemp("programs")) as started:
        yield started


class Scene:
    """An account, a store, and the program between them.

    Args:
        programs: What starts the program.
        sandbox: The account.
        config: The config.
    """

    def __init__(self, programs: Programs, sandbox: SandboxServer, config: dict[str, Any]) -> None:
        """Begin with nobody known."""
        self._programs = programs
        self.sandbox = sandbox
        self.config = config
        self.now = time.time()
        self.watch = Watch(sandbox.account)

    def run(self, *messages: Mapping[str, Any], status: int = 0, schema: Mapping[str, Any] = SCHEMA) -> Outcome:
        """Run the program on messages.

        Args:
            messages: What a tap sends after its SCHEMA.
            status: How it must end.
            schema: The SCHEMA.
        """
        ended = self._programs.run(config=self.config, messages=[schema, *messages, state(0)])
        assert ended.status == status, ended.log
        return ended

    @property
    def surveyed(self) -> dict[str, int]:
        """How many surveys each address got."""
        return self.sandbox.account.surveys_by_email


@pytest.fixture
def scene(programs: Programs, sandbox: SandboxServer, config: dict[str, Any]) -> Scene:
    """Return the scene."""
    return Scene(programs, sandbox, config)


def test_two_orders_of_one_person_in_flight_at_once(scene: Scene) -> None:
    """Of orders seconds apart one survey is asked for; the others are throttled here, without a request."""
    ended = scene.run(
        identify("1", scene.now - 60, email=ANN), *(order("1", f"o{one}", scene.now - 30 - one) for one in range(5))
    )
    assert scene.surveyed == {ANN: 1}
    assert len(scene.watch.emails[ANN]) == 1
    assert (ended.summary["surveys"]["sent"], ended.summary["surveys"]["throttled"]) == (1, 4)


def test_two_user_ids_with_one_address(scene: Scene) -> None:
    """However many user ids an address has, it gets one survey."""
    people = [identify(str(one), scene.now - 60, email=ANN.upper() if one % 2 else ANN) for one in range(1, 7)]
    scene.run(*people, *(order(str(one), f"o{one}", scene.now - 30) for one in range(1, 7)))
    assert scene.surveyed == {ANN: 1}
    assert len(scene.watch.emails[ANN]) == 1


def test_an_address_that_changes_takes_its_throttle_along(scene: Scene) -> None:
    """Who was surveyed at one address is not surveyed again at the next, nor is the next owner of the old one."""
    scene.run(identify("1", scene.now - 60, email=ANN), order("1", "o1", scene.now - 50))
    scene.run(identify("1", scene.now - 40, email=BOB), order("1", "o2", scene.now - 30))
    scene.run(identify("2", scene.now - 20, email=ANN), order("2", "o3", scene.now - 10))
    assert scene.surveyed == {ANN: 1}


def test_an_address_that_changes_to_somebody_elses(scene: Scene) -> None:
    """The throttle of the old address holds at the new one for whoever has it, under whichever user id."""
    scene.run(identify("1", scene.now - 60, email=ANN), order("1", "o1", scene.now - 50))
    scene.run(identify("1", scene.now - 40, email=BOB))
    scene.run(identify("2", scene.now - 30, email=BOB), order("2", "o2", scene.now - 20))
    assert scene.surveyed == {ANN: 1}


def test_one_of_two_with_one_address_moves(scene: Scene) -> None:
    """The throttle of an address goes along with everybody who had it, whoever's survey it was."""
    scene.run(identify("1", scene.now - 60, email=ANN), identify("2", scene.now - 59, email=ANN))
    scene.run(order("1", "o1", scene.now - 50))
    scene.run(identify("2", scene.now - 40, email=BOB), order("2", "o2", scene.now - 30))
    assert scene.surveyed == {ANN: 1}


def test_an_address_changed_after_the_claim(scene: Scene) -> None:
    """A request without an answer is repeated to the address it was made for; the new one gets nothing."""
    scene.sandbox.set_faults(Faults(rate=1.0, kinds=("hang",), times=1, only="/survey/"))
    running = scene._programs.start(
        config=scene.config,
        messages=[SCHEMA, identify("1", scene.now - 60, email=ANN), order("1", "o1", scene.now - 50), state(1)],
    )
    until(lambda: scene.sandbox.account.ledger.busiest_minute)
    running.kill()
    running.wait()
    scene.run(identify("1", scene.now - 40, email=BOB))
    assert scene.surveyed == {ANN: 1}


def test_an_address_changed_before_the_claim(scene: Scene) -> None:
    """A survey that waits for its day goes to the address that its person has then."""
    scene.config["campaigns"] = {"Order Completed": {"id": 78, "delay_hours": 1}}
    scene.run(identify("1", scene.now - 2 * HOUR, email=ANN), order("1", "o1", scene.now - HOUR + 3))
    assert scene.surveyed == {}
    scene.run(identify("1", scene.now - 60, email=BOB))
    until(lambda: time.time() > scene.now + 3.1)
    scene.run()
    assert scene.surveyed == {BOB: 1}


def test_a_shared_browser(scene: Scene) -> None:
    """An anonymous id that was seen with two user ids stands for neither of them."""

    def seen(user_id: str | None, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - of any shape
        return record(anonymousId="browser", userId=user_id, timestamp=iso(scene.now - 30), **more)

    scene.run(
        seen("1", type="identify", messageId="a", traits={"email": ANN}),
        seen("2", type="identify", messageId="b", traits={"email": BOB}),
        seen(None, type="track", messageId="c", event="Order Completed", properties={"order_id": "o"}),
        schema=schema_of("anonymousId"),
    )
    assert scene.surveyed == {}


def test_an_address_among_the_properties(scene: Scene) -> None:
    """The e-mail of a gift's recipient is no e-mail of who ordered it."""
    gift = order("1", "o1", scene.now - 30)
    gift["record"]["properties"]["email"] = BOB
    scene.run(gift)
    assert scene.surveyed == {}
    scene.run(identify("1", scene.now, email=ANN))
    assert scene.surveyed == {ANN: 1}
    assert BOB not in scene.sandbox.account.contacts


def test_a_user_id_that_is_not_known(scene: Scene) -> None:
    """It waits, also when the call names an address that somebody else has."""
    strange = order("nobody", "o1", scene.now - 30)
    strange["record"]["context"] = {"traits": {"email": ANN}}
    ended = scene.run(identify("1", scene.now - 60, email=ANN), strange, schema=schema_of("context"))
    assert scene.surveyed == {}
    assert ended.summary["track"]["waiting"] == 1


@pytest.mark.parametrize("offset", [-400 * 24 * HOUR, -80 * HOUR, 30 * HOUR, 50 * 365 * 24 * HOUR])
def test_a_wrong_timestamp_column(offset: float, scene: Scene) -> None:
    """A time of long ago is stale and one of the days to come is rejected: neither e-mails anybody."""
    ended = scene.run(identify("1", scene.now - 60, email=ANN), order("1", "o1", scene.now + offset))
    assert scene.surveyed == {}
    assert ended.summary["track"]["stale"] + ended.summary["track"]["rejected"] == 1


def test_a_first_sync_of_years_of_orders(scene: Scene) -> None:
    """Three years of orders e-mail those of the last day alone, each person once."""
    people = [identify(str(who), scene.now - 60, email=f"c{who}@example.com") for who in range(1, 21)]
    days = [
        order(str(who), f"o{who}-{day}", scene.now - 60 - day * 24 * HOUR)
        for who in range(1, 21)
        for day in range(0, 1000, 50)
    ]
    recent = [order(str(who), f"r{who}", scene.now - HOUR) for who in range(1, 6)]
    ended = scene.run(*people, *days[1:], *recent)
    assert max(scene.surveyed.values()) == 1
    assert ended.summary["track"]["stale"] == len(
        [one for one in days[1:] if not one["record"]["messageId"].endswith("-0")]
    )
    assert ended.summary["surveys"]["sent"] == len(scene.surveyed) == 20


def test_a_replay_of_everything(scene: Scene) -> None:
    """The same input again, also under another order of its records, surveys nobody."""
    messages = [identify("1", scene.now - 60, email=ANN), order("1", "o1", scene.now - 30)]
    scene.run(*messages)
    scene.sandbox.account.advance(hours=48)
    again = scene.run(*messages[::-1])
    assert scene.surveyed == {ANN: 1}
    assert again.summary["track"]["duplicate"] == 1


def test_one_who_was_deleted(scene: Scene) -> None:
    """A deletion cancels what waits; nothing goes to who is gone, whatever order comes after."""
    scene.config["campaigns"] = {"Order Completed": {"id": 78, "delay_hours": 1}}
    gone = record(type="identify", userId="1", messageId="d", timestamp=iso(scene.now), _sdc_deleted_at=iso(scene.now))
    scene.run(identify("1", scene.now - 60, email=ANN), order("1", "o1", scene.now - 30))
    ended = scene.run(gone, order("1", "o2", scene.now - 2 * HOUR), schema=schema_of("_sdc_deleted_at"))
    assert scene.surveyed == {}
    assert ended.summary["surveys"]["cancelled"] >= 1
    assert ended.summary["surveys"]["waiting"] == 0


def test_only_whom_the_settings_allow(scene: Scene) -> None:
    """In development only one's own people are surveyed; the others when the setting lets them and their row comes."""
    scene.config["survey_recipients"] = ["*@our-company.com"]
    orders = [order(str(who), f"o{who}", scene.now - 30) for who in (1, 2)]
    scene.run(
        identify("1", scene.now - 60, email=ANN), identify("2", scene.now - 60, email="us@our-company.com"), *orders
    )
    assert scene.surveyed == {"us@our-company.com": 1}
    scene.config["survey_recipients"] = ["*"]
    scene.run()
    assert scene.surveyed == {"us@our-company.com": 1}
    scene.run(*orders)
    assert scene.surveyed == {"us@our-company.com": 1, ANN: 1}
