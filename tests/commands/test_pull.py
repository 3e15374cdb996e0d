"""`target-promoter pull`: what the account holds costs no request, and nothing wrong is concluded from it."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import pytest

from target_promoter.commands.pull import Pull
from target_promoter.config.settings import Settings
from target_promoter.contacts import pulled
from target_promoter.errors import StoreError
from target_promoter.promoter.client import Client
from target_promoter.sandbox.faults import Faults
from target_promoter.sandbox.records import Contact
from target_promoter.sandbox.server import SandboxServer
from target_promoter.singer.signals import Signals
from target_promoter.store.database import open_store
from target_promoter.store.summary import Summary
from tests.conftest import run_program
from tests.house import CONFIG
from tests.program import CALLS, command, identify, order
from tests.promoter.test_client import Peer, http
from tests.tap import CUSTOMERS, STREAMS, record, schema, sync

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from target_promoter.promoter.answers import Answer
    from target_promoter.promoter.client import ContactPage
    from target_promoter.sandbox.account import Account
    from target_promoter.sandbox.faults import Kind

pytestmark = pytest.mark.slow

ANN, BOB = "ann@example.com", "bob@example.com"
READ: Final = "GET"


@pytest.fixture
def sandbox(shared_sandbox: SandboxServer) -> Iterator[SandboxServer]:
    """Yield the sandbox that all tests of this file share, with an empty account that says all."""
    yield shared_sandbox
    shared_sandbox.set_faults(Faults())
    shared_sandbox.account.page_size, shared_sandbox.account.leave_out = 50, frozenset()


@pytest.fixture
def account(sandbox: SandboxServer) -> Account:
    """Return the account."""
    return sandbox.account


@pytest.fixture
def config(config: dict[str, Any], store_url: str) -> dict[str, Any]:
    """Return a config whose store is on SQLite, and on PostgreSQL."""
    return {**config, "store_url": store_url, "stored_events": []}


def pull(config: dict[str, Any], *, status: int = 0) -> str:
    """Pull, and return what it says."""
    result = command("pull", config=config)
    assert result.exit_code == status, result.output + repr(result.exception)
    return result.output


def shop(number: int, plan: str = "basic") -> list[dict[str, Any]]:
    """Return the identify calls of a shop's customers."""
    return [CALLS, *(identify(str(one), f"c{one}@example.com", {"plan": plan}) for one in range(1, number + 1))]


def requests(account: Account, method: str = "POST") -> int:
    """Return how many requests of a method there were since they were last counted."""
    number = sum(one.method == method for one in account.requests)
    account.ledger.reset()
    return number


def hold(account: Account, email: str, *, lists: tuple[int, ...] = (), **attributes: Any) -> None:  # noqa: ANN401 - of the contact
    """Have the account hold a contact, as if somebody had put it there by hand."""
    with account.lock:
        before = account.contacts.get(email)
        made = before or Contact(account.next_id(), email, "2024-01-01T00:00:00Z")
        account.keep(replace(made, attributes=dict(attributes), lists=lists or made.lists))


def adopted(config: dict[str, Any], account: Account, number: int = 3) -> None:
    """Have the account hold a shop's customers as the target sends them, and another store know nothing of it."""
    for one in range(1, number + 1):
        hold(account, f"c{one}@example.com", plan="basic", user_id=str(one))
    pull(config)
    requests(account)


def test_after_a_lost_store_nothing_is_sent_again(config: dict[str, Any], account: Account) -> None:
    """What needs no change is synced without a request; what changed since is sent; surveys find their people."""
    account.page_size = 7
    for one in range(1, 21):
        hold(account, f"c{one}@example.com", plan="basic", user_id=str(one))
    said = pull(config)
    assert "Read 20 contacts on 3 pages: 0 unsubscribed, 0 changed" in said
    assert "20 people whom no tap brought yet are known" in said
    assert requests(account, READ) == 3
    changed = identify("3", "c3@example.com", {"plan": "pro"}, hours=1)
    run = sync(config, [*shop(19), changed, order("o-5", "5"), order("o-20", "20")])
    assert (run.summary["contacts"]["synced"], run.summary["surveys"]["sent"]) == (19, 2)
    assert run.summary["api"]["requests"] == requests(account) == 3
    assert account.contacts["c3@example.com"].attributes == {"plan": "pro", "user_id": "3"}
    # Nobody but Promoter knew the twentieth, whose survey takes nothing from the contact.
    assert account.contacts["c20@example.com"].attributes == {"plan": "basic", "user_id": "20"}
    assert account.surveys_by_email == {"c5@example.com": 1, "c20@example.com": 1}
    assert sync(config, shop(19)).summary["api"]["requests"] == 0


def test_who_waited_for_the_person_that_promoter_knows(config: dict[str, Any], account: Account) -> None:
    """The survey of an event that came before the pull goes out, and what a call without an address said is sent."""
    hold(account, ANN, plan="basic", user_id="7", first="x")
    waiting = sync(config, [CALLS, order("o-7", "7"), identify("7", "", {"churn_risk": True})])
    assert waiting.summary["surveys"]["waiting"] == 1
    pull(config)
    requests(account)
    run = sync(config, [CALLS])
    assert run.summary["surveys"]["sent"] == 1
    assert account.contacts[ANN].attributes == {"plan": "basic", "user_id": "7", "first": "x", "churn_risk": "true"}
    assert requests(account) == 1


def test_stored_events_of_the_person_that_promoter_knows(config: dict[str, Any], account: Account) -> None:
    """What somebody did before the pull comes to the contact that it is known by then."""
    config |= {"campaigns": {}, "stored_events": ["Order Completed"]}
    hold(account, ANN, plan="basic", user_id="7")
    sync(config, [CALLS, order("o-7", "7", total=5)])
    pull(config)
    sync(config, [CALLS])
    assert account.contacts[ANN].attributes.items() >= {"plan": "basic", "order_completed_total": "5"}.items()


def test_the_unsubscribed_are_not_tried(config: dict[str, Any], account: Account) -> None:
    """Their surveys are withheld without a request, for ever, and the report, the check and their story say so."""
    adopted(config, account)
    account.unsubscribe("c2@example.com")
    assert "1 unsubscribed" in pull(config)
    requests(account)
    run = sync(config, [*shop(3), order("o-1", "1"), order("o-2", "2")])
    assert (run.summary["surveys"]["sent"], run.summary["surveys"]["withheld"]) == (1, 1)
    assert requests(account) == 1
    story = command("report", "--person", "2", "--format", "json", config=config).output
    assert "unsubscribed at Promoter" in [moment["why"] for moment in json.loads(story)["moments"]]
    assert "3 contacts read" in (checked := command("check", config=config).output)
    assert "; 1 unsubscribed" in checked
    rows = command("export", "contacts", "--format", "jsonl", config=config).output.splitlines()
    assert {row["email"]: row["unsubscribed"] for row in map(json.loads, rows)} == {
        "c1@example.com": False,
        "c2@example.com": True,
        "c3@example.com": False,
    }
    # It comes back under the same address, and stays what it is.
    account.remove_contact("c2@example.com")
    pull(config)
    again = sync(config, [CALLS, order("o-2b", "2", hours=1)])
    assert again.summary["surveys"]["withheld"] == 1


@pytest.mark.parametrize("left_out", ["attributes", "unsubscribed", "count"])
def test_a_page_that_leaves_something_out(config: dict[str, Any], account: Account, left_out: str) -> None:
    """Without attributes no request is saved and nobody known; what else is missing is told."""
    account.leave_out = frozenset({left_out})
    for one in range(1, 4):
        hold(account, f"c{one}@example.com", plan="basic", user_id=str(one))
    said = pull(config)
    assert ("3 came without attributes" in said) is (left_out == "attributes")
    assert ("Of 3 Promoter does not say whether they unsubscribed" in said) is (left_out == "unsubscribed")
    requests(account)
    run = sync(config, shop(3))
    assert run.summary["contacts"]["synced"] == 3
    assert requests(account) == (3 if left_out == "attributes" else 0)


@pytest.mark.parametrize(
    ("held", "is_saved"),
    [
        ({"plan": "basic", "user_id": "1"}, True),
        ({"plan": "basic", "user_id": "1", "vip": "yes"}, True),
        ({"plan": "basic", "vip": "yes"}, False),
        ({"plan": "Basic", "user_id": "1"}, False),
        ({"plan": "basic"}, False),
        ({"user_id": "1"}, False),
        ({}, False),
    ],
)
def test_what_looks_as_wanted(config: dict[str, Any], account: Account, held: dict[str, Any], is_saved: bool) -> None:  # noqa: FBT001
    """Only what a request would leave as it is, may Promoter merge attributes or replace them."""
    hold(account, "c1@example.com", **held)
    pull(config)
    requests(account)
    sync(config, shop(1))
    assert requests(account) == (0 if is_saved else 1)


def test_names_count_too(config: dict[str, Any], account: Account) -> None:
    """A name that is missing, or is another one, is sent."""
    hold(account, ANN, user_id="1")
    pull(config)
    requests(account)
    sync(config, [CALLS, identify("1", ANN, {"firstName": "Ann"})])
    assert (requests(account), account.contacts[ANN].first_name) == (1, "Ann")


def test_lists_are_known_by_their_contacts(config: dict[str, Any], account: Account) -> None:
    """Who is on the lists of the config costs no request, who is not joins them; all on a list are not read again."""
    account.page_size = 2
    for one in range(1, 5):
        hold(account, f"c{one}@example.com", lists=(5,), plan="basic", user_id=str(one))
    listed = {**config, "contact_lists": [5]}
    pull(listed)
    assert requests(account, READ) == 2 + 1
    hold(account, "c5@example.com", lists=(6,), plan="basic", user_id="5")
    pull(listed)
    assert requests(account, READ) == 2 + 3
    assert sync(listed, shop(5)).summary["contacts"]["synced"] == 5
    assert requests(account) == 1
    assert account.contacts["c5@example.com"].lists == (5, 6)
    # Nobody read who is on a list that the config has only since.
    assert sync({**config, "contact_lists": [5, 6]}, shop(5)).summary["contacts"]["synced"] == 5
    assert requests(account) == 5


def test_changes_at_promoter_are_counted(config: dict[str, Any], account: Account) -> None:
    """What was changed by hand since it was sent, and what no tap brought; the next form wins all the same."""
    listed = {**config, "contact_lists": [5]}
    sync(listed, shop(4))
    hold(account, "c1@example.com", plan="hand-made", user_id="1")
    hold(account, "c2@example.com", plan="basic", user_id="2", note="and more")
    hold(account, BOB, plan="x")
    account.leave_list(5, "c3@example.com")
    assert "2 changed at Promoter since they were sent, 1 that no tap brought" in pull(listed)
    requests(account)
    told = json.loads(command("report", "--format", "json", config=listed).output)["contacts"]["pulled"]
    assert (told["contacts"], told["changed"], told["of_no_stream"], told["unsubscribed"]) == (5, 2, 1, 0)
    assert "changed there" in command("report", config=listed).output
    assert sync(listed, shop(4)).summary["api"]["requests"] == 0
    sync(listed, [CALLS, identify("1", "c1@example.com", {"plan": "pro"}, hours=1)])
    assert account.contacts["c1@example.com"].attributes["plan"] == "pro"
    told = json.loads(command("report", "--format", "json", config=listed).output)["contacts"]["pulled"]
    assert told["changed"] == 1


def test_changes_of_what_was_never_sent_are_counted_too(config: dict[str, Any], account: Account) -> None:
    """A contact that looked as wanted when it was read, and does not any more."""
    adopted(config, account)
    sync(config, shop(3))
    hold(account, "c1@example.com", plan="hand-made", user_id="1")
    assert "1 changed at Promoter" in pull(config)
    assert requests(account) == 0


def test_one_user_id_under_two_addresses(config: dict[str, Any], account: Account) -> None:
    """Which is the present one nobody knows: the survey waits until a tap says it."""
    hold(account, ANN, user_id="7")
    pull(config)
    hold(account, BOB, user_id="7")
    pull(config)
    assert sync(config, [CALLS, order("o-7", "7")]).summary["surveys"]["waiting"] == 1
    run = sync(config, [CALLS, identify("7", BOB, hours=1)])
    assert run.summary["surveys"]["sent"] == 1
    assert account.surveys_by_email == {BOB: 1}


def test_a_contact_that_is_gone_or_another_persons(config: dict[str, Any], account: Account) -> None:
    """Who was known by it is known no more, and whoever has it now is."""
    hold(account, ANN, user_id="7")
    hold(account, BOB, user_id="8")
    pull(config)
    account.remove_contact(ANN)
    hold(account, BOB, user_id="9")
    pull(config)
    run = sync(config, [CALLS, *(order(f"o-{one}", one) for one in ("7", "8", "9"))])
    assert (run.summary["surveys"]["waiting"], run.summary["surveys"]["sent"]) == (2, 1)
    assert account.surveys_by_email == {BOB: 1}


def test_an_address_in_capitals(config: dict[str, Any], account: Account) -> None:
    """Promoter may take it for another contact: only that it unsubscribed is used."""
    hold(account, "Ann@Example.com", user_id="7")
    account.unsubscribe("Ann@Example.com")
    said = pull(config)
    assert "1 have an address that is written differently" in said
    requests(account)
    run = sync(config, [CALLS, identify("7", ANN), order("o-7", "7")])
    assert run.summary["surveys"]["withheld"] == 1
    assert requests(account) == 1


@pytest.mark.parametrize("again", ["resync", "restored"])
def test_what_is_to_be_sent_again_is(config: dict[str, Any], account: Account, again: str) -> None:
    """After `resync`, and with a store from a backup, what was read before counts no more."""
    adopted(config, account)
    sync(config, shop(3))
    assert requests(account) == 0
    arguments = ("resync",) if again == "resync" else ("check", "--restored")
    assert command(*arguments, config=config).exit_code == 0
    assert sync(config, [CALLS]).summary["contacts"]["synced"] == 3
    assert requests(account) == 3


def test_a_removed_contact_comes_back_by_a_request(config: dict[str, Any], account: Account) -> None:
    """Who was deleted at the source is removed though no tap brought it before; back again, it is sent."""
    plain = {**config, "hard_delete": True, "streams": STREAMS}
    hold(account, "c1@example.com", plan="basic", user_id="1")
    pull(plain)
    row: dict[str, Any] = {"id": "1", "email": "c1@example.com", "plan": "basic"}
    columns = {"properties": {**CUSTOMERS["properties"], "_sdc_deleted_at": {"type": ["null", "string"]}}}
    deleted = record("customers", **row, _sdc_deleted_at="2026-01-01T00:00:00Z")
    assert sync(plain, [schema("customers", columns), deleted]).summary["contacts"]["removed"] == 1
    assert account.contacts == {}
    sync(plain, [schema("customers", columns), record("customers", **row)])
    assert account.contacts["c1@example.com"].attributes == {"plan": "basic", "user_id": "1"}


def test_who_was_forgotten_stays_so(config: dict[str, Any], account: Account) -> None:
    """What was pulled of a person goes, by address or user id, and no pull brings it back."""
    adopted(config, account)
    hold(account, ANN)
    pull(config)
    for who in ("1", "c2@example.com", ANN):
        assert command("forget", who, config=config).exit_code == 0
    assert "Read 1 contact on 1 page" in pull(config)
    run = sync(config, [CALLS, *(order(f"o-{one}", str(one)) for one in (1, 2, 3))])
    assert (run.summary["track"]["blocked"], run.summary["surveys"]["sent"]) == (2, 1)
    store = open_store(config["store_url"], now=time.time())
    assert store.read(lambda tx: set(pulled.load(tx, [ANN, *(f"c{one}@example.com" for one in (1, 2, 3))]))) == {
        "c3@example.com"
    }
    store.close()


def test_a_trait_that_may_not_be_sent_any_more(config: dict[str, Any], account: Account) -> None:
    """It goes from what Promoter said, too: else it would be sent back for ever."""
    hold(account, "c1@example.com", plan="basic", note="own", user_id="1")
    wide = {**config, "streams": {"customers": {**STREAMS["customers"], "traits": ["plan"]}}}
    pull(wide)
    messages = [schema("customers", CUSTOMERS), record("customers", id="1", email="c1@example.com", plan="basic")]
    sync(wide, messages)
    narrow = {**config, "streams": {"customers": {**STREAMS["customers"], "traits": []}}}
    sync(narrow, messages)
    assert account.contacts["c1@example.com"].attributes == {"note": "own", "user_id": "1"}


def test_what_a_pull_learned_is_taken_back(config: dict[str, Any], account: Account) -> None:
    """Like what any stream said; the account stays as it is."""
    adopted(config, account)
    assert "of 3 user ids" in command("drop", "Promoter (pull)", config=config).output
    run = sync(config, [CALLS, order("o-1", "1")])
    assert (run.summary["surveys"]["waiting"], requests(account)) == (1, 0)
    assert "3 that no tap brought" in pull(config)


def test_a_dry_run_keeps_nothing(config: dict[str, Any], account: Account) -> None:
    """It tells how many pages there are, by the first of each."""
    account.page_size = 2
    for one in range(1, 6):
        hold(account, f"c{one}@example.com", lists=(5,), user_id=str(one))
    said = pull({**config, "dry_run": True, "contact_lists": [5]})
    assert "5 contacts on the list 5: 3 pages." in said
    assert "A pull takes 6 requests at the most" in said
    assert requests(account, READ) == 2
    assert sync(config, [CALLS, order("o-1", "1")]).summary["surveys"]["waiting"] == 1


def test_a_store_of_another_account(config: dict[str, Any], account: Account) -> None:
    """One account, one store: the first answer to a pull binds it."""
    hold(account, ANN)
    pull(config)
    result = command("pull", config={**config, "api_key": "another"})
    assert result.exit_code == 1
    with pytest.raises(StoreError, match="belongs to another API key"):
        raise command("resync", config={**config, "api_key": "another"}).exception or AssertionError


def test_errors_on_the_way(config: dict[str, Any], sandbox: SandboxServer, account: Account) -> None:
    """Refused for being too fast, cut, garbled: each page is asked for again, at the pace that Promoter wants."""
    account.page_size = 3
    for one in range(1, 31):
        hold(account, f"c{one}@example.com", user_id=str(one))
    kinds: tuple[Kind, ...] = ("error", "reset_before", "reset_after", "garbage", "burst_429")
    sandbox.set_faults(Faults(rate=0.5, kinds=kinds, seed=4, times=8, burst=1, retry_after=0))
    assert "Read 30 contacts on 10 pages" in pull(config)
    summary = json.loads(command("report", "--format", "json", config=config).output)["runs"][0]["summary"]
    assert summary["api"]["requests"] > summary["api"]["retries"] > 0


def test_a_wait_longer_than_it_is_worth(config: dict[str, Any], sandbox: SandboxServer, account: Account) -> None:
    """What Promoter asks to wait holds for all who share the store; the next pull begins when that is over."""
    hold(account, ANN, user_id="1")
    sandbox.set_faults(Faults(rate=1.0, kinds=("burst_429",), retry_after=1000))
    pull(config, status=1)
    sandbox.set_faults(Faults())
    account.ledger.reset()
    pull(config, status=1)
    assert requests(account, READ) == 0


def test_a_list_that_promoter_does_not_list(config: dict[str, Any], sandbox: SandboxServer) -> None:
    """Its refusal ends the pull with what to do."""
    sandbox.set_faults(Faults(rate=1.0, kinds=("error",), statuses=(400,)))
    pull({**config, "contact_lists": [5]}, status=1)


class Meddler(Client):
    """A client beside which the account changes: before a page is asked for, something happens."""

    def __init__(self, config: dict[str, Any], **before: Any) -> None:  # noqa: ANN401 - functions by page
        """Speak to the account of a config."""
        super().__init__(config["api_url"], config["api_key"])
        self._before = before
        self.pages: list[int] = []

    def contacts(self, page: int, contact_list: int | None = None) -> tuple[Answer, ContactPage]:
        """Ask for a page, once what should happen before has happened."""
        self.pages.append(page)
        happens = self._before.pop(f"page_{page}", None)
        if happens is not None:
            happens()
        return super().contacts(page, contact_list)


def pull_with(client: Meddler, config: dict[str, Any]) -> pulled.PullProgress:
    """Pull with a client."""
    store = open_store(config["store_url"], now=time.time())
    summary = Summary(sandbox=False, dry_run=False, started_at=time.time())
    try:
        return Pull(store, client, Settings.from_config(config), Signals(), summary).run()
    finally:
        store.close()


def test_contacts_that_are_removed_while_it_pages(config: dict[str, Any], account: Account) -> None:
    """What moved to a page that was read already is found: that page is read once more."""
    account.page_size = 3
    for one in range(1, 10):
        hold(account, f"c{one}@example.com", user_id=str(one))

    def remove() -> None:
        for one in (1, 2):
            account.remove_contact(f"c{one}@example.com")

    client = Meddler(config, page_2=remove)
    assert pull_with(client, config).contacts == 9  # Those that are gone since were read before.
    assert client.pages == [1, 2, 1, 2, 3]
    run = sync(config, [CALLS, *(order(f"o-{one}", str(one)) for one in range(3, 10))])
    assert run.summary["surveys"]["sent"] == 7


def test_the_last_page_goes_while_it_pages(config: dict[str, Any], account: Account) -> None:
    """A page behind the last one is no error."""
    account.page_size = 2
    for one in range(1, 6):
        hold(account, f"c{one}@example.com", user_id=str(one))
    client = Meddler(config, page_3=lambda: account.remove_contact("c1@example.com"))
    pull_with(client, config)
    assert client.pages[:3] == [1, 2, 3]
    run = sync(config, [CALLS, *(order(f"o-{one}", str(one)) for one in range(2, 6))])
    assert run.summary["surveys"]["sent"] == 4


def test_what_is_sent_beside_it_counts(config: dict[str, Any], account: Account, tmp_path: Path) -> None:
    """A contact that was sent after its page was asked for is not taken for what stood on the page."""
    account.page_size = 1
    hold(account, "c1@example.com", plan="basic", user_id="1")
    hold(account, "c2@example.com", plan="basic", user_id="2")
    upgraded = [CALLS, identify("1", "c1@example.com", {"plan": "pro"}, hours=2)]
    client = Meddler(config, page_2=lambda: run_program(config=config, messages=upgraded, cwd=tmp_path))
    pull_with(client, config)
    assert account.contacts["c1@example.com"].attributes == {"plan": "pro", "user_id": "1"}
    # What is wanted now is what the page said, and Promoter has something else by now.
    sync(config, [CALLS, identify("1", "c1@example.com", {"plan": "basic"}, hours=1)])
    assert account.contacts["c1@example.com"].attributes["plan"] == "basic"


def test_many_contacts_in_few_requests(config: dict[str, Any], account: Account) -> None:
    """A thousand contacts in pages of fifty: twenty requests, and none for any of them."""
    for one in range(1, 1001):
        hold(account, f"c{one}@example.com", plan="basic", user_id=str(one))
    pull(config)
    assert requests(account, READ) == 20
    run = sync(config, shop(1000))
    assert (run.summary["contacts"]["synced"], run.summary["api"]["requests"]) == (1000, 0)


@pytest.mark.parametrize("size", [1, 4, 5, 1000])
def test_pages_of_any_size(config: dict[str, Any], account: Account, size: int) -> None:
    """How many contacts are on a page Promoter alone knows."""
    account.page_size = size
    for one in range(1, 11):
        hold(account, f"c{one}@example.com", plan="basic", user_id=str(one))
    pull(config)
    assert requests(account, READ) == -(-10 // size)
    assert sync(config, shop(10)).summary["api"]["requests"] == 0


def page(*entries: object, next_page: object = None, **more: object) -> bytes:
    """Return the answer of a page."""
    return http(200, json.dumps({"count": len(entries), "next": next_page, "results": entries, **more}).encode())


def pull_from(peer: Peer, store_url: str, *, status: int = 0) -> str:
    """Pull from a peer that answers as no account does."""
    return pull(
        {**CONFIG, "streams": {}, "api_url": peer.url, "store_url": store_url, "requests_per_minute": 60000},
        status=status,
    )


HOSTILE: Final = [
    {"email": None},
    {"id": "x" * 5000},
    [],
    "text",
    None,
    {"email": "no address", "attributes": {"user_id": "1"}},
    {"email": "a@example.com\u0000", "attributes": []},
    {
        "email": "ok@example.com",
        "first_name": "A\u0000\u001b[31m\ud800",
        "attributes": {"\ud800\u0000": "\u0007", "user_id": "5"},
    },
    {"email": "deep@example.com", "first_name": ["x"], "attributes": {"a": {"b": [1]}, "n": 1, "user_id": 6.0}},
    {"email": "nobody@example.com", "attributes": {"user_id": "undefined"}, "unsubscribed": "yes"},
]


def test_entries_of_any_shape(store_url: str) -> None:
    """What can be read of them is, and nothing else."""
    with Peer(page(*HOSTILE, count="many")) as peer:
        url, said = peer.url, pull_from(peer, store_url)
    assert "Read 3 contacts on 1 page" in said
    assert "2 people whom no tap brought yet are known" in said
    story = command("report", "--person", "5", config={**CONFIG, "api_url": url, "store_url": store_url}).output
    assert "ok@example.com" in story
    assert "\u001b[31m" not in story


def test_a_next_page_elsewhere_or_of_endless_number(store_url: str) -> None:
    """The address of the next page is never taken from an answer: the key goes to no other host."""
    ok, last = {"id": 1, "email": "a@example.com"}, {"id": 2, "email": "b@example.com"}
    elsewhere = f"http://evil.example/api/contacts/?page={'9' * 5000}"
    with Peer(page(ok, next_page=elsewhere, count=2), page(last, count=2)) as peer:
        pull_from(peer, store_url)
        assert [one.split(b" ", 2)[1] for one in peer.requests] == [b"/api/contacts/?page=1", b"/api/contacts/?page=2"]


@pytest.mark.parametrize("count", [1, 4, 10**30, None, "x"])
def test_pages_in_a_circle(store_url: str, count: object) -> None:
    """The same page again and again ends the pull with a sentence, and nothing is concluded of people."""
    with Peer(page({"id": 1, "email": "a@example.com"}, next_page="again", count=count)) as peer:
        pull_from(peer, store_url, status=1)
        assert len(peer.requests) == 2


def test_a_longer_circle(store_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages that take turns are found by how many contacts there are."""
    monkeypatch.setattr(pulled, "_MOST_TWICE", 20)
    circle = [[{"id": one, "email": "a@x.example"}, {"id": -one, "email": "b@x.example"}] for one in (1, 2)]
    pages = [page(*entries, next_page="x", count=4) for entries in circle]
    with Peer(*pages * 30) as peer:
        pull_from(peer, store_url, status=1)
        assert len(peer.requests) < 20


@pytest.mark.parametrize("body", [b"[]", b'{"results": 5}', b'{"detail": "x"}', b'"x"'])
def test_what_is_no_page(store_url: str, body: bytes) -> None:
    """It ends the pull with the address to correct."""
    with Peer(http(200, body)) as peer:
        pull_from(peer, store_url, status=1)
