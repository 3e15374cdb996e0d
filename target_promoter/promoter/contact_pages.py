"""A page of the account's contacts, whatever stands in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final

from target_promoter.errors import DeliveryError
from target_promoter.promoter.answers import Reply

LONGEST_PAGE: Final = 16 * 1024 * 1024
"""The most bytes that a page may have."""

_MOST_CONTACTS: Final = 10**12


class LongPageError(DeliveryError):
    """A page is longer than any that fits into memory beside the rest."""

    def __init__(self) -> None:
        super().__init__(
            f"Promoter's page of contacts has more than {LONGEST_PAGE // 2**20} MiB: "
            "ask Promoter, or whoever runs what stands at `api_url`, for shorter ones."
        )


@dataclass(frozen=True, slots=True)
class ListedContact:
    """A contact as a page tells it.

    Attributes:
        email: Its address as Promoter has it; None if it has none.
        names: `first_name` and `last_name`, as far as they are there.
        attributes: Its attributes; None if the page leaves them out.
        unsubscribed: Whether it unsubscribed; None if the page does not say.
    """

    email: str | None
    names: Mapping[str, object]
    attributes: Mapping[str, object] | None
    unsubscribed: bool | None


@dataclass(frozen=True, slots=True)
class ContactPage:
    """A page of contacts.

    Attributes:
        contacts: What stands on it.
        count: How many contacts there are on all pages; None if it does not say.
        has_next: Whether there is a page behind it. Its address is not taken from here: the key goes to no other host.
        mark: The same for two pages with the same contacts.
        is_beyond: Whether it lies behind the last page.
    """

    contacts: tuple[ListedContact, ...] = ()
    count: int | None = None
    has_next: bool = False
    mark: str = ""
    is_beyond: bool = False


BEYOND: Final = ContactPage(is_beyond=True)
"""What is answered for a page behind the last one: contacts were removed meanwhile."""


def read_page(reply: Reply) -> ContactPage | None:
    """Return the page of an answer; None if it is none.

    Raises:
        LongPageError: It was not read whole.
    """
    if reply.is_cut:
        raise LongPageError
    data = reply.data
    if not isinstance(data, dict) or not isinstance(data.get("results"), list):
        return None
    entries = [entry if isinstance(entry, dict) else {} for entry in data["results"]]
    count = data.get("count")
    is_count = isinstance(count, int) and not isinstance(count, bool) and 0 <= count < _MOST_CONTACTS
    told = repr([(entry.get("id"), entry.get("email")) for entry in entries]).encode("utf-8", "backslashreplace")
    mark = blake2b(told, digest_size=16).hexdigest()
    return ContactPage(tuple(map(_contact, entries)), count if is_count else None, bool(data.get("next")), mark)


def _contact(entry: Mapping[str, Any]) -> ListedContact:
    email, attributes, unsubscribed = (entry.get(name) for name in ("email", "attributes", "unsubscribed"))
    names = {name: entry[name] for name in ("first_name", "last_name") if entry.get(name, "") not in ("", None)}
    return ListedContact(
        email if isinstance(email, str) else None,
        names,
        attributes if isinstance(attributes, dict) else None,
        unsubscribed if isinstance(unsubscribed, bool) else None,
    )
