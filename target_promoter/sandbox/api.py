"""Promoter's API over an account: one call in, one answer out, nothing waited for."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from email.utils import formatdate
from typing import Final, TypeVar
from urllib.parse import parse_qs, urlencode

import msgspec

from target_promoter.sandbox import records as forms
from target_promoter.sandbox.account import Account
from target_promoter.sandbox.records import Call, Contact, Response, iso

T = TypeVar("T")
Handler = Callable[[Account, Call, tuple[int, ...]], Response]

UNKNOWN_ROUTE: Final = "(unknown)"

# Longer numbers are nobody's id, and Python refuses to read very long ones.
_NUMBER: Final = re.compile(r"(?<=/)[0-9]{1,18}(?=/|$)")

_PAGE: Final = re.compile(r"[0-9]{1,9}")


def route_of(path: str) -> str:
    """Return the path as it is counted: numbers read `{id}`, what the API lacks `(unknown)`."""
    route = _NUMBER.sub("{id}", path)
    return route if route in _ROUTES or route + "/" in _ROUTES else UNKNOWN_ROUTE


def answer(account: Account, call: Call, *, retry_after_date: bool = False) -> Response:
    """Carry out one call.

    The order of the checks is Django REST's: address, negotiation, key, limit, method, body.

    Args:
        account: Whose API it is.

    Returns:
        The answer; errors are answers too.
    """
    route = _NUMBER.sub("{id}", call.path)
    methods = _ROUTES.get(route)
    if methods is None and route + "/" in _ROUTES:
        return _redirect(call)
    try:
        if methods is None:
            raise forms.NotFoundError
        _negotiate(call)
        _authenticate(account, call)
        wait = account.ledger.wait(account.now())
        if wait:
            return throttled(account, wait, as_date=retry_after_date)
        if call.method not in methods:
            allow = (b"allow", ", ".join(sorted(methods)).encode())
            return detail(405, f'Method "{call.method}" not allowed.', allow)
        numbers = tuple(int(number) for number in _NUMBER.findall(call.path))
        return methods[call.method](account, call, numbers)
    except forms.RefusedError as refused:
        return as_json(refused.body, refused.status, *refused.headers)


def as_json(body: object, status: int = 200, *headers: tuple[bytes, bytes]) -> Response:
    """Return a JSON answer."""
    return Response(status, msgspec.json.encode(body), headers)


def detail(status: int, text: str, *headers: tuple[bytes, bytes]) -> Response:
    """Return Django REST's `{"detail": …}`."""
    return as_json({"detail": text}, status, *headers)


def throttled(account: Account, wait: int, *, as_date: bool) -> Response:
    """Return the documented answer over the request limit.

    Args:
        account: Whose limit it is.
        wait: Seconds until it lets a request through.
    """
    after = str(wait)
    if as_date:
        after = formatdate(math.ceil(account.clock() + wait), usegmt=True)
    text = f"Request was throttled. Expected available in {float(wait)} seconds."
    return detail(429, text, (b"retry-after", after.encode()))


def _redirect(call: Call) -> Response:
    where = call.path.encode() + b"/" + (b"?" + call.query if call.query else b"")
    return Response(301, b"", ((b"location", where),), b"text/html")


def _negotiate(call: Call) -> None:
    """Refuse what is not JSON with 406: the one status the facts name for it."""
    accept = call.headers.get(b"accept", b"*/*")
    if not any(kind in accept for kind in (b"json", b"*/*", b"application/*")):
        raise forms.RefusedError({"detail": "Could not satisfy the request Accept header."}, 406)
    kind = call.headers.get(b"content-type", b"").split(b";")[0].strip().lower()
    if call.body and kind != b"application/json":
        text = f'Unsupported media type "{kind.decode("latin-1")}" in request.'
        raise forms.RefusedError({"detail": text}, 406)


def _authenticate(account: Account, call: Call) -> None:
    given = call.headers.get(b"authorization")
    if given != b"Token " + account.key.encode():
        wrong = "Invalid token." if given else "Authentication credentials were not provided."
        raise forms.RefusedError({"detail": wrong}, 401, ((b"www-authenticate", b"Token"),))


def _form(call: Call) -> forms.Form:
    """Read the body; a body that was lost on the way reads as empty."""
    try:
        body = msgspec.json.decode(call.body or b"{}")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise forms.RefusedError({"detail": f"JSON parse error - {error}"}) from error
    if not isinstance(body, dict):
        raise forms.RefusedError({"non_field_errors": forms.no_object(body)})
    return body


def _query(call: Call) -> dict[str, str]:
    pairs = parse_qs(call.query.decode("latin-1"), keep_blank_values=True)
    return {name: values[-1] for name, values in pairs.items()}


def _page(
    account: Account, call: Call, everything: Iterable[T], shown: Callable[[T], object] = lambda one: one
) -> Response:
    items = list(everything)
    query = _query(call)
    page = query.get("page", "1")
    size = account.page_size
    pages = max(1, math.ceil(len(items) / size))
    if not _PAGE.fullmatch(page) or not 1 <= int(page) <= pages:
        return detail(404, "Invalid page.")
    number = int(page)
    host = call.headers.get(b"host", b"127.0.0.1").decode("latin-1")

    def address(other: int) -> str | None:
        if not 1 <= other <= pages:
            return None
        return f"http://{host}{call.path}?{urlencode({**query, 'page': other})}"

    return as_json(
        {
            "count": len(items),
            "next": address(number + 1),
            "previous": address(number - 1),
            "results": [shown(one) for one in items[(number - 1) * size : number * size]],
        }
    )


def _get_contacts(account: Account, call: Call, _: tuple[int, ...]) -> Response:
    query = _query(call)
    contacts: Iterable[Contact] = account.contacts.values()
    if "email" in query:
        found = account.contacts.get(query["email"])
        contacts = [found] if found else []
    if "contact_list__id" in query:
        wanted = query["contact_list__id"]
        contacts = [one for one in contacts if wanted in map(str, one.lists)]

    def shown(contact: Contact) -> dict[str, object]:
        whole = {**contact.as_json(), "unsubscribed": contact.unsubscribed}
        return {name: value for name, value in whole.items() if name not in account.leave_out}

    return _page(account, call, contacts, shown)


def _get_contact(account: Account, _: Call, numbers: tuple[int, ...]) -> Response:
    contact = account.contact(numbers[0])
    return as_json({**contact.as_json(), "unsubscribed": contact.unsubscribed})


def _post_contact(account: Account, call: Call, _: tuple[int, ...]) -> Response:
    body = _form(call)
    form = forms.contact_form(body, account.campaigns, account.lists)
    contact, new = account.save_contact(form)
    account.ledger.note_posted(contact.email, body)
    return as_json(contact.as_json(), 201 if new else 200)


def _remove_contact(account: Account, call: Call, _: tuple[int, ...]) -> Response:
    account.remove_contact(forms.email_form(_form(call)))
    return Response(204)


def _survey(account: Account, call: Call, _: tuple[int, ...]) -> Response:
    form = forms.survey_form(_form(call), account.campaigns)
    contact = account.survey(form)
    body = {
        "campaign": form.campaign,
        "contact": contact.as_json(),
        "attributes": form.attributes,
    }
    return as_json(body)


def _survey_v1(account: Account, call: Call, _: tuple[int, ...]) -> Response:
    form = forms.survey_form_v1(_form(call), account.campaigns)
    contact = account.survey(form)
    body = {
        "campaign": form.campaign,
        "email": contact.email,
        "first_name": contact.first_name,
        "last_name": contact.last_name,
        "attributes": form.attributes,
    }
    return as_json(body)


def _get_campaigns(account: Account, call: Call, _: tuple[int, ...]) -> Response:
    now = account.now()
    contacts = account.contacts.values()
    surveys = account.surveys
    eligible = sum(account.eligible(contact, now) for contact in contacts)
    last = {survey.campaign: survey.time for survey in surveys}
    return _page(
        account,
        call,
        (
            {
                "id": campaign.id,
                "name": campaign.name,
                "drip_duration": campaign.drip_duration,
                "all_count": len(contacts),
                "eligible_count": eligible,
                "last_surveyed_date": iso(last[campaign.id]) if campaign.id in last else None,
                "launch_date": campaign.launch_date,
            }
            for campaign in account.campaigns.values()
        ),
    )


def _send_surveys(account: Account, _: Call, numbers: tuple[int, ...]) -> Response:
    if numbers[0] not in account.campaigns:
        raise forms.NotFoundError
    account.ledger.note_mass_send(numbers[0])
    return as_json({})


def _get_lists(account: Account, call: Call, _: tuple[int, ...]) -> Response:
    return _page(account, call, account.lists.values())


def _post_list(account: Account, call: Call, _: tuple[int, ...]) -> Response:
    return as_json(account.add_list(forms.name_form(_form(call))), 201)


def _leave_list(account: Account, call: Call, numbers: tuple[int, ...]) -> Response:
    email = forms.email_form(_form(call))
    account.leave_list(numbers[0], email)
    return Response(204)


def _delete_from_list(account: Account, _: Call, numbers: tuple[int, ...]) -> Response:
    account.leave_list(numbers[0], account.contact(numbers[1]).email)
    return Response(204)


_ROUTES: dict[str, dict[str, Handler]] = {
    "/api/contacts/": {"GET": _get_contacts, "POST": _post_contact},
    "/api/contacts/remove/": {"POST": _remove_contact},
    "/api/contacts/survey/": {"POST": _survey_v1},
    "/api/v2/survey/": {"POST": _survey},
    "/api/campaigns/": {"GET": _get_campaigns},
    "/api/campaigns/{id}/send-surveys/": {"POST": _send_surveys},
    "/api/lists/": {"GET": _get_lists, "POST": _post_list},
    "/api/lists/{id}/remove/": {"POST": _leave_list},
    # The facts write these without a slash at the end; both forms are taken.
    "/api/contacts/{id}": {"GET": _get_contact},
    "/api/contacts/{id}/": {"GET": _get_contact},
    "/api/lists/{id}/contacts/{id}": {"DELETE": _delete_from_list},
    "/api/lists/{id}/contacts/{id}/": {"DELETE": _delete_from_list},
}
