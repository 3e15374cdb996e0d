"""The sandbox over HTTP: what is known of Promoter's API, line by line, and the faults it can be told to make."""

from __future__ import annotations

import re
import socket
import time
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
import requests

from target_promoter.sandbox.account import Account, AccountInUseError
from target_promoter.sandbox.faults import Faults
from target_promoter.sandbox.ledger import Limit
from target_promoter.sandbox.records import Campaign
from target_promoter.sandbox.server import SandboxServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

EMAIL = "tom@example.com"
HOUR = 3600.0
START = 1_750_000_000.0


class Api:
    """A caller of a sandbox, as plain as can be."""

    def __init__(self, server: SandboxServer, key: str = "sandbox") -> None:
        """Open one connection."""
        self.origin = server.origin
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.headers["Authorization"] = f"Token {key}"

    def __call__(self, method: str, path: str, body: object = None, **options: Any) -> requests.Response:  # noqa: ANN401 - of requests
        """Call the API; a body goes as JSON."""
        if body is not None:
            options["json"] = body
        options = {"allow_redirects": False, "timeout": 10, **options}
        return self.session.request(method, self.origin + path, **options)

    def contact(self, email: str = EMAIL, **fields: object) -> requests.Response:
        """Add or update a contact."""
        return self("POST", "/api/contacts/", {"email": email, **fields})

    def survey(self, email: str = EMAIL, campaign: object = 78, **fields: object) -> requests.Response:
        """Survey a contact through version 2."""
        return self("POST", "/api/v2/survey/", {"campaign_id": campaign, "contact": {"email": email}, **fields})


@pytest.fixture(scope="module")
def shared_server() -> Iterator[SandboxServer]:
    """A sandbox whose clock stands still but for what is advanced."""
    with SandboxServer(lists={4: "Shop", 7: "News"}, clock=lambda: START) as started:
        yield started


@pytest.fixture
def server(shared_server: SandboxServer) -> SandboxServer:
    """The same with a clean sheet."""
    shared_server.account.reset()
    shared_server.set_faults(Faults())
    return shared_server


@pytest.fixture
def api(server: SandboxServer) -> Api:
    """A caller of that sandbox."""
    return Api(server)


def state(api: Api) -> dict[str, Any]:
    """Return all that the sandbox tells of itself."""
    told: dict[str, Any] = api("GET", "/sandbox/state").json()
    return told


# Requests of every kind.

CALLS = [
    ("POST", "/api/contacts/"),
    ("GET", "/api/contacts/"),
    ("GET", "/api/contacts/1"),
    ("POST", "/api/contacts/remove/"),
    ("POST", "/api/contacts/survey/"),
    ("GET", "/api/lists/"),
    ("POST", "/api/lists/"),
    ("POST", "/api/lists/4/remove/"),
    ("DELETE", "/api/lists/4/contacts/1"),
    ("POST", "/api/v2/survey/"),
    ("GET", "/api/campaigns/"),
    ("POST", "/api/campaigns/78/send-surveys/"),
]


@pytest.mark.parametrize(("method", "path"), CALLS)
@pytest.mark.parametrize("authorization", [None, "Token other", "token sandbox", "Bearer sandbox", "sandbox"])
def test_every_call_wants_the_key(api: Api, method: str, path: str, authorization: str | None) -> None:
    """Without the right key in the right form every call is refused with status 401."""
    answer = api(method, path, {} if method == "POST" else None, headers={"Authorization": authorization})
    assert answer.status_code == 401
    assert "detail" in answer.json()


@pytest.mark.parametrize(("method", "path"), [call for call in CALLS if call[1].endswith("/")])
def test_a_missing_slash_is_redirected(server: SandboxServer, api: Api, method: str, path: str) -> None:
    """A path without the slash at its end is redirected, and what was posted there is not carried out."""
    answer = api(method, path.rstrip("/"), {"email": EMAIL, "name": "A"} if method == "POST" else None)
    assert answer.status_code == 301
    assert answer.headers["Location"] == path
    assert not server.account.contacts
    assert len(server.account.lists) == 2


def test_a_redirected_post_loses_its_body(server: SandboxServer, api: Api) -> None:
    """A caller that follows the redirect ends with a GET, as with Promoter, and saves nothing."""
    assert api("POST", "/api/contacts", {"email": EMAIL}, allow_redirects=True).json()["results"] == []
    assert not server.account.contacts


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_only_json(api: Api, kind: str) -> None:
    """A body that is not said to be JSON is refused with status 406."""
    assert api("POST", "/api/contacts/", data=b'{"email": "a@b.cd"}', headers={"Content-Type": kind}).status_code == 406
    assert api("GET", "/api/campaigns/", headers={"Accept": "text/html"}).status_code == 406


@pytest.mark.parametrize("body", [b"{", b"[]", b'"text"', b"\xff", b"[" * 100_000, b""])
def test_broken_bodies(api: Api, body: bytes) -> None:
    """A body that is not a JSON object is refused with status 400."""
    answer = api("POST", "/api/contacts/", data=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400


@pytest.mark.parametrize("path", ["/", "/api/", "/api/v2/contacts/", "/api/contacts/x", f"/api/contacts/{'9' * 5000}"])
def test_unknown_paths(api: Api, path: str) -> None:
    """What Promoter does not have is not found."""
    assert api("POST", path, {}).status_code == 404


@pytest.mark.parametrize(
    ("method", "path"), [("DELETE", "/api/contacts/"), ("PUT", "/api/contacts/1"), ("GET", "/api/v2/survey/")]
)
def test_unknown_methods(api: Api, method: str, path: str) -> None:
    """A method that a path does not have is refused with status 405."""
    answer = api(method, path)
    assert answer.status_code == 405
    assert "Allow" in answer.headers


def test_paging(server: SandboxServer, api: Api) -> None:
    """A list comes in pages, each naming the next and the one before."""
    for number in range(120):
        server.account.add_list(f"List {number}")
    first = api("GET", "/api/lists/").json()
    assert (first["count"], first["previous"], len(first["results"])) == (122, None, 50)
    assert first["results"][0] == {"id": 4, "name": "Shop"}
    second = api.session.get(first["next"], timeout=10).json()
    third = api("GET", "/api/lists/?page=3").json()
    assert second["previous"].endswith("page=1")
    assert third["next"] is None
    ids = [one["id"] for page in (first, second, third) for one in page["results"]]
    assert len(set(ids)) == len(ids) == 122


@pytest.mark.parametrize("page", ["0", "2", "x", "-1", "", "9" * 5000])
def test_pages_that_are_not_there(api: Api, page: str) -> None:
    """A page that is not there is not found."""
    answer = api("GET", f"/api/contacts/?page={page}")
    assert (answer.status_code, answer.json()) == (404, {"detail": "Invalid page."})


# The request limit.


@pytest.mark.parametrize(
    ("limit", "wait"), [("requests_per_second", 1), ("requests_per_minute", 60), ("requests_per_day", 86_400)]
)
def test_request_limits(limit: str, wait: int) -> None:
    """Over the limit a request is refused with status 429, Retry-After and the documented words."""
    options: dict[str, Any] = {limit: 3}
    with SandboxServer(clock=lambda: START, **options) as server:
        api = Api(server)
        assert [api.contact(f"p{number}@example.com").status_code for number in range(3)] == [201] * 3
        answer = api.contact()
        assert answer.status_code == 429
        assert answer.headers["Retry-After"] == str(wait)
        assert answer.json() == {"detail": f"Request was throttled. Expected available in {wait}.0 seconds."}
        assert EMAIL not in server.account.contacts
        server.account.advance(wait / 3600)
        assert api.contact().status_code == 201


def test_retry_after_as_a_date() -> None:
    """Retry-After can be told to be a date."""
    with SandboxServer(clock=lambda: START, requests_per_minute=1, faults=Faults(retry_after_date=True)) as server:
        api = Api(server)
        api.contact()
        date = parsedate_to_datetime(api.contact().headers["Retry-After"])
    assert date.timestamp() == START + 60


def test_requests_with_a_wrong_key_do_not_count() -> None:
    """A request that shows no key takes nothing from the account's limit."""
    with SandboxServer(requests_per_minute=1) as server:
        for _ in range(3):
            assert Api(server, "other").contact().status_code == 401
        assert Api(server).contact().status_code == 201


def test_a_limit_slides() -> None:
    """No window of a limit's length ever holds more requests than it allows."""
    limit, let = Limit(5, 10.0), []
    for tenth in range(600):
        now = tenth / 10
        if not limit.wait(now):
            limit.count(now)
            let.append(now)
    assert len(let) == 30
    assert all(later - earlier >= 10 for earlier, later in zip(let, let[5:], strict=False))


def test_the_busiest_minute_is_known(server: SandboxServer, api: Api) -> None:
    """The account counts the requests of its busiest minute, whatever it answered."""
    for _ in range(3):
        api.contact("wrong")
    server.account.advance(1)
    api.contact()
    assert state(api)["busiest_minute"] == 3


# Contacts.


def test_a_contact_is_made_and_updated(server: SandboxServer, api: Api) -> None:
    """A contact is keyed by its address: posting it again changes what was sent and nothing else."""
    made = api.contact(first_name="Tom", last_name="Tester", attributes={"plan": "Free"})
    assert made.status_code == 201
    assert made.json() == {
        "id": 1,
        "email": EMAIL,
        "first_name": "Tom",
        "last_name": "Tester",
        "created_date": "2025-06-15T15:06:40Z",
        "attributes": {"plan": "Free"},
    }
    changed = api.contact(last_name="Taster", attributes={"plan": "Premium"})
    assert changed.status_code == 200
    assert changed.json() == {**made.json(), "last_name": "Taster", "attributes": {"plan": "Premium"}}
    assert list(server.account.contacts) == [EMAIL]


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"email": ""}, {"email": ["This field may not be blank."]}),
        ({"email": None}, {"email": ["This field may not be null."]}),
        ({"email": 5}, {"email": ["Not a valid string."]}),
        ({"email": "tom"}, {"email": ["Enter a valid email address."]}),
        ({"email": "tom@example"}, {"email": ["Enter a valid email address."]}),
        ({"first_name": None}, {"first_name": ["This field may not be null."]}),
        ({"last_name": ["T"]}, {"last_name": ["Not a valid string."]}),
        ({"contact_list": 4}, {"contact_list": ['Expected a list of items but got type "int".']}),
        ({"contact_list": [5]}, {"contact_list": ['Invalid pk "5" - object does not exist.']}),
        ({"contact_list": ["4"]}, {"contact_list": ["Incorrect type. Expected pk value, received str."]}),
        ({"attributes": []}, {"attributes": ['Expected a dictionary of items but got type "list".']}),
        ({"attributes": {"n": 12.5}}, {"attributes": {"n": ["Not a valid string."]}}),
        ({"attributes": {"n": True}}, {"attributes": {"n": ["Not a valid string."]}}),
        ({"attributes": {"n": {}}}, {"attributes": {"n": ["Not a valid string."]}}),
        ({"attributes": {"n": None}}, {"attributes": {"n": ["This field may not be null."]}}),
        ({"send": "yes"}, {"send": ["Must be a valid boolean."]}),
        ({"send": True}, {"campaign": ["This field is required."]}),
        ({"campaign": 5}, {"campaign": ['Invalid pk "5" - object does not exist.']}),
    ],
)
def test_refused_contacts(server: SandboxServer, api: Api, fields: dict[str, object], error: object) -> None:
    """A wrong field is named, in the form of Django REST, and nothing of the contact is kept."""
    answer = api("POST", "/api/contacts/", {"email": EMAIL, **fields})
    assert (answer.status_code, answer.json()) == (400, error)
    assert not server.account.contacts


def test_all_errors_come_at_once(api: Api) -> None:
    """A body with several wrong fields is told all of them."""
    answer = api("POST", "/api/contacts/", {"first_name": 5, "attributes": {"a.b": "x"}})
    assert set(answer.json()) == {"email", "first_name", "attributes"}


@pytest.mark.parametrize("name", ["plan", "Plan 2", "größe", "_x", "a b_c"])
def test_attribute_names(server: SandboxServer, api: Api, name: str) -> None:
    """A name may hold letters, digits, underscores and spaces, and keeps its case."""
    assert api.contact(attributes={name: "x"}).status_code == 201
    assert server.account.contacts[EMAIL].attributes == {name: "x"}


@pytest.mark.parametrize("name", ["a$", "a.b", "a%", "a&b", "a-b", "a:b", "", "a\tb", "a\n"])
def test_refused_attribute_names(api: Api, name: str) -> None:
    """Any other character in a name is refused, for contacts and surveys alike."""
    error = {name: ["Names may hold letters, digits, underscores and spaces only."]}
    assert api.contact(attributes={name: "x"}).json() == {"attributes": error}
    assert api.survey(attributes={name: "x"}).json() == {"attributes": error}
    inner = {"email": EMAIL, "attributes": {name: "x"}}
    assert api.survey(contact=inner).json() == {"contact": {"attributes": error}}


def test_names_are_case_sensitive(server: SandboxServer, api: Api) -> None:
    """Two spellings of a name are two attributes."""
    api.contact(attributes={"plan": "a", "Plan": "b"})
    assert server.account.contacts[EMAIL].attributes == {"plan": "a", "Plan": "b"}


def test_empty_attributes_are_not_stored(server: SandboxServer, api: Api) -> None:
    """An attribute that is given nothing is left out."""
    api.contact(attributes={"plan": "", "size": "L"})
    assert server.account.contacts[EMAIL].attributes == {"size": "L"}


def test_lists_of_a_contact(server: SandboxServer, api: Api) -> None:
    """A contact joins the lists it names and stays on those it was on; without any it joins a default list."""
    api.contact(contact_list=[7])
    api.contact(contact_list=[4])
    assert server.account.contacts[EMAIL].lists == (4, 7)
    api.contact("ann@example.com")
    (default,) = server.account.contacts["ann@example.com"].lists
    assert server.account.lists[default].name == "All contacts"
    api.survey("bob@example.com")
    assert server.account.contacts["bob@example.com"].lists == (default,)


def test_finding_contacts(api: Api) -> None:
    """Contacts are found by address and by list, and one by its id, which tells whether it unsubscribed."""
    api.contact(contact_list=[4])
    api.contact("ann@example.com", contact_list=[7])
    emails = [one["email"] for one in api("GET", f"/api/contacts/?email={EMAIL}").json()["results"]]
    assert emails == [EMAIL]
    emails = [one["email"] for one in api("GET", "/api/contacts/?contact_list__id=7&page=1").json()["results"]]
    assert emails == ["ann@example.com"]
    assert api("GET", "/api/contacts/?email=nobody@example.com").json()["results"] == []
    assert api("GET", "/api/contacts/2").json()["email"] == "ann@example.com"
    assert api("GET", "/api/contacts/2").json()["unsubscribed"] is False
    assert api("GET", "/api/contacts/3").json() == {"detail": "Not found."}


def test_pages_of_contacts_are_of_any_size_and_may_leave_fields_out(api: Api, server: SandboxServer) -> None:
    """Neither is documented: a caller must do with what there is."""
    for number in range(3):
        api.contact(f"c{number}@example.com", attributes={"plan": "Basic"})
    server.account.unsubscribe("c0@example.com")
    told = api("GET", "/api/contacts/?page=1").json()["results"]
    assert [one["unsubscribed"] for one in told] == [True, False, False]
    server.account.page_size, server.account.leave_out = 2, frozenset({"attributes", "unsubscribed"})
    first = api("GET", "/api/contacts/?page=1").json()
    server.account.page_size, server.account.leave_out = 50, frozenset()
    assert (first["count"], len(first["results"]), first["next"][-6:]) == (3, 2, "page=2")
    assert first["results"][0].keys() == {"id", "email", "first_name", "last_name", "created_date"}


def test_removing_a_contact(server: SandboxServer, api: Api) -> None:
    """A removed contact is gone, a second removal finds nothing, and its id is not given again."""
    api.contact()
    assert api("POST", "/api/contacts/remove/", {"email": EMAIL}).status_code == 204
    assert not server.account.contacts
    again = api("POST", "/api/contacts/remove/", {"email": EMAIL})
    assert (again.status_code, again.json()) == (404, {"detail": "Not found."})
    assert api("POST", "/api/contacts/remove/", {}).json() == {"email": ["This field is required."]}
    assert api.contact().json()["id"] == 2


def test_contact_lists(server: SandboxServer, api: Api) -> None:
    """A list is made by name, and contacts leave it by address or by id without being removed."""
    made = api("POST", "/api/lists/", {"name": "Winter"})
    assert (made.status_code, made.json()) == (201, {"id": 8, "name": "Winter"})
    assert api("POST", "/api/lists/", {"name": ""}).json() == {"name": ["This field may not be blank."]}
    assert api("POST", "/api/lists/", {}).json() == {"name": ["This field is required."]}
    api.contact(contact_list=[4, 7, 8])
    assert api("POST", "/api/lists/8/remove/", {"email": EMAIL}).status_code == 204
    assert api("POST", "/api/lists/8/remove/", {"email": EMAIL}).status_code == 404
    assert api("DELETE", "/api/lists/7/contacts/1").status_code == 204
    assert api("DELETE", "/api/lists/7/contacts/1/").status_code == 404
    assert server.account.contacts[EMAIL].lists == (4,)


def test_a_contact_that_is_surveyed_at_once(server: SandboxServer, api: Api) -> None:
    """A contact saved with `send` is surveyed; one with a campaign alone is not."""
    assert api.contact(campaign=78).status_code == 201
    assert not server.account.surveys
    assert api.contact(campaign=78, send=True).status_code == 200
    assert [survey.campaign for survey in server.account.surveys] == [78]
    refused = api.contact(campaign=78, send=True, first_name="Tom")
    assert refused.json() == {"non_field_errors": ["Contact is not eligible for survey."]}
    assert server.account.contacts[EMAIL].first_name == ""


# Surveys.


def test_a_survey_goes_out_at_once(server: SandboxServer, api: Api) -> None:
    """A survey adds its contact and e-mails it; inner attributes are the contact's, outer ones the survey's."""
    person = {"email": EMAIL, "first_name": "Tom", "last_name": "Tester", "attributes": {"plan": "Free"}}
    answer = api("POST", "/api/v2/survey/", {"campaign_id": 99, "contact": person, "attributes": {"total": 12.5}})
    assert answer.status_code == 200
    assert answer.json()["campaign"] == 99
    assert answer.json()["contact"].items() >= person.items()
    assert answer.json()["attributes"] == {"total": 12.5}
    (survey,) = server.account.surveys
    assert (survey.email, survey.campaign, survey.attributes, survey.time) == (EMAIL, 99, {"total": 12.5}, START)
    assert server.account.contacts[EMAIL].attributes == {"plan": "Free"}


def test_json_values(server: SandboxServer, api: Api) -> None:
    """A survey takes every JSON value, and stores no dictionary, list, null or empty text."""
    values = {"a": 1, "b": 12.5, "c": True, "d": "x", "e": None, "f": "", "g": [1], "h": {"i": 1}}
    api.survey(attributes=values, contact={"email": EMAIL, "attributes": values})
    stored = {"a": 1, "b": 12.5, "c": True, "d": "x"}
    assert server.account.surveys[0].attributes == stored
    assert server.account.contacts[EMAIL].attributes == stored


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({}, {"campaign_id": ["This field is required."], "contact": ["This field is required."]}),
        ({"campaign_id": 78}, {"contact": ["This field is required."]}),
        (
            {"campaign_id": 78, "contact": []},
            {"contact": ["Invalid data. Expected a dictionary, but got list."]},
        ),
        ({"campaign_id": 78, "contact": {}}, {"contact": {"email": ["This field is required."]}}),
        (
            {"campaign_id": 78, "contact": {"email": ""}},
            {"contact": {"email": ["This field may not be blank."]}},
        ),
        (
            {"campaign_id": 5, "contact": {"email": EMAIL}},
            {"campaign_id": ['Invalid pk "5" - object does not exist.']},
        ),
        (
            {"campaign_id": None, "contact": {"email": EMAIL}},
            {"campaign_id": ["This field may not be null."]},
        ),
        (
            {"campaign_id": "78", "contact": {"email": EMAIL}},
            {"campaign_id": ["Incorrect type. Expected pk value, received str."]},
        ),
    ],
)
def test_refused_surveys(server: SandboxServer, api: Api, body: dict[str, object], error: object) -> None:
    """A wrong field is named, and nobody is added or e-mailed."""
    answer = api("POST", "/api/v2/survey/", body)
    assert (answer.status_code, answer.json()) == (400, error)
    assert not server.account.contacts
    assert not server.account.surveys


def test_surveys_of_version_1(server: SandboxServer, api: Api) -> None:
    """The older call surveys too, with attributes that are strings."""
    body = {"campaign": 78, "email": EMAIL, "first_name": "Tom", "last_name": "T", "attributes": {"total": "12.5"}}
    assert api("POST", "/api/contacts/survey/", body).json() == body
    assert server.account.surveys_by_email == {EMAIL: 1}
    wrong = api("POST", "/api/contacts/survey/", {**body, "attributes": {"total": 12.5}})
    assert wrong.json() == {"attributes": {"total": ["Not a valid string."]}}


@pytest.mark.parametrize("days", [1, 30, 60, 90, 180])
def test_throttle(days: int) -> None:
    """A contact is surveyed once within the throttle, whatever the campaign or call, and again after it."""
    with SandboxServer(throttle_days=days, clock=lambda: START) as server:
        api = Api(server)
        assert api.survey().status_code == 200
        server.account.advance(days * 24 - 0.01)
        older = {"campaign": 99, "email": EMAIL}
        for refused in (api.survey(campaign=99), api("POST", "/api/contacts/survey/", older)):
            assert refused.status_code == 400
            assert refused.json() == {"non_field_errors": ["Contact is not eligible for survey."]}
        assert api.survey("ann@example.com").status_code == 200
        server.account.advance(0.01)
        assert api.survey().status_code == 200
        assert server.account.surveys_by_email == {EMAIL: 2, "ann@example.com": 1}


def test_other_throttles_are_not_offered() -> None:
    """An account has no throttle that Promoter does not offer."""
    with pytest.raises(ValueError, match="throttle_days is 7"):
        Account(throttle_days=7)


def test_dripped_campaigns() -> None:
    """A campaign that spreads its surveys schedules around the throttle instead of refusing."""
    with SandboxServer(clock=lambda: START) as server:
        api = Api(server)
        server.account.set_campaign(Campaign(6, "Slow", drip_duration=7))
        api.survey(campaign=6)
        assert api.survey(campaign=6).status_code == 200
        assert [survey.time for survey in server.account.surveys] == [START, START + 24 * HOUR]
        assert api.survey().status_code == 400


def test_unsubscribing_is_for_ever(server: SandboxServer, api: Api) -> None:
    """Who unsubscribed gets no survey: not after the throttle, nor after being removed and added again."""
    api.contact()
    assert api("POST", f"/sandbox/contacts/{EMAIL}/unsubscribe").status_code == 200
    server.account.advance(1000)
    assert api.survey().json() == {"non_field_errors": ["Contact is not eligible for survey."]}
    api("POST", "/api/contacts/remove/", {"email": EMAIL})
    assert api.survey().status_code == 400
    number = api.contact().json()["id"]
    assert api("GET", f"/api/contacts/{number}").json()["unsubscribed"] is True
    assert api.survey().status_code == 400
    assert not server.account.surveys


@pytest.mark.parametrize("email", ["a%40b@example.com", "a/b@example.com", "a+b?c@example.com"])
def test_unsubscribing_strange_addresses(server: SandboxServer, api: Api, email: str) -> None:
    """Any address can be unsubscribed by its encoded form."""
    api.contact(email)
    assert api("POST", f"/sandbox/contacts/{quote(email, safe='')}/unsubscribe").status_code == 200
    assert server.account.contacts[email].unsubscribed


def test_campaigns(server: SandboxServer, api: Api) -> None:
    """Campaigns come with how many contacts may be surveyed, and when somebody last was."""
    assert {one["id"]: one["name"] for one in api("GET", "/api/campaigns/").json()["results"]} == {
        78: "After the order",
        91: "After a support ticket",
        99: "Quarterly check",
    }
    api.contact("ann@example.com")
    api.survey()
    assert api("GET", "/api/campaigns/?page=1").json()["results"][0] == {
        "id": 78,
        "name": "After the order",
        "drip_duration": 0,
        "all_count": 2,
        "eligible_count": 1,
        "last_surveyed_date": "2025-06-15T15:06:40Z",
        "launch_date": "2024-01-01T00:00:00Z",
    }
    assert not server.account.ledger.mass_sends


def test_mass_sending_is_only_noted(server: SandboxServer, api: Api) -> None:
    """The call that e-mails a whole list sends nothing here; that it was made is remembered."""
    api.contact()
    assert api("POST", "/api/campaigns/78/send-surveys/", {}).status_code == 200
    assert api("POST", "/api/campaigns/5/send-surveys/", {}).status_code == 404
    assert not server.account.surveys
    assert state(api)["mass_sends"] == [78]


# Faults.


@pytest.mark.parametrize(
    ("kind", "status", "done"),
    [
        ("error", 502, False),
        ("error_after", 500, True),
        ("reset_before", None, False),
        ("reset_after", None, True),
        ("garbage", 200, True),
        ("burst_429", 429, False),
        ("slow_before", 200, True),
        ("slow_after", 200, True),
    ],
)
def test_faults(server: SandboxServer, api: Api, kind: str, status: int | None, *, done: bool) -> None:
    """Each fault answers, or does not, and carries out, or does not, as it says; the account notes it."""
    api("POST", "/sandbox/faults", {"rate": 1, "kinds": [kind], "statuses": [502], "latency": 0.05})
    try:
        got = api.survey().status_code
    except requests.ConnectionError:
        got = None
    assert got == status
    assert bool(server.account.surveys) is done
    noted = server.account.requests[-1]
    assert (noted.path, noted.status, noted.fault) == ("/api/v2/survey/", status, kind)


def test_hanging() -> None:
    """A request that hangs is neither answered nor carried out, and the server still stops at once."""
    server = SandboxServer(faults=Faults(rate=1, kinds=("hang",))).start()
    with pytest.raises(requests.ReadTimeout):
        Api(server)("POST", "/api/v2/survey/", {"campaign_id": 78, "contact": {"email": EMAIL}}, timeout=0.3)
    started = time.monotonic()
    server.stop()
    assert time.monotonic() - started < 3
    assert not server.account.surveys


def test_a_slow_request_is_at_work_while_its_repeat_comes(server: SandboxServer, api: Api) -> None:
    """A request whose caller left is carried out all the same."""
    server.set_faults(Faults(rate=1, kinds=("slow_before",), latency=0.4, times=1))
    with pytest.raises(requests.ReadTimeout):
        api("POST", "/api/v2/survey/", {"campaign_id": 78, "contact": {"email": EMAIL}}, timeout=0.1)
    assert not server.account.surveys
    time.sleep(0.6)
    assert len(server.account.surveys) == 1
    assert api.survey().status_code == 400


def test_a_burst_of_429(server: SandboxServer, api: Api) -> None:
    """One burst refuses as many requests as it was told, with the wait it was told."""
    server.set_faults(Faults(rate=1, kinds=("burst_429",), times=1, burst=3, retry_after=42))
    answers = [api.contact() for _ in range(4)]
    assert [answer.status_code for answer in answers] == [429, 429, 429, 201]
    assert {answer.headers["Retry-After"] for answer in answers[:3]} == {"42"}
    assert answers[0].json()["detail"].endswith("in 42.0 seconds.")


def test_faults_repeat_by_seed(server: SandboxServer, api: Api) -> None:
    """The same seed makes the same faults of the same requests, at about the rate that was asked for."""
    runs = []
    for seed in (1, 1, 2):
        server.set_faults(Faults(rate=0.3, kinds=("error", "error_after"), statuses=(500, 502, 503), seed=seed))
        runs.append([api.contact().status_code for _ in range(200)])
    assert runs[0][1:] == runs[1][1:]
    assert runs[1] != runs[2]
    assert 30 < sum(status >= 500 for status in runs[1]) < 90


def test_faults_of_some_requests(server: SandboxServer, api: Api) -> None:
    """Faults can be kept to one call, and to one person."""
    server.set_faults(Faults(rate=1, kinds=("error",), only="/survey/", failing_emails=("ann@example.com",)))
    assert api.contact().status_code == 201
    assert api.survey().status_code in {500, 503}
    assert api.contact("ann@example.com").status_code == 500


@pytest.mark.parametrize(
    "faults",
    [
        {"rate": 2},
        {"rate": "x"},
        {"kinds": []},
        {"kinds": ["fire"]},
        {"statuses": [200]},
        {"latency": -1},
        {"burst": 0},
        {"colour": 1},
    ],
)
def test_impossible_faults(server: SandboxServer, api: Api, faults: dict[str, object]) -> None:
    """Faults that make no sense are refused, and those there were go on."""
    server.set_faults(Faults(seed=5))
    answer = api("POST", "/sandbox/faults", faults)
    assert answer.status_code == 400
    assert answer.json()["detail"].startswith("Not understood: ")
    assert state(api)["faults"]["seed"] == 5


# The knobs and the page.


def test_advancing_and_resetting(server: SandboxServer, api: Api) -> None:
    """Time can be moved on, and everything forgotten but what the account was started with."""
    assert api("POST", "/sandbox/advance", {"hours": 1.5}).status_code == 200
    assert state(api)["now"] == START + 1.5 * HOUR
    api.survey()
    server.account.add_list("Winter")
    api("POST", "/sandbox/faults", {"rate": 0.5})
    assert api("POST", "/sandbox/reset").status_code == 200
    now = state(api)
    assert (now["now"], now["contacts"], now["surveys"], now["requests"]) == (START, [], [], [])
    assert [one["id"] for one in now["lists"]] == [4, 7]
    assert now["faults"]["rate"] == 0


@pytest.mark.parametrize("body", [{}, {"hours": -1}, {"hours": 1e300}, {"hours": "x"}, [], {"hours": None}])
def test_impossible_advances(server: SandboxServer, api: Api, body: object) -> None:
    """Time does not go back, nor to where no calendar follows."""
    assert api("POST", "/sandbox/advance", body).status_code == 400
    assert server.account.now() == START


def test_knobs_are_for_this_machine_and_page(server: SandboxServer, api: Api) -> None:
    """Another page's script, or a name that was pointed here, turns no knob; the sandbox's own page does."""
    api.contact()
    host = server.origin.removeprefix("http://")
    for headers in (
        {"Host": "evil.example"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": "http://127.0.0.1:1"},
    ):
        assert api("POST", "/sandbox/reset", headers=headers).status_code == 403
        assert api("GET", "/sandbox/state", headers=headers).status_code == 403
    assert server.account.contacts
    own = {"Origin": f"http://{host}", "Sec-Fetch-Site": "same-origin"}
    assert api("POST", "/sandbox/reset", headers=own).status_code == 200
    assert not server.account.contacts


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/sandbox/"), ("GET", "/sandbox/reset"), ("POST", "/sandbox/contacts/x/unsubscribe")]
)
def test_unknown_knobs(api: Api, method: str, path: str) -> None:
    """A knob, or a person, that is not there is not found."""
    assert api(method, path).status_code == 404


def test_knobs_are_no_requests(server: SandboxServer, api: Api) -> None:
    """Looking at the page or turning knobs is not counted as calls of the API, and needs no key."""
    bare = requests.Session()
    for path in ("/", "/sandbox/state", "/sandbox/view"):
        assert bare.get(server.origin + path, timeout=10).status_code == 200
    assert state(api)["counters"] == {}


def test_counters(api: Api) -> None:
    """Requests are counted by path and status, numbers in paths aside."""
    api("GET", "/api/contacts/1")
    api("GET", "/api/contacts/2")
    api("GET", "/api/nothing")
    assert state(api)["counters"] == {"/api/contacts/{id}": {"404": 2}, "(unknown)": {"404": 1}}


def test_view_is_bounded(server: SandboxServer, api: Api) -> None:
    """What the page asks for stays small however much the account holds; the last changed come first."""
    long = {f"n{number}": "x" * 1_000 for number in range(60)}
    for number in range(120):
        api("POST", "/api/contacts/", {"email": f"p{number}@example.com", "attributes": long})
        api.survey(f"p{number}@example.com", attributes=long)
    api.contact("p7@example.com", first_name="Anna")
    answer = api("GET", "/sandbox/view")
    view = answer.json()
    assert len(answer.content) < 700_000
    assert (len(view["contacts"]), len(view["surveys"]), len(view["requests"])) == (50, 12, 50)
    assert view["contacts"][0]["email"] == "p7@example.com"
    assert view["contacts"][0]["attributes_left_out"] == 40
    assert view["surveys"][0]["email"] == "p119@example.com"
    assert view["totals"]["contacts"] == 120
    found = api("GET", "/sandbox/view?search=ANNA").json()
    assert [one["email"] for one in found["contacts"]] == ["p7@example.com"]
    assert len(server.account.contacts) == 120


def test_view_waits_for_changes(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that knows everything gets an answer when something changes, or an empty one after a while."""
    monkeypatch.setattr("target_promoter.sandbox.app._VIEW_SECONDS", 0.5)
    version = api("GET", "/sandbox/view").json()["version"]
    started = time.monotonic()
    assert api("GET", f"/sandbox/view?after={version}").status_code == 204
    assert 0.4 < time.monotonic() - started < 3
    for path, body in (
        ("/api/contacts/", {"email": EMAIL}),
        ("/sandbox/faults", {"rate": 0}),
        ("/sandbox/advance", {"hours": 1}),
        (f"/sandbox/contacts/{EMAIL}/unsubscribe", {}),
        ("/sandbox/reset", {}),
    ):
        api("POST", path, body)
        changed = api("GET", f"/sandbox/view?after={version}").json()["version"]
        assert changed != version
        version = changed


def test_page_is_self_contained(server: SandboxServer) -> None:
    """The page names no other place, and its policy lets nothing run or load but its own script and style."""
    answer = requests.get(server.origin, timeout=10)
    policy = answer.headers["Content-Security-Policy"]
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy
    assert not re.findall(r"""(?:src|href|action)=["'](?!#|data:)""", answer.text)
    assert "http" not in answer.text.replace("http-equiv", "")
    assert not re.findall(r"\son\w+=|style=|innerHTML|{{", answer.text)


# Serving.


def test_account_file(tmp_path: Path) -> None:
    """An account with a file comes back as it was: contacts, surveys, lists, time and who unsubscribed."""
    path = tmp_path / "account.db"
    with SandboxServer(path, clock=lambda: START) as server:
        api = Api(server)
        api.contact("gone@example.com")
        api.contact(attributes={"plan": "Free"})
        api.survey(attributes={"total": 12.5})
        api("POST", "/api/lists/", {"name": "Winter"})
        api("POST", "/sandbox/contacts/gone@example.com/unsubscribe")
        api("POST", "/api/contacts/remove/", {"email": "gone@example.com"})
        server.account.advance(2)
        before = server.account.contacts, server.account.surveys, server.account.lists
    with SandboxServer(path, clock=lambda: START) as server:
        api = Api(server)
        assert (server.account.contacts, server.account.surveys, server.account.lists) == before
        assert server.account.now() == START + 2 * HOUR
        assert api.survey().status_code == 400
        assert api.survey("gone@example.com").status_code == 400
        assert api.contact("new@example.com").json()["id"] == 3
        api("POST", "/sandbox/reset")
    with SandboxServer(path) as server:
        assert not server.account.contacts


def test_account_file_of_another_process(tmp_path: Path) -> None:
    """Two sandboxes do not share an account file, and the second one's port is free again."""
    path = tmp_path / "account.db"
    with SandboxServer(path):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
        with pytest.raises(AccountInUseError, match="is open in another process"):
            SandboxServer(path, port=port)
        SandboxServer(port=port).stop()


def test_taken_port() -> None:
    """A port that somebody else has is said to be so by the system."""
    with SandboxServer() as server, pytest.raises(OSError, match="in use"):
        SandboxServer(port=int(server.origin.rpartition(":")[2]))


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_hosts(host: str) -> None:
    """The sandbox listens on the address it is given, and tells where."""
    with SandboxServer(host=host) as server:
        assert Api(server).contact().status_code == 201
